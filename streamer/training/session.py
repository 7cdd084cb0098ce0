"""One `streamer train`: from a recipe and a folder of clips to a model file with its card, figures and pictures.

Reads the data, splits them by source, decodes what is not cached, trains, judges, and writes the model for serving.
Called by the command line, by `rounds` for each fold, and by tuning.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from streamer import log
from streamer.errors import InputError
from streamer.training import adapters
from streamer.training.dataset import check_labels
from streamer.training.distributed import Crew
from streamer.training.figures import clip_figures
from streamer.training.finish import thresholds_of, write_model
from streamer.training.folds import grouped_folds
from streamer.training.frames import Clip, FrameCache, Gathered, Progress, gather
from streamer.training.journal import read_log
from streamer.training.plots import plot_all
from streamer.training.recipe import Recipe
from streamer.training.run import LOG, METRICS, Run
from streamer.training.samples import Sample, read_samples
from streamer.training.trainer import Trainer
from streamer.training.validation import Judged, judge, truth_of

logger = log.get(__name__)


@dataclass(slots=True)
class Sets:
    """The clips of a training."""

    learn: Sequence[Clip]
    held: Sequence[Clip]
    """That judge; may be empty."""
    skipped: list[str]
    """Why others could not be read."""
    judged: Judged | None = None
    """What is said of the model where none is held back: pooled scores of folds."""


@dataclass(slots=True)
class Trained:
    """What came of a training."""

    folder: Path
    judged: Judged | None
    """What the kept weights say of the clips that were held back; None if none were."""
    skipped: list[str]
    """Clips that could not be read, and why."""
    epochs: int
    """That were trained."""
    best_epoch: int
    """From 1, whose weights were kept; 0: the last ones."""

    def summary(self) -> str:
        """For people, one fact a line."""
        lines = [f"{self.folder}: {self.epochs} epochs" + (f", best {self.best_epoch}" if self.best_epoch else "")]
        if self.judged is not None:
            told = ", ".join(f"{name} {value:.3f}" for name, value in self.judged.figures.items())
            lines.append(f"held back: {len(self.judged.labels)} clips: {told}")
        if self.skipped:
            lines.append(f"skipped: {len(self.skipped)} clips that cannot be read, the first: {self.skipped[0]}")
        return "\n".join(lines)


def data_of(recipe: Recipe) -> list[Sample]:
    """The samples that a recipe names. Raises InputError."""
    if recipe.data is None:
        raise InputError("train: no data: name a folder of clips in the recipe (`data:`) or with --data")
    return read_samples(recipe.data)


def frames_of(recipe: Recipe, samples: Sequence[Sample], crew: Crew, progress: Progress | None = None) -> Gathered:
    """Decode samples for a recipe's net; the first process does it, the others find it done.

    Raises:
        InputError: the cache cannot be used, or no clip can be read.
    """
    check_labels([sample.label for sample in samples], recipe)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = FrameCache(recipe.cache.dir or home / "streamer" / "frames", recipe.cache.limit_gb * 1e9)
    if not crew.first:
        crew.wait()
    found = gather(samples, cache, recipe.input, recipe.net.fps, progress)
    if crew.first:
        crew.wait()
        for reason in found.skipped:
            logger.warning("train: skipped: %s", reason)
    return found


def split(recipe: Recipe, clips: Sequence[Clip]) -> tuple[list[Clip], list[Clip]]:
    """Clips to learn from and clips to judge with: as the data say (column `split`), else by source.

    Clips that the data call `test` are in neither.
    """
    if any(clip.sample.split for clip in clips):
        train = [clip for clip in clips if clip.sample.split in ("train", "")]
        return train, [clip for clip in clips if clip.sample.split == "val"]
    if recipe.split.fold is None:
        return list(clips), []
    by_sample = {clip.sample: clip for clip in clips}
    learn, held = grouped_folds(list(by_sample), recipe.split.folds, recipe.seed)[recipe.split.fold]
    return [by_sample[sample] for sample in learn], [by_sample[sample] for sample in held]


def train(
    recipe: Recipe, folder: Path, gathered: Gathered, crew: Crew, resume: bool = False, progress: Progress | None = None
) -> Trained:
    """Train on clips whose frames lie ready, with the recipe's split.

    Raises:
        InputError: the data do not fit the recipe, or the folder holds another training.
        StreamerError: the training failed.
    """
    learn, held = split(recipe, gathered.clips)
    return train_on(recipe, folder, Sets(learn, held, gathered.skipped), crew, resume, progress)


def train_on(
    recipe: Recipe,
    folder: Path,
    sets: Sets,
    crew: Crew,
    resume: bool = False,
    progress: Progress | None = None,
) -> Trained:
    """The same with clips that were parted already."""
    learn, held = sets.learn, sets.held
    check_labels([clip.sample.label for clip in learn], recipe)
    run = Run(folder)
    going_on = run.begin(recipe, learn, held, resume) if crew.first else resume and folder.exists()
    (going_on,) = crew.gathered([going_on])[:1]
    with _repeatable(recipe):
        trainer = Trainer(recipe, run, learn, held, crew)
        weights = trainer.fit(going_on, progress)
        net: Any = trainer.net
        net.load_state_dict(weights)
        if recipe.adapter.kind == "lora":
            adapters.melt(net)
        judged = judge(net, held, recipe, trainer.shape, crew) if held else sets.judged
        at = trainer.position
        trained = Trained(folder, judged, sets.skipped, at.epoch, at.best_epoch + 1)
        if crew.first:
            _write(run, recipe, net, trained)
        crew.wait()
    return trained


def _write(run: Run, recipe: Recipe, net: Any, trained: Trained) -> None:
    """Metrics, pictures and model; in this order, so that a model file says that all is there."""
    metrics, thresholds = metrics_of(recipe, trained)
    run.write(METRICS, metrics)
    if recipe.journal.pictures:
        names, truth, scores = first_head(recipe, trained.judged)
        plot_all(run.folder, read_log(run.path(LOG)), names, truth, scores)
    write_model(run, recipe, net, metrics, thresholds)


def metrics_of(recipe: Recipe, trained: Trained) -> tuple[dict[str, Any], dict[str, float]]:
    """What `metrics.json` says, and the thresholds by label that the card gets."""
    found: dict[str, Any] = {
        "epochs": trained.epochs,
        "best_epoch": trained.best_epoch,
        "skipped": len(trained.skipped),
        "selected_by": f"validation {recipe.stop.figure}" if trained.best_epoch else "the last epoch",
    }
    judged = trained.judged
    if judged is None:
        return found, {}
    thresholds = thresholds_of(judged, recipe)
    found["validation"] = judged.figures
    found["labels"] = {
        label: clip_figures(
            truth_of(judged.labels, label), judged.scores[:, i], judged.sources, thresholds.get(label, 0.5)
        ).to_json()
        for i, label in enumerate(recipe.labels)
    }
    return found, thresholds


def first_head(recipe: Recipe, judged: Judged | None) -> tuple[list[str], Any, Any]:
    """Labels, truth (N,) and scores (N, L) of the first head, of the clips that it knows."""
    names = list(recipe.net.heads[0].labels)
    if judged is None:
        return names, np.zeros(0, np.int64), np.zeros((0, len(names)))
    known = [i for i, label in enumerate(judged.labels) if label in names]
    truth = np.array([names.index(judged.labels[i]) for i in known], np.int64)
    return names, truth, judged.scores[known, : len(names)]


@contextmanager
def _repeatable(recipe: Recipe) -> Iterator[None]:
    """The torch settings of a recipe, for a while."""
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark, torch.get_num_threads()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if recipe.machine.threads is not None:
        torch.set_num_threads(recipe.machine.threads)
    torch.backends.cudnn.benchmark = not recipe.machine.deterministic
    # some GPU kernels (adaptive pooling's gradient) have no deterministic form: they are used all the same
    torch.use_deterministic_algorithms(recipe.machine.deterministic, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=True)
        torch.backends.cudnn.benchmark = before[1]
        torch.set_num_threads(before[2])
