"""The card of a model file: everything that serving must know, kept inside the file that it describes.

One file, ONNX or safetensors; the card lies in its metadata under the key ``streamer``. Training writes it, `models
import` writes it for third-party files, the engine reads it (labels, input size) without loading any runtime. A card
cannot be lost, renamed away, or belong to another file: it names the SHA-256 of the file's other bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streamer.errors import ModelError
from streamer.models import onnxfile, tensorfile
from streamer.models.step import Head as Head
from streamer.models.step import State as State
from streamer.models.step import fault_of_file, fault_of_heads, fault_of_states

KEY = "streamer"
"""Name of the metadata entry that holds the card."""
FAMILIES: dict[str, str] = {
    "yolox": "YOLOX detectors as ONNX, exported without decode_in_inference",
    "torchvision": "torchvision detection models as safetensors (state dict)",
    "motion": "background subtraction; built in, no weights",
    "streaming": "behaviour nets with explicit state; ONNX step, or safetensors to train on",
}
STREAMING = "streaming"
"""The family of behaviour models that are stepped once a frame."""


class Input(BaseModel):
    """What the network wants to be fed; the same numbers in training and serving."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(gt=0)
    """Pixels; a letterboxed frame is never wider."""
    height: int = Field(gt=0)
    """Pixels."""
    layout: Literal["planes", "pixels"] = "planes"
    """`planes`: float32 (n, 3, height, width). `pixels`: uint8 (n, 1, height, 3 width), as bytes lie in a frame."""
    color: Literal["RGB", "BGR"] = "RGB"
    scale: float = Field(default=1.0, gt=0)
    """Pixels 0-255 are multiplied by this before mean and std."""
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Subtracted, in the order of `color`."""
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Divided by, in the order of `color`."""
    fit: Literal["letterbox", "stretch"] = "letterbox"
    """`letterbox`: scaled by one factor, the rest padded. `stretch`: each side by its own, so that no pixel is lost."""
    pad: int = Field(default=114, ge=0, le=255)
    """Value of the letterbox's border, before scaling."""
    stride: int = Field(default=0, ge=0)
    """If positive, the input may be any multiple of this up to width x height: the padding below and right of a wide
    or tall frame is cut off instead of computed (a 16:9 frame costs 0.62 of a square one)."""

    @model_validator(mode="after")
    def _check(self) -> Input:
        plain = self.color == "RGB" and (self.scale, *self.mean, *self.std) == (1, 0, 0, 0, 1, 1, 1)
        if self.layout == "pixels" and not plain:
            raise ValueError("layout pixels: bytes go in as they are, color, scale, mean and std cannot be changed")
        return self


class Card(BaseModel):
    """What a model file says about itself."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
    task: Literal["detection", "behaviour", "embedding", "keypoints", "classification"]
    family: str
    """How input and output are to be read; one of FAMILIES for detectors."""
    labels: tuple[str, ...] = Field(min_length=1)
    """Names of the classes, in the order of the output."""
    input: Input
    output: Literal["rows", "columns"] = "rows"
    """yolox: (n, anchors, 5 + labels), or (n, 5 + labels, anchors) as the network has it by itself."""
    architecture: str = ""
    """Which network the weights belong to, where the file holds weights only (torchvision's builder name)."""
    confidence: float = Field(default=0.1, ge=0, le=1)
    """Detections below this are dropped at the source; rules have thresholds of their own above it."""
    iou: float = Field(default=0.65, gt=0, le=1)
    """Of two boxes of one label that overlap more than this, the weaker is dropped."""
    dynamic_batch: bool = False
    """Whether a batch of n equals n batches of one; proven at import, never assumed."""
    fps: float | None = Field(default=None, gt=0)
    """Frames a second that it was trained at; None where time plays no part."""
    state: tuple[State, ...] = ()
    """What is kept for each camera between frames, in the order of the file's inputs; streaming models."""
    heads: tuple[Head, ...] = ()
    """Questions that one encoder answers; `labels` are theirs in order."""
    warm_frames: int = Field(default=1, ge=1)
    """So many frames of the time grid, the current one included, until the answer counts."""
    thresholds: dict[str, float] = Field(default_factory=dict)
    """By label: the measured operating point, a probability."""
    training: dict[str, Any] = Field(default_factory=dict)
    """How it was made: recipe, revision, data hash, seed; free-form JSON."""
    gmacs: float | None = Field(default=None, gt=0)
    """10^9 multiply-adds a frame (a step, of streaming models), as counted by torch."""
    parameters: int | None = Field(default=None, gt=0)
    """Trained numbers."""
    license: str = ""
    source: str = ""
    metrics: dict[str, float] = Field(default_factory=dict)
    made_from_sha256: str = ""
    """SHA-256 of the file that this one was made from."""
    content_sha256: str = ""
    """SHA-256 of this file without its card; filled by `write_card`, checked by `load_card`."""

    @model_validator(mode="after")
    def _check(self) -> Card:
        if len(set(self.labels)) != len(self.labels):
            twice = sorted({label for label in self.labels if self.labels.count(label) > 1})
            raise ValueError(f"labels must differ, got {', '.join(twice)} more than once")
        if self.task == "detection" and self.family not in FAMILIES:
            raise ValueError(f"family {self.family!r} is not one of {', '.join(FAMILIES)}")
        if (self.family == STREAMING) != (self.task == "behaviour"):
            raise ValueError(f"task {self.task} cannot be of family {self.family!r}; behaviour is of {STREAMING}")
        if self.family == STREAMING:
            self._check_streaming()
        return self

    def _check_streaming(self) -> None:
        if self.fps is None:
            raise ValueError("fps is needed: a streaming model is fed at the rate it was trained at")
        if self.input.layout != "planes":
            raise ValueError(f"family {STREAMING} has layout planes, got {self.input.layout}")
        strange = sorted(set(self.thresholds) - set(self.labels))
        if strange:
            raise ValueError(f"thresholds: {', '.join(strange)} is not among the labels {', '.join(self.labels)}")
        outside = {label: value for label, value in self.thresholds.items() if not 0 <= value <= 1}
        if outside:
            raise ValueError(f"thresholds are probabilities from 0 to 1, got {outside}")
        fault = fault_of_states(self.state) or fault_of_heads(self.heads, self.labels)
        if fault:
            raise ValueError(fault)

    @property
    def state_bytes(self) -> int:
        """Memory that one camera needs between frames."""
        return sum(state.size_bytes for state in self.state)


def load_card(path: Path, task: str | None = None) -> Card:
    """Read and check the card of a model file.

    Args:
        path: an ONNX or safetensors file.
        task: the task that is needed, if any.

    Raises:
        ModelError: no such file, truncated, without a card, changed since the card was written, of another task, or
            with other outputs than its labels promise.
    """
    kind = _kind(path)
    opened = kind.read(path)
    text = opened.metadata.get(KEY)
    if text is None:
        raise ModelError(
            f"model {path}: the file has no card; make one with `streamer models import {path} --family yolox --out "
            f"{path.stem}-streamer{path.suffix}`"
        )
    card = _parse(path, text)
    if card.content_sha256 != opened.content_sha256:
        raise ModelError(
            f"model {path}: the content's SHA-256 is {opened.content_sha256[:16]}..., its card says "
            f"{card.content_sha256[:16] or 'nothing'}...: the file was changed or damaged; import or copy it again"
        )
    if task is not None and card.task != task:
        raise ModelError(f"model {path}: its task is {card.task}, {task} is needed here")
    _check_outputs(path, card, opened)
    return card


def write_card(path: Path, card: Card) -> Card:
    """Put a card into a model file, replacing an older one; atomic. Returns the card with its checksum filled."""
    kind = _kind(path)
    card = card.model_copy(update={"content_sha256": kind.read(path).content_sha256})
    kind.write_metadata(path, KEY, card.model_dump_json(exclude_defaults=False))
    return card


def _kind(path: Path) -> Any:
    if not path.is_file():
        raise ModelError(f"model {path}: no such file")
    if path.suffix == ".onnx":
        return onnxfile
    if path.suffix == ".safetensors":
        return tensorfile
    raise ModelError(f"model {path}: the suffix must be .onnx or .safetensors, got {path.suffix!r}")


def _parse(path: Path, text: str) -> Card:
    try:
        return Card.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise ModelError(f"model {path}: its card is not valid: {where or 'card'}: {fault['msg']}") from error
    except json.JSONDecodeError as error:
        raise ModelError(f"model {path}: its card is not JSON: {error}") from error


def _check_outputs(path: Path, card: Card, opened: Any) -> None:
    """The files of one family have one form; say what differs before any runtime trips over it."""
    if card.family == STREAMING and path.suffix == ".onnx":
        size = (card.input.height, card.input.width)
        fault = fault_of_file(opened, size, card.state, len(card.labels))
        if fault:
            raise ModelError(f"model {path}: family {STREAMING}: the file {fault}")
    if card.family == "yolox":
        want = 5 + len(card.labels)
        at, form = (2, f"anchors, {want}") if card.output == "rows" else (1, f"{want}, anchors")
        shape: tuple[Any, ...] = opened.outputs[0] if len(opened.outputs) == 1 else ()
        if len(shape) != 3 or (isinstance(shape[at], int) and shape[at] != want):
            raise ModelError(
                f"model {path}: family yolox with {len(card.labels)} labels needs one output (batch, {form}),"
                f" the file has {opened.outputs}"
            )
        source: tuple[Any, ...] = opened.inputs[0] if len(opened.inputs) == 1 else ()
        row = card.input.width * (3 if card.input.layout == "pixels" else 1)
        sides = ((2, card.input.height), (3, row))
        fits = len(source) == 4 and all(source[i] == n or isinstance(source[i], str) for i, n in sides)
        if not fits:
            raise ModelError(
                f"model {path}: the card says input {card.input.width}x{card.input.height}, the file has one of shape "
                f"{opened.inputs}"
            )
