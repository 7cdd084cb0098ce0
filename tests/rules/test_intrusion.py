"""Intrusion through the real tracker: who, when, how often, at any rate and with holes in what is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from streamer.errors import InputError
from streamer.events import Event, IncidentBook
from streamer.places import Places
from streamer.rules.intrusion import Intrusion
from streamer.tracker import Tracker
from tests.acting import YARD, Actor, act, frame, person, seen, stands, times, tracks, walks

RULE = Intrusion(zones=["yard"])
THROUGH = walks([(0, 0.1, 0.8), (8, 0.9, 0.8)])
"""Enters the yard at 3 s and leaves it at 7 s."""


def said(events: list[Event]) -> list[tuple[str, float]]:
    return [(event.state, event.time) for event in events]


@pytest.mark.parametrize("fps", [2, 5, 10, 25])
def test_somebody_who_walks_through_is_one_incident(fps: float) -> None:
    begin, end = act(RULE, [THROUGH], times(0, 12, fps))
    period_s = 1 / fps
    assert begin.state == "begin"
    assert begin.started == pytest.approx(3.0, abs=period_s + 1e-6)
    assert begin.time == pytest.approx(4.0, abs=2 * period_s + 1e-6)
    assert (begin.zone, begin.label, begin.track_id) == ("yard", "person", 1)
    assert begin.detail == {"dwell_s": pytest.approx(1.0, abs=period_s), "min_seconds": 1.0, "min_confidence": 0.35}
    assert (end.state, end.key) == ("end", begin.key)
    assert end.ended == pytest.approx(7.0, abs=period_s + 1e-6)
    assert end.time == pytest.approx(9.0, abs=2 * period_s + 1e-6)


@settings(max_examples=25)
@given(st.floats(0, 1), st.sampled_from([2.0, 4.0, 5.0, 10.0, 15.0]), st.floats(0.5, 3.0))
def test_times_are_right_within_a_sampling_period_at_any_rate_and_phase(
    phase: float, fps: float, min_seconds: float
) -> None:
    rule = Intrusion(zones=["yard"], min_seconds=min_seconds)
    period_s = 1 / fps
    begin, end = act(rule, [THROUGH], times(phase * period_s, 12, fps))
    assert begin.started == pytest.approx(3.0, abs=period_s + 1e-6)
    # entering and lasting are each seen at the next frame
    assert 3.0 + min_seconds - 1e-6 <= begin.time <= 3.0 + min_seconds + 2 * period_s + 1e-6
    assert end.ended == pytest.approx(7.0, abs=period_s + 1e-6)


@settings(max_examples=25)
@given(st.sampled_from([0.125, 1.0, 4096.0, 1_800_000_000.0]), st.lists(st.floats(1, 20), min_size=1, max_size=3))
def test_a_shift_in_time_shifts_every_event_and_changes_nothing_else(offset_s: float, starts: list[float]) -> None:
    actors: list[Actor] = [
        walks([(start, 0.1, 0.55 + 0.2 * i), (start + 8, 0.9, 0.55 + 0.2 * i)]) for i, start in enumerate(starts)
    ]
    at = [i / 4 for i in range(140)]  # exact in binary, also after the shift
    plain = act(RULE, actors, at)
    moved = act(RULE, actors, at, offset_s=offset_s)
    assert [(e.state, e.key, e.time + offset_s) for e in plain] == [(e.state, e.key, e.time) for e in moved]
    assert [e.detail for e in plain] == [e.detail for e in moved]


@settings(max_examples=30)
@given(st.floats(0, 20), st.floats(0.1, 3.0), st.integers(0, 5))
def test_changing_rates_move_events_by_at_most_the_longest_period(start: float, stays: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    at = [0.0]
    while at[-1] < 32:
        at += list(at[-1] + np.cumsum(np.full(rng.integers(2, 12), 1 / rng.choice([2, 5, 10]))))
    found = act(RULE, [stands(0.6, 0.8, start, start + stays + 2.2)], at)
    assert said(found)[0][0] == "begin"
    assert len(found) == 2
    assert found[0].started == pytest.approx(start, abs=0.5 + 1e-6)
    assert found[0].time == pytest.approx(start + 1.0, abs=1.0 + 1e-6)


def test_brushing_the_edge_is_nothing() -> None:
    assert act(RULE, [walks([(0, 0.3, 0.8), (1, 0.42, 0.8), (2, 0.3, 0.8)])], times(0, 6, 10)) == []


def test_an_unlisted_label_and_a_doubtful_sighting_are_nothing() -> None:
    assert act(Intrusion(zones=["yard"], labels=["car"]), [THROUGH], times(0, 12, 5)) == []
    flicker = Actor(lambda t: (0.6, 0.8), confidence=0.36)
    assert act(Intrusion(zones=["yard"], min_confidence=0.5), [flicker], times(0, 6, 5)) == []
    assert len(act(RULE, [flicker], times(0, 6, 5))) == 1


def test_min_seconds_zero_begins_at_once() -> None:
    (begin,) = act(Intrusion(zones=["yard"], min_seconds=0), [stands(0.6, 0.8, 1, 4)], times(0, 4, 5))
    assert begin.time == pytest.approx(1.2)  # the second sighting makes it a track
    assert begin.started == pytest.approx(1.0)


@pytest.mark.parametrize("missed_s", [0.4, 1.0, 1.8])
def test_a_short_miss_of_the_detector_ends_nothing(missed_s: float) -> None:
    blinking = Actor(lambda t: None if 5.0 < t < 5.0 + missed_s else (0.6, 0.8))
    found = act(RULE, [blinking], times(0, 10, 5))
    assert [event.state for event in found] == ["begin"]


def test_leave_and_come_back_is_a_new_incident() -> None:
    walker = walks([(0, 0.2, 0.8), (2, 0.6, 0.8), (6, 0.6, 0.8), (8, 0.2, 0.8), (12, 0.2, 0.8), (14, 0.6, 0.8)])
    after = stands(0.6, 0.8, 14.0, 20.0)
    found = act(RULE, [Actor(lambda t: walker.where(t) or after.where(t))], times(0, 20, 5))
    assert [event.state for event in found] == ["begin", "end", "begin"]
    assert found[0].key != found[2].key
    assert found[0].track_id == found[2].track_id == 1
    book = IncidentBook()
    named = [book.enter(event) for event in found]
    assert named[0] is not None
    assert named[2] is not None
    assert named[0].id != named[2].id


def test_stepping_out_for_less_than_leave_seconds_is_the_same_incident() -> None:
    walker = walks([(0, 0.6, 0.8), (4, 0.6, 0.8), (6, 0.35, 0.8), (8, 0.6, 0.8), (11, 0.6, 0.8)])
    assert [e.state for e in act(RULE, [walker], times(0, 11, 5))] == ["begin"]


@pytest.mark.parametrize("unknown_s", [1.0, 4.0, 30.0])
def test_a_stretch_of_unknown_ends_nothing_and_counts_for_nothing(unknown_s: float) -> None:
    until = 5.0 + unknown_s
    here = stands(0.6, 0.8, 0.0, until + 5)
    found = act(RULE, [here], times(0, until + 5, 5), unknown=lambda t: 5.0 < t <= until)
    assert [event.state for event in found] == ["begin"]
    slow = act(
        Intrusion(zones=["yard"], min_seconds=8), [here], times(0, until + 5, 5), unknown=lambda t: 5.0 < t <= until
    )
    assert [event.time for event in slow] == [pytest.approx(8.0 + unknown_s, abs=0.01)]


def test_somebody_who_is_gone_after_the_unknown_stretch_ends_leave_seconds_of_watching_later() -> None:
    found = act(RULE, [stands(0.6, 0.8, 0, 5)], times(0, 30, 5), unknown=lambda t: 5.0 < t <= 20.0)
    assert [event.state for event in found] == ["begin", "end"]
    assert found[1].ended == pytest.approx(5.0)
    assert found[1].time == pytest.approx(22.2, abs=0.21)


def test_all_unknown_says_nothing() -> None:
    assert act(RULE, [THROUGH], times(0, 12, 5), unknown=lambda t: True) == []


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0.1, 6)), max_size=4))
def test_unknown_stretches_never_make_an_end_of_somebody_who_stays(holes: list[tuple[float, float]]) -> None:
    found = act(
        RULE,
        [stands(0.6, 0.8, 0, 25)],
        times(0, 25, 5),
        unknown=lambda t: any(start <= t <= start + length for start, length in holes),
    )
    assert [event.state for event in found] in (["begin"], [])
    known = sum(not any(start <= t <= start + length for start, length in holes) for t in times(0, 25, 5))
    assume(known > 15)
    assert [event.state for event in found] == ["begin"]


@pytest.mark.parametrize("hole_s", [1.0, 3.0, 4.9])
def test_a_gap_without_frames_keeps_the_incident_and_time_passes(hole_s: float) -> None:
    at = times(0, 3, 5) + times(3 + hole_s, 12, 5)
    found = act(RULE, [stands(0.6, 0.8, 0, 12)], at)
    assert [event.state for event in found] == ["begin"]
    slow = act(Intrusion(zones=["yard"], min_seconds=8), [stands(0.6, 0.8, 0, 12)], at)
    assert [event.state for event in slow] == ["begin"]
    assert slow[0].time == pytest.approx(8.0, abs=0.21)


def test_a_machine_that_never_keeps_up_still_sees_people_leave() -> None:
    judge, tracker = RULE.begin(Places.build(zones=YARD)), Tracker()
    found: list[Event] = []
    for i in range(30):  # a camera that delivers 2 a second
        detections = seen(person(0.6, 0.8)) if i < 10 else seen()
        found += judge.judge(frame(i / 2, i), tracker.update(detections, i / 2))
    assert said(found) == [("begin", 1.0), ("end", 7.0)]


def test_an_identity_switch_raises_no_second_alarm() -> None:
    judge = RULE.begin(Places.build(zones=YARD))
    box = person(0.6, 0.8)
    found: list[Event] = []
    for i in range(40):
        # the tracker tells of the second number one frame after it lost the first
        now = tracks((1, box), age_s=i / 5) if i < 15 else tracks((2, box), age_s=(i - 15) / 5)
        found += judge.judge(frame(i / 5, i), now if i != 15 else tracks())
    assert [event.state for event in found] == ["begin"]


def test_two_people_are_two_incidents_with_their_own_ends() -> None:
    found = act(RULE, [stands(0.5, 0.7, 0, 6), stands(0.7, 0.95, 1, 9)], times(0, 14, 5))
    assert [event.state for event in found] == ["begin", "begin", "end", "end"]
    assert found[0].key == found[2].key != found[1].key
    assert [event.ended for event in found[2:]] == [pytest.approx(6.0), pytest.approx(9.0)]


def test_every_zone_counts_for_itself() -> None:
    zones = {**YARD, "lawn": [(0.0, 0.5), (0.4, 0.5), (0.4, 1.0), (0.0, 1.0)]}
    found = act(Intrusion(zones=["yard", "lawn"]), [THROUGH], times(0, 12, 10), zones)
    assert [(event.zone, event.state) for event in found] == [
        ("lawn", "begin"),
        ("yard", "begin"),
        ("lawn", "end"),
        ("yard", "end"),
    ]


def test_an_arm_from_above_is_nobody_unless_asked_for() -> None:
    arm = [seen((0.5, 0.0, 0.6, 0.6))] * 20
    for rule, expected in ((RULE, 0), (Intrusion(zones=["yard"], headless=True), 1)):
        judge, tracker = rule.begin(Places.build(zones=YARD)), Tracker()
        events = [e for i, d in enumerate(arm) for e in judge.judge(frame(i / 5, i), tracker.update(d, i / 5))]
        assert len(events) == expected


def test_the_schedule_decides_when_it_may_begin_but_not_when_it_ends() -> None:
    class Until(Intrusion):
        def holds_at(self, time: float) -> bool:
            return 5.0 <= time < 8.0

    rule = Until(zones=["yard"])
    found = act(rule, [stands(0.6, 0.8, 0, 10)], times(0, 14, 5))
    assert said(found) == [("begin", pytest.approx(5.0)), ("end", pytest.approx(12.2, abs=0.21))]
    assert found[0].started == pytest.approx(0.0)
    assert act(rule, [stands(0.6, 0.8, 8.0, 12)], times(0, 15, 5)) == []


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 8), st.floats(0.05, 0.95)), max_size=5), st.integers(0, 3))
def test_begins_and_ends_alternate_for_each_key_and_each_end_is_after_its_begin(
    visits: list[tuple[float, float, float]], seed: int
) -> None:
    actors = [stands(x, 0.6 + 0.08 * i, start, start + length) for i, (start, length, x) in enumerate(visits)]
    found = act(RULE, actors, times(0, 45, [2, 5, 7, 10][seed]))
    assert [event.time for event in found] == sorted(event.time for event in found)
    for _, group in itertools.groupby(sorted(found, key=lambda e: e.key), key=lambda e: e.key):
        events = list(group)
        assert [event.state for event in events] == ["begin", "end"]
        begin, end = events
        assert begin.started is not None
        assert end.ended is not None
        assert begin.started <= begin.time <= end.time
        assert begin.started + 1.0 - 1e-6 <= end.ended + 1e-6 <= end.time


def test_a_zone_that_is_not_drawn_is_an_input_error() -> None:
    with pytest.raises(InputError, match="intrusion: zone 'roof' is not drawn on this camera; it has: yard"):
        Intrusion(zones=["yard", "roof"]).begin(Places.build(zones=YARD))
    with pytest.raises(InputError, match="it has: none"):
        RULE.begin(Places())
    assert RULE.places_needed() == {"zones": ["yard"]}


@pytest.mark.parametrize(
    "wrong",
    [{}, {"zones": []}, {"zones": ["a"], "min_seconds": -1}, {"zones": ["a"], "leave_seconds": 0}, {"zone": ["a"]}],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Intrusion.model_validate(wrong)
