"""Queues before a stop line on simulated roads: how many, how long, and when."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from streamer.errors import InputError
from streamer.places import LaneSettings, LineSettings, Places
from streamer.rules.queue import Queue
from streamer.simulator.scene import Lens
from tests.driving import (
    CASES,
    EAST_Y,
    LENS,
    WEATHERS,
    drive,
    eastbound,
    halting,
    jumping,
    places,
    scene,
    times,
)
from tests.rules.test_speeding import GROUND

RULE = Queue(lanes=["east"])
ROAD = scene(
    [
        *(halting(f"q{i}", 2.0 + 3.0 * i, 0.82 - 0.27 * i, 40.0 - 3.5 * i) for i in range(3)),
        *(eastbound(f"later{i}", 56 + 4.0 * i) for i in range(3)),
    ],
    75.0,
)
"""Three stand one behind the other from about 10 s to 43 s."""


@pytest.mark.parametrize(("weather", "fps"), CASES)
def test_a_queue_is_one_incident_in_every_weather(weather: str, fps: float) -> None:
    told = drive(RULE, ROAD, times(0, 75, fps), WEATHERS[weather])
    assert [event.state for event in told.events] == ["begin", "end"]
    begin, end = told.events
    assert begin.started == pytest.approx(10.5, abs=2.0)
    assert begin.time == pytest.approx(15.5, abs=3.0)
    assert 40 < end.time < 65
    assert begin.detail["vehicles"] == 3
    assert end.detail["longest"] == 3


@pytest.mark.parametrize("fps", [2, 5, 10])
def test_the_gauge_counts_who_waits(fps: float) -> None:
    levels = drive(RULE, ROAD, times(0, 75, fps)).levels("queue", "east")
    assert [value for t, value in levels if t < 30] == [0, 1, 2, 3]
    assert levels[-1][1] == 0
    assert max(value for t, value in levels) == 3


def test_meters_are_from_the_stop_line_to_the_last_foot() -> None:
    on = places(ROAD, ground=GROUND)
    line = {"stop": LineSettings.model_validate({"from": (0.92, 0.6), "to": (0.92, 1.0)})}
    on = Places(on.zones, Places.build(lines=line).lines, on.lanes, on.masks, on.ground)
    levels = drive(RULE.model_copy(update={"line": "stop"}), ROAD, times(0, 40, 5), on=on).levels("queue_m", "east")
    # the line's part in the lane has its middle at y = 0.77; the last car stands at x = 0.28 with its foot at EAST_Y
    (ax, ay), (bx, by) = LENS.ground((0.92, 0.77)), LENS.ground((0.28, EAST_Y))
    assert levels[-1][1] == pytest.approx(((ax - bx) ** 2 + (ay - by) ** 2) ** 0.5, abs=0.4)


def test_traffic_that_flows_is_none() -> None:
    flow = [eastbound(f"e{i}", 2.2 * i, 5.0 + i % 4) for i in range(15)]
    told = drive(RULE, scene(flow, 45.0), times(0, 45, 5), WEATHERS["night"])
    assert told.events == []
    assert max(value for _, value in told.levels("queue", "east")) == 0


def test_one_that_stands_is_no_queue_but_is_on_the_gauge() -> None:
    told = drive(RULE, scene([halting("a", 1.0, 0.6, 30.0)], 45.0), times(0, 45, 5), WEATHERS["shadows"])
    assert told.events == []
    assert max(value for _, value in told.levels("queue", "east")) == 1


def test_who_stands_beyond_the_stop_line_is_not_in_the_queue() -> None:
    line = {"stop": LineSettings.model_validate({"from": (0.6, 0.6), "to": (0.6, 1.0)})}
    on = Places(lines=Places.build(lines=line).lines, lanes=places(ROAD).lanes)
    levels = drive(RULE.model_copy(update={"line": "stop"}), ROAD, times(0, 40, 5), on=on).levels("queue", "east")
    assert max(value for _, value in levels) == 2


def test_a_long_gap_ends_the_chain() -> None:
    far = scene([halting("first", 1.0, 0.9, 40.0), halting("last", 4.0, 0.1, 36.0)], 50.0)
    short = drive(Queue(lanes=["east"], max_gap_lengths=1.5), far, times(0, 30, 5)).levels("queue", "east")
    assert max(value for _, value in short) == 1
    long = drive(Queue(lanes=["east"], max_gap_lengths=6), far, times(0, 30, 5)).levels("queue", "east")
    assert max(value for _, value in long) == 2


@pytest.mark.parametrize("seed", range(2))
def test_changing_rates(seed: int) -> None:
    (begin,) = drive(RULE, ROAD, jumping(0, 75, seed, (2, 5, 10))).begins()
    (reference,) = drive(RULE, ROAD, times(0, 75, 10)).begins()
    assert begin.time == pytest.approx(reference.time, abs=1.5)


@pytest.mark.parametrize("every", [6, 15])
def test_number_switches_change_nothing(every: int) -> None:
    told = drive(RULE, ROAD, times(0, 75, 5), switch=lambda t: round(t * 5) % every == 0)
    assert [event.state for event in told.events] == ["begin", "end"]
    assert max(value for _, value in told.levels("queue", "east")) == 3


@settings(max_examples=5)
@given(st.floats(11.0, 30.0), st.floats(0.5, 8.0))
def test_unknown_stretches_end_nothing(start: float, lasts: float) -> None:
    told = drive(RULE, ROAD, times(0, 75, 4), unknown=lambda t: start <= t < start + lasts)
    assert [event.state for event in told.events] == ["begin", "end"]


@settings(max_examples=3)
@given(st.sampled_from([0.25, 4096.0, 1_800_000_000.0]))
def test_a_shift_in_time_shifts_every_event(offset_s: float) -> None:
    at = [i / 4 for i in range(75 * 4)]
    plain, moved = drive(RULE, ROAD, at), drive(RULE, ROAD, at, offset_s=offset_s)
    assert [(e.state, e.key, e.time + offset_s) for e in plain.events] == [
        (e.state, e.key, e.time) for e in moved.events
    ]


def test_wrong_settings_and_places() -> None:
    for wrong in ({"lanes": []}, {}, {"lanes": ["a"], "zones": ["b"]}, {"lanes": ["a"], "min_vehicles": 0}):
        with pytest.raises(ValidationError):
            Queue.model_validate(wrong)
    lanes = {"a": LaneSettings(polygon=[(0, 0), (0.4, 0), (0.4, 1)], direction=(0, 1))}
    lines = {"far": LineSettings.model_validate({"from": (0.6, 0), "to": (0.9, 0)})}
    with pytest.raises(InputError, match="line 'far' does not cross lane 'a'"):
        Queue(lanes=["a"], line="far").begin(Places.build(lines=lines, lanes=lanes))
    assert Queue(lanes=["a"], line="far").places_needed() == {"lanes": ["a"], "lines": ["far"]}
    assert isinstance(LENS, Lens)
