"""Which model of a training tests which clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from streamer.errors import InputError
from streamer.evaluation.folds import agree, parts
from streamer.training.samples import Sample, write_samples
from tests.evaluation.test_clips import card


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    found = []
    for i in range(6):
        file = tmp_path / "data" / f"{i}.mp4"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x")
        found.append(Sample(file, "fight" if i % 2 else "normal", f"s{i // 2}"))
    return found


def fold(folder: Path, samples: list[Sample], *held: int, model: bool = True) -> None:
    folder.mkdir(parents=True)
    rows = [replace(it, split="val" if i in held else "train") for i, it in enumerate(samples)]
    write_samples(folder / "split.csv", rows)
    if model:
        (folder / "model.onnx").write_bytes(b"m")


def test_each_model_tests_what_it_was_not_shown(tmp_path: Path, samples: list[Sample]) -> None:
    run = tmp_path / "run"
    fold(run / "fold-0", samples, 0, 1)
    fold(run / "fold-1", samples, 2, 3, 4, 5)
    fold(run / "final", samples)  # learned from all: tests nothing
    found = parts(run, samples)
    assert [(file.parent.name, [it.file.name for it in tested]) for file, tested in found] == [
        ("fold-0", ["0.mp4", "1.mp4"]),
        ("fold-1", ["2.mp4", "3.mp4", "4.mp4", "5.mp4"]),
    ]


def test_a_single_training_is_a_run_of_one(tmp_path: Path, samples: list[Sample]) -> None:
    fold(tmp_path / "run", samples, 0, 1)
    ((file, tested),) = parts(tmp_path / "run", samples[:2])
    assert (file, tested) == (tmp_path / "run" / "model.onnx", samples[:2])


def test_a_clip_that_no_fold_held_back_is_an_error(tmp_path: Path, samples: list[Sample]) -> None:
    fold(tmp_path / "run" / "fold-0", samples, 0, 1)
    with pytest.raises(InputError, match="4 of 6 clips were held back by no fold"):
        parts(tmp_path / "run", samples)


def test_a_leaking_source_is_an_error(tmp_path: Path, samples: list[Sample]) -> None:
    fold(tmp_path / "run" / "fold-0", samples, 0)
    with pytest.raises(InputError, match="fold-0 learned from source 's0' and would be tested on it"):
        parts(tmp_path / "run", samples)


def test_a_folder_without_models_is_an_error(tmp_path: Path, samples: list[Sample]) -> None:
    fold(tmp_path / "run" / "fold-0", samples, 0, 1, model=False)
    with pytest.raises(InputError, match="no fold with"):
        parts(tmp_path / "run", samples)


def test_models_that_answer_different_questions_are_not_joined() -> None:
    first = card()
    agree(Path("a"), first, Path("b"), card())
    with pytest.raises(InputError, match="its labels are"):
        agree(Path("a"), first, Path("b"), card(("calm", "fight")))
    with pytest.raises(InputError, match="its fps are 10"):
        agree(Path("a"), first, Path("b"), card(fps=10))
