"""`streamer evaluate --model` from the command line, on clips and on recordings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamer import cli
from tests.films import film
from tests.models.stepping import stepping


@pytest.fixture(autouse=True)
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Films that get brighter than the model's threshold, and films that end before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("streamer.log.setup", lambda *args, **kwargs: None)
    stepping(Path("light.onnx"), thresholds={"bright": 0.7})
    for label, seconds in (("bright", 4.6), ("dark", 1.2)):
        for source in ("a", "b", "c"):
            folder = Path("clips") / label / f"{source}-{label}"
            folder.mkdir(parents=True)
            film(folder / "film.mp4", seconds=seconds)
    Path("clips/dark/broken.mp4").write_bytes(b"no video")
    film(Path("long.mp4"), seconds=5.0)


def status(*argv: str) -> int:
    try:
        return cli.main(["evaluate", *argv])
    except SystemExit as exit:  # argparse
        return int(exit.code or 0)


def test_clips_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("--model", "light.onnx", "--data", "clips", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["clips"], found["skipped"], found["accuracy"], found["auroc"]) == (6, 1, 0.5, 1.0)
    # the last 60 % of a bright clip are not yet 0.7 on average
    assert found["clip_confusion"] == {"bright": {"(none)": 3}, "dark": {"(none)": 3}}
    bright = found["labels"]["bright"]
    assert bright["sources"] == 6
    assert bright["threshold"] == 0.7
    assert "broken.mp4" in found["skipped_clips"][0]
    chosen = found["alarms"]["bright"]["chosen"]
    assert (chosen["true"], chosen["false_alarms"]) == (3, 0)
    assert chosen["minutes"] == pytest.approx((3 * 4.6 + 3 * 1.2) / 60, abs=0.01)


def test_another_threshold(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("--model", "light.onnx", "--data", "clips", "--threshold", "0.4", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["accuracy"], found["recall"], found["precision"]) == (1.0, 1.0, 1.0)
    assert found["alarms"]["bright"]["chosen"]["recall"] == 1.0


def test_clips_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("--model", "light.onnx", "--data", "clips") == 0
    text = capsys.readouterr().out
    assert "bright: 6 clips of 6 sources, 3 of them bright; threshold 0.7" in text
    assert "95 % over sources" in text
    assert "alarms of bright" in text


def test_a_recording_with_its_truth(capsys: pytest.CaptureFixture[str]) -> None:
    truth = {"events": [{"camera": "door", "kind": "bright", "start": 2.0}], "kinds": ["bright"]}
    Path("truth.json").write_text(json.dumps(truth))
    given = ("--model", "light.onnx", "--video", "door=long.mp4", "--truth", "truth.json", "--threshold", "0.4")
    assert status(*given, "--json") == 0
    chosen = json.loads(capsys.readouterr().out)["alarms"]["bright"]["chosen"]
    assert (chosen["recall"], chosen["false_alarms"]) == (1.0, 0)
    # 0.4 is reached at about 1.8 s, smoothed over a second and held for another
    assert 0.5 < chosen["delay_s"]["median"] < 2.5
    assert chosen["minutes"] == pytest.approx(5 / 60, abs=1e-3)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("--data", "clips"), "needs either --model NAME|FILE or --folds RUN"),
        (("--model", "light.onnx", "--folds", "run", "--data", "clips"), "needs either --model NAME|FILE or --folds"),
        (("--model", "light.onnx"), "a model needs --data FOLDER, or --video"),
        (("site.yaml", "--model", "light.onnx", "--data", "clips"), "--model goes without a configuration"),
        (("--model", "light.onnx", "--data", "none"), "none: no such folder or file"),
        (("--model", "motion", "--data", "clips"), "a behaviour model is needed here"),
        (
            ("--model", "light.onnx", "--data", "clips", "--label", "brihgt"),
            "no label 'brihgt'; did you mean 'bright'?",
        ),
        (("--model", "light.onnx", "--data", "clips", "--split", "test"), "no clip has the split 'test'"),
        (("--model", "light.onnx", "--data", "clips", "--threshold", "2"), "above 0 and at most 1, got 2"),
        (("--model", "light.onnx", "--data", "clips", "--analyze-fps", "5", "2"), "takes one --analyze-fps"),
        (("--folds", "run", "--data", "clips"), "--folds run: no fold with split.csv and model.onnx in it"),
        (("--model", "light.onnx", "--video", "a=long.mp4"), "needs --truth FILE"),
        (("--model", "light.onnx", "--video", "long.mp4", "--truth", "t.json"), "--video needs NAME=FILE"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    argv: tuple[str, ...], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(*argv) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert expected in lines[0]


def test_labels_that_the_model_does_not_know_are_refused_before_anything_is_decoded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("clips/bright").rename("clips/light")
    monkeypatch.setattr("streamer.training.stream.FileSource", None)
    assert status("--model", "light.onnx", "--data", "clips") == 2
    assert "3 clips have the label 'light'" in capsys.readouterr().err
