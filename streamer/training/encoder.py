"""Embeddings of clips from the pictures' side of any ONNX model file that has a card.

The encoder is not asked for: it is the deepest feature map of the network (of its smallest maps the one with the most
channels), averaged over its area and over time. So the shipped nets, an imported detector and a user's own model all
serve, and nothing has to be exported for it. States of streaming nets are fed as zeros: each picture by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import InputError, ModelError, SourceError
from streamer.models.card import Card, load_card
from streamer.models.opencv import opencv
from streamer.sources.file import FileSource
from streamer.training.samples import Sample

PICTURES = 8
"""Of a clip that are embedded, evenly spread."""
_FPS = 4.0
_MOST = 480  # pictures that are decoded of one clip: two minutes


class Encoder:
    """One loaded model.

    Args:
        path: an ONNX file with a card.

    Raises:
        ModelError: as `load_card`, or the network has no feature map.
    """

    def __init__(self, path: Path):
        if path.suffix != ".onnx":
            raise ModelError(f"model {path}: embeddings come from ONNX files; `streamer export` makes one")
        import onnx
        import onnxruntime

        self.card = load_card(path)
        model = onnx.load(str(path))
        _fix_sizes(model, self.card)
        try:
            name = deepest_map(onnx.shape_inference.infer_shapes(model))
        except ModelError as error:
            raise ModelError(f"model {path}: {error}") from error
        if name not in {value.name for value in model.graph.output}:
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 2
        self._map = name
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def embed(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """One vector of unit length for pictures, each uint8 (H, W, 3) RGB."""
        rows = [self._one(picture) for picture in pictures]
        mean: NDArray[np.float32] = np.mean(rows, axis=0)
        return mean / max(float(np.linalg.norm(mean)), 1e-12)

    def _one(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        feeds: dict[str, Any] = {}
        for number, source in enumerate(self._session.get_inputs()):
            if number == 0:
                feeds[source.name] = planes(picture, self.card)
            else:
                shape = [1 if at == 0 or not isinstance(n, int) else n for at, n in enumerate(source.shape)]
                feeds[source.name] = np.zeros(shape, np.float16 if "float16" in source.type else np.float32)
        (found,) = self._session.run([self._map], feeds)
        flat: NDArray[np.float32] = found[0].reshape(found.shape[1], -1).mean(axis=1)
        return flat.astype(np.float32)


def embed_all(
    encoder: Encoder, samples: Sequence[Sample], progress: Callable[[int, int], None] | None = None
) -> NDArray[np.float32]:
    """Embeddings (n, d) of samples, of unit length. Raises InputError for one that cannot be read."""
    rows = []
    for done, sample in enumerate(samples):
        rows.append(encoder.embed(_pictures(sample, encoder.card)))
        if progress is not None:
            progress(done + 1, len(samples))
    return np.stack(rows)


def planes(picture: NDArray[np.uint8], card: Card) -> NDArray[Any]:
    """A picture as the network's input, a batch of one; as serving feeds it."""
    width, height = card.input.width, card.input.height
    if getattr(card.input, "fit", "letterbox") == "stretch":
        canvas = opencv().resize(picture, (width, height), interpolation=opencv().INTER_AREA)
    else:
        scale = min(width / picture.shape[1], height / picture.shape[0])
        size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
        canvas = np.full((height, width, 3), card.input.pad, np.uint8)
        canvas[: size[1], : size[0]] = opencv().resize(picture, size, interpolation=opencv().INTER_AREA)
    if card.input.layout == "pixels":
        return np.ascontiguousarray(canvas).reshape(1, 1, height, width * 3)
    ordered = canvas if card.input.color == "RGB" else canvas[..., ::-1]
    values = (ordered.astype(np.float32) * card.input.scale - card.input.mean) / card.input.std
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None]).astype(np.float32)


def deepest_map(model: Any) -> str:
    """The name of the tensor that an encoder's output is taken from. Raises ModelError."""
    made = {name: at for at, node in enumerate(model.graph.node) for name in node.output}
    found: list[tuple[int, int, int, str]] = []
    for value in [*model.graph.value_info, *model.graph.output]:
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if value.name in made and len(dims) == 4 and dims[1] > 0 and dims[2] > 1 and dims[3] > 1:
            found.append((dims[2] * dims[3], dims[1], made[value.name], value.name))
    if not found:
        raise ModelError("its network has no feature map (channels, height, width) of known size to embed clips by")
    smallest = min(area for area, *_ in found)
    return max((channels, at, name) for area, channels, at, name in found if area <= 1.5 * smallest)[2]


def _fix_sizes(model: Any, card: Card) -> None:
    """Sizes that the file leaves open become those of the card, so that those of the inner maps are known."""
    pixels = card.input.layout == "pixels"
    shape = (1, 1 if pixels else 3, card.input.height, card.input.width * (3 if pixels else 1))
    given = {tensor.name for tensor in model.graph.initializer}
    sources = [value for value in model.graph.input if value.name not in given]
    for dim, size in zip(sources[0].type.tensor_type.shape.dim, shape, strict=False):
        dim.dim_value = size
    for state in sources[1:]:
        if state.type.tensor_type.shape.dim:
            state.type.tensor_type.shape.dim[0].dim_value = 1
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")  # what is said of them may hold for other sizes only
    del model.graph.value_info[:]


def _pictures(sample: Sample, card: Card) -> list[NDArray[np.uint8]]:
    end_s = np.inf if sample.end_s is None else sample.end_s
    box = max(card.input.width, card.input.height)
    found: list[NDArray[np.uint8]] = []
    try:
        for _, pts_s, pixels in FileSource(sample.file, _FPS, box, box):
            if pts_s >= end_s or len(found) >= _MOST:
                break
            if pts_s >= sample.start_s:
                found.append(pixels)
    except SourceError as error:
        raise InputError(f"clip {sample.file}: {error}") from error
    if not found:
        raise InputError(f"clip {sample.file}: no picture between {sample.start_s:g} s and {end_s:g} s")
    chosen = np.linspace(0, len(found) - 1, min(PICTURES, len(found))).round().astype(int)
    return [found[i] for i in chosen]
