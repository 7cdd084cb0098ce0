"""One small interface over the libraries that compute: `open_runtime(file, plan)`, then `run(batch)`.

A file here imports its library, and only then; a worker process loads the one that its plan names.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ModelError


@dataclass(frozen=True, slots=True)
class Plan:
    """How one model is run on this machine."""

    runtime: str
    """`onnxruntime`, `openvino`, `torch` or `builtin` (no network)."""
    device: str = "cpu"
    """`cpu` or `cuda:N`."""
    precision: str = "f32"
    """`f32`, `bf16` or `f16`."""
    streams: int = 1
    """Batches that run side by side."""
    threads: int = 1
    """Threads within one batch."""
    batch: int = 1
    """Size beyond which a larger batch gains nothing."""
    reason: str = ""
    """Why this one, for the log."""

    def to_json(self) -> dict[str, Any]:
        """For messages and the cache."""
        return asdict(self)


class Runtime(Protocol):
    """A loaded network."""

    def run(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """The network's outputs; safe to call from `plan.streams` threads at once.

        Outputs belong to the caller until its thread's next run.
        """

    def close(self) -> None:
        """Give up what the library holds."""


def open_runtime(file: Path, plan: Plan) -> Runtime:
    """Load a network.

    Raises:
        ModelError: the library is missing or refuses the file.
    """
    if plan.runtime == "onnxruntime":
        from streamer.inference.runtimes.onnxruntime import OnnxRuntime

        return OnnxRuntime(file, plan)
    if plan.runtime == "openvino":
        from streamer.inference.runtimes.openvino import OpenVino

        return OpenVino(file, plan)
    raise ModelError(f"model {file}: runtime {plan.runtime!r} runs no ONNX file; use onnxruntime or openvino")
