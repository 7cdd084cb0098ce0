"""Folds: parts of the data that share no source and no file, with about the same mix of labels in each.

Clips of one source show the same scene, often the same incident: a model that trained on one of them has seen the
others. Deterministic: the same samples and seed give the same folds, on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from streamer import log
from streamer.errors import InputError
from streamer.training.samples import Sample

logger = log.get(__name__)
_TRIES = 20  # orders in which groups are dealt; the best is kept


def grouped_folds(samples: Sequence[Sample], k: int, seed: int = 0) -> list[tuple[list[Sample], list[Sample]]]:
    """Pairs of (training samples, test samples), k of them; every sample is tested once, in the order of `samples`.

    Raises:
        InputError: fewer than 2 folds, or fewer sources than folds.
    """
    fold = fold_numbers(samples, k, seed)
    return [
        (
            [sample for sample, at in zip(samples, fold, strict=True) if at != number],
            [sample for sample, at in zip(samples, fold, strict=True) if at == number],
        )
        for number in range(k)
    ]


def fold_numbers(samples: Sequence[Sample], k: int, seed: int = 0) -> list[int]:
    """For each sample the fold (0..k-1) that tests it; what `grouped_folds` is made of. Raises InputError."""
    if k < 2:
        raise InputError(f"folds: at least 2 are needed, got {k}")
    found = apportion(samples, [1 / k] * k, seed)
    for label in sorted({sample.label for sample in samples}):
        if len({at for at, sample in zip(found, samples, strict=True) if sample.label == label}) == 1:
            logger.warning("folds: all samples of %r fall into one fold, whose model never learns it", label)
    return found


def apportion(
    samples: Sequence[Sample],
    shares: Sequence[float],
    seed: int = 0,
    key: Callable[[Sample], str] = lambda sample: sample.source,
) -> list[int]:
    """For each sample the number of its part; samples of one key or of one file are in the same part.

    Args:
        samples: any number.
        shares: how much of every label each part should have, fractions that sum to 1. Whole groups are dealt, so
            that what comes out is as near as they allow; the part that was given nothing stays empty only where its
            share is 0.
        seed: of the order in which groups are tried.
        key: what must not be parted.

    Raises:
        InputError: fewer groups than parts.
    """
    groups = group_numbers(samples, key)
    count, wanted = max(groups, default=-1) + 1, sum(share > 0 for share in shares)
    if count < wanted:
        raise InputError(
            f"folds: {len(samples)} samples of {count} sources cannot make {wanted} parts that share no source; "
            "name the sources, or ask for fewer parts"
        )
    labels = sorted({sample.label for sample in samples})
    table = np.zeros((count, len(labels)))
    for group, sample in zip(groups, samples, strict=True):
        table[group, labels.index(sample.label)] += 1
    goal = np.asarray(shares, float)
    rng = np.random.default_rng(seed)
    best: tuple[float, NDArray[np.int64]] | None = None
    for _ in range(_TRIES):
        order = rng.permutation(count)
        order = order[np.argsort(-table[order].sum(axis=1), kind="stable")]  # the large ones first: they fit worst
        parts, cost = _deal(table, order, goal)
        if best is None or cost < best[0] - 1e-12:
            best = cost, parts
    assert best is not None
    return [int(best[1][group]) for group in groups]


def group_numbers(samples: Sequence[Sample], key: Callable[[Sample], str]) -> list[int]:
    """A number for each sample, equal for those that share a key or a file, also by way of others; from 0, as met."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for sample in samples:
        parent[root(f"file {sample.file}")] = root(f"key {key(sample)}")
    numbers: dict[str, int] = {}
    return [numbers.setdefault(root(f"key {key(sample)}"), len(numbers)) for sample in samples]


def _deal(
    table: NDArray[np.float64], order: NDArray[np.int64], goal: NDArray[np.float64]
) -> tuple[NDArray[np.int64], float]:
    """Deal groups to parts one by one, each to where the mix of labels is then nearest to the goal; and how near."""
    totals = table.sum(axis=0)
    want = goal[:, None] * totals[None]
    have = np.zeros_like(want)
    parts = np.zeros(len(table), np.int64)
    dealt = np.zeros(len(goal), int)
    for at, group in enumerate(order):
        empty = np.flatnonzero((dealt == 0) & (goal > 0))
        # the last groups go where nothing is yet: no part may stay empty
        among = empty if len(empty) and len(order) - at <= len(empty) else np.flatnonzero(goal > 0)
        part = min(among.tolist(), key=lambda part: _cost(have, want, totals, part, table[group]))
        have[part] += table[group]
        parts[group] = part
        dealt[part] += 1
    return parts, float((((have - want) / totals) ** 2).sum())


def _cost(
    have: NDArray[np.float64],
    want: NDArray[np.float64],
    totals: NDArray[np.float64],
    part: int,
    group: NDArray[np.float64],
) -> float:
    before = ((have[part] - want[part]) / totals) ** 2
    after = ((have[part] + group - want[part]) / totals) ** 2
    return float((after - before).sum())
