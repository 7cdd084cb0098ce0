"""Time as a value that is passed in, so that tests and replay decide what time it is.

Live code gets `SystemClock`; tests get `FakeClock` and move it by hand. Nothing else in the package reads the system's
clocks for a decision (durations are of capture time, which comes with the frames).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def monotonic(self) -> float:
        """Seconds of CLOCK_MONOTONIC: the same in every process of the machine; for durations and deadlines."""

    def time(self) -> float:
        """Seconds since 1970 UTC: for people and for what survives a restart."""

    async def sleep(self, seconds: float) -> None:
        """Wait for that many seconds of this clock."""


class SystemClock:
    """The machine's own clocks."""

    def monotonic(self) -> float:
        """See Clock."""
        return time.monotonic()

    def time(self) -> float:
        """See Clock."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """See Clock."""
        await asyncio.sleep(seconds)


class FakeClock:
    """A clock that stands still until `advance` moves it; for tests."""

    def __init__(self, start: float = 1000.0, epoch: float = 1_800_000_000.0):
        self._now = start
        self._offset = epoch - start
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def monotonic(self) -> float:
        """See Clock."""
        return self._now

    def time(self) -> float:
        """See Clock."""
        return self._now + self._offset

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock was advanced by that much."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), future))
        await future

    @property
    def sleeping(self) -> int:
        """How many tasks wait on this clock."""
        return sum(not future.done() for _, _, future in self._sleepers)

    @property
    def due_s(self) -> float:
        """Seconds until the next task wakes; infinite if none waits."""
        waiting = [due for due, _, future in self._sleepers if not future.done()]
        return max(0.0, min(waiting) - self._now) if waiting else math.inf

    async def advance(self, seconds: float) -> None:
        """Move on, waking sleepers in order and letting each run before the next wakes; never back."""
        if seconds < 0:
            raise ValueError(f"FakeClock: cannot advance by {seconds} s: monotonic time never goes back")
        await settle()
        end = self._now + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, future = heapq.heappop(self._sleepers)
            self._now = max(self._now, due)
            if not future.done():
                future.set_result(None)
            await settle()
        self._now = end
        await settle()


async def settle(rounds: int = 20) -> None:
    """Let every ready task of the loop run; `rounds` bounds chains of wake-ups."""
    for _ in range(rounds):
        await asyncio.sleep(0)


def rfc3339(epoch_s: float) -> str:
    """UTC time as RFC 3339 with milliseconds, e.g. ``2026-11-23T20:15:00.250Z``."""
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
