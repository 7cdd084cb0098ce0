"""`streamer bench --batches`: what it prints is what it measured, and a device that errs is caught."""

from __future__ import annotations

import json

import numpy as np
import pytest

from streamer.bench import batches, command
from streamer.errors import InputError, ModelError
from streamer.models.importer import Origin, import_file
from streamer.types import Detections
from tests.bench.test_rules import given
from tests.models.tiny import LABELS as SHAPES
from tests.models.tiny import tiny_yolox

LABELS = ("person", "car")


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A tiny detector, measured for a moment."""
    monkeypatch.setattr(batches, "_LEAST_S", 0.0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    import_file(tiny_yolox(tmp_path / "raw.onnx"), tmp_path / "tiny.onnx", Origin("yolox", SHAPES))
    return tmp_path / "tiny.onnx"


def found(boxes, confidence, labels):
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.array(confidence, np.float32), np.array(labels), LABELS
    )


def test_every_size_is_measured_and_the_cpu_agrees_with_itself(model, capsys):
    command.bench(given("--batches", "--model", str(model), "--device", "onnxruntime", "--json"))
    told = json.loads(capsys.readouterr().out)
    assert told["plan"]["runtime"] == "onnxruntime"
    assert [cost["size"] for cost in told["batches"]] == list(batches.SIZES)
    assert all(
        cost["frames_per_s"] == pytest.approx(cost["size"] / cost["batch_ms"] * 1000, rel=0.05)
        for cost in told["batches"]
        if cost["batch_ms"] > 0.05
    )
    assert told["agreement"]["frames"] == 64
    assert told["agreement"]["missing"] == 0


def test_the_table_says_what_json_says(model, capsys):
    command.bench(given("--batches", "--model", str(model), "--device", "onnxruntime"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("onnxruntime f32 on cpu")
    assert [int(line.split()[0]) for line in lines[2:-1]] == list(batches.SIZES)
    assert "0 of" in lines[-1]


def test_compare_pairs_by_label_and_place():
    theirs = found([[0.1, 0.1, 0.3, 0.5], [0.6, 0.1, 0.8, 0.5], [0.0, 0.0, 0.1, 0.1]], [0.9, 0.8, 0.1], [0, 1, 0])
    same = batches.compare([theirs], [theirs])
    assert (same.frames, same.detections, same.missing, same.box_error, same.confidence_error) == (1, 2, 0, 0.0, 0.0)
    moved = found([[0.11, 0.1, 0.3, 0.5], [0.6, 0.1, 0.8, 0.52]], [0.85, 0.8], [0, 1])
    off = batches.compare([moved], [theirs])
    assert off.missing == 0
    assert off.box_error == pytest.approx(0.02)
    assert off.confidence_error == pytest.approx(0.05)


@pytest.mark.parametrize(
    "ours",
    [
        found([], [], np.zeros(0, np.int64)),
        found([[0.1, 0.1, 0.3, 0.5]], [0.9], [1]),  # another label
        found([[0.4, 0.1, 0.6, 0.5]], [0.9], [0]),  # elsewhere
    ],
)
def test_what_the_device_does_not_see_is_missing(ours):
    assert batches.compare([ours], [found([[0.1, 0.1, 0.3, 0.5]], [0.9], [0])]).missing == 1


def test_motion_has_no_batches():
    with pytest.raises(InputError, match="--batches needs a network"):
        command.bench(given("--batches"))


def test_a_device_that_is_not_there_is_an_error(model, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match="sees no usable NVIDIA GPU"):
        command.bench(given("--batches", "--model", str(model), "--device", "cuda"))


def test_a_video_that_cannot_be_read_is_wrong_input(model, tmp_path):
    (tmp_path / "no.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match="bench: --video"):
        command.bench(given("--batches", "--model", str(model), "--video", str(tmp_path / "no.mp4")))
