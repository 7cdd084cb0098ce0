"""The loop: what is kept, when it stops, what it writes down, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from streamer.errors import InputError
from streamer.models.nets.build import build
from streamer.training import starting, trainer
from streamer.training.distributed import Crew
from streamer.training.journal import read_log
from streamer.training.learner import to_input
from streamer.training.run import Run
from streamer.training.settings import AugmentSettings
from streamer.training.trainer import Trainer
from streamer.training.validation import Judged
from tests.training.clips import array_clips, recipe, tiny

CREW = Crew(torch.device("cpu"))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "build", tiny)


def make(folder: Path, held: int = 2, **changes: Any) -> Trainer:
    clips = array_clips(folder / "clips")
    made = recipe(**changes)
    run = Run(folder / "run")
    learn, judge = clips[: 8 - held], clips[8 - held :]
    run.begin(made, learn, judge, False)
    return Trainer(made, run, learn, judge, CREW)


def says(monkeypatch: pytest.MonkeyPatch, figures: list[float]) -> None:
    """Let validations come out so, one after the other."""
    told = iter(figures)

    def judge(*_: Any) -> Judged:
        value = next(told)
        return Judged([], [], None, value, {"loss": value, "accuracy": 1 - value})  # type: ignore[arg-type]

    monkeypatch.setattr(trainer, "judge", judge)


def test_the_weights_of_the_best_epoch_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, [0.5, 0.2, 0.9, 0.8])
    it = make(tmp_path, schedule={"epochs": 4}, ema=None, stop={"patience": None})
    seen: list[dict[str, torch.Tensor]] = []
    compare = it._compare
    monkeypatch.setattr(it, "_compare", lambda judged: (seen.append(it._weights()), compare(judged)))
    weights = it.fit()
    assert it.position.best_epoch == 1
    assert all(torch.equal(weights[name], seen[1][name]) for name in weights)
    assert not all(torch.equal(weights[name], seen[3][name]) for name in weights)


@pytest.mark.parametrize(("figure", "best"), [("loss", 1), ("accuracy", 1)])
def test_it_stops_when_nothing_gets_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figure: str, best: int
) -> None:
    says(monkeypatch, [0.5, 0.2, 0.3, 0.4, 0.1])
    it = make(tmp_path, schedule={"epochs": 5}, stop={"patience": 2, "figure": figure})
    it.fit()
    assert (it.position.epoch, it.position.best_epoch) == (4, best)


def test_the_last_weights_are_kept_where_that_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, [0.1, 0.9])
    it = make(tmp_path, ema=None, stop={"keep": "last"})
    weights = it.fit()
    assert it.position.best_epoch == -1
    assert all(torch.equal(weights[name], value) for name, value in it.net.state_dict().items())


def test_averaged_weights_are_judged_and_kept(tmp_path: Path) -> None:
    it = make(tmp_path, held=0, ema=0.9)
    weights = it.fit()
    assert it.learner.average is not None
    assert all(torch.equal(weights[name], value) for name, value in it.learner.average.weights.items())
    assert not torch.equal(weights["head.1.weight"], it.net.state_dict()["head.1.weight"])


def test_statistics_of_normalization_can_be_measured_for_the_very_weights(tmp_path: Path) -> None:
    plain = {"augment": AugmentSettings.none().model_dump(), "batch_size": 8}
    it = make(tmp_path, held=0, freeze={"measured_batches": 4}, **plain)
    own = it.net.backbone.norm.running_mean.clone()
    weights = it.fit()
    it.net.load_state_dict(weights)
    frames = np.concatenate([np.load(clip.frames) for clip in it._examples.clips])
    with torch.no_grad():
        seen = it.net.backbone.stem(to_input(torch.from_numpy(frames).permute(0, 3, 1, 2).float(), it.shape))
    assert torch.allclose(weights["backbone.norm.running_mean"], seen.mean((0, 2, 3)), atol=1e-4)
    assert not torch.allclose(weights["backbone.norm.running_mean"], own, atol=1e-2)
    assert it.net.backbone.norm.momentum == 0.1


def test_the_journal_has_each_step_and_each_epoch(tmp_path: Path) -> None:
    told: list[tuple[str, float, float]] = []
    it = make(tmp_path, batch_size=3)
    it.fit(progress=lambda *row: told.append(row))
    lines = read_log(tmp_path / "run" / "log.jsonl")
    assert [(row["kind"], row["step"]) for row in lines] == [
        ("train", 1), ("train", 2), ("epoch", 2), ("train", 3), ("train", 4), ("epoch", 4),
    ]  # fmt: skip
    assert {"loss", "val_loss", "val_accuracy", "val_auroc", "val_f1"} <= lines[2].keys()
    assert told == [("train", step, 4) for step in (1, 2, 3, 4)]


def test_the_same_seed_trains_the_same_and_another_does_not(tmp_path: Path) -> None:
    found = [make(tmp_path / str(i), seed=seed).fit() for i, seed in enumerate((0, 0, 1))]
    name = "head.1.weight"
    assert torch.equal(found[0][name], found[1][name])
    assert not torch.equal(found[0][name], found[2][name])


def test_weights_that_are_not_there_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "build", build)
    with pytest.raises(InputError, match=r"weights .*none\.safetensors: no such file"):
        make(tmp_path, weights=str(tmp_path / "none.safetensors"))


@pytest.mark.parametrize(
    ("labels", "fps", "words"),
    [
        (("calm", "wild"), 5.0, "its labels are calm, wild, those of the recipe calm, jumpy"),
        (("jumpy", "calm"), 5.0, "name them alike and in this order"),
        (("calm", "jumpy"), 8.0, "it was trained at 8 frames a second, the recipe says net.fps: 5"),
    ],
)
def test_a_model_of_other_labels_or_another_rate_cannot_be_trained_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: tuple[str, ...], fps: float, words: str
) -> None:
    card = type("Card", (), {"labels": labels, "fps": fps})
    monkeypatch.setattr(starting, "load", lambda path: (tiny(recipe().net), card))
    with pytest.raises(InputError, match=words):
        make(tmp_path, start=str(tmp_path / "m.safetensors"))


def test_a_model_that_fits_is_where_a_training_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = tiny(recipe().net)
    card = type("Card", (), {"labels": ("calm", "jumpy"), "fps": 5.0})
    monkeypatch.setattr(starting, "load", lambda path: (earlier, card))
    it = make(tmp_path, start=str(tmp_path / "m.safetensors"))
    assert all(torch.equal(it.net.state_dict()[name], value) for name, value in earlier.state_dict().items())
    monkeypatch.setattr(starting, "load", lambda path: (tiny(recipe(net={"hidden": 8}).net), card))
    with pytest.raises(InputError, match="its net is not the recipe's"):
        make(tmp_path / "other", start=str(tmp_path / "m.safetensors"))


def test_a_backbone_is_found_in_every_net(monkeypatch: pytest.MonkeyPatch) -> None:
    net = build(recipe().net, "none")
    inside = sum(weight.numel() for weight in net.backbone.parameters())
    assert 0.5 < inside / sum(weight.numel() for weight in net.parameters()) < 1
