import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.ingest.timeline import SLEW, Timeline


def place_all(timeline, steps):
    return [timeline.place(pts, arrived, True) for pts, arrived in steps]


def test_the_least_delayed_picture_sets_the_time():
    moments = place_all(Timeline(), [(10.0, 100.3), (10.1, 100.25), (10.2, 100.5), (10.3, 100.6)])
    assert [round(m.captured_at, 2) for m in moments] == [100.3, 100.25, 100.35, 100.45]
    assert round(moments[2].lag_s, 2) == 0.15


def test_a_camera_whose_clock_is_slow_by_less_than_the_slew_is_followed():
    timeline, drift = Timeline(), 300e-6
    for i in range(20_000):
        moment = timeline.place(i / 10 * (1 - drift), 100 + i / 10, True)
    assert moment.captured_at == pytest.approx(100 + i / 10, abs=0.001)


def test_a_burst_of_late_pictures_is_not_believed():
    timeline = Timeline()
    place_all(timeline, [(i / 10, 100 + i / 10) for i in range(100)])
    moments = place_all(timeline, [(10 + i / 10, 112.0) for i in range(20)])
    assert moments[0].captured_at == pytest.approx(110.0, abs=0.01)
    assert moments[0].lag_s == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("to", [500.0, 0.0])
def test_a_jump_counts_when_the_next_picture_confirms_it(to):
    timeline = Timeline()
    place_all(timeline, [(50 + i / 10, 100 + i / 10) for i in range(10)])
    first, second, third = place_all(timeline, [(to + i / 10, 101 + i / 10) for i in range(3)])
    assert first.odd
    assert not first.jumped
    assert second.jumped
    assert not second.odd
    assert not third.jumped
    assert third.captured_at == pytest.approx(101.2)


def test_a_single_odd_picture_changes_nothing():
    timeline = Timeline()
    place_all(timeline, [(50 + i / 10, 100 + i / 10) for i in range(10)])
    odd, after = place_all(timeline, [(3.0, 101.0), (51.1, 101.1)])
    assert odd.odd
    assert not after.odd
    assert not after.jumped
    assert after.captured_at == pytest.approx(101.1)


def test_silence_is_no_jump():
    timeline = Timeline()
    place_all(timeline, [(1.0, 100.0)])
    assert not timeline.place(61.0, 160.0, True).odd


def test_seconds_of_lag_while_we_wait_are_forgiven():
    timeline = Timeline()
    place_all(timeline, [(i / 10, 100 + i / 10) for i in range(20)])
    moments = place_all(timeline, [(2 + i / 10, 105 + i / 10) for i in range(80)])
    assert moments[0].lag_s == pytest.approx(3.0, abs=0.01)
    assert moments[-1].lag_s < 0.1


def test_lag_that_is_ours_is_not_forgiven():
    timeline = Timeline()
    place_all(timeline, [(i / 10, 100 + i / 10) for i in range(20)])
    last = [timeline.place(2 + i / 10, 105 + i / 10, False) for i in range(80)][-1]
    assert last.lag_s > 2.9


@given(st.lists(st.tuples(st.floats(0.001, 1), st.floats(0, 0.5)), min_size=2, max_size=100))
def test_capture_times_rise_and_are_never_in_the_future(steps):
    timeline, pts, arrived, last = Timeline(), 0.0, 100.0, 0.0
    for step, delay in steps:
        pts += step
        arrived = max(arrived + 1e-4, 100.0 + pts + delay)
        moment = timeline.place(pts, arrived, True)
        assert moment.captured_at <= arrived
        assert moment.captured_at > last - SLEW
        assert not moment.odd
        last = moment.captured_at
