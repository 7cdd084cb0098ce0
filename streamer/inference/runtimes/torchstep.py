"""Streaming networks on a torch device: the states of all cameras in one slab there, frames uploaded as bytes.

A step picks its cameras' rows from the slab, computes, and puts the next states back: no state ever leaves the device.
On CUDA a step is one graph for each batch size in use (sizes are rounded up to powers of two; row 0 is nobody's, and
takes what the padding writes). The same code runs on the CPU without graphs, which is how it is tested against ONNX
Runtime. One batch at a time (a lock): the device's order is one anyway.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streamer.inference.runtimes import Plan
from streamer.inference.runtimes.onnxgraph import OnnxGraph
from streamer.inference.runtimes.torch import device_of
from streamer.models.card import Card
from streamer.models.step import FRAME, NEXT, SCORES
from streamer.types import Floats

_MAX_GRAPHS = 10
_FIRST_ROWS = 16
_PRECISIONS = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


@dataclass(slots=True, eq=False)
class _Captured:
    """A CUDA graph with the tensors that it reads and writes."""

    graph: Any
    frames: Tensor
    places: Tensor
    scores: Tensor


class TorchStepper:
    """States as tensors (rows, *shape) on the device."""

    def __init__(self, file: Path, card: Card, plan: Plan):
        self._device = device_of(plan, str(file))
        self._type = _PRECISIONS[plan.precision]
        self._spec = card.state
        self._color = card.input.color
        self._scale = card.input.scale
        network = (OnnxGraph(file) if file.suffix == ".onnx" else _Net(file)).eval().to(self._device, self._type)
        self._network = network.to(memory_format=torch.channels_last)
        self._mean = torch.tensor(card.input.mean, device=self._device).view(1, 3, 1, 1)
        self._std = torch.tensor(card.input.std, device=self._device).view(1, 3, 1, 1)
        self._slabs = [self._empty(_FIRST_ROWS, state.shape) for state in self._spec]
        self._rows = _FIRST_ROWS
        self._graphs: dict[int, _Captured] = {}
        self._lock = threading.Lock()
        if self._device.type == "cpu":
            torch.set_num_threads(plan.threads)

    def step(self, pictures: Sequence[NDArray[np.uint8]], rows: Sequence[int]) -> Floats:
        """See Stepper."""
        cuda = self._device.type == "cuda"
        size = 1 << (len(rows) - 1).bit_length() if cuda else len(rows)
        frames = torch.zeros((size, *pictures[0].shape), dtype=torch.uint8, pin_memory=cuda)
        for i, picture in enumerate(pictures):
            frames[i].numpy()[:] = picture
        places = torch.zeros(size, dtype=torch.int64, pin_memory=cuda)
        places[: len(rows)] = torch.tensor([row + 1 for row in rows])
        with self._lock, torch.inference_mode():
            self._grow(max(rows) + 2)
            scores = self._replay(frames, places) if cuda else self._compute(frames, places)
            found: Floats = scores[: len(rows)].cpu().numpy()
        return found

    def forget(self, row: int) -> None:
        """See Stepper."""
        with self._lock, torch.inference_mode():
            if row + 1 < self._rows:
                for slab in self._slabs:
                    slab[row + 1].zero_()

    def close(self) -> None:
        """See Stepper."""
        with self._lock:
            self._graphs.clear()
            self._slabs.clear()

    def _compute(self, frames: Tensor, places: Tensor) -> Tensor:
        """float32 (n, labels); moves the states of `places` on."""
        feeds: dict[str, Tensor] = {FRAME: self._prepare(frames)}
        for state, slab in zip(self._spec, self._slabs, strict=True):
            feeds[state.name] = slab.index_select(0, places)
        outputs = self._network(*(feeds[name] for name in self._network.inputs))
        found = dict(zip(self._network.outputs, outputs, strict=True))
        for state, slab in zip(self._spec, self._slabs, strict=True):
            slab.index_copy_(0, places, found[state.name + NEXT].to(slab.dtype))
        scores: Tensor = found[SCORES].float()
        return scores

    def _prepare(self, frames: Tensor) -> Tensor:
        """`transforms.normalise` on the device: uint8 (n, h, w, 3) to planes (n, 3, h, w)."""
        planes = frames.permute(0, 3, 1, 2).float()
        if self._color == "BGR":
            planes = planes.flip(1)
        planes = (planes * self._scale - self._mean) / self._std
        return planes.to(self._type).contiguous(memory_format=torch.channels_last)

    def _replay(self, frames: Tensor, places: Tensor) -> Tensor:
        captured = self._graphs.get(len(places))
        if captured is None:
            if len(self._graphs) >= _MAX_GRAPHS:
                self._graphs.clear()
            captured = self._graphs[len(places)] = self._capture(frames)
        captured.frames.copy_(frames, non_blocking=True)
        captured.places.copy_(places, non_blocking=True)
        captured.graph.replay()
        return captured.scores

    def _capture(self, like: Tensor) -> _Captured:
        frames = torch.zeros(like.shape, dtype=torch.uint8, device=self._device)
        places = torch.zeros(len(like), dtype=torch.int64, device=self._device)  # all of it is written to row 0
        aside = torch.cuda.Stream(self._device)
        aside.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(aside):  # libraries choose their kernels and allocate before the capture
            for _ in range(3):
                self._compute(frames, places)
        torch.cuda.current_stream(self._device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads serve other models
            scores = self._compute(frames, places)
        return _Captured(graph, frames, places, scores)

    def _grow(self, rows: int) -> None:
        """Make room; graphs know the old slab's address, so they go."""
        if rows <= self._rows:
            return
        more = max(rows, 2 * self._rows)
        for i, state in enumerate(self._spec):
            slab = self._empty(more, state.shape)
            slab[: self._rows] = self._slabs[i]
            self._slabs[i] = slab
        self._rows = more
        self._graphs.clear()

    def _empty(self, rows: int, shape: tuple[int, ...]) -> Tensor:
        return torch.zeros((rows, *shape), dtype=self._type, device=self._device)


class _Net(nn.Module):  # type: ignore[misc]  # torch is followed by no type checker here
    """Weights as training keeps them, with the inputs and outputs of an exported step."""

    def __init__(self, file: Path):
        super().__init__()
        from streamer.models.nets.saved import load  # only who runs such a file pays for torchvision

        self._net, card = load(file)
        names = [state.name for state in card.state]
        self.inputs = (FRAME, *names)
        self.outputs = (SCORES, *(name + NEXT for name in names))

    def forward(self, frame: Tensor, *state: Tensor) -> list[Tensor]:
        """Probabilities, and the next state."""
        logits, following = self._net.step(frame, state)
        return [self._net.activate(logits), *following]
