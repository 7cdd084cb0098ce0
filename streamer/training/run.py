"""The folder of one training: what it was made from, how it went, and what came of it.

Everything that is needed to trust a model a year later, or to make it again: the recipe as it was resolved, the code's
revision, the data's hash, which clip was in which part, versions, and the command. Called by `session` and `trainer`.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from streamer import __version__
from streamer.errors import InputError
from streamer.training import checkpoint
from streamer.training.frames import Clip
from streamer.training.recipe import Recipe
from streamer.training.samples import Sample, samples_hash, write_samples

MODEL, EXPORTED, METRICS, LOG, RECIPE, ORIGIN, SPLIT, BEST = (
    "model.safetensors", "model.onnx", "metrics.json", "log.jsonl", "recipe.json", "run.json", "split.csv", "best.pt",
)  # fmt: skip
_FREE = ("machine", "journal", "cache", "data", "tune")
"""Sections of a recipe that may differ when a training goes on: they do not change what comes out."""


class Run:
    """One run folder.

    Args:
        folder: made if it is missing.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def path(self, name: str) -> Path:
        """Of a file in it."""
        return self.folder / name

    def begin(self, recipe: Recipe, train: Sequence[Clip], validate: Sequence[Clip], resume: bool) -> bool:
        """Make the folder, or see that it is of this very training.

        Args:
            recipe: as resolved.
            train: clips to learn from.
            validate: clips to judge with; may be empty.
            resume: go on with what is there.

        Returns:
            Whether there is a checkpoint to go on from.

        Raises:
            InputError: it holds another training, or one that was not to be resumed.
        """
        origin = self.origin(recipe, train, validate)
        there = self.path(checkpoint.NAME).is_file()
        if there and not resume:
            raise InputError(
                f"train: {self.folder} holds a training already; --resume auto goes on with it, --out takes another"
            )
        if there:
            self._compare(recipe, origin)
            return True
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.write(RECIPE, recipe.to_json())
            self.write(ORIGIN, origin)
            parts = [(clip, part) for part, clips in (("train", train), ("val", validate)) for clip in clips]
            write_samples(self.path(SPLIT), [replace(clip.sample, split=part) for clip, part in parts])
            self.path(LOG).write_text("")
        except OSError as error:
            raise InputError(f"train: --out {self.folder} cannot be written: {error.strerror}") from error
        return False

    def origin(self, recipe: Recipe, train: Sequence[Clip], validate: Sequence[Clip]) -> dict[str, Any]:
        """Where a model of this run is from; goes into its card."""
        samples: list[Sample] = [clip.sample for clip in (*train, *validate)]
        return {
            "command": " ".join(sys.argv[:1] and ["streamer", *sys.argv[1:]]),
            "git": git_revision(),
            "streamer": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "data_sha256": samples_hash(samples),
            "clips": {"train": len(train), "val": len(validate)},
            "seed": recipe.seed,
        }

    def write(self, name: str, value: Any) -> None:
        """A JSON file, whole or not at all."""
        path = self.path(name)
        part = path.with_name(f".{name}.part")
        part.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(part, path)

    def read(self, name: str) -> Any:
        """What `write` wrote. Raises InputError if it cannot be read."""
        try:
            return json.loads(self.path(name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"train: {self.path(name)} cannot be read: {error}; begin anew in another folder"
            ) from error

    def _compare(self, recipe: Recipe, origin: dict[str, Any]) -> None:
        before, now = self.read(RECIPE), recipe.to_json()
        for name in now:
            if name not in _FREE and before.get(name) != now[name]:
                raise InputError(
                    f"train: --resume: {self.folder} was begun with {name} {_short(before.get(name))}, now it is "
                    f"{_short(now[name])}; another recipe needs another --out"
                )
        if self.read(ORIGIN).get("data_sha256") != origin["data_sha256"]:
            raise InputError(
                f"train: --resume: {self.folder} was begun with other clips; other data need another --out"
            )


def git_revision() -> str:
    """Of the checkout that this code runs from, with `+` if it was changed; empty where there is none."""
    here = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            cwd=here, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout.strip()


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 120 else text[:117] + "..."
