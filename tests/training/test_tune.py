"""The search: what is tried, what is given up, what is best, and that a kill costs nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamer import cli
from streamer.errors import ConfigError, InputError, StreamerError
from streamer.training.recipe import Recipe, load_recipe
from tests.training.clips import write_clips

optuna = pytest.importorskip("optuna")
tune = pytest.importorskip("streamer.training.tune")

RECIPE = """\
name: toy
net:
  backbone: shufflenet_v2_x0_5
  temporal: gru
  width: 32
  height: 32
  fps: 5
  hidden: 16
  heads: [{name: toy, labels: [calm, jumpy], activation: softmax}]
weights: none
batch_size: 4
clip: {seconds: 2}
schedule: {epochs: 3}
split: {folds: 3}
journal: {tensorboard: false, pictures: false, every_steps: 1}
machine: {threads: 1, device: cpu}
tune:
  trials: 4
  false_rate: 0.25
  max_ms: 1000
  startup_trials: 1
  warmup_epochs: 0
  space:
    optimizer.learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}
    net.hidden: {low: 8, high: 32, step: 8}
    net.temporal: [gru, lstm]
"""
TRUTH = ["jumpy"] * 4 + ["calm"] * 4


class Killed(BaseException):
    """The process dies: nothing that follows is executed, and nothing is written to the database."""


class World:
    """A training that takes no time: what it does is decided by the tests."""

    def __init__(self) -> None:
        self.calls: list[tuple[Recipe, Path]] = []
        self.scores: Callable[[Recipe], list[float]] = lambda recipe: [0.9, 0.8, 0.7, 0.2, 0.6, 0.3, 0.2, 0.1]
        self.auroc: Callable[[int], float] = lambda call: 0.8
        self.hook: Callable[[int], None] = lambda call: None

    def train(
        self, recipe: Recipe, folder: Path, gathered: Any, crew: Any, resume: bool = False, progress: Any = None
    ) -> Any:
        assert resume
        self.calls.append((recipe, folder))
        folder.mkdir(parents=True, exist_ok=True)
        for epoch in range(1, 4):
            with (folder / "log.jsonl").open("w" if epoch == 1 else "a") as log:
                row = {"step": epoch, "kind": "epoch", "epoch": epoch, "val_auroc": self.auroc(len(self.calls))}
                log.write(json.dumps(row) + "\n")
            progress("train", epoch, 3)
        self.hook(len(self.calls))
        scores = np.array(self.scores(recipe))
        return SimpleNamespace(judged=SimpleNamespace(labels=TRUTH, scores=np.stack([1 - scores, scores], axis=1)))


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> World:
    """With the database that a search really has."""
    world = World()
    monkeypatch.setattr(tune, "train", world.train)
    monkeypatch.setattr(tune, "data_of", lambda recipe: [])
    monkeypatch.setattr(tune, "frames_of", lambda recipe, samples, crew: None)
    monkeypatch.setattr(tune, "step_ms", lambda recipe: float(recipe.net.hidden))
    return world


@pytest.fixture
def world(on_disk: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """With a database in memory, for SQLite takes a second a trial; it lives as long as the test."""
    memory = optuna.storages.InMemoryStorage()
    monkeypatch.setattr(tune, "storage", lambda optuna, path: memory)
    return on_disk


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "toy.yaml"
    path.write_text(RECIPE)
    return path


def search(recipe: Path, *changes: str, out: str = "out", **given: Any) -> tuple[Any, list[str]]:
    said: list[str] = []
    found = tune.Tuning(recipe, recipe.parent / out, changes).search(say=said.append, **given)
    return found, said


def test_the_best_is_the_highest_recall_at_the_rate(world: World, recipe: Path) -> None:
    # one of four negatives may be above: 0.6; so 0.9, 0.8 and 0.7 count, and the better net also finds the fourth
    world.scores = lambda it: [0.9, 0.8, 0.7, 0.35 if it.net.temporal == "lstm" else 0.2, 0.6, 0.3, 0.2, 0.1]
    best, said = search(recipe, trials=12)
    assert len(world.calls) == 12
    assert best is not None
    assert (best.recall, best.changes["net.temporal"]) == (1.0, "lstm")
    assert best.threshold == pytest.approx(0.325)
    assert len(said) == 12
    found = json.loads((recipe.parent / "out" / "best.json").read_text())
    assert found["recall"] == 1.0
    assert "--set 'net.temporal=\"lstm\"'" in found["command"]
    again = load_recipe(recipe, tune.as_changes(found["changes"]))
    assert (again.net.temporal, again.net.hidden) == ("lstm", found["changes"]["net.hidden"])


def test_values_lie_in_the_space(world: World, recipe: Path) -> None:
    search(recipe, trials=10)
    for made, _ in world.calls:
        assert 1e-4 <= made.optimizer.learning_rate <= 1e-2
        assert made.net.hidden in (8, 16, 24, 32)
    assert len({made.net.hidden for made, _ in world.calls}) > 1


def test_a_net_that_is_too_slow_is_not_trained(world: World, recipe: Path) -> None:
    best, said = search(recipe, "tune.max_ms=16", trials=12)
    assert {made.net.hidden for made, _ in world.calls} <= {8, 16}
    slow = [line for line in said if "ms a step are more than 16" in line]
    assert len(slow) + len(world.calls) == 12
    assert slow
    assert best is not None
    assert best.ms <= 16


def test_what_falls_behind_is_given_up(world: World, recipe: Path) -> None:
    world.auroc = lambda call: 0.9 if call <= 3 else 0.4
    _, said = search(recipe, trials=5)
    assert [("given up" in line) for line in said] == [False] * 3 + [True] * 2
    assert "AUROC 0.400 after epoch 1" in said[-1]


def test_folds_are_pooled(world: World, recipe: Path) -> None:
    best, _ = search(recipe, "tune.folds=3", trials=1)
    assert [(made.split.fold, folder.name) for made, folder in world.calls] == [(i, f"fold-{i}") for i in range(3)]
    assert best is not None
    assert best.recall == 0.75


def test_a_search_goes_on_and_counts_what_it_has(on_disk: World, recipe: Path) -> None:
    search(recipe, trials=2)
    search(recipe)  # as the recipe says: four in all
    assert len(on_disk.calls) == 4
    search(recipe)
    assert len(on_disk.calls) == 4


def test_a_killed_trial_is_gone_on_with_in_its_folder(on_disk: World, recipe: Path) -> None:
    def kill(call: int) -> None:
        if call == 2:
            raise Killed

    on_disk.hook = kill
    with pytest.raises(Killed):
        search(recipe)
    _, said = search(recipe)
    assert "trial 1 was broken off: going on with trial-0001" in said[0]
    first, again = on_disk.calls[1], on_disk.calls[2]
    assert first[1] == again[1]  # the same folder
    assert first[0].net == again[0].net
    assert first[0].optimizer == again[0].optimizer
    assert len(on_disk.calls) == 5  # the broken one does not count: four have ended
    # and once more: what was in the queue when the process died is not lost either
    assert search(recipe)[0] is not None
    assert len(on_disk.calls) == 5


def test_a_trial_that_fails_is_told_and_counted(world: World, recipe: Path) -> None:
    def fail(call: int) -> None:
        if call == 2:
            raise StreamerError("the loss is nan")

    world.hook = fail
    best, said = search(recipe)
    assert best is not None
    assert len(world.calls) == 4
    assert "failed: the loss is nan" in said[1]


def test_if_the_very_first_fails_the_search_ends(world: World, recipe: Path) -> None:
    def fail(call: int) -> None:
        raise InputError("no clips")

    world.hook = fail
    with pytest.raises(InputError, match="no clips"):
        search(recipe)


def test_another_search_needs_another_folder(world: World, recipe: Path) -> None:
    search(recipe, trials=1)
    with pytest.raises(InputError, match="holds a search for something else"):
        search(recipe, "tune.false_rate=0.5", trials=2)


def test_two_processes_do_not_search_in_one_folder(world: World, recipe: Path) -> None:
    def other(call: int) -> None:
        with pytest.raises(InputError, match="another process searches in"):
            search(recipe)

    world.hook = other
    search(recipe, trials=1)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("net.temporal: [gru, lstm]", "net.temporal: [gru]", "needs at least two values"),
        ("net.temporal: [gru, lstm]", "net.temporl: [gru, lstm]", "temporl"),
        ("net.temporal: [gru, lstm]", "net.temporal: [gruu, lstm]", "gruu"),
        ("net.temporal: [gru, lstm]", "data: [a, b]", "cannot be searched"),
        ("{low: 8, high: 32, step: 8}", "{low: 32, high: 8}", "high must be above low"),
        ("{low: 1.0e-4, high: 1.0e-2, log: true}", "{low: 0, high: 1, log: true}", "log needs a low above 0"),
        ("  false_rate: 0.25\n", "  false_rat: 0.25\n", "false_rat"),
        (RECIPE[RECIPE.index("tune:") :], "", "has no section `tune`"),
        ("split: {folds: 3}", "split: {folds: 3, fold: null}", "split.fold must be set"),
    ],
)
def test_a_wrong_space_is_told_before_anything_is_trained(
    world: World, recipe: Path, old: str, new: str, expected: str
) -> None:
    recipe.write_text(RECIPE.replace(old, new))
    with pytest.raises((InputError, ConfigError)) as caught:
        search(recipe)
    assert expected in str(caught.value)
    assert not world.calls


@pytest.mark.slow
def test_from_the_command_line_with_real_trainings(
    tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clips(tmp_path / "clips", each=3)
    given = ["--data", str(tmp_path / "clips"), "--out", str(tmp_path / "out"), "--trials", "1", "--json"]
    changes = ["--set", "schedule.epochs=1", "--set", f"cache.dir={tmp_path / 'cache'}"]
    assert cli.main(["tune", str(recipe), *given, *changes]) == 0
    found = json.loads(capsys.readouterr().out)
    assert 0 <= found["recall"] <= 1
    assert found["ms"] > 0
    assert (Path(found["folder"]) / "fold-0" / "model.onnx").is_file()


@pytest.mark.parametrize(("option", "value"), [("--trials", "0"), ("--seconds", "-1")])
def test_wrong_options(recipe: Path, option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tune", str(recipe), option, value]) == 2
    assert option in capsys.readouterr().err
