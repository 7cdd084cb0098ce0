"""`streamer evaluate` from the command line: through the same replay, against truths good and bad."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamer import cli
from tests.films import film

SITE = """\
cameras:
  gate: {source: "rtsp://u:${NOT_NEEDED}@x/y", zones: {yard: [[0, 0], [1, 0], [1, 1], [0, 1]]}, pipelines: [p]}
pipelines:
  p: {use: ticker.py, detector: motion}
"""
TICKER = """\
from collections.abc import AsyncIterator

from streamer import Camera, Detector, Event, Pipeline, Reading


class Ticker(Pipeline):
    '''Says something every second.'''

    detector: Detector = Detector("motion")

    async def watch(self, camera: Camera) -> AsyncIterator[Event | Reading]:
        async for frame in camera.frames():
            if abs(frame.time - round(frame.time)) < 1e-6:
                yield Event("intrusion", "begin", frame.time, key=(frame.index,), zone="yard")
                yield Reading("ticks", "yard", 1, "count")
"""


@pytest.fixture(autouse=True)
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("streamer.log.setup", lambda *args, **kwargs: None)
    Path("site.yaml").write_text(SITE)
    Path("ticker.py").write_text(TICKER)
    events = [{"camera": "gate", "kind": "intrusion", "start": 0}]
    events.append({"camera": "gate", "kind": "intrusion", "start": 3, "zone": "yard"})
    counts = [{"camera": "gate", "kind": "ticks", "zone": "yard", "count": 5}]
    Path("two.json").write_text(json.dumps({"events": events, "counts": counts}))
    Path("late.json").write_text('{"events": [{"camera": "gate", "kind": "intrusion", "start": 9}]}')
    Path("kind.csv").write_text("camera,kind,start\ngate,intrusoin,1\n")
    film(Path("film.mp4"))


def status(*argv: str) -> int:
    try:
        return cli.main(["evaluate", *argv])
    except SystemExit as exit:  # argparse
        return int(exit.code or 0)


GIVEN = ("site.yaml", "--video", "gate=film.mp4")


def test_the_json_is_one_object_of_the_promised_shape(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(*GIVEN, "--truth", "two.json", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    kind = found["events"]["intrusion"]
    # it speaks at 0, 1, 2 and 3 s
    assert (kind["true"], kind["said"], kind["matched"]) == (2, 4, 2)
    assert (kind["precision"], kind["recall"]) == (0.5, 1.0)
    assert kind["delay_s"] == {"median": 0.0, "p95": 0.0}
    assert kind["false_alarms_per_hour"] == pytest.approx(2 / (3.8 / 3600), rel=1e-3)
    assert found["events"]["ticks"]["count_error"] == 1  # four ticks, not five
    assert found["seconds"]["gate"] == pytest.approx(3.8)
    # one window of light: its part is the whole
    (part,) = kind["light"].values()
    assert (part["said"], part["matched"], part["recall"]) == (4, 2, 1.0)
    assert part["minutes"] == pytest.approx(3.8 / 60, abs=1e-3) == kind["minutes"]


def test_the_text_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(*GIVEN, "--truth", "two.json", "--tolerance", "0.5") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:6] == ["intrusion", "2", "4", "2", "0.500", "1.000"]
    assert "count ticks: gate at 0.0 s zone yard: 5 true, 4 said, -1" in lines


def test_another_rate_can_be_tried_without_touching_the_site(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(*GIVEN, "--truth", "two.json", "--analyze-fps", "1", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["events"]["intrusion"]["said"] == 1  # of the film's pictures at 0, 0.9, 1.9, ... s


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ((*GIVEN, "--truth", "two.json", "--label", "fight"), "--label goes with --model and --data"),
        ((), "evaluate: needs a configuration and a recording"),
        (GIVEN, "nothing to compare with"),
        ((*GIVEN, "--truth", "none.json"), "none.json: cannot be read: No such file"),
        ((*GIVEN, "--truth", "kind.csv"), "unknown kind 'intrusoin'; did you mean 'intrusion'?"),
        ((*GIVEN, "--truth", "late.json"), "9 s is beyond the video of camera 'gate', which is 4.0 s long"),
        ((*GIVEN, "--truth", "two.json", "--tolerance", "-1"), "--tolerance must be 0 to 3600 seconds, got -1"),
        ((*GIVEN, "--truth", "two.json", "--analyze-fps", "5", "2"), "--truth takes one --analyze-fps"),
        ((*GIVEN, "--tracks", "gate=none.txt"), "tracks of camera 'gate': no such file none.txt"),
        (("site.yaml", "--video", "gat=film.mp4", "--truth", "two.json"), "no camera 'gat'; did you mean 'gate'?"),
        (("site.yaml", "--video", "gate=none.mp4", "--truth", "two.json"), "no such file none.mp4"),
        ((*GIVEN, "--video", "gate=film.mp4", "--truth", "two.json"), "names a camera twice"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    argv: tuple[str, ...], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(*argv) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert expected in lines[0]


@pytest.mark.e2e
@pytest.mark.slow
def test_tracks_of_the_campus(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.footage import detector

    model = detector(shared_data, tmp_path)
    Path("site.yaml").write_text(
        SITE.replace("ticker.py", "surveillance").replace("motion", "people")
        + f"models: {{people: {{file: {model}}}}}\n"
    )
    video, labels = shared_data / "cctv" / "campus.mp4", shared_data / "cctv" / "campus_gt_frames_1_400.txt"
    given = ("site.yaml", "--video", f"gate={video}", "--tracks", f"gate={labels}", "--analyze-fps", "2")
    assert status(*given, "--json") == 0
    (two,) = json.loads(capsys.readouterr().out)["tracks"]["gate"]
    print(two)
    assert two["frames"] == 80
    assert two["hota"] >= 0.4
    assert two["idf1"] >= 0.5
