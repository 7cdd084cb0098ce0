"""Checkpoints: whole or the one before, read back as they were, and foreign files are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from streamer.errors import InputError
from streamer.training import checkpoint


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    state = {"net": {"w": torch.randn(3)}, "position": {"step": 7, "best": None, "lost": [0.5]}}
    checkpoint.save(tmp_path / "c.pt", state)
    found = checkpoint.load(tmp_path / "c.pt")
    assert torch.equal(found["net"]["w"], state["net"]["w"])  # type: ignore[index]
    assert found["position"] == state["position"]
    assert [it.name for it in tmp_path.iterdir()] == ["c.pt"]


def test_a_death_while_writing_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.pt"
    checkpoint.save(path, {"n": 1})
    true_save = torch.save

    def dies(value: Any, file: Any) -> None:
        true_save(value, file)
        file.seek(0)
        file.truncate(10)
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", dies)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(path, {"n": 2})
    assert checkpoint.load(path)["n"] == 1


def test_a_foreign_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="cannot be read"):
        checkpoint.load(path)
    torch.save({"version": 99}, path)
    with pytest.raises(InputError, match="not one of this version"):
        checkpoint.load(path)
    with pytest.raises(InputError, match="cannot be read"):
        checkpoint.load(tmp_path / "none.pt")


def test_random_numbers_go_on_where_they_were() -> None:
    torch.manual_seed(3)
    state = checkpoint.random_state()
    first = torch.rand(4)
    torch.rand(9)
    checkpoint.set_random_state(state)
    assert torch.equal(torch.rand(4), first)
