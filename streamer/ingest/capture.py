"""The life of one camera in a reader: connect, live, lost, wait, connect again, for ever. One thread a camera.

    connecting ──first picture──▶ live ──SourceError(cause)──▶ lost ──backoff, +-20 %──▶ connecting

Every camera waits and recovers by itself, so that a hundred cameras behind a rebooted switch come back in parallel. The
backoff grows with every attempt and starts anew only after a session that stayed healthy for a while: a camera that
accepts and drops us every second is not hammered. Nobody gives up for good. Time, waiting and connecting are passed
in, so that tests live through hours of it in no time.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from streamer import log
from streamer.errors import SourceError
from streamer.ingest.health import Health, State
from streamer.ingest.ring import Ring
from streamer.ingest.session import Condition, Memory, Outlet, Session
from streamer.ingest.spec import CameraSpec, Limits
from streamer.log import secrets
from streamer.sources.address import Address, parse
from streamer.sources.live import open_live
from streamer.sources.ration import Ration
from streamer.sources.source import Counts, Source, SourceOptions

logger = log.get(__name__)

_JITTER = 0.2
_REPLAY_SECONDS = 0.05
_UNAUTHORIZED_STEP = 3
"""Cameras lock an account after some five wrong passwords within minutes: ask again slowly from the first on."""


class Host(Outlet, Protocol):
    """What a camera's thread needs of its process."""

    def tell(self, health: Health) -> None:
        """Pass a change of health on."""


def _pause(stop: threading.Event, seconds: float) -> None:
    stop.wait(seconds)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Time and the world outside, for tests to replace."""

    now: Callable[[], float] = time.monotonic
    connect: Callable[[Address, SourceOptions, float, float, Callable[[Source], None]], Source] = open_live
    chance: Callable[[], float] = random.random
    pause: Callable[[threading.Event, float], None] = _pause


class Capture:
    """One camera.

    Args:
        spec: which.
        limits: time limits.
        memory: what sessions leave to each other; also carries the session number on over a reader's restart.
        host: where pictures and health go.
        around: clock and connector.
        ring: keeps what the camera sent, for evidence; None: nothing is kept.
    """

    decodes = True

    def __init__(
        self,
        spec: CameraSpec,
        limits: Limits,
        memory: Memory,
        host: Host,
        around: Surroundings | None = None,
        ring: Ring | None = None,
    ):
        self.spec = spec
        self.counts = Counts()
        """What all of this camera's sources have done."""
        self.memory = memory
        self.busy_since: float | None = None
        """Since when the thread is inside the source (CLOCK_MONOTONIC); None while it is not. For the watchdog."""
        self.share = 1.0
        """Of each group of pictures, how much is decoded; set by `ration`."""
        self.whole = False
        self.phase = 0.0
        """Which groups those are; see `Ration`."""
        self.opening = False
        self.aborted_at: float | None = None
        self._limits = limits
        self._host = host
        self._around = around or Surroundings()
        self._ring = ring
        self._stop = threading.Event()
        self._source: Source | None = None
        self._attempt = 0
        self._told: Health | None = None
        self._condition_told: Condition | None = None
        self._shown = Health(spec.name, memory.session, "connecting")

    def run(self) -> None:
        """The thread's main; returns after `stop`."""
        while not self._stop.is_set():
            began_at = self._around.now()
            before = self._delivered
            error = self._live()
            if self._stop.is_set():
                return
            self._wait(error, began_at, self._delivered > before)

    def stop(self) -> None:
        """End the thread soon; from any thread."""
        self._stop.set()
        self.abort()

    def ration(self, share: float, whole: bool | None = None) -> None:
        """Decode so much of the video from now on, in whole groups of pictures or not; from any thread."""
        self.share = share
        self.whole = self.whole if whole is None else whole
        source = self._source
        if source is not None:
            source.ration.share, source.ration.whole = share, self.whole

    @property
    def rationing(self) -> Ration | None:
        """That of the connection, while there is one."""
        source = self._source
        return None if source is None else source.ration

    def abort(self) -> None:
        """Shake the source that the thread hangs in; from any thread."""
        self.aborted_at = self._around.now()
        source = self._source
        if source is not None:
            source.abort()

    @property
    def _delivered(self) -> int:
        """Pictures so far that were of use."""
        return self.counts.decoded

    def _live(self) -> SourceError:
        """One connection from its beginning to its end, which is always an error."""
        self.aborted_at = None
        self._tell("connecting", self._shown.cause, self._shown.detail)
        source: Source | None = None
        try:
            source = self._open()
            if self._ring is not None:
                self._ring.begin(source.encoding)
                source.tap = self._ring.put
            self._watch(source)
        except SourceError as error:
            return error
        except Exception as error:  # the top of this thread: whatever it is, the camera must come back
            logger.exception("camera '%s': session failed", self.spec.name)
            return SourceError("unknown", f"{type(error).__name__}: {error}")
        finally:
            self.busy_since, self._source = None, None
            if source is not None:
                source.close()
        return SourceError("ended", "stopped")

    def _open(self) -> Source:
        limits, spec = self._limits, self.spec

        def hold(source: Source) -> None:
            source.counts = self.counts
            self._source = source
            ration = source.ration
            ration.share, ration.whole = self.share, self.whole
            ration.phase, ration.patience_s = self.phase, limits.shed_s

        self.opening, self.busy_since = True, self._around.now()
        options = SourceOptions(spec.transport, spec.realtime, self.decodes)
        try:
            return self._around.connect(parse(spec.url), options, limits.open_s, limits.stall_s, hold)
        finally:
            self.opening = False

    def _watch(self, source: Source) -> None:
        session = Session(self.spec, self._limits, self.memory, source, self._host)
        now = self._around.now
        session.begin(now())
        while not self._stop.is_set():
            self.busy_since = now()
            source.cpu_at = time.thread_time()
            try:
                pictures = source.read()
            except SourceError as error:
                if self.aborted_at is not None and not self._stop.is_set():
                    session.check(now())  # the watchdog had to shake it: what counts is why
                raise error
            for picture in pictures:
                condition = session.take(picture)
                if condition is not self._condition_told and condition != self._condition_told:
                    self._show(condition, source)
            if not pictures or self.counts.decoded % 64 == 0 or not pictures[-1].clean:
                session.check(now())

    def _show(self, condition: Condition, source: Source) -> None:
        """Tell of a running session what is new."""
        self._condition_told = condition
        self._shown = replace(
            self._shown,
            session=condition.session,
            picture=condition.look,
            width=condition.width,
            height=condition.height,
            fps=source.fps,
            codec=source.info.codec,
            transport=source.info.transport,
        )
        self._tell("live", condition.cause, condition.detail)

    def _wait(self, error: SourceError, began_at: float, delivered: bool) -> None:
        """Say why the session ended, and wait before the next one."""
        now, limits = self._around.now(), self._limits
        self._condition_told = None
        if delivered and now - began_at >= limits.healthy_s:
            self._attempt = 0
        if error.cause == "unauthorized":
            self._attempt = max(self._attempt, _UNAUTHORIZED_STEP)
        backoff = limits.backoff_s[min(self._attempt, len(limits.backoff_s) - 1)]
        pause = backoff * (1 + _JITTER * (2 * self._around.chance() - 1))
        self._attempt += 1
        if error.cause == "ended" and delivered and self._shown.transport == "file":
            pause, self._attempt = _REPLAY_SECONDS, 0  # a recording that plays over and over
        else:
            logger.warning("camera '%s': %s; reconnecting in %.1f s", self.spec.name, error, pause)
        self._tell("lost", error.cause, error.detail, retry_at=now + pause)
        self._around.pause(self._stop, pause)

    def _tell(self, state: State, cause: str | None, detail: str, retry_at: float | None = None) -> None:
        shown = replace(
            self._shown,
            state=state,
            cause=cause,
            detail=secrets.scrub(detail),
            retry_at=retry_at,
            session=self.memory.session,
            at=self._around.now(),
        )
        self._shown = shown
        if self._told is None or replace(self._told, at=0.0) != replace(shown, at=0.0):
            self._told = shown
            self._host.tell(shown)
