"""torch: any GPU, and torchvision's detectors on the CPU. Frames go to the device as bytes and are prepared there.

On CUDA: uint8 pixels through pinned memory, letterbox and color order on the device, channels_last, half precision if
the plan says so, one CUDA graph for each batch size in use (sizes are rounded up to powers of two), and only the most
promising rows of the output come back. The same code runs on the CPU without pinning and graphs, which is how it is
tested against the numpy path. One batch at a time (a lock): the device's order is one anyway.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from streamer.errors import ModelError
from streamer.inference.picture import Picture
from streamer.inference.runtimes import Plan
from streamer.inference.runtimes.onnxgraph import OnnxGraph
from streamer.inference.settings import ModelSpec
from streamer.models.boxes import MAX_CANDIDATES, Letterbox
from streamer.models.card import Card
from streamer.models.registry import MOTION
from streamer.models.torchvision import build
from streamer.models.yolox import YoloX
from streamer.types import Detections

_MAX_GRAPHS = 24  # captured sizes kept: batch sizes times aspect ratios
_PRECISIONS = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


@dataclass(slots=True, eq=False)
class _Captured:
    """A CUDA graph with the tensors that it reads and writes."""

    graph: Any
    source: Tensor
    outputs: list[Tensor]


class LoadedTorch:
    """An ONNX network of family yolox on a torch device."""

    def __init__(self, spec: ModelSpec, card: Card, plan: Plan):
        if spec.file == MOTION or card.family != "yolox":
            raise ModelError(f"model {spec.name}: family {card.family!r} cannot be run by torch")
        self.plan = plan
        self._device = device_of(plan, spec.name)
        self._type = _PRECISIONS[plan.precision]
        if self._device.type == "cuda" and plan.precision == "f32":
            # cuDNN rounds float32 to 10 bits of mantissa unless told not to: confidences were 0.011 off the CPU's
            torch.backends.cudnn.allow_tf32 = False
        self._family = YoloX(card, spec.overrides)
        self._input = card.input
        self._columns = card.output == "columns"
        self._dynamic = card.dynamic_batch
        network = OnnxGraph(spec.file).eval().to(self._device, self._type)
        self._network = network.to(memory_format=torch.channels_last)
        self._mean = torch.tensor(card.input.mean, device=self._device).view(1, 3, 1, 1)
        self._std = torch.tensor(card.input.std, device=self._device).view(1, 3, 1, 1)
        self._graphs: dict[tuple[int, ...], _Captured] = {}
        self._lock = threading.Lock()

    def run(self, pictures: Sequence[Picture]) -> list[Detections]:
        """See Loaded; frames of other sizes run one after the other."""
        groups: dict[Any, list[int]] = {}
        for i, picture in enumerate(pictures):
            groups.setdefault(picture.pixels.shape if self._dynamic else i, []).append(i)
        found: dict[int, Detections] = {}
        with self._lock, torch.inference_mode():
            for members in groups.values():
                found.update(zip(members, self._run_equal([pictures[i] for i in members]), strict=True))
        return [found[i] for i in range(len(pictures))]

    def warm_up(self) -> None:
        """See Loaded; on CUDA this captures the graphs of 16:9 frames."""
        width = self._input.width
        blank = Picture("", 0, 0.0, np.zeros((max(1, width * 9 // 16), width, 3), np.uint8))
        size = 1
        while True:
            self.run([blank] * size)
            if size >= self.plan.batch or self._device.type == "cpu":
                return
            size = min(size * 2, self.plan.batch)

    def close(self) -> None:
        """See Loaded."""
        self._graphs.clear()

    def prepare(self, frames: Tensor, box: Letterbox) -> Tensor:
        """uint8 (n, H, W, 3) RGB on the device to planes (n, 3, canvas) channels_last, whatever the file takes."""
        pixels = frames.permute(0, 3, 1, 2).float()
        if pixels.shape[2:] != (box.height, box.width):
            # rounded as a resized uint8 picture is
            size = (box.height, box.width)
            pixels = functional.interpolate(pixels, size, mode="bilinear", align_corners=False).round_()
        if self._input.color == "BGR":
            pixels = pixels.flip(1)
        beyond = (0, box.canvas_width - box.width, 0, box.canvas_height - box.height)
        pixels = functional.pad(pixels, beyond, value=float(self._input.pad))
        pixels = (pixels * self._input.scale - self._mean) / self._std
        return pixels.to(self._type).contiguous(memory_format=torch.channels_last)

    def _run_equal(self, pictures: Sequence[Picture]) -> list[Detections]:
        """Frames of one size in one batch."""
        height, width = pictures[0].pixels.shape[:2]
        box = self._family.canvas((width, height))
        count = len(pictures)
        staged = torch.empty((count, height, width, 3), dtype=torch.uint8, pin_memory=self._device.type == "cuda")
        for i, picture in enumerate(pictures):
            staged[i].numpy()[:] = picture.pixels
        if self._device.type == "cuda":
            rows, places = self._run_graph(staged, box)
        else:
            rows, places = self._compute(staged, box)
        arrays = [rows[:count].float().cpu().numpy(), places[:count].cpu().numpy()]
        return self._family.decode(arrays, [box] * count)

    def _compute(self, frames: Tensor, box: Letterbox) -> list[Tensor]:
        """The most promising rows (n, k, 5 + classes) of the output, and their places (n, k)."""
        rows = self._network(self.prepare(frames, box))[0]
        if self._columns:
            rows = rows.transpose(1, 2)
        best = torch.topk(rows[..., 4], min(MAX_CANDIDATES, rows.shape[1]), dim=1, sorted=False).indices
        best = best.sort(dim=1).values
        return [torch.gather(rows, 1, best[..., None].expand(-1, -1, rows.shape[2])), best]

    def _run_graph(self, staged: Tensor, box: Letterbox) -> list[Tensor]:
        """Replay the graph of this size, captured at its first use."""
        size = 1 << (staged.shape[0] - 1).bit_length()
        key = (size, *staged.shape[1:3])
        captured = self._graphs.get(key)
        if captured is None:
            if len(self._graphs) >= _MAX_GRAPHS:
                self._graphs.clear()
            captured = self._graphs[key] = self._capture((size, *staged.shape[1:]), box)
        captured.source[: staged.shape[0]].copy_(staged, non_blocking=True)
        captured.graph.replay()
        return captured.outputs

    def _capture(self, shape: tuple[int, ...], box: Letterbox) -> _Captured:
        source = torch.zeros(shape, dtype=torch.uint8, device=self._device)
        aside = torch.cuda.Stream(self._device)
        aside.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(aside):  # libraries choose their kernels and allocate before the capture
            for _ in range(3):
                self._compute(source, box)
        torch.cuda.current_stream(self._device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = self._compute(source, box)
        return _Captured(graph, source, outputs)


class LoadedTorchvision:
    """One of torchvision's detectors, which resize, decode and suppress by themselves."""

    def __init__(self, spec: ModelSpec, card: Card, plan: Plan):
        from safetensors.torch import load_file

        if spec.file == MOTION:
            raise ModelError("model motion has no network")
        self.plan = plan
        self._device = device_of(plan, spec.name)
        self._labels = card.labels
        self._confidence = card.confidence if spec.overrides.confidence is None else spec.overrides.confidence
        self._size = (card.input.width, card.input.height)
        network = build(card.architecture, len(card.labels), load_file(str(spec.file)))
        self._network = network.to(self._device)
        self._half = plan.precision == "f16" and self._device.type == "cuda"
        self._lock = threading.Lock()
        if self._device.type == "cpu":
            torch.set_num_threads(plan.threads)

    def run(self, pictures: Sequence[Picture]) -> list[Detections]:
        """See Loaded."""
        with self._lock, torch.inference_mode(), torch.autocast("cuda", torch.float16, enabled=self._half):
            images = [self._to_device(picture) for picture in pictures]
            outputs = self._network(images)
        return [self._read(output, image) for output, image in zip(outputs, images, strict=True)]

    def warm_up(self) -> None:
        """See Loaded."""
        width, height = self._size
        self.run([Picture("", 0, 0.0, np.zeros((min(height, max(1, width * 9 // 16)), width, 3), np.uint8))])

    def close(self) -> None:
        """See Loaded."""
        del self._network

    def _to_device(self, picture: Picture) -> Tensor:
        pixels = torch.from_numpy(np.ascontiguousarray(picture.pixels))
        if self._device.type == "cuda":
            pixels = pixels.pin_memory().to(self._device, non_blocking=True)
        return pixels.permute(2, 0, 1).float() / 255

    def _read(self, output: dict[str, Tensor], image: Tensor) -> Detections:
        scores = output["scores"].float().cpu().numpy()
        keep = np.flatnonzero(scores > self._confidence)
        keep = keep[np.argsort(-scores[keep], kind="stable")]
        size = np.array([image.shape[2], image.shape[1]] * 2, np.float32)
        boxes = np.clip(output["boxes"].float().cpu().numpy()[keep] / size, 0, 1).astype(np.float32)
        return Detections(
            boxes, scores[keep].astype(np.float32), output["labels"].cpu().numpy()[keep].astype(np.int64), self._labels
        )


def device_of(plan: Plan, model: str) -> Any:
    """The torch device of a plan.

    Raises:
        ModelError: it is not there.
    """
    if not plan.device.startswith("cuda"):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ModelError(f"model {model}: device {plan.device}: torch sees no usable NVIDIA GPU; use device cpu")
    ordinal = int(plan.device.partition(":")[2] or 0)
    if ordinal >= torch.cuda.device_count():
        raise ModelError(f"model {model}: device {plan.device}: there are {torch.cuda.device_count()} GPUs, from 0")
    return torch.device("cuda", ordinal)
