"""Recipes of detectors: what is wrong is named with its place, and test footage is never trained on."""

import pytest
import yaml

from streamer.errors import ConfigError, InputError
from streamer.training.detectionrecipe import files_of, is_detection, load_detection

GOOD = {
    "task": "detection",
    "name": "mine",
    "labels": ["person", "car"],
    "start": "nano.onnx",
    "footage": [{"files": "cctv/*.mp4"}],
    "never": ["cctv/campus.mp4", "coco100"],
}


@pytest.fixture
def recipe_of(tmp_path):
    def make(*changes, **more):
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump({**GOOD, **more}, sort_keys=False))
        return load_detection(path, changes)

    return make


def test_the_shipped_one_reads(root):
    path = root / "configs" / "recipes" / "person-vehicle.yaml"
    recipe = load_detection(path)
    assert is_detection(path)
    assert recipe.labels == ("person", "bicycle", "car", "motorcycle", "bus", "truck")
    assert set(recipe.never) == {"cctv/campus.mp4", "coco100"}


def test_its_footage_is_there_and_holds_no_test(root, shared_data):
    found = files_of(load_detection(root / "configs" / "recipes" / "person-vehicle.yaml"), shared_data)
    names = {file.name for _, files in found for file in files}
    assert len(names) > 200
    assert "campus.mp4" not in names


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"labels": ["person", "unicorn"]}, "labels: unicorn not among those of the start file"),
        ({"labels": ["person", "person"]}, "labels must differ"),
        ({"footage": [{"files": "a.mp4", "moving": "bus"}]}, "bus"),
        ({"footage": []}, r"recipe.yaml:\d+:1 footage: needs at least 1"),
        ({"learning_rate": 3}, r"learning_rate: must be at most 0.1"),
        ({"stepps": 3}, r"stepps"),
        ({"side": 400}, r"side"),
    ],
)
def test_what_is_wrong_is_named(recipe_of, more, fault):
    with pytest.raises(ConfigError, match=fault):
        recipe_of(**more)


def test_single_keys_can_be_changed(recipe_of):
    assert recipe_of("steps=12", "backbone=false").model_dump(include={"steps", "backbone"}) == {
        "steps": 12,
        "backbone": False,
    }
    with pytest.raises(InputError, match="--set needs KEY=VALUE"):
        recipe_of("steps")


def test_no_such_recipe(tmp_path):
    with pytest.raises(ConfigError, match="no such recipe"):
        load_detection(tmp_path / "none.yaml")
    assert not is_detection(tmp_path / "none.yaml")


def test_files_that_are_missing_or_for_tests_are_errors(recipe_of, tmp_path):
    with pytest.raises(InputError, match=r"footage 'cctv/\*.mp4': no such file"):
        files_of(recipe_of(), tmp_path)
    (tmp_path / "cctv").mkdir()
    (tmp_path / "cctv" / "gate.mp4").touch()
    ((_, files),) = files_of(recipe_of(), tmp_path)
    assert [file.name for file in files] == ["gate.mp4"]
    (tmp_path / "cctv" / "campus.mp4").touch()
    with pytest.raises(InputError, match=r"meets cctv/campus.mp4, which is for tests"):
        files_of(recipe_of(), tmp_path)
    (tmp_path / "coco100" / "images").mkdir(parents=True)
    (tmp_path / "coco100" / "images" / "1.jpg").touch()
    with pytest.raises(InputError, match=r"coco100/images/1\.jpg, which is for tests"):
        files_of(recipe_of(footage=[{"files": "coco100/images/*.jpg"}]), tmp_path)
