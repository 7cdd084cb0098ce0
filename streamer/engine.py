"""THE MAIN PATH. Frames come in from the readers, pipelines watch them, events become alerts in the outbox.

Read this file first; everything else is called from here, in this order:

    readers ──frame──▶ Camera (mailbox of one) ──▶ Pipeline.watch ──event──▶ IncidentBook ──▶ AlertPolicy ──▶ Outbox
                                                     │    ▲
                                            frame    ▼    │ detections (batched across cameras)
                                                    Models

One asyncio task a camera and pipeline, all on one loop. The engine never decodes, infers, draws or sends: readers,
workers and sinks do. It holds no pixels longer than a pipeline needs them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from streamer import log
from streamer.alerts import AlertPolicy, ClipSettings, Suppressed
from streamer.camera import Camera, Watching
from streamer.clock import Clock
from streamer.errors import StoreError
from streamer.events import SYSTEM, Event, IncidentBook
from streamer.evidence import Evidence
from streamer.explaining import Explainer
from streamer.health import CAMERA_KINDS, Vigil
from streamer.inference.client import Models
from streamer.ingest.health import Health
from streamer.ingest.readers import Readers
from streamer.ingest.spec import CameraSpec
from streamer.metrics import Metrics
from streamer.outbox import Outbox
from streamer.pace import Paces
from streamer.pipeline import Pipeline
from streamer.places import Places
from streamer.signals.board import Board
from streamer.store import Store
from streamer.supervisor import Budget, Restarts, supervise
from streamer.turns import Turns
from streamer.types import Frame
from streamer.watch import watch

logger = log.get(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class CameraPlan:
    """What the engine does with one camera."""

    spec: CameraSpec
    places: Places
    pipelines: Mapping[str, Pipeline]
    """By their name in the configuration; handles not bound yet."""
    clip: ClipSettings | None = None
    """What is kept of its video for each alert; None: nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What the engine works with; built by the daemon, replaced by fakes in tests."""

    readers: Readers
    models: Models
    policy: AlertPolicy
    outbox: Outbox
    store: Store
    vigil: Vigil
    metrics: Metrics
    clock: Clock
    watching: Watching = field(default_factory=Watching)
    restarts: Restarts = field(default_factory=Restarts)
    signals: Board = field(default_factory=Board)
    told: Callable[[Event], None] = lambda event: None
    """Called with every event after it was dealt with; for the console and the status page."""


class Engine:
    """Runs every pipeline on every camera that names it."""

    def __init__(self, parts: Parts):
        self.parts = parts
        self.book = IncidentBook()
        self.policy = parts.policy
        """Replaced by a reload."""
        self.progress_at = parts.clock.monotonic()
        """When the loop last went round, on CLOCK_MONOTONIC; feeds the watchdog."""
        self.paces = Paces(parts.clock)
        self._plans: dict[str, CameraPlan] = {}
        self._cameras: dict[str, dict[str, Camera]] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._evidence = Evidence(parts.readers, parts.outbox, parts.store, Explainer(parts.models.file_of))
        self._works: set[asyncio.Task[None]] = set()
        self._clips: set[asyncio.Task[None]] = set()
        self._started_at = parts.clock.monotonic()
        self._leases: dict[int, int] = {}
        self._turns = Turns(lambda: parts.models.turns)

    # --- the journey of a frame ---

    def on_frame(self, frame: Frame) -> None:
        """A reader has a frame: leave it in the mailbox of every pipeline that watches this camera."""
        watchers = self._cameras.get(frame.camera, {})
        frame = self.parts.signals.see(frame)
        self._leases[id(frame)] = len(watchers)
        if not watchers:
            self._release(frame)
        for camera in watchers.values():
            camera.put(frame)

    async def _watch(self, camera: Camera, name: str, pipeline: Pipeline) -> None:
        """One pipeline on one camera, for as long as it is configured."""
        note = partial(self.parts.metrics.note, camera.name, name)
        try:
            async with aclosing(watch(camera, name, pipeline, self.book, note)) as events:
                async for event in events:
                    await self.tell(event)
        except Exception:
            for end in self.book.end_all(self._now(camera), "error", camera.name, name):
                await self.tell(end)
            raise

    async def tell(self, event: Event) -> None:
        """An event has its incident: decide who is told, and have it written down before anything is sent."""
        metrics, clock = self.parts.metrics, self.parts.clock
        metrics.events.labels(event.camera, event.kind, event.state).inc()
        if event.captured_at is not None and event.state == "begin":
            metrics.event_seconds.labels(event.camera).observe(clock.monotonic() - event.captured_at)
        # open incidents are kept, so that a crash between any two of these steps is made good by `_recover`
        if event.state == "begin":
            with self._storing(event):
                await self.parts.store.save_incident(event)
        await self._alert(event)
        if event.state == "end":
            with self._storing(event):
                await self.parts.store.drop_incident(event.id)
        self.parts.told(event)

    async def _alert(self, event: Event) -> None:
        with self._storing(event):
            alert = self.policy.decide(event)
            if isinstance(alert, Suppressed):
                self.parts.metrics.alerts_suppressed.labels(alert.reason).inc()
                return
            clip = self._clip(event)
            if clip is not None:
                alert = replace(alert, clip=self.parts.store.clip_path(alert.id))
            if await self.parts.outbox.put(alert, expects_snapshot=event.frame_index is not None):
                self._spawn(self._evidence.attach_snapshot(alert.id, event))
                if clip is not None:
                    self._spawn(self._evidence.attach_clip(alert, clip), self._clips)

    @contextmanager
    def _storing(self, event: Event) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            # a full disk must not blind the cameras: say it, count it, go on watching
            self.parts.metrics.alerts.labels("outbox", "not_stored").inc()
            logger.error("%s at %s could not be stored: %s", event.kind, event.camera, error)

    def _clip(self, event: Event) -> ClipSettings | None:
        """What is kept of the video round an event: of begins that a frame of this run has decided."""
        plan = self._plans.get(event.camera)
        live = event.captured_at is not None and event.captured_at >= self._started_at
        return plan.clip if plan is not None and live and event.state == "begin" else None

    def _done(self, frame: Frame, outcome: str) -> None:
        """A pipeline has finished with a frame, or never got to it; the last one gives the slot back."""
        parts, stage = self.parts, "mailbox" if outcome == "superseded" else "analyze"
        parts.metrics.frames.labels(frame.camera, stage, outcome).inc()
        if outcome == "ok":
            latency_s = self.paces.note(frame.camera, frame.captured_at)
            parts.metrics.frame_seconds.labels(frame.camera).observe(latency_s)
        self._release(frame)

    def _release(self, frame: Frame) -> None:
        left = self._leases.get(id(frame), 0) - 1
        if left > 0:
            self._leases[id(frame)] = left
        else:
            self._leases.pop(id(frame), None)
            self.parts.readers.release(frame)

    # --- cameras come and go ---

    @property
    def plans(self) -> Mapping[str, CameraPlan]:
        """What is done with each camera now."""
        return self._plans

    def set_cameras(self, plans: Sequence[CameraPlan]) -> None:
        """Watch exactly these cameras; what did not change is not touched."""
        wanted = {plan.spec.name: plan for plan in plans}
        for name in [name for name in self._plans if wanted.get(name) is not self._plans[name]]:
            self._stop_camera(name)
            if name not in wanted:  # nobody is left who could end what the vigil said of it
                self.parts.metrics.forget_camera(name)
                for end in self.book.end_all(self.parts.clock.time(), "reload", name, SYSTEM):
                    self._spawn(self.tell(end))
        for name, plan in wanted.items():
            if name not in self._plans:
                self._start_camera(plan)
        self.parts.vigil.set_cameras({name: plan.spec.analyze_fps for name, plan in wanted.items()})
        self.parts.outbox.announce({plan.spec.name: _kinds(plan) for plan in plans})
        self.parts.readers.set_cameras([plan.spec for plan in plans])

    def _start_camera(self, plan: CameraPlan) -> None:
        name = plan.spec.name
        self._plans[name] = plan
        self._cameras[name] = {}
        for pipeline_name, pipeline in plan.pipelines.items():
            camera = Camera(name, plan.places, self.parts.watching, self._done, self._turns)
            self._cameras[name][pipeline_name] = camera
            self._tasks[name, pipeline_name] = asyncio.create_task(
                self._supervised(camera, pipeline_name, pipeline.bind(self.parts.models.ask, plan.places)),
                name=f"{name}/{pipeline_name}",
            )

    async def _supervised(self, camera: Camera, name: str, pipeline: Pipeline) -> None:
        parts = self.parts
        budget = Budget(f"pipeline {name} on {camera.name}", parts.restarts, parts.clock, parts.metrics)
        await supervise(
            f"pipeline {name}", lambda: self._watch(camera, name, pipeline), budget, parts.clock, parts.metrics
        )

    def _stop_camera(self, name: str) -> None:
        del self._plans[name]
        self.paces.forget(name)
        cameras = self._cameras.pop(name)
        for pipeline_name, camera in cameras.items():
            self._tasks.pop((name, pipeline_name)).cancel()
            camera.clear()
            for end in self.book.end_all(self._now(camera), "reload", name, pipeline_name):
                self._spawn(self.tell(end))

    def on_health(self, health: Health) -> None:
        """A reader says how a camera is."""
        self.parts.vigil.hear(health)
        self._spawn(self.parts.outbox.camera_state(health.camera, health.state == "live"))

    # --- the life of the engine ---

    async def run(self) -> None:
        """Look after what only time tells, until cancelled; the cameras run in tasks of their own."""
        parts = self.parts
        await self._recover()
        budget = Budget("engine", parts.restarts, parts.clock, parts.metrics)
        await supervise("engine", self._look_after, budget, parts.clock, parts.metrics)

    async def _look_after(self) -> None:
        while True:
            for event in self.parts.vigil.judge():
                known = self.book.enter(event)
                if known is not None:
                    await self.tell(known)
            self.progress_at = self.parts.clock.monotonic()
            await self.parts.clock.sleep(0.5)

    async def _recover(self) -> None:
        """Take up what the last daemon left open: it may have crashed between two steps of `tell`."""
        for begun in await self.parts.store.open_incidents():
            self.book.reopen(begun)
            await self._alert(begun)  # its begin may not have reached the outbox; a second one is known by its id
            if begun.pipeline == SYSTEM:
                self.parts.vigil.resume(begun)  # a camera that is still offline has not recovered by our restart
                continue
            for end in self.book.end_all(self.parts.clock.time(), "restart", begun.camera, begun.pipeline):
                await self.tell(end)

    async def stop(self) -> None:
        """End all watching and write down the ends of what is open; nothing is lost."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for camera, pipeline in {(begun.camera, begun.pipeline) for begun in self.book if begun.pipeline != SYSTEM}:
            for end in self.book.end_all(self.parts.clock.time(), "stop", camera, pipeline):
                await self.tell(end)
        for task in self._clips:  # their last second is still to come: whoever starts next says that they are missing
            task.cancel()
        if self._works:
            await asyncio.wait(self._works, timeout=2.0)

    def _now(self, camera: Camera) -> float:
        return camera.current.time if camera.current is not None else self.parts.clock.time()

    def _spawn(self, work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]] | None = None) -> None:
        tasks = self._works if among is None else among
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)


def _kinds(plan: CameraPlan) -> list[str]:
    """What may happen on a camera, for sinks that announce it (Home Assistant)."""
    rules = [rule.kind for pipeline in plan.pipelines.values() for rule in pipeline.enabled_rules()]
    return [*dict.fromkeys(rules), *CAMERA_KINDS]
