"""A behaviour model on labeled clips: figures of each label with intervals over sources, confusion, figures by light.

The scores come from `training.stream`, which is the live path; a clip's score is what `training.figures.clip_score`
says, which is what the trainer validates by. Which labels the data may have is checked before anything is decoded: a
data set whose names differ from the model's would otherwise give fine figures of nothing. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import InputError
from streamer.faults import nearest
from streamer.models.card import Card
from streamer.training.figures import NAMES, Figures, clip_figures, clip_score
from streamer.training.light import BUCKETS, bucket
from streamer.training.samples import Sample
from streamer.training.stream import Scored, Streamed

_FEWEST = 2  # clips of a bucket of light that have figures of their own


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the clips: labels of the model, each against all others, and what stands for none of them."""

    labels: tuple[str, ...]
    """Those that are positive, each in turn."""
    background: tuple[str, ...]
    """Labels of clips that show none of the model's."""
    thresholds: Mapping[str, float]

    def at(self, threshold: float | None) -> Question:
        """The same with one threshold for all labels; None: unchanged."""
        return self if threshold is None else replace(self, thresholds=dict.fromkeys(self.labels, threshold))


@dataclass(frozen=True, slots=True)
class ClipEvaluation:
    """How a model did on labeled clips."""

    figures: Mapping[str, Figures]
    """By label."""
    light: Mapping[str, Mapping[str, Figures]]
    """By label and bucket, from dark to light."""
    confusion: Mapping[str, Mapping[str, int]]
    """By the clips' label, and what was said: the strongest label, or none above its threshold."""
    accuracy: float
    """Share of clips of which the right thing was said."""
    skipped: tuple[str, ...]
    cold: int
    """Clips too short to warm the model up: judged by their last frame."""
    seconds: float
    """Length of all clips."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """More rows of the JSON: where the figures are from."""

    def to_json(self) -> dict[str, Any]:
        """Plain values; names are a public contract (docs/evaluation.md)."""
        labels = {label: figures.to_json() for label, figures in self.figures.items()}
        for label, buckets in self.light.items():
            labels[label]["light"] = {name: figures.to_json() for name, figures in buckets.items()}
        only = next(iter(labels.values())) if len(labels) == 1 else {}
        means = {name: _mean([getattr(it, name) for it in self.figures.values()]) for name in NAMES}
        return {
            **(only or means),
            "accuracy": only["accuracy"] if only else round(self.accuracy, 4),
            "clips": next(iter(self.figures.values())).clips,
            "skipped": len(self.skipped),
            "skipped_clips": list(self.skipped),
            "cold": self.cold,
            "minutes": round(self.seconds / 60, 3),
            "labels": labels,
            "clip_confusion": {true: dict(row) for true, row in self.confusion.items()},
            **self.extra,
        }

    def to_text(self) -> str:
        """A table for people."""
        lines = []
        for label, figures in self.figures.items():
            about = f"{figures.clips} clips of {figures.sources} sources, {figures.positives} of them {label}"
            lines.append(f"{label}: {about}; threshold {figures.threshold:.3g}")
            for name in NAMES:
                lines.append(f"  {name:<12}{_or(getattr(figures, name))}{_between(figures.intervals[name])}")
            lines += [f"  by {name:<9}{_short(part)}" for name, part in self.light.get(label, {}).items()]
        said = list(dict.fromkeys(word for row in self.confusion.values() for word in row))
        lines.append(f"{'true, and said':<18}" + "".join(f"{word:>12}" for word in said))
        for true, row in self.confusion.items():
            lines.append(f"{true:<18}" + "".join(f"{row.get(word, 0):>12}" for word in said))
        lines.append(
            f"{self.seconds / 60:.1f} min of clips; {len(self.skipped)} skipped, {self.cold} too short to warm up"
        )
        return "\n".join([*lines, *(f"skipped: {why}" for why in self.skipped)])


def question(card: Card, samples: Sequence[Sample], label: str | None, background: Sequence[str]) -> Question:
    """What can be asked of these clips.

    Args:
        card: of the model.
        samples: all clips.
        label: the label that is positive; None: that of the card's recipe, or all that the heads with a sigmoid have
            and the last of two of a softmax.
        background: labels of clips that show none of the model's, beside those of the card's recipe.

    Raises:
        InputError: labels of the clips that the model does not know, or no clip with one that it knows.
    """
    recipe = card.training.get("recipe")
    made: Mapping[str, Any] = recipe if isinstance(recipe, Mapping) else {}
    none = tuple(dict.fromkeys((*background, *made.get("background", ()))))
    there = Counter(sample.label for sample in samples)
    for name in there:
        if name not in card.labels and name not in none:
            hint = nearest(name, card.labels) or f"; the model knows {', '.join(card.labels)}"
            raise InputError(
                f"evaluate: {there[name]} clips have the label {name!r}{hint} "
                f"(if they show nothing that the model knows: --background {name})"
            )
    if label is not None and label not in card.labels:
        hint = nearest(label, card.labels) or f"; it knows {', '.join(card.labels)}"
        raise InputError(f"evaluate: the model has no label {label!r}{hint}")
    chosen = (label,) if label else _positives(card, made)
    asked = tuple(name for name in chosen if there[name])
    if not asked:
        raise InputError(f"evaluate: no clip has the label {' or '.join(chosen)}; there are {', '.join(sorted(there))}")
    return Question(asked, none, {name: threshold_of(card, name) for name in asked})


def threshold_of(card: Card, label: str) -> float:
    """The measured operating point of a label; 0.5 where none was measured."""
    return float(card.thresholds.get(label, 0.5))


def clip_scores(scored: Sequence[Scored]) -> NDArray[np.float64]:
    """(N, L) one score a clip and label."""
    return np.array([[clip_score(it.scores[:, j], it.warm) for j in range(it.scores.shape[1])] for it in scored])


def evaluate_clips(
    card: Card, asked: Question, streamed: Streamed, extra: Mapping[str, Any] | None = None
) -> ClipEvaluation:
    """Figures of what a model said of clips."""
    scores = clip_scores(streamed.scored)
    labels = [sample.label for sample in streamed.samples]
    sources = [sample.source for sample in streamed.samples]
    lit = [bucket(float(it.light.mean())) for it in streamed.scored]
    figures, light = {}, {}
    for label in asked.labels:
        truth = np.array([it == label for it in labels], np.int64)
        column = scores[:, card.labels.index(label)]
        figures[label] = clip_figures(truth, column, sources, asked.thresholds[label])
        parts = {name: np.flatnonzero([it == name for it in lit]) for name in BUCKETS}
        light[label] = {
            name: clip_figures(truth[at], column[at], [sources[i] for i in at], asked.thresholds[label])
            for name, at in parts.items()
            if len(at) >= _FEWEST
        }
    said = [_said(card, asked, row) for row in scores]
    rows = {
        name: Counter(word for word, true in zip(said, labels, strict=True) if true == name)
        for name in sorted(set(labels))
    }
    right = [
        word == true or (word == NONE and true in _nothing(card, asked))
        for word, true in zip(said, labels, strict=True)
    ]
    return ClipEvaluation(
        figures,
        light,
        rows,
        float(np.mean(right)),
        tuple(streamed.skipped),
        sum(not it.warm.any() for it in streamed.scored),
        sum(it.seconds for it in streamed.scored),
        extra or {},
    )


NONE = "(none)"
"""What is said of a clip in which no label reaches its threshold."""


def _said(card: Card, asked: Question, row: NDArray[np.float64]) -> str:
    above = {name: row[card.labels.index(name)] for name in asked.labels}
    reached = {name: score - asked.thresholds[name] for name, score in above.items() if score >= asked.thresholds[name]}
    return max(reached, key=lambda name: reached[name]) if reached else NONE


def _nothing(card: Card, asked: Question) -> set[str]:
    """Labels of clips of which nothing should be said."""
    return {*asked.background, *card.labels} - set(asked.labels)


def _positives(card: Card, recipe: Mapping[str, Any]) -> tuple[str, ...]:
    if recipe.get("positive") in card.labels:
        return (str(recipe["positive"]),)
    found: list[str] = []
    for head in card.heads:
        # of an exclusive pair one is the opposite of the other: the last is what is looked for
        found += head.labels[-1:] if head.activation == "softmax" and len(head.labels) == 2 else head.labels
    return tuple(found) or card.labels


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None


def _or(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _between(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"  (95 % over sources: {ends[0]:.3f} to {ends[1]:.3f})"


def _short(part: Figures) -> str:
    about = f"{part.clips} clips, accuracy {_or(part.accuracy)}, precision {_or(part.precision)}"
    return f"{about}, recall {_or(part.recall)}, auroc {_or(part.auroc)}"
