"""`streamer train`: from a recipe and a folder of clips to a model that the daemon runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from streamer.commands.detection import train_detector
from streamer.errors import InputError
from streamer.training.detectionrecipe import is_detection
from streamer.training.frames import Progress
from streamer.training.recipe import Recipe, load_recipe


def train(given: argparse.Namespace) -> None:
    """Train, and say what came of it."""
    if is_detection(given.recipe):
        _heavy()
        train_detector(given)
        return
    if given.folds is not None and not 2 <= given.folds <= 50:
        raise InputError(f"train: --folds must be 2 to 50, got {given.folds}")
    recipe = load_recipe(given.recipe, given.set)
    if given.data is not None:
        recipe = recipe.model_copy(update={"data": given.data.absolute()})
    _heavy()
    from streamer.training.distributed import crew
    from streamer.training.session import data_of, frames_of

    samples = data_of(recipe)
    with crew(recipe.machine) as us, _progress(us.first) as progress:
        gathered = frames_of(recipe, samples, us, progress)
        if given.pack is not None:
            from streamer.training.pack import pack

            if us.first:
                pack(gathered.clips, given.pack, recipe.input, recipe.net.fps)
            text = f"{given.pack}: frames of {len(gathered.clips)} clips; train with --data {given.pack}"
        elif given.folds is not None:
            from streamer.training.rounds import train_folds

            done = train_folds(
                recipe, _folder(given, recipe), gathered, us, (given.folds, bool(given.resume)), progress
            )
            text = done.summary()
        else:
            from streamer.training.session import train as run

            text = run(recipe, _folder(given, recipe), gathered, us, bool(given.resume), progress).summary()
    if us.first:
        print(text)


def _folder(given: argparse.Namespace, recipe: Recipe) -> Path:
    folder: Path = given.out or Path("runs") / recipe.name
    return folder


def _heavy() -> None:
    """Say in one line what is missing where the package was installed without torch."""
    if find_spec("torch") is None:
        raise InputError("train: needs torch, which is not installed; run: pip install 'streamer[train]'")


@contextmanager
def _progress(wanted: bool) -> Iterator[Progress | None]:
    """A bar a kind of work on stderr, when that is a terminal."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn(),
                  console=Console(stderr=True)) as bar:  # fmt: skip
        rows = {}

        def told(task: str, done: float, total: float) -> None:
            if task not in rows:
                rows[task] = bar.add_task(task, total=total)
            bar.update(rows[task], completed=done, total=total)

        yield told
