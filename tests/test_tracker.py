"""Following: numbers that stay, at any frame rate; freezing, coasting, losing; parts and kinds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.tracker import Tracker, TrackerSettings
from streamer.types import Detections, Tracks
from tests.acting import LABELS, Actor, Box, person, seen, sight, stands, times, walks

CROSSING = [walks([(0, 0.1, 0.7), (10, 0.9, 0.7)]), walks([(0, 0.9, 0.95), (10, 0.1, 0.95)])]


def follow(actors: list[Actor], at: list[float]) -> list[Tracks]:
    tracker = Tracker()
    return [tracker.update(sight(actors, t), t) for t in at]


def jumping(seed: int, end_s: float) -> list[float]:
    """Capture times whose rate jumps between 2 and 10 a second."""
    rng = np.random.default_rng(seed)
    found = [0.0]
    while found[-1] < end_s:
        found += list(found[-1] + np.cumsum(np.full(rng.integers(1, 8), 1 / rng.choice([2, 5, 10]))))
    return found


@pytest.mark.parametrize("fps", [2, 5, 10, 25])
def test_numbers_stay_at_any_frame_rate(fps: float) -> None:
    found = follow(CROSSING, times(0, 10, fps))
    assert {int(i) for t in found for i in t.track_ids} == {1, 2}
    assert all(len(t) == 2 for t in found[1:])
    one = [t.boxes[t.track_ids == 1][0] for t in found[1:]]
    feet = [(box[0] + box[2]) / 2 for box in one]
    assert np.all(np.diff(feet) > 0) or np.all(np.diff(feet) < 0)


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_numbers_stay_when_the_rate_jumps(seed: int) -> None:
    found = follow(CROSSING, jumping(seed, 10.0)[:-1])
    assert {int(i) for t in found for i in t.track_ids} == {1, 2}


def test_ages_count_from_the_first_sighting() -> None:
    found = follow([stands(0.5, 0.8, 1.0, 9.0)], times(0, 3, 5))
    assert [len(t) for t in found[:8]] == [0] * 6 + [1, 1]  # told of at the second sighting, at 1.2 s
    assert found[6].ages_s[0] == pytest.approx(0.2)
    assert found[-1].ages_s[0] == pytest.approx(2.0)
    assert found[-1].label(0) == "person"
    assert found[-1].confidence[0] == pytest.approx(0.8)
    np.testing.assert_allclose(found[-1].boxes[0], person(0.5, 0.8), atol=1e-6)


def test_a_single_flash_is_no_track() -> None:
    assert not any(len(t) for t in follow([stands(0.5, 0.8, 1.0, 1.0)], times(0, 3, 5)))


def test_too_weak_a_thing_starts_none_but_continues_one() -> None:
    tracker = Tracker()
    box = person(0.5, 0.8)
    for i in range(5):
        assert len(tracker.update(seen(box, confidence=0.3), i / 5)) == 0
    for i in range(5, 8):
        found = tracker.update(seen(box, confidence=0.6), i / 5)
    assert found.track_ids.tolist() == [1]
    for i in range(8, 30):
        found = tracker.update(seen(box, confidence=0.12), i / 5)
    assert found.track_ids.tolist() == [1]
    assert found.confidence[0] == pytest.approx(0.12)


def test_coasts_then_hides_then_is_found_under_its_number_then_is_lost() -> None:
    box = person(0.5, 0.8)
    tracker = Tracker(TrackerSettings(lost_seconds=2.0, coast_seconds=0.5))
    for t in times(0, 1, 10):
        tracker.update(seen(box), t)
    unseen = {round(t, 1): tracker.update(seen(), t) for t in times(1.1, 2.5, 10)}
    assert len(unseen[1.5]) == 1
    assert unseen[1.5].unseen_s is not None
    assert unseen[1.5].unseen_s[0] == pytest.approx(0.5, abs=1e-3)
    assert len(unseen[1.5].seen()) == 0
    assert len(unseen[1.6]) == 0
    back = tracker.update(seen(box), 2.6)
    assert back.track_ids.tolist() == [1]
    assert back.ages_s[0] == pytest.approx(2.6)
    assert len(back.seen()) == 1
    for t in times(2.7, 4.8, 10):
        tracker.update(seen(), t)
    tracker.update(seen(box), 4.9)
    assert tracker.update(seen(box), 5.0).track_ids.tolist() == [2]


@pytest.mark.parametrize("unknown_s", [0.2, 3.0, 60.0])
def test_unknown_answers_freeze_and_do_not_age(unknown_s: float) -> None:
    box = person(0.5, 0.8)
    tracker = Tracker()
    for t in times(0, 1, 5):
        before = tracker.update(seen(box), t)
    for t in times(1.2, 1.0 + unknown_s, 5):
        frozen = tracker.update(Detections.unknown(LABELS), t)
        assert not frozen.known
        assert frozen.track_ids.tolist() == [1]
        np.testing.assert_array_equal(frozen.boxes, before.boxes)
        np.testing.assert_array_equal(frozen.ages_s, before.ages_s)
    # even if it is missed in the first answer after that, it is still coasting, and still itself
    missed = tracker.update(seen(), 1.2 + unknown_s)
    assert missed.known
    assert missed.track_ids.tolist() == [1]
    after = tracker.update(seen(box), 1.4 + unknown_s)
    assert after.track_ids.tolist() == [1]


def test_unknown_from_the_start_is_empty_and_unknown() -> None:
    tracker = Tracker()
    for t in times(0, 1, 5):
        found = tracker.update(Detections.unknown(LABELS), t)
        assert (len(found), found.known) == (0, False)
    tracker.update(seen(person(0.5, 0.8)), 1.2)
    assert len(tracker.update(seen(person(0.5, 0.8)), 1.4)) == 1


@pytest.mark.parametrize("step_s", [0.0, -0.2, -100.0])
@pytest.mark.parametrize("known", [True, False])
def test_time_that_stands_or_goes_back_changes_nothing(step_s: float, known: bool) -> None:
    box = person(0.5, 0.8)
    tracker = Tracker()
    for t in times(0, 1, 5):
        before = tracker.update(seen(box), t)
    odd = tracker.update(seen(person(0.1, 0.5)) if known else Detections.unknown(LABELS), 1.0 + step_s)
    assert odd.known is known
    assert odd.track_ids.tolist() == before.track_ids.tolist()
    np.testing.assert_array_equal(odd.boxes, before.boxes)
    assert tracker.update(seen(box), 1.2).track_ids.tolist() == [1]


def test_the_start_time_does_not_matter() -> None:
    early = follow(CROSSING, times(0, 10, 5))
    tracker = Tracker()
    epoch = 1_800_000_000.0
    for t, expected in zip(times(0, 10, 5), early, strict=True):
        found = tracker.update(sight(CROSSING, t), epoch + t)
        assert found.track_ids.tolist() == expected.track_ids.tolist()
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-6)
        np.testing.assert_allclose(found.ages_s, expected.ages_s, atol=1e-3)


@pytest.mark.parametrize(
    ("whole", "part"),
    [
        (person(0.5, 0.9, 0.6), (0.42, 0.3, 0.55, 0.55)),  # a torso within the person
        ((0.4, 0.5, 0.5, 0.9), (0.4, 0.5, 0.62, 0.9)),  # one weak box round two strong people
    ],
)
def test_a_part_starts_no_track(whole: Box, part: Box) -> None:
    tracker = Tracker()
    for t in times(0, 2, 5):
        found = tracker.update(seen(whole, part, confidence=[0.9, 0.6]), t)
    assert len(found) == 1
    np.testing.assert_allclose(found.boxes[0], whole, atol=1e-6)


def test_who_is_hidden_behind_another_goes_on_being_followed() -> None:
    front, behind = person(0.5, 0.9, 0.6), [person(0.8 - 0.02 * i, 0.8, 0.35) for i in range(16)]
    tracker = Tracker()
    for i, box in enumerate(behind):
        found = tracker.update(seen(front, box, confidence=[0.9, 0.5]), i / 5)
    assert sorted(found.track_ids.tolist()) == [1, 2]
    assert found.unseen_s is not None
    assert not found.unseen_s.any()


def test_kinds_do_not_take_over_each_other() -> None:
    box = person(0.5, 0.8)
    tracker = Tracker()
    for t in times(0, 1, 5):
        tracker.update(seen(box), t)
    for t in times(1.2, 2, 5):
        found = tracker.update(seen(box, label="bicycle"), t)
    assert found.track_ids.tolist() == [2]
    assert found.label(0) == "bicycle"


def test_a_truck_for_a_moment_stays_a_car() -> None:
    box = (0.3, 0.5, 0.6, 0.7)
    tracker = Tracker()
    for i, label in enumerate(["car", "car", "car", "truck", "truck", "car"]):
        found = tracker.update(seen(box, label=label), i / 5)
        if i:
            assert (found.track_ids.tolist(), found.label(0)) == ([1], "car")


def test_two_trackers_count_for_themselves() -> None:
    for _ in range(2):
        assert follow([stands(0.5, 0.8, 0, 1)], times(0, 1, 5))[-1].track_ids.tolist() == [1]


boxes_at_random = st.lists(
    st.tuples(*[st.floats(0, 1, width=32)] * 4).map(
        lambda v: (min(v[0], v[2]), min(v[1], v[3]), max(v[0], v[2]), max(v[1], v[3]))
    ),
    max_size=6,
)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.floats(-0.5, 3), st.booleans(), boxes_at_random, st.floats(0, 1, width=32), st.integers(0, 4)),
        max_size=12,
    )
)
def test_nothing_that_a_detector_may_say_breaks_it(
    answers: list[tuple[float, bool, list[Box], float, int]],
) -> None:
    tracker, t = Tracker(), 0.0
    for step_s, known, boxes, confidence, label in answers:
        t += step_s
        detections = seen(*boxes, confidence=confidence, label=LABELS[label]) if known else Detections.unknown(LABELS)
        found = tracker.update(detections, t)
        assert found.known is known
        assert len(set(found.track_ids.tolist())) == len(found)
        assert np.all(found.track_ids >= 1)
        assert np.all(np.isfinite(found.boxes))
        assert np.all(found.ages_s >= 0)
        assert found.labels in (LABELS, ())


def test_the_settings_say_seconds_and_shares() -> None:
    assert math.isclose(TrackerSettings().lost_seconds, 2.0)
    for wrong in ({"lost_seconds": -1}, {"start_confidence": 1.5}, {"part_overlap": 0.0}, {"lost_frames": 3}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            TrackerSettings.model_validate(wrong)


@pytest.mark.parametrize("heights_s", [1.5, 2.0, 2.7])
@pytest.mark.parametrize("fps", [2, 3, 5, 8, 15])
def test_who_runs_is_followed_though_they_leave_their_own_box_behind(fps: float, heights_s: float) -> None:
    seconds = 0.9 * (4 / 3) / 0.3 / heights_s
    at = times(0, seconds, fps)[:-1]
    found = follow([walks([(0, 0.05, 0.8), (seconds, 0.95, 0.8)])], at)
    assert {int(i) for t in found for i in t.track_ids} == {1}
    assert sum(len(t.seen()) for t in found) >= len(at) - 2
