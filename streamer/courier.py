"""Delivers the outbox's letters to one sink: in order, one at a time, with backoff; a slow sink delays only itself.

A letter that fails again and again may be the fault of the sink (it is down) or its own (the receiver chokes on it). So
after some attempts it steps aside: it keeps being tried, and those of other incidents pass it. While none gets through,
all is as it was. Once one does, those that stepped aside are tried at once; one that fails even then is at fault
itself, and comes back after longer and longer pauses. Within an incident the order is strict, always.

One supervised task a sink on the engine's loop, started by the outbox. It sleeps until it is nudged or until something
is due; it keeps nothing that must survive, because what was sent is marked in the store, and what was not is found
there again. It sends at least once: a crash between the receiver's yes and the mark sends the same key again.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Mapping
from contextlib import suppress

from streamer import ledger, log
from streamer.clock import Clock
from streamer.errors import SinkBusy, SinkError, SinkRejected
from streamer.ledger import Letter, Status
from streamer.metrics import Metrics
from streamer.sinks.sink import Sink, reason
from streamer.store import Store
from streamer.supervisor import Budget, Restarts, supervise

logger = log.get(__name__)

PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds before the next attempt, by attempts that failed in a row; the last one repeats."""
_JITTER = 0.2  # up to a fifth longer or shorter: the sinks of a site must not all knock at once when a server returns
_LONGEST_BUSY_S = 3600.0
_LONGEST_ASIDE_S = 3600.0
_CLOSE_S = 3.0


class Courier:
    """One sink and its task."""

    def __init__(self, sink: Sink, store: Store, metrics: Metrics, clock: Clock, waiting: Mapping[str, float]):
        """`waiting`: alerts that wait for their snapshot, with the monotonic time until which they do."""
        self.sink = sink
        self.quiet = asyncio.Event()
        """Set while there is nothing to do now: all is delivered, or the sink is down and its pause not over."""
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._waiting = waiting
        self._wake = asyncio.Event()
        self._failures = 0
        self._works = False
        """Whether the last attempt got through."""
        self._opened = False
        self._resumed = False
        self._sent: set[int] = set()
        self._suspects: set[int] = set()
        """Letters that stepped aside while nothing got through: it may have been the sink."""
        self._guilty: set[int] = set()
        """Letters that failed although the sink works."""
        self._started_at = clock.time()
        self._random = random.Random()

    def nudge(self) -> None:
        """Something changed in the store."""
        self._wake.set()
        if not self._failures:
            self.quiet.clear()

    async def run(self) -> None:
        """Deliver until cancelled; then the sink is closed."""
        if not self._resumed:
            still_open = await self._store.read(lambda c: ledger.open_alerts(c, self.sink.name, self._store.snapshots))
            self.sink.resume(still_open)
            # a new daemon knows nothing against anybody
            await self._store.write(lambda c: ledger.recall(c, self.sink.name))
            self._resumed = True
        part = f"sink {self.sink.name} connection"
        budget = Budget(part, Restarts(), self._clock, self._metrics)
        background = asyncio.create_task(supervise(part, self.sink.run, budget, self._clock, self._metrics))
        try:
            await self._deliver()
        finally:
            background.cancel()
            await asyncio.wait({background}, timeout=_CLOSE_S)
            self._opened = False
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await self.sink.close()

    async def _deliver(self) -> None:
        while True:
            self._wake.clear()
            letter, due_at = await self._store.read(self._look)
            if letter is None:
                self.quiet.set()
                await self._nap(None if due_at is None else max(due_at - self._clock.time(), 0.0))
                continue
            if self._clock.time() >= letter.expires_at and letter.seq not in self._sent:
                error = "too old" + (f"; {letter.error}" if letter.error else "")
                await self._close(letter, "expired", error)
                continue
            patience_s = 0.0 if letter.ready else self._waiting.get(letter.alert.id, 0.0) - self._clock.monotonic()
            if patience_s > 0:
                await self._nap(patience_s)
                continue
            self.quiet.clear()
            pause_s = await self._attempt(letter)
            if pause_s is not None:
                self.quiet.set()
                await self._clock.sleep(min(pause_s, max(letter.expires_at - self._clock.time(), 0.0)))

    def _look(self, c: sqlite3.Connection) -> tuple[Letter | None, float | None]:
        """The letter that is due now, or when the next one is."""
        now, name = self._clock.time(), self.sink.name
        letter = ledger.head(c, name, self._store.snapshots, now)
        return letter, None if letter is not None else ledger.next_retry(c, name, now)

    async def _attempt(self, letter: Letter) -> float | None:
        """One try; the seconds to wait before the next, or None if the letter is dealt with."""
        try:
            if letter.seq not in self._sent:
                async with asyncio.timeout(self.sink.send_timeout_s):
                    if not self._opened:
                        await self.sink.open()
                        self._opened = True
                    await self.sink.send(letter.alert)
                # if the mark fails (a full disk) the letter is marked later, not sent again
                self._sent.add(letter.seq)
        except SinkRejected as error:
            await self._close(letter, "rejected", _words(error))
        except TimeoutError:
            return await self._failed(letter, f"no answer within {self.sink.send_timeout_s:g} s", None)
        except SinkBusy as error:
            return await self._failed(letter, _words(error), min(error.retry_after_s, _LONGEST_BUSY_S))
        except SinkError as error:
            return await self._failed(letter, _words(error), None)
        except Exception as error:  # a sink's own fault must not cost an alert: tried again like any failure
            logger.exception("sink %s: unexpected error", self.sink.name)
            return await self._failed(letter, _words(error), None)
        else:
            await self._close(letter, "delivered", None)
            self._sent.discard(letter.seq)
        if self._failures:
            logger.info("sink %s: delivers again after %d failed attempts", self.sink.name, self._failures)
        self._failures, self._works = 0, True
        if self._suspects:
            suspects, self._suspects = tuple(self._suspects), set()
            await self._store.write(lambda c: ledger.recall(c, self.sink.name, suspects))
        return None

    async def _failed(self, letter: Letter, error: str, at_least_s: float | None) -> float | None:
        """Note a failure; the seconds to wait before anything else is sent, or None if the letter steps aside."""
        self._opened = False
        aside = at_least_s is None and letter.attempts + 1 >= self.sink.settings.step_aside_after
        # where the one before it got through, it is not the sink
        guilty = aside and (self._works or letter.seq in self._guilty)
        pause_s = PAUSES_S[min(self._failures, len(PAUSES_S) - 1)]
        if guilty:
            doublings = min(letter.attempts + 1 - self.sink.settings.step_aside_after, 8)
            pause_s = min(PAUSES_S[-1] * 2**doublings, _LONGEST_ASIDE_S)
        pause_s = max(pause_s * self._random.uniform(1 - _JITTER, 1 + _JITTER), at_least_s or 0.0)
        self._failures += 1
        self._works = False
        level = 30 if self._failures in (1, 5) or self._failures % 100 == 0 else 10  # an outage is not news each minute
        logger.log(
            *(level, "sink %s: %s not delivered (attempt %d): %s; again in %.1f s"),
            *(self.sink.name, letter.alert.id, letter.attempts + 1, error, pause_s),
        )
        self._metrics.alerts.labels(self.sink.name, "retried").inc()
        now = self._clock.time()
        retry_at = min(now + pause_s, letter.expires_at) if aside else 0.0
        await self._store.write(lambda c: ledger.mark(c, letter, "pending", now, error, retry_at))
        if aside:
            (self._guilty if guilty else self._suspects).add(letter.seq)
        return None if aside else pause_s

    async def _close(self, letter: Letter, status: Status, error: str | None) -> None:
        """The letter has met its end: mark it, and only then count it."""
        now = self._clock.time()
        await self._store.write(lambda c: ledger.mark(c, letter, status, now, error))
        self._guilty.discard(letter.seq)
        name, event = self.sink.name, letter.alert.event
        self._metrics.alerts.labels(name, status).inc()
        self._metrics.outbox_depth.labels(name).dec()
        if status != "delivered":
            self._metrics.dead_letters.labels(name).inc()
            logger.error("sink %s: %s is a dead letter (%s): %s", name, letter.alert.id, status, error)
        elif event.captured_at is not None and letter.alert.created_at >= self._started_at:
            # of this run only: CLOCK_MONOTONIC of before a reboot says nothing
            self._metrics.alert_seconds.labels(name).observe(max(self._clock.monotonic() - event.captured_at, 0.0))

    async def _nap(self, seconds: float | None) -> None:
        """Wait that long (None: for ever), or until nudged."""
        tasks: set[asyncio.Future[object]] = {asyncio.ensure_future(self._wake.wait())}
        if seconds is not None:
            tasks.add(asyncio.ensure_future(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()


def _words(error: Exception) -> str:
    return log.secrets.scrub(reason(error))
