"""The journal: lines, TensorBoard and Weights & Biases say the same, and a resumed training tells each step once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from streamer.errors import InputError
from streamer.training.journal import Journal, read_log
from tests.training.clips import recipe


def journal(folder: Path, step: int = 0, **settings: Any) -> Journal:
    made = recipe(journal={"tensorboard": False, **settings})
    return Journal(folder, made, folder / "log.jsonl", step)


def test_lines_beyond_the_checkpoint_are_taken_back_and_a_torn_one_is_dropped(tmp_path: Path) -> None:
    it = journal(tmp_path)
    for step in (1, 2, 3):
        it.tell(step, "train", {"loss": 0.1 * step})
    it.close()
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 4, "ki')
    it = journal(tmp_path, step=2)
    it.tell(3, "train", {"loss": 9.0})
    it.close()
    assert [(row["step"], row["loss"]) for row in read_log(tmp_path / "log.jsonl")] == [(1, 0.1), (2, 0.2), (3, 9.0)]


def test_tensorboard_has_the_figures(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    it = journal(tmp_path, tensorboard=True)
    it.tell(1, "train", {"loss": 0.5, "note": "text is for the lines only"})
    it.tell(2, "epoch", {"val_accuracy": 0.75})
    it.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(it.step, it.value) for it in events.Scalars("train/loss")] == [(1, 0.5)]
    assert [(it.step, it.value) for it in events.Scalars("epoch/val_accuracy")] == [(2, 0.75)]


OFFLINE = """
import sys
from pathlib import Path
from streamer.training.journal import Journal
from tests.training.clips import recipe
folder = Path(sys.argv[1])
made = recipe(journal={"tensorboard": False, "wandb": "offline", "wandb_project": "toy"})
it = Journal(folder, made, folder / "log.jsonl", 0)
it.tell(1, "train", {"loss": 0.5})
it.close()
"""


def test_weights_and_biases_works_without_a_network(tmp_path: Path, root: Path) -> None:
    """In a process of its own: the library leaves a service and open sockets behind."""
    pytest.importorskip("wandb")
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(root), "WANDB_SILENT": "true", "WANDB__SERVICE_WAIT": "90"},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "wandb").glob("offline-run-*")
    assert b"train/loss" in next(run.glob("*.wandb")).read_bytes()
    assert read_log(tmp_path / "log.jsonl")[0]["loss"] == 0.5


@pytest.mark.parametrize(
    ("module", "settings", "words"),
    [
        ("wandb", {"wandb": "offline"}, r"pip install 'streamer\[wandb\]', or set journal.wandb to off"),
        (
            "torch.utils.tensorboard",
            {"tensorboard": True},
            r"pip install 'streamer\[train\]', or set journal.tensorboard to false",
        ),
    ],
)
def test_what_is_not_installed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, settings: dict[str, Any], words: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=words):
        journal(tmp_path, **settings)


def test_lines_are_json_with_their_time(tmp_path: Path) -> None:
    it = journal(tmp_path)
    it.tell(1, "val", {"figure": None})
    it.close()
    (line,) = (tmp_path / "log.jsonl").read_text().splitlines()
    assert json.loads(line).keys() == {"step", "kind", "figure", "at"}
