"""The training loop, plain PyTorch: epochs of steps, a validation after each, a checkpoint whenever it is time.

Everything random follows from the seed, the epoch and the step, or lies in the checkpoint; so a training that was
killed at any moment and resumed ends with the very weights of one that was not (on a CPU bit by bit). Called by
`session`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from streamer.models.nets.build import build
from streamer.training import adapters, checkpoint
from streamer.training.dataset import Examples, check_labels, plan, steps
from streamer.training.distributed import Crew
from streamer.training.frames import Clip, Progress
from streamer.training.journal import Journal
from streamer.training.learner import Learner
from streamer.training.loss import Loss
from streamer.training.optimizer import make_optimizer, measured, rate_at, set_mode, set_rate
from streamer.training.recipe import Recipe
from streamer.training.run import BEST, LOG, Run
from streamer.training.starting import continue_from, first_weights
from streamer.training.validation import Judged, judge

_BETTER_DOWN = ("loss",)


@dataclass(slots=True)
class Position:
    """Where a training is."""

    epoch: int = 0
    batch: int = 0
    """Within the epoch; the next one."""
    step: int = 0
    """Since the beginning."""
    best: float | None = None
    best_epoch: int = -1
    stopped: bool = False
    lost: list[float] = field(default_factory=list)
    """Losses of this epoch so far."""


class Trainer:
    """One training.

    Args:
        recipe: all settings.
        run: where files go; begun.
        train: clips to learn from.
        validate: clips to judge with after each epoch; empty: the last weights are kept.
        crew: this process among those that train.

    Raises:
        InputError: the data or the weights to begin with do not fit the recipe.
    """

    def __init__(self, recipe: Recipe, run: Run, train: Sequence[Clip], validate: Sequence[Clip], crew: Crew):
        counts = check_labels([clip.sample.label for clip in train], recipe)
        self.recipe, self.run, self.crew = recipe, run, crew
        self.shape = recipe.input
        self.position = Position()
        self._labels = [clip.sample.label for clip in train]
        self._examples = Examples(train, recipe)
        self._validate = list(validate)
        torch.manual_seed(recipe.seed)
        net: Any = build(recipe.net, "none" if recipe.start else first_weights(recipe))
        if recipe.start is not None:
            continue_from(net, recipe)
        if recipe.adapter.kind == "lora":
            adapters.add(net, recipe.adapter)
        self.net = net.to(crew.device)
        self.optimizer = make_optimizer(self.net, recipe.optimizer)
        criterion = Loss(net.heads, recipe.loss, counts, crew.device)
        self.learner = Learner(self.net, recipe, self.shape, criterion, self.optimizer, crew)
        torch.manual_seed(recipe.seed + crew.rank)  # the processes drop out differently

    def fit(self, resume: bool = False, progress: Progress | None = None) -> dict[str, torch.Tensor]:
        """Train to the end.

        Args:
            resume: go on from the run's checkpoint.
            progress: told after each step.

        Returns:
            The weights that are kept: averaged ones if the recipe averages, of the best epoch if there was something
            to judge with, LoRA still beside them.

        Raises:
            StreamerError: the loss is no number any more.
        """
        if resume:
            self._restore(checkpoint.load(self.run.path(checkpoint.NAME)))
        log = self.run.path(LOG)
        journal = Journal(self.run.folder, self.recipe, log, self.position.step) if self.crew.first else None
        try:
            while self.position.epoch < self.recipe.schedule.epochs and not self.position.stopped:
                self._epoch(journal, progress)
        finally:
            if journal is not None:
                journal.close()
        if self.position.best_epoch >= 0:
            return dict(checkpoint.load(self.run.path(BEST))["weights"])
        with self._to_be_judged(self.position.epoch - 1):
            return self._weights()

    def _epoch(self, journal: Journal | None, progress: Progress | None) -> None:
        at, recipe = self.position, self.recipe
        batches = plan(self._labels, recipe, at.epoch)
        set_mode(self.net, recipe.freeze, recipe.adapter.kind, at.epoch)
        self.learner.wrapped = self.crew.wrap(self.net)
        mine = [list(self.crew.share(batch)) for batch in batches[at.batch :]]
        for batch in steps(self._examples, mine, recipe.machine.workers):
            rate = rate_at(at.step, len(batches), recipe.schedule, recipe.optimizer.learning_rate)
            set_rate(self.optimizer, rate)
            told = self.learner.learn(batch, at.epoch, at.step)
            at.batch, at.step = at.batch + 1, at.step + 1
            at.lost.append(told["loss"])
            if journal is not None and at.step % recipe.journal.every_steps == 0:
                journal.tell(at.step, "train", {**told, "rate": rate, "epoch": at.epoch + 1})
            if at.step % recipe.machine.checkpoint_steps == 0 and at.batch < len(batches):
                self._save()
            if progress is not None:
                progress("train", at.step, recipe.schedule.epochs * len(batches))
        self._end_epoch(journal)

    def _end_epoch(self, journal: Journal | None) -> None:
        at, recipe = self.position, self.recipe
        figures = {"epoch": at.epoch + 1, "loss": float(np.mean(at.lost))}
        if self._validate:
            with self._to_be_judged(at.epoch):
                judged = judge(self.net, self._validate, recipe, self.shape, self.crew)
                if recipe.stop.keep == "best":
                    self._compare(judged)
            figures |= {f"val_{name}": value for name, value in judged.figures.items()}
        if journal is not None:
            journal.tell(at.step, "epoch", figures)
        at.epoch, at.batch, at.lost = at.epoch + 1, 0, []
        self._save()

    def _compare(self, judged: Judged) -> None:
        """Keep the weights if they are the best so far; stop if they were not for too long."""
        at, stop = self.position, self.recipe.stop
        value = judged.figures.get(stop.figure, judged.loss)
        sign = -1 if stop.figure in _BETTER_DOWN or stop.figure not in judged.figures else 1
        if at.best is None or sign * value > sign * at.best:
            at.best, at.best_epoch = value, at.epoch
            if self.crew.first:
                checkpoint.save(self.run.path(BEST), {"epoch": at.epoch, "weights": self._weights()})
            self.crew.wait()
        at.stopped = stop.patience is not None and at.epoch - at.best_epoch >= stop.patience

    @contextmanager
    def _to_be_judged(self, epoch: int) -> Iterator[None]:
        """Within this context the net is as it would serve: with its averaged weights, if there are any."""
        own = {name: value.detach().clone() for name, value in self.net.state_dict().items()}
        if self.learner.average is not None:
            self.net.load_state_dict(self.learner.average.weights)
        count = self.recipe.freeze.measured_batches
        if count:
            set_mode(self.net, self.recipe.freeze, self.recipe.adapter.kind, epoch)
            batches = plan(self._labels, self.recipe, epoch)[:count]
            self.learner.measure(measured(self.net), steps(self._examples, batches, 0))
        self.net.eval()
        try:
            yield
        finally:
            self.net.load_state_dict(own)

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: value.detach().cpu().clone() for name, value in self.net.state_dict().items()}

    def _save(self) -> None:
        random = self.crew.gathered([checkpoint.random_state()])
        if self.crew.first:
            average, at = self.learner.average, self.position
            state = {
                "position": {name: getattr(at, name) for name in Position.__slots__},
                "net": self.net.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "average": None if average is None else average.state_dict(),
                "random": random,
            }
            checkpoint.save(self.run.path(checkpoint.NAME), state)
        self.crew.wait()

    def _restore(self, state: dict[str, Any]) -> None:
        self.position = Position(**state["position"])
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.learner.average is not None:
            self.learner.average.load_state_dict(state["average"])
        random = state["random"]
        checkpoint.set_random_state(random[min(self.crew.rank, len(random) - 1)])
