"""Tailgating: who follows close behind, and who does not."""

from __future__ import annotations

import pytest

from streamer.errors import InputError
from streamer.places import LineSettings, Places
from streamer.rules.tailgating import Tailgating
from tests.acting import Actor, walks
from tests.rules.properties import Case, Disturbed, told

PLACES = Places.build(lines={"door": LineSettings.model_validate({"from": [0.5, 1.0], "to": [0.5, 0.3]})})
"""The arrow points up: who goes to the right goes forward."""
RULE = Tailgating(lines=["door"])


def goes(start_s: float, y: float = 0.8, back: bool = False) -> Actor:
    """Crosses the door 4 s after the start."""
    ends = (0.9, 0.1) if back else (0.1, 0.9)
    return walks([(start_s, ends[0], y), (start_s + 8, ends[1], y)])


def test_who_follows_within_two_seconds_tailgates() -> None:
    found = told(Case(RULE, [goes(1), goes(2.6)], 14, PLACES))
    begin, end = found.events
    assert (begin.state, end.state, begin.line) == ("begin", "end", "door")
    assert begin.started == pytest.approx(5.0, abs=0.05)
    assert end.ended == pytest.approx(6.6, abs=0.05)
    assert begin.detail["apart_s"] == pytest.approx(1.6, abs=0.05)
    assert begin.detail["within_seconds"] == 2.0
    assert begin.detail["direction"] == "forward"
    assert begin.detail["ahead_track_id"] == 1
    assert begin.track_id == 2


@pytest.mark.parametrize(
    ("actors", "why"),
    [
        ([goes(1)], "alone"),
        ([goes(1), goes(3.4)], "far behind"),
        ([goes(1), goes(2, back=True)], "the other way"),
        ([walks([(1, 0.3, 0.8), (3, 0.6, 0.8), (4, 0.4, 0.8), (6, 0.7, 0.8)])], "the same one, to and fro"),
    ],
)
def test_these_do_not(actors: list[Actor], why: str) -> None:
    assert told(Case(RULE, actors, 14, PLACES)).events == [], why


def test_each_follower_is_told() -> None:
    found = told(Case(RULE, [goes(1), goes(2.2, 0.9), goes(3.4, 0.7)], 16, PLACES))
    assert [event.state for event in found.events] == ["begin", "end"] * 2


def test_side_by_side_is_tailgating_too() -> None:
    assert len(told(Case(RULE, [goes(1, 0.7), goes(1, 0.95)], 14, PLACES)).begins()) == 1


def test_only_one_direction_may_be_forbidden() -> None:
    rule = Tailgating(lines=["door"], direction="backward")
    assert told(Case(rule, [goes(1), goes(2)], 14, PLACES)).events == []
    assert len(told(Case(rule, [goes(1, back=True), goes(2, back=True)], 14, PLACES)).begins()) == 1


def test_where_nobody_knows_when_they_crossed_nothing_is_said() -> None:
    case = Case(RULE, [goes(1, 0.7), goes(3.5, 0.95)], 14, PLACES)
    blind = Disturbed(unknown=((4.6, 8.0),))
    assert told(case).events == []
    assert told(case, blind).events == []


def test_a_line_that_is_not_drawn_is_named() -> None:
    with pytest.raises(InputError, match="tailgating: line 'gate' is not drawn on this camera; it has: door"):
        Tailgating(lines=["gate"]).begin(PLACES)
    assert RULE.places_needed() == {"lines": ["door"]}
