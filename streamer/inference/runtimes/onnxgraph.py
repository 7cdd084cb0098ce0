"""An ONNX file as a torch module, so that torch runs the same file on a GPU as the CPU runtimes do.

It knows the operators of convolutional detectors with their weights inside, and refuses any other by name: a wrong
answer would be worse than none. Equal to ONNX Runtime within float32 rounding (tested). Used by `runtimes.torch`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from streamer.errors import ModelError
from streamer.models.stem import take_planes

Attributes = Mapping[str, Any]
Operation = Callable[[Sequence[Any], Attributes], Tensor]


class OnnxGraph(nn.Module):  # type: ignore[misc]  # torch is followed by no type checker here
    """The nodes of a graph, run in the file's order. It takes planes, also where the file takes pixels.

    Raises:
        ModelError: the file uses an operator or attribute that is not known here.
    """

    def __init__(self, file: Path):
        super().__init__()
        import onnx
        from onnx import helper, numpy_helper

        model = onnx.load(str(file))
        take_planes(model)  # channels are cheap to deal out on a device, and its convolutions want them apart
        graph = model.graph
        constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._nodes: list[tuple[Operation, list[Any], str, Attributes]] = []
        self._inputs = [value.name for value in graph.input if value.name not in constants]
        self._outputs = [value.name for value in graph.output]
        for node in graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "Constant":
                constants[node.output[0]] = numpy_helper.to_array(attributes["value"])
                continue
            if node.op_type not in _OPERATIONS or len(node.output) != 1:
                raise ModelError(f"model {file}: operator {node.op_type} cannot be run by torch; use device cpu")
            sources = [self._source(name, i, node.op_type, constants) for i, name in enumerate(node.input)]
            self._nodes.append((_OPERATIONS[node.op_type], sources, node.output[0], attributes))
        self._last_use = {
            source.name: i
            for i, (_, sources, _, _) in enumerate(self._nodes)
            for source in sources
            if _is_value(source)
        }

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        """The graph's outputs."""
        values: dict[str, Any] = dict(zip(self._inputs, inputs, strict=True))
        for i, (operation, sources, output, attributes) in enumerate(self._nodes):
            values[output] = operation([self._resolve(source, values) for source in sources], attributes)
            for source in sources:
                if _is_value(source) and self._last_use[source.name] == i and source.name not in self._outputs:
                    values.pop(source.name, None)  # memory is needed again
        return [values[name] for name in self._outputs]

    def _source(self, name: str, position: int, operator: str, constants: Mapping[str, Any]) -> Any:
        """Where an input comes from: another node, a weight (a buffer), or plain numbers.

        Shapes, factors and bounds are numbers: read from the device they would stop it, and no CUDA graph could be
        captured.
        """
        if not name:
            return None
        if name not in constants:
            return _Value(name)
        if operator in ("Reshape", "Resize", "Slice") and position > 0:
            return constants[name].tolist()
        own = f"weight_{len(list(self.buffers()))}"
        self.register_buffer(own, torch.from_numpy(constants[name].copy()), persistent=False)
        return _Weight(own)

    def _resolve(self, source: Any, values: Mapping[str, Any]) -> Any:
        if isinstance(source, _Value):
            return values[source.name]
        return getattr(self, source.name) if isinstance(source, _Weight) else source


@dataclass(frozen=True, slots=True)
class _Value:
    """The output of another node."""

    name: str


@dataclass(frozen=True, slots=True)
class _Weight:
    """A buffer of the module."""

    name: str


def _is_value(source: Any) -> bool:
    return isinstance(source, _Value)


def _conv(x: Sequence[Any], a: Attributes) -> Tensor:
    if a.get("auto_pad", b"NOTSET") != b"NOTSET" or x[1].dim() != 4:
        raise ModelError("operator Conv: only two dimensions and explicit padding can be run by torch")
    top, left, bottom, right = a.get("pads", (0, 0, 0, 0))
    source, padding = x[0], (top, left)
    if (top, left) != (bottom, right):
        source, padding = functional.pad(source, (left, right, top, bottom)), (0, 0)
    bias = x[2] if len(x) > 2 else None
    stride, dilation = tuple(a.get("strides", (1, 1))), tuple(a.get("dilations", (1, 1)))
    return functional.conv2d(source, x[1], bias, stride, padding, dilation, a.get("group", 1))


def _max_pool(x: Sequence[Any], a: Attributes) -> Tensor:
    top, left, bottom, right = a.get("pads", (0, 0, 0, 0))
    kernel = tuple(a["kernel_shape"])
    if a.get("ceil_mode", 0) or any(d != 1 for d in a.get("dilations", (1, 1))):
        raise ModelError("operator MaxPool: ceil_mode and dilations cannot be run by torch here")
    padded = functional.pad(x[0], (left, right, top, bottom), value=float("-inf"))
    return functional.max_pool2d(padded, kernel, tuple(a.get("strides", (1, 1))))


def _slice(x: Sequence[Any], a: Attributes) -> Tensor:
    starts, ends = x[1], x[2]
    axes = x[3] if len(x) > 3 and x[3] is not None else range(len(starts))
    steps = x[4] if len(x) > 4 and x[4] is not None else [1] * len(starts)
    index = [slice(None)] * x[0].dim()
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        index[axis] = slice(start, end, step)
    sliced: Tensor = x[0][tuple(index)]
    return sliced


def _resize(x: Sequence[Any], a: Attributes) -> Tensor:
    nearest = a.get("mode", b"nearest") == b"nearest" and a.get("nearest_mode") == b"floor"
    if not nearest or a.get("coordinate_transformation_mode") != b"asymmetric" or len(x) > 3:
        raise ModelError("operator Resize: only nearest, floor, asymmetric by factors can be run by torch")
    return functional.interpolate(x[0], scale_factor=tuple(x[2][2:]), mode="nearest")


def _reshape(x: Sequence[Any], a: Attributes) -> Tensor:
    shape = [x[0].shape[i] if n == 0 else n for i, n in enumerate(x[1])]
    reshaped: Tensor = x[0].reshape(shape)
    return reshaped


def _concat(x: Sequence[Any], a: Attributes) -> Tensor:
    return torch.cat(list(x), dim=a["axis"])


def _transpose(x: Sequence[Any], a: Attributes) -> Tensor:
    permuted: Tensor = x[0].permute(tuple(a["perm"]))
    return permuted


_OPERATIONS: dict[str, Operation] = {
    "Add": lambda x, a: x[0] + x[1],
    "Concat": _concat,
    "Conv": _conv,
    "LeakyRelu": lambda x, a: functional.leaky_relu(x[0], a.get("alpha", 0.01)),
    "MaxPool": _max_pool,
    "Mul": lambda x, a: x[0] * x[1],
    "Relu": lambda x, a: torch.relu(x[0]),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": lambda x, a: torch.sigmoid(x[0]),
    "Slice": _slice,
    "Transpose": _transpose,
}
