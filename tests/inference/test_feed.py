"""The time grid of a streaming model: what is fed, what is held, and when a memory begins anew."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.inference.feed import CUT_SHARE, GAP_S, LATE_S, MOST_HELD, SKETCH, Feed, is_cut


def gray(level):
    return np.full((16, 16, 3), level, np.uint8)


def due(feed, *times, session=1):
    return [feed.due(session, time) for time in times]


def test_at_the_models_own_rate_every_picture_is_one_step():
    feed = Feed(0.2, 0)
    assert due(feed, 10.0, 10.2, 10.4, 10.6) == [(1, "start"), (1, ""), (1, ""), (1, "")]


@given(jitter=st.lists(st.floats(-0.09, 0.09), min_size=2, max_size=60))
def test_jitter_round_the_grid_loses_and_doubles_nothing(jitter):
    feed = Feed(0.2, 0)
    feed.due(1, 100.0)
    assert [feed.due(1, 100 + 0.2 * i + shift)[0] for i, shift in enumerate(jitter, 1)] == [1] * len(jitter)


@given(fps=st.floats(0.7, 60.0), model_fps=st.sampled_from([5.0, 10.0, 25.0]), seconds=st.integers(2, 20))
def test_steps_keep_pace_with_time_at_any_rate(fps, model_fps, seconds):
    feed = Feed(1 / model_fps, 0)
    steps = sum(feed.due(1, 50 + i / fps)[0] for i in range(int(seconds * fps) + 1))
    assert abs(steps - 1 - int(seconds * fps) / fps * model_fps) <= 1


def test_a_slow_camera_does_not_drift_off():
    feed = Feed(0.1, 0)
    steps = [feed.due(1, i / 9.5)[0] for i in range(96)]
    assert sum(steps) == pytest.approx(101, abs=1)
    assert set(steps) == {1, 2}


def test_faster_pictures_are_not_fed():
    feed = Feed(0.2, 0)
    steps = [feed.due(1, i / 15)[0] for i in range(31)]
    assert sum(steps) == 11
    assert set(steps) == {0, 1}


def test_missing_steps_are_filled_with_the_picture_before_and_no_more_than_three():
    feed = Feed(0.2, 0)
    feed.due(1, 0.0)
    assert feed.take(gray(10), 1)[0] == [feed.picture]
    before = feed.picture
    pictures, cut = feed.take(gray(20), 3)
    assert not cut
    assert [one is before for one in pictures] == [True, True, False]
    assert len(feed.take(gray(30), 9)[0]) == MOST_HELD + 1


@pytest.mark.parametrize(
    ("session", "time", "reason"),
    [
        (1, 10.2, ""),
        (2, 10.2, "session"),
        (1, 10 + GAP_S + 0.01, "gap"),
        (1, 10 + GAP_S, ""),
        (1, 10 - LATE_S - 0.01, "time"),
        (1, 9.8, ""),
        (2, 10 + GAP_S + 1, "session"),
    ],
)
def test_reasons_to_begin_anew(session, time, reason):
    feed = Feed(0.2, 0)
    feed.due(1, 10.0)
    feed.take(gray(10), 1)
    feed.values, feed.steps = np.zeros(1, np.float32), 7
    steps, said = feed.due(session, time)
    assert said == reason
    if reason:
        assert (feed.steps, feed.values, feed.picture, steps) == (0, None, None, 1)
        assert feed.take(gray(200), steps) == ([feed.picture], False), "nothing lies before it"
    else:
        assert feed.steps == 7


def test_a_late_picture_of_another_pipeline_is_not_fed_and_moves_nothing():
    feed = Feed(0.2, 0)
    due(feed, 10.0, 10.2)
    assert due(feed, 10.1, 10.0, 10.2, 10.4) == [(0, ""), (0, ""), (0, ""), (1, "")]


def test_frames_that_come_sooner_count_for_the_gap():
    """A camera is watched as long as frames come, fed or not."""
    feed = Feed(1.5, 0)
    assert due(feed, 0.0, 0.7, 2.6) == [(1, "start"), (0, ""), (2, "")]


def test_another_scene_is_a_cut_and_stands_alone():
    feed = Feed(0.2, 0)
    feed.due(1, 0.0)
    feed.take(gray(20), 1)
    feed.steps, feed.values = 9, np.zeros(1, np.float32)
    feed.due(1, 0.6)
    pictures, cut = feed.take(gray(200), 3)
    assert cut
    assert len(pictures) == 1
    assert (feed.steps, feed.values) == (0, None)


def test_what_is_a_cut():
    before = np.full((SKETCH, SKETCH), 100, np.float32)
    after = before.copy()
    changed = int(CUT_SHARE * SKETCH * SKETCH)
    after.flat[:changed] = 125
    assert not is_cut(before, after)
    after.flat[: changed + 1] = 125
    assert is_cut(before, after)
    after.flat[: changed + 1] = 124
    assert not is_cut(before, after), "a light that grows is none"
    assert not is_cut(before, before + np.random.default_rng(0).normal(0, 8, before.shape)), "nor is noise"
