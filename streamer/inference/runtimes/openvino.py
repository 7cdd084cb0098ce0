"""OpenVINO on the CPU: often the fastest there, and the one that can compute in bfloat16 (AMX)."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ModelError
from streamer.inference.runtimes import Plan

_MAX_SHAPES = 8  # input sizes kept compiled; a site has as many as its cameras have aspect ratios


class OpenVino:
    """A network compiled anew for each input size: static sizes run faster than free ones."""

    def __init__(self, file: Path, plan: Plan):
        try:
            import openvino
        except ImportError as error:
            raise ModelError(f"model {file}: openvino is not installed; pip install openvino") from error
        self._file = file
        self._plan = plan
        self._core: Any = openvino.Core()
        self._compiled: dict[tuple[int, ...], Any] = {}
        self._compiling = threading.Lock()
        self._local = threading.local()
        try:
            self._core.read_model(str(file))
        except Exception as error:  # the library's errors share no base class
            raise ModelError(f"model {file}: OpenVINO cannot load it: {str(error).strip()[:300]}") from error

    def run(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """See Runtime."""
        requests: dict[tuple[int, ...], Any] = self._local.__dict__.setdefault("requests", {})
        request = requests.get(batch.shape)
        if request is None:
            if len(requests) >= _MAX_SHAPES:
                requests.clear()
            request = requests[batch.shape] = self._compile(batch.shape).create_infer_request()
        request.infer({0: batch}, share_inputs=True)
        return [request.get_output_tensor(i).data for i in range(len(request.model_outputs))]

    def close(self) -> None:
        """See Runtime."""
        self._compiled.clear()
        self._local = threading.local()

    def _compile(self, shape: tuple[int, ...]) -> Any:
        with self._compiling:
            compiled = self._compiled.get(shape)
            if compiled is None:
                if len(self._compiled) >= _MAX_SHAPES:
                    self._compiled.clear()
                model = self._core.read_model(str(self._file))
                model.reshape(list(shape))
                compiled = self._compiled[shape] = self._core.compile_model(model, "CPU", self._options())
        return compiled

    def _options(self) -> dict[str, Any]:
        return {
            "INFERENCE_NUM_THREADS": self._plan.threads * self._plan.streams,
            "NUM_STREAMS": self._plan.streams,
            "INFERENCE_PRECISION_HINT": self._plan.precision,
            # pinned threads fight with the readers' decoding for the same cores
            "ENABLE_CPU_PINNING": False,
        }
