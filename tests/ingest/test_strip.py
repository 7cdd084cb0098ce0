from __future__ import annotations

import itertools

import pytest

from streamer.ingest.strip import showing, strips, window
from tests.ingest.kept import encoding, filled, film, unit


def test_the_least_delayed_picture_tells_the_time():
    (strip,) = strips(filled(film(20, delays=(0.3, 0.02, 0.5))).runs())
    assert strip.times == pytest.approx([1000.02 + n / 10 for n in range(20)])
    assert strip.seconds == pytest.approx(1.9)


def test_b_frames_are_in_order_of_decoding():
    (strip,) = strips(filled(film(20, bframes=2)).runs())
    assert strip.times != sorted(strip.times)
    steps = [b - a for a, b in itertools.pairwise(sorted(strip.times))]
    assert steps == pytest.approx([0.1] * 19)


def test_a_clock_that_jumps_cuts_the_strip_at_the_next_keyframe():
    units = [unit(n, key=n % 5 == 0) for n in range(20)]
    units += [unit(n, key=n % 5 == 0, ticks=(n - 500) * 9000) for n in range(22, 40)]
    first, second = strips(filled(units).runs())
    assert len(first.units) == 20
    assert second.times[0] == pytest.approx(1002.5)
    assert second.units[0].startable


def test_a_clock_that_stands_still_is_not_believed():
    (strip,) = strips(filled([unit(n, key=n == 0, ticks=7) for n in range(10)]).runs())
    assert strip.times == pytest.approx([1000 + n / 10 for n in range(10)])


def test_each_connection_has_a_strip_of_its_own():
    ring = filled([unit(n, key=n == 0) for n in range(10)])
    ring.begin(encoding())
    for n in range(30, 40):
        ring.put(unit(n, key=n == 30, ticks=n))
    first, second = strips(ring.runs())
    assert (first.times[-1], second.times[0]) == (pytest.approx(1000.9), pytest.approx(1003.0))
    assert showing([first, second], 1000.4, 0.5) is first
    assert showing([first, second], 1003.4, 0.5) is second
    assert showing([first, second], 1001.2, 0.5) is first
    assert showing([first, second], 1002.0, 0.5) is None
    assert showing([], 1002.0, 0.5) is None


def test_a_window_begins_with_the_keyframe_before_it():
    (strip,) = strips(filled([unit(n, key=n % 10 == 0) for n in range(50)]).runs())
    cut = window(strip, 1001.55, 1003.05)
    assert [one.ticks // 9000 for one in cut.units] == list(range(10, 31))
    assert cut.times[0] == pytest.approx(1001.0)
    early = window(strip, 900.0, 1000.45)
    assert [one.ticks // 9000 for one in early.units] == [0, 1, 2, 3, 4]
    nothing = window(strip, 900.0, 901.0)
    assert len(nothing.units) == 1
