"""Streaming networks on the CPU: the states of many cameras beside a runtime with several inputs and outputs.

The network is the exported step: `frame` and one input a state, `scores` and one output ``<state>_next`` a state. Any
batch mixes any cameras: states are gathered before a step and scattered after it. They are kept as the library gave
them, so a batch of one copies nothing. Used by `behaviour`; `torchstep` does the same on a device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ModelError
from streamer.inference.runtimes import Plan
from streamer.models.card import Card
from streamer.models.step import FRAME, NEXT, SCORES
from streamer.models.transforms import normalise
from streamer.types import Floats


class Stepper(Protocol):
    """A streaming network with its cameras' states; rows may be stepped from several threads, each by one at a time."""

    def step(self, pictures: Sequence[NDArray[np.uint8]], rows: Sequence[int]) -> Floats:
        """Move some cameras on by one step.

        Args:
            pictures: uint8 (h, w, 3) each, as `transforms.fit` gives them.
            rows: where the state of each camera lies, all different; a new one is all zeros.

        Returns:
            float32 (n, labels), probabilities.
        """

    def forget(self, row: int) -> None:
        """Let a row begin anew."""

    def close(self) -> None:
        """Give up memory."""


class Network(Protocol):
    """A runtime with several inputs and outputs."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def run_named(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name, in arrays that belong to the caller; safe to call from `plan.streams` threads."""

    def close(self) -> None:
        """Give up what the library holds."""


def open_stepper(file: Path, card: Card, plan: Plan) -> Stepper:
    """Load a streaming network.

    Raises:
        ModelError: a missing library, or one that refuses the file. That inputs and outputs are those of the card was
            checked when the card was read.
    """
    if plan.runtime == "torch":
        from streamer.inference.runtimes.torchstep import TorchStepper

        return TorchStepper(file, card, plan)
    network: Network
    if plan.runtime == "onnxruntime":
        from streamer.inference.runtimes.onnxruntime import OnnxRuntime

        network = OnnxRuntime(file, plan)
    elif plan.runtime == "openvino":
        from streamer.inference.runtimes.openvino import OpenVinoNamed

        network = OpenVinoNamed(file, plan)
    else:
        raise ModelError(f"model {file}: runtime {plan.runtime!r} runs no streaming model")
    return HostStepper(network, card)


class HostStepper:
    """States as numpy arrays."""

    def __init__(self, network: Network, card: Card):
        self._network = network
        self._input = card.input
        self._spec = card.state
        self._states: dict[int, list[NDArray[Any]]] = {}

    def step(self, pictures: Sequence[NDArray[np.uint8]], rows: Sequence[int]) -> Floats:
        """See Stepper."""
        feeds: dict[str, NDArray[Any]] = {FRAME: normalise(np.stack(pictures), self._input)}
        before = [self._states.get(row) or self._zeros() for row in rows]
        for i, state in enumerate(self._spec):
            feeds[state.name] = before[0][i][None] if len(rows) == 1 else np.stack([one[i] for one in before])
        found = self._network.run_named(feeds)
        after = [found[state.name + NEXT] for state in self._spec]
        for n, row in enumerate(rows):
            # a view would keep the whole batch alive for its slowest camera
            self._states[row] = [array[0] if len(rows) == 1 else array[n].copy() for array in after]
        scores: Floats = np.asarray(found[SCORES], np.float32)
        return scores

    def forget(self, row: int) -> None:
        """See Stepper."""
        self._states.pop(row, None)

    def close(self) -> None:
        """See Stepper."""
        self._states.clear()
        self._network.close()

    def _zeros(self) -> list[NDArray[Any]]:
        return [np.zeros(state.shape, state.dtype) for state in self._spec]
