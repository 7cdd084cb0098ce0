"""Falls that the detector sees and falls that it loses, and all that only looks like one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import InputError
from streamer.places import Places
from streamer.rules.fall import Fall
from tests.rules.falling import TALL, UP, WIDE, Key, Person, falls, play, rows, stands
from tests.rules.properties import clocks, longest

RULE = Fall()
BOTH = [("fall", "begin"), ("fallen", "begin")]
ENDED = [*BOTH, ("fall", "end"), ("fallen", "end")]
RATES = (2, 5, 8)
LOST_RATES = (3, 5, 8)
"""At two frames a second, who is lost on the way down is too often first seen to stir when they already lie."""


def lost_from(*spans: tuple[float, float]):  # type: ignore[no-untyped-def]
    return lambda t: any(begin <= t < end for begin, end in spans)


@pytest.mark.parametrize("fps", LOST_RATES)
@pytest.mark.parametrize("lost", [(), ((4.4, 60.0),), ((4.2, 6.0),)], ids=["seen", "lost", "lost for a while"])
def test_a_fall_is_told_at_any_rate_whether_or_not_the_detector_sees_who_lies(fps: float, lost) -> None:  # type: ignore[no-untyped-def]
    found = play(RULE, [Person(falls(4.0, 14.0), lost=lost_from(*lost))], 14.0, fps)
    assert rows(found) == BOTH
    fall, fallen = found
    assert fall.started == pytest.approx(4.6, abs=0.35 + 1 / fps)
    assert 5.5 <= fall.time <= 4.9 + RULE.min_seconds + 0.35 + 2 / fps
    assert fallen.time <= 4.0 + 5.0 + 1 / fps
    assert fall.detail["evidence"] == ("picture" if lost == ((4.4, 60.0),) else fall.detail["evidence"])


@pytest.mark.parametrize("fps", RATES)
def test_boxes_alone_are_enough_where_the_picture_says_nothing(fps: float) -> None:
    found = play(RULE, [Person(falls(4.0, 18.0, up=11.0))], 18.0, fps, blank=True)
    assert rows(found) == ENDED
    assert found[0].detail["evidence"] == "box"


@pytest.mark.parametrize("fps", LOST_RATES)
@pytest.mark.parametrize("lost", [(4.4, 11.0), (4.4, 13.0), (4.4, 60.0)], ids=["lying", "until they stand", "for good"])
def test_it_ends_when_they_get_up(fps: float, lost: tuple[float, float]) -> None:
    person = Person([*falls(4.0, 14.0, up=11.0), (18.0, 0.2, UP, WIDE)], lost=lost_from(lost))
    found = play(RULE, [person], 18.0, fps)
    assert rows(found) == ENDED
    assert 11.3 <= found[-1].time <= 14.5 + 2 / fps


def test_the_trace_says_why() -> None:
    fall, fallen = play(RULE, [Person(falls(4.0, 14.0), lost=lost_from((4.4, 60.0)))], 14.0)
    assert fall.detail["drop_s"] == pytest.approx(0.5, abs=0.3)
    assert fall.detail["head_heights"] < fall.detail["low_heights"] == 0.45
    assert fall.detail["max_fall_seconds"] == 1.5
    assert fall.detail["vacated"] > 0.5
    assert fall.detail["lies"] > 0.05
    assert (fall.detail["min_seconds"], fallen.detail["min_seconds"]) == (1.0, 3.0)
    assert fall.box is not None
    assert fall.box[0] < 0.65 < fall.box[2]
    assert (fall.label, fall.zone) == ("person", None)


# --- what is no fall ---

SITS: list[Key] = [(5.0, 0.5, 0.7, 0.45), (14.0, 0.5, 0.7, 0.45)]
BENDS: list[Key] = [(4.7, 0.5, 0.55, 0.6), (5.7, 0.5, 0.55, 0.6), (6.4, 0.5, UP, WIDE), (14.0, 0.5, UP, WIDE)]
CROUCHES: list[Key] = [(4.7, 0.5, 0.52, 0.45), (14.0, 0.5, 0.52, 0.45)]
PICKS_UP: list[Key] = [(4.5, 0.5, 0.4, 0.6), (5.0, 0.5, 0.4, 0.6), (5.5, 0.5, UP, WIDE), (14.0, 0.5, UP, WIDE)]
LIES_DOWN: list[Key] = [(5.2, 0.5, 0.6, 0.5), (6.5, 0.5, 0.55, 0.5), (7.5, 0.6, 0.22, 0.95), (14.0, 0.6, 0.22, 0.95)]
SQUATS: list[Key] = [(4 + 0.6 * i, 0.5, (0.55, UP)[i % 2], WIDE) for i in range(1, 16)]


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("lost", [(60.0, 61.0), (4.6, 60.0)], ids=["seen", "lost"])
@pytest.mark.parametrize(
    "keys",
    [SITS, BENDS, CROUCHES, PICKS_UP, LIES_DOWN, SQUATS],
    ids=["sits", "bends", "crouches", "picks up", "lies down slowly", "squats"],
)
def test_what_people_do_every_day_is_no_fall(fps: float, lost: tuple[float, float], keys: list[Key]) -> None:
    assert play(RULE, [Person([*stands(0, 4.0), *keys], lost=lost_from(lost))], 14.0, fps) == []


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("x", [-0.2, 1.2])
@pytest.mark.parametrize("lost", [(60.0, 61.0), (4.6, 60.0)], ids=["seen", "lost"])
def test_who_walks_out_has_not_fallen(fps: float, x: float, lost: tuple[float, float]) -> None:
    person = Person([*stands(0, 4.0), (4 + abs(x - 0.5) / 0.3, x, UP, WIDE)], lost=lost_from(lost))
    assert play(RULE, [person], 12.0, fps) == []


@pytest.mark.parametrize("fps", RATES)
def test_who_comes_nearer_and_goes_out_below_has_not_fallen(fps: float) -> None:
    class Leaving(Person):
        def box(self, t: float):  # type: ignore[no-untyped-def]
            down = max(0.0, t - 4.0) * 0.35
            box = (0.45, 0.35 + down, 0.55, 0.85 + down)
            return None if box[1] > 0.97 else (box[0], box[1], box[2], min(box[3], 1.0))

    assert play(RULE, [Leaving(stands(0, 10))], 10.0, fps) == []


@pytest.mark.parametrize("fps", RATES)
def test_who_goes_behind_something_has_not_fallen(fps: float) -> None:
    class Behind(Person):
        def box(self, t: float):  # type: ignore[no-untyped-def]
            x = 0.3 + 0.1 * max(0.0, t - 3.0)
            left, right = x - 0.06, min(x + 0.06, 0.6)
            return None if right - left < 0.02 else (left, 0.35, right, 0.85)

    assert play(RULE, [Behind(stands(0, 12))], 12.0, fps) == []
    assert play(RULE, [Behind(stands(0, 12), lost=lost_from((5.0, 60.0)))], 12.0, fps) == []


@pytest.mark.parametrize("fps", RATES)
def test_boxes_of_legs_and_of_two_are_no_fall(fps: float) -> None:
    class Half(Person):
        def seen(self, t: float):  # type: ignore[no-untyped-def]
            return t

        def box(self, t: float):  # type: ignore[no-untyped-def]
            top = 0.35 if t < 4 or int(t * 2) % 3 else 0.65  # half a second of legs now and then
            return 0.44, top, 0.56, 0.85

    assert play(RULE, [Half(stands(0, 12))], 12.0, fps, blank=True) == []


def test_a_box_that_jumps_down_faster_than_anybody_falls_is_no_fall() -> None:
    keys = [*stands(0, 4.0), (4.01, 0.5, 0.3, 0.9), (10.0, 0.5, 0.3, 0.9)]
    assert play(RULE, [Person(keys)], 10.0, 15.0, blank=True) == []


# --- others ---


@pytest.mark.parametrize("fps", [5, 10])
def test_who_stands_far_off_does_not_hide_a_fall(fps: float) -> None:
    other = Person([*stands(0, 14.0, 0.1)], coat=1)
    fallen = Person(falls(4.0, 14.0), lost=lost_from((4.4, 60.0)))
    assert rows(play(RULE, [other, fallen], 14.0, fps)) == BOTH


@pytest.mark.parametrize("fps", [5, 10])
def test_who_is_lost_among_others_is_not_judged(fps: float) -> None:
    near = Person(stands(0, 14.0, 0.62), coat=1)
    lost = Person(falls(4.0, 14.0), lost=lost_from((4.4, 60.0)))
    assert play(RULE, [near, lost], 14.0, fps) == []
    seen = Person(falls(4.0, 14.0))
    assert rows(play(RULE, [near, seen], 14.0, fps)) == BOTH


@pytest.mark.parametrize("fps", [3, 5, 10])
def test_a_helper_does_not_end_it(fps: float) -> None:
    helper = Person([(9.0, -0.1, UP, WIDE), (11.0, 0.42, UP, WIDE), (20.0, 0.42, UP, WIDE)], coat=1)
    fallen = Person(falls(4.0, 20.0), lost=lost_from((4.4, 60.0)))
    assert rows(play(RULE, [fallen, helper], 20.0, fps)) == BOTH


@pytest.mark.parametrize("fps", [5, 10])
def test_two_falls_are_two(fps: float) -> None:
    left, right = Person(falls(3.0, 14.0, 0.2)), Person(falls(6.0, 14.0, 0.65), coat=1)
    found = play(RULE, [left, right], 14.0, fps)
    assert sorted(rows(found)) == sorted(BOTH * 2)
    assert len({event.id for event in found}) == 4


# --- time ---


@pytest.mark.parametrize("fps", [3, 5, 10])
def test_answers_that_never_came_freeze_it(fps: float) -> None:
    person = Person(falls(4.0, 16.0, seconds=0.9), lost=lost_from((4.4, 60.0)))
    found = play(RULE, [person], 16.0, fps, unknown=lambda t: 6.5 <= t < 9.0)
    assert rows(found) == BOTH
    assert found[1].time == pytest.approx(4.6 + 3.0 + 2.5, abs=0.5 + 1 / fps)
    assert play(RULE, [person], 16.0, fps, unknown=lambda t: t >= 5.0) == []


def test_who_stood_before_a_gap_and_lies_after_it_may_have_lain_down() -> None:
    at = [t for t in np.arange(0, 16, 0.2).tolist() if not 3.9 < t < 8.0]
    assert play(RULE, [Person(falls(4.0, 16.0))], 16.0, at=at) == []


def test_light_that_changes_everywhere_neither_begins_nor_ends_it() -> None:
    person = Person(falls(4.0, 16.0), lost=lost_from((4.4, 60.0)))
    assert rows(play(RULE, [person], 16.0, gain=lambda t: 1.0 if t < 9 else 0.75)) == BOTH
    still = Person(stands(0, 12.0), lost=lost_from((5.0, 60.0)))
    assert play(RULE, [still], 12.0, gain=lambda t: 1.0 if t < 6 else 0.7) == []


@settings(max_examples=8)
@given(data=st.data())
def test_the_rate_may_jump(data: st.DataObject) -> None:
    at = data.draw(clocks(16.0))
    seen, gone = (60.0, 61.0), (4.5, 60.0)
    lost = data.draw(st.sampled_from([seen, gone])) if longest(at) < 0.35 else seen
    person = Person(falls(4.0, 16.0), lost=lost_from(lost))
    assert rows(play(RULE, [person], 16.0, at=at)) == BOTH
    slow = Person([*stands(0, 4.0), *LIES_DOWN, (16.0, 0.6, 0.22, 0.95)], lost=lost_from(lost))
    assert play(RULE, [slow], 16.0, at=at) == []


# --- settings ---


def test_options_decide() -> None:
    person = Person(falls(4.0, 14.0))
    assert play(Fall(max_fall_seconds=0.2), [person], 14.0) == []
    assert play(Fall(min_confidence=0.9), [person], 14.0) == []
    assert play(Fall(min_height=TALL + 0.05), [person], 14.0) == []
    assert play(Fall(labels=["motion"]), [person], 14.0) == []
    assert rows(play(Fall(fallen_seconds=20), [person], 14.0)) == BOTH[:1]
    late = play(Fall(min_seconds=4.0, fallen_seconds=6.0), [person], 14.0)
    assert [round(event.time - event.started) for event in late if event.started] == [4, 6]


def test_zones_say_where_falling_counts() -> None:
    places = Places.build(zones={"hall": [(0.3, 0.6), (0.7, 0.6), (0.7, 1.0), (0.3, 1.0)]})
    found = play(Fall(zones=["hall"]), [Person(falls(4.0, 14.0))], 14.0, places=places)
    assert rows(found) == BOTH
    assert {event.zone for event in found} == {"hall"}
    assert play(Fall(zones=["hall"]), [Person(falls(4.0, 14.0, 0.15))], 14.0, places=places) == []
    with pytest.raises(InputError, match="fall: zone 'lawn' is not drawn"):
        Fall(zones=["lawn"]).begin(places)
    assert Fall(zones=["hall"]).places_needed() == {"zones": ["hall"]}


def test_memory_is_bounded() -> None:
    people = [Person(stands(0.3 * i, 0.3 * i + 1.0, 0.1 + 0.8 * (i * 7 % 10) / 10), coat=i % 3) for i in range(120)]
    judge = RULE.begin(Places())
    from streamer.tracker import Tracker
    from streamer.types import Frame
    from tests.acting import seen
    from tests.rules.falling import picture

    tracker = Tracker()
    for k in range(300):
        t = k / 5
        boxes = [box for person in people if (box := person.box(t)) is not None]
        list(judge.judge(Frame("gate", 1, k, t, t, picture(people[:3], t), t), tracker.update(seen(*boxes), t)))
    assert len(judge._bodies) == 0  # type: ignore[attr-defined]
    assert len(judge._stir._kept) <= 16  # type: ignore[attr-defined]
