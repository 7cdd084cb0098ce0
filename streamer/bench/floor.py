"""The floor: what decoding and the model alone cost on this machine, now, with all cores as busy as under load.

Figures in CPU milliseconds a camera-second. `bare`: libavcodec decodes every frame, the model runs `analyze_fps`
times, nothing else. `plain`: the whole work once in straight-line code (decode, scale, letterbox, model, suppression,
ByteTrack, zone test) without any live plumbing: no network, no clock, no other process. Both once in one go, and once
at the cameras' pace (see `paced`), which is the load that the live side has. One process a core measures at the same
time, as under load caches and clock rates are shared; `bare` is such a process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from streamer.bench.load import Load
from streamer.errors import StreamerError
from streamer.inference.plans import cpu_count

_TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True)
class Floor:
    """Means over the processes that measured at once; CPU milliseconds."""

    decode_ms: float
    """A camera-second of decoding."""
    model_ms: float
    """One frame through the bare model, at its best batch."""
    batch: int
    """That batch."""
    plain_ms: float
    """A camera-second of everything, in straight-line code."""
    bare_ms: float
    """A camera-second of decoding and of the bare model."""
    paced_bare_ms: float
    """The bare work on as many streams as there are cameras, each picture when it is due."""
    paced_plain_ms: float
    """Everything, likewise."""
    runtime: str
    """Runtime and precision of the model."""
    input: str
    """Size of the network's input for these pictures."""
    detections: float
    """Boxes a frame that the model finds, for the tracker's share of the work."""
    processes: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def measure(load: Load, stream: Path | str, model: Path | str) -> Floor:
    """Measure now; takes about half a minute.

    Args:
        load: rates, device and precision.
        stream: the file that the cameras send, or the address of a real camera (a few seconds of it are taken).
        model: the model's file, or ``motion``.

    Raises:
        StreamerError: a process failed; with its last words.
    """
    order = {
        "stream": str(stream),
        "model": str(model),
        "cameras": load.cameras,
        "fps": load.fps,
        "analyze_fps": load.analyze_fps,
        "inference": {"device": load.device, "precision": load.precision},
    }
    _measure_all({**order, "plan_only": True}, 1)  # a plan that is not in the cache is measured alone
    return mean(_measure_all(order, min(cpu_count(), load.cameras)))


def mean(found: Sequence[dict[str, Any]]) -> Floor:
    """What several processes measured at once, as one floor."""

    def average(name: str) -> float:
        return float(round(sum(one[name] for one in found) / len(found), 2))

    return Floor(
        decode_ms=average("decode_ms"),
        model_ms=average("model_ms"),
        batch=found[0]["batch"],
        plain_ms=average("plain_ms"),
        bare_ms=average("bare_ms"),
        paced_bare_ms=average("paced_bare_ms"),
        paced_plain_ms=average("paced_plain_ms"),
        runtime=found[0]["runtime"],
        input=found[0]["input"],
        detections=average("detections"),
        processes=len(found),
    )


def between(before: Floor, after: Floor) -> Floor:
    """The floor of a run, from those before and after it."""
    return replace(mean([before.to_json(), after.to_json()]), processes=before.processes)


def _measure_all(order: dict[str, Any], processes: int) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "streamer.bench.bare"]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(processes)
    ]
    try:
        for number, process in enumerate(running):
            assert process.stdin is not None
            own = {**order, "cameras": len(range(number, order["cameras"], processes))}
            process.stdin.write(json.dumps(own).encode() + b"\n")
            process.stdin.flush()
        until = time.monotonic() + _TIMEOUT_S
        return [_result(process, until) for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()


def _result(process: subprocess.Popen[bytes], until: float) -> dict[str, Any]:
    try:
        out, err = process.communicate(timeout=max(0.1, until - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise StreamerError(f"bench: the floor was not measured within {_TIMEOUT_S:g} s") from error
    if process.returncode != 0:
        words = err.decode(errors="replace").strip().split("\n")[-1]
        raise StreamerError(f"bench: the floor could not be measured: {words[:300]}")
    found: dict[str, Any] = json.loads(out)
    return found
