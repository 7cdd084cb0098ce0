"""Alarms at all thresholds, against scores whose alarms can be counted by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from streamer.evaluation.alarms import KIND, RATES, RECALLS, Watched, sweep
from streamer.evaluation.truth import Ignored
from streamer.training.stream import Scored

FPS = 5
LABELS = ("normal", "fight")


def watched(camera: str, level: np.ndarray | list[float], *true: float, cold: int = 0) -> Watched:
    values = np.asarray(level, np.float32)
    scores = np.stack([1 - values, values], axis=1)
    times = np.arange(len(values)) / FPS
    return Watched(camera, Scored(times, scores, np.arange(len(values)) >= cold, np.full(len(values), 99.0)), true)


def hump(seconds: float, at: float, height: float, length: float = 4.0) -> list[float]:
    """A score that rises once."""
    times = np.arange(round(seconds * FPS)) / FPS
    return [height if at <= t < at + length else 0.05 for t in times]


def test_recall_false_alarms_and_delay_by_threshold() -> None:
    # a fight at 10 s with 0.9, one at 40 s with 0.6, and nothing at 70 s that looks like 0.75
    level = np.maximum(np.maximum(hump(90, 10, 0.9), hump(90, 40, 0.6)), hump(90, 70, 0.75))
    found = sweep([watched("a", level, 10.0, 40.0)], LABELS, "fight", 0.5)
    at = {point.threshold: point.figures for point in found.points}
    assert (at[0.5].recall, len(at[0.5].pairs.false)) == (1.0, 1)
    assert (at[0.65].recall, len(at[0.65].pairs.false)) == (0.5, 1)
    assert (at[0.8].recall, len(at[0.8].pairs.false)) == (0.5, 0)
    assert (at[0.95].recall, len(at[0.95].pairs.false)) == (0.0, 0)
    assert at[0.5].hours == pytest.approx(90 / 3600)
    # smoothed over one second and high for another: later than at once, sooner than three seconds
    assert all(1.0 <= delay <= 3.0 for delay in at[0.5].delays_s)
    assert found.chosen.figures.recall == 1.0


def test_the_points_that_operators_ask_for() -> None:
    level = np.maximum(np.maximum(hump(90, 10, 0.9), hump(90, 40, 0.6)), hump(90, 70, 0.75))
    found = sweep([watched("a", level, 10.0, 40.0)], LABELS, "fight", 0.5)
    full, none = found.at_recall(0.8), found.at_rate(0.1)
    assert full is not None
    assert none is not None
    assert (full.figures.recall, len(full.figures.pairs.false)) == (1.0, 1)
    assert (none.figures.recall, len(none.figures.pairs.false)) == (0.5, 0)
    assert found.at_recall(1.01) is None
    row = json.loads(json.dumps(found.to_json()))
    assert set(row["at_recall"]) == {str(it) for it in RECALLS}
    assert set(row["at_false_alarms_per_hour"]) == {str(it) for it in RATES}
    chosen = row["chosen"]
    assert (chosen["false_alarms"], chosen["minutes"], chosen["f1"]) == (1, 1.5, 0.8)
    assert chosen["false_alarms_per_hour_upper95"] == pytest.approx(4.7439 / (90 / 3600), rel=1e-3)
    assert "1 in 1.5 min: 40.00" in found.to_text()


def test_what_is_told_twice_is_false_the_second_time() -> None:
    level = np.maximum(hump(60, 10, 0.9, 3), hump(60, 18, 0.9, 3))
    found = sweep([watched("a", level, 10.0)], LABELS, "fight", 0.5).chosen.figures
    assert (found.recall, len(found.pairs.false), found.pairs.doubles) == (1.0, 1, 1)
    assert found.f1 == pytest.approx(2 / 3)


def test_a_clip_of_one_camera_stands_for_no_other() -> None:
    rows = [watched("a", hump(20, 2, 0.9)), watched("b", hump(20, 2, 0.05), 2.0)]
    found = sweep(rows, LABELS, "fight", 0.5).chosen.figures
    assert (found.recall, len(found.pairs.false)) == (0.0, 1)


def test_nothing_is_said_before_the_model_is_warm() -> None:
    assert sweep([watched("a", hump(20, 0, 0.9), cold=20)], LABELS, "fight", 0.5).chosen.figures.said == 0
    assert sweep([watched("a", hump(20, 0, 0.9), cold=2)], LABELS, "fight", 0.5).chosen.figures.said == 1


def test_what_is_ignored_is_not_watched() -> None:
    ignored = [Ignored(camera="a", kind=KIND, start=0.0, end=15.0)]
    found = sweep([watched("a", hump(20, 2, 0.9))], LABELS, "fight", 0.5, ignored).chosen.figures
    assert (found.said, found.hours) == (0, pytest.approx(5 / 3600))


def test_labels_need_not_be_words() -> None:
    found = sweep([watched("a", hump(20, 2, 0.9), 2.0)], ("calm", "Falling (BW)"), "Falling (BW)", 0.5)
    assert found.chosen.figures.recall == 1.0
