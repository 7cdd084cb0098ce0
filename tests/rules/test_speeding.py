"""Speeding on simulated roads, whose speeds in meters are exact: who is too fast is told once, with the right speed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from streamer.errors import InputError
from streamer.ground import Ground
from streamer.places import Places
from streamer.rules.speeding import KMH, Speeding
from streamer.simulator.scene import Scene
from tests.driving import (
    CASES,
    EAST_Y,
    LENS,
    WEATHERS,
    Told,
    Weather,
    drive,
    eastbound,
    jumping,
    places,
    scene,
    times,
    westbound,
)

RULE = Speeding(lanes=["east", "west"], limit_kmh=20, window_seconds=0.8, min_seconds=0.4)
_CORNERS = [(-4.0, 12.0), (4.0, 12.0), (4.0, 7.5), (-4.0, 7.5)]
GROUND = Ground([LENS.image(*corner) for corner in _CORNERS], (8.0, 4.5))
"""A rectangle of 8 by 4.5 m on the road."""
ROAD = scene(
    [
        eastbound("slow", 0.5, 4.0),
        eastbound("fast", 7.0, 8.5),
        westbound("calm", 3.0, 5.0),
        westbound("racer", 11.0, 9.5),
        eastbound("just-below", 13.0, 6.3),
    ],
    20.0,
)
"""20 km/h and 5 of tolerance are 6.9 m/s."""


def clock(
    drawn: Scene, at: list[float], weather: Weather = WEATHERS["clear"], rule: Speeding = RULE, **how: object
) -> Told:
    return drive(rule, drawn, at, weather, places(drawn, ground=GROUND), **how)


def test_the_ground_plane_is_that_of_the_lens() -> None:
    for point in ((0.2, 0.6), (0.5, 0.8), (0.9, 0.7)):
        right, away = LENS.ground(point)
        (found,) = GROUND.meters(np.array([point]))
        assert found == pytest.approx([right + 4.0, 12.0 - away], abs=1e-6)


@pytest.mark.parametrize(("weather", "fps"), [(weather, max(fps, 5)) for weather, fps in CASES])
def test_who_is_too_fast_is_told_once_in_every_weather(weather: str, fps: float) -> None:
    told = clock(ROAD, times(0, 20, fps), WEATHERS[weather])
    assert sorted(begin.zone or "" for begin in told.begins()) == ["east", "west"]
    assert [event.state for event in told.events].count("end") == 2
    for begin, true in zip(sorted(told.begins(), key=lambda e: e.zone or ""), (8.5, 9.5), strict=True):
        assert begin.detail["speed_kmh"] == pytest.approx(true * KMH, rel=0.12)
        assert begin.detail["fast_s"] >= begin.detail["min_seconds"]
        assert begin.detail["limit_kmh"] == 20
    assert told.counts("speeding") == {("east", ""): 1, ("west", ""): 1}


@pytest.mark.parametrize("fps", [5, 10, 15])
def test_the_gauge_is_the_speed(fps: float) -> None:
    for speed in (4.0, 8.0, 12.0):
        levels = clock(scene([eastbound("a", 0.0, speed)], 8.0), times(0, 8, fps)).levels("speed_mps", "east")
        assert [value for _, value in levels] == pytest.approx([speed] * len(levels), rel=0.03)
        assert levels


def test_a_speed_measured_at_two_frames_a_second() -> None:
    levels = clock(scene([eastbound("a", 0.0, 3.0)], 10.0), times(0, 10, 2)).levels("speed_mps", "east")
    assert np.median([value for _, value in levels]) == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize("seed", range(4))
def test_changing_rates(seed: int) -> None:
    assert len(clock(ROAD, jumping(0, 20, seed, (5, 8, 10, 15))).begins()) == 2


@settings(max_examples=10)
@given(st.integers(0, 20))
def test_jitter_makes_nobody_faster_than_the_tolerance(seed: int) -> None:
    calm = scene([eastbound("a", 0.0, 5.0), westbound("b", 1.0, 5.5), eastbound("c", 4.0, 4.0)], 10.0)
    assert clock(calm, times(0, 10, 10), Weather(jitter=0.05, misses=0.1, seed=seed)).events == []


def test_number_switches_neither_tell_twice_nor_invent_a_speed() -> None:
    for every in (4, 7, 11):
        told = clock(ROAD, times(0, 20, 10), switch=lambda t, n=every: round(t * 10) % n == 0)
        assert len(told.begins()) == 2, every


def test_unknown_stretches_do_not_make_anybody_fast() -> None:
    calm = scene([eastbound("a", 0.0, 5.0)], 10.0)
    assert clock(calm, times(0, 10, 10), unknown=lambda t: 2.0 < t < 2.8).events == []
    held = [t for t in times(0, 10, 10) if not 2.0 < t < 2.8]
    assert clock(calm, held).events == []


@settings(max_examples=5)
@given(st.sampled_from([0.25, 4096.0, 1_800_000_000.0]))
def test_a_shift_in_time_shifts_every_event(offset_s: float) -> None:
    at = [i / 8 for i in range(20 * 8)]
    plain, moved = clock(ROAD, at), clock(ROAD, at, offset_s=offset_s)
    assert [(e.state, e.key, e.time + offset_s) for e in plain.events] == [
        (e.state, e.key, e.time) for e in moved.events
    ]


def test_the_ground_plane_is_asked_for() -> None:
    assert RULE.ground_needed()
    with pytest.raises(InputError, match="speeding: the camera has no ground plane"):
        RULE.begin(places(ROAD))
    with pytest.raises(InputError, match="lane 'x' is not drawn"):
        Speeding(lanes=["x"], limit_kmh=50).begin(Places(ground=GROUND))
    with pytest.raises(ValidationError, match="limit_kmh"):
        Speeding.model_validate({"lanes": ["east"]})
    assert EAST_Y < 1
