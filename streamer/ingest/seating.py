"""Which camera is read by which reader process: about 16 cameras a process, and nobody moves without need.

Cameras that libavformat or OpenCV read sit apart from those of our own client: only the former can hang beyond rescue
and take their process with them. Pure; called by `readers`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Literal

from streamer.errors import SourceError
from streamer.ingest.spec import CameraSpec
from streamer.sources.address import parse

CAMERAS_EACH = 16
Group = Literal["native", "foreign"]


def group_of(spec: CameraSpec) -> Group:
    """Whether our own client reads all streams of a camera."""
    urls = [spec.url] if spec.record_url is None else [spec.url, spec.record_url]
    try:
        native = all(parse(url).is_native for url in urls) and spec.transport == "tcp"
    except SourceError:
        return "native"  # it will only ever say that its address is wrong
    return "native" if native else "foreign"


def seat(
    specs: Sequence[CameraSpec], seated: Mapping[str, str], processes: int | Literal["auto"], cpus: int | None = None
) -> dict[str, str]:
    """Assign a process to each camera.

    Args:
        specs: all cameras.
        seated: name of the process that reads a camera now, by camera.
        processes: how many for the cameras of our own client; the others get at most as many more.
        cpus: cores of this machine; None asks the system.

    Returns:
        Names of processes (``native-0``, ``foreign-0``, ...) by camera; cameras keep their seat where they can.
    """
    cpus = cpus or len(os.sched_getaffinity(0))
    places: dict[str, str] = {}
    for group in ("native", "foreign"):
        names = [spec.name for spec in specs if group_of(spec) == group]
        least = min(2, cpus) if processes == "auto" else processes
        count = min(len(names), max(least, math.ceil(len(names) / CAMERAS_EACH) if processes == "auto" else 0))
        loads = {f"{group}-{number}": 0 for number in range(count)}
        fair = math.ceil(len(names) / count) if count else 0
        waiting = []
        for name in names:
            old = seated.get(name, "")
            if old in loads and loads[old] < fair + 2:  # a little uneven is better than a camera that blinks
                places[name] = old
                loads[old] += 1
            else:
                waiting.append(name)
        for name in waiting:
            place = min(loads, key=lambda place: (loads[place], place))
            places[name] = place
            loads[place] += 1
    return places
