"""What a reader process says, checked and turned into frames, health and metrics.

A reader decodes what hostile cameras send; should one take it over, its messages must not harm the engine: every field
is checked, labels of metrics come from fixed sets, and pixels are only looked at inside their sealed pool. Called by
`process` on the engine's loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from streamer import log
from streamer.channel import Message
from streamer.clock import Clock
from streamer.ingest.handover import Handover
from streamer.ingest.health import Health
from streamer.ingest.spec import CameraSpec
from streamer.metrics import Metrics
from streamer.slots import SlotPool, StaleSlot
from streamer.types import Frame, SlotRef

logger = log.get(__name__)

OUTCOMES = frozenset(
    {
        *(
            f"decode/{name}"
            for name in ("ok", "error", "corrupt", "no_keyframe", "shed_nonref", "shed_nonkey", "rationed")
        ),
        *("sample/ok", "sample/not_due", "sample/odd_time", "slot/no_slot", "slot/engine_busy", "slot/refused"),
        *("ring/no_room", "ring/no_keyframe"),
    }
)
"""Stage and outcome of the pictures that readers count."""
REASONS = ("record_down", "not_kept", "too_slow", "broken", "disk", "busy", "short", "masked", "failed")
"""Why evidence is not what was wished: the record stream is down, nothing that is kept shows the moment, decoding it
takes too long, it cannot be decoded, the file could not be written, too many orders wait, the clip lacks some seconds,
a privacy mask forbids it, or something unforeseen."""
_RENEWALS = ("clock_jump", "resolution_changed")
_MOST_SESSIONS = 1 << 48
"""The next reader counts on from a session's number, and it must still fit its record."""
_BAD_FIELDS = (KeyError, TypeError, ValueError, OverflowError, StaleSlot)


@dataclass(slots=True, eq=False)
class Post:
    """One camera as the engine sees its reading."""

    spec: CameraSpec
    pool: SlotPool
    session: int = 0
    """The highest session number seen; the next reader goes on from there."""
    heard: Health | None = None


@dataclass(frozen=True, slots=True)
class Ears:
    """Who wants to know."""

    metrics: Metrics
    clock: Clock
    on_frame: Callable[[Frame], None]
    on_health: Callable[[Health], None]
    on_late: Callable[[float], None] = lambda late_s: None
    """Called with how long each picture had to wait for its turn on this machine, in seconds."""


class Inbox:
    """Understands the messages about one reader's cameras."""

    def __init__(self, ears: Ears):
        self._ears = ears

    def frame(self, post: Post, message: Message) -> bool:
        """A picture lies in a slot; False when the message makes no sense."""
        ears, spec = self._ears, post.spec
        try:
            told = Handover.unpack(message.body)
            now = ears.clock.monotonic()
            if not (math.isfinite(told.captured_at) and math.isfinite(told.pts) and math.isfinite(told.gap_s)):
                raise ValueError(f"{told.captured_at}, {told.pts} and {told.gap_s} are not all times")
            if not 0.0 <= told.late_s < math.inf:
                raise ValueError(f"late by {told.late_s} s")
            if told.session > _MOST_SESSIONS:
                raise ValueError(f"session {told.session}")
            if told.captured_at > now + 1.0:
                raise ValueError(f"captured {told.captured_at - now:.1f} s in the future")
            frame = Frame(
                camera=spec.name,
                session=told.session,
                index=told.frame_index,
                time=ears.clock.time() - now + told.captured_at,
                captured_at=told.captured_at,
                pixels=post.pool.view(told.slot, told.generation, told.width, told.height),
                pts=told.pts,
                gap_s=told.gap_s,
                slot=SlotRef(post.pool.pool_id, told.slot, told.generation),
            )
        except _BAD_FIELDS as error:
            ears.metrics.frames.labels(spec.name, "slot", "refused").inc()
            logger.error("camera '%s': the reader sent a frame that makes no sense: %s", spec.name, error)
            return False
        post.session = max(post.session, frame.session)
        ears.metrics.camera_last_frame_timestamp_seconds.labels(spec.name).set(frame.time)
        ears.on_late(told.late_s)
        ears.on_frame(frame)
        return True

    def health(self, post: Post, message: Message) -> None:
        """A camera's state changed."""
        try:
            health = replace(Health.from_header(message.header["health"]), camera=post.spec.name)
            if health.session > _MOST_SESSIONS:
                raise ValueError(f"session {health.session}")
        except _BAD_FIELDS as error:
            logger.error("camera '%s': the reader sent a health that makes no sense: %s", post.spec.name, error)
            return
        self.note(post, health)

    def note(self, post: Post, health: Health) -> None:
        """Count what a change of health means, and pass it on."""
        metrics, name, before = self._ears.metrics, post.spec.name, post.heard
        if post.spec.record_url is not None:
            metrics.record_up.labels(name).set(int(health.record_cause is None))
        again = before is not None and _but_record(before) == _but_record(health)  # only its record stream is news
        began = health.state == "live" and (
            before is None or (before.state, before.session) != ("live", health.session)
        )
        if began:
            metrics.sessions.labels(name).inc()
        renewed = began and before is not None and before.state == "live"
        if (
            not again
            and health.cause is not None
            and (health.state == "lost" or (renewed and health.cause in _RENEWALS))
        ):
            metrics.reconnects.labels(name, health.cause).inc()
        post.heard = health
        post.session = max(post.session, health.session)
        self._ears.on_health(health)

    def counts(self, post: Post, message: Message) -> None:
        """What was counted since the last such message."""
        metrics, name = self._ears.metrics, post.spec.name
        counts = message.header.get("counts")
        for key, number in counts.items() if isinstance(counts, dict) else ():
            if not isinstance(number, int) or not 0 < number < 1 << 50:
                continue
            if key == "bytes_received":
                metrics.bytes_received.labels(name).inc(number)
            elif key == "packets_lost":
                metrics.packets_lost.labels(name).inc(number)
            elif key in OUTCOMES:
                metrics.frames.labels(name, *key.split("/")).inc(number)


def _but_record(health: Health) -> Health:
    return replace(health, record_cause=None, record_detail="")
