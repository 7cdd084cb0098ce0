"""The models of a training's folds, each with the clips that it has not learned from.

A run of k folds has one folder a fold, with the model and with `split.csv`, which says which clips it learned from and
which were held back. Each model is measured on what it was not shown; together they answer for all clips once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streamer.errors import InputError
from streamer.models.card import Card
from streamer.training.samples import Sample, read_samples

MODEL = "model.onnx"
"""Of a run folder: the file that a daemon runs, not the weights beside it."""
SPLIT = "split.csv"
_HELD = ("val", "test")


def parts(run: Path, samples: Sequence[Sample]) -> list[tuple[Path, list[Sample]]]:
    """Which model tests which samples.

    Args:
        run: the folder of a training with folds, or of a single one.
        samples: all that are to be tested.

    Returns:
        A model file, and the samples that were held back from it, for each fold that has any.

    Raises:
        InputError: no such run, a sample that no fold held back, or one that a fold both learned from and held back.
    """
    folders = [it for it in (run, *sorted(run.glob("*/"))) if (it / SPLIT).is_file() and (it / MODEL).is_file()]
    if not folders:
        raise InputError(f"evaluate: --folds {run}: no fold with {SPLIT} and {MODEL} in it")
    left = {_key(sample): sample for sample in samples}
    found = []
    for folder in folders:
        rows = read_samples(folder / SPLIT)
        held, learned = ({_key(it) for it in rows if (it.split in _HELD) == want} for want in (True, False))
        both = held & learned
        sources = {it.source for it in rows if it.split in _HELD} & {it.source for it in rows if it.split not in _HELD}
        if both or sources:
            what = f"clip {min(both)[0]}" if both else f"source {min(sources)!r}"
            raise InputError(f"evaluate: --folds {run}: {folder.name} learned from {what} and would be tested on it")
        tested = [left.pop(key) for key in list(left) if key in held]
        if tested:
            found.append((folder / MODEL, tested))
    if left:
        raise InputError(
            f"evaluate: --folds {run}: {len(left)} of {len(samples)} clips were held back by no fold, the first is "
            f"{next(iter(left.values())).file}; are these the data it was trained on?"
        )
    return found


def agree(first: Path, card: Card, file: Path, other: Card) -> None:
    """Models whose figures are joined must answer the same question at the same rate. Raises InputError."""
    for name in ("labels", "fps"):
        ours, theirs = getattr(card, name), getattr(other, name)
        if ours != theirs:
            raise InputError(f"evaluate: {file}: its {name} are {theirs}, those of {first} are {ours}")


def _key(sample: Sample) -> tuple[str, str, str, float, float | None]:
    """What a clip is, wherever its folder now lies."""
    name = f"{sample.file.parent.name}/{sample.file.name}"
    return name, sample.label, sample.source, sample.start_s, sample.end_s
