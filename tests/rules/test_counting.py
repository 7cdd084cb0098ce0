"""Counting on simulated roads: each vehicle once, in every weather and at every rate, and jitter counts nothing."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from streamer.errors import InputError
from streamer.places import LaneSettings, LineSettings, Places
from streamer.readings import Reading
from streamer.rules.counting import Counting
from streamer.simulator.scene import go
from streamer.simulator.truth import Truth
from streamer.types import Frame, Tracks
from tests.driving import (
    CASES,
    EAST_Y,
    WEATHERS,
    WEST_Y,
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

AT_LINE = Counting(lines=["middle"])
BOTH = Counting(lines=["middle"], lanes=["east", "west"])
TRAFFIC = scene(
    [
        *(eastbound(f"e{i}", 1.0 + 2.6 * i, 7.0 + i % 3) for i in range(8)),
        *(westbound(f"w{i}", 0.5 + 3.1 * i, 6.0 + i % 4) for i in range(7)),
    ],
    32.0,
)
TRUE = {("middle", "backward"): 8, ("middle", "forward"): 7}


def test_the_truth_of_the_scene_is_what_it_looks_like() -> None:
    crossings = Counter((i.place, i.direction) for i in Truth(TRAFFIC).incidents() if i.kind == "line_crossing")
    assert crossings == TRUE


@pytest.mark.parametrize(("weather", "fps"), [(weather, max(fps, 5)) for weather, fps in CASES])
def test_every_vehicle_counts_once_in_every_weather(weather: str, fps: float) -> None:
    told = drive(BOTH, TRAFFIC, times(0, 32, fps), WEATHERS[weather])
    assert told.counts() == {**TRUE, ("east", "forward"): 8, ("west", "forward"): 7}
    assert told.events == []


def test_two_frames_a_second_see_slow_traffic() -> None:
    slow = scene([eastbound("a", 1, 3.5), eastbound("b", 5, 3.5), westbound("c", 2, 4.0)], 22.0)
    assert drive(AT_LINE, slow, times(0, 22, 2)).counts() == {("middle", "backward"): 2, ("middle", "forward"): 1}


@pytest.mark.parametrize("seed", range(6))
def test_changing_rates(seed: int) -> None:
    assert drive(AT_LINE, TRAFFIC, jumping(0, 32, seed, (4, 5, 10, 15))).counts() == TRUE


@settings(max_examples=8)
@given(st.floats(0, 0.5))
def test_numbers_that_switch_all_the_time_neither_lose_nor_double_a_count(phase: float) -> None:
    def every_half_second(t: float) -> bool:
        return int((t + phase) / 0.5) != int((t + phase - 0.1) / 0.5)

    assert drive(AT_LINE, TRAFFIC, times(0, 32, 10), switch=every_half_second).counts() == TRUE


ONE = scene([eastbound("a", 1.0, 5.0)], 8.0)
"""At the line at 3.2 s."""


@settings(max_examples=25)
@given(st.floats(2.4, 3.3), st.floats(0.1, 1.2), st.sampled_from([5, 10, 15]))
def test_a_miss_anywhere_near_the_line_changes_nothing(start: float, lasts: float, fps: float) -> None:
    def gone(t: float) -> bool:
        return start <= t < start + lasts

    # nobody answers, or the frames themselves are missing
    assert drive(AT_LINE, ONE, times(0, 8, fps), unknown=gone).counts()[("middle", "backward")] == 1
    held = [t for t in times(0, 8, fps) if not gone(t)]
    assert drive(AT_LINE, ONE, held).counts()[("middle", "backward")] == 1


def test_two_that_exchange_their_numbers_on_the_line_are_two() -> None:
    judge = AT_LINE.begin(Places.build(lines={"middle": _line((0.5, 0.0), (0.5, 1.0))}))
    counted: Counter[str] = Counter()
    for i in range(30):
        x = 0.2 + 0.02 * i
        boxes = [(x, 0.4, x + 0.1, 0.5), (x - 0.12, 0.4, x - 0.02, 0.5)]
        ids = [1, 2] if i < 14 else [2, 1]
        for said in judge.judge(_frame(i / 10), _tracks(ids, boxes)):
            assert isinstance(said, Reading)
            counted[said.direction] += said.mode == "count"
    assert counted["backward"] == 2
    assert counted["forward"] == 0


@pytest.mark.parametrize("weather", ["clear", "night", "shadows"])
def test_standing_on_the_line_counts_once_however_the_box_jitters(weather: str) -> None:
    on_the_line = scene([halting("a", 1.0, 0.5, 40.0)], 50.0)
    assert drive(AT_LINE, on_the_line, times(0, 48, 5), WEATHERS[weather]).counts() == {("middle", "backward"): 1}


def test_a_parked_car_beside_the_line_and_ghosts_in_the_rain_count_nothing() -> None:
    parked = scene([car("p", 0.0, (0.46, WEST_Y), go(0.4601, WEST_Y, 0.0001))], 120.0)
    assert drive(AT_LINE, parked, times(0, 120, 5), Weather(jitter=0.1, ghosts=3.0)).counts() == {}


def test_back_and_forth_counts_both_ways() -> None:
    legs = go(0.7, EAST_Y, 6.0), go(0.3, EAST_Y, 6.0), go(1.35, EAST_Y, 6.0)
    assert drive(AT_LINE, scene([car("a", 0.0, (-0.35, EAST_Y), *legs)], 10.0), times(0, 10, 10)).counts() == {
        ("middle", "backward"): 2,
        ("middle", "forward"): 1,
    }


def test_who_passes_beside_the_ends_does_not_count() -> None:
    short = Places.build(lines={"middle": _line((0.5, 0.0), (0.5, 0.6))})
    told = drive(AT_LINE, scene([eastbound("a", 0.0), westbound("b", 0.0)], 8.0), times(0, 8, 10), on=short)
    assert told.counts() == {("middle", "forward"): 1}


def test_two_lanes_at_one_line_share_no_vehicle() -> None:
    lanes = {
        "left": LaneSettings(polygon=[(0, 0), (1, 0), (1, 0.5), (0, 0.5)], direction=(1, 0)),
        "right": LaneSettings(polygon=[(0, 0.5), (1, 0.5), (1, 1), (0, 1)], direction=(1, 0)),
    }
    on = Places.build(lines={"ruler": _line((0.5, 0.0), (0.5, 1.0))}, lanes=lanes)
    judge = Counting(lanes=["left", "right"], lanes_at="ruler").begin(on)
    counted: Counter[tuple[str, str]] = Counter()
    for i in range(20):  # drives along the very border
        x = 0.1 + 0.04 * i
        for said in judge.judge(_frame(i / 5), _tracks([1], [(x, 0.4, x + 0.1, 0.5)])):
            assert isinstance(said, Reading)
            if said.mode == "count":
                counted[said.place, said.direction] += 1
    assert list(counted.values()) == [1]
    assert next(iter(counted))[1] == "forward"


def test_movements_need_their_places_in_order() -> None:
    lines = {"in": _line((0.2, 0.0), (0.2, 1.0)), "out": _line((0.8, 0.0), (0.8, 1.0))}
    rule = Counting(lines=["in", "out"], movements={"through": ["in", "out"], "back": ["out", "in"]})
    drawn = scene([eastbound("a", 0.0), eastbound("b", 3.0), westbound("c", 1.0)], 12.0)
    told = drive(rule, drawn, times(0, 12, 10), on=Places.build(lines=lines))
    moved = Counter(r.place for _, r in told.readings if r.kind == "movement")
    assert moved == {"through": 2, "back": 1}


def test_sliding_windows_follow_the_traffic() -> None:
    told = drive(AT_LINE, TRAFFIC, times(0, 120, 5))
    minute = [(t, r.value) for t, r in told.readings if r.kind == "vehicles_1min" and r.direction == "backward"]
    assert max(value for _, value in minute) == 8
    assert minute[-1][1] == 0
    assert minute[-1][0] < 90
    quarter = [r.value for _, r in told.readings if r.kind == "vehicles_15min" and r.direction == "backward"]
    assert quarter[-1] == 8


def test_a_report_tells_each_interval_and_how_long_it_was_watched() -> None:
    rule = Counting(lines=["middle"], report_seconds=15)
    told = drive(rule, TRAFFIC, times(0, 46, 5), unknown=lambda t: 33.0 < t < 41.0)
    assert [event.state for event in told.events] == ["begin", "update", "update", "update"]
    first, second, third = (event.detail for event in told.events[1:])
    assert first["total"] + second["total"] == 15
    assert first["counts"]["forward"] == {"car": 4}
    assert first["watched_s"] == pytest.approx(14.8, abs=0.3)
    assert third["total"] == 0
    assert third["watched_s"] == pytest.approx(7.0, abs=0.4)
    assert {event.line for event in told.events} == {"middle"}


def test_outside_of_its_hours_nothing_counts() -> None:
    class Never(Counting):
        def holds_at(self, time: float) -> bool:
            return False

    assert drive(Never(lines=["middle"]), TRAFFIC, times(0, 32, 5)).counts() == {}


@settings(max_examples=5)
@given(st.sampled_from([0.5, 4096.0, 1_800_000_000.0]), st.integers(0, 3))
def test_a_shift_in_time_changes_nothing(offset_s: float, seed: int) -> None:
    at = [i / 8 for i in range(16 * 8)]  # exact in binary, also after the shift
    plain = drive(AT_LINE, TRAFFIC, at, Weather(jitter=0.03, seed=seed))
    moved = drive(AT_LINE, TRAFFIC, at, Weather(jitter=0.03, seed=seed), offset_s=offset_s)
    assert [(t + offset_s, r) for t, r in plain.readings] == moved.readings


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({}, "needs a place"),
        ({"lines": ["a"], "zones": ["a"]}, "Extra inputs"),
        ({"lines": ["a"], "lanes": ["a"]}, "names a line and a lane"),
        ({"lines": ["a"], "movements": {"m": ["a", "b"]}}, "'b' is not one of"),
        ({"lines": ["a"], "movements": {"m": ["a"]}}, "at least two different places"),
        ({"lines": ["a"], "report_seconds": 0}, "greater than or equal to 1"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Counting.model_validate(wrong)


def test_what_is_not_drawn_is_an_input_error() -> None:
    with pytest.raises(InputError, match="counting: line 'x' is not drawn on this camera; it has: none"):
        Counting(lines=["x"]).begin(Places())
    lanes = {"a": LaneSettings(polygon=[(0, 0), (0.4, 0), (0.4, 1)], direction=(0, 1))}
    on = Places.build(lines={"far": _line((0.6, 0), (0.9, 0))}, lanes=lanes)
    with pytest.raises(InputError, match="line 'far' does not cross lane 'a'"):
        Counting(lanes=["a"], lanes_at="far").begin(on)
    assert Counting(lanes=["a"], lanes_at="far").places_needed() == {"lines": ["far"], "lanes": ["a"]}


def test_unlisted_labels_do_not_count() -> None:
    assert drive(Counting(lines=["middle"], labels=["bus"]), TRAFFIC, times(0, 32, 5)).counts() == {}


def _line(start: tuple[float, float], end: tuple[float, float]) -> LineSettings:
    return LineSettings.model_validate({"from": start, "to": end})


def _frame(time: float) -> Frame:
    return Frame("c", 1, 0, time, time, np.zeros((300, 400, 3), np.uint8))


def _tracks(ids: list[int], boxes: list[tuple[float, float, float, float]]) -> Tracks:
    n = len(ids)
    return Tracks(
        np.array(boxes, np.float32),
        np.full(n, 0.8, np.float32),
        np.zeros(n, np.int64),
        np.array(ids, np.int64),
        np.full(n, 5.0, np.float32),
        ("car",),
    )
