"""Pictures of a training, and the curve that one of them shows."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve as reference

from streamer.training.plots import plot_all, precision_recall_curve

LINES = [
    {"step": 1, "kind": "train", "loss": 0.7, "rate": 1e-3},
    {"step": 2, "kind": "epoch", "loss": 0.6, "val_loss": 0.65, "val_accuracy": 0.5},
]


def test_the_curve_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, scores = rng.random(60) < 0.4, np.round(rng.random(60), 1)
    recall, precision = precision_recall_curve(truth, scores)
    expected_precision, expected_recall, _ = reference(truth, scores)
    assert recall[::-1] == pytest.approx(expected_recall[:-1])
    assert precision[::-1] == pytest.approx(expected_precision[:-1])


def test_all_pictures_are_written(tmp_path: Path) -> None:
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    names = plot_all(tmp_path, LINES, ["calm", "jumpy"], np.array([0, 1, 1]), scores)
    assert names == ["curves.png", "confusion.png", "precision_recall.png"]
    for name in names:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_without_judged_clips_there_are_curves_only(tmp_path: Path) -> None:
    assert plot_all(tmp_path, LINES[:1], ["a", "b"], np.zeros(0, np.int64), np.zeros((0, 2))) == ["curves.png"]


def test_without_matplotlib_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert plot_all(tmp_path, LINES, ["a", "b"], np.zeros(0, np.int64), np.zeros((0, 2))) == []
