"""Figures of clips: what a model said of each against what it shows, with intervals over sources.

Clips of one source share a scene, so they are not independent: the bootstrap draws whole sources, never single clips
(Cameron, Gelbach and Miller, Review of Economics and Statistics 90, 2008). All resamples are computed at once as
weights on sources. numpy only: trainer, evaluation and tuning call it, none of them must load torch for it. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamer.errors import InputError

Floats = NDArray[np.float64]

LAST_SHARE = 0.6
"""Of a clip's warm steps, the last so many speak for it: what begins late must not be averaged away, and a state just
filled has seen little."""
BINS = 15
"""Of the calibration error, as in Guo et al., On Calibration of Modern Neural Networks, ICML 2017."""
RESAMPLES = 2000
"""Of the bootstrap: the ends of a 95 % interval then stand on 50 resamples each."""
NAMES = ("accuracy", "precision", "recall", "f1", "auroc", "ece", "brier")


@dataclass(frozen=True, slots=True)
class Figures:
    """How well scores of one label agree with the truth. A figure is None where it is not defined."""

    accuracy: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    auroc: float | None
    ece: float | None
    """Expected calibration error: by how much a score misses the share of positives, on average."""
    brier: float | None
    """Mean squared error of scores."""
    clips: int
    positives: int
    sources: int
    threshold: float
    """A clip with this score or more is said to be positive."""
    confusion: Mapping[str, int]
    """`tp`, `fp`, `fn`, `tn`."""
    intervals: Mapping[str, tuple[float, float] | None]
    """95 % by bootstrap over sources; None with fewer than two sources."""
    reliability: tuple[tuple[float, float, int], ...] = field(default=())
    """Of each bin of scores that has any: mean score, share of positives, clips."""

    def to_json(self) -> dict[str, Any]:
        """Plain values; names are a public contract (docs/evaluation.md)."""
        found: dict[str, Any] = {name: _round(getattr(self, name)) for name in NAMES}
        found |= {"clips": self.clips, "positives": self.positives, "sources": self.sources}
        found |= {"threshold": _round(self.threshold), "confusion": dict(self.confusion)}
        ends = {name: self.intervals[name] for name in NAMES}
        found["intervals"] = {name: None if it is None else [_round(v) for v in it] for name, it in ends.items()}
        found["reliability"] = [[round(said, 4), round(true, 4), n] for said, true, n in self.reliability]
        return found


def clip_score(step_scores: ArrayLike, warm: ArrayLike, share: float = LAST_SHARE) -> float:
    """One score of a clip: the mean of the last part of its warm step scores.

    Args:
        step_scores: (T,) probabilities of one label, one a step.
        warm: (T,) bool, whether the receptive field was filled. A clip that never warms up is judged by its last
            step, which has seen the most.
        share: of the warm steps, above 0 and at most 1.

    Raises:
        InputError: no steps, or shapes that differ.
    """
    scores, filled = np.asarray(step_scores, np.float64), np.asarray(warm, bool)
    if scores.ndim != 1 or scores.shape != filled.shape or not len(scores):
        raise InputError(f"clip score: needs (T,) scores and as many warm flags, got {scores.shape} and {filled.shape}")
    kept = scores[filled]
    if not len(kept):
        return float(scores[-1])
    # the small number keeps 0.6 * 5 = 3.0000000000000004 from being four
    return float(kept[-max(1, int(np.ceil(share * len(kept) - 1e-9))) :].mean())


def clip_figures(
    truth: ArrayLike,
    scores: ArrayLike,
    sources: Sequence[str],
    threshold: float = 0.5,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Figures:
    """Compare scores of clips with the truth.

    Args:
        truth: (N,) 1 for a clip that shows it, else 0.
        scores: (N,) probabilities 0..1.
        sources: (N,) what each clip was cut from; clips of one source are drawn together.
        threshold: a clip with this score or more is said to be positive.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        InputError: no clips, lengths that differ, truth that is not 0 or 1, scores that are no probabilities.
    """
    true, said = _checked(truth, scores, len(sources))
    names, group = np.unique(np.asarray(list(sources), str), return_inverse=True)
    sums = _Sums.of(true, said, group.reshape(-1), len(names), threshold)
    values = {name: float(them[0]) for name, them in sums.figures(np.ones((1, len(names)))).items()}
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), resamples)
    spread = sums.figures(drawn.astype(np.float64)) if len(names) > 1 else {}
    positive = said >= threshold
    return Figures(
        **{name: None if np.isnan(value) else value for name, value in values.items()},
        clips=len(true),
        positives=int(true.sum()),
        sources=len(names),
        threshold=float(threshold),
        confusion={
            "tp": int((positive & true).sum()),
            "fp": int((positive & ~true).sum()),
            "fn": int((~positive & true).sum()),
            "tn": int((~positive & ~true).sum()),
        },
        intervals={name: _interval(spread.get(name)) for name in NAMES},
        reliability=_reliability(true, said),
    )


def recall_at(truth: ArrayLike, scores: ArrayLike, false_rate: float) -> tuple[float, float]:
    """The best recall at which no more than a share of the negatives is said to be positive, and its threshold.

    Args:
        truth: (N,) 1 or 0.
        scores: (N,) probabilities 0..1.
        false_rate: share of the negatives, 0..1.

    Returns:
        Recall 0..1 and the lowest threshold that reaches it, which lies halfway between two scores: one that touches
        a clip's score would turn over by rounding.

    Raises:
        InputError: as `clip_figures`; or only one of the two classes.
    """
    true, said = _checked(truth, scores)
    if true.all() or not true.any():
        raise InputError("recall at a false rate: needs positive and negative clips, got one kind only")
    negatives = np.sort(said[~true])[::-1]
    allowed = int(np.floor(false_rate * len(negatives) + 1e-9))
    ceiling = negatives[allowed] if allowed < len(negatives) else -1.0  # the first negative that must stay below
    above = said[true & (said > ceiling)]
    if not len(above):
        return 0.0, float(np.nextafter(said.max(), 2.0))
    lowest = float(above.min())
    below = said[said < lowest]
    return len(above) / int(true.sum()), (lowest + float(below.max())) / 2 if len(below) else lowest


@dataclass(frozen=True, slots=True)
class _Sums:
    """What the figures are made of, summed by source: S sources."""

    counts: Floats
    """(S, 4): tp, fp, fn, tn."""
    above: Floats
    """(S, S): of positives of one source against negatives of the other, pairs in the right order; ties half."""
    squares: Floats
    """(S,) squared errors of scores."""
    gaps: Floats
    """(S, BINS) score minus truth, by bin of the score."""

    @staticmethod
    def of(true: NDArray[np.bool_], said: Floats, group: NDArray[np.intp], count: int, threshold: float) -> _Sums:
        positive = said >= threshold
        cases = (positive & true, positive & ~true, ~positive & true, ~positive & ~true)
        counts = np.zeros((count, len(cases)))
        for j, case in enumerate(cases):
            counts[:, j] = np.bincount(group[case], minlength=count)
        above = np.zeros((count, count))
        ours, theirs = np.flatnonzero(true), np.flatnonzero(~true)
        for i in ours:
            won = (said[i] > said[theirs]) + 0.5 * (said[i] == said[theirs])
            above[group[i]] += np.bincount(group[theirs], won, count)
        gaps = np.zeros((count, BINS))
        np.add.at(gaps, (group, _bins(said)), said - true)
        squares = np.zeros(count)
        np.add.at(squares, group, (said - true) ** 2)
        return _Sums(counts, above, squares, gaps)

    def figures(self, weights: Floats) -> dict[str, Floats]:
        """For (R, S) weights of sources, (R,) of each figure; nan where it is not defined."""
        tp, fp, fn, tn = (weights @ self.counts).T
        clips = tp + fp + fn + tn
        pairs = (tp + fn) * (fp + tn)
        return {
            "accuracy": _share(tp + tn, clips),
            "precision": _share(tp, tp + fp),
            "recall": _share(tp, tp + fn),
            "f1": _share(2 * tp, 2 * tp + fp + fn),
            "auroc": _share(np.einsum("rs,rs->r", weights @ self.above, weights), pairs),
            "ece": _share(np.abs(weights @ self.gaps).sum(axis=1), clips),
            "brier": _share(weights @ self.squares, clips),
        }


def _checked(truth: ArrayLike, scores: ArrayLike, count: int | None = None) -> tuple[NDArray[np.bool_], Floats]:
    true, said = np.asarray(truth), np.asarray(scores, np.float64)
    if true.ndim != 1 or true.shape != said.shape or not len(true) or count not in (None, len(true)):
        got = f"{true.shape}, {said.shape}" + ("" if count is None else f" and {count} sources")
        raise InputError(f"figures of clips: needs as many truths, scores and sources, at least one; got {got}")
    if not np.isin(true, (0, 1)).all():
        raise InputError("figures of clips: truth must be 0 or 1")
    if not ((said >= 0) & (said <= 1)).all():  # also false for nan
        worst = said[~((said >= 0) & (said <= 1))][0]
        raise InputError(f"figures of clips: scores must be probabilities 0 to 1, got {worst:g}")
    return true.astype(bool), said


def _bins(said: Floats) -> NDArray[np.intp]:
    return np.minimum((said * BINS).astype(np.intp), BINS - 1)


def _reliability(true: NDArray[np.bool_], said: Floats) -> tuple[tuple[float, float, int], ...]:
    bins = _bins(said)
    masks = [bins == i for i in np.unique(bins)]
    return tuple((float(said[m].mean()), float(true[m].mean()), int(m.sum())) for m in masks)


def _share(part: Floats, whole: Floats) -> Floats:
    shares = np.full(np.shape(whole), np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares


def _interval(spread: Floats | None) -> tuple[float, float] | None:
    """The middle 95 % of the resamples in which the figure is defined."""
    kept = np.zeros(0) if spread is None else spread[~np.isnan(spread)]
    if not len(kept):
        return None
    low, high = np.percentile(kept, [2.5, 97.5])
    return float(low), float(high)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
