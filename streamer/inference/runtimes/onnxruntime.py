"""ONNX Runtime: on the CPU, and on an NVIDIA GPU where the package with its CUDA provider is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ModelError
from streamer.inference.runtimes import Plan


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
        self._name = self._session.get_inputs()[0].name

    def run(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """See Runtime."""
        outputs: list[NDArray[np.float32]] = self._session.run(None, {self._name: batch})
        return outputs

    def close(self) -> None:
        """See Runtime."""
        del self._session


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
