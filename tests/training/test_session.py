"""From a folder of clips to a model file: all the parts together, on a net of the package."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from streamer.errors import InputError
from streamer.models.card import load_card
from streamer.models.nets.saved import load
from streamer.training import finish
from streamer.training.distributed import Crew
from streamer.training.frames import Clip
from streamer.training.recipe import Recipe
from streamer.training.rounds import train_folds
from streamer.training.samples import Sample, read_samples, samples_hash
from streamer.training.session import Trained, frames_of, split, train
from streamer.training.validation import judge
from tests.training.clips import recipe, write_clips

CREW = Crew(torch.device("cpu"))


def made(folder: Path, **changes: Any) -> Recipe:
    quick = {"optimizer": {"learning_rate": 0.003, "backbone_factor": 1.0}, "augment": {"crop": 0.9, "reencode": 0.5}}
    return recipe(cache={"dir": str(folder / "cache")}, **{**quick, **changes})


@pytest.fixture
def no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proving an export takes longer than training these nets; one test has it."""
    monkeypatch.setattr(finish, "export", lambda *_: None)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("data"), each=5)


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, Recipe]:
    folder = tmp_path_factory.mktemp("trained")
    it = made(folder, schedule={"epochs": 2}, journal={"pictures": True}, license="CC0-1.0", source="made by a test")
    gathered = frames_of(it, read_samples(data), CREW)
    return train(it, folder / "run", gathered, CREW), it


def test_the_run_folder_says_what_was_made_from_what(trained: tuple[Trained, Recipe], data: Path) -> None:
    done, it = trained
    folder = done.folder
    origin = json.loads((folder / "run.json").read_text())
    assert Recipe.model_validate(json.loads((folder / "recipe.json").read_text())) == it
    assert origin["data_sha256"] == samples_hash(read_samples(data))
    assert re.fullmatch(r"[0-9a-f]{7,40}\+?|", origin["git"])
    assert origin["clips"] == {"train": 8, "val": 2}
    parts = read_samples(folder / "split.csv")
    assert sorted(it.split for it in parts) == ["train"] * 8 + ["val"] * 2
    assert {it.file.resolve() for it in parts} == {it.file.resolve() for it in read_samples(data)}


def test_metrics_are_those_of_the_clips_that_were_held_back(trained: tuple[Trained, Recipe]) -> None:
    done, _ = trained
    metrics = json.loads((done.folder / "metrics.json").read_text())
    assert done.judged is not None
    assert metrics["validation"] == done.judged.figures
    assert metrics["labels"]["jumpy"]["clips"] == 2
    assert metrics["selected_by"] == "validation loss"
    for name in ("curves.png", "confusion.png", "precision_recall.png"):
        assert (done.folder / name).stat().st_size > 1000
    assert f"best {done.best_epoch}" in done.summary()


def test_the_model_says_of_clips_what_was_measured(trained: tuple[Trained, Recipe]) -> None:
    done, it = trained
    net, card = load(done.folder / "model.safetensors")
    held = [s for s in read_samples(done.folder / "split.csv") if s.split == "val"]
    clips: list[Clip] = frames_of(it, read_samples(done.folder / "split.csv"), CREW).clips
    again = judge(net, [clip for clip in clips if clip.sample.split == "val"], it, card.input, CREW)
    assert done.judged is not None
    assert again.labels == [s.label for s in held]
    assert np.allclose(again.scores, done.judged.scores, atol=1e-6)


def test_both_files_have_the_card(trained: tuple[Trained, Recipe]) -> None:
    done, it = trained
    for name in ("model.safetensors", "model.onnx"):
        card = load_card(done.folder / name, "behaviour")
        assert card.labels == ("calm", "jumpy")
        assert (card.fps, card.license, card.source) == (5, "CC0-1.0", "made by a test")
        assert card.thresholds.keys() == {"calm", "jumpy"}
        assert card.training["seed"] == 0
        assert Recipe.model_validate(card.training["recipe"]) == it


@pytest.mark.usefixtures("no_export")
def test_clips_that_cannot_be_read_are_counted(data: Path, tmp_path: Path) -> None:
    for path in data.rglob("*.mp4"):
        (tmp_path / "data" / path.parent.name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / path.parent.name / path.name).symlink_to(path)
    (tmp_path / "data" / "calm" / "broken.mp4").write_bytes(b"nothing")
    it = made(tmp_path, schedule={"epochs": 1})
    done = train(it, tmp_path / "run", frames_of(it, read_samples(tmp_path / "data"), CREW), CREW)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["skipped"] == 1
    assert "skipped: 1 clips that cannot be read, the first: clip" in done.summary()


@pytest.mark.usefixtures("no_export")
def test_folds_judge_every_clip_once_and_the_last_net_learns_all(data: Path, tmp_path: Path) -> None:
    it = made(tmp_path, schedule={"epochs": 1})
    gathered = frames_of(it, read_samples(data), CREW)
    done = train_folds(it, tmp_path / "run", gathered, CREW, (2, False))
    told = json.loads((tmp_path / "run" / "folds.json").read_text())
    assert len(told["scores"]) == done.pooled["clips"] == 10
    assert len(told["folds"]) == 2
    held = [
        s.file for i in (0, 1) for s in read_samples(tmp_path / "run" / f"fold-{i}" / "split.csv") if s.split == "val"
    ]
    assert len(set(held)) == len(held) == 10
    final = json.loads((tmp_path / "run" / "final" / "metrics.json").read_text())
    assert final["selected_by"] == "the last epoch"
    assert final["labels"]["jumpy"]["clips"] == 10
    assert load_card(tmp_path / "run" / "final" / "model.safetensors").thresholds
    assert json.loads((tmp_path / "run" / "final" / "run.json").read_text())["clips"] == {"train": 10, "val": 0}
    assert "2 folds, 10 clips of 10 sources" in done.summary()
    again = train_folds(it, tmp_path / "run", gathered, CREW, (2, True))
    assert again.pooled == done.pooled


def test_without_an_exporter_there_is_still_a_model(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "find_spec", lambda name: None)
    it = made(tmp_path, schedule={"epochs": 1})
    done = train(it, tmp_path / "run", frames_of(it, read_samples(data), CREW), CREW)
    assert load_card(done.folder / "model.safetensors").labels == ("calm", "jumpy")
    assert not (done.folder / "model.onnx").exists()


def clip(i: int, label: str, part: str = "") -> Clip:
    return Clip(Sample(Path(f"{i}.npy"), label, f"s{i // 2}", split=part), Path(f"{i}.npy"), 10)


def test_clips_are_parted_by_source_unless_the_data_say_otherwise() -> None:
    free = [clip(i, ("calm", "jumpy")[i % 2]) for i in range(20)]
    learn, held = split(recipe(), free)
    assert len(held) == 4
    assert not {it.sample.source for it in learn} & {it.sample.source for it in held}
    assert split(recipe(split={"fold": None}), free) == (free, [])
    told = [clip(0, "calm", "train"), clip(1, "jumpy", "val"), clip(2, "calm", "test"), clip(3, "jumpy")]
    assert split(recipe(), told) == ([told[0], told[3]], [told[1]])


def test_too_few_sources_are_told() -> None:
    with pytest.raises(InputError, match="cannot make 5 parts that share no source"):
        split(recipe(), [clip(0, "calm"), clip(1, "jumpy")])
