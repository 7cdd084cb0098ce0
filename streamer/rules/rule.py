"""What all rules share: the settings that route their events, and the judge that a camera gets.

A rule is a settings model; `begin` makes the `Judge` that holds the rule's memory of one camera. Judges are fed each
frame's tracks and yield events. They count capture time only: an `unknown` answer stops their clock, never ends
anything. No I/O; called from pipelines in the engine, replay and tests alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from streamer.behaviour import Behaviour
from streamer.errors import InputError, StreamerError
from streamer.events import Event, Severity, State
from streamer.places import Places
from streamer.readings import Reading
from streamer.schedule import When
from streamer.types import NO_SCORES, Frame, Scores, Tracks

Place = TypeVar("Place")

_EPOCH_S = 1e8  # replay counts from the video's start; no video lasts three years


class Rule(BaseModel):
    """Settings of a behaviour."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
    kind: ClassVar[str]
    """The vocabulary word of its events."""
    evidence_s: ClassVar[float] = 0.0
    """How far before an event its `moments` may be, seconds: so much of what the camera sent is kept."""

    severity: Severity = Field("warning", description="info, warning or critical.")
    when: When | None = Field(
        None, description='When the rule holds, e.g. "Mon-Fri 22:00-06:00"; always if left out. Replay ignores it.'
    )
    cooldown_seconds: float | None = Field(
        None, ge=0, description="Alerts of this kind and camera are at least this far apart; default: alerts."
    )
    sinks: list[str] | None = Field(None, description="Names of the sinks that are told; default: alerts.sinks.")

    def begin(self, places: Places) -> Judge:
        """The memory of this rule for one camera, empty.

        Raises:
            InputError: a place that the rule names is not drawn on this camera.
        """
        raise NotImplementedError

    def places_needed(self) -> dict[str, list[str]]:
        """Names that a camera must have: ``{"zones": [...], "lines": [...], "lanes": [...]}``; for `check`."""
        return {}

    def ground_needed(self) -> bool:
        """Whether a camera must have a ground plane; for `check`."""
        return False

    def handles(self) -> dict[str, Behaviour]:
        """The behaviour models that it asks, by field."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in values.items() if isinstance(value, Behaviour)}

    def model_faults(self, labels: Sequence[str], thresholds: Mapping[str, float]) -> Iterator[tuple[str, str]]:
        """What of this rule does not fit its behaviour model's card: a field and what is wrong with it; for `check`."""
        yield from ()

    def said(self, handle: Behaviour, scores: Mapping[str, Scores]) -> Scores:
        """What the model of one of this rule's handles says.

        Raises:
            StreamerError: the pipeline does not pass it on.
        """
        if handle.name not in scores:
            raise StreamerError(
                f"{self.kind}: the pipeline passes no scores of model {handle.name!r}; in its `watch`, get them with "
                "`await self.look(frame, self.detector)` or `await self.behaviours(frame)` and pass them to `judge`"
            )
        return scores[handle.name]

    def holds_at(self, time: float) -> bool:
        """Whether the schedule covers this capture time; always in replay, whose times are not of a day."""
        return self.when is None or time < _EPOCH_S or self.when.holds(time)

    def drawn(self, names: Iterable[str], places: Mapping[str, Place], what: str) -> list[Place]:
        """The places of these names; `what` says what they are.

        Raises:
            InputError: one is not drawn on this camera.
        """
        for name in names:
            if name not in places:
                has = ", ".join(places) or "none"
                raise InputError(f"{self.kind}: {what} {name!r} is not drawn on this camera; it has: {has}")
        return [places[name] for name in names]

    def event(self, state: State, time: float, **fields: Any) -> Event:
        """An event of this rule, with its routing filled in."""
        return Event(
            kind=self.kind,
            state=state,
            time=time,
            severity=self.severity,
            cooldown_s=self.cooldown_seconds,
            sinks=None if self.sinks is None else tuple(self.sinks),
            **fields,
        )


class Judge(ABC):
    """The memory of one rule for one camera."""

    @abstractmethod
    def judge(
        self, frame: Frame, tracks: Tracks, scores: Mapping[str, Scores] = NO_SCORES
    ) -> Iterator[Event | Reading]:
        """What this frame changes; called once for every analysed frame, in order of capture time.

        Args:
            frame: the picture and its capture time.
            tracks: who is followed in it.
            scores: what behaviour models say of it, by the model's name; only those that the pipeline or a rule asks.
        """


class KnownTime:
    """Capture time without the stretches in which nobody knew what was to be seen."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._unknown_s = 0.0

    def advance(self, time: float, known: bool) -> float:
        """Move to a frame's capture time; known seconds on a clock that starts at the first frame's capture time."""
        if not known and self._last is not None:
            self._unknown_s += time - self._last
        self._last = time
        return time - self._unknown_s
