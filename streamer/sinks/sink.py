"""What a sink is: it takes one alert at a time, says clearly whether it went, and is asked again if it did not.

The outbox calls `open`, `run`, `send` and `close` from one task a sink on the engine's loop, so a sink needs no locks
and must never block the loop: files and blocking libraries go to a thread. A sink keeps nothing that must survive; the
outbox does. Order, retries, backoff and expiry are the outbox's too.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from streamer.clock import Clock, SystemClock, rfc3339
from streamer.errors import SinkError
from streamer.events import SEVERITIES, Event, Severity, State
from streamer.schedule import When


@dataclass(frozen=True, slots=True)
class Alert:
    """The message about one event of one incident."""

    id: str
    """Idempotency key: incident id and state; an update also has its time, for an incident has many."""
    event: Event
    severity: Severity
    sinks: tuple[str, ...]
    """Who gets this very message."""
    text: str
    """One sentence for a person."""
    created_at: float
    """UTC epoch in seconds."""
    snapshot: Path | None = None
    audience: tuple[str, ...] = ()
    """Begin only: all sinks that the incident concerns, also those that only want its end."""
    cooldown_s: float = 0.0
    """Begin only: nothing is sent if an alert of the same key is nearer than this in capture time, in seconds."""
    clip: Path | None = None
    """Where its video evidence is, or will be some seconds after the alert."""
    clip_ready: bool = False
    """Whether the clip is there."""

    @property
    def clip_link(self) -> str:
        """Where the status page serves the clip once it is there, relative to the page."""
        return f"alerts/{quote(self.id, safe='')}/clip.mp4"

    def row(self) -> dict[str, Any]:
        """The alert as a JSON object: the event's row of the events file, and `alert` with what is more."""
        extras = {
            "id": self.id,
            "severity": self.severity,
            "text": self.text,
            "created": rfc3339(self.created_at),
            "snapshot": None if self.snapshot is None else self.snapshot.name,
            "clip": None
            if self.clip is None
            else {"file": self.clip.name, "path": self.clip_link, "ready": self.clip_ready},
        }
        return {**self.event.row(live=True), "alert": extras}


class SinkSettings(BaseModel):
    """What every sink has in YAML; a kind of sink adds `type` and its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    default_states: ClassVar[tuple[State, ...]] = ("begin", "end")
    type: str
    states: tuple[State, ...] | None = Field(
        None, description="Which of begin, update and end are sent; each kind of sink has its own default."
    )
    min_severity: Severity | None = Field(None, description="Nothing below it is sent; default: alerts.min_severity.")
    when: When | None = Field(
        None, description='Incidents that begin outside of it are not sent here, e.g. "Mon-Fri 22:00-06:00".'
    )
    expire_seconds: float = Field(
        86400.0, gt=0, description="An alert that could not be delivered for so long becomes a dead letter."
    )

    step_aside_after: int = Field(
        8, ge=1, description="An alert that failed so often lets those of other incidents pass while it is retried."
    )

    def wants(self, event: Event) -> bool:
        """Whether this state of an incident is sent."""
        return event.state in (self.default_states if self.states is None else self.states)

    def admits(self, severity: Severity, default: Severity) -> bool:
        """Whether an incident of this severity is sent; `default` where the sink names none."""
        return SEVERITIES.index(severity) >= SEVERITIES.index(self.min_severity or default)

    def build(self, name: str, base_dir: Path) -> Sink:
        """The sink of these settings; `base_dir` is what relative paths are relative to.

        Raises:
            InputError: something that it needs is missing on this machine.
        """
        raise NotImplementedError


class Sink(ABC):
    """A place to which alerts go."""

    send_timeout_s: ClassVar[float] = 15.0
    """An attempt that takes longer is cancelled and tried again, in seconds; a sink's own bounds are tighter."""

    def __init__(self, name: str, settings: SinkSettings, clock: Clock | None = None):
        self.name = name
        self.settings = settings
        self.clock = clock or SystemClock()
        self.command: Callable[[str, bool], None] = lambda name, armed: None
        """Called by a sink whose receiver wants a camera (or ``*``, the site) armed or disarmed; returns at once."""

    async def open(self) -> None:  # noqa: B027 - most sinks need none
        """Called before the first `send` and again after an error of it; may raise SinkError: asked again later."""

    async def run(self) -> None:
        """What goes on beside sending, e.g. holding a connection; supervised, cancelled at the end."""
        await asyncio.Event().wait()

    @abstractmethod
    async def send(self, alert: Alert) -> None:
        """Deliver one alert; returns once the receiver has it.

        Raises:
            SinkRejected: it will never take this one.
            SinkBusy: not before so many seconds.
            SinkError: not now.
        """

    async def close(self) -> None:  # noqa: B027
        """Give back what `open` took; must not raise."""

    def announce(self, cameras: Mapping[str, Sequence[str]]) -> None:  # noqa: B027
        """Which cameras there are, and the kinds of events that each may have; at start and after a reload."""

    def state(self, camera: str, online: bool) -> None:  # noqa: B027
        """A camera came or went; must return at once."""

    def arming(self, switches: Mapping[str, bool]) -> None:  # noqa: B027
        """Whether the site (``*``) and each camera is armed; at start and whenever it changes; must return at once."""

    def resume(self, alerts: Sequence[Alert]) -> None:  # noqa: B027
        """The begin alerts that were delivered here and whose incidents are still open; once, before `run`."""


def reason(error: BaseException) -> str:
    """An error in a few words, for the message of a SinkError; libraries often put only a class name into it."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = " ".join(str(error).split())
    return (text or type(error).__name__)[:300]


async def test_sink(sink: Sink) -> str:
    """Send a clearly marked test alert and say in a sentence what came of it; for `streamer sinks test NAME`.

    Raises:
        SinkError: it did not arrive; with the reason.
    """
    now = sink.clock.time()
    event = Event(
        kind="test",
        state="begin",
        time=now,
        severity="info",
        camera="test",
        pipeline="system",
        id=f"test-system-test-{round(now * 1000)}-1",
        detail={"test": True},
    )
    text = f"TEST of sink {sink.name!r}: if you can read this, alerts of streamer arrive here"
    background = asyncio.create_task(sink.run())
    try:
        async with asyncio.timeout(sink.send_timeout_s):
            await sink.open()
            await sink.send(Alert(f"{event.id}:begin", event, "info", (sink.name,), text, now))
    except TimeoutError as error:
        raise SinkError(f"sink {sink.name!r}: no answer within {sink.send_timeout_s:g} s") from error
    finally:
        await sink.close()
        background.cancel()
        with suppress(asyncio.CancelledError, SinkError):
            await background
    return f"sink {sink.name!r}: the test alert was delivered in {sink.clock.time() - now:.1f} s"


test_sink.__test__ = False  # type: ignore[attr-defined]  # not a test, though its name says what it does
