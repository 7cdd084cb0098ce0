from __future__ import annotations

import numpy as np
import pytest

from streamer.ingest.still import TooSlow, nearest, size_of
from streamer.ingest.strip import strips
from tests.ingest.kept import filled, film, unit
from tests.sources.media import picture


def strip_of(*args, codec="h264", **options):
    (strip,) = strips(filled(film(*args, codec=codec, **options), codec).runs())
    return strip


def shown(frame):
    """Where the bright square is: the number of the picture."""
    pixels = frame.to_ndarray(format="rgb24").astype(int)
    errors = [np.abs(pixels - picture(n)).mean() for n in range(40)]
    return int(np.argmin(errors))


@pytest.mark.parametrize("codec", ["h264", "h265"])
@pytest.mark.parametrize("number", [0, 7, 19, 38])
def test_the_picture_of_that_instant(codec, number):
    frame, at = nearest(strip_of(40, codec=codec), 1000.0 + number / 10 + 0.03, 5.0)
    assert at == pytest.approx(1000.0 + number / 10)
    assert shown(frame) == number
    assert (frame.width, frame.height) == (160, 96)


@pytest.mark.parametrize("number", [3, 11, 17])
def test_with_b_frames(number):
    strip = strip_of(20, bframes=2)
    begin = min(strip.times)
    frame, at = nearest(strip, begin + number / 10, 5.0)
    assert at == pytest.approx(begin + number / 10)
    assert shown(frame) == number


def test_only_from_the_keyframe_on_is_decoded():
    units = film(40)
    broken = [
        *units[:10],
        *(unit(n, key=n == 10, ticks=units[n].ticks, at=units[n].arrived_at) for n in range(10, 20)),
        *units[20:],
    ]
    (strip,) = strips(filled(broken).runs())
    frame, _ = nearest(strip, 1002.5, 5.0)
    assert shown(frame) == 25


def test_what_cannot_be_decoded():
    (strip,) = strips(filled([unit(n, key=n == 0) for n in range(10)]).runs())
    assert nearest(strip, 1000.5, 5.0) is None
    assert size_of(strip) is None


def test_it_gives_up_in_time():
    with pytest.raises(TooSlow):
        nearest(strip_of(40, gop=40), 1003.5, -1.0)


def test_size():
    assert size_of(strip_of(5, size=(96, 64))) == (96, 64)
