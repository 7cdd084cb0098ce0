"""The daemon: puts the parts together, keeps them running, reloads the configuration, and stops in order.

`assemble` builds everything from a `Site`; `Daemon.run` starts it and waits for a signal. SIGTERM and SIGINT stop it
inside one deadline with nothing lost; SIGHUP reads the configuration again and touches only what changed. The service
manager's watchdog is fed by the progress of the engine and the inference client, not by frames: a dead network switch
must not get a healthy daemon killed.
"""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamer import log
from streamer.alerts import AlertPolicy
from streamer.camera import Watching
from streamer.clock import Clock, SystemClock
from streamer.config import Site
from streamer.engine import CameraPlan, Engine, Parts
from streamer.errors import StreamerError
from streamer.events import Event
from streamer.health import Vigil
from streamer.inference.client import Models
from streamer.ingest.readers import Readers
from streamer.ingest.spec import CameraSpec
from streamer.metrics import Metrics
from streamer.outbox import Outbox
from streamer.report import Reporter
from streamer.store import Store
from streamer.systemd import Notifier
from streamer.web.app import Web

logger = log.get(__name__)

_STUCK_S = 15.0  # no progress of engine or worker for this long stops feeding the watchdog


@dataclass(slots=True)
class Daemon:
    """All parts of a running site."""

    site: Site
    store: Store
    metrics: Metrics
    clock: Clock
    models: Models
    readers: Readers
    outbox: Outbox
    vigil: Vigil
    engine: Engine
    web: Web
    reporter: Reporter
    load: Callable[[], Site] | None = None
    """Reads the configuration anew for SIGHUP; None: there is no file to read."""
    notifier: Notifier = field(default_factory=Notifier)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, ready: Callable[[Daemon], None] = lambda daemon: None) -> None:
        """Run until SIGTERM or SIGINT (or `stop`).

        Args:
            ready: called once all is started and the page answers.

        Raises:
            StreamerError: a part cannot start, or failed for good.
        """
        tasks = [
            asyncio.create_task(part, name=name)
            for name, part in (
                ("models", self.models.run()),
                ("readers", self.readers.run()),
                ("outbox", self.outbox.run()),
                ("engine", self.engine.run()),
                ("usage", self.reporter.run()),
                ("watchdog", self._feed_watchdog()),
            )
        ]
        try:
            await self._first(tasks, self.models.ready.wait())
            self.engine.set_cameras(plans(self.site, self.models))
            await self.web.start()
            self._listen_to_signals()
            self.notifier.notify("READY=1", f"STATUS=watching {len(self.site.cameras)} cameras")
            ready(self)
            await self._first(tasks, self._stop.wait())
        finally:
            await self._shut_down(tasks)

    def stop(self) -> None:
        """End `run`, in order."""
        self._stop.set()

    async def _first(self, tasks: Iterable[asyncio.Task[None]], wanted: Coroutine[Any, Any, Any]) -> None:
        """Wait for one thing, unless a part fails for good before."""
        waiting = asyncio.create_task(wanted)
        done, _ = await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for task in done - {waiting}:
            await task  # raises what ended it
            raise StreamerError(f"{task.get_name()}: ended by itself; this is a bug")

    async def _shut_down(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        deadline = self.clock.monotonic() + self.site.stop_seconds
        self.notifier.notify("STOPPING=1")
        by_name = {task.get_name(): task for task in tasks}

        async def end(*names: str) -> None:
            for name in names:
                by_name[name].cancel()
            await asyncio.gather(*(by_name[name] for name in names), return_exceptions=True)

        # in the order of a frame's journey: nothing new comes in, then what is under way is written down and sent
        await end("watchdog", "usage", "readers", "engine")
        await self.engine.stop()
        await self.outbox.stop(max(0.5, deadline - self.clock.monotonic()))
        await end("outbox", "models")
        await self.web.stop()
        self.store.close()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: asyncio.ensure_future(self.reload()))

    async def reload(self) -> None:
        """Read the configuration again; a bad one changes nothing, and says why."""
        if self.load is None:
            logger.warning("reload: this site has no configuration file")
            return
        self.notifier.reloading()
        try:
            new = await asyncio.to_thread(self.load)
            await self._apply(new)
        except StreamerError as error:
            self.metrics.config_reloads.labels("refused").inc()
            logger.error("reload refused, the running configuration stays: %s", error)
        else:
            self.metrics.config_reloads.labels("applied").inc()
        self.notifier.notify("READY=1")

    async def _apply(self, new: Site) -> None:
        fixed = new.restart_needed(self.site)
        if fixed:
            logger.warning("reload: %s changed; that takes effect at the next start", ", ".join(fixed))
        changes = new.changes(self.site)
        await self.models.set_models(list(new.models.values()))
        self.engine.policy = AlertPolicy(new.alerts, new.sinks)
        self.outbox.set_sinks(new.build_sinks())
        self.engine.set_cameras(plans(new, self.models, old=self.site, running=self.engine.plans))
        self.site = new
        logger.info("reload: %s", changes or "nothing changed")

    async def _feed_watchdog(self) -> None:
        while True:
            now = self.clock.monotonic()
            stuck = [
                name
                for name, at in (("engine", self.engine.progress_at), ("models", self.models.progress_at))
                if now - at > _STUCK_S
            ]
            if stuck:
                logger.error("watchdog: no progress of %s for %g s", " and ".join(stuck), _STUCK_S)
            else:
                self.notifier.notify("WATCHDOG=1")
            await self.clock.sleep(1.0)


def assemble(site: Site, load: Callable[[], Site] | None = None, told: Callable[[Event], None] | None = None) -> Daemon:
    """Build all parts of a site; nothing is started yet.

    Args:
        site: the configuration.
        load: reads the configuration anew, for SIGHUP.
        told: called with every event, for the console.

    Raises:
        StoreError: the storage folder is in use by another daemon, full or damaged.
        InputError: a model or a sink cannot be used as configured.
    """
    _allow_many_files()
    metrics, clock = Metrics(), SystemClock()
    store = Store(site.storage.dir).open()
    metrics.start_time_seconds.set(clock.time())
    vigil = Vigil(site.health, metrics, clock)
    outbox = Outbox(store, site.build_sinks(), site.outbox, metrics, clock)
    # readers and engine call each other: the engine is there before the first frame
    engine: Engine
    readers = Readers(
        site.ingest,
        metrics,
        clock,
        on_frame=lambda frame: engine.on_frame(frame),
        on_health=lambda health: engine.on_health(health),
        restarts=site.restarts,
    )
    models = Models(list(site.models.values()), site.inference, readers.pools, metrics, clock, site.restarts)
    for children in (readers, models):
        children.log_as(**log.chosen)
    watching = Watching(gap_tolerance_s=site.gap_tolerance_seconds)
    policy = AlertPolicy(site.alerts, site.sinks)

    def tell(event: Event) -> None:
        reporter.events.append(event)
        if told is not None:
            told(event)

    parts = Parts(readers, models, policy, outbox, store, vigil, metrics, clock, watching, site.restarts, tell)
    engine = Engine(parts)
    reporter = Reporter(engine, readers, models, outbox, metrics, clock)
    web = Web(site.web, reporter.status, metrics, reporter.snapshot)
    return Daemon(site, store, metrics, clock, models, readers, outbox, vigil, engine, web, reporter, load)


def _allow_many_files() -> None:
    """Each camera costs two descriptors; the usual soft limit of 1024 would end at a few hundred cameras."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def plans(
    site: Site, models: Models, old: Site | None = None, running: Mapping[str, CameraPlan] | None = None
) -> list[CameraPlan]:
    """What the engine does with each camera; a camera that did not change keeps its very plan."""
    found = []
    for name, camera in site.cameras.items():
        if old is not None and running and name in running and site.same_camera(old, name):
            found.append(running[name])
            continue
        pipelines = {pipeline: site.pipelines[pipeline] for pipeline in camera.pipelines}
        sizes = [models.input_size(model) for pipeline in pipelines.values() for model in pipeline.models()]
        width = max((w for w, _ in sizes), default=416)
        height = max((h for _, h in sizes), default=416)
        spec = CameraSpec(name, camera.url, camera.transport, camera.analyze_fps, width, height, realtime=True)
        found.append(CameraPlan(spec, camera.places, pipelines))
    return found
