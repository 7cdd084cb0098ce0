import numpy as np
import pytest

from streamer.errors import SourceError
from streamer.sources import decoder as decoder_module
from streamer.sources.decoder import Decoder
from streamer.sources.ration import Ration
from streamer.sources.rtp import AccessUnit
from streamer.sources.source import Counts
from tests.sources.media import encode, units

IN_TIME = 1e9
"""Arrivals that lie ahead of every clock: no picture is ever late."""


def access_units(stream, step=9000, damaged=(), codec="h264"):
    made = []
    for i, (annexb, pts) in enumerate(stream):
        kinds = {nal[0] & 31 if codec == "h264" else nal[0] >> 1 & 63 for nal in units(annexb)}
        key = bool(kinds & {5, 16, 17, 18, 19, 20, 21}) if codec == "h265" else 5 in kinds
        made.append(AccessUnit(annexb, pts * step, key, key, i in damaged, IN_TIME + i / 10))
    return made


def run(stream_units, codec="h264", decoder=None):
    counts = Counts()
    decoder = decoder or Decoder(codec, b"", 90000, counts)
    return [decoder.decode(unit) for unit in stream_units], decoder._counts


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_every_unit_gives_its_picture_at_once(codec):
    out, counts = run(access_units(encode(10, codec), codec=codec), codec)
    assert [len(pictures) for pictures in out] == [1] * 10
    assert [round(p.pts_s, 3) for (p,) in out] == [round(i / 10, 3) for i in range(10)]
    assert [p.key for (p,) in out] == [i % 6 == 0 for i in range(10)]
    assert all(p.clean for (p,) in out)
    assert (counts.units, counts.decoded, counts.keyframes, counts.decode_errors) == (10, 10, 2, 0)


def test_b_frames_come_out_in_order_of_time():
    out, _ = run(access_units(encode(12, bframes=2, gop=12)))
    times = [p.pts_s for pictures in out for p in pictures]
    assert times == sorted(times)
    assert len(times) >= 9


def test_announced_rate():
    _, _ = out = run(access_units(encode(2)))
    decoder = Decoder("h264", b"", 90000, Counts())
    run(access_units(encode(2, fps=10)), decoder=decoder)
    assert decoder.fps == 10
    assert out


def test_groups_are_left_out_while_decoding_is_rationed(monkeypatch):
    monkeypatch.setattr(decoder_module.time, "monotonic", lambda: 100.0)
    counts, ration = Counts(), Ration()
    decoder = Decoder("h264", b"", 90000, counts, ration)
    stream = access_units(encode(24, gop=6))
    run(stream[:6], decoder=decoder)
    ration.share, ration.whole = 0.5, True
    out, _ = run(stream[6:], decoder=decoder)
    assert [len(pictures) for pictures in out] == [0] * 6 + [1] * 6 + [0] * 6
    assert all(p.clean for pictures in out for p in pictures)
    assert ration.began_at == stream[18].arrived_at
    assert (counts.rationed, counts.decode_errors) == (12, 0)
    assert counts.units == counts.decoded + counts.rationed


def test_nothing_before_a_keyframe():
    out, counts = run(access_units(encode(10, gop=4))[2:])
    assert [len(pictures) for pictures in out] == [0, 0, 1, 1, 1, 1, 1, 1]
    assert counts.waiting == 2


def test_a_stream_without_keyframes_is_tried_after_a_while(monkeypatch):
    now = [50.0]
    monkeypatch.setattr(decoder_module.time, "monotonic", lambda: now[0])
    decoder = Decoder("h264", b"", 90000, Counts())
    stream = access_units(encode(6, gop=100))[1:]
    decoder.decode(stream[0])
    now[0] += decoder_module._START_SECONDS + 0.1
    decoder.decode(stream[1])
    assert decoder._counts.waiting == 1


def test_damage_taints_until_the_next_keyframe():
    out, counts = run(access_units(encode(10, gop=5), damaged={2}))
    assert [p.clean for (p,) in out] == [True, True, False, False, False, True, True, True, True, True]
    assert counts.decoded == 10


def test_pictures_count_again_when_no_keyframe_comes_for_long():
    out, _ = run(access_units(encode(40, gop=100), damaged={2, 30}))
    clean = [p.clean for (p,) in out]
    assert not any(clean[2:22])
    assert all(clean[23:30])
    assert not clean[30]
    assert all(clean[31:])


def test_broken_data_are_counted_and_not_clean():
    stream = encode(12, gop=6)
    rng = np.random.default_rng(0)
    broken = bytearray(stream[3][0])
    for i in range(20, len(broken), 7):
        broken[i] ^= int(rng.integers(1, 255))
    stream[3] = (bytes(broken), stream[3][1])
    out, counts = run(access_units(stream))
    assert counts.decode_errors >= 1
    assert not any(p.clean for pictures in out[3:6] for p in pictures)
    assert all(p.clean for pictures in out[6:] for p in pictures)


def test_units_of_noise_raise_nothing():
    noise = np.random.default_rng(0).integers(0, 256, 4000, dtype=np.uint8).tobytes()
    out, counts = run([AccessUnit(b"\0\0\0\1\x65" + noise, i, True, True, False, 1.0) for i in range(5)])
    assert sum(map(len, out)) == 0
    assert counts.decode_errors == 5


def test_shedding_to_keyframes_and_back():
    counts = Counts()
    decoder = Decoder("h264", b"", 90000, counts)
    stream = access_units(encode(24, gop=6))
    shown = []
    for i, unit in enumerate(stream):
        if i == 2:
            decoder.shed("nonkey")
        if i == 14:
            decoder.shed("none")
        shown.append(len(decoder.decode(unit)))
    # keyframes only from 2 on; all again not from 14, in the middle of a group, but from the next keyframe
    assert [i for i, n in enumerate(shown) if n] == [0, 1, 6, 12, *range(18, 24)]
    assert counts.shed_nonkey == 14
    assert counts.decode_errors == 0


def test_shedding_pictures_that_no_other_needs():
    counts = Counts()
    decoder = Decoder("h264", b"", 90000, counts)
    decoder.shed("nonref")
    for unit in access_units(encode(20, bframes=2, gop=20)):
        decoder.decode(unit)
    assert counts.shed_nonref > 0
    assert 0 < counts.decoded < 20


def test_a_picture_that_is_too_large_is_refused_before_memory_is_taken(monkeypatch):
    monkeypatch.setattr(decoder_module, "MAX_PIXELS", 100 * 60)
    out, counts = run(access_units(encode(3)))
    assert sum(map(len, out)) == 0
    assert counts.decode_errors == 3


def test_parameter_sets_from_the_description_are_enough():
    stream = encode(3)
    sets = b"".join(b"\0\0\0\1" + nal for nal in units(stream[0][0]) if nal[0] & 31 in (7, 8))
    bare = [
        (b"".join(b"\0\0\0\1" + nal for nal in units(annexb) if nal[0] & 31 not in (7, 8)), pts)
        for annexb, pts in stream
    ]
    out, _ = run(access_units(bare), decoder=Decoder("h264", sets, 90000, Counts()))
    assert [len(pictures) for pictures in out] == [1, 1, 1]


def test_unknown_codec():
    with pytest.raises(SourceError, match="codec 'mp4v-es'") as caught:
        Decoder("mp4v-es", b"", 90000, Counts())
    assert caught.value.cause == "unsupported"
