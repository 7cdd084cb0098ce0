"""A training that was killed and resumed gives the same weights, bit by bit, as one that was not."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from streamer.errors import InputError
from streamer.training import checkpoint, trainer
from streamer.training.journal import read_log
from streamer.training.learner import Learner
from streamer.training.run import Run
from streamer.training.settings import MachineSettings
from tests.training import killed
from tests.training.clips import tiny

STEPS = 9  # three epochs of three
Weights = dict[str, torch.Tensor]


@pytest.fixture(autouse=True)
def tiny_net(monkeypatch: pytest.MonkeyPatch) -> None:
    """`killed` trains a tiny net."""
    monkeypatch.setattr(trainer, "build", tiny)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Weights]:
    folder = tmp_path_factory.mktemp("unbroken")
    build = trainer.build
    weights = killed.go(folder, False)
    trainer.build = build
    return folder, weights


def same(run: Path, weights: Weights, unbroken: tuple[Path, Weights]) -> None:
    folder, expected = unbroken
    assert weights.keys() == expected.keys()
    assert [name for name in weights if not torch.equal(weights[name], expected[name])] == []
    rows = [
        [{k: v for k, v in row.items() if k != "at"} for row in read_log(it / "run" / "log.jsonl")]
        for it in (run, folder)
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == STEPS + 3


def test_a_kill_at_a_random_step_changes_nothing(unbroken: tuple[Path, Weights], tmp_path: Path) -> None:
    step = random.SystemRandom().randrange(2, STEPS)
    for how, at in (("write", step // 2 * 2), ("step", step)):  # a checkpoint is written at even steps
        died = subprocess.run(
            [sys.executable, "-m", "tests.training.killed", str(tmp_path), str(at), how],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            timeout=100,
        )
        assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    same(tmp_path, killed.go(tmp_path, True), unbroken)


@pytest.mark.parametrize("step", [0, 1, 2, 3, 5, 7, 8])
def test_an_end_before_any_step_changes_nothing(
    unbroken: tuple[Path, Weights], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    learn = Learner.learn

    def stops(self: Learner, batch: Any, epoch: int, at: int) -> dict[str, float]:
        if at == step:
            raise KeyboardInterrupt
        return learn(self, batch, epoch, at)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "learn", stops)
        with pytest.raises(KeyboardInterrupt):
            killed.go(tmp_path, False)
    torch.manual_seed(123)  # whatever happened since
    same(tmp_path, killed.go(tmp_path, True), unbroken)


def test_a_finished_training_that_is_resumed_learns_nothing_more(
    unbroken: tuple[Path, Weights], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Learner, "learn", None)
    folder, _ = unbroken
    same(folder, killed.go(folder, True), unbroken)


def test_a_folder_with_a_training_is_not_overwritten(unbroken: tuple[Path, Weights]) -> None:
    with pytest.raises(InputError, match="holds a training already; --resume auto goes on with it"):
        killed.go(unbroken[0], False)


def test_another_recipe_or_other_clips_cannot_go_on(unbroken: tuple[Path, Weights]) -> None:
    folder, _ = unbroken
    learn, held = killed.clips(folder)
    run = Run(folder / "run")
    other = killed.rough().model_copy(update={"batch_size": 3})
    with pytest.raises(InputError, match="was begun with batch_size 2, now it is 3"):
        run.begin(other, learn, held, resume=True)
    with pytest.raises(InputError, match="was begun with other clips"):
        run.begin(killed.rough(), learn[:-1], held, resume=True)
    faster = killed.rough().model_copy(update={"machine": MachineSettings(threads=2, workers=2)})
    assert run.begin(faster, learn, held, resume=True)


def test_a_broken_checkpoint_is_told(unbroken: tuple[Path, Weights], tmp_path: Path) -> None:
    folder, _ = unbroken
    shutil.copytree(folder / "run", tmp_path / "run")
    path = tmp_path / "run" / checkpoint.NAME
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"checkpoint .*checkpoint\.pt cannot be read"):
        killed.go(tmp_path, True)
