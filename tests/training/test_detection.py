"""The whole way on films of the simulator: label, learn, write a model file that the daemon runs."""

import argparse
import json

import numpy as np
import pytest
import torch
import yaml

from streamer.commands.detection import simulated, train_detector
from streamer.errors import InputError
from streamer.models.card import load_card
from streamer.models.nets.yolox import Yolox, YoloxSettings
from streamer.training.detectionrecipe import Simulated
from streamer.training.detectorfile import write_plain
from streamer.training.labelled import IGNORED
from tests.films import film

LABELS = ("person", "car")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def data(tmp_path):
    """A folder with a start network, a film, and a file that is none."""
    torch.manual_seed(0)
    net = Yolox(YoloxSettings(2, width=0.25)).eval()
    write_plain(net, (64, 64), tmp_path / "start.onnx")
    film(tmp_path / "film.mp4", seconds=2.0)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    return tmp_path


def recipe(folder, **more):
    values = {
        "task": "detection",
        "name": "mine",
        "labels": list(LABELS),
        "start": "start.onnx",
        "start_labels": list(LABELS),
        "side": 64,
        "steps": 2,
        "batch_size": 2,
        "footage": [{"files": "*.mp4", "fps": 5, "every": 3, "sides": [64]}],
        "simulated": {"scenes": ["yard"], "seeds": [1], "pictures": 3},
        **more,
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def given(path, data, out=None):
    return argparse.Namespace(recipe=path, data=data, out=out, set=["seed=3"])


def test_from_films_to_a_model_file(data, capsys):
    train_detector(given(recipe(data), data, data / "mine.onnx"))
    assert "mine.onnx: written" in capsys.readouterr().out
    card = load_card(data / "mine.onnx", "detection")
    assert card.labels == LABELS
    assert (card.input.width, card.input.layout, card.dynamic_batch) == (64, "pixels", True)
    report = json.loads((data / "mine.training.json").read_text())
    assert report["boxes"] >= 2
    assert report["recipe"]["seed"] == 3
    assert len(report["loss"]) == 1
    assert any("broken.mp4" in line for line in report["skipped"])
    notes = list((data / ".mine-notes").glob("film-*.json"))
    assert len(notes) == 1
    at = notes[0].stat().st_mtime_ns
    train_detector(given(recipe(data), data, data / "mine.onnx"))
    assert notes[0].stat().st_mtime_ns == at, "the teacher is not asked twice"


def test_nothing_to_learn_from_is_an_error(data):
    with pytest.raises(InputError, match=r"the teacher found none of person, car in \d+ pictures \(1 files skipped\)"):
        train_detector(given(recipe(data, simulated={}), data, data / "mine.onnx"))
    assert not (data / "mine.onnx").exists()


def test_without_data_or_a_start_it_says_so(data, tmp_path):
    with pytest.raises(InputError, match="needs --data FOLDER"):
        train_detector(given(recipe(data), None))
    with pytest.raises(InputError, match=r"start .*none.onnx: no such file"):
        train_detector(given(recipe(data, start="none.onnx"), data, data / "mine.onnx"))


def test_pictures_of_the_simulator_come_with_their_truth():
    ((pictures, labels),) = simulated(Simulated(scenes=("street",), seeds=(1,), pictures=8), LABELS)
    assert len(pictures) == len(labels) == 8
    assert all(picture.shape == (360, 640, 3) for picture in pictures)
    classes = np.concatenate([known.classes for known in labels])
    assert {0, 1} <= set(classes.tolist()) <= {0, 1, IGNORED}
    boxes = np.concatenate([known.boxes for known in labels])
    assert ((boxes >= 0) & (boxes <= 1)).all()
