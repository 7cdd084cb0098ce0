"""Congestion on simulated roads: a jam is one incident, busy and empty roads are none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from streamer.errors import InputError
from streamer.rules.congestion import BANDS, Congestion, _level
from streamer.simulator.scene import Actor
from tests.driving import (
    CASES,
    EAST_Y,
    WEATHERS,
    Weather,
    drive,
    eastbound,
    halting,
    jumping,
    places,
    scene,
    times,
)
from tests.rules.test_speeding import GROUND

RULE = Congestion(lanes=["east"], min_seconds=10, leave_seconds=10, smooth_seconds=5)


def jam(begin_s: float, seconds: float) -> list[Actor]:
    """Three cars stand one behind the other for a while."""
    return [halting(f"jam{i}", begin_s + 2.5 * i, 0.75 - 0.3 * i, seconds, EAST_Y, 5.0) for i in range(3)]


FREE = [eastbound(f"free{i}", 2.6 * i, 8.0) for i in range(12)]
ROAD = scene([*FREE, *jam(34.0, 30.0), *(eastbound(f"later{i}", 78 + 2.6 * i, 8.0) for i in range(10))], 105.0)


@pytest.mark.parametrize(("weather", "fps"), CASES)
def test_a_jam_is_one_incident_in_every_weather(weather: str, fps: float) -> None:
    told = drive(RULE, ROAD, times(0, 105, fps), WEATHERS[weather])
    assert [event.state for event in told.events if event.state != "update"] == ["begin", "end"]
    begin, end = told.begins()[0], told.events[-1]
    assert 48 < begin.time < 60
    assert 75 < end.time < 104
    assert begin.zone == "east"
    assert begin.detail["level_of_service"] in "EF"
    assert begin.detail["speed_ratio"] <= begin.detail["slow"] == 0.4
    assert begin.detail["occupancy"] >= begin.detail["min_occupancy"] == 0.25


@pytest.mark.parametrize("seed", range(2))
def test_changing_rates(seed: int) -> None:
    told = drive(RULE, ROAD, jumping(0, 105, seed, (2, 5, 10)))
    (begin,) = told.begins()
    (reference,) = drive(RULE, ROAD, times(0, 105, 10)).begins()
    assert begin.time == pytest.approx(reference.time, abs=2.5)


def test_free_flow_is_learned_and_said() -> None:
    (begin,) = drive(RULE, ROAD, times(0, 105, 10)).begins()
    assert begin.detail["free_flow"].startswith("learned from")
    assert begin.detail["free_flow_sizes_s"] > 1.5


def test_readings_say_how_full_and_how_fast() -> None:
    told = drive(RULE, ROAD, times(0, 105, 5))
    occupancy, ratio = told.levels("lane_occupancy", "east"), told.levels("speed_ratio", "east")
    assert max(value for t, value in occupancy if 50 < t < 66) > 0.33
    assert max(value for t, value in occupancy if 8 < t < 32) < 0.25
    assert min(value for t, value in ratio if 55 < t < 66) < 0.1
    assert min(value for t, value in ratio if 8 < t < 32) > 0.6
    assert {value for t, value in told.levels("congestion", "east") if 60 < t < 66} == {1.0}
    assert max(value for t, value in told.levels("level_of_service", "east") if 60 < t < 66) == 6.0
    assert max(value for _, value in told.levels("vehicles_now", "east")) == 3


def test_busy_traffic_that_flows_is_none() -> None:
    busy = [eastbound(f"b{i}", 1.6 * i, 6.0) for i in range(40)]
    assert drive(RULE, scene(busy, 70.0), times(0, 70, 5), Weather(jitter=0.05)).events == []


def test_one_slow_or_stopped_vehicle_is_no_congestion() -> None:
    alone = [halting("a", 2.0, 0.5, 60.0), *(eastbound(f"far{i}", 80 + 5 * i) for i in range(3))]
    assert drive(RULE, scene(alone, 100.0), times(0, 100, 5)).events == []


@settings(max_examples=4)
@given(st.floats(52.0, 60.0), st.floats(0.5, 5.0))
def test_unknown_stretches_end_nothing(start: float, lasts: float) -> None:
    told = drive(RULE, ROAD, times(0, 105, 4), unknown=lambda t: start <= t < start + lasts)
    assert [event.state for event in told.events if event.state != "update"] == ["begin", "end"]


@settings(max_examples=3)
@given(st.sampled_from([0.25, 4096.0, 1_800_000_000.0]))
def test_a_shift_in_time_shifts_every_event(offset_s: float) -> None:
    at = [i / 4 for i in range(80 * 4)]
    plain, moved = drive(RULE, ROAD, at), drive(RULE, ROAD, at, offset_s=offset_s)
    assert [(e.state, e.key, e.time + offset_s) for e in plain.events] == [
        (e.state, e.key, e.time) for e in moved.events
    ]


def test_with_a_ground_plane_free_flow_may_be_given() -> None:
    rule = RULE.model_copy(update={"free_flow_kmh": 30.0})
    assert rule.ground_needed()
    (begin,) = drive(rule, ROAD, times(0, 105, 5), on=places(ROAD, ground=GROUND)).begins()
    assert begin.detail["free_flow"] == "given"
    assert begin.detail["free_flow_mps"] == pytest.approx(8.33, abs=0.01)
    with pytest.raises(InputError, match="free_flow_kmh needs the camera's ground plane"):
        rule.begin(places(ROAD))


def test_levels_of_service_have_hysteresis() -> None:
    assert [_level(ratio, 0) for ratio in (1.0, 0.7, 0.6, 0.45, 0.35, 0.1)] == [0, 1, 2, 3, 4, 5]
    for number, bound in enumerate(BANDS):
        assert _level(bound - 0.01, number) == number
        assert _level(bound + 0.01, number + 1) == number + 1
        assert _level(bound - 0.03, number) == number + 1
        assert _level(bound + 0.03, number + 1) == number


def test_wrong_settings_are_refused() -> None:
    for wrong in ({}, {"lanes": ["a"], "slow": 0}, {"lanes": ["a"], "min_occupancy": 1.5}):
        with pytest.raises(ValidationError):
            Congestion.model_validate(wrong)
