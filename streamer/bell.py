"""Waiting for news, but not for ever, at the price of a future.

A time limit round every wait costs a timer that is made and cancelled again each time, though news nearly always come.
Here one timer looks, when it fires, whether the wait that is under way has lasted too long, and else goes on until it
would have. Called by `Camera.frames`; one object a mailbox, on the engine's loop.
"""

from __future__ import annotations

import asyncio


class Bell:
    """One waits, others ring."""

    def __init__(self) -> None:
        self._waiting: asyncio.Future[bool] | None = None
        self._until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def ring(self) -> None:
        """Wake who waits; a ring that nobody waits for is forgotten."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(True)

    async def heard(self, limit_s: float | None = None) -> bool:
        """Wait for the next ring; False if there was none within `limit_s` seconds (None waits for ever)."""
        loop = asyncio.get_running_loop()
        self._waiting = waiting = loop.create_future()
        self._until = float("inf") if limit_s is None else loop.time() + limit_s
        if limit_s is not None and (self._timer is None or self._timer.when() > self._until):
            self._set(loop)
        try:
            rung: bool = await waiting
            return rung
        finally:
            if self._waiting is waiting:
                self._waiting = None

    def _look(self) -> None:
        self._timer = None
        if self._waiting is None or self._waiting.done() or self._until == float("inf"):
            return  # the next wait with a limit sets a timer of its own
        loop = asyncio.get_running_loop()
        if loop.time() >= self._until:
            self._waiting.set_result(False)
        else:
            self._set(loop)

    def _set(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._until, self._look)
