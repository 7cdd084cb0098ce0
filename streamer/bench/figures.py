"""What a run comes to: shares, latencies, drift, costs; pure functions of rows and counters. Called by `trial`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution in milliseconds."""

    p50: float
    p95: float
    p99: float
    max: float

    @staticmethod
    def of(seconds: Floats) -> Spread | None:
        """None when there is nothing to describe."""
        if not len(seconds):
            return None
        ms = np.asarray(seconds) * 1000
        p50, p95, p99 = (round(float(p), 1) for p in np.percentile(ms, [50, 95, 99]))
        return Spread(p50, p95, p99, round(float(ms.max()), 1))


@dataclass(frozen=True, slots=True)
class Drift:
    """Whether latency grew: its p95 in the first and in the last third of the window, milliseconds."""

    first_p95: float
    last_p95: float

    @property
    def growth(self) -> float:
        """Last over first."""
        return self.last_p95 / max(self.first_p95, 1.0)


def drift(latency_s: Floats, at: Floats, window: tuple[float, float]) -> Drift | None:
    """Latencies of results at instants `at`; None where a third of the window is empty."""
    third = (window[1] - window[0]) / 3
    first, last = latency_s[at < window[0] + third], latency_s[at >= window[1] - third]
    if not len(first) or not len(last):
        return None
    return Drift(*(round(float(np.percentile(part, 95) * 1000), 1) for part in (first, last)))


@dataclass(frozen=True, slots=True)
class Served:
    """What became of the frames that were to be analysed, over all cameras."""

    offered: float
    """Frames a camera that were to be analysed in the window."""
    frames: tuple[int, ...]
    """Distinct frames analysed, by camera."""

    @property
    def shares(self) -> list[float]:
        """Of what was offered, by camera, at most 1."""
        return [min(1.0, n / self.offered) for n in self.frames]

    @property
    def mean(self) -> float:
        """Mean share."""
        return sum(self.shares) / len(self.shares)

    @property
    def worst(self) -> float:
        """Share of the camera that got the least."""
        return min(self.shares)

    @property
    def uneven(self) -> float:
        """Largest deviation of a camera from the mean number of frames, as a fraction of it."""
        mean = sum(self.frames) / len(self.frames)
        return max(abs(n - mean) for n in self.frames) / mean if mean else 1.0


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of the subject's processes, in MB (2^20 bytes)."""

    peak_rss: Mapping[str, float]
    """The most of each role, summed over its processes."""
    peak_pss: Mapping[str, float]
    """The same with shared pages divided among those who share them."""
    first_pss: float
    """Mean over the first third of the window, all roles."""
    last_pss: float
    """Mean over its last third."""

    @property
    def growth(self) -> float:
        """Last over first."""
        return self.last_pss / self.first_pss if self.first_pss else 1.0


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run."""

    cameras: int
    window_s: float
    start_s: float
    """From the start of the subject's process to a first analysed frame of every camera."""
    served: Served
    latency: Spread | None
    """From the instant a frame was sent (real cameras: captured, by the reader's estimate) to the rules' verdict."""
    latency_from: str
    """``sent`` or ``captured``."""
    stages: Mapping[str, Spread]
    """Latency by stage."""
    drift: Drift | None
    cpu_ms: Mapping[str, float]
    """CPU milliseconds a camera-second by role of the process."""
    simulator_ms: float
    """The same for the simulator, which is not in `cpu_ms`."""
    other_cores: float
    """Cores that all other processes of the machine kept busy meanwhile: figures with more than 0.05 are in doubt."""
    steal_cores: float
    memory: Memory
    processes: Mapping[str, int]
    """How many there are of each role."""
    batch_mean: float
    sent_fps: float
    """Frames a second that the simulator sent, a camera; 0 for real cameras."""
    drops: Mapping[str, int]
    """Frames by ``stage/outcome`` in the window, those that were not served."""
    unreadable: int
    duplicates: int
    unknown: int
    """Frames to which the worker gave no answer in time."""
    overloaded: bool
    """Whether `overloaded` was raised by the end of the window."""
    plan: Mapping[str, Any] = field(default_factory=dict)
    """How the worker ran the model."""

    @property
    def total_cpu_ms(self) -> float:
        """CPU milliseconds a camera-second of all of the subject's processes."""
        return sum(self.cpu_ms.values())

    @property
    def cores(self) -> float:
        """Cores that the subject kept busy."""
        return self.total_cpu_ms * self.cameras / 1000

    def to_json(self) -> dict[str, Any]:
        """Plain values, with what is derived."""
        plain = asdict(self)
        plain["served"] |= {"mean": self.served.mean, "worst": self.served.worst, "uneven": self.served.uneven}
        plain["memory"] |= {"growth": self.memory.growth}
        return plain | {"total_cpu_ms": self.total_cpu_ms, "cores": self.cores}


def distinct(numbers: Sequence[int] | NDArray[np.int64]) -> tuple[int, int]:
    """How many different frames, and how many results were of a frame seen before; -1 is no frame."""
    known = np.asarray(numbers)
    known = known[known >= 0]
    count = len(np.unique(known))
    return count, len(known) - count


def subtract(after: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """How much each counter grew."""
    return {name: value - before.get(name, 0.0) for name, value in after.items()}


def drops(grown: Mapping[str, float]) -> dict[str, int]:
    """Frames by ``stage/outcome`` that were to be analysed and were not, from counters ``frames/stage/outcome``."""
    names = {name: name.removeprefix("frames/") for name in grown if name.startswith("frames/")}
    return {
        short: round(grown[name])
        for name, short in names.items()
        if grown[name] and not short.endswith("/ok") and short != "sample/not_due"
    }
