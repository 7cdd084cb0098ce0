"""`streamer models import`: a third-party file becomes a model file with a card, and proves that it works.

Exports at batch 1 often hold that 1 literally in their Reshapes: a larger batch then mixes images without any error.
Import makes such dimensions dynamic and runs the result: a batch must equal its images one by one, or the card says
`dynamic_batch: false`. Called by the command line only; imports onnx and onnxruntime, which nothing else here does.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer import log
from streamer.errors import ModelError
from streamer.models import onnxfile, stem, tensorfile
from streamer.models.card import FAMILIES, STREAMING, Card, Input, load_card, write_card
from streamer.models.labels import COCO80, coco91

logger = log.get(__name__)
_TOLERANCE = 1e-3  # of the largest output; reordered float32 sums differ by about 1e-6 of it


@dataclass(frozen=True, slots=True)
class Origin:
    """What the file itself does not say."""

    family: str
    labels: tuple[str, ...] | None = None
    """None: COCO's, if their number fits."""
    license: str = ""
    source: str = ""
    architecture: str = ""
    """torchvision's builder name, for family torchvision."""


def import_file(file: Path, out: Path, origin: Origin) -> Card:
    """Write a copy of a third-party model file with its card.

    Raises:
        ModelError: the file is unreadable, or not of that family; nothing is written then.
    """
    foreign = [name for name in FAMILIES if name not in ("motion", STREAMING)]
    if origin.family not in foreign:
        known = ", ".join(foreign)
        raise ModelError(f"models import: family {origin.family!r} is not one of {known}")
    if not file.is_file():
        raise ModelError(f"models import: {file}: no such file")
    suffix = ".onnx" if origin.family == "yolox" else ".safetensors"
    if out.suffix != suffix:
        raise ModelError(f"models import: --out must end in {suffix} for family {origin.family}, got {out}")
    if not out.parent.is_dir():
        raise ModelError(f"models import: --out: the folder {out.parent} does not exist")
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".import-") as folder:
        draft = Path(folder) / out.name
        make = _import_yolox if origin.family == "yolox" else _import_torchvision
        write_card(draft, make(file, draft, origin))
        card = load_card(draft)
        draft.replace(out)
    return card


def _import_yolox(file: Path, draft: Path, origin: Origin) -> Card:
    outside = onnxfile.read(file)
    if len(outside.inputs) != 1 or len(outside.outputs) != 1 or len(outside.inputs[0]) != 4:
        raise ModelError(
            f"models import: {file}: family yolox has one image input and one output, the file has "
            f"{outside.inputs} and {outside.outputs}"
        )
    height, width = outside.inputs[0][2:]
    columns = outside.outputs[0][-1]
    if not isinstance(height, int) or not isinstance(width, int) or not isinstance(columns, int):
        raise ModelError(f"models import: {file}: the input size must be fixed, got {outside.inputs[0]}")
    labels = origin.labels or (COCO80 if columns == 5 + len(COCO80) else None)
    anchors = sum((height // s) * (width // s) for s in (8, 16, 32))
    if labels is None or outside.outputs[0][1:] != (anchors, 5 + len(labels)):
        raise ModelError(
            f"models import: {file}: family yolox at {width}x{height} has output (1, {anchors}, 5 + labels), the file "
            f"has {outside.outputs[0]}; give --labels if the classes are not COCO's 80"
        )
    _check_open_grid(file)
    _free_dimensions(file, draft)
    stride = 32 if _rows_can_vary(draft, width) else 0
    layout = Input(width=width, height=height, color="BGR", pad=114, stride=stride)
    dynamic_batch = _batch_equals_singles(draft, height, width)
    quicker = _quicken(draft, layout)
    card = Card(
        task="detection",
        family="yolox",
        labels=labels,
        input=layout.model_copy(update={"layout": "pixels", "color": "RGB"}) if quicker else layout,
        output="columns" if quicker else "rows",
        license=origin.license,
        source=origin.source or file.name,
        made_from_sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        dynamic_batch=dynamic_batch,
    )
    if not card.dynamic_batch:
        logger.warning("models import: %s: a batch differs from its images one by one; it will run at batch 1", file)
    return card


def _check_open_grid(file: Path) -> None:
    """Refuse exports that decode in the graph (`--decode_in_inference`): their boxes would be decoded twice."""
    name, session = _session(file)
    height, width = session.get_inputs()[0].shape[2:]
    (rows,) = session.run(None, {name: np.full((1, 3, height, width), 114, np.float32)})
    far = float(np.abs(rows[0, :, :2]).max())
    if far > 32 or not (rows[..., 4:].min() >= 0 and rows[..., 4:].max() <= 1):
        raise ModelError(
            f"models import: {file}: its boxes are decoded already (centres up to {far:.0f}) or its scores are no "
            "probabilities: export it with decode_in_inference=False"
        )


def _free_dimensions(file: Path, draft: Path) -> None:
    """Copy a model, with a literal batch of 1 in constant Reshape targets replaced by 0 ("as in the input")."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(file))
    graph = model.graph
    targets = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    tensors = [t for t in graph.initializer if t.name in targets]
    for node in graph.node:
        if node.op_type == "Constant" and node.output[0] in targets:
            tensors += [attribute.t for attribute in node.attribute if attribute.name == "value"]
    for tensor in tensors:
        shape = numpy_helper.to_array(tensor).copy()
        if shape.size > 1 and shape[0] == 1:
            shape[0] = 0
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
    for value, names in ((graph.input[0], ("batch", None, "height", "width")), (graph.output[0], ("batch", "anchors"))):
        for dim, name in zip(value.type.tensor_type.shape.dim, names, strict=False):
            if name:
                dim.dim_param = name
    del graph.value_info[:]  # sizes of inner tensors, true only for the old input
    onnx.checker.check_model(model)
    onnx.save(model, str(draft))


def _batch_equals_singles(draft: Path, height: int, width: int) -> bool:
    images = np.random.default_rng(0).integers(0, 256, (4, 3, height, width)).astype(np.float32)
    # columns of noise alone hardly differ after pooling: give each image its own brightness, too
    images *= np.array([0.1, 0.4, 0.7, 1.0], np.float32).reshape(4, 1, 1, 1)
    name, session = _session(draft)
    return _same(lambda: session.run(None, {name: images})[0], [session.run(None, {name: i[None]})[0] for i in images])


def _rows_can_vary(draft: Path, width: int) -> bool:
    """Whether the network also runs on an input of fewer rows, and gives the anchors of that grid."""
    height = 32 * max(1, width // 64)
    name, session = _session(draft)
    try:
        rows = session.run(None, {name: np.zeros((1, 3, height, width), np.float32)})[0]
    except Exception as error:  # the runtime's errors share no base class
        logger.info("models import: the input size stays fixed: %s", error)
        return False
    return bool(rows.shape[1] == sum((height // s) * (width // s) for s in (8, 16, 32)))


def _quicken(draft: Path, layout: Input) -> bool:
    """Let the network take bytes, and leave out its last transposition; kept only if it then says the same."""
    import onnx

    model = onnx.load(str(draft))
    if not (stem.take_pixels(model) and stem.turn_output(model)):
        logger.info("models import: the network's ends are unusual; they stay as they are")
        return False
    quick = draft.with_suffix(".quick.onnx")
    try:
        onnx.checker.check_model(model)
        onnx.save(model, str(quick))
        same = _pixels_equal_planes(draft, quick, (layout.height, layout.width))
    except (onnx.checker.ValidationError, ModelError) as error:
        logger.info("models import: the network's ends stay as they are: %s", error)
        return False
    if same:
        quick.replace(draft)
    return same


def _pixels_equal_planes(old: Path, new: Path, size: tuple[int, int]) -> bool:
    pixels = np.random.default_rng(1).integers(0, 256, (1, *size, 3)).astype(np.uint8)
    pixels[:, size[0] // 2 :] //= 4
    images = np.ascontiguousarray(pixels[..., ::-1].transpose(0, 3, 1, 2)).astype(np.float32)
    (old_name, old_session), (new_name, new_session) = _session(old), _session(new)
    expected = old_session.run(None, {old_name: images})
    return _same(
        lambda: new_session.run(None, {new_name: pixels.reshape(1, 1, size[0], -1)})[0].transpose(0, 2, 1), expected
    )


def _same(batch: Any, singles: list[NDArray[Any]]) -> bool:
    try:
        together = batch()
    except Exception as error:  # the runtime's errors share no base class
        logger.info("models import: no larger batch: %s", error)
        return False
    apart = np.concatenate(singles)
    if together.shape != apart.shape:
        return False
    return float(np.abs(together - apart).max()) <= _TOLERANCE * float(np.abs(apart).max())


def _session(path: Path) -> tuple[str, Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # sizes that were static before make it warn; the comparison tells the truth
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors share no base class
        raise ModelError(f"models import: {path}: the runtime cannot load it: {error}") from error
    return session.get_inputs()[0].name, session


def _import_torchvision(file: Path, draft: Path, origin: Origin) -> Card:
    """A state dict (.pth, loaded without running code from it, or .safetensors) of a torchvision detector."""
    from safetensors.torch import load_file, save_file

    from streamer.models.torchvision import build, input_of

    if file.suffix == ".safetensors":
        tensorfile.read(file)
        state = load_file(str(file))
    else:
        import torch

        try:
            state = torch.load(str(file), map_location="cpu", weights_only=True)
        except Exception as error:  # unpickling raises whatever it likes
            raise ModelError(f"models import: {file}: not a state dict that loads without code: {error}") from error
    labels = origin.labels or coco91()
    try:
        build(origin.architecture, len(labels), state)
    except ModelError as error:
        hint = "" if origin.labels else "; give --labels, with background first, if the classes are not COCO's"
        raise ModelError(f"models import: {file}: {error}{hint}") from error
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, str(draft))
    return Card(
        task="detection",
        family="torchvision",
        architecture=origin.architecture,
        labels=labels,
        input=input_of(origin.architecture),
        dynamic_batch=True,
        license=origin.license,
        source=origin.source or file.name,
        made_from_sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
    )
