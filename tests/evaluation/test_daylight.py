"""Figures by light: what was measured when, and which events fall where."""

from __future__ import annotations

import pytest

from streamer.evaluation.daylight import Daylight, Timeline, by_light
from streamer.evaluation.figures import Figures
from streamer.evaluation.matching import match
from streamer.evaluation.truth import Ignored
from tests.evaluation.truths import said, true


def line(*buckets: str, seconds: float) -> Timeline:
    return Timeline(dict(enumerate(buckets)), seconds)


def test_windows_are_averaged() -> None:
    light = Daylight(found={0.0: 20.0, 5.0: 40.0, 10.0: 20.0, 15.0: 200.0, 20.0: 90.0})
    # one bright frame among dark ones makes the second window's mean 110
    assert light.timeline(25.0).windows == {0: "night", 1: "day", 2: "dusk"}


def test_where_nothing_was_measured_the_window_before_holds() -> None:
    found = Timeline({1: "night", 4: "day"}, 60.0)
    assert [found.at(t) for t in (0.0, 15.0, 35.0, 45.0, 59.0)] == ["night", "night", "night", "day", "day"]


def test_seconds_by_bucket_leave_out_what_is_ignored() -> None:
    found = line("night", "day", "day", seconds=25.0)
    ignored = [Ignored(camera="gate", start=8.0, end=12.0), Ignored(camera="other", start=0.0)]
    assert found.scored_seconds("gate", "intrusion", ignored) == {"night": 8.0, "dusk": 0.0, "day": 13.0}


def test_each_event_counts_in_its_own_light() -> None:
    pairs = match([true(5.0), true(35.0), true(55.0)], [said(6.0), said(36.0), said(25.0)])
    figures = Figures("intrusion", pairs, hours=60 / 3600)
    parts = by_light(figures, {"gate": line("night", "night", "day", "day", "day", "day", seconds=60.0)}, [])
    assert list(parts) == ["night", "day"]  # no dusk, no row
    night, day = parts["night"], parts["day"]
    assert (night.true, night.said, len(night.pairs.false)) == (1, 1, 0)
    assert (day.true, day.said, len(day.pairs.false), day.recall) == (2, 2, 1, 0.5)
    assert (night.hours, day.hours) == (pytest.approx(20 / 3600), pytest.approx(40 / 3600))
    assert sum(len(part.pairs.hits) for part in parts.values()) == len(pairs.hits)
