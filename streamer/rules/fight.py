"""Fight: a behaviour model that watches the whole picture says so, for long enough.

The model's score swings from frame to frame; it is smoothed over seconds of capture time, begins an incident above one
threshold and ends it below a lower one. Both come from the model's card, where training put the point that it measured,
unless the settings say otherwise. What nobody saw is not judged: while the answer is missing, or the model's memory is
not filled yet (at the start, after a gap, a cut or a new worker), clocks stand still, and nothing begins or ends.

Who fights touches somebody. While the detector sees two people or more and no two of them meet, nothing begins: people
who exercise or wave side by side move much like people who fight. Whom the detector does not see is given the benefit
of the doubt, as it loses people who lie or are entangled; without a detector this asks nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field, model_validator

from streamer.behaviour import Behaviour
from streamer.errors import InputError
from streamer.events import Event
from streamer.places import Places
from streamer.readings import Reading
from streamer.rules.crowd import PICTURE
from streamer.rules.latch import Latch
from streamer.rules.rule import Judge, Rule
from streamer.types import NO_SCORES, Floats, Frame, Scores, Tracks

_WATCHED_STEP_S = 1.0
"""So much of the time between two answers counts as watched: what happened in a gap nobody saw."""
_APART_S = 2.0
"""Time constant of the share of time in which people are seen and none meet: boxes touch by chance, and are lost."""
_APART_SHARE = 0.5
"""Above this share of the time people keep apart, and nothing begins."""
_PEOPLE = ("person",)
_END_SHARE = 0.6
"""It goes on until the smoothed score is below this share of the threshold that began it."""


class Fight(Rule):
    """People fight."""

    kind: ClassVar[str] = "fight"

    model: Behaviour = Field(Behaviour("fight"), description="Name of the behaviour model that is asked.")
    label: str = Field("fight", description="The model's label that counts.")
    min_score: float | None = Field(
        None, gt=0, le=1, description="Smoothed score that begins it; default: the threshold in the model's card."
    )
    end_score: float | None = Field(
        None, ge=0, lt=1, description="Smoothed score below which it ends; default: 0.6 of what begins it."
    )
    contact: bool = Field(
        True, description="Nothing begins while the detector sees people and no two of their boxes meet."
    )
    smooth_seconds: float = Field(1.0, ge=0, description="Time constant of the smoothing, seconds; 0: none.")
    min_seconds: float = Field(1.0, ge=0, description="How long the score must be that high, seconds.")
    end_seconds: float = Field(3.0, ge=0, description="How long it must be low for it to end, seconds.")

    @model_validator(mode="after")
    def _ordered(self) -> Fight:
        if self.min_score is not None and self.end_score is not None and self.end_score > self.min_score:
            raise ValueError(f"end_score must not be above min_score, got {self.end_score:g} and {self.min_score:g}")
        return self

    def begin(self, places: Places) -> Judge:
        """See Rule."""
        return _Watcher(self)

    def model_faults(self, labels: Sequence[str], thresholds: Mapping[str, float]) -> Iterator[tuple[str, str]]:
        """See Rule."""
        if self.label not in labels:
            yield "label", f"model {self.model.name!r} has no label {self.label!r}; its labels are: {', '.join(labels)}"
        elif self.min_score is None and self.label not in thresholds:
            yield (
                "min_score",
                f"must be given: the card of model {self.model.name!r} has no threshold of {self.label!r}",
            )
        elif self.min_score is None and self.end_score is not None and self.end_score > thresholds[self.label]:
            yield "end_score", f"must not be above the model's threshold of {self.label!r}, {thresholds[self.label]:g}"

    def threshold(self, scores: Scores) -> float:
        """The smoothed score that begins an incident.

        Raises:
            InputError: neither the settings nor the model's card say one, or the model has no such label.
        """
        for field, fault in self.model_faults(scores.labels, scores.thresholds):
            raise InputError(f"{self.kind}: {field}: {fault}")
        return scores.thresholds[self.label] if self.min_score is None else self.min_score


class _Watcher(Judge):
    """Smooths one camera's scores, and says when they mean something."""

    def __init__(self, rule: Fight):
        self._rule = rule
        self._latch = Latch(rule.min_seconds, rule.end_seconds)
        self._watched_s = 0.0
        """A clock that stands still while nothing can be said."""
        self._last: float | None = None
        """Capture time of the frame before, if something could be said of it."""
        self._smooth: float | None = None
        self._peak = 0.0
        self._apart = _APART_SHARE
        """Smoothed share of the time in which two people or more were seen, and no two of them met; at first nobody
        knows."""
        self._followed: float | None = None
        """Capture time of the frame before in which the detector answered."""
        self._told: float | None = None
        """The last reading."""

    def judge(
        self, frame: Frame, tracks: Tracks, scores: Mapping[str, Scores] = NO_SCORES
    ) -> Iterator[Event | Reading]:
        """See Judge."""
        self._follow(frame.time, tracks)  # while the model's memory is filled, too
        said = self._rule.said(self._rule.model, scores)
        if not said.telling:
            self._last = None
            if said.known:
                self._smooth = None  # the memory began anew: what it said before is of another scene
            return
        least = self._rule.threshold(said)
        end = _END_SHARE * least if self._rule.end_score is None else self._rule.end_score
        smooth = self._update(frame.time, said[self._rule.label])
        if round(smooth, 2) != self._told:
            self._told = round(smooth, 2)
            yield Reading(self._rule.kind, PICTURE, self._told)
        may = self._latch.on or (self._apart <= _APART_SHARE and self._rule.holds_at(frame.time))
        holds = smooth >= least and may
        change = self._latch.update(frame.time, self._watched_s, holds, smooth < end)
        self._peak = smooth if change == "begin" else max(self._peak, smooth)
        if change:
            yield self._event(change, frame.time, said, smooth, (least, end))

    def _update(self, time: float, score: float) -> float:
        """Move to a frame's time; the smoothed score."""
        step_s = 0.0 if self._last is None else min(time - self._last, _WATCHED_STEP_S)
        self._watched_s += step_s
        self._last = time
        if self._smooth is None or not self._rule.smooth_seconds:
            self._smooth = score
        else:
            self._smooth += (1 - math.exp(-step_s / self._rule.smooth_seconds)) * (score - self._smooth)
        return self._smooth

    def _follow(self, time: float, tracks: Tracks) -> None:
        """Take in where people are."""
        if not (self._rule.contact and tracks.known):
            return
        people = tracks.seen()
        boxes = people.boxes[[people.label(i) in _PEOPLE for i in range(len(people))]]
        apart = len(boxes) > 1 and not _touching(boxes)
        step_s = 0.0 if self._followed is None else min(max(time - self._followed, 0.0), _WATCHED_STEP_S)
        self._followed = time
        self._apart += (1 - math.exp(-step_s / _APART_S)) * (apart - self._apart)

    def _event(self, state: str, time: float, said: Scores, smooth: float, limits: tuple[float, float]) -> Event:
        rule = self._rule
        detail = {
            "model": rule.model.name,
            "label": rule.label,
            "score": round(said[rule.label], 3),
            "smooth": round(smooth, 3),
            "min_score": round(limits[0], 3),
            "min_seconds": rule.min_seconds,
            "smooth_seconds": rule.smooth_seconds,
        }
        if rule.contact:
            detail["apart"] = round(self._apart, 2)
        if state == "end":
            detail |= {"end_score": round(limits[1], 3), "end_seconds": rule.end_seconds, "peak": round(self._peak, 3)}
        return rule.event(
            "begin" if state == "begin" else "end",
            time,
            started=self._latch.started,
            ended=self._latch.until if state == "end" else None,
            label=rule.label,
            confidence=min(max(smooth if state == "begin" else self._peak, 0.0), 1.0),
            detail=detail,
        )


def _touching(boxes: Floats) -> bool:
    """Whether any two of some boxes, (n, 4) as x1, y1, x2, y2, overlap."""
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    overlap = (np.minimum(high, boxes[None, :, 2:]) > np.maximum(low, boxes[None, :, :2])).all(-1)
    return bool(overlap.sum() > len(boxes))  # each overlaps itself
