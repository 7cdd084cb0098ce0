"""`streamer train`: what it refuses in one line, and that a whole training comes out of one command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streamer import cli
from streamer.models.card import load_card
from tests.training.clips import write_clips

RECIPE = """\
name: toy
net: {backbone: shufflenet_v2_x0_5, temporal: gru, width: 32, height: 32, fps: 5, hidden: 16,
  heads: [{name: toy, labels: [calm, jumpy], activation: softmax}]}
weights: none
batch_size: 4
schedule: {epochs: 1}
journal: {tensorboard: false, pictures: false}
machine: {device: cpu, threads: 1}
cache: {dir: cache}
"""


@pytest.fixture(autouse=True)
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("streamer.log.setup", lambda *args, **kwargs: None)  # pytest keeps its own handlers
    Path("toy.yaml").write_text(RECIPE)


def fails(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line of an error that is the user's."""
    assert cli.main(["train", *argv]) == cli.WRONG_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_without_data_it_says_how_to_name_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no data: name a folder of clips" in fails(capsys, "toy.yaml")


def test_an_empty_folder_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert "no clips" in fails(capsys, "toy.yaml", "--data", "empty")


def test_one_class_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    write_clips(Path("one"), each=2, labels=["calm"], count=2)
    assert "all 2 clips are labeled 'calm'" in fails(capsys, "toy.yaml", "--data", "one")


def test_other_class_names_than_the_nets_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    write_clips(Path("other"), each=1, labels=["calm", "wild"], count=2)
    line = fails(capsys, "toy.yaml", "--data", "other")
    assert "clips labeled 'wild', the recipe's heads know calm, jumpy" in line


def test_clips_of_which_none_can_be_read_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    for label in ("calm", "jumpy"):
        Path("bad", label).mkdir(parents=True)
        Path("bad", label, "a.mp4").write_bytes(b"nothing")
    assert "none of 2 clips can be read; the first:" in fails(capsys, "toy.yaml", "--data", "bad")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["none.yaml"], "none.yaml: no such recipe"),
        (["toy.yaml", "--set", "epochs"], "--set needs KEY=VALUE"),
        (["toy.yaml", "--set", "schedule.epochs=0"], "toy.yaml:6:12 schedule.epochs: must be at least 1, got 0"),
        (["toy.yaml", "--folds", "1"], "--folds must be 2 to 50, got 1"),
        (["toy.yaml", "--data", "nowhere"], "nowhere: no such folder or file"),
    ],
)
def test_wrong_input_is_told_in_one_line(capsys: pytest.CaptureFixture[str], argv: list[str], words: str) -> None:
    assert words in fails(capsys, *argv)


def test_without_torch_it_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.commands.train.find_spec", lambda name: None)
    assert "pip install 'streamer[train]'" in fails(capsys, "toy.yaml")


def test_one_command_makes_a_model_and_another_goes_on_with_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.training.finish.export", lambda *_: None)  # has its own tests
    write_clips(Path("data"), each=5, count=10)
    assert cli.main(["train", "toy.yaml", "--data", "data", "--pack", "packed"]) == 0
    assert "frames of 10 clips; train with --data packed" in capsys.readouterr().out
    assert cli.main(["train", "toy.yaml", "--data", "packed", "--out", "run"]) == 0
    assert "run: 1 epochs, best 1" in capsys.readouterr().out
    assert load_card(Path("run/model.safetensors"), "behaviour").labels == ("calm", "jumpy")
    assert "holds a training already" in fails(capsys, "toy.yaml", "--data", "packed", "--out", "run")
    assert cli.main(["train", "toy.yaml", "--data", "packed", "--out", "run", "--resume", "auto"]) == 0
    again = ["train", "toy.yaml", "--data", "packed", "--out", "folds", "--folds", "2", "--set", "batch_size=3"]
    assert cli.main(again) == 0
    assert "auroc" in capsys.readouterr().out
    assert len(json.loads(Path("folds/folds.json").read_text())["scores"]) == 10


def test_help_is_quick_because_it_imports_nothing(root: Path) -> None:
    code = "import sys; from streamer import cli\ntry: cli.main(['train', '--help'])\nexcept SystemExit: pass\n"
    code += "print([m for m in ('torch', 'numpy', 'pydantic', 'streamer.training') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.endswith("[]\n")
    assert "--folds K" in done.stdout


def test_a_break_is_told_by_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.commands.train.load_recipe", lambda *_: os.kill(os.getpid(), signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start background jobs deaf to it
    try:
        assert cli.main(["train", "toy.yaml"]) == cli.INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, before)
