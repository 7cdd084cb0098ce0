"""Armed or disarmed: whether people are told of what pipelines see, for the whole site and for each camera.

Disarmed cameras are watched and their events counted as ever; only alerts are held back (by `alerts`, with the reason
`disarmed`). What the system says of itself is never disarmed: a camera that goes dark is told in any case. The state is
written down before it counts, so a restart cannot arm or disarm anything. Changed over HTTP (`web`) and MQTT (`sinks`);
on the engine's loop.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from streamer import log
from streamer.clock import Clock
from streamer.errors import InputError, StreamerError
from streamer.metrics import Metrics
from streamer.store import Store

logger = log.get(__name__)

SITE = "*"
"""The name of the whole site."""


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch, for the site or for a camera."""

    armed: bool = True
    changed_at: float | None = None
    """UTC epoch in seconds; None: it never was."""
    changed_by: str = ""
    """http, or the name of the sink that brought the command."""

    def held(self, time: float | None) -> bool:
        """Whether it was armed at a time (before its last change: the contrary of now); None: now."""
        before = time is not None and self.changed_at is not None and time < self.changed_at
        return self.armed is not before


class Arming:
    """All switches of a site."""

    def __init__(self, store: Store, metrics: Metrics, clock: Clock):
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._switches: dict[str, Switch] = {SITE: Switch()}
        self._cameras: Collection[str] = ()
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.told: Callable[[Mapping[str, bool]], None] = lambda switches: None
        """Called with all switches whenever one was changed, and once they were read."""

    async def load(self) -> None:
        """Read what the last daemon wrote down.

        Raises:
            StoreError: the storage cannot be read.
        """
        for name, armed, at, by in await self._store.read(_read):
            self._switches[name] = Switch(bool(armed), at, by)
        disarmed = [name for name, switch in self._switches.items() if not switch.armed]
        if disarmed:
            logger.warning("disarmed since before this start: %s", ", ".join(_words(name) for name in disarmed))
        self._show()

    def set_cameras(self, cameras: Collection[str]) -> None:
        """Which cameras there are; the switch of one that went stays for when it comes back."""
        self._cameras = tuple(cameras)
        self._show()

    def covers(self, camera: str, time: float | None = None) -> bool:
        """Whether alerts of a camera's pipelines are sent: the site and the camera are armed.

        Args:
            camera: its name.
            time: of an event, UTC epoch in seconds: what counts is what held then, also when it is told of only after
                a restart. None: now.
        """
        return self._switches[SITE].held(time) and self.switch(camera).held(time)

    def switch(self, name: str) -> Switch:
        """The switch of a camera, or of the site (`SITE`)."""
        return self._switches.get(name, Switch())

    @property
    def switches(self) -> dict[str, bool]:
        """Site and cameras: whether each one's own switch is armed."""
        return {name: switch.armed for name, switch in self.all().items()}

    def all(self) -> dict[str, Switch]:
        """The switches of the site and of every camera."""
        return {name: self.switch(name) for name in (SITE, *self._cameras)}

    async def set(self, name: str, armed: bool, by: str) -> None:
        """Arm or disarm; returns once that is on disk and counts.

        Args:
            name: a camera, or `SITE`.
            armed: what is wanted.
            by: who wants it, for page and log.

        Raises:
            InputError: there is no such camera.
            StoreError: it could not be written; nothing has changed.
        """
        if name != SITE and name not in self._cameras:
            raise InputError(f"there is no camera {name!r}; there are: {', '.join(self._cameras) or 'none'}")
        async with self._writing:  # two at once: the one that is written last counts
            if self.switch(name).armed == armed:
                return
            now = self._clock.time()
            await self._store.write(lambda c: _write(c, name, armed, now, by))
            self._switches[name] = Switch(armed, now, by)
        logger.warning("%s: %s by %s", _words(name), "armed" if armed else "disarmed", by)
        self._show()

    def obey(self, sink: str, name: str, armed: bool) -> None:
        """A command that came through a sink: carried out soon; whoever sent it sees in the sink's state whether."""
        task = asyncio.get_running_loop().create_task(self._obey(sink, name, armed))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _obey(self, sink: str, name: str, armed: bool) -> None:
        try:
            await self.set(name, armed, f"sink {sink}")
        except StreamerError as error:
            logger.error("sink %s wanted %s %s: %s", sink, _words(name), "armed" if armed else "disarmed", error)

    def _show(self) -> None:
        self._metrics.armed.labels(SITE).set(int(self._switches[SITE].armed))
        for camera in self._cameras:
            self._metrics.armed.labels(camera).set(int(self.covers(camera)))
        self.told(self.switches)


def _words(name: str) -> str:
    return "the site" if name == SITE else f"camera {name}"


def _read(c: sqlite3.Connection) -> list[tuple[str, int, float, str]]:
    return c.execute("SELECT name, armed, changed_at, changed_by FROM arming ORDER BY name").fetchall()


def _write(c: sqlite3.Connection, name: str, armed: bool, at: float, by: str) -> None:
    c.execute(
        "INSERT INTO arming VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE"
        " SET armed = excluded.armed, changed_at = excluded.changed_at, changed_by = excluded.changed_by",
        (name, int(armed), at, by[:100]),
    )
