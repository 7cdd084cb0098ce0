"""A training that dies by SIGKILL: `python -m tests.training.killed FOLDER STEP step|write`; run by `test_resume`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from streamer.training import checkpoint, trainer
from streamer.training.distributed import Crew
from streamer.training.frames import Clip
from streamer.training.learner import Learner
from streamer.training.recipe import Recipe
from streamer.training.run import Run
from streamer.training.trainer import Trainer
from tests.training.clips import array_clips, recipe, tiny


def rough() -> Recipe:
    """A recipe with everything that is random in it."""
    return recipe(
        schedule={"epochs": 3, "warmup_epochs": 1},
        freeze={"stem_epochs": 1, "measured_batches": 2},
        loss={"mixup": 0.4},
        clip={"seconds": 2, "backprop_seconds": 1, "forget": 0.3},
        adversary={"kind": "pgd", "steps": 1, "share": 0.5},
        dropout=0.3,
        machine={"threads": 1, "device": "cpu", "checkpoint_steps": 2},
        batch_size=2,
    )


def clips(folder: Path) -> tuple[list[Clip], list[Clip]]:
    """To learn from, and to judge with."""
    made = array_clips(folder / "clips", [12, 8, 10, 10, 14, 10, 9, 10])
    return made[:6], made[6:]


def go(folder: Path, resume: bool) -> dict[str, torch.Tensor]:
    """Train, or go on; the weights."""
    torch.set_num_threads(1)
    trainer.build = tiny  # type: ignore[assignment]
    learn, held = clips(folder)
    run = Run(folder / "run")
    going_on = run.begin(rough(), learn, held, resume)
    return Trainer(rough(), run, learn, held, Crew(torch.device("cpu"))).fit(going_on)


def main() -> None:
    """Die at the step, or while the checkpoint of that step is written."""
    folder, step, how = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    learn, save = Learner.learn, torch.save

    def learned(self: Learner, batch: Any, epoch: int, at: int) -> dict[str, float]:
        if at == step and how == "step":
            os.kill(os.getpid(), signal.SIGKILL)
        return learn(self, batch, epoch, at)

    def saved(state: Any, file: Any) -> None:
        save(state, file)
        if state.get("position", {}).get("step") == step and how == "write":
            file.truncate(1000)
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    Learner.learn = learned  # type: ignore[method-assign]
    checkpoint.torch.save = saved
    go(folder, True)


if __name__ == "__main__":
    main()
