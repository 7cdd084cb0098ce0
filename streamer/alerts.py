"""Who is told of an event, and in which words: severity, schedule and routing. Pure decisions, no I/O, no clock.

Called by the engine for every event, and by replay to say what would have alerted. What needs memory that survives a
restart (dedupe by incident, cool-down, an end that follows its begin) is the outbox's, in the same transaction that
writes the alert; `rehearse` plays the same in memory, on the events' own time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, field_validator

from streamer.events import SEVERITIES, SYSTEM, Event, Severity
from streamer.schedule import When, zone
from streamer.sinks.sink import Alert, SinkSettings
from streamer.wording import sentence

__all__ = ["Alert", "AlertPolicy", "AlertSettings", "ClipSettings", "Suppressed", "alert_key"]


class ClipSettings(BaseModel):
    """Video evidence: the seconds round the moment that decided, as the camera sent them."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    before_seconds: float = Field(5.0, ge=0, le=60, description="At least so much before the moment that decided.")
    after_seconds: float = Field(5.0, ge=0, le=60, description="So much after it; the alert does not wait for it.")
    explain: bool = Field(False, description="Draw where a behaviour model saw what it decided, beside the clip.")


class AlertSettings(BaseModel):
    """The section `alerts`: defaults that a rule or a sink may narrow."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    cooldown_seconds: float = Field(
        30.0, ge=0, description="Alerts of one kind of one camera and pipeline are at least this far apart."
    )
    sinks: list[str] | None = Field(None, description="Names of the sinks that are told; default: all.")
    min_severity: Severity = Field("info", description="Incidents below it are not sent: info, warning or critical.")
    when: When | None = Field(None, description='Incidents that begin outside of it are not sent, e.g. "22:00-06:00".')
    clip: ClipSettings | None = Field(
        None, description="Keep a clip (MP4) of each alert that begins; {} takes the defaults. Off unless given."
    )
    timezone: str | None = Field(None, description="IANA name for schedules and texts; default: this machine's own.")

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        zone(name)
        return name


@dataclass(frozen=True, slots=True)
class Suppressed:
    """Why nobody is told of an event."""

    reason: str
    """One of disarmed, severity, schedule, no_sink, state, cooldown, duplicate, unbegun; a label of metrics."""
    event: Event | None = None


class AlertPolicy:
    """Decides on every event; one per configuration.

    Args:
        settings: defaults.
        sinks: the settings of each, by name.
        armed: whether people wanted to be told of a camera at a time, UTC epoch in seconds (see `arming`).
    """

    def __init__(
        self,
        settings: AlertSettings,
        sinks: Mapping[str, SinkSettings] | None = None,
        armed: Callable[[str, float], bool] = lambda camera, time: True,
    ):
        self.settings = settings
        self._armed = armed
        self._sinks = dict(sinks or {})
        self._zone = zone(settings.timezone)
        self._told: set[str] = set()
        self._last: dict[tuple[str, str, str], float] = {}

    def decide(self, event: Event) -> Alert | Suppressed:
        """The alert about an event, or why there is none.

        An update or end goes wherever its begin may have gone: the outbox narrows it to those that were told, so
        neither a schedule that has closed since nor a reload leaves an incident without its end.
        """
        named = [name for name in self._names(event) if name in self._sinks]
        if not named:
            return Suppressed("no_sink", event)
        audience = named
        if event.state == "begin":
            if event.pipeline != SYSTEM and not self._armed(event.camera, event.time):
                return Suppressed("disarmed", event)
            default = self.settings.min_severity
            audience = [name for name in named if self._sinks[name].admits(event.severity, default)]
            if not audience:
                return Suppressed("severity", event)
            audience = [name for name in audience if self._open(self._sinks[name], event.time)]
            if not audience:
                return Suppressed("schedule", event)
        sinks = tuple(name for name in audience if self._sinks[name].wants(event))
        if not sinks and event.state != "begin":
            return Suppressed("state", event)
        text = sentence(event, self._zone)
        return Alert(
            alert_key(event),
            event,
            event.severity,
            sinks,
            text,
            event.time,
            audience=tuple(audience),
            cooldown_s=self.cooldown_s(event),
        )

    def cooldown_s(self, event: Event) -> float:
        """How far apart alerts of this key must be. The system's own are debounced at their source: none."""
        if event.cooldown_s is not None:
            return event.cooldown_s
        return 0.0 if event.pipeline == SYSTEM else self.settings.cooldown_seconds

    def rehearse(self, event: Event) -> Alert | Suppressed:
        """What the live path would say of an event of a recording: severity, cool-down, ends that follow begins.

        Schedules are left out (a recording's times are not of a day), and so are the sinks' own limits when there
        are none. Stateful: give it the events in order.
        """
        alert = Alert(f"{event.id}:{event.state}", event, event.severity, (), sentence(event), event.time)
        if event.state != "begin":
            return alert if event.id in self._told else Suppressed("unbegun", event)
        limits = [sink.min_severity or self.settings.min_severity for sink in self._sinks.values()]
        lowest = min(map(SEVERITIES.index, limits), default=SEVERITIES.index(self.settings.min_severity))
        if SEVERITIES.index(event.severity) < lowest:
            return Suppressed("severity", event)
        key = (event.camera, event.pipeline, event.kind)
        if abs(event.time - self._last.get(key, -math.inf)) < self.cooldown_s(event):
            return Suppressed("cooldown", event)
        self._last[key] = event.time
        self._told.add(event.id)
        return alert

    def _names(self, event: Event) -> list[str]:
        if event.sinks is not None:
            return list(event.sinks)
        return list(self._sinks) if self.settings.sinks is None else self.settings.sinks

    def _open(self, sink: SinkSettings, time: float) -> bool:
        schedules = [when for when in (self.settings.when, sink.when) if when is not None]
        return all(when.holds(time, self._zone) for when in schedules)


def alert_key(event: Event) -> str:
    """The id of the alert about an event: of incident and state, of an update also its time, for there are many."""
    return f"{event.id}:{event.state}" + (f":{round(event.time * 1000)}" if event.state == "update" else "")
