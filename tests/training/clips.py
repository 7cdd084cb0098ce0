"""Small clips that can be told apart: a bright square that stands still, and one that jumps about."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from streamer.models.card import Head, Input, State
from streamer.training.frames import Clip
from streamer.training.recipe import Recipe
from streamer.training.samples import Sample

SIDE = 64
LABELS = ("calm", "jumpy")
SHAPE = Input(width=32, height=32, fit="stretch", scale=1 / 255)


def write_video(path: Path, frames: Sequence[NDArray[np.uint8]], fps: int = 10, times: Sequence[int] = ()) -> Path:
    """Encode pictures as H.264; `times` in frames, where they are not one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "10"}
        for i, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = times[i] if times else i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def square(label: str, seed: int, count: int = 20) -> list[NDArray[np.uint8]]:
    """Pictures, uint8 (SIDE, SIDE, 3), of a square before a noisy wall."""
    rng = np.random.default_rng(seed)
    wall = rng.integers(0, 100, (SIDE, SIDE, 3)).astype(np.uint8)
    x, y = rng.integers(0, SIDE - 20, 2)
    frames = []
    for _ in range(count):
        if label == "jumpy":
            x, y = rng.integers(0, SIDE - 20, 2)
        picture = wall.copy()
        picture[y : y + 20, x : x + 20] = 230
        frames.append(picture)
    return frames


def write_clips(folder: Path, each: int = 6, labels: Sequence[str] = LABELS, count: int = 20) -> Path:
    """A folder with one folder a class."""
    for k, label in enumerate(labels):
        for i in range(each):
            write_video(folder / label / f"{i:02d}.mp4", square(label, 100 * k + i, count))
    return folder


def array_clips(folder: Path, lengths: Sequence[int] = (10,) * 8, labels: Sequence[str] = LABELS) -> list[Clip]:
    """The same as arrays that need no decoder, 32 x 32; labels take turns."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = []
    for i, length in enumerate(lengths):
        label = labels[i % len(labels)]
        path = folder / f"{i}.npy"
        np.save(path, np.stack(square(label, i, length))[:, ::2, ::2])
        clips.append(Clip(Sample(path, label, f"scene{i}"), path, length))
    return clips


def recipe(**changes: Any) -> Recipe:
    """A recipe that trains a tiny net in seconds."""
    plain: dict[str, Any] = {
        "name": "toy",
        "net": {
            "backbone": "shufflenet_v2_x0_5",
            "temporal": "gru",
            "width": 32,
            "height": 32,
            "fps": 5,
            "hidden": 16,
            "heads": [Head(name="toy", labels=LABELS, activation="softmax")],
        },
        "weights": "none",
        "batch_size": 4,
        "clip": {"seconds": 2},
        "schedule": {"epochs": 2},
        "journal": {"tensorboard": False, "pictures": False, "every_steps": 1},
        "machine": {"threads": 1, "device": "cpu"},
    }
    for key, value in changes.items():
        plain[key] = {**plain.get(key, {}), **value} if isinstance(value, dict) else value
    return Recipe.model_validate(plain)


class TinyNet(nn.Module):
    """What a StreamingNet is to a training, a hundred times smaller: convolution, normalization, GRU, dropout."""

    warm_frames = 3

    def __init__(self, settings: Any):
        super().__init__()
        self.heads = settings.heads
        self.backbone = nn.Sequential(
            OrderedDict(
                stem=nn.Conv2d(3, 6, 5, stride=4, bias=False),
                norm=nn.BatchNorm2d(6),
                relu=nn.ReLU(),
                deep=nn.Conv2d(6, 8, 3, stride=2, bias=False),
                norm2=nn.BatchNorm2d(8),
                pool=nn.AdaptiveAvgPool2d(1),
                flat=nn.Flatten(),
            )
        )
        self.temporal = nn.GRU(8, settings.hidden, batch_first=True)
        self.head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(settings.hidden, 2))
        self.state_spec = (State(name="hidden", shape=(settings.hidden,)),)

    def forward(self, clips: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        seen = self.backbone(clips.flatten(0, 1)).view(*clips.shape[:2], -1)
        held, hidden = self.temporal(seen, None if state is None else state[0][None].contiguous())
        return self.head(held), (hidden[0],)

    def activate(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.softmax(-1)


def tiny(settings: Any, weights: Any = "none") -> TinyNet:
    """Takes the place of `streamer.models.nets.build`."""
    return TinyNet(settings)
