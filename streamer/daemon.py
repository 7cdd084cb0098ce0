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
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamer import log
from streamer.alerts import AlertPolicy
from streamer.arming import Arming
from streamer.camera import Watching
from streamer.clock import Clock, SystemClock
from streamer.config import Site
from streamer.engine import Engine, Parts
from streamer.errors import InputError, StreamerError
from streamer.events import Event
from streamer.health import Vigil
from streamer.inference.client import Models
from streamer.ingest.readers import Readers
from streamer.metrics import Metrics
from streamer.outbox import Outbox
from streamer.planning import plans
from streamer.report import Reporter
from streamer.signals.board import Board
from streamer.signals.reception import Reception
from streamer.sinks.sink import Sink
from streamer.store import Store
from streamer.supervisor import Budget, supervise
from streamer.systemd import Notifier
from streamer.web.app import Web
from streamer.web.doors import Doors

logger = log.get(__name__)

_STUCK_S = 15.0  # no progress of engine or worker for this long stops feeding the watchdog
_CLOSE_S = 3.0  # of `stop_seconds`, kept for sinks to say good-bye and children to leave


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
    arming: Arming
    reception: Reception
    load: Callable[[], Site] | None = None
    """Reads the configuration anew for SIGHUP; None: there is no file to read."""
    notifier: Notifier = field(default_factory=Notifier)
    _begun_with: Site = field(init=False)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _reload_wanted: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._begun_with = self.site

    async def run(self, ready: Callable[[Daemon], None] = lambda daemon: None) -> None:
        """Run until SIGTERM or SIGINT (or `stop`).

        Args:
            ready: called once all is started and the page answers.

        Raises:
            StreamerError: a part cannot start, or failed for good.
        """
        tasks: dict[str, asyncio.Task[None]] = {}
        try:
            self._listen_to_signals()
            await self.arming.load()  # before anything could be told
            self._watch_signals(self.site)
            self.reporter.upcoming = {name: camera.analyze_fps for name, camera in self.site.cameras.items()}
            await self.web.start()  # first: a port in use must be said before there are children
            tasks |= {name: asyncio.create_task(part, name=name) for name, part in self._parts()}
            await self._first(tasks.values(), self._models_loaded())
            if not self._stop.is_set():
                self.engine.set_cameras(plans(self.site, self.models))
                self.reporter.upcoming = {}
                tasks["reload"] = asyncio.create_task(self._reload_on_demand(), name="reload")
                self.notifier.notify("READY=1", self._words())
                ready(self)
                await self._first(tasks.values(), self._stop.wait())
        finally:
            await self._shut_down(tasks)

    def stop(self) -> None:
        """End `run`, in order."""
        self._stop.set()

    def _parts(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """All that goes on side by side, by name."""
        yield "models", self.models.run()
        yield "readers", self.readers.run()
        yield "outbox", self.outbox.run()
        yield "signals", self.reception.run()
        yield "engine", self.engine.run()
        budget = Budget("usage", self.site.restarts, self.clock, self.metrics)
        yield "usage", supervise("usage", self.reporter.run, budget, self.clock, self.metrics)
        yield "watchdog", self._feed_watchdog()

    async def _models_loaded(self) -> None:
        """Wait for the worker, but not for ever: cameras are looked after without it, and the page says what is up."""
        while not (self.models.ready.is_set() or self.models.degraded or self._stop.is_set()):
            await self.clock.sleep(0.05)

    async def _first(self, tasks: Iterable[asyncio.Task[None]], wanted: Coroutine[Any, Any, Any]) -> None:
        """Wait for one thing, unless a part fails for good before."""
        waiting = asyncio.create_task(wanted)
        done, _ = await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for task in done - {waiting}:
            await task  # raises what ended it
            raise StreamerError(f"{task.get_name()}: ended by itself; this is a bug")

    async def _shut_down(self, tasks: Mapping[str, asyncio.Task[None]]) -> None:
        """End everything in the order of a frame's journey, inside one deadline."""
        seconds, begun = self.site.stop_seconds, self.clock.monotonic()
        self.notifier.notify("STOPPING=1", "STATUS=stopping")
        if self._stop.is_set():
            logger.info("stopping, within %g s", seconds)
        try:
            async with asyncio.timeout(seconds):
                # nothing new is judged; what is under way gets its picture, while there are readers to take it
                await _end(tasks, "reload", "usage", "watchdog", "signals", "engine")
                await self.engine.stop()
                # all of it is written down: send what can be sent, and leave sinks the time to close
                spare = min(_CLOSE_S, seconds / 2)
                left = max(0.2, seconds - spare - (self.clock.monotonic() - begun))
                await asyncio.gather(
                    self.outbox.stop(left), _end(tasks, "readers"), _end(tasks, "models"), self.web.stop()
                )
                await _end(tasks, "outbox")
        except TimeoutError:
            logger.warning("stopped after stop_seconds=%g with parts under way; what was not sent is kept", seconds)
        self.store.close()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_wanted.set)

    async def _reload_on_demand(self) -> None:
        """One reload after the other, however fast the signals come."""
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            await self.reload()

    async def reload(self) -> None:
        """Read the configuration again; a bad one changes nothing, and says why."""
        self.notifier.reloading()
        try:
            if self.load is None:
                raise InputError("this site has no configuration file")
            await self._apply(await asyncio.to_thread(self.load))
        except StreamerError as error:
            self.metrics.config_reloads.labels("refused").inc()
            logger.error("reload refused, the running configuration stays: %s", "; ".join(str(error).splitlines()))
        except Exception:  # a pipeline's own file may raise anything; a mistake in it must not end the daemon
            self.metrics.config_reloads.labels("refused").inc()
            logger.exception("reload refused, the running configuration stays")
        else:
            self.metrics.config_reloads.labels("applied").inc()
        self.notifier.notify("READY=1", self._words())

    async def _apply(self, new: Site) -> None:
        # what may be refused comes before anything that changes
        sinks = new.build_sinks()
        await self.models.set_models(list(new.models.values()))
        fixed = new.restart_needed(self._begun_with)
        if fixed:
            logger.warning("reload: %s changed; that takes effect at the next start", ", ".join(fixed))
        changes = new.changes(self.site)
        self.engine.policy = AlertPolicy(new.alerts, new.sinks, self.arming.covers)
        self.outbox.set_sinks(sinks)
        self._watch_signals(new)
        self.engine.set_cameras(plans(new, self.models, old=self.site, running=self.engine.plans))
        self.site = new
        logger.info("reload: %s", changes or "nothing changed")

    def _watch_signals(self, site: Site) -> None:
        self.arming.set_cameras(site.cameras)
        self.reception.board.set_cameras({name: site.signals_of(name) for name in site.cameras})

    def _words(self) -> str:
        count = len(self.site.cameras)
        return f"STATUS=watching {count} camera{'s' if count != 1 else ''}"

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


async def _end(tasks: Mapping[str, asyncio.Task[None]], *names: str) -> None:
    ended = [tasks[name] for name in names if name in tasks]
    for task in ended:
        task.cancel()
    await asyncio.gather(*ended, return_exceptions=True)


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
    sinks = site.build_sinks()  # may refuse: before anything is written
    store = Store(site.storage.dir).open()
    try:
        return _assemble(site, store, sinks, load, told)
    except BaseException:
        store.close()
        raise


def _assemble(
    site: Site,
    store: Store,
    sinks: Mapping[str, Sink],
    load: Callable[[], Site] | None,
    told: Callable[[Event], None] | None,
) -> Daemon:
    metrics, clock = Metrics(), SystemClock()
    metrics.start_time_seconds.set(clock.time())
    vigil = Vigil(site.health, metrics, clock)
    outbox = Outbox(store, sinks, site.outbox, metrics, clock)
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
    watching, arming = Watching(gap_tolerance_s=site.gap_tolerance_seconds), Arming(store, metrics, clock)
    arming.told, outbox.commanded = outbox.arming, arming.obey
    policy = AlertPolicy(site.alerts, site.sinks, arming.covers)
    reception = Reception(board := Board(site.signals, metrics), site.base_dir, metrics, clock, site.restarts)

    def tell(event: Event) -> None:
        reporter.events.append(event)
        if told is not None:
            told(event)

    parts = Parts(readers, models, policy, outbox, store, vigil, metrics, clock, watching, site.restarts, board, tell)
    engine = Engine(parts)
    reporter = Reporter(engine, readers, models, outbox, metrics, clock, arming=arming, signals=board)
    doors = Doors(lambda: arming.switches, arming.set, reception.admits, reception.receive)
    web = Web(site.web, reporter.status, metrics, reporter.snapshot, reporter.clip, doors)
    web.why = reporter.why
    return Daemon(
        site, store, metrics, clock, models, readers, outbox, vigil, engine, web, reporter, arming, reception, load
    )


def _allow_many_files() -> None:
    """Each camera costs two descriptors; the usual soft limit of 1024 would end at a few hundred cameras."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
