"""Checkpoints: all that a training needs to go on as if nothing had happened, in one file, whole or not at all.

Written beside its place and moved there, so that a kill at any moment leaves the one before. Called by `trainer`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from streamer.errors import InputError

NAME = "checkpoint.pt"
_VERSION = 1


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint; durable once this returns.

    Args:
        path: of the file.
        state: tensors and plain values only: it is read back without running code.
    """
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        torch.save({"version": _VERSION, **state}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        InputError: it is none, or of another version.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch and pickle make of a foreign file
        raise InputError(f"train: checkpoint {path} cannot be read: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(state, dict) or state.get("version") != _VERSION:
        raise InputError(f"train: checkpoint {path} is not one of this version; train again in another folder")
    return state


def random_state() -> dict[str, Any]:
    """Where torch's random numbers are, on the CPU and on the current GPU."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Go on from there."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
