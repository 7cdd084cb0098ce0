"""The command line: exit statuses, one line an error, and each command wired to what it promises."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from streamer import cli
from streamer.commands.site import STARTER

SITE = """\
cameras:
  gate: {source: "usb:9", zones: {yard: [[0.1, 0.4], [0.9, 0.4], [0.9, 1.0]]}, pipelines: [p]}
pipelines:
  p: {use: surveillance, detector: motion, intrusion: {zones: [yard]}}
sinks:
  log: {type: jsonl, path: alerts.jsonl}
storage: {dir: data}
web: {listen: "127.0.0.1:0"}
"""


@pytest.fixture(autouse=True)
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMER_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr("streamer.log.setup", lambda *args, **kwargs: None)  # pytest keeps its own handlers


def status(*argv: str) -> int:
    try:
        return cli.main(argv)
    except SystemExit as exit:  # argparse
        return int(exit.code or 0)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("chek",), "invalid choice: 'chek'"),
        ((), "the following arguments are required: COMMAND"),
        (("check", "none.yaml"), "none.yaml: no such file; `streamer init` writes one"),
        (("check", "broken.yaml"), "broken.yaml:2:1: no valid YAML"),
        (("check", "unknown.yaml"), "unknown.yaml:9:1 wbe: unknown key; did you mean 'web'?"),
        (("check", "polygon.yaml"), "cameras.gate.zones.yard: a polygon needs at least 3 points, got 2"),
        (("check", "nomodel.yaml"), "pipelines.p.detector: model 'person.onnx': no such file"),
        (("check", "badmodel.yaml"), "pipelines.p.detector: model "),
        (("run", "site.yaml", "rtsp://10.0.0.1/x"), "run: site.yaml: give one configuration file, or only streams"),
        (("run", "none.mp4"), "no such file"),
        (("run", "rtsp:///x"), "run: no host name in the rtsp address"),
        (("init", "site.yaml"), "site.yaml: exists already and is left alone"),
        (("init", "no/where.yaml"), "no/where.yaml: cannot be written: No such file or directory"),
        (("replay", "site.yaml", "--video", "gat=film.mp4"), "site.yaml has no camera 'gat'; did you mean 'gate'?"),
        (("replay", "site.yaml", "--video", "gate=film.mp4"), "video of camera 'gate': no such file film.mp4"),
        (("replay", "site.yaml", "--video", "gate"), "--video needs CAMERA=FILE, got 'gate'"),
        (("replay", "site.yaml"), "the following arguments are required: --video"),
        (("sinks", "test", "lgo"), "site.yaml has no sink 'lgo'; did you mean 'log'?"),
        (("models", "info", "moton"), "model 'moton': no such file"),
        (("models", "import", "none.onnx", "--family", "yolox"), "none.onnx"),
        (("bench", "--cameras", "0"), "bench: cameras must be 1 to 1000, got 0"),
        (("probe", "rtsp://10.0.0.1/x", "--seconds", "0"), "probe: --seconds must be 1 to 3600, got 0"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    argv: tuple[str, ...], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        "site": SITE,
        "broken": "cameras: [\n",
        "unknown": SITE + "wbe: {}\n",
        "polygon": SITE.replace(", [0.9, 1.0]]", "]"),
        "nomodel": SITE.replace("detector: motion", "detector: person.onnx"),
        "badmodel": SITE.replace("detector: motion", "detector: bad.onnx"),
    }
    for name, text in files.items():
        Path(f"{name}.yaml").write_text(text)
    Path("bad.onnx").write_bytes(b"\x00\x01 no model")
    assert status(*argv) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert expected in lines[0]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("dir: data", "dir: taken", "taken"),
        ("dir: data", "dir: /proc/nowhere", "/proc/nowhere"),
        ("127.0.0.1:0", "127.0.0.1:{port}", "{port}"),
    ],
)
def test_what_fails_while_running_is_one_line_and_status_1(
    old: str, new: str, expected: str, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("taken").write_text("a file where the folder should be")
    Path("site.yaml").write_text(SITE.replace(old, new.format(port=free_port)))
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", free_port))
        holder.listen()
        assert status("run") == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert expected.format(port=free_port) in lines[0]


def test_check_says_what_was_configured(capsys: pytest.CaptureFixture[str]) -> None:
    Path("site.yaml").write_text(SITE)
    assert status("check") == 0
    out = capsys.readouterr().out
    assert "gate: device 9 at 5/s, watched by p (yard)" in out
    assert out.endswith("site.yaml: ok\n")


def test_check_prints_all_settings_without_credentials(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMERA_PW", "topsecret-9")
    Path("site.yaml").write_text(SITE.replace('"usb:9"', '"rtsp://me:${CAMERA_PW}@10.0.0.9/a?token=tok-12345"'))
    assert status("check", "--print") == 0
    out = capsys.readouterr().out
    assert "topsecret-9" not in out
    assert "tok-12345" not in out
    assert "expire_seconds: 86400.0" in out


def test_init_writes_a_file_that_check_accepts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATE_PASSWORD", "x")
    assert status("init") == 0
    assert Path("site.yaml").read_text() == STARTER.read_text()
    assert status("check") == 0
    assert "site.yaml: ok" in capsys.readouterr().out


def test_models_list_and_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("models", "list") == 0
    assert status("models", "info", "motion") == 0
    out = capsys.readouterr().out
    assert "motion" in out
    assert "built in" in out


def test_sinks_test_delivers(capsys: pytest.CaptureFixture[str]) -> None:
    Path("site.yaml").write_text(SITE)
    assert status("sinks", "test", "log") == 0
    assert "sink 'log': the test alert was delivered" in capsys.readouterr().out
    assert json.loads(Path("alerts.jsonl").read_text())["kind"] == "test"


def test_outbox_of_a_folder_that_is_not_there_is_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    Path("site.yaml").write_text(SITE)
    assert status("outbox", "list") == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_outbox_list_and_retry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from streamer.store import Store

    Path("site.yaml").write_text(SITE)
    Store(tmp_path / "data").open().close()
    assert status("outbox", "list") == 0
    assert status("outbox", "retry") == 0
    assert status("outbox", "retry", "no-such-id") == 2
    captured = capsys.readouterr()
    assert captured.out.startswith("0 waiting, 0 given up\n0 to be sent again")
    assert "none of these alerts was given up" in captured.err


def test_an_unexpected_error_is_one_line_and_debug_adds_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from streamer import log

    def broken() -> str:
        log.secrets.add("hidden-77")
        raise RuntimeError("with hidden-77\nin it")

    monkeypatch.setattr("streamer.models.commands.list_text", broken)
    assert status("models", "list") == 1
    err = capsys.readouterr().err
    assert err == "unexpected RuntimeError: with *** in it; this is a bug: --debug shows where\n"
    assert status("models", "list", "--debug") == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "hidden-77" not in err


def test_interrupted_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("streamer.models.commands.list_text", interrupted)
    assert status("models", "list") == 130


def test_a_reader_that_leaves_is_no_error() -> None:
    ends = os.pipe()
    os.close(ends[0])
    done = subprocess.run(
        [sys.executable, "-m", "streamer", "models", "list"], stdout=ends[1], stderr=subprocess.PIPE, timeout=60
    )
    os.close(ends[1])
    assert done.stderr == b""


@pytest.mark.parametrize("command", ["", "run", "check", "bench", "sinks test", "outbox retry", "models import"])
def test_every_help_is_printed(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(*command.split(), "--help") == 0
    assert f"usage: streamer {command}".rstrip() in capsys.readouterr().out


@pytest.mark.e2e
@pytest.mark.slow
def test_replay_twice_gives_the_same_file(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("site.yaml").write_text(SITE.replace("usb:9", "rtsp://u:${NOT_NEEDED}@x/y"))
    video = f"gate={shared_data / 'cctv' / 'campus.mp4'}"
    for out in ("a.jsonl", "b.jsonl"):
        assert status("replay", "site.yaml", "--video", video, "--out", out) == 0
    assert Path("a.jsonl").read_bytes() == Path("b.jsonl").read_bytes()
    rows = [json.loads(line) for line in Path("a.jsonl").read_text().splitlines()]
    assert rows
    assert {row["camera"] for row in rows} == {"gate"}
    assert not Path("alerts.jsonl").exists()  # replay never fires a sink
    assert "alerts: " in capsys.readouterr().out


@pytest.mark.e2e
@pytest.mark.slow
def test_a_first_look_prints_the_site_that_it_stands_for(shared_data: Path) -> None:
    film = shared_data / "cctv" / "campus.mp4"
    process = subprocess.Popen(
        [sys.executable, "-m", "streamer", "run", str(film)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "watching 1 camera" in line:
                break
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    text = out.partition("storage:")[0]
    assert out.startswith("# what this stands for")
    assert f'source: "{film}"' in text
    assert Path("streamer-data").is_dir()
