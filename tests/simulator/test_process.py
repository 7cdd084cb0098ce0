"""The simulator as a child process: ready, commanded, ended, and never left behind."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.errors import InputError, StreamerError
from streamer.simulator import CameraSpec, SentTimes, Simulator, framecode
from streamer.simulator.spec import SimulatorSpec

pytestmark = pytest.mark.e2e
SMALL = {"size": "320x180", "fps": 20, "gop": 10}
PASSWORD = "p@ss: w\u00f6rd/%41"


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Three small cameras."""
    cameras = [
        CameraSpec(name="plain", scene="empty", size=(320, 180), fps=20, gop=10, burn_index=True),
        CameraSpec(name="locked", scene="yard", **_half(), user="ad min", password=PASSWORD, auth="digest", port=0),
        CameraSpec(name="h265", scene="empty", **_half(), codec="h265"),
    ]
    log = tmp_path_factory.mktemp("simulator") / "send.log"
    with Simulator(SimulatorSpec(cameras=tuple(cameras), send_log=log)) as simulator:
        yield simulator


def _half() -> dict[str, object]:
    return {"size": (160, 90), "fps": 10.0}


def _pictures(url: str, count: int) -> list[tuple[float, int, np.ndarray]]:
    """(arrival, pts, luma) of the first pictures."""
    options = {"rtsp_transport": "tcp", "fflags": "nobuffer", "flags": "low_delay", "analyzeduration": "200000"}
    with av.open(url, options=options, timeout=20) as container:
        found = []
        for frame in container.decode(video=0):
            found.append((time.monotonic(), frame.pts, frame.to_ndarray(format="gray")))
            if len(found) == count:
                break
        return found


def test_ready_says_what_there_is(sim: Simulator) -> None:
    assert list(sim.urls) == ["plain", "locked", "h265"]
    assert sim.cameras["h265"]["codec"] == "h265"
    assert sim.loops["plain"] == (0, 400)
    assert sim.url("plain") == f"rtsp://127.0.0.1:{sim.port}/plain"


def test_credentials_are_in_the_url_and_nowhere_else(sim: Simulator) -> None:
    assert sim.url("locked").startswith("rtsp://ad%20min:p%40ss%3A%20w%C3%B6rd%2F%2541@127.0.0.1:")
    argv = Path(f"/proc/{sim.pid}/cmdline").read_bytes()
    environment = Path(f"/proc/{sim.pid}/environ").read_bytes()
    assert b"p@ss" not in argv
    assert b"p@ss" not in environment


@pytest.mark.parametrize("name", ["plain", "locked", "h265"])
def test_pyav_decodes(sim: Simulator, name: str) -> None:
    pictures = _pictures(sim.url(name), 5)
    size = sim.cameras[name]["size"]
    assert all(picture.shape == (size[1], size[0]) for _, _, picture in pictures)


def test_burnt_index_and_log_give_the_latency(sim: Simulator) -> None:
    times = SentTimes(Path(str(sim.spec.send_log)), 3)
    latencies, indexes = [], []
    for arrived, _, picture in _pictures(sim.url("plain"), 30)[10:]:
        index = framecode.read(picture)
        assert index >= 0
        indexes.append(index)
        sent = times.sent_at(0, sim.loops["plain"], index, before=arrived)
        assert sent is not None
        latencies.append(arrived - sent)
    assert all((b - a) % 400 == 1 for a, b in itertools.pairwise(indexes))
    assert min(latencies) > 0
    assert np.median(latencies) < 1.0


def test_commands(sim: Simulator) -> None:
    sim.fault("plain", "loss", rate=0.5)
    assert sim.stats()["cameras"]["plain"]["fault"] == "loss"
    sim.fault("*", None)
    stats = sim.stats()
    assert {camera["fault"] for camera in stats["cameras"].values()} == {None}
    assert stats["cpu_s"] > 0
    for name, fault, words in (("nobody", None, "nobody"), ("plain", "fire", "fire")):
        with pytest.raises(InputError, match=words):
            sim.fault(name, fault)
    with pytest.raises(InputError, match="speed"):
        sim.fault("plain", "loss", speed=2)


def test_black_and_frozen_as_decoded(sim: Simulator) -> None:
    try:
        sim.fault("plain", "black")
        assert max(int(picture.max()) for _, _, picture in _pictures(sim.url("plain"), 4)) <= 18
        sim.fault("plain", "frozen")
        frozen = [picture.astype(int) for _, _, picture in _pictures(sim.url("plain"), 25)]
        changes = [np.abs(b - a).mean() for a, b in itertools.pairwise(frozen)]
        sim.fault("plain", None)
        alive = [picture.astype(int) for _, _, picture in _pictures(sim.url("plain"), 25)]
        living = [np.abs(b - a).mean() for a, b in itertools.pairwise(alive)]
        assert np.median(changes) < 0.1 * np.median(living)
        assert {framecode.read(picture.astype(np.uint8)) for picture in frozen[10:]} != {-1}
    finally:
        sim.fault("plain", None)


def test_resolution_changes_in_mid_stream(sim: Simulator) -> None:
    try:
        with av.open(sim.url("plain"), options={"rtsp_transport": "tcp"}, timeout=20) as container:
            sizes = []
            for number, frame in enumerate(container.decode(video=0)):
                sizes.append((frame.width, frame.height))
                if number == 3:
                    sim.fault("plain", "resolution")
                if sizes[-1] == (160, 90):
                    sim.fault("plain", None)
                if len(set(sizes)) == 2 and sizes[-1] == (320, 180):
                    break
                assert number < 400
        assert set(sizes) == {(320, 180), (160, 90)}
    finally:
        sim.fault("plain", None)


def test_truth(sim: Simulator) -> None:
    assert [i.actor for i in sim.truth("locked").incidents() if i.kind == "intrusion"] == [
        "intruder",
        "second-intruder",
    ]
    assert not sim.truth("plain").incidents()


def test_truth_of_a_file_is_not_known(tmp_path: Path) -> None:
    simulator = Simulator.__new__(Simulator)
    simulator.spec = SimulatorSpec(cameras=(CameraSpec(name="f", file=tmp_path / "a.mp4"),))
    with pytest.raises(InputError, match="not known"):
        simulator.truth("f")


def test_wrong_specification_is_told_and_leaves_no_process() -> None:
    with pytest.raises(InputError, match="garden"):
        Simulator([{"name": "a", "scene": "garden"}])
    with pytest.raises(InputError, match="either a scene"):
        Simulator([{"name": "a"}])


def test_not_ready_in_time() -> None:
    with pytest.raises(StreamerError, match=r"gave no answer for 0\.01 s"):
        Simulator([{"name": "a", "scene": "empty"}], ready_timeout_s=0.01)


def test_close_ends_the_child_and_later_commands_say_so() -> None:
    simulator = Simulator([{"name": "a", "scene": "empty", "size": "64x64", "fps": 2}])
    pid = simulator.pid
    simulator.close()
    simulator.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(StreamerError, match="has ended"):
        simulator.fault("a", None)


def test_child_ends_with_its_parent() -> None:
    """Even when the parent is killed: the pipe closes."""
    script = (
        "import time\nfrom streamer.simulator import Simulator\n"
        "s = Simulator([{'name': 'a', 'scene': 'empty', 'size': '64x64', 'fps': 2}])\n"
        "print(s.pid, flush=True)\ntime.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 10
    while _lives(child):
        assert time.monotonic() < until
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_parent_imports_neither_libav_nor_opencv() -> None:
    script = "import sys, streamer.simulator.process\nprint([m for m in ('av', 'cv2', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


class TestCommandLine:
    """`python -m streamer.simulator` without the Python side."""

    @staticmethod
    def _run(*arguments: str, lines: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "streamer.simulator", *arguments]
        return subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60, check=False)

    def test_a_session(self, tmp_path: Path) -> None:
        path = tmp_path / "spec.json"
        path.write_text(
            json.dumps({"cameras": [{"name": "a", "scene": "empty", "size": "64x64", "fps": 2, "fault": "stall"}]})
        )
        commands = ['{"stats": true}', "nonsense", "[]", "{}", '{"camera": "a", "fault": null}', '{"quit": true}', "x"]
        done = self._run(str(path), lines="\n".join(commands) + "\n")
        ready, stats, *bad, fixed, end = (json.loads(line) for line in done.stdout.splitlines())
        assert ready["ready"]
        assert ready["urls"]["a"].endswith("/a")
        assert stats["cameras"]["a"]["fault"] == "stall"
        assert [answer["ok"] for answer in bad] == [False] * 3
        assert fixed == {"ok": True, "camera": "a", "fault": None}
        assert end == {"ok": True, "quit": True}
        assert done.returncode == 0

    def test_ends_when_stdin_closes(self) -> None:
        spec = json.dumps({"cameras": [{"name": "a", "scene": "empty", "size": "64x64", "fps": 2}]})
        done = self._run("-", lines=spec + "\n")
        assert done.returncode == 0
        assert json.loads(done.stdout)["ready"]

    def test_ends_on_sigterm(self) -> None:
        command = [sys.executable, "-m", "streamer.simulator", "-"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            spec = {"cameras": [{"name": "a", "scene": "empty", "size": "64x64", "fps": 2}]}
            process.stdin.write(json.dumps(spec).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["ready"]
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0

    @pytest.mark.parametrize(
        ("arguments", "lines", "words"),
        [
            ((), "", "usage"),
            (("missing.json",), "", "cannot be read"),
            (("-",), '{"cameras": [{"name": "a", "scene": "garden"}]}\n', "garden"),
            (("-",), "{\n", "JSON"),
        ],
    )
    def test_wrong_input(self, arguments: tuple[str, ...], lines: str, words: str) -> None:
        done = self._run(*arguments, lines=lines)
        assert done.returncode == 2
        assert words in (done.stdout if "-" in arguments else done.stderr)
        assert "Traceback" not in done.stderr
