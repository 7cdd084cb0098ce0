"""Occupancy: who is in, who came and went, and too many."""

from __future__ import annotations

import pytest

from streamer.errors import InputError
from streamer.places import Places
from streamer.rules.occupancy import Occupancy
from tests.acting import YARD, Actor, stands, walks
from tests.rules.properties import Case, told

PLACES = Places.build(zones=YARD)
RULE = Occupancy(zones=["yard"])
THROUGH = walks([(1, 0.1, 0.7), (11, 0.98, 0.7)])  # in the yard from 4.4 to 8.95 s


def test_who_comes_and_goes_is_counted() -> None:
    found = told(Case(RULE, [THROUGH, stands(0.6, 0.9, 0, 30)], 20, PLACES))
    assert found.events == []
    assert found.counts == {("yard", "person", "in"): 2, ("yard", "person", "out"): 1}
    assert found.levels["yard"] == [0, 1, 2, 1]


def test_who_vanishes_inside_has_left_after_a_while() -> None:
    found = told(Case(RULE, [stands(0.6, 0.9, 0, 10)], 20, PLACES))
    assert found.counts == {("yard", "person", "in"): 1, ("yard", "person", "out"): 1}
    assert found.levels["yard"] == [0, 1, 0]


@pytest.mark.parametrize("missed_s", [1.0, 3.0])
def test_who_is_missed_for_a_moment_stays_in(missed_s: float) -> None:
    hidden = Actor(lambda t: None if 8.0 < t < 8.0 + missed_s else (0.6, 0.8))
    found = told(Case(RULE, [hidden], 20, PLACES))
    assert found.counts == {("yard", "person", "in"): 1}


def test_who_sways_on_the_border_comes_in_once() -> None:
    swaying = Actor(lambda t: (0.41 if int(t * 5) % 2 else 0.39, 0.8) if t < 8 else (0.6, 0.8))
    assert told(Case(RULE, [swaying], 12, PLACES)).counts == {("yard", "person", "in"): 1}


def test_brushing_the_edge_is_not_coming_in() -> None:
    brushing = walks([(0, 0.3, 0.8), (3, 0.405, 0.8), (6, 0.3, 0.8)])
    assert told(Case(RULE, [brushing], 8, PLACES)).counts == {}


def test_more_than_allowed_is_an_event_with_an_end() -> None:
    rule = Occupancy(zones=["yard"], max_count=1, over_seconds=1.0)
    found = told(Case(rule, [THROUGH, stands(0.6, 0.9, 0, 30)], 20, PLACES))
    begin, end = found.events
    assert (begin.kind, begin.zone) == ("occupancy", "yard")
    assert begin.started == pytest.approx(5.0, abs=0.3)
    assert begin.time - begin.started == pytest.approx(1.0)
    assert begin.detail == {"count": 2, "max_count": 1, "over_seconds": 1.0}
    assert end.time == pytest.approx(10.4, abs=0.5)
    assert end.detail["most"] == 2


def test_as_many_as_allowed_are_fine() -> None:
    rule = Occupancy(zones=["yard"], max_count=2)
    assert told(Case(rule, [THROUGH, stands(0.6, 0.9, 0, 30)], 20, PLACES)).events == []


def test_nobody_may_be_allowed() -> None:
    rule = Occupancy(zones=["yard"], max_count=0, over_seconds=0)
    assert [e.state for e in told(Case(rule, [THROUGH], 20, PLACES)).events] == ["begin", "end"]


def test_a_zone_that_is_not_drawn_is_named() -> None:
    with pytest.raises(InputError, match="occupancy: zone 'lawn' is not drawn"):
        Occupancy(zones=["lawn"]).begin(PLACES)
    assert RULE.places_needed() == {"zones": ["yard"]}
