"""Rates, bounds and counts, against values worked out by hand or by others."""

from __future__ import annotations

import json

import pytest
from scipy.stats import chi2

from streamer.evaluation.figures import Figures, false_words, line_counts, percentile, poisson_bound, scored_seconds
from streamer.evaluation.matching import Pairs, match
from streamer.evaluation.truth import Ignored
from tests.evaluation.truths import said, true


@pytest.mark.parametrize("count", [0, 1, 2, 5, 17, 100, 2000])
def test_the_bound_is_the_exact_one(count: int) -> None:
    assert poisson_bound(count) == pytest.approx(chi2.ppf(0.95, 2 * count + 2) / 2, rel=1e-6)


def test_nothing_seen_is_the_rule_of_three() -> None:
    assert poisson_bound(0) == pytest.approx(2.9957, abs=1e-4)


def test_figures_of_two_hits_one_miss_and_one_false() -> None:
    pairs = match([true(10.0), true(100.0), true(200.0)], [said(11.0), said(103.0), said(50.0)])
    figures = Figures("intrusion", pairs, hours=0.5)
    assert (figures.precision, figures.recall) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert figures.delays_s == [1.0, 3.0]
    assert figures.false_per_hour == 2.0
    found = json.loads(json.dumps(figures.to_json()))
    assert found["delay_s"] == {"median": 2.0, "p95": 3.0}
    assert found["false_alarms_per_hour_upper95"] == pytest.approx(4.7439 / 0.5, abs=1e-3)
    assert (found["true"], found["said"], found["matched"], found["false_alarms"]) == (3, 3, 2, 1)
    assert found["missed"] == [{"camera": "gate", "start": 200.0}]
    assert found["false"] == [{"camera": "gate", "time": 50.0}]
    assert "counts" not in found


def test_what_cannot_be_said_is_none() -> None:
    found = Figures("fall", Pairs(), hours=0.0).to_json()
    assert (found["precision"], found["recall"], found["false_alarms_per_hour"]) == (None, None, None)
    assert found["delay_s"] == {"median": None, "p95": None}


def test_counts_by_line_direction_and_label_as_far_as_the_truth_tells_them_apart() -> None:
    ways = [("forward", 10.0), ("forward", 30.0), ("backward", 50.0)]
    truth = [true(at, "line_crossing", line="entry", direction=way) for way, at in ways]
    events = [
        said(at, "line_crossing", line=line, label="car", detail={"direction": way})
        for line, way, at in [
            ("entry", "forward", 11.0),
            ("entry", "backward", 51.0),
            ("entry", "backward", 80.0),
            ("exit", "forward", 90.0),
        ]
    ]
    rows = list(line_counts("line_crossing", match(truth, events)))
    assert [(it.truth.line, it.truth.direction, it.truth.count, it.said, it.error) for it in rows] == [
        ("entry", "forward", 2, 1, -1),
        ("entry", "backward", 1, 2, 1),
        ("exit", "forward", 0, 1, 1),
    ]
    figures = Figures("line_crossing", match(truth, events), 1.0, tuple(rows))
    assert figures.count_error == 3
    assert figures.to_json()["count_error_share"] == 1.0


def test_ignored_time_is_not_watched_and_overlaps_count_once() -> None:
    stretches = [
        Ignored(camera="gate", start=10.0, end=30.0),
        Ignored(camera="gate", start=20.0, end=40.0, kind="fall"),
        Ignored(camera="gate", start=90.0),
        Ignored(camera="gate", start=50.0, end=60.0, zone="yard"),
        Ignored(camera="door"),
    ]
    assert scored_seconds("gate", 100.0, "fall", stretches) == 60.0
    assert scored_seconds("gate", 100.0, "fight", stretches) == 70.0
    assert scored_seconds("door", 100.0, "fall", stretches) == 0.0


def test_percentile_is_a_value_that_occurred() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.95) == 4.0
    assert percentile([float(i) for i in range(1, 101)], 0.95) == 95.0
    assert percentile([], 0.5) is None


def test_what_is_told_twice_lowers_the_f1() -> None:
    pairs = match([true(10.0), true(100.0)], [said(11.0), said(12.0), said(103.0)])
    assert Figures("intrusion", pairs, hours=1.0).f1 == pytest.approx(2 * 2 / (2 + 3))
    assert Figures("intrusion", Pairs(), hours=1.0).f1 is None


def test_false_alarms_come_with_their_number_minutes_and_bound() -> None:
    pairs = match([], [said(50.0)])
    assert false_words(Figures("intrusion", pairs, hours=0.5)) == "1 in 30.0 min: 2.00 (<9.49)"
    assert false_words(Figures("intrusion", pairs, hours=0.0)) == "-"
    assert Figures("intrusion", pairs, hours=0.5).to_json()["minutes"] == 30.0
