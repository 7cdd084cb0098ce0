"""Line crossing: which way, how often, and who does not cross."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from streamer.errors import InputError
from streamer.places import LineSettings, Places
from streamer.rules.line_crossing import LineCrossing
from tests.acting import Actor, stands, walks
from tests.rules.properties import Case, told

PLACES = Places.build(
    lines={
        "gate": LineSettings.model_validate({"from": [0.5, 0.3], "to": [0.5, 1.0]}),
        "far": LineSettings.model_validate({"from": [0.9, 0.3], "to": [0.9, 0.4]}),
    }
)
"""The gate's arrow points down: its left, as seen, is the picture's right, and forward is to the picture's left."""
RULE = LineCrossing(lines=["gate"])
BOTH_WAYS = Case(
    RULE,
    [
        walks([(1, 0.1, 0.7), (8, 0.9, 0.7)]),
        walks([(3, 0.85, 0.95), (12, 0.05, 0.9)]),
        stands(0.2, 0.6, 0, 20),
    ],
    20.0,
    PLACES,
    (),
)


def test_direction_count_and_trace() -> None:
    found = told(BOTH_WAYS)
    assert [(e.state, e.line, e.detail["direction"]) for e in found.events] == [
        ("begin", "gate", "backward"),
        ("end", "gate", "backward"),
        ("begin", "gate", "forward"),
        ("end", "gate", "forward"),
    ]
    first = found.events[0]
    assert first.started == pytest.approx(4.5, abs=0.02)  # interpolated, whatever the frame rate
    assert 4.5 < first.time <= 5.0
    assert first.kind == "line_crossing"
    assert first.label == "person"
    assert (first.detail["margin_heights"], first.detail["min_confidence"]) == (0.1, 0.35)
    assert found.counts == {("gate", "person", "backward"): 1, ("gate", "person", "forward"): 1}


@pytest.mark.parametrize(
    ("arrow", "way", "direction"),
    [
        (((0.0, 0.6), (1.0, 0.6)), ((0.5, 0.45), (0.5, 0.9)), "forward"),  # an arrow to the right: down is its right
        (((0.0, 0.6), (1.0, 0.6)), ((0.5, 0.9), (0.5, 0.45)), "backward"),
        (((1.0, 0.6), (0.0, 0.6)), ((0.5, 0.45), (0.5, 0.9)), "backward"),
        (((0.5, 1.0), (0.5, 0.3)), ((0.2, 0.8), (0.8, 0.8)), "forward"),  # an arrow up: right is its right
        (((0.2, 0.4), (0.8, 1.0)), ((0.3, 0.9), (0.7, 0.5)), "backward"),
    ],
)
def test_forward_is_from_the_arrows_left_to_its_right_as_seen(
    arrow: tuple[object, object], way: tuple[tuple[float, float], tuple[float, float]], direction: str
) -> None:
    places = Places.build(lines={"l": LineSettings.model_validate({"from": arrow[0], "to": arrow[1]})})
    actor = walks([(0, *way[0]), (6, *way[1])])
    (begin,) = told(Case(LineCrossing(lines=["l"]), [actor], 7, places)).begins()
    assert begin.detail["direction"] == direction


def sway(amplitude: float) -> Actor:
    """Comes to the line, sways on it for ten seconds, and goes on."""

    def where(t: float) -> tuple[float, float] | None:
        if t < 4:
            return 0.1 + 0.1 * t, 0.7
        if t < 14:
            return 0.5 + amplitude * math.sin(2.7 * t), 0.7
        return (0.5 + 0.1 * (t - 14), 0.7) if t < 18 else None

    return Actor(where)


def test_who_stands_on_the_line_and_sways_crosses_once() -> None:
    found = told(Case(RULE, [sway(0.3 * 3 / 4 * 0.08)], 20, PLACES))  # by 0.08 heights to either side
    assert found.counts == {("gate", "person", "backward"): 1}


def test_who_comes_back_crosses_twice() -> None:
    back = walks([(0, 0.2, 0.7), (4, 0.6, 0.7), (8, 0.2, 0.7)])
    assert told(Case(RULE, [back], 9, PLACES)).counts == {
        ("gate", "person", "backward"): 1,
        ("gate", "person", "forward"): 1,
    }


@pytest.mark.parametrize(
    "way",
    [
        [(0, 0.2, 0.25), (6, 0.8, 0.28)],  # beyond the end
        [(0, 0.2, 0.7), (3, 0.49, 0.7), (6, 0.2, 0.7)],  # up to it and back
        [(0, 0.3, 0.4), (6, 0.3, 1.0)],  # along it
    ],
)
def test_these_do_not_cross(way: list[tuple[float, float, float]]) -> None:
    found = told(Case(RULE, [walks(way)], 7, PLACES))
    assert (found.events, found.counts) == ([], {})


def test_round_the_end_and_back_through_it_is_one_crossing() -> None:
    way = [(0, 0.3, 0.6), (3, 0.4, 0.2), (5, 0.7, 0.2), (7, 0.7, 0.7), (11, 0.3, 0.7)]
    assert told(Case(RULE, [walks(way)], 12, PLACES)).counts == {("gate", "person", "forward"): 1}


def test_only_the_wanted_direction_is_told_but_all_are_counted() -> None:
    rule = LineCrossing(lines=["gate"], direction="forward")
    found = told(Case(rule, BOTH_WAYS.actors, 20, PLACES))
    assert [e.detail["direction"] for e in found.begins()] == ["forward"]
    assert sum(found.counts.values()) == 2


def test_labels_and_confidence_decide_who_counts() -> None:
    assert told(Case(RULE, BOTH_WAYS.actors, 20, PLACES, label="car")).counts == {
        ("gate", "car", "backward"): 1,
        ("gate", "car", "forward"): 1,
    }
    people = LineCrossing(lines=["gate"], labels=["person"])
    assert told(Case(people, BOTH_WAYS.actors, 20, PLACES, label="car")).counts == {}
    sure = LineCrossing(lines=["gate"], min_confidence=0.9)
    assert told(Case(sure, BOTH_WAYS.actors, 20, PLACES)).counts == {}


def test_a_short_miss_on_the_line_neither_loses_nor_doubles() -> None:
    def where(t: float) -> tuple[float, float] | None:
        return None if 4.0 < t < 5.0 else (0.1 + 0.1 * t, 0.7)

    assert told(Case(RULE, [Actor(where)], 8, PLACES)).counts == {("gate", "person", "backward"): 1}


def test_each_line_counts_by_itself() -> None:
    rule = LineCrossing(lines=["gate", "far"])
    found = told(Case(rule, [walks([(0, 0.1, 0.35), (9, 1.0, 0.35)])], 10, PLACES))
    assert found.counts == {("gate", "person", "backward"): 1, ("far", "person", "backward"): 1}


def test_a_line_that_is_not_drawn_is_named() -> None:
    with pytest.raises(InputError, match="line_crossing: line 'door' is not drawn on this camera; it has: gate, far"):
        LineCrossing(lines=["door"]).begin(PLACES)
    assert LineCrossing(lines=["door"]).places_needed() == {"lines": ["door"]}


@pytest.mark.parametrize("wrong", [{"lines": []}, {}, {"lines": ["gate"], "direction": "left"}])
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LineCrossing.model_validate(wrong)
