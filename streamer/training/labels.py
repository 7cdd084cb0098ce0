"""Labels that are probably wrong: what models that did not train on a clip say against them, by confident learning.

The probabilities come out of fold: from a training run's file, or from a logistic regression on what the looks and,
with a model, its embeddings tell. cleanlab then judges by each class's own confidence, not by a fixed threshold. A
list to look at, never to delete by: a weak classifier doubts what is merely hard.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import InputError
from streamer.training.folds import fold_numbers
from streamer.training.look import Look
from streamer.training.samples import Sample

_PARTS = 32  # principal components of embeddings that a few hundred clips can carry
_HINT = 'pip install "streamer[train]"'


@dataclass(frozen=True, slots=True)
class Doubt:
    """One label in doubt."""

    sample: Sample
    probability: float
    """Of its label, out of fold."""
    instead: str
    """The likeliest label."""
    score: float
    """cleanlab's label quality, 0 (certainly wrong) to 1."""


@dataclass(frozen=True, slots=True)
class LabelReport:
    """What is in doubt, the worst first, and how far the doubter itself is to be believed."""

    doubts: tuple[Doubt, ...]
    accuracy: float
    """Of the probabilities against the labels as given; near that of guessing, the doubts mean little."""
    guessing: float
    """Share of the commonest label."""
    judged: int


def doubts(samples: Sequence[Sample], probabilities: NDArray[np.float64], labels: Sequence[str]) -> LabelReport:
    """Judge labels by out-of-fold probabilities.

    Args:
        samples: n of them.
        probabilities: (n, len(labels)), rows that sum to 1.
        labels: the classes, in the order of the columns.

    Raises:
        InputError: cleanlab is not installed.
    """
    try:
        from cleanlab.filter import find_label_issues
        from cleanlab.rank import get_label_quality_scores
    except ImportError as error:
        raise InputError(f"data check: the report on labels needs cleanlab; {_HINT}") from error
    given = np.array([list(labels).index(sample.label) for sample in samples])
    issues = find_label_issues(
        given, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1, min_examples_per_class=0
    )
    scores = get_label_quality_scores(given, probabilities, method="self_confidence")
    found = tuple(
        Doubt(samples[i], float(probabilities[i, given[i]]), labels[int(probabilities[i].argmax())], float(scores[i]))
        for i in map(int, issues)
    )
    counts = np.bincount(given, minlength=len(labels))
    accuracy = float((probabilities.argmax(axis=1) == given).mean())
    return LabelReport(found, accuracy, float(counts.max() / len(samples)), len(samples))


def out_of_fold(
    samples: Sequence[Sample], features: NDArray[np.float64], k: int = 5, seed: int = 0
) -> tuple[NDArray[np.float64], list[str]]:
    """Probabilities (n, classes) by a logistic regression that never trained on the sample's source; and the classes.

    Raises:
        InputError: scikit-learn is not installed, fewer than two classes, or too few sources for two folds.
    """
    try:
        from sklearn.decomposition import PCA
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise InputError(f"data check: the report on labels needs scikit-learn; {_HINT}") from error
    labels = sorted({sample.label for sample in samples})
    if len(labels) < 2:
        raise InputError(
            f"data check: the report on labels needs at least 2 classes with usable samples, there are {len(labels)}"
        )
    given = np.array([labels.index(sample.label) for sample in samples])
    fold = np.array(fold_numbers(samples, min(k, len({sample.source for sample in samples})), seed))
    found = np.zeros((len(samples), len(labels)))
    for number in range(fold.max() + 1):
        train, test = fold != number, fold == number
        present = np.unique(given[train])
        if len(present) < 2:  # nothing to tell apart: what the others say is all there is
            found[np.ix_(test, present)] = 1.0
            continue
        parts = min(_PARTS, int(train.sum()) - 1, features.shape[1])
        reduce = [PCA(parts, random_state=seed)] if features.shape[1] > 2 * _PARTS else []
        model = make_pipeline(
            StandardScaler(), *reduce, LogisticRegression(C=0.1, max_iter=2000, class_weight="balanced")
        )
        model.fit(features[train], given[train])
        found[np.ix_(test, present)] = model.predict_proba(features[test])
    return found, labels


def motion_features(samples: Sequence[Sample], looks: Mapping[Path, Look]) -> NDArray[np.float64]:
    """(n, 22): how much moves, how it changes, where, and how bright it is."""
    return np.array([_motion(looks[sample.file].within(sample)) for sample in samples])


def _motion(thumbs: NDArray[np.uint8]) -> list[float]:
    pictures = thumbs.astype(np.float64)
    change = np.abs(np.diff(pictures, axis=0)) if len(pictures) > 1 else np.zeros((1, *pictures.shape[1:]))
    each = change.mean(axis=(1, 2))
    where = change.mean(axis=0)
    rows, columns = where.mean(axis=1), where.mean(axis=0)
    moving = change > 12  # levels; above a codec's noise
    area = moving.mean(axis=(1, 2))
    return [
        *(each.mean(), each.std(), each.max(), np.median(each), np.abs(np.diff(each)).mean() if len(each) > 1 else 0.0),
        *(area.mean(), area.std(), area.max(), np.percentile(area, 25), np.percentile(area, 75)),
        *(change.max(axis=(1, 2)).mean(), where.max(), where.std(), where.max() / (where.mean() + 1e-6)),
        *(rows.argmax() / len(rows), rows.std(), columns.std(), (change**2).mean() ** 0.5),
        *(pictures.mean(), pictures.std(), pictures.std(axis=0).mean(), float(np.log1p(each.mean()))),
    ]


def read_probabilities(path: Path, samples: Sequence[Sample]) -> tuple[NDArray[np.float64], list[str]]:
    """Out-of-fold probabilities of a CSV: `file`, `start` where a file has several samples, and a column a class.

    Returns:
        (n, classes) in the order of `samples`, rows scaled to sum to 1, and the classes.

    Raises:
        InputError: it cannot be read, has no row for a sample, or classes that the samples do not have.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    classes = sorted({sample.label for sample in samples})
    missing = {"file", *classes} - set(rows[0] if rows else ())
    if missing:
        raise InputError(f"{path}: no column {min(missing)!r}; needed are file and the classes {', '.join(classes)}")
    by_key: dict[tuple[Path, float], dict[str, Any]] = {}
    for row in rows:
        try:
            start_s = float(row.get("start") or 0.0)
        except ValueError as error:
            raise InputError(f"{path}: {row['file']}: start must be seconds, got {row['start']!r}") from error
        by_key[(path.parent / row["file"]).resolve(), start_s] = row
    found = np.zeros((len(samples), len(classes)))
    for number, sample in enumerate(samples):
        told = by_key.get((sample.file.resolve(), sample.start_s))
        if told is None:
            raise InputError(f"{path}: no row for {sample.file} at {sample.start_s:g} s")
        try:
            found[number] = [float(told[label]) for label in classes]
        except (TypeError, ValueError):
            found[number] = np.nan
        total = found[number].sum()
        if not (np.isfinite(total) and total > 0 and found[number].min() >= 0):
            raise InputError(f"{path}: {sample.file}: probabilities must be numbers from 0 that are not all 0")
        found[number] /= total
    return found, classes
