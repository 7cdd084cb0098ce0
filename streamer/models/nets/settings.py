"""What a streaming net is made of; needs no torch. `build.build` makes it.

The settings are kept as JSON in the `architecture` of a model's card, so a weights file can be built again.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from streamer.models.step import Head, fault_of_heads

Backbone = Literal[
    "resnet18",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "yolox_nano",
]
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of pixels in 0..1, RGB: what all of torchvision's weights were trained with, and the cards of these nets say."""


class NetSettings(BaseModel):
    """A streaming net: one 2D encoder a frame, a temporal part with finite memory, and one linear layer a head."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    heads: tuple[Head, ...] = Field(min_length=1)
    backbone: Backbone = "shufflenet_v2_x0_5"
    temporal: Literal["tsm", "gru", "lstm", "change"] = "tsm"
    """`tsm`: an eighth of a block's channels comes from the previous frame (Lin et al. 2019, one-directional);
    `gru`, `lstm`: a recurrent cell over the encoder's features; `change`: how unevenly its features move, nothing else
    (nets.change): their strongest places, averaged over `pool` frames, go to the heads as they are."""
    width: int = Field(default=160, ge=32, le=1024)
    """Pixels of the input."""
    height: int = Field(default=128, ge=32, le=1024)
    """Pixels of the input."""
    fps: float = Field(default=5.0, gt=0, le=60)
    """Frames a second of the time grid."""
    motion: Literal["none", "difference"] = "none"
    """`difference`: the change of brightness since the previous frame goes in as a fourth channel."""
    shift_share: float = Field(default=0.125, gt=0, le=0.5)
    """tsm: share of the channels that come from the previous frame; 1/8 as in the paper."""
    shifts: int | None = Field(default=4, ge=1)
    """tsm: at most so many blocks take it, spread evenly over the depth; None: all, as in the paper. Each makes the
    net see one frame further back, and makes it warm one frame later."""
    gather: Literal["mean", "max", "mean_max"] = "mean"
    """Over the picture: the mean of each feature, its maximum, or both."""
    last_conv: bool = True
    """Keep the backbone's last 1x1 convolution, which only widens; files of backbones may lack it."""
    hidden: int = Field(default=128, ge=4, le=2048)
    """Features a frame after the encoder."""
    pool: int = Field(default=4, ge=1, le=256)
    """Length of the temporal pool in frames; 1: none."""
    pooling: Literal["mean", "ema"] = "mean"
    """`mean` of the last `pool` frames; `ema`: moving average of that span (decay 1 - 2 / (pool + 1))."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Before the heads."""
    warm_frames: int | None = Field(default=None, ge=1)
    """Frames until the answer counts; None: the receptive field (recurrent nets: at least a second)."""

    @model_validator(mode="after")
    def _check(self) -> NetSettings:
        if self.backbone == "yolox_nano" and self.motion != "none":
            raise ValueError("backbone yolox_nano takes pictures only: motion must be none")
        labels = self.labels
        fault = fault_of_heads(self.heads, labels)
        if fault is None and len(set(labels)) != len(labels):
            fault = f"labels must differ between heads, too; got {', '.join(labels)}"
        if fault:
            raise ValueError(fault)
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of all heads, in order."""
        return tuple(label for head in self.heads for label in head.labels)
