"""`streamer bench`, as far as it goes without running anything, and one whole run."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from streamer import log
from streamer.bench import command, trial
from streamer.bench.content import prepare
from streamer.bench.figures import Run
from streamer.bench.floor import Floor
from streamer.bench.load import Load
from streamer.errors import InputError, ModelError, StreamerError
from tests.bench.example import run

FLOOR = Floor(28.0, 7.0, 1, 80.0, 64.0, 70.0, 90.0, "onnxruntime f32", "416x256", 16.0, 2)
LOAD = Load(cameras=2, size=(320, 180), fps=10.0, analyze_fps=5.0, seconds=4.0, warmup_s=0.5)


def _given(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(arguments)


def test_arguments_become_a_load() -> None:
    load = command.load_of(_given("--cameras", "3", "--size", "640x360", "--fps", "10", "--seconds", "7"))
    assert (load.cameras, load.size, load.fps, load.seconds, load.model) == (3, (640, 360), 10.0, 7.0, "motion")


def test_a_search_has_short_runs_unless_told_otherwise() -> None:
    assert command.load_of(_given("--find-capacity")).seconds == command.SEARCH_SECONDS
    assert command.load_of(_given("--find-capacity", "--seconds", "20")).seconds == 20.0


def test_real_cameras_are_counted_and_their_passwords_kept() -> None:
    load = command.load_of(_given("--rtsp", "rtsp://u:hunter22@10.0.0.1/a", "rtsp://10.0.0.2/b"))
    assert load.cameras == 2
    assert "hunter22" not in log.secrets.scrub("it was hunter22")


def test_a_missing_model_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        command.load_of(_given("--model", str(tmp_path / "none.onnx")))


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of small pictures."""
    return prepare(LOAD, tmp_path_factory.mktemp("stream"))


@pytest.mark.slow
@pytest.mark.e2e
def test_a_run_from_simulated_cameras_to_figures(stream: Path) -> None:
    found = trial.run(LOAD, stream)
    assert found.served.offered == pytest.approx(20.0, abs=2.0)
    assert found.served.worst >= 0.8
    assert found.unreadable == found.duplicates == 0
    assert found.latency is not None
    assert 0 < found.latency.p50 < 1000
    assert set(found.cpu_ms) == {"engine", "reader", "worker"}
    assert all(used > 0 for role, used in found.cpu_ms.items() if role != "worker")
    assert found.simulator_ms > 0
    assert found.memory.peak_pss["reader"] > 10
    assert found.sent_fps == pytest.approx(10.0, abs=0.5)
    assert found.batch_mean >= 1.0
    assert found.plan["runtime"] == "builtin"
    json.dumps(found.to_json())


@pytest.mark.slow
@pytest.mark.e2e
def test_a_daemon_that_cannot_start_is_quoted(stream: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(StreamerError, match=r"broken\.onnx"):
        trial.run(replace(LOAD, model=str(broken)), stream)


def test_the_bench_itself_loads_no_runtime_and_no_torch() -> None:
    heavy = ("torch", "onnxruntime", "openvino")
    code = f"import sys, streamer.bench.command; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_bad_size_is_wrong_input() -> None:
    with pytest.raises(InputError, match="size"):
        command.load_of(_given("--size", "big"))


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Load]:
    """A machine that holds five cameras, without running anything; the loads that were run."""
    ran: list[Load] = []

    def measure(load: Load, stream: Path | None) -> Run:
        ran.append(load)
        held = load.cameras <= 5
        return run(load.cameras, share=1.0 if held else 0.6, p95=90.0 if held else 150.0, overloaded=not held)

    monkeypatch.setattr(command.trial, "run", measure)
    monkeypatch.setattr(command.floor, "measure", lambda *_: FLOOR)
    monkeypatch.setattr(command, "prepare", lambda load: tmp_path / "stream.h264")
    monkeypatch.setattr(command, "help_seconds", lambda: 0.1)
    return ran


def test_capacity_is_searched_and_then_doubled(pretend: list[Load], capsys: pytest.CaptureFixture[str]) -> None:
    command.bench(_given("--find-capacity"))
    said = capsys.readouterr().out
    assert "capacity: 5 cameras" in said
    assert "overload: 10 cameras for 60 s" in said
    assert "`overloaded` is raised" in said
    assert (pretend[-1].cameras, pretend[-1].seconds) == (10, command.OVERLOAD_SECONDS)
    assert all(load.seconds == command.SEARCH_SECONDS for load in pretend[:-1])


def test_json_is_one_object_and_nothing_else(pretend: list[Load], capsys: pytest.CaptureFixture[str]) -> None:
    command.bench(_given("--cameras", "4", "--json"))
    found = json.loads(capsys.readouterr().out)
    assert found["run"]["cameras"] == 4
    assert found["ratios"]["bare floor, in one go"] == pytest.approx(1.25)
    assert found["ratios"]["plain code, in one go"] == pytest.approx(1.0)
    assert found["floor"]["mean"]["bare_ms"] == 64.0
    assert found["load"]["model"] == "motion"
    command.bench(_given("--find-capacity", "--overload", "0", "--json", "--no-floor"))
    found = json.loads(capsys.readouterr().out)
    assert found["capacity"]["cameras"] == 5
    assert "overload" not in found["capacity"]
    assert "floor" not in found


def test_real_cameras_have_no_capacity_to_be_searched(pretend: list[Load]) -> None:
    with pytest.raises(InputError, match="simulated"):
        command.bench(_given("--rtsp", "rtsp://10.0.0.1/a", "--find-capacity"))
    assert not pretend
