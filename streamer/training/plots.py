"""Pictures of a training for people: how it went, what it confuses, what it costs to find more.

By matplotlib without a display; imported only when a training ends. Called by `session`.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer import log

logger = log.get(__name__)


def plot_all(
    folder: Path, lines: Sequence[dict[str, Any]], names: Sequence[str], truth: NDArray[np.int64], scores: NDArray[Any]
) -> list[str]:
    """Write `curves.png` and, if anything was judged, `confusion.png` and `precision_recall.png`.

    Args:
        folder: of the run.
        lines: of the journal.
        names: the labels of one head, L of them.
        truth: (N,) which label each clip shows.
        scores: (N, L) what the model said.

    Returns:
        The names of the files; none, with a warning, where matplotlib is not installed.
    """
    try:
        logging.getLogger("matplotlib").setLevel(logging.WARNING)  # it tells of every font that it looks at
        importlib.import_module("matplotlib")
    except ImportError:
        logger.warning("train: no curves are drawn: matplotlib is not installed; pip install 'streamer[train]'")
        return []
    curves(folder / "curves.png", lines)
    if not len(truth):
        return ["curves.png"]
    said = scores.argmax(1)
    confusion(folder / "confusion.png", names, truth, said)
    precision_recall(folder / "precision_recall.png", names, truth, scores)
    return ["curves.png", "confusion.png", "precision_recall.png"]


def curves(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    """Losses, figures and learning rate by step."""
    steps = [line for line in lines if line["kind"] == "train"]
    epochs = [line for line in lines if line["kind"] == "epoch"]
    with _figure(path, 3, (13, 4)) as (left, middle, right):
        left.plot([it["step"] for it in steps], [it["loss"] for it in steps], alpha=0.3, label="step")
        left.plot([it["step"] for it in epochs], [it["loss"] for it in epochs], label="epoch")
        names = sorted({name for it in epochs for name in it if name.startswith("val_")})
        for name in names:
            axes = left if name == "val_loss" else middle
            rows = [it for it in epochs if name in it]
            axes.plot([it["step"] for it in rows], [it[name] for it in rows], label=name[4:] + " (validation)")
        right.plot([it["step"] for it in steps], [it["rate"] for it in steps])
        for axes, title in ((left, "loss"), (middle, "validation"), (right, "learning rate")):
            axes.set(title=title, xlabel="step")
            if axes.get_legend_handles_labels()[0]:
                axes.legend()
        if not names:
            middle.text(0.5, 0.5, "no clips were held back", ha="center", va="center", transform=middle.transAxes)


def confusion(path: Path, names: Sequence[str], truth: NDArray[np.int64], said: NDArray[Any]) -> None:
    """How often each label was taken for which."""
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (truth, said), 1)
    with _figure(path, 1, (2.5 + 0.7 * len(names), 2 + 0.7 * len(names))) as (axes,):
        axes.imshow(counts, cmap="Blues")
        for row, column in np.ndindex(counts.shape):
            dark = counts[row, column] > counts.max() / 2
            axes.text(column, row, counts[row, column], ha="center", va="center", color="white" if dark else "black")
        axes.set_xticks(range(len(names)), names, rotation=45)
        axes.set_yticks(range(len(names)), names)
        axes.set(xlabel="said", ylabel="shown", title=f"{len(truth)} clips")


def precision_recall(path: Path, names: Sequence[str], truth: NDArray[np.int64], scores: NDArray[Any]) -> None:
    """Precision against recall over all thresholds, one curve a label."""
    with _figure(path, 1, (5, 5)) as (axes,):
        for i, name in enumerate(names):
            recall, precision = precision_recall_curve(truth == i, scores[:, i])
            axes.step(recall, precision, where="post", label=name)
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
        axes.legend()


def precision_recall_curve(truth: NDArray[np.bool_], scores: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Recall and precision when all clips from each score upwards are said to show it, the highest score first."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    last = np.append(np.diff(scores[order]) != 0, True)  # equal scores are said together
    found = hits[last]
    return found / max(1, int(truth.sum())), found / (np.flatnonzero(last) + 1)


@contextmanager
def _figure(path: Path, columns: int, size: tuple[float, float]) -> Iterator[Any]:
    plots = importlib.import_module("matplotlib.figure")
    figure = plots.Figure(figsize=size, layout="constrained")
    yield np.atleast_1d(figure.subplots(1, columns))
    figure.savefig(path, dpi=100)
