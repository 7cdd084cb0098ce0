"""OpenVINO on the CPU: often the fastest there, and the one that can compute in bfloat16 (AMX)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
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
        self._file = file
        self._plan = plan
        self._core, _ = _read(file)
        self._compiled: dict[tuple[int, ...], Any] = {}
        self._compiling = threading.Lock()
        self._local = threading.local()

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
                compiled = self._compiled[shape] = self._core.compile_model(model, "CPU", _options(self._plan))
        return compiled


class OpenVinoNamed:
    """A network with several inputs and outputs, compiled once for any batch: a batch holds whatever cameras ask."""

    def __init__(self, file: Path, plan: Plan):
        core, model = _read(file)
        try:
            self.inputs = tuple(port.get_any_name() for port in model.inputs)
            self.outputs = tuple(port.get_any_name() for port in model.outputs)
            self._compiled: Any = core.compile_model(model, "CPU", _options(plan))
        except Exception as error:  # the library's errors share no base class
            raise ModelError(f"model {file}: OpenVINO cannot compile it: {str(error).strip()[:300]}") from error
        self._local = threading.local()

    def run_named(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """See stepper.Network."""
        request = self._local.__dict__.get("request")
        if request is None:
            request = self._local.request = self._compiled.create_infer_request()
        request.infer(dict(feeds), share_inputs=True)
        return {name: request.get_tensor(name).data.copy() for name in self.outputs}

    def close(self) -> None:
        """See stepper.Network."""
        self._local = threading.local()
        del self._compiled


def _read(file: Path) -> tuple[Any, Any]:
    """The library's core and a network; raises ModelError if it has neither."""
    try:
        import openvino
    except ImportError as error:
        raise ModelError(f"model {file}: openvino is not installed; pip install openvino") from error
    core = openvino.Core()
    try:
        return core, core.read_model(str(file))
    except Exception as error:  # the library's errors share no base class
        raise ModelError(f"model {file}: OpenVINO cannot load it: {str(error).strip()[:300]}") from error


def _options(plan: Plan) -> dict[str, Any]:
    return {
        "INFERENCE_NUM_THREADS": plan.threads * plan.streams,
        "NUM_STREAMS": plan.streams,
        "INFERENCE_PRECISION_HINT": plan.precision,
        # pinned threads fight with the readers' decoding for the same cores
        "ENABLE_CPU_PINNING": False,
    }
