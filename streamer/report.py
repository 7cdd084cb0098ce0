"""What the daemon says of itself: the status page's values, and the usage of its processes as metrics.

Reads from the parts and changes none of them. Made by the daemon; asked by the web page; on the engine's loop.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from streamer import __version__
from streamer.alerts import alert_key
from streamer.arming import SITE, Arming
from streamer.clock import Clock, rfc3339
from streamer.engine import Engine
from streamer.errors import CAUSES
from streamer.events import Event
from streamer.inference.client import Models
from streamer.ingest.readers import Readers
from streamer.ledger import Letter
from streamer.metrics import Metrics
from streamer.outbox import Outbox
from streamer.signals.board import Board
from streamer.store import why_path
from streamer.usage import usage
from streamer.web.status import AlertRow, CameraState, CameraStatus, PartStatus, SignalStatus, SinkStatus, Status
from streamer.wording import sentence

_LOOK_S = 2.0
_KEPT = 100
_STUCK_S = 15.0
_REPLACED_S = 10.0
"""A worker that died is replaced within this time, or something is wrong."""
_OUTCOMES = {"pending": "waiting", "delivered": "delivered"}


@dataclass(slots=True)
class Reporter:
    """Knows where to look; `run` refreshes what takes time to read, `status` puts it together."""

    engine: Engine
    readers: Readers
    models: Models
    outbox: Outbox
    metrics: Metrics
    clock: Clock
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=_KEPT))
    """The last events of any kind, told or not; newest last."""
    upcoming: Mapping[str, float] = field(default_factory=dict)
    """Cameras that are watched as soon as the models are loaded, with their `analyze_fps`."""
    arming: Arming | None = None
    signals: Board = field(default_factory=Board)
    _without_models_since: float | None = None
    _letters: list[Letter] = field(default_factory=list)
    _heads: dict[str, Letter] = field(default_factory=dict)
    _cpu: dict[int, float] = field(default_factory=dict)
    _started_at: float = 0.0

    async def run(self) -> None:
        """Refresh until cancelled."""
        self._started_at = self._started_at or self.clock.time()
        while True:
            self._measure()
            self._blind()
            self._letters = await self.outbox.recent(_KEPT)
            self._heads = await self.outbox.heads()
            await self.clock.sleep(_LOOK_S)

    def pids(self) -> dict[str, list[int]]:
        """Process ids by role: engine, reader, worker."""
        worker = self.models.pid
        return {
            "engine": [os.getpid()],
            "reader": self.readers.pids(),
            "worker": [] if worker is None else [worker],
        }

    def status(self) -> Status:
        """The daemon now, as the page shows it."""
        return Status(
            now=self.clock.time(),
            started_at=self._started_at,
            version=__version__,
            cameras=tuple(self._camera(name, fps) for name, fps in sorted(self._offered().items())),
            parts=tuple(self._parts()),
            sinks=tuple(self._sinks()),
            alerts=tuple(self._alerts()),
            overloaded=self.engine.parts.vigil.overloaded,
            signals=tuple(self._signals()),
            disarmed=tuple(self._disarmed()),
        )

    def snapshot(self, alert_id: str) -> Path | None:
        """The picture of an alert that the page lists."""
        for letter in self._letters:
            if letter.alert.id == alert_id:
                return letter.alert.snapshot
        return None

    def clip(self, alert_id: str) -> Path | None:
        """The video of an alert that the page lists; None also while it is not there yet."""
        for letter in self._letters:
            if letter.alert.id == alert_id:
                return letter.alert.clip if letter.alert.clip_ready else None
        return None

    def why(self, alert_id: str) -> Path | None:
        """The picture that explains an alert that the page lists; None: there is none, or not yet."""
        clip = self.clip(alert_id)
        return None if clip is None or not why_path(clip).is_file() else why_path(clip)

    def _signals(self) -> Iterator[SignalStatus]:
        now = self.clock.time()
        for name, (signal, heard_at) in self.signals.feeds(now).items():
            yield SignalStatus(
                name, signal.aspect, signal.reason, now - signal.since, None if heard_at is None else now - heard_at
            )

    def _disarmed(self) -> Iterator[str]:
        """The site or the cameras that are disarmed, each with since when and by whom."""
        for name, switch in ({} if self.arming is None else self.arming.all()).items():
            if not switch.armed:
                at = "" if switch.changed_at is None else f" since {rfc3339(switch.changed_at)} by {switch.changed_by}"
                yield f"{'the site' if name == SITE else f'camera {name}'}{at}"

    def _offered(self) -> dict[str, float]:
        """Every camera with the frames a second that are to be analyzed."""
        return {**self.upcoming, **{name: plan.spec.analyze_fps for name, plan in self.engine.plans.items()}}

    def _camera(self, name: str, offered_fps: float) -> CameraStatus:
        now = self.clock.monotonic()
        health, pace = self.engine.parts.vigil.health(name), self.engine.paces.of(name)
        base = CameraStatus(name, "connecting", offered_fps=offered_fps)
        if health is None:
            return base
        state: CameraState = "frozen" if health.state == "live" and health.picture == "frozen" else health.state
        if state == "live" and self.engine.parts.vigil.overloaded:
            state = "overloaded"
        fps = f" {health.fps:g} fps" if health.fps else ""
        return CameraStatus(
            name,
            state,
            cause=health.cause,
            words=_words(health.cause, health.detail),
            since=self.clock.time() - (now - health.at),
            # frames that only pass by are not analyzed: without a worker every answer is `unknown`
            last_frame_age_s=None if pace is None or self._blind() else now - pace.last_captured_at,
            latency_p50_s=None if pace is None else pace.p50_s,
            latency_p95_s=None if pace is None else pace.p95_s,
            analysed_fps=None if pace is None else pace.fps,
            offered_fps=offered_fps,
            source=f"{health.width}x{health.height} {health.codec}{fps}" if health.width else "",
            session=health.session,
            retry_in_s=None if health.retry_at is None else max(0.0, health.retry_at - now),
            record="" if health.record_cause is None else _words(health.record_cause, health.record_detail),
        )

    def _blind(self) -> bool:
        """Whether there has been no worker for longer than it takes to replace one."""
        now = self.clock.monotonic()
        if self.models.ready.is_set():
            self._without_models_since = None
        elif self._without_models_since is None:
            self._without_models_since = now
        return self._without_models_since is not None and now - self._without_models_since > _REPLACED_S

    def _parts(self) -> list[PartStatus]:
        now = self.clock.monotonic()
        degraded = sorted(self.metrics.degraded_parts)
        found = []
        for name, progress_at in (("engine", self.engine.progress_at), ("inference", self.models.progress_at)):
            if now - progress_at > _STUCK_S:
                found.append(PartStatus(name, "stuck", f"no progress for {now - progress_at:.0f} s"))
            elif name not in degraded:
                found.append(PartStatus(name, "ok", self._plan() if name == "inference" else ""))
        return found + [PartStatus(part, "degraded", "failed too often; retried slowly") for part in degraded]

    def _plan(self) -> str:
        if not self.models.ready.is_set():
            return "starting"
        plans = self.models.plans.items()
        return "; ".join(
            f"{name}: {plan.get('runtime', '?')} {plan.get('precision', '')}".strip() for name, plan in plans
        )

    def _sinks(self) -> list[SinkStatus]:
        found = []
        for name in sorted(self.outbox.names):
            value = self.metrics.value
            found.append(
                SinkStatus(
                    name,
                    depth=int(value("streamer_outbox_depth", sink=name)),
                    oldest_s=value("streamer_outbox_oldest_seconds", sink=name) or None,
                    last_error=self._trouble(name),
                    delivered=int(value("streamer_alerts_total", sink=name, outcome="delivered")),
                    dead=int(value("streamer_dead_letters", sink=name)),
                )
            )
        return found

    def _trouble(self, sink: str) -> str | None:
        """Why a sink has not got what it should; of what waits only the first was tried, however many are behind it."""
        head = self._heads.get(sink)
        if head is not None and head.attempts:
            return head.error
        dealt_with = (letter for letter in self._letters if letter.sink == sink and letter.status != "pending")
        latest = next(dealt_with, None)
        return None if latest is None or latest.status == "delivered" else latest.error

    def _alerts(self) -> list[AlertRow]:
        """Events that were told and those that were not, newest first."""
        outcomes: dict[str, dict[str, str]] = {}
        pictures: dict[str, bool] = {}
        clips: set[str] = set()
        explained: set[str] = set()
        for letter in self._letters:
            alert_id = letter.alert.id
            outcomes.setdefault(alert_id, {})[letter.sink] = _OUTCOMES.get(letter.status, "failed")
            pictures[alert_id] = letter.alert.snapshot is not None
            if letter.alert.clip_ready:
                clips.add(alert_id)
            if self.why(alert_id) is not None:
                explained.add(alert_id)
        rows = []
        for event in reversed(self.events):
            alert_id = alert_key(event)
            rows.append(
                AlertRow(
                    alert_id,
                    event.time,
                    event.camera,
                    event.kind,
                    sentence(event),
                    event.severity,
                    outcomes.get(alert_id, {}),
                    alert_id if pictures.get(alert_id) else None,
                    alert_id if alert_id in clips else None,
                    alert_id if alert_id in explained else None,
                )
            )
        return rows

    def _measure(self) -> None:
        """CPU and memory by role; a process that was replaced keeps counting from zero."""
        for role, pids in self.pids().items():
            memory = 0
            for pid in pids:
                used = usage(pid, pss=False)
                if used is None:
                    continue
                memory += used.rss_bytes
                before = self._cpu.get(pid, 0.0)
                self.metrics.process_cpu_seconds.labels(role).inc(max(0.0, used.cpu_s - before))
                self._cpu[pid] = used.cpu_s
            self.metrics.process_memory_bytes.labels(role).set(memory)
        self._cpu = {pid: cpu_s for pid, cpu_s in self._cpu.items() if any(pid in ids for ids in self.pids().values())}


def _words(cause: str | None, detail: str) -> str:
    return ": ".join(part for part in (CAUSES[cause] if cause is not None else "", detail) if part)
