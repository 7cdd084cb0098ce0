"""Supervision: every loop and child is restarted within a budget, then retried slowly and called `degraded`.

Used by the engine (pipelines), the outbox (sinks), the inference client (workers) and the readers. Nothing here gives
up for good: a daemon that stops trying is one that nobody can rely on. asyncio only; the clock is passed in.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from streamer import log
from streamer.clock import Clock
from streamer.metrics import Metrics

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Restarts:
    """How often a part may be restarted, and how slowly after that."""

    limit: int = 5
    """Restarts within `window_s` that are nothing to worry about."""
    window_s: float = 60.0
    """Length of the sliding window in seconds."""
    slow_s: float = 60.0
    """Pause between attempts once the budget is spent, in seconds."""
    first_s: float = 0.2
    """Pause before the first restart, in seconds; doubles with each one in the window."""


class Budget:
    """The restart budget of one part."""

    def __init__(self, part: str, restarts: Restarts, clock: Clock, metrics: Metrics | None = None):
        self.part = part
        self.degraded = False
        self._restarts = restarts
        self._clock = clock
        self._metrics = metrics
        self._failures: deque[float] = deque(maxlen=restarts.limit + 1)

    @property
    def window_s(self) -> float:
        """How long a part must work before it is called healthy again, in seconds."""
        return self._restarts.window_s

    def spend(self) -> float:
        """Note a failure; the seconds to wait before the next attempt."""
        now = self._clock.monotonic()
        self._failures.append(now)
        recent = [at for at in self._failures if now - at < self._restarts.window_s]
        if self.degraded or len(recent) > self._restarts.limit:
            # stays slow until it proved itself: the pauses alone must not empty the window and earn a new budget
            self._mark(True)
            return self._restarts.slow_s
        return float(min(self._restarts.first_s * 2.0 ** (len(recent) - 1), self._restarts.slow_s))

    def healthy(self) -> None:
        """Note that the part works; ends `degraded` once the last failure is as old as the window is long."""
        now = self._clock.monotonic()
        if self.degraded and not any(now - at < self._restarts.window_s for at in self._failures):
            self._mark(False)

    def _mark(self, degraded: bool) -> None:
        if degraded != self.degraded:
            logger.log(
                40 if degraded else 20,
                "%s: %s",
                self.part,
                f"degraded: over {self._restarts.limit} restarts in {self._restarts.window_s:g} s; "
                f"retrying every {self._restarts.slow_s:g} s"
                if degraded
                else "recovered",
            )
        self.degraded = degraded
        if self._metrics is not None:
            self._metrics.degraded.labels(self.part).set(int(degraded))
            (self._metrics.degraded_parts.add if degraded else self._metrics.degraded_parts.discard)(self.part)


async def supervise(
    part: str, loop: Callable[[], Awaitable[None]], budget: Budget, clock: Clock, metrics: Metrics | None = None
) -> None:
    """Run `loop` until it returns; when it raises, log it and run it again within the budget.

    Args:
        part: name for logs and for the label `loop` of `loop_restarts` (a fixed set: no camera-made text).
        loop: called anew for each run; its return ends supervision, its errors never do.
        budget: decides on pauses and on `degraded`.
        clock: time for the pauses.
        metrics: counts restarts, if given.
    """
    while True:
        try:
            async with _proving(budget, clock):
                await loop()
            budget.healthy()
            return
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise  # it is we who are stopped; else something that the loop waited for was cancelled: a failure
            pause_s = budget.spend()
            logger.exception("%s: failed; again in %.1f s", part, pause_s)
            if metrics is not None:
                metrics.loop_restarts.labels(part).inc()
            await clock.sleep(pause_s)


@asynccontextmanager
async def _proving(budget: Budget, clock: Clock) -> AsyncIterator[None]:
    """A run of a degraded part that lasts as long as the window is called healthy while it goes on."""

    async def prove() -> None:
        await clock.sleep(budget.window_s)
        budget.healthy()

    proof = asyncio.create_task(prove()) if budget.degraded else None
    try:
        yield
    finally:
        if proof is not None:
            proof.cancel()
