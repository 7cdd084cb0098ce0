"""A frame as a model sees it, and what a model that is ready to run offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from streamer.inference.runtimes import Plan
from streamer.models.detector import Pixels
from streamer.types import Answer


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A frame as a model sees it."""

    camera: str
    session: int
    time: float
    """Capture time in seconds."""
    pixels: Pixels


class Loaded(Protocol):
    """A model ready to run; safe to call from `plan.streams` threads."""

    plan: Plan

    def run(self, pictures: Sequence[Picture]) -> Sequence[Answer]:
        """One answer a picture, in order."""

    def warm_up(self) -> None:
        """Run once, so that the first real frame does not pay for compiling and allocating."""

    def close(self) -> None:
        """Give up memory."""
