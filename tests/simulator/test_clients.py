"""Foreign clients must be satisfied: ffprobe, ffmpeg and GStreamer, over TCP and UDP, with and without passwords."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator

import av
import numpy as np
import pytest

from streamer.simulator import Simulator

pytestmark = pytest.mark.e2e
SIZE, FPS = (320, 180), 25
NAMES = ["h264", "h265", "basic", "digest", "both"]
CODEC = {"h264": "h264", "h265": "hevc"}


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    """A camera for each codec and each way to log in."""
    same = {"scene": "empty", "size": list(SIZE), "fps": FPS, "gop": 12, "loop_seconds": 14.5}
    locked = {**same, "user": "admin", "password": "p@ss:/ word"}
    cameras = [{"name": "h264", **same}, {"name": "h265", **same, "codec": "h265", "audio": True}]
    cameras += [{"name": auth, **locked, "auth": auth} for auth in ("basic", "digest", "both")]
    with Simulator(cameras) as simulator:
        yield simulator


def _need(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"needs {program} (Debian: ffmpeg, gstreamer1.0-tools with plugins-good, plugins-bad and libav)")
    return path


def _need_element(name: str) -> None:
    found = subprocess.run([_need("gst-inspect-1.0"), name], capture_output=True, timeout=60, check=False)
    if found.returncode:
        pytest.skip(f"needs the GStreamer element {name}")


def _probe(url: str, transport: str) -> list[dict[str, object]]:
    command = [_need("ffprobe"), "-v", "warning", "-rtsp_transport", transport, "-show_streams", "-of", "json", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "not a single warning"
    streams: list[dict[str, object]] = json.loads(done.stdout)["streams"]
    return streams


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("name", NAMES)
def test_ffprobe(sim: Simulator, name: str, transport: str) -> None:
    video, *rest = _probe(sim.url(name), transport)
    assert video["codec_name"] == CODEC.get(name, "h264")
    assert (video["width"], video["height"]) == SIZE
    assert video["r_frame_rate"] == f"{FPS}/1"
    assert [stream["codec_name"] for stream in rest] == (["pcm_mulaw"] if name == "h265" else [])


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("name", ["h264", "h265"])
def test_ffmpeg_decodes_without_a_complaint(sim: Simulator, name: str, transport: str) -> None:
    command = [_need("ffmpeg"), "-v", "warning", "-rtsp_transport", transport, "-i", sim.url(name)]
    command += ["-an", "-frames:v", "40", "-fps_mode", "passthrough", "-f", "framecrc", "-"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    rows = [line.split(",") for line in done.stdout.splitlines() if not line.startswith("#")]
    assert len(rows) == 40
    assert not done.stderr


def test_ffmpeg_with_a_wrong_password(sim: Simulator) -> None:
    url = sim.url("digest").replace("p%40ss", "wrong")
    done = subprocess.run(
        [_need("ffprobe"), "-v", "error", url], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "401" in done.stderr


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("name", ["h264", "h265", "basic", "digest"])
def test_gstreamer(sim: Simulator, name: str, transport: str) -> None:
    kind = "h265" if name == "h265" else "h264"
    for element in ("rtspsrc", f"rtp{kind}depay", f"{kind}parse", f"avdec_{kind}"):
        _need_element(element)
    launch = f"rtspsrc location={_bare(sim, name)} protocols={transport} latency=50 name=src "
    if name in ("basic", "digest"):
        launch += 'user-id=admin user-pw="p@ss:/ word" '
    launch += f"! rtp{kind}depay ! {kind}parse ! avdec_{kind} ! fakesink num-buffers=25 silent=false"
    command = [_need("gst-launch-1.0"), "-v", *_words(launch)]
    environment = {**os.environ, "GST_DEBUG": "rtspsrc:6", "GST_DEBUG_NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.stdout.count("chain  ") == 25, done.stderr
    assert done.returncode == 0 or _cancelled_itself(done.stderr), done.stderr
    assert f"width=(int){SIZE[0]}, height=(int){SIZE[1]}" in done.stdout


def _cancelled_itself(log: str) -> bool:
    """Whether GStreamer failed by a race within itself, after its work was done and through no fault of the server.

    At its end `gst-launch` pauses, then closes at once, from another thread. If the close comes while PAUSE is being
    written, it cancels that write, which GStreamer 1.22 takes for an end of file and posts as an error ("Could not send
    message"). The connection lives: TEARDOWN goes over it afterwards, and the server must answer that it is well.
    """
    _, cancelled, rest = log.partition("connection flush busy PAUSE")
    errors = {line.partition("error: ")[2] for line in log.splitlines() if " WARN " in line and "error: " in line}
    _, torn_down, answer = rest.partition("method: 'TEARDOWN'")
    only = errors == {"Could not send message. (Received end-of-file)"}
    return bool(cancelled and torn_down) and only and re.search(r"code: +'200'", answer) is not None


def _bare(sim: Simulator, name: str) -> str:
    scheme, _, rest = sim.url(name).partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _words(launch: str) -> list[str]:
    return shlex.split(launch)


@pytest.fixture(scope="module")
def sick() -> Iterator[Simulator]:
    """One camera to misbehave."""
    spec = {"scene": "empty", "size": list(SIZE), "fps": FPS, "gop": 12, "loop_seconds": 14.5}
    with Simulator([{"name": "cam", **spec, "port": 0}]) as simulator:
        yield simulator


class TestPyAV:
    """What a reader built on FFmpeg's libraries gets to see of each misbehavior."""

    @pytest.mark.parametrize(
        ("kind", "error"),
        [
            ("refuse", av.ConnectionRefusedError),
            ("401", av.HTTPUnauthorizedError),
            ("404", av.HTTPNotFoundError),
            ("half_open", av.FFmpegError),
            ("stall", av.FFmpegError),
        ],
    )
    def test_cannot_be_opened(self, sick: Simulator, kind: str, error: type[Exception]) -> None:
        sick.fault("cam", kind)
        with pytest.raises(error):
            self._watch(sick, 1, timeout_s=1.0)
        sick.fault("cam", None)
        assert len(self._watch(sick, 3)) == 3

    def test_audio_only(self, sick: Simulator) -> None:
        sick.fault("cam", "audio_only")
        with av.open(sick.url("cam"), options={"rtsp_transport": "tcp"}, timeout=20) as container:
            assert not container.streams.video
            assert next(container.decode(audio=0)).sample_rate == 8000
        sick.fault("cam", None)

    def test_stall_in_mid_stream(self, sick: Simulator) -> None:
        with av.open(sick.url("cam"), options={"rtsp_transport": "tcp"}, timeout=(20, 1.0)) as container:
            pictures = container.decode(video=0)
            assert len(list(itertools.islice(pictures, 3))) == 3
            sick.fault("cam", "stall")
            with pytest.raises(av.FFmpegError):
                list(itertools.islice(pictures, 200))
        sick.fault("cam", None)

    def test_flood(self, sick: Simulator) -> None:
        sick.fault("cam", "flood")
        pictures = self._watch(sick, 60)
        sick.fault("cam", None)
        step = np.median(np.diff([pts for pts, _ in pictures[1:]]))  # libav knows no time of the first
        assert step == pytest.approx(90_000 / FPS / 10, abs=2)

    @pytest.mark.parametrize("kind", ["corrupt", "loss"])
    def test_damaged_pictures(self, sick: Simulator, kind: str) -> None:
        """The decoder notices: its pictures are marked, or there are fewer of them."""
        sick.fault("cam", kind, rate=0.5)
        damaged = decoded = 0
        with av.open(sick.url("cam"), options={"rtsp_transport": "tcp"}, timeout=20) as container:
            for number, packet in enumerate(container.demux(video=0)):
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    damaged += 1
                    continue
                damaged += packet.is_corrupt + sum(frame.is_corrupt for frame in frames)
                decoded += len(frames)
                if number == 60:
                    break
        sick.fault("cam", None)
        assert damaged > 10 or decoded < 50

    def test_pts_jump(self, sick: Simulator) -> None:
        with av.open(sick.url("cam"), options={"rtsp_transport": "tcp"}, timeout=20) as container:
            times: list[float] = []
            pictures = container.decode(video=0)
            next(pictures)  # libav knows no time of the first
            for frame in pictures:
                times.append(frame.time)
                if len(times) == 5:
                    sick.fault("cam", "pts_jump", seconds=100)
                if max(np.diff(times), default=0) > 50:
                    break
                assert len(times) < 200
        sick.fault("cam", None)
        assert max(np.diff(times)) == pytest.approx(100, abs=1)

    @staticmethod
    def _watch(sick: Simulator, count: int, timeout_s: float = 20.0) -> list[tuple[int, tuple[int, int]]]:
        """(pts, size) of the first pictures."""
        options = {"rtsp_transport": "tcp", "analyzeduration": "200000"}
        with av.open(sick.url("cam"), options=options, timeout=timeout_s) as container:
            frames = itertools.islice(container.decode(video=0), count)
            return [(frame.pts, (frame.width, frame.height)) for frame in frames]
