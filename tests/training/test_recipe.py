"""Recipes: strict, every fault with its place, and the same training whenever they are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.errors import ConfigError, InputError
from streamer.training.recipe import Recipe, load_recipe

TEXT = """\
name: toy
net:
  backbone: resnet18
  temporal: gru
  width: 32
  height: 32
  fps: 5
  heads:
    - {name: toy, labels: [calm, jumpy], activation: softmax}
schedule:
  epochs: 3
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "toy.yaml"
    path.write_text(TEXT)
    return path


def faults(path: Path, *changes: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load_recipe(path, changes)
    return raised.value.faults


def test_a_recipe_is_read_with_its_defaults(path: Path) -> None:
    recipe = load_recipe(path)
    assert (recipe.name, recipe.schedule.epochs, recipe.labels, recipe.target) == ("toy", 3, ("calm", "jumpy"), "jumpy")
    assert recipe.weights == "default"
    assert recipe.optimizer.kind == "adamw"


def test_what_is_written_out_is_read_as_the_same(path: Path) -> None:
    recipe = load_recipe(path, ["dropout=0.4", "positive=calm"])
    assert Recipe.model_validate(recipe.to_json()) == recipe
    assert recipe.net.dropout == 0.4


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_one(path: Path) -> None:
    path.write_text(TEXT.replace("epochs: 3", "epoch: 3"))
    assert faults(path) == [f"{path}:11:3 schedule.epoch: unknown key; did you mean 'epochs'?"]


def test_all_faults_are_told_at_once_in_the_order_of_their_lines(path: Path) -> None:
    path.write_text(TEXT.replace("epochs: 3", "epochs: 0\nloss: {mixup: much}\nseed: -1"))
    assert faults(path) == [
        f"{path}:11:3 schedule.epochs: must be at least 1, got 0",
        f"{path}:12:8 loss.mixup: must be a number, got 'much'",
        f"{path}:13:1 seed: must be at least 0, got -1",
    ]


def test_a_net_that_there_is_not_is_named(path: Path) -> None:
    path.write_text(TEXT.replace("resnet18", "resnet19"))
    (fault,) = faults(path)
    assert fault.startswith(f"{path}:3:3 net.backbone: must be one of 'resnet18'")


def test_a_repeated_key_is_an_error(path: Path) -> None:
    path.write_text(TEXT + "name: again\n")
    assert "stands here twice; first in line 1" in faults(path)[0]


def test_a_missing_recipe_says_where_there_are_some(tmp_path: Path) -> None:
    assert "no such recipe; those of the shipped models are in configs/recipes/" in faults(tmp_path / "no.yaml")[0]


def test_what_is_no_recipe_is_an_error(path: Path) -> None:
    path.write_text("- a\n- b\n")
    assert faults(path) == [f"{path}:1:1: expected keys such as `name:` and `net:`"]


def test_set_changes_keys_at_any_depth(path: Path) -> None:
    changes = ["schedule.epochs=7", "loss.mixup=0.3", "clip={seconds: 1}", "ema=null", "machine.device=cpu"]
    recipe = load_recipe(path, changes)
    assert (recipe.schedule.epochs, recipe.loss.mixup, recipe.clip.seconds, recipe.ema) == (7, 0.3, 1, None)


@pytest.mark.parametrize("change", ["epochs", "=3", "a..b=1"])
def test_a_change_that_cannot_be_understood_is_an_error(path: Path, change: str) -> None:
    with pytest.raises(InputError, match="--set needs KEY=VALUE"):
        load_recipe(path, [change])


def test_a_change_below_a_plain_value_is_an_error(path: Path) -> None:
    with pytest.raises(InputError, match=r"name is no section"):
        load_recipe(path, ["name.first=3"])


def test_a_wrong_value_of_a_change_names_the_key(path: Path) -> None:
    assert faults(path, "schedule.epochs=many") == [
        f"{path}:11:3 schedule.epochs: must be a whole number, got 'many'",
    ]


def test_paths_are_relative_to_the_recipe(path: Path) -> None:
    recipe = load_recipe(path, ["data=clips", "weights=w/net.safetensors", "start=m.safetensors", "cache.dir=c"])
    folder = path.parent
    assert recipe.data == folder / "clips"
    assert recipe.weights == str(folder / "w" / "net.safetensors")
    assert recipe.start == folder / "m.safetensors"
    assert recipe.cache.dir == folder / "c"


def test_the_positive_label_must_be_one(path: Path) -> None:
    assert "'mad' is not one of the labels calm, jumpy" in faults(path, "positive=mad")[0]


def test_background_is_no_label_of_a_head(path: Path) -> None:
    assert "calm is a label of a head, too" in faults(path, "background=[calm]")[0]


def test_a_fold_must_be_one_of_the_folds(path: Path) -> None:
    assert "fold must be 0 to 2, got 3" in faults(path, "split={folds: 3, fold: 3}")[0]


def test_every_shipped_recipe_is_right(root: Path) -> None:
    recipes = sorted((root / "configs" / "recipes").glob("*.yaml"))
    assert recipes
    for path in recipes:
        if "net:" in path.read_text():
            assert load_recipe(path).labels
