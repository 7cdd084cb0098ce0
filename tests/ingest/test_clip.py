from __future__ import annotations

import itertools
import resource
import signal
import subprocess

import av
import pytest

from streamer.errors import SourceError
from streamer.ingest import clip
from streamer.ingest.clip import write_clip
from streamer.ingest.ring import Run
from streamer.ingest.strip import Strip, strips, window
from streamer.sources.source import Encoding
from tests.ingest.kept import filled, film, unit


def strip_of(*args, codec="h264", **options):
    (strip,) = strips(filled(film(*args, codec=codec, **options), codec).runs())
    return strip


def play(path):
    """(times, keyframes, codec, size) of a file, decoded."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert not any(frame.is_corrupt for frame in frames)
        size = (stream.codec_context.width, stream.codec_context.height)
        return [frame.time for frame in frames], stream.codec_context.name, size, stream.codec_context.codec_tag


@pytest.mark.parametrize(("codec", "name", "tag"), [("h264", "h264", "avc1"), ("h265", "hevc", "hev1")])
def test_it_plays(tmp_path, codec, name, tag):
    path = tmp_path / "a.mp4"
    write_clip(strip_of(30, codec=codec), path)
    times, found, size, found_tag = play(path)
    assert (found, size, found_tag) == (name, (160, 96), tag)
    assert times == pytest.approx([n / 10 for n in range(30)], abs=1e-4)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_what_came_is_what_is_in_it(tmp_path):
    strip = strip_of(12)
    write_clip(strip, tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as container:
        sizes = [packet.size for packet in container.demux(video=0) if packet.size]
    # start codes of three or four bytes become lengths of four
    assert all(0 <= size - len(one.data) < 10 for one, size in zip(strip.units, sizes, strict=True))


def test_b_frames_are_shown_in_order(tmp_path):
    write_clip(strip_of(20, bframes=2), tmp_path / "a.mp4")
    times, *_ = play(tmp_path / "a.mp4")
    assert len(times) == 20
    assert [b - a for a, b in itertools.pairwise(times)] == pytest.approx([0.1] * 19, abs=1e-4)


def test_a_piece_begins_at_zero(tmp_path):
    write_clip(window(strip_of(40), 1001.5, 1003.0), tmp_path / "a.mp4")
    times, *_ = play(tmp_path / "a.mp4")
    assert (times[0], len(times)) == (0.0, 21)


def test_parameter_sets_that_only_the_description_told(tmp_path):
    """Some cameras send them in the SDP and never again."""
    strip = strip_of(10)
    sets, bare = [], []
    for one in strip.units:
        nals = [
            b"\x00\x00\x00\x01" + nal
            for nal in one.data.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01")[1:]
        ]
        sets += [nal for nal in nals if nal[4] & 0x1F in (7, 8)]
        bare.append(b"".join(nal for nal in nals if nal[4] & 0x1F not in (6, 7, 8)))
    from dataclasses import replace

    units = [replace(one, data=data) for one, data in zip(strip.units, bare, strict=True)]
    write_clip(Strip(Encoding("h264", sets[0] + sets[1], 90000), units, strip.times), tmp_path / "a.mp4")
    times, *_ = play(tmp_path / "a.mp4")
    assert len(times) == 10


def test_repeated_times_are_spread(tmp_path):
    strip = strip_of(10)
    times = list(strip.times)
    times[4] = times[3]
    write_clip(Strip(strip.encoding, strip.units, times), tmp_path / "a.mp4")
    assert len(play(tmp_path / "a.mp4")[0]) == 10


def test_rubbish_becomes_no_file(tmp_path):
    (strip,) = strips([Run(Encoding("h264", b"", 90000), [unit(n, key=n == 0) for n in range(5)])])
    with pytest.raises(SourceError, match="cannot be decoded"):
        write_clip(strip, tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_leaves_nothing(tmp_path):
    strip = strip_of(40)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        with pytest.raises(OSError, match=r"File too large|of 40 pictures"):
            write_clip(strip, tmp_path / "a.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        write_clip(strip_of(5), tmp_path / "no" / "a.mp4")


def test_what_was_not_written_whole_gets_no_name(tmp_path, monkeypatch):
    strip = strip_of(20)
    whole = clip._mux

    def half(strip, size, path):
        whole(Strip(strip.encoding, strip.units[:11], strip.times[:11]), size, path)

    monkeypatch.setattr(clip, "_mux", half)
    with pytest.raises(OSError, match="11 of 20 pictures"):
        write_clip(strip, tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


def test_ffmpeg_plays_it_without_a_complaint(tmp_path):
    import shutil

    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg")
    write_clip(strip_of(20, codec="h264"), tmp_path / "a.mp4")
    done = subprocess.run(
        ["ffmpeg", "-v", "warning", "-i", str(tmp_path / "a.mp4"), "-f", "null", "-"], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
