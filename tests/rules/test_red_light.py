"""Red light at a junction with exact truth, through the real tracker, a real feed and a real lamp."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from streamer.errors import InputError
from streamer.events import Event
from streamer.places import Places
from streamer.rules.red_light import RedLight
from streamer.types import Tracks
from tests.acting import times
from tests.rules.junction import LINE_M, RED_AT, Junction, Vehicle, along, aspect_at, line, polygon, through
from tests.signals import heads

RUNS = through(16.0)
"""Three seconds after red."""
TRAPS = {
    "on green": through(5.0),
    "on amber": through(12.0),
    "within the grace": through(RED_AT + 0.25),
    "stops before the line": along([(10, -15), (14, -0.8), (25.5, -0.8), (30, 25)]),
    "stops on the line": along([(10, -15), (14.5, 1.5), (25.5, 1.5), (30, 25)]),
    "creeps over the line": along([(10, -15), (14, -0.6), (24.8, 3.2), (30, 25)]),
    "was over the line when it turned red": along([(8, -12), (12.8, 0.6), (20, 1.0), (24, 14)]),
    "crawls over on amber and clears": along([(9, -6), (12.9, 0.3), (18, 10), (22, 25)]),
    "backs up": along([(10, -15), (14, 2.0), (18, -3.0), (25.5, -3.0), (30, 25)]),
}


def begins(events: list[Event]) -> list[Event]:
    return [event for event in events if event.state == "begin"]


@pytest.mark.parametrize("witness", ["feed", "lamp", "both"])
@pytest.mark.parametrize("fps", [2, 5, 10, 15])
def test_who_runs_a_red_light_is_caught_once_and_told_why(fps: float, witness: str) -> None:
    events, readings = Junction([RUNS], witness=witness).watch(times(9, 23, fps))
    assert [event.state for event in events] == ["begin", "end"]
    begin, end = events
    assert begin.started == pytest.approx(16.0, abs=0.5 / fps + 0.12)
    assert (begin.line, begin.label, begin.kind) == ("stop", "car", "red_light")
    detail = begin.detail
    assert detail["signal"] == "north"
    assert detail["source"] == witness
    assert detail["red_since"] == pytest.approx(RED_AT, abs=1 / fps + 0.51)
    assert detail["red_since"] >= RED_AT
    assert detail["red_for_s"] == pytest.approx(detail["crossed_at"] - detail["red_since"], abs=0.011)
    assert detail["lengths_beyond"] >= 1.0
    assert detail["before"]["time"] < 16.0 + 0.12 <= detail["at"]["time"] + 0.24
    # two frames a second may not see it between the line and a length beyond
    assert detail["at"]["time"] <= detail["after"]["time"] <= begin.time + 1e-3
    assert all(detail[name]["signal"] == "red" and len(detail[name]["box"]) == 4 for name in ("before", "at", "after"))
    shown = [(moment.time, moment.box) for moment in begin.moments]
    assert [(round(at, 3), [round(v, 4) for v in box]) for at, box in shown] == [
        (detail[name]["time"], detail[name]["box"]) for name in ("before", "at", "after")
    ]
    assert begin.time - shown[0][0] <= RedLight.evidence_s
    assert (end.key, end.box, end.moments) == (begin.key, None, ())
    assert end.ended is not None
    assert [(r.place, r.value, r.label) for r in readings if r.kind == "red_light"] == [("stop", 1, "car")]
    assert json.loads(json.dumps(detail)) == detail


@pytest.mark.parametrize(("fps", "witness"), [(2, "feed"), (2, "lamp"), (5, "lamp"), (15, "both")])
@pytest.mark.parametrize("trap", TRAPS)
def test_who_does_nothing_wrong_is_not_accused(trap: str, fps: float, witness: str) -> None:
    events, _ = Junction([TRAPS[trap]], witness=witness, jitter=0.01, seed=3).watch(times(3, 31, fps))
    assert events == []


def test_standing_at_the_line_and_then_going_on_red_is_running_it() -> None:
    waits = along([(10, -15), (14, -0.8), (20, -0.8), (22, 4), (24, 20)])
    events, _ = Junction([waits], witness="both").watch(times(0, 28, 5))
    (begin,) = begins(events)
    assert begin.started == pytest.approx(20.33, abs=0.4)


@pytest.mark.parametrize("weather", [heads.NIGHT, heads.RAIN, heads.DUSK])
@pytest.mark.parametrize("fps", [2, 10])
def test_by_night_and_in_the_rain(weather: heads.Weather, fps: float) -> None:
    traffic = [through(5.0), through(12.0), RUNS, through(41.5, 8.0)]  # red again from 38 to 50
    events, _ = Junction(traffic, witness="lamp", weather=weather, jitter=0.02).watch(times(0, 60, fps))
    assert [round(event.started or 0) for event in begins(events)] == [16, 42]


def test_at_a_rate_that_jumps() -> None:
    for seed in range(2):
        rng = np.random.default_rng(seed)
        at = [0.0]
        while at[-1] < 48:
            at += list(at[-1] + np.cumsum(np.full(rng.integers(2, 12), 1 / rng.choice([2, 5, 10, 15]))))
        for name, vehicle in {**TRAPS, "runs": through(16.0, 8.0)}.items():
            events, _ = Junction([vehicle], witness="both", jitter=0.01, seed=seed).watch([t for t in at if t < 31])
            assert len(begins(events)) == (name == "runs"), (seed, name)


@settings(max_examples=25)
@given(
    st.floats(0, 1),
    st.sampled_from([2.0, 4.0, 5.0, 10.0, 15.0]),
    st.floats(3, 16),
    st.floats(14.6, 22.5),
    st.sampled_from(["feed", "lamp", "both"]),
)
def test_caught_at_any_rate_phase_and_speed(phase: float, fps: float, speed: float, at: float, witness: str) -> None:
    # it must be a length beyond while it is red, and while the feed still vouches for that
    assume(at + 5.5 / speed < (24.0 if witness == "lamp" else 23.4))
    assume(speed / fps <= 3.0)  # near the camera a tracker loses what leaves its own box behind
    # a feed that speaks twice a second may tell of red half a second late
    assume(at > (14.6 if witness == "lamp" else 15.1) + (0.5 if fps < 4 else 0.0))
    events, _ = Junction([through(at, speed)], witness=witness).watch(times(9 + phase / fps, 26, fps))
    found = begins(events)
    assert len(found) == 1
    assert found[0].started == pytest.approx(at, abs=0.5 / fps + 0.8 / speed + 0.05)


def test_a_verdict_at_the_very_edge_of_what_is_vouched_for_is_not_given_up() -> None:
    at = 16.759520487183035  # a message of the feed falls on the frame beyond, but for a rounding
    events, _ = Junction([through(at, 5.280145740710651)], witness="both").watch(times(at - 14, at + 9, 10))
    assert len(begins(events)) == 1


@settings(max_examples=40)
@given(
    st.floats(0, 1),
    st.sampled_from([2.0, 5.0, 10.0]),
    st.floats(2, 16),
    st.floats(0, 50),
    st.floats(0, 0.02),
    st.sampled_from(["feed", "lamp", "both"]),
    st.integers(0, 9),
)
def test_nobody_is_accused_who_crossed_before_red_or_was_gone_by_green(
    phase: float, fps: float, speed: float, at: float, jitter: float, witness: str, seed: int
) -> None:
    junction = Junction([through(at, speed)], witness=witness, jitter=jitter, seed=seed)
    events, _ = junction.watch(times(max(0.0, at - 14) + phase / fps, at + 10, fps))
    # a front is known to about half a meter: nearer to the change than that nobody is to be sure
    crossed = {aspect_at(at + slack) for slack in (-0.8 / speed, 0.0)}
    if begins(events):
        assert crossed == {"red"}, (at, speed)
        assert at % 25.0 >= RED_AT + 0.5 - 0.8 / speed


@settings(max_examples=15)
@given(st.sampled_from([0.125, 1.0, 4096.0, 1_800_000_000.0]), st.integers(0, 3))
def test_a_shift_in_time_shifts_every_event_and_changes_nothing_else(offset_s: float, which: int) -> None:
    traffic = [RUNS, list(TRAPS.values())[which]]
    at = [i / 4 for i in range(112)]  # exact in binary, also after the shift
    plain, _ = Junction(traffic, witness="feed").watch(at)
    moved, _ = Junction(traffic, witness="feed", offset_s=offset_s).watch(at)
    assert [(e.state, e.key, round(e.time + offset_s, 3)) for e in plain] == [
        (e.state, e.key, round(e.time, 3)) for e in moved
    ]
    assert len(begins(plain)) == 1


# --- right turns ---

EXIT = polygon((3.5, LINE_M + 3), (14.0, LINE_M + 3), (14.0, LINE_M + 9), (3.5, LINE_M + 9))


def turning(at: float, speed: float = 5.0, waits_s: float = 0.0) -> Vehicle:
    """Crosses the line at `at`, turns right with a radius of 6 m, and leaves to the right."""
    radius, straight = 6.0, 3.0

    def where(t: float) -> tuple[float, float] | None:
        way = (t - at) * speed
        if waits_s and way > 5.0:  # for people who cross the exit
            way = max(5.0, way - waits_s * speed)
        way -= 2.2  # its middle
        if not -14 < way < 24:
            return None
        if way < straight:
            return 0.0, LINE_M + way
        angle = min((way - straight) / radius, math.pi / 2)
        rest = max(0.0, way - straight - radius * math.pi / 2)
        return radius * (1 - math.cos(angle)) + rest, LINE_M + straight + radius * math.sin(angle)

    return Vehicle(where)


@pytest.mark.parametrize("fps", [2, 5, 10])
@pytest.mark.parametrize(("speed", "waits_s"), [(3.0, 0.0), (5.0, 0.0), (8.0, 0.0), (5.0, 6.0)])
def test_a_right_turn_by_the_exempt_zone_is_no_offence(speed: float, waits_s: float, fps: float) -> None:
    junction = Junction([turning(15.0, speed, waits_s)], witness="lamp", exempt=EXIT)
    assert junction.watch(times(12, 40, fps))[0] == []
    without = Junction([turning(15.0, speed)], witness="lamp")
    assert len(begins(without.watch(times(12, 30, fps))[0])) == 1, "the trap is one"


@pytest.mark.parametrize("fps", [2, 5, 10])
def test_straight_on_beside_an_exempt_zone_is_one(fps: float) -> None:
    events, _ = Junction([RUNS], witness="lamp", exempt=EXIT).watch(times(0, 30, fps))
    assert len(begins(events)) == 1


def test_lost_on_the_way_into_the_exempt_zone_is_no_offence() -> None:
    turner = turning(15.0, 5.0)
    hidden = replace(turner, where=lambda t: None if t > 16.6 else turner.where(t))  # behind a truck from there
    assert Junction([hidden], witness="lamp", exempt=EXIT).watch(times(0, 30, 10))[0] == []


# --- trackers ---


def renumbered(at: float, add: int = 50) -> Any:
    """From a time on every track has another number, and was born then."""

    def renumber(tracks: Tracks, t: float) -> Tracks:
        if t < at:
            return tracks
        ages = np.minimum(tracks.ages_s, np.float32(max(t - at, 0.0)))
        return replace(tracks, track_ids=tracks.track_ids + add, ages_s=ages)

    return renumber


@pytest.mark.parametrize("at", [15.3, 15.9, 16.0, 16.1, 16.3, 17.0])
@pytest.mark.parametrize("fps", [5, 10])
def test_a_new_number_at_the_line_changes_nothing(fps: float, at: float) -> None:
    events, _ = Junction([RUNS], witness="lamp", renumber=renumbered(at)).watch(times(9, 23, fps))
    assert [event.state for event in events] == ["begin", "end"]
    for trap in ("stops on the line", "creeps over the line", "was over the line when it turned red"):
        junction = Junction([TRAPS[trap]], witness="lamp", renumber=renumbered(at))
        assert junction.watch(times(6, 31, fps))[0] == []


def test_numbers_that_two_vehicles_swap_accuse_nobody() -> None:
    waits = along([(8, -15), (13, -0.8), (26, -0.8), (30, 25)])
    # somebody crosses behind the line from left to right, on green of the other road
    crosses = Vehicle(lambda t: ((t - 17) * 8.0, LINE_M + 6.5) if abs(t - 17) < 1.8 else None)

    def swap(tracks: Tracks, t: float) -> Tracks:
        if t < 17.0 or len(tracks) < 2:
            return tracks
        return replace(tracks, track_ids=tracks.track_ids[::-1].copy())

    for fps in (5.0, 10.0):
        events, _ = Junction([waits, crosses], witness="lamp", renumber=swap).watch(times(6, 31, fps))
        assert events == []


def test_a_vehicle_of_the_other_road_never_takes_over_from_one_that_waits() -> None:
    waits = along([(8, -15), (13, -0.8), (16.9, -0.8)])  # then a truck hides it
    crosses = Vehicle(lambda t: ((t - 18) * 8.0, LINE_M + 6.5) if abs(t - 18) < 1.8 else None)
    assert Junction([waits, crosses], witness="lamp").watch(times(0, 32, 5))[0] == []


def test_a_detector_that_misses_it_on_the_line_changes_nothing() -> None:
    events, _ = Junction([RUNS], witness="lamp", missed=lambda t: 15.9 < t < 16.3).watch(times(9, 23, 10))
    assert len(begins(events)) == 1


def test_unknown_answers_neither_begin_nor_end_anything() -> None:
    blind = Junction([RUNS], witness="lamp", unknown=lambda t: t > 15.5).watch(times(9, 23, 5))
    assert blind[0] == []
    late = Junction([RUNS], witness="lamp", unknown=lambda t: t > 17.0).watch(times(9, 23, 5))
    assert [event.state for event in late[0]] == ["begin"]


# --- signals that are not to be believed ---


def every_half(state: Any = aspect_at, delay_s: float = 0.0, stamped: bool = True) -> Any:
    return lambda t: [(state(t), t if stamped else None, t + delay_s)]


@pytest.mark.parametrize(
    ("name", "feed"),
    [
        ("never heard", lambda t: []),
        ("silent since green", lambda t: [] if t > 9 else [(aspect_at(t), t, t)]),
        ("silent since red", lambda t: [] if t > 14 else [(aspect_at(t), t, t)]),
        ("late", every_half(delay_s=3.0)),
        ("from the future", lambda t: [(aspect_at(t), t + 5, t)]),
        ("always red", every_half(lambda t: "red", stamped=False)),
        ("red and green at once", lambda t: [("red", t, t), ("green", t + 0.01, t)]),
        ("flickers", lambda t: [("red" if int(2 * t) % 2 else "green", t, t)]),
        ("without amber", lambda t: [("red" if aspect_at(t) == "red" else "green", t, t)]),
        ("speaks in tongues", lambda t: [("purple", t, t)]),
        ("off", lambda t: [("dark", t, t)]),
    ],
)
def test_a_feed_that_is_not_to_be_believed_accuses_nobody(name: str, feed: Any) -> None:
    traffic = [through(1.0 + 3 * i) for i in range(8)]
    if name == "always red":  # which is a lie that only a lamp, or time, can tell
        junction = Junction(traffic, feed=feed, feed_settings={"stuck_seconds": 8, "max_age_seconds": 2})
        events, readings = junction.watch(times(0, 30, 5))
        assert all(event.started is not None and event.started < 8 for event in begins(events))
    else:
        events, readings = Junction(traffic, feed=feed).watch(times(0, 30, 5))
        assert events == []
    assert any(r.kind == "red_light_undecided" for r in readings)
    # where a lamp is in the picture as well, it is asked
    events, _ = Junction(traffic, witness="both", feed=feed).watch(times(0, 30, 5))
    assert all(aspect_at(event.started or 0.0) == "red" for event in begins(events))


def test_news_that_is_still_under_way_is_waited_for() -> None:
    """Green comes 0.9 s late; somebody who drives off on it is not accused in the meantime."""
    delayed = every_half(delay_s=0.9)
    goes = along([(15, -12), (20, -0.8), (25.1, -0.8), (26.0, 6.0), (28, 25)])
    events, _ = Junction([goes], feed=delayed).watch(times(0, 34, 10))
    assert events == []


def test_a_feed_that_contradicts_its_lamp_accuses_nobody() -> None:
    inverted = every_half(lambda t: aspect_at(t + 12.5))
    traffic = [through(1.0 + 2.5 * i) for i in range(18)]
    events, readings = Junction(traffic, witness="both", feed=inverted).watch(times(0, 50, 5))
    assert events == []
    assert [r for r in readings if r.kind == "red_light_undecided"]


# --- many things at once, settings, schedules ---


def test_each_of_several_is_judged_for_itself() -> None:
    traffic = [
        through(11.5, right=0.0),
        through(16.0),
        through(17.5),
        through(19.0, label="truck", length=8.0, height=3.0),
    ]
    events, _ = Junction(traffic, witness="both").watch(times(0, 32, 10))
    assert [round(event.started or 0, 0) for event in begins(events)] == [16, 18, 19]
    assert [event.label for event in begins(events)] == ["car", "car", "truck"]
    assert len({event.key for event in begins(events)}) == 3


def test_another_lane_is_not_this_line() -> None:
    assert Junction([through(16.0, right=4.5)], witness="lamp").watch(times(9, 23, 5))[0] == []


def test_towards_the_camera_the_line_points_the_other_way() -> None:
    comes = Vehicle(lambda t: (0.0, LINE_M + 15 - 10 * (t - 14.5)) if 14.5 <= t < 18 else None)
    start, end = line().from_, line().to
    turned = Places.build(lines={"stop": type(line()).model_validate({"from": end, "to": start})})
    assert len(begins(Junction([comes], witness="lamp", places=turned).watch(times(9, 23, 10))[0])) == 1
    assert Junction([comes], witness="lamp").watch(times(9, 23, 10))[0] == []


def test_people_and_doubtful_boxes_are_not_vehicles() -> None:
    assert Junction([replace(RUNS, label="person")], witness="lamp").watch(times(9, 23, 5))[0] == []
    assert Junction([replace(RUNS, confidence=0.36)], witness="lamp").watch(times(9, 23, 5))[0] == []


def test_the_state_of_the_signal_is_a_reading_when_it_changes() -> None:
    _, readings = Junction([], witness="lamp").watch(times(0, 26, 5))
    on = [(r.label, r.value) for r in readings if r.kind == "signal" and r.value == 1]
    assert [label for label, _ in on] == [
        *("unknown", "green", "unknown", "amber", "unknown", "red", "unknown", "green"),
    ]


def test_its_schedule_is_that_of_the_crossing() -> None:
    noon = 1_796_040_000.0  # 2026-11-30 12:00 UTC, a Monday
    for when, count in (("Mon 11:00-13:00 UTC", 1), ("Mon 13:00-14:00 UTC", 0), ("Tue UTC", 0)):
        events, _ = Junction([RUNS], witness="lamp", offset_s=noon).watch(times(9, 23, 5), when=when)
        assert len(begins(events)) == count


def test_what_it_needs_must_be_there() -> None:
    rule = RedLight(stop_lines={"stop": "north"}, exempt_zones=["exit"])
    assert rule.places_needed() == {"lines": ["stop"], "signals": ["north"], "zones": ["exit"]}
    with pytest.raises(InputError, match="line 'stop' is not known on this camera; it has: none"):
        rule.begin(Places())
    with pytest.raises(InputError, match="signal 'north'"):
        rule.begin(Places.build(lines={"stop": line()}))


@pytest.mark.parametrize(
    "wrong", [{"stop_lines": {}}, {"grace_seconds": -1}, {"min_lengths": 0.1}, {"ground_share": 0}, {"lines": ["stop"]}]
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RedLight.model_validate({"stop_lines": {"stop": "north"}, **wrong})
