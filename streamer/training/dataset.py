"""Examples of a training: which part of which clip comes when, its target, and what befalls its pictures.

All that is random about an example follows from (seed, epoch, place in the epoch) alone, so that a resumed training
sees the same examples, with any number of reading processes. Called by `trainer`; pixels stay bytes until they are on
the device.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from streamer.errors import InputError
from streamer.training.augment import Draw, draw
from streamer.training.frames import Clip
from streamer.training.recipe import Recipe

Place = tuple[int, int, int]
"""Epoch, place within the epoch, index of the clip."""


@dataclass(slots=True)
class Batch:
    """Examples of one step."""

    pixels: torch.Tensor
    """uint8 (B, T, height, width, 3) RGB; what is shorter than T repeats its last frame."""
    lengths: torch.Tensor
    """int64 (B,), frames that are real."""
    target: torch.Tensor
    """float32 (B, L), 0..1 by label."""
    mask: torch.Tensor
    """float32 (B, L), 0 where a head has nothing to learn from the clip."""
    draws: list[Draw]

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        moved = {it.name: getattr(self, it.name) for it in fields(self)}
        return Batch(**{k: v.to(device, non_blocking=True) if k != "draws" else v for k, v in moved.items()})


class Examples:
    """A random part of each clip.

    Args:
        clips: with their frames ready.
        recipe: says how long an example is and what befalls it.
    """

    def __init__(self, clips: Sequence[Clip], recipe: Recipe):
        self.clips = list(clips)
        self._recipe = recipe
        self._frames = max(1, round(recipe.clip.seconds * recipe.net.fps))
        self._targets = [target_of(clip.sample.label, recipe) for clip in clips]

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, place: Place) -> tuple[NDArray[np.uint8], int, Any, Any, Draw]:
        epoch, ordinal, index = place
        rng = np.random.default_rng((self._recipe.seed, 1, epoch, ordinal))
        clip = self.clips[index]
        start = int(rng.integers(0, max(0, clip.length - self._frames) + 1))
        pixels = np.load(clip.frames, mmap_mode="r")[start : start + self._frames]
        target, mask = self._targets[index]
        return np.array(pixels), len(pixels), target, mask, draw(self._recipe.augment, self._frames, rng)


def collate(examples: Sequence[tuple[Any, int, Any, Any, Draw]]) -> Batch:
    """Examples of different lengths as one batch."""
    longest = max(length for _, length, *_ in examples)
    first = examples[0][0]
    pixels = np.empty((len(examples), longest, *first.shape[1:]), np.uint8)
    for row, (frames, length, *_) in zip(pixels, examples, strict=True):
        row[:length] = frames
        row[length:] = frames[-1]
    return Batch(
        torch.from_numpy(pixels),
        torch.tensor([length for _, length, *_ in examples]),
        torch.from_numpy(np.stack([target for _, _, target, _, _ in examples])),
        torch.from_numpy(np.stack([mask for _, _, _, mask, _ in examples])),
        [it for *_, it in examples],
    )


def target_of(label: str, recipe: Recipe) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What a clip of a label teaches: target and mask, float32 (L,) each.

    A softmax head learns from clips of its own labels. A sigmoid head learns from those and from the background.

    Raises:
        InputError: no head knows the label.
    """
    if label not in recipe.labels and label not in recipe.background:
        raise InputError(
            f"train: the data have clips labeled {label!r}, the recipe's heads know {', '.join(recipe.labels)}"
            f"{' and the background ' + ', '.join(recipe.background) if recipe.background else ''}; rename the clips, "
            "or name the label in net.heads or background"
        )
    target, mask = [], []
    for head in recipe.net.heads:
        taught = label in head.labels or (head.activation == "sigmoid" and label in recipe.background)
        target += [float(label == name) for name in head.labels]
        mask += [float(taught)] * len(head.labels)
    return np.array(target, np.float32), np.array(mask, np.float32)


def check_labels(labels: Sequence[str], recipe: Recipe, wanted_by: str = "train") -> Counter[str]:
    """How many clips each label has.

    Raises:
        InputError: no clips; one class only; labels without a clip or unknown to every head.
    """
    counts = Counter(labels)
    if not counts:
        raise InputError(f"{wanted_by}: there are no clips to learn from")
    for label in counts:
        target_of(label, recipe)
    if len(counts) < 2:
        raise InputError(
            f"{wanted_by}: all {len(labels)} clips are labeled {next(iter(counts))!r}; at least two classes are needed"
        )
    missing = [label for label in recipe.labels if label not in counts]
    if missing:
        raise InputError(
            f"{wanted_by}: no clip is labeled {', '.join(map(repr, missing))}, which the heads are to learn; the data "
            f"have {', '.join(f'{count} {label}' for label, count in sorted(counts.items()))}"
        )
    return counts


def plan(labels: Sequence[str], recipe: Recipe, epoch: int) -> list[list[Place]]:
    """The steps of an epoch, each the places of its batch; a last batch that is not full is left out.

    Which clips those are changes with the epoch. Fewer clips than a batch make one smaller step.
    """
    rng = np.random.default_rng((recipe.seed, 2, epoch))
    n = len(labels)
    if recipe.loss.balance == "sample":
        counts = Counter(labels)
        share = np.array([1.0 / (len(counts) * counts[label]) for label in labels])
        order = rng.choice(n, n, p=share / share.sum())
    else:
        order = rng.permutation(n)
    size = min(recipe.batch_size, n)
    places = [(epoch, i, int(index)) for i, index in enumerate(order)]
    return [places[i : i + size] for i in range(0, n - size + 1, size)]


def steps(examples: Examples, batches: Sequence[Sequence[Place]], workers: int) -> Iterator[Batch]:
    """Read batches, in order."""
    loader: Any = DataLoader(
        examples,  # type: ignore[arg-type, unused-ignore]
        batch_sampler=batches,  # type: ignore[arg-type, unused-ignore]
        num_workers=workers,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),  # its own: each beginning takes a number, and a resumed epoch begins twice
    )
    return iter(loader)
