from fractions import Fraction

import av
import numpy as np
import pytest

from streamer.errors import SourceError
from streamer.sources.recording import Recording
from tests.sources.media import picture


def write(path, n=12, codec="libx264", fps=10, size=(160, 96), pix_fmt="yuv420p", audio=False, times=None):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        sound = container.add_stream("aac", rate=8000) if audio else None
        for i in range(n):
            frame = av.VideoFrame.from_ndarray(picture(i, *size), format="rgb24").reformat(format=pix_fmt)
            frame.pts = i if times is None else times[i]
            frame.time_base = Fraction(1, fps if times is None else 1000)
            container.mux(stream.encode(frame))
            if sound is not None:
                samples = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.float32), format="fltp", layout="mono")
                samples.sample_rate, samples.pts = 8000, i * 800
                container.mux(sound.encode(samples))
        container.mux(stream.encode(None))
        if sound is not None:
            container.mux(sound.encode(None))
    return path


def times_of(path):
    recording = Recording(path)
    times = [pts for pts, _ in recording.pictures()]
    recording.close()
    return times, recording


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mkv", "libx265", "yuv420p"),
        ("a.mp4", "libx264", "yuvj420p"),
        ("a.avi", "msmpeg4v2", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.mkv", "mjpeg", "yuvj420p"),
        ("a.gif", "gif", "rgb8"),
    ],
)
def test_codecs_and_containers(tmp_path, name, codec, pix_fmt):
    times, recording = times_of(write(tmp_path / name, codec=codec, pix_fmt=pix_fmt))
    assert times == pytest.approx([i / 10 for i in range(12)], abs=0.011)
    assert recording.fault is None
    assert recording.fps == pytest.approx(10, rel=0.1)
    assert recording.duration_s == pytest.approx(1.2, abs=0.15)


@pytest.mark.parametrize("fps", [6, 25, 60])
def test_rates(tmp_path, fps):
    times, recording = times_of(write(tmp_path / "a.mp4", fps=fps))
    assert times == pytest.approx([i / fps for i in range(12)], abs=1e-3)
    assert recording.fps == pytest.approx(fps)


def test_variable_rate_and_a_late_first_time(tmp_path):
    given = [500, 540, 700, 1500, 1501, 1900]
    times, _ = times_of(write(tmp_path / "a.mkv", n=6, times=given))
    assert times == pytest.approx([(t - 500) / 1000 for t in given], abs=2e-3)


def test_sound_is_read_over(tmp_path):
    times, recording = times_of(write(tmp_path / "a.mp4", audio=True))
    assert len(times) == 12
    assert recording.fault is None


def test_only_sound(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        sound = container.add_stream("aac", rate=8000)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        samples.sample_rate = 8000
        container.mux([*sound.encode(samples), *sound.encode(None)])
    with pytest.raises(SourceError) as caught:
        Recording(tmp_path / "a.mp4")
    assert caught.value.cause == "no_video"


def test_a_broken_tail_gives_what_is_there_and_says_so(tmp_path):
    path = write(tmp_path / "a.mkv", n=30)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3] + bytes(500))
    times, _recording = times_of(path)
    assert 10 < len(times) < 30
    assert times == sorted(times)


def test_a_hole_is_said(tmp_path):
    path = write(tmp_path / "a.avi", n=30, codec="mpeg4")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(0).integers(0, 256, 3000, dtype=np.uint8).tobytes()
    path.write_bytes(bytes(data))
    times, _ = times_of(path)
    assert len(times) > 12
    assert times == sorted(times)


@pytest.mark.parametrize("content", [b"", b"not a video at all" * 100])
def test_no_video_file(tmp_path, content):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.mp4") as caught:
        Recording(path)
    assert caught.value.cause == "file"


def test_a_missing_file(tmp_path):
    with pytest.raises(SourceError, match="No such file") as caught:
        Recording(tmp_path / "nothing.mp4")
    assert caught.value.cause == "file"


def test_a_playlist_that_poses_as_a_recording_reaches_nothing(tmp_path):
    (tmp_path / "a.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/secret.ts\n")
    with pytest.raises(SourceError):
        list(Recording(tmp_path / "a.m3u8").pictures())
