"""`streamer preview` from the command line."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from streamer import cli
from tests.films import film

SITE = """\
cameras:
  gate: {source: "rtsp://u:${NOT_NEEDED}@10.9.9.9/x", zones: {yard: [[0.1, 0.4], [0.9, 0.4], [0.9, 1]]}, pipelines: [p]}
  door: {source: film.mp4, lines: {entry: {from: [0, 0.5], to: [1, 0.5]}}, pipelines: [p2]}
pipelines:
  p: {use: surveillance, detector: motion, intrusion: {zones: [yard]}}
  p2: {use: surveillance, detector: motion}
sinks:
  hook: {type: webhook, url: "${HOOK_URL}"}
"""


@pytest.fixture(autouse=True)
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("streamer.log.setup", lambda *args, **kwargs: None)
    Path("site.yaml").write_text(SITE)
    film(Path("film.mp4"))


def status(*argv: str) -> int:
    try:
        return cli.main(["preview", *argv])
    except SystemExit as exit:  # argparse
        return int(exit.code or 0)


def size(path: str) -> tuple[int, int]:
    with av.open(path) as container:
        picture = next(container.decode(video=0))
        return picture.width, picture.height


def test_it_draws_on_a_recording_without_needing_any_variable(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("--camera", "gate", "--video", "film.mp4", "--at", "1", "--out", "a.jpg") == 0
    assert capsys.readouterr().out == "wrote a.jpg: gate at 1.0 s, 160x96: 1 zone (yard)\n"
    assert size("a.jpg") == (800, 480)


def test_it_draws_on_what_the_camera_shows_and_says_where(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOT_NEEDED", "x")
    assert status("--camera", "door") == 0
    assert capsys.readouterr().out == "wrote door.png: door at 0.0 s, 160x96: 1 line (entry)\n"
    assert size("door.png") == (800, 480)


def test_it_draws_what_the_detector_finds(capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--camera", "gate", "--video", "film.mp4", "--at", "3", "--detections", "--out", "a.png")
    assert status(*given) == 0
    assert "found by motion" in capsys.readouterr().out


@pytest.mark.slow
def test_it_draws_people(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.footage import detector

    model = detector(shared_data, tmp_path)
    Path("site.yaml").write_text(SITE.replace("motion", "people") + f"models: {{people: {{file: {model}}}}}\n")
    video = str(shared_data / "cctv" / "campus.mp4")
    assert status("--camera", "gate", "--video", video, "--at", "20", "--detections", "--out", "a.png") == 0
    found = int(capsys.readouterr().out.rpartition("; ")[2].split()[0])
    assert 5 <= found <= 30


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ((), "preview: --camera is needed: site.yaml has gate, door"),
        (("--camera", "gat"), "site.yaml has no camera 'gat'; did you mean 'gate'?"),
        (("--camera", "gate", "--out", "a.bmpp"), "a.bmpp: a picture ends in one of .png"),
        (("--camera", "gate", "--out", "no/a.png"), "no such folder"),
        (("--camera", "gate", "--video", "none.mp4"), "preview: --video none.mp4: no such file"),
        (("--camera", "gate", "--video", "film.mp4", "--at", "99"), "--at 99: film.mp4 ends at 3.9 s"),
        (("--camera", "gate", "--video", "film.mp4", "--at", "-1"), "--at must be 0"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    argv: tuple[str, ...], expected: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOT_NEEDED", "x")
    assert status(*argv) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert expected in lines[0]
    assert not list(Path().glob("*.png"))
