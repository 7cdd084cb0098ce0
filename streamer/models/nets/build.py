"""From settings to a net with weights."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from streamer.models.nets.settings import NetSettings
from streamer.models.nets.streaming import StreamingNet
from streamer.models.nets.weights import load_weights


def build(settings: NetSettings, weights: Literal["none", "default"] | Path = "none") -> StreamingNet:
    """A net in training mode.

    Args:
        settings: what it is made of.
        weights: `none`: random; `default`: torchvision's own of the backbone (fetched once, then cached by torch);
            a file: of the backbone (torchvision's or Megvii's names), or of a whole net that `saved.save` wrote.

    Raises:
        ModelError: the weights cannot be had, or are of another network.
    """
    net = StreamingNet(settings)
    net.loaded = load_weights(net, weights)
    return net
