"""The outbox: an alert is written down before anything is sent, and stays until every sink has it or gave it up.

The engine puts alerts in; a courier a sink takes them out. All that matters is in the store (`ledger.py`), so a crash
at any moment loses nothing that `put` has returned from. Runs on the engine's loop; idle it does nothing but ask
SQLite every few seconds whether another process (`streamer outbox retry`) has written.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from streamer import attachments, ledger, log, retention
from streamer.alerts import Alert, Suppressed
from streamer.clock import Clock
from streamer.courier import Courier
from streamer.errors import StoreError
from streamer.ledger import Letter
from streamer.metrics import Metrics
from streamer.retention import OutboxSettings, Tidied
from streamer.sinks.sink import Sink
from streamer.store import Store
from streamer.supervisor import Budget, Restarts, supervise

__all__ = ["Outbox", "OutboxSettings"]

logger = log.get(__name__)

SNAPSHOT_WAIT_S = 2.0
"""An alert goes without its snapshot after so many seconds."""
_CHECK_S = 5.0
_TIDY_S = 60.0
_DAY_S = 86400.0
_REMEMBERED = 200


class Outbox:
    """All alerts that are on their way."""

    def __init__(
        self, store: Store, sinks: Mapping[str, Sink], settings: OutboxSettings, metrics: Metrics, clock: Clock
    ):
        self.suppressed: deque[Suppressed] = deque(maxlen=_REMEMBERED)
        """The last events that nobody was told of because of what was told before; newest last."""
        self.commanded: Callable[[str, str, bool], None] = lambda sink, camera, armed: None
        """Called when a receiver wants a camera, or the site (``*``), armed or disarmed, with the sink's name."""
        self._store = store
        self._sinks = dict(sinks)
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._waiting: dict[str, float] = {}
        self._couriers: dict[str, tuple[Courier, asyncio.Task[None]]] = {}
        self._running = False
        self._retired: set[asyncio.Task[None]] = set()
        self._cameras: dict[str, Sequence[str]] = {}
        self._online: dict[str, bool] = {}
        self._switches: dict[str, bool] = {}
        self._shown: set[str] = set()
        self._dirty = True

    # --- putting in ---

    async def put(self, alert: Alert, expects_snapshot: bool = False) -> bool:
        """Write an alert down; returns after the commit, before anything is sent.

        Args:
            alert: from the alert policy.
            expects_snapshot: wait up to SNAPSHOT_WAIT_S for `attach` before sending it.

        Returns:
            False if nobody is told: in cool-down, told already, or the begin of its incident was not told.

        Raises:
            StoreError: it could not be written; nothing of it was.
        """
        now = self._clock.time()
        alert = replace(alert, created_at=now)
        expires_at = {name: now + self._lifetime_s(name) for name in alert.sinks}
        if expects_snapshot:
            self._waiting[alert.id] = self._clock.monotonic() + SNAPSHOT_WAIT_S
        try:
            refused, given_up = await self._store.write(
                lambda c: (
                    ledger.enter(c, alert, not expects_snapshot, expires_at),
                    ledger.give_up(c, self._settings.max_waiting, now),
                )
            )
        except StoreError:
            self._waiting.pop(alert.id, None)
            raise
        if refused is not None:
            if refused != "duplicate":
                self._waiting.pop(alert.id, None)
            self.suppressed.append(Suppressed(refused, alert.event))
            self._metrics.alerts_suppressed.labels(refused).inc()
            return False
        for name in alert.sinks:  # nearly right at once, exactly right at the next upkeep
            self._metrics.outbox_depth.labels(name).inc()
        self._dirty = True
        self._say(Tidied(given_up=given_up))
        self._nudge(alert.sinks)
        return True

    async def attach(self, alert_id: str, path: Path | None = None) -> None:
        """The snapshot of an alert lies at `path` (of `store.snapshot_path`), or will never come (None)."""
        known = None if path is None else self._store.snapshots / path.name
        try:
            await self._store.write(lambda c: attachments.attach(c, alert_id, known))
        finally:
            self._waiting.pop(alert_id, None)
            self._nudge(self._couriers)

    async def attach_clip(self, alert_id: str, there: bool) -> None:
        """The clip of an alert lies at `store.clip_path`, or will never come. The alert itself went long before."""
        await self._store.write(lambda c: attachments.attach_clip(c, alert_id, there))

    async def camera_state(self, camera: str, online: bool) -> None:
        """A camera came or went, for sinks that keep its state (MQTT)."""
        self._online[camera] = online
        for sink in self._sinks.values():
            sink.state(camera, online)

    def arming(self, switches: Mapping[str, bool]) -> None:
        """What is armed and what is not, for sinks that show it (MQTT)."""
        self._switches = dict(switches)
        for sink in self._sinks.values():
            sink.arming(self._switches)

    def announce(self, cameras: Mapping[str, Sequence[str]]) -> None:
        """Which cameras there are and which kinds of events each may have; at start and after a reload."""
        self._cameras = dict(cameras)
        self._online = {name: online for name, online in self._online.items() if name in cameras}
        for sink in self._sinks.values():
            sink.announce(self._cameras)

    # --- looking in ---

    @property
    def names(self) -> tuple[str, ...]:
        """The sinks that are delivered to now."""
        return tuple(self._sinks)

    async def dead_letters(self, limit: int = 100) -> list[Letter]:
        """What sinks rejected, let expire, or the size bound gave up; oldest first."""
        return await self._store.read(lambda c: ledger.letters(c, self._store.snapshots, ledger.DEAD, limit))

    async def retry(self, alert_ids: Sequence[str] | None = None) -> int:
        """Send dead letters again (None: all); how many."""
        now = self._clock.time()
        count = await self._store.write(lambda c: ledger.retry(c, now, alert_ids, _DAY_S))
        self._dirty = True
        self._nudge(self._couriers)
        return count

    async def recent(self, limit: int = 50) -> list[Letter]:
        """The last deliveries of any status, newest first; for the status page."""
        return await self._store.read(lambda c: ledger.recent(c, self._store.snapshots, limit))

    async def heads(self) -> dict[str, Letter]:
        """By sink the letter that it is to get next; sinks that have all of theirs are left out."""
        names, folder = tuple(self._sinks), self._store.snapshots
        found = await self._store.read(lambda c: {name: ledger.head(c, name, folder) for name in names})
        return {name: letter for name, letter in found.items() if letter is not None}

    # --- sending ---

    async def run(self) -> None:
        """Deliver until cancelled."""
        waiting = frozenset(self._waiting)
        await self._store.write(lambda c: attachments.release_all(c, self._store.snapshot_path, waiting))
        self._running = True
        try:
            for name in self._sinks:
                self._start(name)
            budget = Budget("outbox upkeep", Restarts(), self._clock, self._metrics)
            await supervise("outbox upkeep", self._upkeep, budget, self._clock, self._metrics)
        finally:
            self._running = False
            await self._end_all()

    def set_sinks(self, sinks: Mapping[str, Sink]) -> None:
        """Deliver to exactly these; a sink whose settings did not change goes on undisturbed."""
        for name in list(self._sinks):
            new = sinks.get(name)
            if new is None or (type(new), new.settings) != (type(self._sinks[name]), self._sinks[name].settings):
                del self._sinks[name]
                self._retire(name)
        for name, sink in sinks.items():
            if name not in self._sinks:
                self._sinks[name] = sink
                if self._running:
                    self._start(name)

    async def stop(self, deadline_s: float) -> None:
        """Send what can be sent within `deadline_s`, then end; what is left is sent after the next start."""
        quiet = [asyncio.ensure_future(courier.quiet.wait()) for courier, _ in self._couriers.values()]
        if quiet:
            _, late = await asyncio.wait(quiet, timeout=deadline_s)
            for task in late:
                task.cancel()
        await self._end_all()

    def _start(self, name: str) -> None:
        sink = self._sinks[name]
        sink.command = lambda camera, armed: self.commanded(name, camera, armed)
        sink.announce(self._cameras)
        sink.arming(self._switches)
        for camera, online in self._online.items():
            sink.state(camera, online)
        courier = Courier(sink, self._store, self._metrics, self._clock, self._waiting)
        budget = Budget(f"sink {name}", Restarts(), self._clock, self._metrics)
        predecessors = set(self._retired)

        async def deliver() -> None:
            if predecessors:  # the old sink of this name may still hold the file or the client's name
                await asyncio.wait(predecessors)
            await supervise(f"sink {name}", courier.run, budget, self._clock, self._metrics)

        self._couriers[name] = (courier, asyncio.create_task(deliver(), name=f"sink {name}"))

    def _retire(self, name: str) -> None:
        if name in self._couriers:
            _, task = self._couriers.pop(name)
            task.cancel()
            self._retired.add(task)
            task.add_done_callback(self._retired.discard)

    async def _end_all(self) -> None:
        for name in list(self._couriers):
            self._retire(name)
        if self._retired:
            await asyncio.wait(set(self._retired))

    async def _upkeep(self) -> None:
        """Expiry, bounds and gauges; and the one thing nobody tells us of: that another process has written."""
        version, tidy_at = None, self._clock.monotonic()
        while True:
            seen = await self._store.read(lambda c: c.execute("PRAGMA data_version").fetchone()[0])
            if self._clock.monotonic() >= tidy_at:
                tidy_at = self._clock.monotonic() + _TIDY_S
                await self._tidy()
                self._dirty = True
            if seen != version and version is not None:
                self._nudge(self._couriers)
            if seen != version or self._dirty:
                self._dirty = await self._measure()
            version = seen
            await self._clock.sleep(_CHECK_S)

    async def _tidy(self) -> None:
        now, monotonic = self._clock.time(), self._clock.monotonic()
        for alert_id in [alert_id for alert_id, until in self._waiting.items() if until < monotonic]:
            del self._waiting[alert_id]
        tidied = await self._store.write(lambda c: retention.tidy(c, self._settings, now))
        limit, clip_limit = self._settings.max_snapshot_bytes, self._settings.max_clip_bytes
        tidied.snapshots, tidied.bare = await self._store.write(
            lambda c: retention.sweep(c, self._store.snapshots, limit, now)
        )
        tidied.clips, _ = await self._store.write(
            lambda c: retention.sweep(c, self._store.clips, clip_limit, now, "clip")
        )
        self._say(tidied)

    def _say(self, tidied: Tidied) -> None:
        """Nothing is given up in silence."""
        for outcome, gone in (("expired", tidied.expired), ("given_up", tidied.given_up)):
            for sink, count in Counter(sink for sink, _ in gone).items():
                self._metrics.alerts.labels(sink, outcome).inc(count)
                example = next(alert_id for name, alert_id in gone if name == sink)
                why = "too old" if outcome == "expired" else f"over {self._settings.max_waiting} were waiting"
                logger.error("sink %s: gave up %d alerts (%s), the first is %s", sink, count, why, example)
        if tidied.bare:
            logger.warning("outbox: %d waiting alerts lost their snapshot to max_snapshot_bytes", tidied.bare)

    async def _measure(self) -> bool:
        """Set the gauges; whether anything waits, so that they have to be set again."""
        depths = await self._store.read(ledger.depths)
        now = self._clock.time()
        for sink in {*depths, *self._shown, *self._sinks}:
            count, oldest_at, dead = depths.get(sink, (0, 0.0, 0))
            self._metrics.outbox_depth.labels(sink).set(count)
            self._metrics.outbox_oldest_seconds.labels(sink).set(max(now - oldest_at, 0.0) if count else 0.0)
            self._metrics.dead_letters.labels(sink).set(dead)
        self._shown |= set(depths)
        return any(count for count, _, _ in depths.values())

    def _nudge(self, sinks: Sequence[str] | Mapping[str, object]) -> None:
        for name in sinks:
            if name in self._couriers:
                self._couriers[name][0].nudge()

    def _lifetime_s(self, sink: str) -> float:
        return self._sinks[sink].settings.expire_seconds if sink in self._sinks else _DAY_S
