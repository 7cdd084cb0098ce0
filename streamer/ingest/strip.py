"""Which encoded pictures show a moment, and when each was captured: what is cut out of a ring for evidence.

A ring keeps when a picture came and what the camera calls its time. The least delayed picture tells the offset between
the two, exactly as `timeline` does for the analyzed stream, so the two streams of one camera meet on this machine's
clock; here it is computed when evidence is wanted, so that the hot path pays nothing. Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from streamer.ingest.ring import Run
from streamer.ingest.timeline import BACK_SECONDS, FORWARD_SECONDS
from streamer.sources.rtp import AccessUnit
from streamer.sources.source import Encoding

_REPEATS = 0.5
"""A stream in which so many pictures bear a time that another bears, too, does not tell the time."""


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """Encoded pictures in order of decoding; the first can be decoded, and none is missing between them."""

    encoding: Encoding
    units: list[AccessUnit]
    times: list[float]
    """When each was captured, CLOCK_MONOTONIC; not sorted where the camera sends B-frames."""

    @property
    def seconds(self) -> float:
        """From the first picture to the last."""
        return max(self.times) - min(self.times)


def strips(runs: Iterable[Run]) -> list[Strip]:
    """The runs with the time of each picture, cut where a camera's clock jumps."""
    found = []
    for run in runs:
        for units in _pieces(run):
            if units:
                found.append(Strip(run.encoding, units, _times(units, run.encoding.clock_rate)))
    return found


def showing(found: Iterable[Strip], at: float, tolerance_s: float) -> Strip | None:
    """The strip that shows an instant, or comes within the tolerance of it; the later of two."""
    near = [(max(min(strip.times) - at, at - max(strip.times), 0.0), strip) for strip in found]
    near = [(distance, strip) for distance, strip in near if distance <= tolerance_s]
    return min(reversed(near), key=lambda pair: pair[0])[1] if near else None


def window(strip: Strip, begin_at: float, end_at: float) -> Strip:
    """What has to be kept to show a span: from the last keyframe before it to its last picture."""
    first = 0
    for i, (unit, time) in enumerate(zip(strip.units, strip.times, strict=True)):
        if unit.startable and time <= begin_at:
            first = i
    last = max((i for i, time in enumerate(strip.times) if time <= end_at), default=first)
    last = max(last, first)
    return Strip(strip.encoding, strip.units[first : last + 1], strip.times[first : last + 1])


def _pieces(run: Run) -> list[list[AccessUnit]]:
    """The run in pieces within which the camera's clock goes steadily; each begins where decoding can."""
    rate, units = run.encoding.clock_rate, run.units
    if _clockless(units):
        return [units]
    pieces: list[list[AccessUnit]] = [[]]
    last: AccessUnit | None = None
    for unit in units:
        if last is not None:
            step, passed = (unit.ticks - last.ticks) / rate, max(0.0, unit.arrived_at - last.arrived_at)
            if step < -BACK_SECONDS or step > passed + FORWARD_SECONDS:
                pieces.append([])
        if pieces[-1] or unit.startable:
            pieces[-1].append(unit)
        last = unit
    return pieces


def _times(units: list[AccessUnit], rate: int) -> list[float]:
    if _clockless(units):
        return [unit.arrived_at for unit in units]
    offset = min(unit.arrived_at - unit.ticks / rate for unit in units)
    return [unit.ticks / rate + offset for unit in units]


def _clockless(units: list[AccessUnit]) -> bool:
    return len({unit.ticks for unit in units}) < _REPEATS * len(units)
