"""Tailgating: two cross a line close behind each other, where each should come alone (a door, a barrier, a turnstile).

Both must cross in the same direction, within `within_seconds` of capture time between their crossings. Each follower is
an incident of a moment. Where the detector was silent or blind for so long that nobody knows when they crossed, nothing
is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from streamer.events import Event, State
from streamer.places import Line, Places
from streamer.rules.crossing import Crossing, Crossings
from streamer.rules.line_crossing import MARGIN_HEIGHTS
from streamer.rules.rule import Judge, Rule
from streamer.types import NO_SCORES, Frame, Scores, Tracks

_LATE_S = 10.0
"""One who is slow to get clear of the line becomes known late; for longer nobody waits."""
_MOST = 32
"""Crossings that are remembered a line and direction: more in so short a time is a crowd, not a door."""


class Tailgating(Rule):
    """Somebody slips through close behind another."""

    kind: ClassVar[str] = "tailgating"

    lines: list[str] = Field(min_length=1, description="Lines to watch; each camera that runs this rule draws them.")
    direction: Literal["both", "forward", "backward"] = Field(
        "both", description="Which way counts; forward is from the arrow's left to its right."
    )
    within_seconds: float = Field(2.0, gt=0, description="Who crosses this soon after another follows them, seconds.")
    labels: list[str] = Field(["person", "motion"], description="What counts; names of the detector's classes.")
    margin_heights: float = Field(
        MARGIN_HEIGHTS, ge=0, description="How far beyond the line one must get, in heights of the body."
    )
    min_confidence: float = Field(0.35, ge=0, le=1, description="Mean confidence of the sightings that is asked for.")

    def begin(self, places: Places) -> Judge:
        """See Rule."""
        return _Door(self, self.drawn(self.lines, places.lines, "line"))

    def places_needed(self) -> dict[str, list[str]]:
        """See Rule."""
        return {"lines": self.lines}


class _Door(Judge):
    """Remembers who last went through which way."""

    def __init__(self, rule: Tailgating, lines: list[Line]):
        self._rule = rule
        self._crossings = Crossings(lines, rule.labels, rule.margin_heights)
        self._recent: dict[tuple[str, str], list[Crossing]] = {}
        """By line and direction: crossings that somebody may still follow, in the order in which they became known."""
        self._count = 0

    def judge(self, frame: Frame, tracks: Tracks, scores: Mapping[str, Scores] = NO_SCORES) -> Iterator[Event]:
        """See Judge."""
        rule = self._rule
        for crossing in self._crossings.update(frame, tracks):
            wanted = rule.direction in ("both", crossing.direction)
            if not wanted or crossing.thing.confidence < rule.min_confidence:
                continue
            way = crossing.line, crossing.direction
            keep_s = rule.within_seconds + _LATE_S
            recent = [one for one in self._recent.get(way, []) if frame.time - one.at <= keep_s]
            near = [one for one in recent if self._follows(one, crossing)]
            self._recent[way] = [*recent, crossing][-_MOST:]
            if near and rule.holds_at(frame.time):
                self._count += 1
                ahead = min(near, key=lambda one: abs(one.at - crossing.at))
                yield self._event("begin", frame.time, crossing, ahead)
                yield self._event("end", frame.time, crossing, ahead)

    def _follows(self, one: Crossing, other: Crossing) -> bool:
        close = abs(one.at - other.at) <= self._rule.within_seconds + 1e-6
        sure = max(one.step_s, other.step_s) <= self._rule.within_seconds
        return close and sure and one.thing.number != other.thing.number

    def _event(self, state: State, time: float, crossing: Crossing, ahead: Crossing) -> Event:
        thing = crossing.thing
        return self._rule.event(
            state,
            time,
            key=(crossing.line, self._count),
            started=min(crossing.at, ahead.at),
            ended=max(crossing.at, ahead.at) if state == "end" else None,
            line=crossing.line,
            track_id=thing.track_id,
            label=thing.label,
            confidence=min(thing.confidence, ahead.thing.confidence, 1.0),
            box=thing.last.box,
            detail={
                "direction": crossing.direction,
                "apart_s": round(abs(crossing.at - ahead.at), 2),
                "within_seconds": self._rule.within_seconds,
                "ahead_track_id": ahead.thing.track_id,
                "min_confidence": self._rule.min_confidence,
            },
        )
