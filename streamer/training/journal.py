"""How a training goes, told to whoever wants to know: JSON lines always, TensorBoard, Weights & Biases.

After a kill the lines beyond the checkpoint are taken back, so that a resumed training tells each step once. Called by
`trainer`, in the first process only.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamer.errors import InputError
from streamer.training.recipe import Recipe


class Journal:
    """Writes figures of steps and epochs.

    Args:
        folder: of the run.
        recipe: says who is told.
        log: the file of JSON lines.
        step: the training goes on from here; what was told beyond it is taken back.

    Raises:
        InputError: TensorBoard or Weights & Biases is wanted and not installed.
    """

    def __init__(self, folder: Path, recipe: Recipe, log: Path, step: int):
        keep = [line for line in _lines(log) if json.loads(line)["step"] <= step] if step else []
        part = log.with_name(f".{log.name}.part")
        part.write_text("".join(keep))
        os.replace(part, log)
        self._board = self._wandb = None
        if recipe.journal.tensorboard:
            self._board = _summary_writer()(str(folder / "tensorboard"), purge_step=step + 1 if step else None)
        if recipe.journal.wandb != "off":
            self._wandb = _library("wandb", "wandb").init(
                project=recipe.journal.wandb_project,
                name=folder.name,
                dir=str(folder),
                mode=recipe.journal.wandb,
                config=recipe.to_json(),
                id=hashlib.sha256(f"{folder.absolute()} {_born(log)}".encode()).hexdigest()[:16],
                resume="allow",
            )
        self._log = log.open("a", encoding="utf-8")

    def tell(self, step: int, kind: str, figures: Mapping[str, Any]) -> None:
        """Write figures down.

        Args:
            step: steps done so far.
            kind: `train`, `val` or `epoch`.
            figures: by name; numbers also go to the boards.
        """
        self._log.write(json.dumps({"step": step, "kind": kind, **figures, "at": round(time.time(), 3)}) + "\n")
        self._log.flush()
        numbers = {f"{kind}/{name}": value for name, value in figures.items() if isinstance(value, (int, float))}
        if self._board is not None:
            for name, value in numbers.items():
                self._board.add_scalar(name, value, step)
        if self._wandb is not None:
            self._wandb.log(numbers, step=step)

    def close(self) -> None:
        """Write all that waits."""
        self._log.close()
        if self._board is not None:
            self._board.close()
        if self._wandb is not None:
            self._wandb.finish()


def read_log(log: Path) -> list[dict[str, Any]]:
    """All lines of a training."""
    return [json.loads(line) for line in _lines(log)]


def _lines(log: Path) -> list[str]:
    """Whole lines: a kill may have cut the last one."""
    if not log.is_file():
        return []
    return [line for line in log.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]


def _born(log: Path) -> float:
    """When the training began, for a name that a later one in the same folder does not have."""
    lines = read_log(log)
    return float(lines[0]["at"]) if lines else 0.0


def _summary_writer() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies
        return _library("torch.utils.tensorboard", "tensorboard").SummaryWriter


def _library(module: str, option: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        extra = "wandb" if option == "wandb" else "train"
        raise InputError(
            f"train: journal.{option} needs {option}, which is not installed; run: pip install 'streamer[{extra}]', or "
            f"set journal.{option} to {'off' if option == 'wandb' else 'false'}"
        ) from error
