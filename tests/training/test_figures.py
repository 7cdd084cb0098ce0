"""Figures of clips against values worked out by hand, and against scikit-learn and torchmetrics."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import InputError
from streamer.training.figures import LAST_SHARE, NAMES, clip_figures, clip_score, recall_at

TRUTH = [1, 1, 1, 0, 0, 0, 0, 1]
SCORES = [0.9, 0.8, 0.3, 0.7, 0.2, 0.1, 0.3, 0.6]
SOURCES = ["a", "a", "b", "b", "c", "c", "d", "d"]


def test_figures_by_hand() -> None:
    # at 0.5: positive are .9 .8 .7 .6, of which one is wrong; missed is .3
    found = clip_figures(TRUTH, SCORES, SOURCES, 0.5)
    assert found.confusion == {"tp": 3, "fp": 1, "fn": 1, "tn": 3}
    assert (found.accuracy, found.precision, found.recall, found.f1) == (0.75, 0.75, 0.75, 0.75)
    # 16 pairs: .9 and .8 win 4 each, .6 wins 3, .3 wins 2 and ties with the other .3
    assert found.auroc == pytest.approx((4 + 4 + 3 + 2.5) / 16)
    squares = [0.01, 0.04, 0.49, 0.49, 0.04, 0.01, 0.09, 0.16]
    assert found.brier == pytest.approx(sum(squares) / 8)
    # bins of 1/15: the two .3 share one: |0.6 - 1|; all others are alone
    assert found.ece == pytest.approx((0.1 + 0.2 + 0.4 + 0.7 + 0.2 + 0.1 + 0.4) / 8)
    assert (found.clips, found.positives, found.sources) == (8, 4, 4)
    assert (pytest.approx(0.3), 0.5, 2) in found.reliability


def test_the_threshold_itself_is_positive() -> None:
    assert clip_figures([1, 0], [0.6, 0.4], ["a", "b"], 0.6).recall == 1.0


def test_figures_are_those_of_scikit_learn_and_torchmetrics() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    torch = pytest.importorskip("torch")
    calibration = pytest.importorskip("torchmetrics.functional.classification").binary_calibration_error
    chance = np.random.default_rng(3)
    truth = chance.integers(0, 2, 300)
    scores = np.clip(truth * 0.2 + chance.normal(0.4, 0.2, 300), 0, 1).round(2)  # rounded: there are ties
    found = clip_figures(truth, scores, [str(i % 40) for i in range(300)], 0.45)
    said = scores >= 0.45
    assert found.accuracy == pytest.approx(metrics.accuracy_score(truth, said))
    assert found.precision == pytest.approx(metrics.precision_score(truth, said))
    assert found.recall == pytest.approx(metrics.recall_score(truth, said))
    assert found.f1 == pytest.approx(metrics.f1_score(truth, said))
    assert found.auroc == pytest.approx(metrics.roc_auc_score(truth, scores))
    assert found.brier == pytest.approx(metrics.brier_score_loss(truth, scores))
    theirs = calibration(torch.tensor(scores), torch.tensor(truth), n_bins=15)
    assert found.ece == pytest.approx(float(theirs), abs=0.01)  # they bin in float32: a clip on an edge may move


def test_intervals_draw_sources_and_not_clips() -> None:
    # four sources of 50 equal clips each: drawn as clips the interval would be tiny
    truth, scores, sources = [], [], []
    for source, right in (("a", True), ("b", True), ("c", False), ("d", True)):
        truth += [1] * 50
        scores += [0.9 if right else 0.1] * 50
        sources += [source] * 50
    low, high = clip_figures(truth, scores, sources).intervals["accuracy"] or (0, 0)
    assert (low, high) == (0.25, 1.0)


def test_the_interval_of_independent_clips_is_that_of_theory() -> None:
    # 200 sources of one clip, 150 right: the normal approximation of a share
    truth = [1] * 200
    scores = [0.9] * 150 + [0.1] * 50
    low, high = clip_figures(truth, scores, [str(i) for i in range(200)]).intervals["accuracy"] or (0, 0)
    half = 1.96 * math.sqrt(0.75 * 0.25 / 200)
    assert (low, high) == (pytest.approx(0.75 - half, abs=0.011), pytest.approx(0.75 + half, abs=0.011))


def test_weights_on_sources_are_clips_drawn_anew() -> None:
    from streamer.training.figures import _Sums

    true, said = np.array(TRUTH, bool), np.array(SCORES)
    group = np.array([ord(source) - ord("a") for source in SOURCES])
    sums = _Sums.of(true, said, group, 4, 0.5)
    weights = [2, 1, 0, 1]
    again = [i for i in range(8) for _ in range(weights[group[i]])]
    plain = clip_figures(true[again], said[again], [SOURCES[i] for i in again])
    for name, value in sums.figures(np.array([weights], float)).items():
        assert value[0] == pytest.approx(getattr(plain, name)), name


def test_one_seed_gives_one_interval() -> None:
    first, second = (clip_figures(TRUTH, SCORES, SOURCES) for _ in range(2))
    assert first == second
    drawn = clip_figures(TRUTH, SCORES, SOURCES, resamples=20, seed=1)
    assert drawn.intervals != clip_figures(TRUTH, SCORES, SOURCES, resamples=20, seed=2).intervals


def test_what_is_not_defined_is_none() -> None:
    found = clip_figures([1, 1], [0.1, 0.2], ["a", "a"])
    assert (found.precision, found.auroc, found.recall) == (None, None, 0.0)
    assert set(found.intervals.values()) == {None}  # one source says nothing about others
    row = json.loads(json.dumps(found.to_json()))
    assert row["auroc"] is None
    assert row["intervals"]["accuracy"] is None
    assert set(NAMES) <= set(row)


@pytest.mark.parametrize(
    ("truth", "scores", "sources", "words"),
    [
        ([], [], [], "at least one"),
        ([1, 0], [0.5], ["a"], "as many"),
        ([1], [0.5], ["a", "b"], "2 sources"),
        ([2], [0.5], ["a"], "0 or 1"),
        ([1], [1.5], ["a"], "got 1.5"),
        ([1], [math.nan], ["a"], "got nan"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    truth: list[int], scores: list[float], sources: list[str], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        clip_figures(truth, scores, sources)


def test_a_clip_is_scored_by_the_last_part_of_its_warm_steps() -> None:
    steps = [1.0, 1.0, 0.0, 0.0, 0.3, 0.6, 0.9]
    warm = [False, False, True, True, True, True, True]
    assert LAST_SHARE == 0.6
    assert clip_score(steps, warm) == pytest.approx((0.3 + 0.6 + 0.9) / 3)
    assert clip_score(steps, warm, share=1.0) == pytest.approx(1.8 / 5)


def test_a_clip_that_never_warms_up_is_scored_by_its_last_step() -> None:
    assert clip_score([0.1, 0.2, 0.7], [False] * 3) == 0.7


def test_a_single_warm_step_is_enough() -> None:
    assert clip_score([0.1, 0.8], [False, True]) == 0.8


@pytest.mark.parametrize(("steps", "warm"), [([], []), ([0.1], [True, True]), ([[0.1]], [[True]])])
def test_no_steps_have_no_score(steps: list[float], warm: list[bool]) -> None:
    with pytest.raises(InputError, match="clip score"):
        clip_score(steps, warm)


def test_recall_at_a_false_rate_by_hand() -> None:
    truth = [1, 1, 1, 1, 0, 0, 0, 0]
    scores = [0.9, 0.7, 0.5, 0.2, 0.8, 0.4, 0.3, 0.1]
    assert recall_at(truth, scores, 0.0) == (0.25, pytest.approx(0.85))
    assert recall_at(truth, scores, 0.25) == (0.75, pytest.approx(0.45))
    assert recall_at(truth, scores, 0.49) == (0.75, pytest.approx(0.45))  # one of four, not two
    assert recall_at(truth, scores, 1.0) == (1.0, pytest.approx(0.15))


def test_a_negative_above_all_positives_leaves_no_recall() -> None:
    recall, threshold = recall_at([1, 0], [0.5, 0.9], 0.0)
    assert recall == 0.0
    assert threshold > 0.9


def test_recall_of_one_kind_alone_is_refused() -> None:
    with pytest.raises(InputError, match="one kind"):
        recall_at([1, 1], [0.5, 0.9], 0.0)


pairs = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=2, max_size=40)


@settings(deadline=None)
@given(pairs, st.integers(0, 4))
def test_the_threshold_keeps_its_promise(rows: list[tuple[int, int]], quarter: int) -> None:
    truth, scores = [t for t, _ in rows], [s / 20 for _, s in rows]
    if len(set(truth)) < 2:
        return
    recall, threshold = recall_at(truth, scores, quarter / 4)
    found = clip_figures(truth, scores, ["a"] * len(rows), threshold, resamples=1).confusion
    assert found["fp"] <= quarter / 4 * truth.count(0) + 1e-9
    assert found["tp"] / truth.count(1) == pytest.approx(recall)
