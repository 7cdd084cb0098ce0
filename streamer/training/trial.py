"""One trial of a search: what Optuna proposes, how an epoch went, and what a step of the net costs; used by `tune`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from streamer.errors import InputError
from streamer.models.nets.build import build
from streamer.training.journal import read_log
from streamer.training.recipe import Recipe
from streamer.training.space import Range

_STEPS, _WARM = 30, 5


class Epochs:
    """Tells Optuna how each epoch went, and gives a trial up that falls behind; a `Progress` of the training.

    The figure is the AUROC: recall at a rate moves in steps of a clip, and would be told by chance in early epochs.
    """

    def __init__(self, optuna: Any, trial: Any, path: Path, before: int):
        self._optuna, self._trial, self._path, self._before = optuna, trial, path, before
        self._size = -1
        self._told = 0
        """The last epoch that was told."""

    def __call__(self, task: str, done: float, total: float) -> None:
        """Tell of the epochs that have ended since; raises optuna's TrialPruned."""
        if task != "train" or not self._path.is_file() or self._path.stat().st_size == self._size:
            return
        self._size = self._path.stat().st_size
        for row in read_log(self._path):
            if "val_auroc" not in row or row["epoch"] <= self._told:
                continue
            self._told = int(row["epoch"])
            self._trial.report(row["val_auroc"], self._before + self._told)
            if self._trial.should_prune():
                raise self._optuna.TrialPruned(f"AUROC {row['val_auroc']:.3f} after epoch {self._told}")


def as_changes(values: Mapping[str, Any]) -> list[str]:
    """As `--set` takes them."""
    return [f"{key}={json.dumps(value)}" for key, value in values.items()]


def step_ms(recipe: Recipe) -> float:
    """CPU milliseconds that a step of a recipe's net takes for one camera, on one thread: the median of some."""
    net = build(recipe.net, "none").eval()
    frame = torch.zeros(1, 3, recipe.net.height, recipe.net.width)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            state, spent = net.initial_state(1), []
            for _ in range(_WARM + _STEPS):
                begun = time.process_time()
                _, state = net.step(frame, state)
                spent.append(time.process_time() - begun)
    finally:
        torch.set_num_threads(threads)
    return float(np.median(spent[_WARM:])) * 1000


def storage(optuna: Any, path: Path) -> Any:
    """Optuna's storage in a SQLite file."""
    return optuna.storages.RDBStorage(f"sqlite:///{path.absolute()}")


def suggest(trial: Any, key: str, them: Any) -> Any:
    """What Optuna proposes for one key: out of a range, or one of some values."""
    if not isinstance(them, Range):
        return trial.suggest_categorical(key, them)
    if them.whole:
        return trial.suggest_int(key, them.low, them.high, step=int(them.step or 1), log=them.log)
    return trial.suggest_float(key, them.low, them.high, step=them.step, log=them.log)


def optuna_or_error() -> Any:
    """Optuna, without its chatter. Raises InputError where it is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise InputError('tune: needs Optuna, which is not installed; pip install "streamer[train]"') from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna
