"""torchvision's detectors, built from their name and a state dict; nothing is ever downloaded.

The weights lie in a safetensors file whose card names the architecture. These networks resize, decode and suppress by
themselves, so there is no numpy step here. Imports torch, in functions only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamer.errors import ModelError
from streamer.models.card import Input

SIZES: dict[str, tuple[int, int]] = {
    "ssdlite320_mobilenet_v3_large": (320, 320),
    "ssd300_vgg16": (300, 300),
    "fasterrcnn_mobilenet_v3_large_320_fpn": (640, 640),
    "fasterrcnn_mobilenet_v3_large_fpn": (1333, 1333),
    "fasterrcnn_resnet50_fpn": (1333, 1333),
    "fasterrcnn_resnet50_fpn_v2": (1333, 1333),
    "fcos_resnet50_fpn": (1333, 1333),
    "retinanet_resnet50_fpn": (1333, 1333),
    "retinanet_resnet50_fpn_v2": (1333, 1333),
}
"""Architectures, with the largest size that their own transform makes of a frame."""


def input_of(architecture: str) -> Input:
    """The size that frames for an architecture should fit in; it normalises by itself."""
    _check(architecture)
    width, height = SIZES[architecture]
    return Input(width=width, height=height, color="RGB", scale=1 / 255, pad=0)


def build(architecture: str, classes: int, state: Mapping[str, Any]) -> Any:
    """The network as a torch module in evaluation mode.

    Args:
        architecture: a key of SIZES.
        classes: number of classes, background included.
        state: torch tensors by name.

    Raises:
        ModelError: unknown architecture, or weights of another one.
    """
    _check(architecture)
    try:
        from torchvision.models import get_model
    except ImportError as error:
        raise ModelError("family torchvision needs torch and torchvision; pip install torchvision") from error
    network = get_model(architecture, weights=None, weights_backbone=None, num_classes=classes)
    try:
        network.load_state_dict(dict(state))
    except RuntimeError as error:
        first = next((line.strip() for line in str(error).split("\n")[1:] if line.strip()), str(error))
        raise ModelError(f"{architecture} with {classes} classes does not fit these weights: {first[:200]}") from error
    return network.eval()


def _check(architecture: str) -> None:
    if architecture not in SIZES:
        raise ModelError(f"architecture {architecture!r} is not one of torchvision's {', '.join(SIZES)}")
