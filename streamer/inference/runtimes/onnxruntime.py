"""ONNX Runtime: on the CPU, and on an NVIDIA GPU where the package with its CUDA provider is installed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ModelError
from streamer.inference.runtimes import Plan

_MAX_SHAPES = 8  # input sizes whose outputs are kept, a thread


@dataclass(slots=True, eq=False)
class _Bound:
    """Where the library reads and writes; holds the arrays, for it does not."""

    binding: Any
    batch: NDArray[Any]
    outputs: list[NDArray[np.float32]]


class OnnxRuntime:
    """One session; with one thread each call computes in its caller's thread, so streams share the weights."""

    def __init__(self, file: Path, plan: Plan):
        try:
            import onnxruntime
        except ImportError as error:
            raise ModelError(f"model {file}: onnxruntime is not installed; pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = plan.threads
        options.inter_op_num_threads = 1
        # spinning threads answer 0.1 ms sooner and burn the core that decodes the next picture
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(file), options, providers=_providers(plan, onnxruntime))
        except ModelError:
            raise
        except Exception as error:  # the library's errors share no base class
            raise ModelError(f"model {file}: ONNX Runtime cannot load it: {_first_line(error)}") from error
        self.inputs = tuple(given.name for given in self._session.get_inputs())
        self.outputs = tuple(output.name for output in self._session.get_outputs())
        self._name = self.inputs[0]
        self._local = threading.local()

    def run(self, batch: NDArray[Any]) -> list[NDArray[np.float32]]:
        """See Runtime; a thread's first batch of a shape says how large the outputs are, later ones reuse them."""
        bound: dict[tuple[int, ...], _Bound] = self._local.__dict__.setdefault("bound", {})
        known = bound.get(batch.shape)
        if known is None:
            if len(bound) >= _MAX_SHAPES:
                bound.clear()
            outputs: list[NDArray[np.float32]] = self._session.run(None, {self._name: batch})
            bound[batch.shape] = self._bind(batch, outputs)
            return outputs
        if known.batch is not batch:
            known.binding.bind_cpu_input(self._name, batch)
            known.batch = batch
        self._session.run_with_iobinding(known.binding)
        return known.outputs

    def run_named(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """See stepper.Network."""
        return dict(zip(self.outputs, self._session.run(None, dict(feeds)), strict=True))

    def close(self) -> None:
        """See Runtime."""
        self._local = threading.local()
        del self._session

    def _bind(self, batch: NDArray[Any], outputs: list[NDArray[np.float32]]) -> _Bound:
        binding = self._session.io_binding()
        binding.bind_cpu_input(self._name, batch)
        for name, array in zip(self.outputs, outputs, strict=True):
            binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        return _Bound(binding, batch, outputs)


def _providers(plan: Plan, library: Any) -> list[Any]:
    if plan.device == "cpu":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in library.get_available_providers():
        raise ModelError(
            f"device {plan.device}: this ONNX Runtime has no CUDA provider; install onnxruntime-gpu, or use device cpu"
        )
    ordinal = int(plan.device.partition(":")[2] or 0)
    return [("CUDAExecutionProvider", {"device_id": ordinal}), "CPUExecutionProvider"]


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:300]
