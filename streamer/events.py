"""Events and incidents: what pipelines say has happened, and the book in which the engine keeps what is still going on.

A rule yields `Event`s with a `key` that tells one ongoing thing from another (a track in a zone). The `IncidentBook`
gives each its incident id, refuses what makes no sense (an end without a begin), and ends what is open when a camera
is lost: rules cannot do that, for a `yield` in a generator's `finally` is lost when it is closed. Pure values, no I/O;
called by engine, replay and evaluation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from streamer.clock import rfc3339

State = Literal["begin", "update", "end"]
Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
SYSTEM = "system"

KINDS: tuple[str, ...] = (
    *("intrusion", "loitering", "running", "crowd", "fall", "fallen", "fight", "abandoned_object", "line_crossing"),
    *("wrong_way", "red_light", "stopped_vehicle", "congestion", "speeding", "queue", "occupancy", "tailgating"),
    *("counting",),
    *("face_granted", "face_denied", "camera_offline", "camera_frozen", "camera_tampered", "camera_runaway"),
    *("overloaded", "degraded"),
)
"""The vocabulary of `kind`. A pipeline may add its own: any lower-case word of letters, digits and `_`."""

_WORD = re.compile(r"[a-z][a-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment whose picture belongs to the proof of an event."""

    time: float
    """Capture time in seconds."""
    box: tuple[float, float, float, float]
    """Where it happened, as fractions of the frame."""


@dataclass(frozen=True, slots=True)
class Event:
    """A fact about one camera at one moment."""

    kind: str
    state: State
    time: float
    """Capture time in seconds (UTC epoch when live, from the video's start in replay)."""
    key: tuple[Any, ...] = ()
    """Tells this ongoing thing from others of its kind, camera and pipeline, e.g. (zone, track id)."""
    confidence: float = 1.0
    started: float | None = None
    """When the thing began, if before `time` (a loiterer is noticed after min_seconds)."""
    track_id: int | None = None
    zone: str | None = None
    line: str | None = None
    label: str | None = None
    box: tuple[float, float, float, float] | None = None
    """x1, y1, x2, y2 as fractions of the frame."""
    detail: dict[str, Any] = field(default_factory=dict)
    """Why it fired: values and thresholds."""
    severity: Severity = "warning"
    cooldown_s: float | None = None
    """The rule's own cool-down; None: the default of `alerts`."""
    sinks: tuple[str, ...] | None = None
    """The rule's own sinks; None: the default of `alerts`."""
    camera: str = ""
    pipeline: str = ""
    id: str = ""
    """The incident's name; the book fills camera, pipeline and id."""
    ended: float | None = None
    frame_index: int | None = None
    """Ordinal of the frame that decided; for fetching the evidence."""
    session: int | None = None
    captured_at: float | None = None
    """CLOCK_MONOTONIC capture time of the deciding frame, for latency; None for the system's own events."""
    pts: float | None = None
    """The deciding frame's time as its source counts, seconds; finds its very picture again in what was kept."""
    moments: tuple[Moment, ...] = ()
    """Whose pictures are shown side by side instead of the deciding one, oldest first; they are times of this
    session. Only an evidence order reads them: what they were is in `detail`."""

    def __post_init__(self) -> None:
        if not _WORD.match(self.kind):
            raise ValueError(f"Event: kind {self.kind!r} must be a lower-case word of letters, digits and '_'")
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"Event {self.kind}: confidence must be in 0..1, got {self.confidence}")

    def row(self, live: bool) -> dict[str, Any]:
        """The event as one object of the events file (field names are a public contract)."""

        def at(t: float) -> float | str:
            return rfc3339(t) if live else round(t, 3)

        row: dict[str, Any] = {
            "id": self.id,
            "camera": self.camera,
            "pipeline": self.pipeline,
            "kind": self.kind,
            "state": self.state,
            "time": at(self.time),
            "started": at(self.time if self.started is None else self.started),
        }
        if self.ended is not None:
            row["ended"] = at(self.ended)
        for name in ("track_id", "zone", "line", "label"):
            if getattr(self, name) is not None:
                row[name] = getattr(self, name)
        row["confidence"] = round(float(self.confidence), 4)
        if self.box is not None:
            row["box"] = [round(float(v), 4) for v in self.box]
        row["detail"] = self.detail
        return row


class IncidentBook:
    """All incidents that are open now, by (camera, pipeline, kind, key)."""

    def __init__(self) -> None:
        self._open: dict[tuple[Any, ...], Event] = {}
        self._ordinals: dict[str, int] = {}

    def enter(self, event: Event) -> Event | None:
        """Name the incident that an event belongs to.

        Returns:
            The event with its id, start and (at its end) end; None if it says nothing new: a begin of what is open,
            or an update or end of what is not.
        """
        slot = (event.camera, event.pipeline, event.kind, *event.key)
        known = self._open.get(slot)
        if event.state == "begin":
            if known is not None:
                return None
            started = event.time if event.started is None else event.started
            event = replace(event, started=started, id=self._name(event, started))
            self._open[slot] = event
            return event
        if known is None:
            return None
        event = replace(event, id=known.id, started=known.started, severity=known.severity, sinks=known.sinks)
        if event.state == "end":
            del self._open[slot]
            return replace(event, ended=event.time if event.ended is None else event.ended)
        return event

    def end_all(self, time: float, reason: str, camera: str | None = None, pipeline: str | None = None) -> list[Event]:
        """End what is open (of one camera, of one pipeline), with the reason in `detail`; in order of begin."""
        ends = []
        for slot, begun in list(self._open.items()):
            if (camera is None or begun.camera == camera) and (pipeline is None or begun.pipeline == pipeline):
                del self._open[slot]
                # a clock that stepped back must not make an incident end before it began
                ended = max(time, begun.started if begun.started is not None else time)
                detail = {**begun.detail, "reason": reason}
                # no frame showed the end: neither a picture nor a box of the begin may pass for it
                unseen = replace(begun, box=None, frame_index=None, session=None, captured_at=None)
                ends.append(replace(unseen, state="end", time=ended, ended=ended, detail=detail))
        return ends

    def reopen(self, begun: Event) -> None:
        """Put back an incident that was open when the daemon went down (from the store)."""
        self._open[(begun.camera, begun.pipeline, begun.kind, *begun.key)] = begun

    def __iter__(self) -> Iterator[Event]:
        """The begin events of all that is open."""
        return iter(tuple(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)

    def _name(self, event: Event, started: float) -> str:
        # the very text of the id is what must not repeat: "a-b" watched by "c" and "a" by "b-c" spell the same
        base = f"{event.camera}-{event.pipeline}-{event.kind}-{round(started * 1000)}"
        ordinal = self._ordinals[base] = self._ordinals.get(base, 0) + 1
        if len(self._ordinals) > 4096:  # only equal starts can collide: old ones are safe to forget
            for old in list(self._ordinals)[:2048]:
                del self._ordinals[old]
        return f"{base}-{ordinal}"
