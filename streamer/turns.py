"""Whose frame is worked on next, when there are more than the machine can do.

Without this every camera would ask for its frame at once, and the frame would grow old in the queue of the worker: with
twice the cameras that a machine can serve, half a second. So a pipeline gets its frame only when it is its turn; until
then the frame stays in the mailbox, where a newer one replaces it. There are as many turns at a time as keep the worker
busy (see `Models.turns`). The next one goes to the camera that had none for longest, among those whose frame is fresh:
at any load that exceeds the machine some frame is, so results stay young and all cameras get equal shares.

Called by `Camera.frames`; one object an engine, on its loop. Replay has none: there nothing is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

FRESH_S = 0.08
"""Age of a frame, from its capture, up to which it is preferred."""
LONGEST_S = 0.5
"""A turn that lasts longer does not keep others waiting: a pipeline that sleeps must not stop the rest."""


@dataclass(slots=True, eq=False)
class Seat:
    """One camera's place in the queue."""

    captured_at: Callable[[], float]
    """When the frame that waits was captured, CLOCK_MONOTONIC."""
    served: int = 0
    """Number of its last turn."""
    until: float | None = None
    """While it has a turn: when that stops keeping others waiting."""
    waiting: asyncio.Future[None] | None = field(default=None, repr=False)


class Turns:
    """Gives out turns.

    Args:
        limit: how many may be under way at a time; asked each time, for it changes with the worker.
    """

    def __init__(self, limit: Callable[[], int]):
        self._limit = limit
        self._waiting: list[Seat] = []
        self._under_way: list[Seat] = []
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, seat: Seat) -> None:
        """Wait for the seat's turn. Whoever got one gives it back."""
        loop = asyncio.get_running_loop()
        if not self._waiting and len(self._under_way) < self._limit():
            self._hand(seat, loop.time())
            return
        seat.waiting = loop.create_future()
        self._waiting.append(seat)
        self._advance()
        try:
            await seat.waiting
        finally:
            if seat in self._waiting:
                self._waiting.remove(seat)
            seat.waiting = None

    def give(self, seat: Seat) -> None:
        """The seat's turn is over; does nothing if it has none."""
        if seat.until is not None:
            seat.until = None
            if seat in self._under_way:
                self._under_way.remove(seat)
            if self._waiting:
                self._advance()

    def _advance(self) -> None:
        """Hand out what turns there are."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._under_way = [seat for seat in self._under_way if seat.until is not None and seat.until > now]
        while self._waiting and len(self._under_way) < self._limit():
            seat = min(self._waiting, key=lambda seat: (now - seat.captured_at() > FRESH_S, seat.served))
            self._waiting.remove(seat)
            self._hand(seat, now)
            if seat.waiting is not None and not seat.waiting.done():
                seat.waiting.set_result(None)
        self._watch(loop)

    def _hand(self, seat: Seat, now: float) -> None:
        self._count += 1
        seat.served, seat.until = self._count, now + LONGEST_S
        self._under_way.append(seat)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """While somebody waits, look again when the oldest turn has lasted too long."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and self._under_way:
            self._timer = loop.call_at(min(seat.until or 0.0 for seat in self._under_way), self._advance)
