"""Stopped vehicles on simulated roads: who breaks down is told once; queues, jams and jitter are nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from streamer.errors import InputError
from streamer.places import Places
from streamer.rules.stopped_vehicle import StoppedVehicle
from streamer.simulator.scene import go, stay
from streamer.simulator.truth import Criteria, Truth
from tests.driving import (
    CASES,
    EAST_Y,
    WEATHERS,
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

RULE = StoppedVehicle(lanes=["east", "west"])
ROAD = scene(
    [
        halting("stops", 2.0, 0.55, 25.0),
        halting("short", 36.0, 0.4, 6.0),
        *(westbound(f"w{i}", 0.5 + 6.3 * i, 6.0) for i in range(7)),
    ],
    52.0,
)


def test_the_truth_of_the_scene_is_what_it_looks_like() -> None:
    found = [i for i in Truth(ROAD, Criteria(stopped_seconds=10)).incidents() if i.kind == "stopped_vehicle"]
    assert [i.actor for i in found] == ["stops"]


@pytest.mark.parametrize(("weather", "fps"), CASES)
def test_one_that_breaks_down_is_one_incident_in_every_weather(weather: str, fps: float) -> None:
    told = drive(RULE, ROAD, times(0, 54, fps), WEATHERS[weather])
    (true,) = [i for i in Truth(ROAD, Criteria(stopped_seconds=10)).incidents() if i.kind == "stopped_vehicle"]
    assert [event.state for event in told.events] == ["begin", "end"]
    begin, end = told.events
    assert begin.zone == "east"
    assert begin.started == pytest.approx(true.start, abs=2 / fps + 0.8)
    # a bad box restarts nothing, but the jitter of night and shadows may cost some frames at the start
    assert true.due - 0.5 <= begin.time <= true.due + 2 / fps + 1.5
    assert end.ended == pytest.approx(true.end, abs=1.2)
    assert begin.detail["stood_s"] >= begin.detail["min_seconds"] == 10.0
    assert begin.detail["standing_here"] == 1
    assert told.counts("stopped_vehicle") == {("east", ""): 1}


@pytest.mark.parametrize("seed", range(2))
def test_changing_rates(seed: int) -> None:
    (begin,) = drive(RULE, ROAD, jumping(0, 54, seed, (2, 5, 10))).begins()
    (reference,) = drive(RULE, ROAD, times(0, 54, 10)).begins()
    assert begin.time == pytest.approx(reference.time, abs=1.1)


@pytest.mark.parametrize("every", [7, 20, 45])
def test_number_switches_neither_restart_the_clock_nor_tell_twice(every: int) -> None:
    told = drive(RULE, ROAD, times(0, 54, 5), switch=lambda t: round(t * 5) % every == 0)
    (begin,) = told.begins()
    (reference,) = drive(RULE, ROAD, times(0, 54, 5)).begins()
    assert begin.time == pytest.approx(reference.time, abs=0.7)
    assert [event.state for event in told.events] == ["begin", "end"]


def test_hidden_for_three_seconds_it_still_stands() -> None:
    told = drive(RULE, ROAD, [t for t in times(0, 54, 5) if not 10.0 < t < 13.0])
    assert [event.state for event in told.events] == ["begin", "end"]


@settings(max_examples=6)
@given(st.floats(5.0, 20.0), st.floats(0.2, 8.0))
def test_unknown_stretches_stop_the_clock_and_end_nothing(start: float, lasts: float) -> None:
    told = drive(RULE, ROAD, times(0, 40, 5), unknown=lambda t: start <= t < start + lasts)
    assert [event.state for event in told.events] in (["begin"], ["begin", "end"], [])
    (reference,) = drive(RULE, ROAD, times(0, 40, 5)).begins()
    known_before_it_goes = 29.0 - 3.6 - lasts
    if known_before_it_goes > 11:
        (begin,) = told.begins()
        held_up = max(0.0, min(start + lasts, reference.time) - start) if start < reference.time else 0.0
        assert begin.time >= reference.time + held_up - 0.41


def test_a_queue_at_a_red_light_is_nothing_and_neither_is_its_first_car_once_others_stand_behind() -> None:
    queue = [halting(f"q{i}", 2.0 + 3 * i, 0.8 - 0.25 * i, 30.0 - 2.2 * i) for i in range(4)]
    assert drive(RULE, scene(queue, 50.0), times(0, 50, 5), Weather(jitter=0.04)).events == []


def test_a_jam_in_which_everybody_creeps_and_stops_is_nothing() -> None:
    creep = [
        car(
            f"j{i}",
            2.0 * i,
            (-0.35, EAST_Y),
            go(0.8 - 0.3 * i, EAST_Y, 5.0),
            stay(14.0),
            go(0.95 - 0.3 * i, EAST_Y, 1.0),
            stay(14.0),
            go(1.35, EAST_Y, 3.0),
        )
        for i in range(3)
    ]
    assert drive(RULE, scene(creep, 60.0), times(0, 60, 5)).events == []


def test_two_that_crashed_are_told_once_others_get_past_them() -> None:
    crashed = [halting("a", 2.0, 0.6, 60.0), halting("b", 4.0, 0.35, 60.0)]
    passing = [eastbound(f"p{i}", 25.0 + 5 * i, 5.0, EAST_Y + 0.1) for i in range(4)]
    told = drive(RULE, scene([*crashed, *passing], 60.0), times(0, 50, 5))
    begins = told.begins()
    assert len(begins) == 2
    assert all(25 < begin.time < 33 for begin in begins)
    assert all(begin.detail["passed_by_others"] for begin in begins)
    assert drive(RULE, scene(crashed, 60.0), times(0, 50, 5)).events == []


def test_traffic_that_flows_is_nothing() -> None:
    flow = [eastbound(f"e{i}", 3.0 * i, 3.0 + i % 5) for i in range(12)]
    told = drive(RULE, scene(flow, 50.0), times(0, 50, 5), WEATHERS["night"])
    assert told.events == []
    assert max(value for _, value in told.levels("standing", "east")) == 0


def test_the_gauge_says_how_many_stand() -> None:
    queue = [halting(f"q{i}", 2.0 + 3 * i, 0.8 - 0.25 * i, 30.0 - 3 * i) for i in range(3)]
    levels = drive(RULE, scene(queue, 50.0), times(0, 50, 5)).levels("standing", "east")
    assert max(value for _, value in levels) == 3
    assert levels[-1][1] == 0


@settings(max_examples=3)
@given(st.sampled_from([0.25, 4096.0, 1_800_000_000.0]))
def test_a_shift_in_time_shifts_every_event_and_changes_nothing_else(offset_s: float) -> None:
    at = [i / 8 for i in range(36 * 8)]
    plain = drive(RULE, ROAD, at, Weather(jitter=0.03))
    moved = drive(RULE, ROAD, at, Weather(jitter=0.03), offset_s=offset_s)
    assert [(e.state, e.key, e.time + offset_s, e.detail) for e in plain.events] == [
        (e.state, e.key, e.time, e.detail) for e in moved.events
    ]


def test_a_zone_does_as_well_as_a_lane() -> None:
    (begin,) = drive(StoppedVehicle(zones=["road"]), ROAD, times(0, 54, 5)).begins()
    assert begin.zone == "road"


def test_wrong_settings_and_places() -> None:
    with pytest.raises(ValidationError, match="stopped_vehicle needs a place"):
        StoppedVehicle()
    with pytest.raises(ValidationError):
        StoppedVehicle(lanes=["a"], wait_together=1)
    with pytest.raises(InputError, match="stopped_vehicle: zone 'x' is not drawn on this camera; it has: none"):
        StoppedVehicle(zones=["x"]).begin(Places())
