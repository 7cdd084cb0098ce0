"""Whether an exported model says what its net says: over 64 streamed steps, in batches of 1 to 32 mixed cameras.

The net answers whole films, one camera at a time (`forward`); the exported model is stepped as the daemon steps it:
other cameras, in another order, in every batch. So a wrong state, a batch that mixes cameras and a drift all show. The
states at the end are compared, too: a net that hardly cares what it sees would hide a wrong one in its answers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.models.card import Card
from streamer.models.transforms import normalise
from streamer.training.steppers import Floats, Stepper, initial_state

STEPS, CAMERAS = 64, 32
BATCHES = (1, 2, 3, 5, 8, 13, 21, 32)
"""Sizes of the batches, again and again."""
BUDGET_S = 3.0
"""Seconds that a batch size is timed for."""
_FIRST = 2  # rounds that are not timed: they allocate
TOLERANCE = 1e-3
"""Largest difference of a probability that counts as the same in float32."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far two forms of a model are apart."""

    steps: int
    """Frames compared, over all cameras."""
    longest: int
    """Steps of the camera that was in every batch."""
    max_error: float
    """Largest difference of any probability."""
    mean_error: float
    state_error: float
    """Largest difference of any number of the states at the end, by the largest number of that state (at least 1)."""
    differ: int
    """Answers of another sense (another best label, or the other side of a half), ties within the tolerance aside."""
    answers: int
    """How many answers there are: heads times steps, labels times steps of sigmoid heads."""

    @property
    def same(self) -> bool:
        """Whether it counts as the same in float32."""
        return self.max_error < TOLERANCE and self.state_error < TOLERANCE and self.differ == 0

    def __str__(self) -> str:
        return (
            f"{self.steps} frames of {CAMERAS} cameras, up to {self.longest} steps each, batches of 1 to {CAMERAS}: "
            f"largest error {self.max_error:.1e}, mean {self.mean_error:.1e}, of the state {self.state_error:.1e}; "
            f"{self.differ} of {self.answers} answers differ"
        )


def schedule(seed: int = 0, steps: int = STEPS) -> list[NDArray[np.intp]]:
    """The cameras of each batch, in their order there; camera 0 is in all of them."""
    rng = np.random.default_rng(seed)
    batches = []
    for i in range(steps):
        others = rng.permutation(np.arange(1, CAMERAS))[: BATCHES[i % len(BATCHES)] - 1]
        batches.append(rng.permutation(np.append(others, 0)))
    return batches


def film(camera: int, steps: int, card: Card) -> NDArray[np.uint8]:
    """Frames of a made-up camera: a texture of its own that drifts, with noise. uint8 (steps, height, width, 3)."""
    rng = np.random.default_rng([7, camera])
    height, width = card.input.height, card.input.width
    coarse = rng.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3))
    texture = np.kron(coarse, np.ones((8, 8, 1), np.int64))
    dy, dx = rng.integers(-4, 5, 2)
    frames = np.empty((steps, height, width, 3), np.uint8)
    for i in range(steps):
        moved = np.roll(texture, (int(dy) * i, int(dx) * i), (0, 1))[:height, :width]
        frames[i] = np.clip(moved + rng.integers(-12, 13, moved.shape), 0, 255)
    return frames


@dataclass(frozen=True, slots=True)
class Truth:
    """What the net says of one camera's film."""

    scores: Floats
    """(steps, labels)."""
    state: list[Floats]
    """After the last frame, (1, ...) each."""


def compare(reference: Sequence[Truth], exported: Stepper, card: Card, batches: Sequence[NDArray[np.intp]]) -> Parity:
    """Step an exported model through the batches and compare with the reference.

    Args:
        reference: of each camera.
        exported: what is compared.
        card: of both.
        batches: the cameras of each batch.
    """
    own = [initial_state(card, 1) for _ in range(CAMERAS)]
    films = {camera: film(camera, len(reference[camera].scores), card) for camera in range(CAMERAS)}
    at = [0] * CAMERAS
    errors, wrong, answers = [], 0, 0
    for cameras in batches:
        frame = normalise(np.stack([films[c][at[c]] for c in cameras]), card.input)
        state = [np.concatenate([own[c][i] for c in cameras]) for i in range(len(card.state))]
        scores, following = exported.step(frame, state)
        for place, c in enumerate(cameras):
            expected = reference[c].scores[at[c]]
            errors.append(np.abs(scores[place] - expected))
            differing, asked = _differing(scores[place], expected, card)
            wrong, answers = wrong + differing, answers + asked
            own[c] = [np.array(tensor[place : place + 1]) for tensor in following]
            at[c] += 1
    every = np.stack(errors)
    worst = float(every.max()) if np.isfinite(every).all() else float("inf")
    apart = max(_apart(kept, truth.state) for kept, truth in zip(own, reference, strict=True))
    return Parity(len(errors), max(at), worst, float(every.mean()), apart, wrong, answers)


def reference_of(net: Any, card: Card, batches: Sequence[NDArray[np.intp]]) -> list[Truth]:
    """What a net says of each camera's film, one camera at a time, each in one go."""
    import torch

    found = []
    for camera in range(CAMERAS):
        steps = sum(camera in cameras for cameras in batches)
        if steps == 0:
            found.append(Truth(np.zeros((0, len(card.labels)), np.float32), initial_state(card, 1)))
            continue
        frames = normalise(film(camera, steps, card), card.input)
        with torch.inference_mode():
            logits, state = net(torch.from_numpy(frames)[None])
            found.append(Truth(net.activate(logits)[0].numpy(), [tensor.numpy() for tensor in state]))
    return found


def milliseconds(steppers: Sequence[Stepper], card: Card, batch: int, budget_s: float | None = None) -> list[float]:
    """Median time of a step of each, taken in turn in one run, so that a busy machine is busy for all.

    Args:
        steppers: to be timed.
        card: of all of them.
        batch: cameras a step.
        budget_s: seconds for all together, None: BUDGET_S; at least five rounds and at most fifty.
    """
    frame = normalise(np.stack([film(c, 1, card)[0] for c in range(batch)]), card.input)
    states = [initial_state(card, batch) for _ in steppers]
    taken: list[list[float]] = [[] for _ in steppers]
    end = time.perf_counter() + (BUDGET_S if budget_s is None else budget_s)
    for i in range(50 + _FIRST):
        if i >= 5 + _FIRST and time.perf_counter() > end:
            break
        for k, stepper in enumerate(steppers):
            begin = time.perf_counter()
            _, states[k] = stepper.step(frame, states[k])
            taken[k].append(time.perf_counter() - begin)
    return [1e3 * float(np.median(times[_FIRST:])) for times in taken]


def _apart(ours: Sequence[Floats], theirs: Sequence[Floats]) -> float:
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        if b.size:
            error = float(np.abs(a - b).max() / max(1.0, float(np.abs(b).max())))
            worst = max(worst, error) if np.isfinite(error) else float("inf")
    return worst


def _differing(scores: Floats, expected: Floats, card: Card) -> tuple[int, int]:
    """How many answers are of another sense, and how many there are."""
    wrong, asked, at = 0, 0, 0
    for head in card.heads:
        ours, theirs = scores[at : at + len(head.labels)], expected[at : at + len(head.labels)]
        at += len(head.labels)
        if head.activation == "sigmoid":
            decided = np.abs(theirs - 0.5) > TOLERANCE
            wrong += int(((ours > 0.5) != (theirs > 0.5))[decided].sum())
            asked += len(theirs)
        else:
            best = np.sort(theirs)[::-1]
            decided = len(best) < 2 or best[0] - best[1] > TOLERANCE
            wrong += int(bool(decided) and int(ours.argmax()) != int(theirs.argmax()))
            asked += 1
    return wrong, asked
