"""Encoders behave like cameras: keyframes where asked, no B-frames, the rate kept, the same bytes twice."""

from __future__ import annotations

import hashlib

import av
import numpy as np
import pytest

from streamer.errors import InputError
from streamer.simulator.encode import Coding, encode, encode_reel
from streamer.simulator.rtp import nal_type, split_nals
from streamer.simulator.variant import decode
from tests.simulator.conftest import pictures

CODECS = ["h264", "h265"]


@pytest.mark.parametrize("codec", CODECS)
def test_keyframes_where_asked_and_no_reordering(codec: str) -> None:
    coded = list(encode(pictures(), Coding(codec, 160, 96, 25.0, 6, 500_000)))
    assert [c.key for c in coded] == [number % 6 == 0 for number in range(20)]
    assert [c.pts for c in coded] == list(range(20))


@pytest.mark.parametrize("codec", CODECS)
def test_one_slice_a_picture(codec: str) -> None:
    """A camera's picture in one piece: loss of packets then has its usual effect."""
    for coded in encode(pictures(), Coding(codec, 160, 96, 25.0, 10, 500_000)):
        kinds = [nal_type(nal, codec) for nal in split_nals(coded.annexb)]
        assert sum(kind in ((1, 5) if codec == "h264" else (0, 1, 19, 20)) for kind in kinds) == 1


@pytest.mark.parametrize("codec", CODECS)
def test_same_pictures_same_bytes(codec: str) -> None:
    def digest() -> str:
        coded = encode(pictures(), Coding(codec, 160, 96, 25.0, 5, 500_000))
        return hashlib.sha256(b"".join(c.annexb for c in coded)).hexdigest()

    assert digest() == digest()


@pytest.mark.parametrize("codec", CODECS)
def test_decodes_to_what_went_in(codec: str) -> None:
    smooth = [np.full((144, 160), 40 + 3 * number, np.uint8) for number in range(12)]
    reel = encode_reel(smooth, Coding(codec, 160, 96, 25.0, 4, 500_000))
    seen = list(decode(reel, 0, 12))
    assert [round(float(picture[:96].mean())) for picture in seen] == pytest.approx(
        [40 + 3 * number for number in range(12)], abs=2
    )


@pytest.mark.parametrize("codec", CODECS)
def test_rate_is_kept(codec: str) -> None:
    rng = np.random.default_rng(0)
    noisy = (rng.integers(100, 140, (270, 320), np.uint8) for _ in range(100))
    coded = list(encode(noisy, Coding(codec, 320, 180, 25.0, 25, 400_000)))
    bits = sum(len(c.annexb) for c in coded) * 8 / 4
    assert 200_000 < bits < 600_000


def test_rate_and_size_are_announced() -> None:
    reel = encode_reel(pictures(), Coding("h264", 160, 96, 12.5, 5, 500_000))
    decoder = av.CodecContext.create("h264", "r")
    frames = decoder.decode(av.Packet(reel.units[0].annexb)) + decoder.decode(None)
    assert (frames[0].width, frames[0].height) == (160, 96)
    assert decoder.framerate == 12.5


@pytest.mark.parametrize(
    ("codec", "size", "words"),
    [
        ("vp9", (64, 64), "not one of h264"),
        ("h264", (65, 64), "65x64"),
        ("h264", (64, 33), "64x33"),
        ("h265", (32, 64), "at least 64"),
    ],
)
def test_refused(codec: str, size: tuple[int, int], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Coding(codec, *size, 15.0, 30, 100_000)
