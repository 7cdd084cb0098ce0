"""The search for a better recipe: Optuna asks, trainings answer; `streamer tune`.

A trial is an ordinary training in a folder of its own. Its worth is the recall, on clips that it did not learn from, at
which no more than a share of the others is called positive; a net that is too slow is not trained at all, one that
falls behind the median of the earlier ones after the same epoch is given up. Everything is in SQLite: after kill -9 the
next call takes the broken trial up where its last checkpoint was. What is found was chosen on the held-back clips, so
its figure flatters: judge it on others.

Sources: Akiba et al., Optuna, KDD 2019 (TPE sampler and median pruner).
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamer import log
from streamer.errors import ConfigError, InputError, StreamerError
from streamer.training.distributed import Crew, device_of
from streamer.training.figures import recall_at
from streamer.training.recipe import Recipe, load_recipe
from streamer.training.run import LOG
from streamer.training.session import Trained, data_of, frames_of, train
from streamer.training.space import TuneSettings
from streamer.training.trial import Epochs, as_changes, optuna_or_error, step_ms, storage, suggest
from streamer.training.validation import truth_of

logger = log.get(__name__)
DATABASE, BEST, LOCK = "tune.db", "best.json", "tune.lock"
_STUDY = "streamer"
_KILLED = "killed"
"""A trial whose process ended with it; another one goes on in its place and it does not count."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Best:
    """The best trial so far."""

    trial: int
    recall: float
    threshold: float
    """Score at which the recall is reached."""
    ms: float
    """CPU milliseconds a step, one thread."""
    changes: Mapping[str, Any]
    """Keys of the recipe and their values."""
    folder: Path
    given: tuple[str, ...] = ()
    """Changes of the recipe for all trials, as `--set` takes them."""

    def to_json(self, recipe: Path, settings: TuneSettings) -> dict[str, Any]:
        """Plain values, with the command that trains it again."""
        return {
            "trial": self.trial,
            "recall": round(self.recall, 4),
            "false_rate": settings.false_rate,
            "threshold": round(self.threshold, 4),
            "ms": round(self.ms, 3),
            "changes": dict(self.changes),
            "folder": str(self.folder),
            "command": " ".join(
                ["streamer train", str(recipe), *(f"--set '{it}'" for it in (*self.given, *as_changes(self.changes)))]
            ),
        }


class Tuning:
    """A search, in a folder that holds all of it.

    Args:
        path: the recipe, with a section `tune`.
        folder: made if it is missing; a search in it is gone on with.
        changes: of the recipe, as `--set` gives them; for all trials.

    Raises:
        InputError: the recipe has no section `tune`, or one of its keys does not exist; the folder holds another
            search, or another process searches in it; Optuna is not installed.
    """

    def __init__(self, path: Path, folder: Path, changes: Sequence[str] = ()):
        self.path, self.folder, self._changes = path, folder, tuple(changes)
        recipe = load_recipe(path, changes)
        if recipe.tune is None:
            raise InputError(f"tune: {path} has no section `tune` that says what may be tried; see docs/tuning.md")
        self.settings: TuneSettings = recipe.tune
        if recipe.split.fold is None or self.settings.folds > recipe.split.folds:
            raise InputError(f"tune: {path}: split.fold must be set and tune.folds at most {recipe.split.folds}")
        self._check_keys()
        self._optuna = optuna_or_error()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"tune: --out {folder} cannot be made: {error.strerror}") from error
        self._study: Any = None
        self._seed = recipe.seed

    def search(self, trials: int | None = None, seconds: float | None = None, say: Say = print) -> Best | None:
        """Try until enough trials are there, or the time is over; the running trial is finished.

        Args:
            trials: in all, those of earlier calls included; default: as the recipe says.
            seconds: begin no trial after so many.
            say: told a line a trial.

        Returns:
            The best of all; None if none came to an end.
        """
        wanted = self.settings.trials if trials is None else trials
        until = time.monotonic() + (float("inf") if seconds is None else seconds)
        with self._alone():
            self._open()
            self._take_up(say)
            while self._done() < wanted and time.monotonic() < until:
                self._try(say)
            best = self.best()
            if best is not None:
                text = json.dumps(best.to_json(self.path, self.settings), indent=1)
                (self.folder / BEST).write_text(text + "\n", encoding="utf-8")
            return best

    def best(self) -> Best | None:
        """The best trial so far."""
        states = self._optuna.trial.TrialState
        ended: list[Any] = self._study.get_trials(deepcopy=False, states=(states.COMPLETE,))
        if not ended:
            return None
        one = max(ended, key=lambda it: (it.value, -it.number))
        told = one.user_attrs
        return Best(
            one.number,
            one.value,
            told["threshold"],
            told["ms"],
            one.params,
            self.folder / told["folder"],
            self._changes,
        )

    def _open(self) -> None:
        optuna = self._optuna
        database = storage(optuna, self.folder / DATABASE)
        pruner = optuna.pruners.MedianPruner(self.settings.startup_trials, self.settings.warmup_epochs)
        self._study = optuna.create_study(
            storage=database, study_name=_STUDY, direction="maximize", load_if_exists=True, pruner=pruner
        )
        self._study.sampler = optuna.samplers.TPESampler(
            seed=self._seed + len(self._study.trials), n_startup_trials=self.settings.startup_trials
        )
        what = self.settings.model_dump(mode="json", include={"space", "false_rate", "max_ms", "folds"})
        before = self._study.user_attrs.get("search")
        if before is not None and before != what:
            raise InputError(f"tune: {self.folder} holds a search for something else; another one needs another --out")
        self._study.set_user_attr("search", what)

    def _take_up(self, say: Say) -> None:
        """Trials that were running when their process died are put in the queue again, with their folder."""
        states = self._optuna.trial.TrialState
        for dead in self._study.get_trials(deepcopy=False, states=(states.RUNNING,)):
            folder = dead.user_attrs.get("folder")
            if folder is not None and dead.params:
                self._study.enqueue_trial(dead.params, user_attrs={"folder": folder})
                say(f"trial {dead.number} was broken off: going on with {folder}")
            self._study._storage.set_trial_user_attr(dead._trial_id, _KILLED, True)  # noqa: SLF001 - no public way
            self._study.tell(dead.number, state=states.FAIL)

    def _done(self) -> int:
        states = self._optuna.trial.TrialState
        ended = self._study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED, states.FAIL))
        return sum(_KILLED not in it.user_attrs for it in ended)

    def _try(self, say: Say) -> None:
        """One trial; its outcome is in the database before the next begins."""
        states = self._optuna.trial.TrialState
        trial = self._study.ask()
        changes = {key: suggest(trial, key, them) for key, them in self.settings.space.items()}
        if "folder" not in trial.user_attrs:
            trial.set_user_attr("folder", f"trial-{trial.number:04d}")
        head = f"trial {trial.number}: " + ", ".join(f"{key} {value}" for key, value in changes.items())
        try:
            recall = self._worth(trial, changes)
        except self._optuna.TrialPruned as why:
            self._study.tell(trial, state=states.PRUNED)
            say(f"{head}: given up: {why}")
        except StreamerError as error:
            trial.set_user_attr("error", str(error))
            self._study.tell(trial, state=states.FAIL)
            say(f"{head}: failed: {error}")
            if not self._study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED)):
                raise  # the very first: the data or the recipe, not the values that were tried
        else:
            self._study.tell(trial, recall)
            say(f"{head}: recall {recall:.3f} at {self.settings.false_rate:g}, {trial.user_attrs['ms']:.1f} ms a step")

    def _worth(self, trial: Any, changes: Mapping[str, Any]) -> float:
        recipe = self._recipe_with(changes)
        ms = step_ms(recipe)
        trial.set_user_attr("ms", ms)
        if self.settings.max_ms is not None and ms > self.settings.max_ms:
            raise self._optuna.TrialPruned(f"{ms:.1f} ms a step are more than {self.settings.max_ms:g}")
        crew = Crew(device_of(recipe.machine.device))
        gathered = frames_of(recipe, data_of(recipe), crew)
        truth: list[Any] = []
        scores: list[Any] = []
        for i in range(self.settings.folds):
            number = ((recipe.split.fold or 0) + i) % recipe.split.folds
            split = recipe.split.model_copy(update={"fold": number})
            folder = self.folder / trial.user_attrs["folder"] / f"fold-{number}"
            watch = Epochs(self._optuna, trial, folder / LOG, i * recipe.schedule.epochs)
            part = recipe.model_copy(update={"split": split})
            trained: Trained = train(part, folder, gathered, crew, resume=True, progress=watch)
            if trained.judged is None:
                raise InputError("tune: no clips are held back; the data need sources, or a split with `val`")
            truth.append(truth_of(trained.judged.labels, recipe.target))
            scores.append(trained.judged.scores[:, recipe.labels.index(recipe.target)])
        recall, threshold = recall_at(np.concatenate(truth), np.concatenate(scores), self.settings.false_rate)
        trial.set_user_attr("threshold", threshold)
        return recall

    def _check_keys(self) -> None:
        """Tell now if a key does not exist, or cannot have such a value. Raises ConfigError."""
        for key, value in self.settings.first().items():
            try:
                self._recipe_with({key: value})
            except ConfigError as error:
                raise ConfigError([f"tune.space: {key} {value!r}: {fault}" for fault in error.faults]) from error

    def _recipe_with(self, values: Mapping[str, Any]) -> Recipe:
        return load_recipe(self.path, [*self._changes, *as_changes(values)])

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Only one process searches in a folder: that a trial runs then means that its process has died."""
        with (self.folder / LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(
                    f"tune: another process searches in {self.folder}; wait for it, or take another"
                ) from None
            yield
