"""One way to step an exported model, whatever library runs it: frame and state in, probabilities and state out.

For parity and speed only. The daemon has its own runtimes, with states that stay on the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ModelError
from streamer.models.card import Card
from streamer.models.step import FRAME, NEXT, SCORES

Floats = NDArray[np.float32]
ONNXRUNTIME = {"cpu": "CPUExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}


class Stepper(Protocol):
    """A step on one thread of the processor, or on a device."""

    def step(self, frame: Floats, state: Sequence[Floats]) -> tuple[Floats, list[Floats]]:
        """Probabilities (batch, labels) and the next state for frames (batch, 3, height, width)."""


class TorchStepper:
    """A net itself, in evaluation mode on the CPU."""

    def __init__(self, net: Any):
        self._net = net

    def step(self, frame: Floats, state: Sequence[Floats]) -> tuple[Floats, list[Floats]]:
        """See Stepper."""
        import torch

        with torch.inference_mode():
            logits, following = self._net.step(torch.from_numpy(frame), tuple(map(torch.from_numpy, state)))
            scores: Floats = self._net.activate(logits).numpy()
        return scores, [tensor.numpy() for tensor in following]


class OnnxStepper:
    """An ONNX file in ONNX Runtime.

    Args:
        file: with card `card`.
        card: for the names.
        provider: a key of ONNXRUNTIME.
        options: of the provider.

    Raises:
        ModelError: the library is missing, lacks the provider, or refuses the file.
    """

    def __init__(self, file: Path, card: Card, provider: str = "cpu", options: dict[str, str] | None = None):
        try:
            import onnxruntime
        except ImportError as error:
            raise ModelError("export: needs onnxruntime; pip install onnxruntime") from error
        wanted = ONNXRUNTIME[provider]
        there = onnxruntime.get_available_providers()
        if wanted not in there:
            raise ModelError(
                f"export: this ONNX Runtime {onnxruntime.__version__} has no {wanted} (it has {', '.join(there)}): "
                "install onnxruntime-gpu and TensorRT on a machine with an NVIDIA GPU, or export --to onnx"
            )
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        settings.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(file), settings, providers=[(wanted, options or {})] if options else [wanted]
            )
        except Exception as error:  # the library's errors share no base class
            raise ModelError(f"export: {file}: ONNX Runtime cannot load it: {str(error)[:300]}") from error
        if wanted not in self._session.get_providers():
            raise ModelError(f"export: {file}: ONNX Runtime fell back from {wanted}; its log says why")
        self._inputs = [FRAME, *(state.name for state in card.state)]
        self._outputs = [SCORES, *(f"{state.name}{NEXT}" for state in card.state)]

    def step(self, frame: Floats, state: Sequence[Floats]) -> tuple[Floats, list[Floats]]:
        """See Stepper."""
        scores, *following = self._session.run(self._outputs, dict(zip(self._inputs, [frame, *state], strict=True)))
        return scores, following


class OpenVinoStepper:
    """An ONNX file or an OpenVINO IR in OpenVINO on one thread, in float32 unless it holds integers."""

    def __init__(self, file: Path, card: Card):
        try:
            import openvino
        except ImportError as error:
            raise ModelError("export: needs openvino; pip install openvino") from error
        hints = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        try:
            self._request = openvino.Core().compile_model(str(file), "CPU", hints).create_infer_request()
        except Exception as error:  # the library's errors share no base class
            raise ModelError(f"export: {file}: OpenVINO cannot load it: {str(error)[:300]}") from error
        self._inputs = [FRAME, *(state.name for state in card.state)]
        self._outputs = [SCORES, *(f"{state.name}{NEXT}" for state in card.state)]

    def step(self, frame: Floats, state: Sequence[Floats]) -> tuple[Floats, list[Floats]]:
        """See Stepper."""
        self._request.infer(dict(zip(self._inputs, [frame, *state], strict=True)))
        scores, *following = [np.array(self._request.get_tensor(name).data) for name in self._outputs]
        return scores, following


def initial_state(card: Card, batch: int) -> list[Floats]:
    """Nothing seen yet."""
    return [np.zeros((batch, *state.shape), state.dtype) for state in card.state]
