"""Keeps all signal feeds going: a task for each broker and each polled address, and a look at the clock every second.

What is posted to us comes through the web app, which calls `receive` too. Started and stopped by the daemon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

from streamer.clock import Clock
from streamer.metrics import Metrics
from streamer.signals import mqtt, poll
from streamer.signals.board import Board
from streamer.supervisor import Budget, Restarts, supervise
from streamer.tokens import same

_REVIEW_S = 1.0


class Reception:
    """The feeds of one board.

    Args:
        board: is told all that comes.
        base_dir: what paths of certificates are relative to.

    Raises:
        ConfigError: a certificate is missing or no good.
    """

    def __init__(self, board: Board, base_dir: Path, metrics: Metrics, clock: Clock, restarts: Restarts | None = None):
        self.board = board
        self._metrics = metrics
        self._clock = clock
        self._restarts = restarts or Restarts()
        self._brokers = mqtt.brokers(board.settings, base_dir)

    def receive(self, name: str, body: bytes) -> str:
        """A message has come; what became of it (see `Board.hear`). Raises KeyError: no such feed."""
        return self.board.hear(name, body, self._clock.time())

    def admits(self, name: str, token: str) -> bool:
        """Whether somebody with this token may post the state of a signal."""
        signal = self.board.settings.get(name)
        if signal is None or signal.http is None:
            return False
        return same(signal.http.token, token)

    async def run(self) -> None:
        """Hear all feeds until cancelled."""
        async with asyncio.TaskGroup() as group:
            for part, loop in self._loops():
                budget = Budget(part, self._restarts, self._clock, self._metrics)
                group.create_task(supervise(part, loop, budget, self._clock, self._metrics), name=part)

    def _loops(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        settings = self.board.settings
        yield "signals", self._review
        for i, broker in enumerate(self._brokers):
            yield f"signals broker {i + 1}", partial(mqtt.listen, broker, settings, self._hear, self._clock)
        for name, signal in settings.items():
            if signal.poll is not None:
                yield f"signal {name}", partial(poll.ask, name, signal.poll, self._hear, self._clock)

    async def _review(self) -> None:
        while True:
            self.board.review(self._clock.time())
            await self._clock.sleep(_REVIEW_S)

    def _hear(self, name: str, body: bytes) -> None:
        self.receive(name, body)
