"""`streamer train` for recipes with `task: detection`: the detector's training, and the simulator's pictures for it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from streamer.errors import InputError
from streamer.training.detectionrecipe import Simulated
from streamer.training.labelled import IGNORED, Labels

_SIZE, _FPS = (640, 360), 5.0
_NAMES = {"person": "person", "vehicle": "car"}
"""What the simulator's actors are to a detector; anything else that moves is unknown."""
_LEAST = (3 / _SIZE[0], 8 / _SIZE[1])
"""Width and height of the smallest box that is an example."""


def train_detector(given: argparse.Namespace) -> None:
    """Train the detector of a recipe (`given.recipe`) on a folder (`given.data`), and say what came of it."""
    from streamer.training.detection import DetectionOptions, train_detection

    if given.data is None or not given.data.is_dir():
        raise InputError("train: a detector's recipe needs --data FOLDER, to which its footage is relative")
    out = given.out or Path("runs") / given.recipe.stem
    if out.suffix != ".onnx":
        out.mkdir(parents=True, exist_ok=True)
        out = out / f"{given.recipe.stem}.onnx"
    told = _say if sys.stderr.isatty() else lambda line: None
    options = DetectionOptions(given.data, out, changes=given.set or (), told=told, simulate=simulated)
    print(f"{train_detection(given.recipe, options)}: written; its figures: streamer models info {out}")


def simulated(wanted: Simulated, labels: tuple[str, ...]) -> Iterator[tuple[list[Any], list[Labels]]]:
    """Pictures (RGB) and labels of each scene and seed."""
    from streamer.simulator.library import make_scene
    from streamer.simulator.render import Renderer
    from streamer.simulator.truth import Truth

    for name in wanted.scenes:
        for seed in wanted.seeds:
            scene = make_scene(name, seed=seed)
            renderer, truth = Renderer(scene, _SIZE, _FPS), Truth(scene)
            pictures, known = [], []
            for time in np.linspace(2.0, truth.seconds - 1.0, wanted.pictures):
                number = int(time * _FPS)
                pictures.append(renderer.rgb(number))
                rows = [(actor.box, _NAMES.get(actor.label, "")) for actor in truth.boxes(number / _FPS)]
                rows = [
                    (box, label) for box, label in rows if box[2] - box[0] > _LEAST[0] and box[3] - box[1] > _LEAST[1]
                ]
                classes = [labels.index(label) if label in labels else IGNORED for _, label in rows]
                boxes = np.array([box for box, _ in rows], np.float64).reshape(-1, 4)
                known.append(Labels(boxes, np.array(classes, np.int64)))
            yield pictures, known


def _say(line: str) -> None:
    print(f"train: {line}", file=sys.stderr, flush=True)
