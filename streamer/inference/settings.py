"""What a site file says about inference; joined into the site's settings by `config`, passed down as values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from streamer.models.card import Input
from streamer.models.detector import Overrides

RUNTIMES = ("onnxruntime", "openvino", "torch")
_DEVICE = re.compile(r"(auto|cpu|openvino|onnxruntime|cuda(:\d+)?)\Z")


class InferenceSettings(BaseModel):
    """The device that runs the models, and how requests of many cameras are joined for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    device: str = "auto"
    """`auto` (the fastest runtime, measured once on this machine and remembered), `cpu` (the same, but never a GPU),
    `onnxruntime` or `openvino` (that runtime on the CPU, not measured), `cuda` or `cuda:N`."""
    precision: Literal["f32", "auto"] = "f32"
    """`auto` also lets the CPU compute in bfloat16 where it can: about 30 % cheaper, scores differ in the third digit.
    On a GPU, `auto` means half precision."""
    streams: int | Literal["auto"] = "auto"
    """Batches that run side by side; auto: one a processor core on a CPU, one on a GPU."""
    max_batch_size: int = Field(default=16, ge=1, le=256)
    """Frames in one batch at most. Where batching gains nothing (small models on a CPU), batches stay at 1."""
    deadline_seconds: float = Field(default=2.0, gt=0, le=60)
    """A request that is older is answered `unknown`; a worker that does not answer a batch in this time is killed."""
    max_waiting: int = Field(default=1024, ge=1)
    """Requests that wait for a batch at most; more are answered `unknown` and counted."""
    load_seconds: float = Field(default=120.0, gt=0)
    """Loading, measuring and warming up the models of a new worker may take this long."""

    @field_validator("device")
    @classmethod
    def _known_device(cls, device: str) -> str:
        if not _DEVICE.match(device):
            raise ValueError(f"must be auto, cpu, openvino, onnxruntime, cuda or cuda:N, got {device!r}")
        return device

    @field_validator("streams")
    @classmethod
    def _some_streams(cls, streams: int | str) -> int | str:
        if isinstance(streams, int) and not 1 <= streams <= 64:
            raise ValueError(f"must be auto or 1..64, got {streams}")
        return streams


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model of a site."""

    name: str
    file: Path | Literal["motion"]
    overrides: Overrides = field(default_factory=Overrides)
    fps: float | None = None
    """Steps a second of a streaming model; None where time plays no part."""


_WIDEST = 16 / 9


def analysis_box(input: Input) -> tuple[int, int]:
    """(width, height) in pixels that frames for a network should fit in.

    A network that stretches its pictures takes a wide frame's full height: a box of its own size would leave only a
    part of that to be stretched.
    """
    if input.fit == "letterbox":
        return input.width, input.height
    return max(input.width, round(input.height * _WIDEST)), max(input.height, round(input.width * _WIDEST))
