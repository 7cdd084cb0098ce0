"""What a net in training is worth: its scores of clips that it does not learn from, streamed as they would be live.

The figures are those of `streamer evaluate`, from the same functions. Called by `trainer`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.models.card import Input
from streamer.training.dataset import target_of
from streamer.training.distributed import Crew
from streamer.training.figures import clip_figures, clip_score
from streamer.training.frames import Clip
from streamer.training.learner import autocast, to_input
from streamer.training.loss import Loss, frame_weights
from streamer.training.recipe import Recipe
from streamer.training.settings import LossSettings

_CLIPS = 8  # that are streamed side by side
_FRAMES = 64  # of a clip that are computed at once


@dataclass(slots=True)
class Judged:
    """Scores of clips, and what they amount to."""

    labels: list[str]
    """(N,) what each clip shows."""
    sources: list[str]
    scores: NDArray[np.float64]
    """(N, L), 0..1, one a clip and label."""
    loss: float
    figures: dict[str, float] = field(default_factory=dict)
    """`loss`, `accuracy`, `f1`, `auroc`; what is not defined is left out."""


def judge(net: Any, clips: Sequence[Clip], recipe: Recipe, shape: Input, crew: Crew) -> Judged:
    """Stream clips through a net in evaluation mode and compare its scores with their labels."""
    net.eval()
    mine = sorted(crew.share(list(enumerate(clips))), key=lambda it: it[1].length)
    plain = Loss(net.heads, LossSettings(label_smoothing=0.0, balance="none", mixup=0.0), {}, crew.device)
    rows: dict[int, tuple[NDArray[np.float64], float]] = {}
    for start in range(0, len(mine), _CLIPS):
        group = mine[start : start + _CLIPS]
        for (i, _), row in zip(
            group, _stream(net, [clip for _, clip in group], recipe, (shape, crew, plain)), strict=True
        ):
            rows[i] = row
    found = crew.gathered([rows[i] for i in sorted(rows)])
    labels = [clip.sample.label for clip in clips]
    sources = [clip.sample.source for clip in clips]
    scores = np.stack([row for row, _ in found])
    judged = Judged(labels, sources, scores, float(np.mean([loss for _, loss in found])))
    judged.figures = {"loss": judged.loss, **figures(labels, sources, scores, recipe)}
    return judged


def _stream(
    net: Any, clips: Sequence[Clip], recipe: Recipe, how: tuple[Input, Crew, Loss]
) -> list[tuple[NDArray[np.float64], float]]:
    """Scores (L,) and loss of each clip."""
    shape, crew, criterion = how
    longest = max(clip.length for clip in clips)
    frames = [np.load(clip.frames, mmap_mode="r") for clip in clips]
    state, answers = None, []
    for start in range(0, longest, _FRAMES):
        part = np.stack([it[np.minimum(np.arange(start, min(start + _FRAMES, longest)), len(it) - 1)] for it in frames])
        pixels = torch.from_numpy(part).to(crew.device).permute(0, 1, 4, 2, 3).float()
        with torch.no_grad(), autocast(crew.device, recipe.machine.amp):
            logits, state = net(to_input(pixels, shape), state)
        answers.append(logits.float())
    logits = torch.cat(answers, 1)
    said = net.activate(logits).double().cpu().numpy()
    lengths = torch.tensor([clip.length for clip in clips])
    weights = frame_weights(lengths, longest, net.warm_frames, recipe.clip.counted) * len(clips)
    found = []
    for i, clip in enumerate(clips):
        target, mask = (torch.from_numpy(it)[None].to(crew.device) for it in target_of(clip.sample.label, recipe))
        loss = float(criterion(logits[i : i + 1], target, mask, weights[i : i + 1].to(crew.device)))
        warm = np.arange(clip.length) >= net.warm_frames - 1
        scores = [clip_score(column, warm, recipe.clip.counted) for column in said[i, : clip.length].T]
        found.append((np.array(scores), loss))
    return found


def figures(
    labels: Sequence[str], sources: Sequence[str], scores: NDArray[np.float64], recipe: Recipe
) -> dict[str, float]:
    """Accuracy over all labels of the first softmax head; F1 and AUROC of the label that the recipe is about."""
    found: dict[str, float] = {}
    start = 0
    for head in recipe.net.heads:
        known = [i for i, label in enumerate(labels) if label in head.labels]
        if head.activation == "softmax" and "accuracy" not in found and known:
            said = scores[known, start : start + len(head.labels)].argmax(1)
            found["accuracy"] = float(np.mean([head.labels[s] == labels[i] for s, i in zip(said, known, strict=True)]))
        start += len(head.labels)
    about = clip_figures(
        truth_of(labels, recipe.target), scores[:, recipe.labels.index(recipe.target)], sources, 0.5, 0
    )
    for name in ("accuracy", "f1", "auroc"):
        value = getattr(about, name)
        if value is not None:
            found.setdefault(name, value)
    return found


def truth_of(labels: Sequence[str], target: str) -> NDArray[np.int64]:
    """(N,) 1 where a clip shows the label."""
    return np.array([label == target for label in labels], np.int64)
