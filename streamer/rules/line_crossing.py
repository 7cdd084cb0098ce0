"""Line crossing: something crosses a drawn line; which way, and how many of what.

Each crossing is an incident of a moment: its begin and its end come together. Every one is also counted, by class and
direction, whether or not it is told: `streamer_counts_total{kind="line_crossing"}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from streamer.events import Event, State
from streamer.places import Line, Places
from streamer.readings import Reading
from streamer.rules.crossing import Crossing, Crossings
from streamer.rules.rule import Judge, Rule
from streamer.types import NO_SCORES, Frame, Scores, Tracks

MARGIN_HEIGHTS = 0.1
"""Boxes of somebody who stands sway by a few hundredths of their height; a step is 0.4."""


class LineCrossing(Rule):
    """Something crosses a line."""

    kind: ClassVar[str] = "line_crossing"

    lines: list[str] = Field(min_length=1, description="Lines to watch; each camera that runs this rule draws them.")
    direction: Literal["both", "forward", "backward"] = Field(
        "both",
        description="Which crossings are events; forward is from the arrow's left to its right. All are counted.",
    )
    labels: list[str] | None = Field(
        None, description="What counts; names of the detector's classes. Everything if left out."
    )
    margin_heights: float = Field(
        MARGIN_HEIGHTS, ge=0, description="How far beyond the line one must get, in heights of the body."
    )
    min_confidence: float = Field(0.35, ge=0, le=1, description="Mean confidence of the sightings that is asked for.")

    def begin(self, places: Places) -> Judge:
        """See Rule."""
        return _Counter(self, self.drawn(self.lines, places.lines, "line"))

    def places_needed(self) -> dict[str, list[str]]:
        """See Rule."""
        return {"lines": self.lines}


class _Counter(Judge):
    """Counts and tells crossings."""

    def __init__(self, rule: LineCrossing, lines: list[Line]):
        self._rule = rule
        self._crossings = Crossings(lines, rule.labels, rule.margin_heights)
        self._count = 0

    def judge(
        self, frame: Frame, tracks: Tracks, scores: Mapping[str, Scores] = NO_SCORES
    ) -> Iterator[Event | Reading]:
        """See Judge."""
        for crossing in self._crossings.update(frame, tracks):
            thing = crossing.thing
            if thing.confidence < self._rule.min_confidence:
                continue
            yield Reading(self._rule.kind, crossing.line, 1, "count", thing.label, crossing.direction)
            if self._rule.direction in ("both", crossing.direction) and self._rule.holds_at(frame.time):
                self._count += 1
                yield self._event("begin", frame.time, crossing)
                yield self._event("end", frame.time, crossing)

    def _event(self, state: State, time: float, crossing: Crossing) -> Event:
        thing = crossing.thing
        return self._rule.event(
            state,
            time,
            key=(crossing.line, self._count),
            started=crossing.at,
            ended=crossing.at if state == "end" else None,
            line=crossing.line,
            track_id=thing.track_id,
            label=thing.label,
            confidence=min(thing.confidence, 1.0),
            box=thing.last.box,
            detail={
                "direction": crossing.direction,
                "margin_heights": self._rule.margin_heights,
                "step_s": round(crossing.step_s, 2),
                "min_confidence": self._rule.min_confidence,
            },
        )
