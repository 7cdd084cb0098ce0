"""Wrong way on simulated roads: every offender once, nobody else, in every weather; drawn lanes and learned ones."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from streamer.errors import InputError
from streamer.places import Places
from streamer.rules.wrong_way import WrongWay
from streamer.simulator.scene import Actor, Scene, go, stay
from streamer.simulator.truth import Truth
from tests.driving import (
    CASES,
    EAST_Y,
    NIGHT,
    POST,
    WEATHERS,
    WEST_Y,
    Told,
    Weather,
    car,
    drive,
    eastbound,
    halting,
    jumping,
    scene,
    times,
    westbound,
)

DRAWN = WrongWay(lanes=["east", "west"])
HONEST = [
    *(eastbound(f"e{i}", 1.0 + 4.1 * i, 6.0 + i % 3) for i in range(6)),
    *(westbound(f"w{i}", 0.5 + 3.7 * i, 5.0 + i % 4) for i in range(7)),
]
GHOST_DRIVER = westbound("wrong", 9.0, 6.0, EAST_Y + 0.06)
"""Drives west in the lane that goes east."""
ROAD = scene([*HONEST, GHOST_DRIVER], 30.0)


def test_the_truth_of_the_scene_is_what_it_looks_like() -> None:
    (incident,) = [i for i in Truth(ROAD).incidents() if i.kind == "wrong_way"]
    assert (incident.actor, incident.place) == ("wrong", "east")


@pytest.mark.parametrize(("weather", "fps"), [(weather, max(fps, 5)) for weather, fps in CASES])
def test_one_offender_is_one_incident_in_every_weather(weather: str, fps: float) -> None:
    told = drive(DRAWN, ROAD, times(0, 34, fps), WEATHERS[weather])
    (begin,) = told.begins()
    (true,) = [i for i in Truth(ROAD).incidents() if i.kind == "wrong_way"]
    assert begin.zone == "east"
    assert true.due - 0.3 <= begin.time <= true.end
    assert begin.detail["degrees"] > 120
    assert begin.detail["wrong_s"] >= begin.detail["min_seconds"] == 1.0
    assert begin.detail["lengths"] >= begin.detail["min_lengths"] == 2.0
    assert begin.detail["learned"] is False
    assert [event.state for event in told.events] == ["begin", "end"]
    assert told.events[1].ended == pytest.approx(true.end, abs=1.2)
    assert told.counts("wrong_way") == {("east", ""): 1}


@pytest.mark.parametrize("seed", range(4))
def test_changing_rates(seed: int) -> None:
    assert len(drive(DRAWN, ROAD, jumping(0, 34, seed, (4, 5, 10, 15))).begins()) == 1


def test_two_frames_a_second() -> None:
    slow = scene([eastbound("a", 0.0, 3.5), westbound("wrong", 6.0, 3.5, EAST_Y + 0.05)], 18.0)
    assert len(drive(DRAWN, slow, times(0, 20, 2)).begins()) == 1


@pytest.mark.parametrize("weather", [NIGHT, POST, Weather(jitter=0.1, ghosts=3.0)], ids=["night", "post", "rain"])
def test_honest_traffic_is_never_accused(weather: Weather) -> None:
    told = drive(DRAWN, scene(HONEST, 30.0), times(0, 32, 10), weather, switch=lambda t: int(t * 10) % 7 == 0)
    assert told.events == []


def test_number_switches_neither_hide_nor_double_the_offender() -> None:
    for every in (5, 8, 13):
        told = drive(DRAWN, ROAD, times(0, 34, 10), switch=lambda t, n=every: round(t * 10) % n == 0)
        assert len(told.begins()) == 1, every


def test_parking_and_rolling_back_is_nothing() -> None:
    rolls = car("r", 0.0, (-0.35, EAST_Y), go(0.6, EAST_Y, 6.0), stay(3), go(0.45, EAST_Y, 1.0), go(1.35, EAST_Y, 6.0))
    stands = halting("s", 6.0, 0.4, 20.0)
    assert drive(DRAWN, scene([rolls, stands], 40.0), times(0, 40, 10), Weather(jitter=0.1)).events == []


def test_crossing_the_lane_is_nothing() -> None:
    across = car("x", 0.0, (0.5, 0.35), go(0.52, 1.2, 4.0))
    assert drive(DRAWN, scene([across], 8.0), times(0, 8, 10)).events == []


def test_who_turns_round_is_over_after_leave_seconds() -> None:
    legs = go(0.3, EAST_Y, 4.0), go(1.35, EAST_Y, 3.0)
    told = drive(DRAWN, scene([car("a", 0.0, (1.35, EAST_Y), *legs)], 14.0), times(0, 14, 10))
    assert [event.state for event in told.events] == ["begin", "end"]
    begin, end = told.events
    assert end.time - (end.ended or 0) == pytest.approx(3.0, abs=0.5)
    assert begin.key == end.key


@settings(max_examples=12)
@given(st.floats(9.0, 14.0), st.floats(0.1, 1.5))
def test_unknown_stretches_never_double_and_hide_nobody_who_stays_in_view(start: float, lasts: float) -> None:
    slow = scene([westbound("wrong", 8.0, 2.5, EAST_Y + 0.06)], 24.0)
    told = drive(DRAWN, slow, times(0, 26, 5), unknown=lambda t: start <= t < start + lasts)
    assert [event.state for event in told.events] == ["begin", "end"]


@settings(max_examples=6)
@given(st.sampled_from([0.25, 4096.0, 1_800_000_000.0]), st.integers(0, 2))
def test_a_shift_in_time_shifts_every_event_and_changes_nothing_else(offset_s: float, seed: int) -> None:
    at = [i / 8 for i in range(26 * 8)]
    plain = drive(DRAWN, ROAD, at, Weather(jitter=0.03, seed=seed))
    moved = drive(DRAWN, ROAD, at, Weather(jitter=0.03, seed=seed), offset_s=offset_s)
    assert [(e.state, e.key, e.time + offset_s, e.detail) for e in plain.events] == [
        (e.state, e.key, e.time, e.detail) for e in moved.events
    ]


@settings(max_examples=8)
@given(st.floats(0, 0.2), st.sampled_from([4.0, 5.0, 8.0, 10.0]))
def test_phase_and_rate_move_the_begin_by_little(phase: float, fps: float) -> None:
    alone = scene([westbound("wrong", 1.0, 4.0, EAST_Y + 0.05)], 14.0)
    (begin,) = drive(DRAWN, alone, times(phase, 14, fps)).begins()
    (reference,) = drive(DRAWN, alone, times(0, 14, 15)).begins()
    # the tracker needs two sightings of a box that still grows into the picture, and the rule one more
    assert begin.time == pytest.approx(reference.time, abs=3 / fps + 0.4)


# learned lanes


def busy(seconds: float, gap_s: float = 3.0) -> list[Actor]:
    """Traffic both ways, each in its lane, for so long."""
    return [
        *(eastbound(f"e{i}", gap_s * i, 7.0 + i % 3, EAST_Y + 0.01 * (i % 3)) for i in range(int(seconds / gap_s))),
        *(westbound(f"w{i}", gap_s * i + 1, 6.0 + i % 3, WEST_Y + 0.01 * (i % 2)) for i in range(int(seconds / gap_s))),
    ]


STEADY = Weather(jitter=0.03)
LEARNING = WrongWay(learn_seconds=80)


def learned(actors: Sequence[Actor], seconds: float, fps: float = 8, weather: Weather = STEADY) -> Told:
    drawn = scene(actors, seconds)
    return drive(LEARNING, drawn, times(0, seconds, fps), weather, on=Places())


def test_a_learned_lane_catches_who_drives_against_it_and_says_that_it_was_learned() -> None:
    told = learned([*busy(90), westbound("wrong", 100.0, 6.0, EAST_Y)], 112.0)
    (begin,) = told.begins()
    assert begin.time > 100
    assert begin.zone is None
    assert begin.detail["learned"] is True
    assert begin.detail["agreement"] >= 0.9
    assert begin.detail["learned_s"] >= 80
    assert told.counts("wrong_way") == {("learned", ""): 1}


def test_nobody_is_accused_before_it_has_learned() -> None:
    assert learned([*busy(60), westbound("wrong", 62.0, 6.0, EAST_Y)], 74.0).events == []


def test_too_few_vehicles_teach_nothing() -> None:
    assert learned([*busy(80, 12.0), westbound("wrong", 100.0, 6.0, EAST_Y)], 112.0).events == []


def test_nobody_is_accused_where_traffic_goes_both_ways() -> None:
    both = [westbound(f"x{i}", 1.5 + 9.0 * i, 7.0, EAST_Y + 0.01) for i in range(9)]
    assert learned([*busy(90), *both, westbound("wrong", 100.0, 6.0, EAST_Y)], 112.0).events == []


def test_honest_traffic_is_not_accused_after_learning() -> None:
    assert learned(busy(160), 170.0, 8, Weather(jitter=0.06, misses=0.1, ghosts=1.0)).events == []


def test_a_second_offender_is_caught_too_and_neither_teaches_the_road() -> None:
    wrong = [westbound(f"wrong{i}", 100.0 + 12 * i, 6.0, EAST_Y) for i in range(3)]
    assert len(learned([*busy(90), *wrong], 140.0).begins()) == 3


def test_a_drawn_lane_goes_before_what_was_learned() -> None:
    rule = WrongWay(lanes=["west"], learn_seconds=80)
    drawn = scene([*busy(90), westbound("wrong", 100.0, 6.0, EAST_Y), eastbound("other", 114.0, 6.0, WEST_Y)], 126.0)
    first, second = drive(rule, drawn, times(0, 126, 8)).begins()
    assert (first.zone, first.detail["learned"]) == (None, True)
    assert (second.zone, second.detail["learned"]) == ("west", False)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({}, "needs a place"),
        ({"lanes": ["a"], "zones": ["a"]}, "Extra inputs"),
        ({"lanes": ["a"], "min_degrees": 20}, "greater than or equal to 90"),
        ({"learn_seconds": 1}, "greater than or equal to 10"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        WrongWay.model_validate(wrong)


def test_a_lane_that_is_not_drawn_is_an_input_error() -> None:
    with pytest.raises(InputError, match="wrong_way: lane 'x' is not drawn on this camera; it has: none"):
        WrongWay(lanes=["x"]).begin(Places())
    assert WrongWay(lanes=["x"]).places_needed()["lanes"] == ["x"]


def test_scenes_do_not_share_memory() -> None:
    assert isinstance(ROAD, Scene)
    assert drive(DRAWN, ROAD, times(0, 34, 5)).events == drive(DRAWN, ROAD, times(0, 34, 5)).events
