"""One step of learning: a batch of clips in, better weights out. The heart of `trainer`, which calls it.

Clips are streamed through the net as they will be live: causally, in parts, with the state carried on; gradients stop
at the borders of the parts (truncated back-propagation through time).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn

from streamer.errors import StreamerError
from streamer.models.card import Input
from streamer.training import augment
from streamer.training.adversary import attack
from streamer.training.dataset import Batch
from streamer.training.distributed import Crew
from streamer.training.loss import Loss, frame_weights, mix
from streamer.training.optimizer import Average
from streamer.training.recipe import Recipe

State = tuple[torch.Tensor, ...]


def to_input(pixels: torch.Tensor, shape: Input) -> torch.Tensor:
    """Pixels as the net wants them: what `models.transforms.normalise` does, on any device and with gradients.

    Args:
        pixels: float (..., 3, height, width) RGB, 0..255.
        shape: of the card.
    """
    if shape.color == "BGR":
        pixels = pixels.flip(-3)
    mean, std = (pixels.new_tensor(values).view(3, 1, 1) for values in (shape.mean, shape.std))
    return (pixels * shape.scale - mean) / std


def autocast(device: torch.device, amp: str) -> AbstractContextManager[Any]:
    """Mixed precision, if a recipe wants it."""
    return torch.autocast(device.type, torch.bfloat16) if amp == "bf16" else nullcontext()


class Learner:
    """Changes a net.

    Args:
        net: on the device, in training.
        recipe: how.
        shape: the net's input.
        criterion: what to make small.
        optimizer: over the net's weights.
        crew: with whom.
    """

    def __init__(
        self,
        net: nn.Module,
        recipe: Recipe,
        shape: Input,
        criterion: Loss,
        optimizer: torch.optim.Optimizer,
        crew: Crew,
    ):
        self.net: Any = net
        self.wrapped: Any = net
        self.average = Average(net, recipe.ema) if recipe.ema is not None else None
        self._recipe = recipe
        self._shape = shape
        self._criterion = criterion
        self._optimizer = optimizer
        self._crew = crew

    def learn(self, batch: Batch, epoch: int, step: int) -> dict[str, float]:
        """One step; returns `loss` and `norm` of the gradients before they were clipped.

        Raises:
            StreamerError: the loss is no number any more.
        """
        recipe = self._recipe
        rng = np.random.default_rng((recipe.seed, 3, step, self._crew.rank))
        batch = batch.to(self._crew.device)
        pixels = augment.apply(batch.pixels, batch.draws)
        target, mask = batch.target, batch.mask
        if recipe.loss.mixup:
            order = torch.from_numpy(rng.permutation(len(pixels))).to(pixels.device)
            share = float(rng.beta(recipe.loss.mixup, recipe.loss.mixup))
            pixels, target, mask = mix(pixels, target, mask, share, order)
        weights = frame_weights(batch.lengths, pixels.shape[1], self.net.warm_frames, recipe.clip.counted)
        pixels = self._attacked(pixels, (target, mask, weights), rng)
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._descend(pixels, (target, mask, weights), rng)
        if not np.isfinite(loss):
            raise StreamerError(
                f"train: the loss is {loss} in epoch {epoch + 1}, step {step + 1}: the weights have run away; lower "
                f"optimizer.learning_rate ({recipe.optimizer.learning_rate:g}) or optimizer.clip_norm, and begin anew"
            )
        learning = [weight for weight in self.net.parameters() if weight.grad is not None]
        norm = float(nn.utils.clip_grad_norm_(learning, recipe.optimizer.clip_norm or float("inf")))
        self._optimizer.step()
        if self.average is not None:
            self.average.update(self.net)
        return {"loss": loss, "norm": norm}

    def measure(self, norms: Sequence[Any], batches: Iterable[Batch]) -> None:
        """Set the statistics of normalizations to their mean over batches, for the weights as they are.

        Moving statistics are of weights that have changed since; after few steps, or with averaged weights, they are
        wrong (Wu and Johnson 2021, Rethinking "Batch" in BatchNorm).
        """
        kept = [(norm, norm.momentum) for norm in norms]
        self.net.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean of all batches
            norm.train()
        with torch.no_grad():
            for batch in batches:
                batch = batch.to(self._crew.device)
                pixels = augment.apply(batch.pixels, batch.draws)
                with autocast(pixels.device, self._recipe.machine.amp):
                    self.net(to_input(pixels, self._shape))
        for norm, momentum in kept:
            norm.momentum = momentum
            norm.eval()

    def _descend(self, pixels: torch.Tensor, taught: tuple[torch.Tensor, ...], rng: np.random.Generator) -> float:
        """Gradients of all parts of the clips, summed; the loss."""
        target, mask, weights = taught
        total, state = 0.0, None
        parts = list(self._parts(pixels.shape[1]))
        for part in parts:
            last = part is parts[-1]
            counts = bool(weights[:, part].any()) or last
            quiet = self.wrapped.no_sync() if self.wrapped is not self.net and not last else nullcontext()
            with quiet, torch.set_grad_enabled(counts):
                with autocast(pixels.device, self._recipe.machine.amp):
                    logits, state = self.wrapped(to_input(pixels[:, part], self._shape), state)
                if counts:
                    loss = self._criterion(logits, target, mask, weights[:, part])
                    loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
                    total += float(loss.detach())
            state = self._carried(state, rng)
        return total

    def _parts(self, frames: int) -> Iterator[slice]:
        seconds = self._recipe.clip.backprop_seconds
        length = frames if seconds is None else max(1, round(seconds * self._recipe.net.fps))
        for start in range(0, frames, length):
            yield slice(start, start + length)

    def _carried(self, state: State | None, rng: np.random.Generator) -> State | None:
        """The state at the border of two parts: without its history, and of some clips forgotten."""
        if state is None:
            return None
        forget = self._recipe.clip.forget
        if not forget:
            return tuple(it.detach() for it in state)
        kept = torch.from_numpy(rng.random(len(state[0])) >= forget).to(state[0].device)
        return tuple(it.detach() * kept.view(-1, *[1] * (it.ndim - 1)) for it in state)

    def _attacked(
        self, pixels: torch.Tensor, taught: tuple[torch.Tensor, ...], rng: np.random.Generator
    ) -> torch.Tensor:
        """The first clips of a batch, changed so that the net errs; it is asked as it is when it serves."""
        settings = self._recipe.adversary
        count = round(settings.share * len(pixels)) if settings.kind != "none" else 0
        if not count:
            return pixels
        target, mask, weights = (it[:count] for it in taught)
        generator = torch.Generator(pixels.device)
        generator.manual_seed(int(rng.integers(2**62)))

        def loss_of(changed: torch.Tensor) -> torch.Tensor:
            with autocast(changed.device, self._recipe.machine.amp):
                logits, _ = self.net(to_input(changed, self._shape))
            return self._criterion(logits, target, mask, weights)

        modes = [(module, module.training) for module in self.net.modules()]
        self.net.eval()
        try:
            with torch.backends.cudnn.flags(enabled=False):  # cuDNN's RNNs have no gradient outside of training
                deceiving = attack(pixels[:count], loss_of, settings, generator)
        finally:
            for module, mode in modes:
                module.training = mode
        return torch.cat([deceiving, pixels[count:]])
