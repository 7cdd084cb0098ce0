"""Training a detector: from a recipe and a folder of videos to a model file with its card.

`train_detection` is the whole of it, called by `streamer train` for recipes with `task: detection`. A teacher (the
start network, looking several times: `views`) labels the footage, labels are linked over time (`linking`), and the
start network, cut down to the recipe's labels, learns from small, dark, noisy and turned versions of the same pictures
(`scenery`, `degrade`) what the teacher saw in the good ones (`assign`). It is held to what it was wherever the labels
say nothing: footage of a few dozen cameras must not cost it the rest of the world.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from streamer import log
from streamer.errors import InputError
from streamer.models.nets.yolox import Yolox, YoloxSettings
from streamer.models.nets.yoloxfile import load_onnx
from streamer.training.detectionrecipe import Recipe, Simulated, files_of, load_detection
from streamer.training.detectorfile import write_detector
from streamer.training.examples import Collector, Examples
from streamer.training.fitting import FitSettings, fit
from streamer.training.scenery import Scenery
from streamer.training.views import Teacher

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class DetectionOptions:
    """What the command line adds to a recipe."""

    data: Path
    """Folder that the recipe's paths are relative to."""
    out: Path
    """The model file to write; notes of the teacher and a report lie beside it."""
    device: str = "auto"
    """`auto`: the accelerator if there is one."""
    changes: Sequence[str] = ()
    """`key=value` of the recipe."""
    told: Callable[[str], None] = field(default=lambda line: None)
    """Is told how it goes, a line each time."""
    simulate: Callable[[Simulated, tuple[str, ...]], Iterator[tuple[list[Any], list[Any]]]] | None = None
    """Makes the simulator's examples (pictures, labels) of each scene; the simulator is not this floor's to import."""


def train_detection(recipe_path: Path, options: DetectionOptions) -> Path:
    """Train, and write the model file.

    Raises:
        InputError: a recipe or data that cannot be used.
        ModelError: a start file that is not a YOLOX of those labels.
    """
    recipe = load_detection(recipe_path, options.changes)
    start = options.data / recipe.start
    if not start.is_file():
        raise InputError(f"train: start {start}: no such file")
    if options.out.suffix != ".onnx" or not options.out.parent.is_dir():
        raise InputError(f"train: --out must be an .onnx file in a folder that exists, got {options.out}")
    device = torch.device(_device(options.device))
    torch.manual_seed(recipe.seed)
    keep = [recipe.known_labels.index(label) for label in recipe.labels]
    net = load_onnx(start, YoloxSettings(len(recipe.labels)), keep)
    examples = gather(recipe, net, device, options)
    scenery = Scenery(examples.pictures, examples.labels, device, recipe.seed)
    settings = FitSettings(**{f.name: getattr(recipe, f.name) for f in fields(FitSettings)})
    losses = fit(net, scenery, torch.tensor(examples.weights, device=device), settings, options.told)
    digest = hashlib.sha256(start.read_bytes()).hexdigest()
    report = {
        "recipe": recipe.model_dump(mode="json"),
        "examples": len(examples),
        "boxes": sum(int((labels.classes >= 0).sum()) for labels in examples.labels),
        "skipped": examples.skipped,
        "loss": losses,
    }
    write_detector(net.cpu(), recipe, digest, options.out)
    options.out.with_suffix(".training.json").write_text(json.dumps(report, indent=1))
    return options.out


def gather(recipe: Recipe, net: Yolox, device: torch.device, options: DetectionOptions) -> Examples:
    """All labelled pictures of a recipe.

    Raises:
        InputError: nothing usable is there.
    """
    digest = hashlib.sha256((options.data / recipe.start).read_bytes()).hexdigest()
    key = f"{digest} {' '.join(recipe.labels)}"
    teacher = Teacher(net, recipe.labels, device)
    collector = Collector(teacher, recipe.labels, key, options.out.parent / f".{options.out.stem}-notes")
    examples = Examples()
    for part, files in files_of(recipe, options.data):
        for file in files:
            collector.collect(part, file, examples, options.told)
    if options.simulate is not None and recipe.simulated.scenes:
        for pictures, labels in options.simulate(recipe.simulated, recipe.labels):
            examples.add(pictures, labels, recipe.simulated.weight)
    for line in examples.skipped:
        logger.warning("train: skipped %s", line)
    if not any((labels.classes >= 0).any() for labels in examples.labels):
        raise InputError(
            f"train: the teacher found none of {', '.join(recipe.labels)} in {len(examples)} pictures "
            f"({len(examples.skipped)} files skipped); nothing can be learned from that"
        )
    return examples


def _device(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"
