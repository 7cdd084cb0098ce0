"""Crowd: how many, for how long, and what does not end it."""

from __future__ import annotations

import pytest

from streamer.errors import InputError
from streamer.places import Places
from streamer.rules.crowd import PICTURE, Crowd
from tests.acting import YARD, Actor, stands
from tests.rules.properties import Case, Disturbed, told

PLACES = Places.build(zones=YARD)
RULE = Crowd(zones=["yard"], min_count=3, min_seconds=5, end_seconds=3)


def people(spans: list[tuple[float, float]], x: float = 0.45, y: float = 0.8) -> list[Actor]:
    """One person beside the other in the yard, each from when to when."""
    return [stands(x + 0.08 * i, y, *span) for i, span in enumerate(spans)]


def test_enough_for_long_enough_is_a_crowd() -> None:
    found = told(Case(RULE, people([(0, 20), (0, 20), (2, 12)]), 20, PLACES))
    (begin,) = found.events  # two are as many as three less the slack of one: it is still on
    assert (begin.kind, begin.zone, begin.track_id) == ("crowd", "yard", None)
    assert begin.time - begin.started == pytest.approx(5.0)
    assert begin.started == pytest.approx(2.2)  # the third is told of at the second sighting
    assert begin.detail == {"count": 3, "min_count": 3, "min_seconds": 5.0}
    assert found.levels["yard"] == [0, 2, 3, 2]


def test_it_ends_when_there_are_clearly_fewer_for_a_while() -> None:
    found = told(Case(RULE, people([(0, 30), (0, 12), (0, 12)]), 25, PLACES))
    begin, end = found.events
    assert end.ended == pytest.approx(12.8, abs=0.4)  # whom the detector misses counts for a second
    assert end.time - end.ended == pytest.approx(3.0, abs=0.4)
    assert (end.detail["most"], end.detail["enough"]) == (3, 2)
    assert begin.box is not None
    assert begin.box[2] - begin.box[0] > 0.2


def test_one_less_does_not_end_it_but_does_not_begin_it() -> None:
    found = told(Case(RULE, people([(0, 30), (0, 30), (0, 12)]), 25, PLACES))
    assert [event.state for event in found.events] == ["begin"]
    assert told(Case(RULE, people([(0, 30), (0, 30)]), 25, PLACES)).events == []


@pytest.mark.parametrize("fps", [2, 5, 10])
def test_people_whom_the_detector_misses_now_and_then_are_still_there(fps: float) -> None:
    def blinking(x: float, phase: float) -> Actor:
        return Actor(lambda t: None if (t + phase) % 3.0 < 0.8 else (x, 0.8))

    actors = [blinking(0.45, 0.0), blinking(0.55, 1.0), blinking(0.65, 2.0)]
    at = [i / fps for i in range(int(20 * fps))]
    found = told(Case(RULE, actors, 20, PLACES), Disturbed(at=at))
    assert [event.state for event in found.events] == ["begin"]


def test_a_short_gathering_is_no_crowd() -> None:
    assert told(Case(RULE, people([(0, 20), (0, 20), (5, 8)]), 20, PLACES)).events == []


def test_who_is_outside_of_the_zone_does_not_count() -> None:
    assert told(Case(RULE, people([(0, 20)] * 3, x=0.1, y=0.4), 20, PLACES)).events == []


def test_without_zones_the_whole_picture_counts() -> None:
    rule = Crowd(min_count=3, min_seconds=5)
    found = told(Case(rule, people([(0, 20)] * 3, x=0.1, y=0.4), 20, PLACES))
    (begin,) = found.events
    assert begin.zone is None
    assert list(found.levels) == [PICTURE]
    assert rule.places_needed() == {"zones": []}


def test_no_slack_makes_less_than_one_enough() -> None:
    rule = Crowd(zones=["yard"], min_count=1, slack=5, min_seconds=1, end_seconds=1)
    found = told(Case(rule, people([(0, 5)]), 12, PLACES))
    assert [event.state for event in found.events] == ["begin", "end"]


def test_a_zone_that_is_not_drawn_is_named() -> None:
    with pytest.raises(InputError, match="crowd: zone 'lawn' is not drawn on this camera; it has: yard"):
        Crowd(zones=["lawn"]).begin(PLACES)


def test_who_is_not_sure_does_not_count() -> None:
    rule = Crowd(zones=["yard"], min_count=3, min_confidence=0.9)
    assert told(Case(rule, people([(0, 20)] * 3), 20, PLACES)).events == []
