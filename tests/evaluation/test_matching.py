"""Pairs are one to one, as many as possible, and within the window; the rest is missed, false, or left out."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.evaluation.matching import match
from streamer.evaluation.truth import Ignored, TrueEvent
from streamer.events import Event
from tests.evaluation.truths import said, true


@pytest.mark.parametrize(("time", "hit"), [(8.9, False), (9.0, True), (10.0, True), (20.0, True), (20.1, False)])
def test_the_window_is_from_a_second_before_to_ten_after(time: float, hit: bool) -> None:
    pairs = match([true(10.0)], [said(time)])
    assert (len(pairs.hits), len(pairs.missed), len(pairs.false)) == ((1, 0, 0) if hit else (0, 1, 1))


def test_the_tolerance_can_be_set() -> None:
    assert len(match([true(10.0)], [said(14.0)], tolerance_s=3.0).missed) == 1
    assert len(match([true(10.0)], [said(14.0)], tolerance_s=4.0).hits) == 1


def test_what_is_said_twice_is_false_the_second_time() -> None:
    pairs = match([true(10.0)], [said(11.0), said(12.0), said(50.0)])
    assert [event.time for _, event in pairs.hits] == [11.0]
    assert [event.time for event in pairs.false] == [12.0, 50.0]
    assert pairs.doubles == 1


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ({"zone": "yard"}, {"zone": "lawn"}),
        ({"line": "entry"}, {"line": "exit"}),
        ({"label": "person"}, {"label": "car"}),
        ({"direction": "forward"}, {"detail": {"direction": "backward"}}),
        ({"direction": "forward"}, {}),
        ({"camera": "door"}, {}),
    ],
)
def test_what_the_truth_names_must_agree(named: dict[str, str], told: dict[str, object]) -> None:
    assert not match([true(10.0, **named)], [said(10.0, **told)]).hits
    assert match([true(10.0)], [said(10.0, zone="yard", detail={"direction": "forward"})]).hits


def test_one_may_have_to_move_on_so_that_two_are_paired() -> None:
    # the first truth takes any event, the second only the one in the yard
    pairs = match([true(10.0), true(10.5, zone="yard")], [said(11.0, zone="yard"), said(12.0, zone="lawn")])
    assert [(one.start, event.time) for one, event in pairs.hits] == [(10.0, 12.0), (10.5, 11.0)]
    assert not pairs.missed


def test_the_nearest_that_is_free_is_taken() -> None:
    pairs = match([true(10.0), true(12.0)], [said(13.0), said(11.0)])
    assert [(one.start, event.time) for one, event in pairs.hits] == [(10.0, 11.0), (12.0, 13.0)]
    pairs = match([true(10.0)], [said(9.5), said(10.1), said(12.0)])
    assert [event.time for _, event in pairs.hits] == [10.1]


def test_what_is_ignored_is_neither_missed_nor_false_nor_hit() -> None:
    stretch = Ignored(camera="gate", start=40.0)
    pairs = match([true(41.0), true(50.0), true(10.0)], [said(41.0), said(70.0), said(10.0)], [stretch])
    assert (len(pairs.hits), pairs.missed, pairs.false) == (1, [], [])


def test_an_event_in_an_ignored_stretch_may_stand_for_what_began_before_it() -> None:
    pairs = match([true(39.0)], [said(41.0)], [Ignored(camera="gate", start=40.0)])
    assert len(pairs.hits) == 1


def _most(truth: list[TrueEvent], events: list[Event]) -> int:
    """By trying every order."""
    best = 0
    slots = [*range(len(events)), *[-1] * len(truth)]
    for order in set(permutations(slots, len(truth))):
        fits = sum(j >= 0 and bool(match([one], [events[j]]).hits) for one, j in zip(truth, order, strict=True))
        best = max(best, fits)
    return best


places = st.sampled_from([None, "yard", "lawn"])


@given(
    starts=st.lists(st.tuples(st.integers(0, 25), places), max_size=3),
    times=st.lists(st.tuples(st.integers(0, 30), places), max_size=3),
)
def test_no_other_way_makes_more_pairs(starts, times) -> None:
    truth = [true(float(start), zone=zone) for start, zone in starts]
    events = [said(float(time), zone=zone) for time, zone in times]
    pairs = match(truth, events)
    assert len(pairs.hits) == _most(truth, events)
    assert len(pairs.hits) + len(pairs.missed) == len(truth)
    assert len(pairs.hits) + len(pairs.false) == len(events)
    assert len({id(event) for _, event in pairs.hits}) == len(pairs.hits)


def test_thousands_in_a_row_are_no_burden() -> None:
    truth = [true(float(i)) for i in range(3000)]
    events = [said(float(i) + 0.5) for i in range(3000)]
    assert len(match(truth, events).hits) == 3000
