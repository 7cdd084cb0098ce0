"""How many cameras the machine holds, and what it does with twice as many.

Held means that at least 99 % of the offered frames are served and p95 is at most 120 ms. The search brackets the limit
by steps and then halves; a run a step, each with a fresh daemon. Called by `command`; `measure` does the runs, so the
search itself is pure and tested without cameras.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from streamer.bench.figures import Run

SERVED_SHARE = 0.99
P95_MS = 120.0
UNEVEN = 0.2
"""How far a camera's share may be from the mean under overload, as a fraction of it."""
GROWTH = 2.0
"""How far p95 may rise from capacity to overload."""
FLAT = 1.25
"""Last third over first third of a window: more is a drift of latency."""
MEMORY_FLAT = 1.05
"""The same for memory."""


def holds(run: Run) -> bool:
    """Whether the machine keeps up with this load."""
    return run.served.mean >= SERVED_SHARE and run.latency is not None and run.latency.p95 <= P95_MS


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a search found."""

    cameras: int
    """The most that was held; 0: not even one."""
    runs: Mapping[int, Run]
    """Every run by number of cameras."""

    @property
    def run(self) -> Run | None:
        """The run at capacity."""
        return self.runs.get(self.cameras)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"cameras": self.cameras, "runs": [self.runs[n].to_json() for n in sorted(self.runs)]}


def find(measure: Callable[[int], Run], guess: int, most: int = 1000) -> Capacity:
    """The largest number of cameras that is held.

    Args:
        measure: runs that many cameras.
        guess: where to begin; a good one (from the floor) saves runs.
        most: not more than this many are tried.
    """
    runs: dict[int, Run] = {}

    def good(n: int) -> bool:
        runs[n] = measure(n)
        return holds(runs[n])

    low, high = 0, most + 1  # held, not held
    n = min(max(1, guess), most)
    while high - low > 1:
        if good(n):
            low = n
        else:
            high = n
        n = _next(low, high, most)
    return Capacity(low, runs)


def guess_cameras(cores: int, plain_ms: float) -> int:
    """A likely capacity: nine tenths of the cores' time at the cost of plain code."""
    return max(1, math.floor(cores * 1000 / max(plain_ms, 0.1) * 0.9))


def _next(low: int, high: int, most: int) -> int:
    """The number to try: an eighth away while only one side is known, the middle once both are."""
    if high > most:
        return min(most, low + 1 + low // 8)
    if low == 0:
        return max(1, high - max(1, high // 6))
    return (low + high) // 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """One claim about a run under overload."""

    claim: str
    figure: str
    holds: bool


def verdicts(over: Run, capacity: Run | None) -> list[Verdict]:
    """What is asked of a machine that is offered more than it can do."""
    found = []
    if over.latency is not None and capacity is not None and capacity.latency is not None:
        ratio = over.latency.p95 / max(capacity.latency.p95, 1.0)
        text = f"{over.latency.p95:.0f} ms, {ratio:.2f} x {capacity.latency.p95:.0f} ms at capacity"
        found.append(Verdict(f"p95 at most {GROWTH:g} x that at capacity", text, ratio <= GROWTH))
    if over.drift is not None:
        text = f"first third {over.drift.first_p95:.0f} ms, last third {over.drift.last_p95:.0f} ms"
        found.append(Verdict("p95 stays flat", text, over.drift.growth <= FLAT))
    text = f"largest deviation {over.served.uneven:.1%}"
    found.append(Verdict(f"each camera's share within {UNEVEN:.0%} of the mean", text, over.served.uneven <= UNEVEN))
    text = f"{over.memory.first_pss:.0f} to {over.memory.last_pss:.0f} MB"
    found.append(Verdict("memory stays flat", text, over.memory.growth <= MEMORY_FLAT))
    found.append(Verdict("`overloaded` is raised", "raised" if over.overloaded else "not raised", over.overloaded))
    return found
