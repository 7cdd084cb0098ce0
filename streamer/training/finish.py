"""The end of a training: weights become a model file with its card, and the ONNX file that the daemon runs.

Called by `session`; the export proves that the ONNX file says what the net says.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from streamer import log
from streamer.models.nets.saved import card_for, save
from streamer.training.export import export
from streamer.training.recipe import Recipe
from streamer.training.run import EXPORTED, MODEL, ORIGIN, Run
from streamer.training.validation import Judged, truth_of

_FIGURES = ("accuracy", "precision", "recall", "f1", "auroc", "ece")
"""Those of the target label that the card tells at a glance; all are in its `training`."""

_EXPORTERS = ("onnx", "onnxruntime")
logger = log.get(__name__)


def write_model(run: Run, recipe: Recipe, net: Any, metrics: dict[str, Any], thresholds: dict[str, float]) -> None:
    """Write `model.safetensors` and `model.onnx`, each with the card.

    Args:
        run: where they go.
        recipe: that made them.
        net: in evaluation mode, on any device.
        metrics: what was measured; plain numbers of the target label go into the card.
        thresholds: by label.
    """
    net = net.cpu().eval()
    about = metrics.get("labels", {}).get(recipe.target, {})
    card = card_for(
        net,
        fit=recipe.fit,
        thresholds=thresholds,
        license=recipe.license,
        source=recipe.source,
        metrics={name: about[name] for name in _FIGURES if about.get(name) is not None},
        training={**run.read(ORIGIN), "recipe": recipe.to_json(), "metrics": metrics},
    )
    path = run.path(MODEL)
    save(net, card, path)
    missing = [name for name in _EXPORTERS if find_spec(name) is None]
    if missing:  # a rented GPU often has torch and nothing else: hours of training must not end in an error
        logger.warning(
            "train: %s is not written, for %s is not installed here; elsewhere: streamer export %s --to onnx",
            run.path(EXPORTED), " and ".join(missing), path,
        )  # fmt: skip
        return
    export(path, "onnx", run.path(EXPORTED))


def thresholds_of(judged: Judged, recipe: Recipe) -> dict[str, float]:
    """For each label the score from which most clips are told rightly (highest F1; the middle of ties).

    A label that all clips show, or none, has no threshold.
    """
    found = {}
    for i, label in enumerate(recipe.labels):
        truth = truth_of(judged.labels, label).astype(bool)
        if truth.any() and not truth.all():
            found[label] = round(best_threshold(truth, judged.scores[:, i]), 4)
    return found


def best_threshold(truth: Any, scores: Any) -> float:
    """The middle of the widest gap between two scores at which F1 is highest.

    Args:
        truth: bool (N,), both kinds in it.
        scores: (N,), 0..1.
    """
    cuts = np.unique(scores)
    edges = np.concatenate(([0.0], cuts, [1.0]))
    between = (edges[:-1] + edges[1:]) / 2
    said = scores[None, :] >= between[:, None]
    hits = (said & truth).sum(1)
    f1 = 2 * hits / np.maximum(1, said.sum(1) + truth.sum())
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    widths = (edges[1:] - edges[:-1])[best]
    return float(between[best[np.argmax(widths)]])
