"""One of the processes that `test_distributed` starts by torchrun: `crew.py FOLDER`; writes its weights and scores."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from streamer.training import trainer
from streamer.training.distributed import crew
from streamer.training.recipe import Recipe
from streamer.training.run import Run
from streamer.training.settings import AugmentSettings
from streamer.training.trainer import Trainer
from streamer.training.validation import judge
from tests.training.clips import array_clips, recipe, tiny


def made() -> Recipe:
    """Nothing in it depends on how many processes there are."""
    return recipe(
        augment=AugmentSettings.none().model_dump(),
        freeze={"norms": True, "backbone_epochs": 1},
        clip={"seconds": 2, "backprop_seconds": 1},
        dropout=0.0,
        batch_size=4,
        stop={"keep": "last"},
    )


def go(folder: Path) -> None:
    """Train with whoever else was started."""
    torch.set_num_threads(1)
    trainer.build = tiny  # type: ignore[assignment]
    with crew(made().machine) as us:
        clips = array_clips(folder / f"clips{us.rank}")
        run = Run(folder / "run")
        if us.first:
            run.begin(made(), clips[:6], clips[6:], False)
        us.wait()
        it = Trainer(made(), run, clips[:6], clips[6:], us)
        weights = it.fit()
        scores = judge(it.net, clips, made(), it.shape, us).scores
        torch.save({"weights": weights, "scores": torch.from_numpy(scores)}, folder / f"{us.rank}.pt")


if __name__ == "__main__":
    go(Path(sys.argv[1]))
