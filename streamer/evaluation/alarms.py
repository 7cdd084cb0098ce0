"""What operators feel of a behaviour model: false alarms an hour at a recall, and how late alarms are.

The scores of recordings are judged by the very rule of the live system (`fight` with its defaults, for any label), at
one threshold after the other; nothing is decoded or inferred again. Alarms are paired with the truth as of a site:
what is told twice is false the second time. A threshold that is chosen on the recordings it is measured on flatters:
take it from others where you can. Pure.

Source of the headline figures: false alarms per unit of time at a recall, as NIST ActEV and PSD-ROC have them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamer.behaviour import Behaviour
from streamer.evaluation.figures import Figures, false_words, median, percentile, scored_seconds
from streamer.evaluation.matching import TOLERANCE_S, match
from streamer.evaluation.truth import Ignored, TrueEvent
from streamer.events import Event
from streamer.places import Places
from streamer.rules.fight import Fight
from streamer.rules.rule import Rule
from streamer.training.stream import Scored
from streamer.types import Frame, Scores, Tracks

RECALLS = (0.8, 0.9)
"""At these the false alarms are told."""
RATES = (0.1, 0.5, 1.0, 5.0)
"""False alarms an hour at which the recall is told; 0.1 is two or three a day."""
THRESHOLDS = (*(round(i / 20, 2) for i in range(1, 20)), 0.97, 0.99)
KIND = "alarm"
"""Of what a label raises: labels are free text, kinds are words."""
_MODEL = "model"
_PIXELS = np.zeros((1, 1, 3), np.uint8)  # a rule of scores looks at none


@dataclass(frozen=True, slots=True)
class Watched:
    """A recording, what the model said of it, and when it truly happened."""

    camera: str
    scored: Scored
    true: tuple[float, ...]
    """Starts, seconds."""


@dataclass(frozen=True, slots=True)
class Point:
    """What alarms there are at one threshold."""

    threshold: float
    figures: Figures

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"threshold": round(self.threshold, 4), "f1": self.figures.to_json()["f1"], **self.figures.summary()}


@dataclass(frozen=True, slots=True)
class Sweep:
    """The alarms of one label at all thresholds."""

    label: str
    rule: Mapping[str, Any]
    """Settings of the rule, without the threshold."""
    chosen: Point
    """At the threshold of the model's card."""
    points: tuple[Point, ...]
    """By rising threshold."""

    def at_recall(self, recall: float) -> Point | None:
        """The point with the fewest false alarms of those that reach a recall; None if none does."""
        able = [it for it in self.points if (it.figures.recall or 0.0) >= recall]
        return min(able, key=lambda it: (len(it.figures.pairs.false), -it.threshold)) if able else None

    def at_rate(self, per_hour: float) -> Point | None:
        """The point with the best recall of those with no more false alarms an hour; None if none has so few."""
        able = [
            it for it in self.points if it.figures.false_per_hour is not None and it.figures.false_per_hour <= per_hour
        ]
        return max(able, key=lambda it: (it.figures.recall or 0.0, it.threshold)) if able else None

    def to_json(self) -> dict[str, Any]:
        """Plain values; names are a public contract (docs/evaluation.md)."""
        return {
            "rule": dict(self.rule),
            "chosen": self.chosen.to_json(),
            "at_recall": {str(it): _json(self.at_recall(it)) for it in RECALLS},
            "at_false_alarms_per_hour": {str(it): _json(self.at_rate(it)) for it in RATES},
            "sweep": [point.to_json() for point in self.points],
        }

    def to_text(self) -> str:
        """The chosen threshold, and what others would give."""
        rows: list[tuple[str, Point | None]] = [("as configured", self.chosen)]
        rows += [(f"recall {it:g} or more", self.at_recall(it)) for it in RECALLS]
        rows += [(f"false/h {it:g} or less", self.at_rate(it)) for it in RATES]
        lines = [f"{'alarms of ' + self.label:<24}{_HEADER}"]
        for name, point in rows:
            lines.append(f"  {name:<22}" + ("  not reached" if point is None else _row(point)))
        return "\n".join(lines)


def sweep(
    watched: Sequence[Watched],
    labels: tuple[str, ...],
    label: str,
    threshold: float,
    ignored: Sequence[Ignored] = (),
    tolerance_s: float = TOLERANCE_S,
) -> Sweep:
    """Judge recordings at all thresholds.

    Args:
        watched: recordings with the model's scores.
        labels: of the model, in the order of the scores.
        label: the one that alarms.
        threshold: of the model's card.
        ignored: stretches that are not scored; their kind is KIND or none.
        tolerance_s: how late an alarm may be.
    """

    def rule(least: float) -> Rule:
        return Fight(model=Behaviour(_MODEL), label=label, min_score=least)

    true = [TrueEvent(camera=it.camera, kind=KIND, start=start) for it in watched for start in it.true]
    seconds = sum(it.scored.seconds for it in watched)
    left_out = sum(_ignored_s(it, ignored) for it in watched)

    def point(least: float) -> Point:
        said = [event for it in watched for event in alarms(it, labels, label, rule(least))]
        pairs = match(true, said, ignored, tolerance_s)
        return Point(least, Figures(KIND, pairs, (seconds - left_out) / 3600.0))

    told = rule(threshold).model_dump(mode="json", exclude={"min_score", "model", "when", "sinks"}, exclude_none=True)
    return Sweep(label, told, point(threshold), tuple(point(it) for it in THRESHOLDS))


def alarms(watched: Watched, labels: tuple[str, ...], label: str, rule: Rule) -> Iterator[Event]:
    """The begins of incidents that a rule makes of scores."""
    judge = rule.begin(Places())
    nobody = Tracks.empty()
    rows = zip(watched.scored.times.tolist(), watched.scored.scores, watched.scored.warm.tolist(), strict=True)
    for i, (time, values, warm) in enumerate(rows):
        frame = Frame(watched.camera, 1, i, time, time, _PIXELS, time)
        for said in judge.judge(frame, nobody, {_MODEL: Scores(values, labels, warm=warm)}):
            if isinstance(said, Event) and said.state == "begin":
                yield replace(said, camera=watched.camera, kind=KIND)


def _ignored_s(watched: Watched, ignored: Sequence[Ignored]) -> float:
    seconds = watched.scored.seconds
    return seconds - scored_seconds(watched.camera, seconds, KIND, ignored)


def _json(point: Point | None) -> dict[str, Any] | None:
    return None if point is None else point.to_json()


_HEADER = (
    f"{'threshold':>10}{'recall':>8}{'precision':>11}{'f1':>7}{'delay s (p95)':>15}  false in min: per hour (<95 %)"
)


def _row(point: Point) -> str:
    figures = point.figures
    delays = figures.delays_s
    late = f"{median(delays):.1f} ({percentile(delays, 0.95):.1f})" if delays else "-"
    shares = [("-" if it is None else f"{it:.3f}") for it in (figures.recall, figures.precision, figures.f1)]
    return f"{point.threshold:>10.3g}{shares[0]:>8}{shares[1]:>11}{shares[2]:>7}{late:>15}  {false_words(figures)}"
