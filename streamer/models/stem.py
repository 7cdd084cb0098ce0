"""A detector's first layer, rewritten so that it takes pixels as they lie in a camera's frame.

Frames are rows of bytes, red, green and blue in turn. Networks want planes of floats, often blue first, and YOLOX also
deals them out to four quarter-size images (its "focus"). Taking bytes apart costs more than most layers; a convolution
over rows of interleaved bytes is the same sum of products with its weights in another order, so the order goes into the
weights once, at import. On a two-core machine a frame then costs 0.5 ms less of 7.5. Used by `models.importer`,
which proves that the result says the same, and by `runtimes.onnxgraph`, which wants planes back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FLOAT = "/float"  # behind the image's name: its bytes as numbers
_CORNERS = ((0, 0), (1, 0), (0, 1), (1, 1))
"""(row, column) where each of the four quarters begins, in the order in which YOLOX joins them."""


def take_pixels(model: Any) -> bool:
    """Change an ONNX model of float32 (n, 3, h, w) BGR into one of uint8 (n, 1, h, 3 w) RGB, rows of bytes.

    Returns:
        False where something else than a plain convolution or a focus reads the image: drop the model then.
    """
    graph = model.graph
    source = _image(graph)
    weights = {tensor.name: tensor for tensor in graph.initializer}
    _join_focus(graph, source, weights)
    readers = [node for node in graph.node if source in node.input]
    if not readers or not all(_plain(node, weights) and node.input[0] == source for node in readers):
        return False
    for node in readers:
        kernel = _array(weights[node.input[1]])[:, ::-1]  # red first
        out, _, height, width = kernel.shape
        _set_weights(node, weights, kernel.transpose(0, 2, 3, 1).reshape(out, 1, height, 3 * width))
        _scale_columns(node, lambda n: 3 * n)
        node.input[0] = f"{source}{_FLOAT}"
    _take_bytes(graph, source)
    return True


def take_planes(model: Any) -> None:
    """Undo `take_pixels`, but for the color: float (n, 3, h, w) RGB. For devices that deal out channels themselves."""
    graph = model.graph
    source = _image(graph)
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if f"{source}{_FLOAT}" in node.input]:
        kernel = _array(weights[node.input[1]])
        out, _, height, bytes_ = kernel.shape
        _set_weights(node, weights, kernel.reshape(out, height, bytes_ // 3, 3).transpose(0, 3, 1, 2))
        _scale_columns(node, lambda n: n // 3)
        node.input[0] = source
    for node in [node for node in graph.node if f"{source}{_FLOAT}" in node.output]:
        graph.node.remove(node)


def turn_output(model: Any) -> bool:
    """Leave out a last transposition of (n, columns, anchors) to (n, anchors, columns): it moves all, and few are read.

    Returns:
        False where the model ends otherwise, and was left alone.
    """
    graph = model.graph
    name = graph.output[0].name
    last = next(node for node in graph.node if name in node.output)
    readers = [node for node in graph.node if last.input[0] in node.input]
    if last.op_type != "Transpose" or _ints(last, "perm", ()) != (0, 2, 1) or len(readers) != 1:
        return False
    before = next(node for node in graph.node if last.input[0] in node.output)
    before.output[list(before.output).index(last.input[0])] = name
    graph.node.remove(last)
    dims = graph.output[0].type.tensor_type.shape.dim
    anchors, columns = [type(dim).FromString(dim.SerializeToString()) for dim in (dims[1], dims[2])]
    dims[1].CopyFrom(columns)
    dims[2].CopyFrom(anchors)
    return True


def _image(graph: Any) -> str:
    names = {tensor.name for tensor in graph.initializer}
    return str(next(value.name for value in graph.input if value.name not in names))


def _join_focus(graph: Any, source: str, weights: dict[str, Any]) -> None:
    """Slices of every second row and column, joined and convolved: one convolution of twice the kernel and stride."""
    constants = {name: _array(tensor) for name, tensor in weights.items()} | _constants(graph)
    starts: dict[str, tuple[int, int]] = {source: (0, 0)}
    steps: dict[str, tuple[int, int]] = {source: (1, 1)}
    slices = []
    for node in graph.node:
        if node.op_type == "Slice" and node.input[0] in starts and (cut := _half(node, constants)) is not None:
            axis, start = cut
            at, step = starts[node.input[0]], steps[node.input[0]]
            starts[node.output[0]] = (start, at[1]) if axis == 2 else (at[0], start)
            steps[node.output[0]] = (2, step[1]) if axis == 2 else (step[0], 2)
            slices.append(node)
    for joined in [node for node in graph.node if node.op_type == "Concat"]:
        users = [node for node in graph.node if joined.output[0] in node.input]
        if (
            tuple(starts.get(name, (-1, -1)) for name in joined.input) != _CORNERS
            or any(steps[name] != (2, 2) for name in joined.input)
            or len(users) != 1
            or not _plain(users[0], weights)
            or _ints(users[0], "strides", (1, 1)) != (1, 1)
        ):
            continue
        _widen(users[0], source, weights)
        for node in [joined, *slices]:
            graph.node.remove(node)
        return


def _widen(node: Any, source: str, weights: dict[str, Any]) -> None:
    quarters = _array(weights[node.input[1]])
    out, _, height, width = quarters.shape
    kernel = np.zeros((out, 3, 2 * height, 2 * width), np.float32)
    for i, (row, column) in enumerate(_CORNERS):
        kernel[:, :, row::2, column::2] = quarters[:, 3 * i : 3 * i + 3]
    _set_weights(node, weights, kernel)
    pads = _ints(node, "pads", (0, 0, 0, 0))
    _set_ints(node, kernel_shape=kernel.shape[2:], pads=tuple(2 * pad for pad in pads), strides=(2, 2))
    node.input[0] = source


def _half(node: Any, constants: dict[str, NDArray[Any]]) -> tuple[int, int] | None:
    """(axis, start) of a slice that takes every second row or column to the end; else None."""
    if len(node.input) != 5 or not all(name in constants and constants[name].size == 1 for name in node.input[1:]):
        return None
    start, end, axis, step = (int(constants[name].reshape(-1)[0]) for name in node.input[1:])
    return (axis, start) if axis in (2, 3) and start in (0, 1) and step == 2 and end >= 1 << 30 else None


def _plain(node: Any, weights: dict[str, Any]) -> bool:
    """Whether a node is a convolution that can be rewritten; its weights must be its own."""
    return (
        node.op_type == "Conv"
        and len(_ints(node, "kernel_shape", ())) == 2
        and node.input[1] in weights
        and len(weights[node.input[1]].dims) == 4
        and _ints(node, "dilations", (1, 1)) == (1, 1)
        and all(a.i == 1 for a in node.attribute if a.name == "group")
        and all(a.s == b"NOTSET" for a in node.attribute if a.name == "auto_pad")
    )


def _take_bytes(graph: Any, source: str) -> None:
    from onnx import TensorProto, helper

    graph.node.insert(0, helper.make_node("Cast", [source], [f"{source}{_FLOAT}"], to=TensorProto.FLOAT))
    value = next(value for value in graph.input if value.name == source)
    batch, _, height, width = value.type.tensor_type.shape.dim
    sizes = [batch.dim_param or batch.dim_value, 1, height.dim_param or height.dim_value]
    sizes.append(3 * width.dim_value if width.dim_value else "row_bytes")
    value.CopyFrom(helper.make_tensor_value_info(source, TensorProto.UINT8, sizes))


def _array(tensor: Any) -> NDArray[Any]:
    from onnx import numpy_helper

    array: NDArray[Any] = numpy_helper.to_array(tensor)
    return array


def _constants(graph: Any) -> dict[str, NDArray[Any]]:
    return {
        node.output[0]: _array(attribute.t)
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    }


def _set_weights(node: Any, weights: dict[str, Any], kernel: NDArray[Any]) -> None:
    from onnx import numpy_helper

    weights[node.input[1]].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(kernel), node.input[1]))


def _scale_columns(node: Any, scale: Callable[[int], int]) -> None:
    """Change a convolution's geometry along the rows."""
    height, width = _ints(node, "kernel_shape", ())
    top, left, bottom, right = _ints(node, "pads", (0, 0, 0, 0))
    rows, columns = _ints(node, "strides", (1, 1))
    _set_ints(
        node,
        kernel_shape=(height, scale(width)),
        pads=(top, scale(left), bottom, scale(right)),
        strides=(rows, scale(columns)),
    )


def _ints(node: Any, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    return next((tuple(a.ints) for a in node.attribute if a.name == name), default)


def _set_ints(node: Any, **values: tuple[int, ...]) -> None:
    from onnx import helper

    kept = [attribute for attribute in node.attribute if attribute.name not in values]
    del node.attribute[:]
    node.attribute.extend([*kept, *(helper.make_attribute(name, list(value)) for name, value in values.items())])
