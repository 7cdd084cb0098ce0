"""Thresholds: where F1 is highest, away from any clip's score."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.training.finish import best_threshold, thresholds_of
from streamer.training.validation import Judged
from tests.training.clips import recipe


def test_scores_that_part_cleanly_are_parted_in_the_middle() -> None:
    truth, scores = np.array([False, False, True, True]), np.array([0.1, 0.3, 0.7, 0.9])
    assert best_threshold(truth, scores) == pytest.approx(0.5)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_threshold_has_a_higher_f1(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, scores = rng.random(40) < 0.4, np.round(rng.random(40), 2)

    def f1(threshold: float) -> float:
        said = scores >= threshold
        return 2 * (said & truth).sum() / (said.sum() + truth.sum())

    best = best_threshold(truth, scores)
    assert f1(best) == max(f1(threshold) for threshold in np.linspace(0, 1, 1001))
    assert not np.isclose(scores, best).any()


def test_a_label_that_all_or_no_clips_show_has_no_threshold() -> None:
    judged = Judged(["calm"] * 3, ["a", "b", "c"], np.full((3, 2), 0.5), 0.0)
    assert thresholds_of(judged, recipe()) == {}
