import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.sources.sampler import TOLERANCE, Sampler


def taken(sampler, times):
    return [t for t in times if sampler.take(t)]


@pytest.mark.parametrize(("fps", "expected"), [(15, 5), (25, 5), (30, 5), (5, 5), (4, 4), (12.5, 5), (6, 5), (60, 5)])
def test_common_rates(fps, expected):
    n = round(20 * fps)
    assert len(taken(Sampler(5), [i / fps for i in range(n)])) == pytest.approx(20 * expected, abs=1)


def test_every_third_of_fifteen_despite_jitter():
    times = [i / 15 + (0.012 if i % 2 else -0.012) for i in range(150)]
    picked = [round(t * 15) for t in taken(Sampler(5), times)]
    assert picked == list(range(0, 150, 3))


@given(
    st.floats(0.5, 30),
    st.lists(st.floats(0, 3, allow_nan=False), min_size=1, max_size=300),
)
def test_one_picture_a_cell_of_the_grid_whatever_comes(fps, steps):
    times, now = [], 1000.0
    for step in steps:
        times.append(now)
        now += step
    picked = taken(Sampler(fps), times)
    assert picked[0] == times[0]
    cells = [int((t - picked[0]) * fps + TOLERANCE) for t in picked]
    assert len(set(cells)) == len(cells)
    for i, start in enumerate(picked):  # so no window holds more than its share, and a cell at each edge
        window = [t for t in picked[i:] if t < start + 2.0]
        assert len(window) <= 2.0 * fps + 2


@given(st.floats(1, 10), st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=1, max_size=200), st.data())
def test_with_a_burst_no_timestamps_flood_the_analysis(fps, times, data):
    sampler, now, arrivals = Sampler(fps, burst=4), 50.0, []
    for t in times:
        now += data.draw(st.floats(0, 0.2))
        if sampler.take(t, now):
            arrivals.append(now)
    for i, start in enumerate(arrivals):
        window = [t for t in arrivals[i:] if t <= start + 1.0]
        assert len(window) <= 1.1 * fps + 4 + 1e-6


def test_a_step_back_begins_a_new_grid():
    sampler = Sampler(5)
    assert taken(sampler, [100.0, 100.1, 100.2]) == [100.0, 100.2]
    assert taken(sampler, [3.0, 3.1, 3.2]) == [3.0, 3.2]


def test_restart():
    sampler = Sampler(1)
    assert taken(sampler, [0.0, 0.5]) == [0.0]
    sampler.restart()
    assert sampler.take(0.6)


def test_rate_must_be_positive():
    with pytest.raises(ValueError, match="must be above 0"):
        Sampler(0)
