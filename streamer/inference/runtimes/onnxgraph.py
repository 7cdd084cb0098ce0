"""An ONNX file as a torch module, so that torch runs the same file on a GPU as the CPU runtimes do.

It knows the operators of convolutional detectors and of streaming nets with their weights inside, and refuses any other
by name: a wrong answer would be worse than none. Equal to ONNX Runtime within float32 rounding (tested). Used by
`runtimes.torch` and `runtimes.torchstep`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from streamer.errors import ModelError
from streamer.inference.runtimes.operators import NUMBERS, OPERATIONS, SIZES, Attributes, Operation
from streamer.models.stem import take_planes


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
        self._nodes: list[tuple[Operation, list[Any], list[str], Attributes]] = []
        self.inputs = tuple(value.name for value in graph.input if value.name not in constants)
        self.outputs = tuple(value.name for value in graph.output)
        sizes: set[str] = set()
        for node in graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "Constant":
                constants[node.output[0]] = numpy_helper.to_array(attributes["value"])
                continue
            if node.op_type == "Identity" and node.input[0] in constants:
                constants[node.output[0]] = constants[node.input[0]]
                continue
            if self._counts(node, constants, sizes):
                sizes |= {node.output[0]}
                known = [constants[name] if name in constants else _Value(name) for name in node.input]
                self._nodes.append((SIZES[node.op_type], known, list(node.output), attributes))
                continue
            if node.op_type not in OPERATIONS or (len(node.output) != 1 and node.op_type != "Split"):
                raise ModelError(f"model {file}: operator {node.op_type} cannot be run by torch; use device cpu")
            sources = [self._source(name, i, node.op_type, constants) for i, name in enumerate(node.input)]
            sources = [_Number(it.name) if _is_value(it) and it.name in sizes else it for it in sources]
            self._nodes.append((OPERATIONS[node.op_type], sources, list(node.output), attributes))
        self._last_use = {
            source.name: i
            for i, (_, sources, _, _) in enumerate(self._nodes)
            for source in sources
            if _is_value(source)
        }

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        """The graph's outputs."""
        values: dict[str, Any] = dict(zip(self.inputs, inputs, strict=True))
        for i, (operation, sources, outputs, attributes) in enumerate(self._nodes):
            result = operation([self._resolve(source, values) for source in sources], attributes)
            values.update(zip(outputs, (result,) if isinstance(result, Tensor | np.ndarray) else result, strict=True))
            for source in sources:
                if _is_value(source) and self._last_use[source.name] == i and source.name not in self.outputs:
                    values.pop(source.name, None)  # memory is needed again
        return [values[name] for name in self.outputs]

    @staticmethod
    def _counts(node: Any, constants: Mapping[str, Any], sizes: set[str]) -> bool:
        """Whether a node reckons with sizes of tensors: numbers that stay in this process, not on the device."""
        if node.op_type == "Shape":
            return True
        known = all(name in sizes or (name in constants and constants[name].dtype == np.int64) for name in node.input)
        return node.op_type in SIZES and known and any(name in sizes for name in node.input)

    def _source(self, name: str, position: int, operator: str, constants: Mapping[str, Any]) -> Any:
        """Where an input comes from: another node, a weight (a buffer), or plain numbers.

        Shapes, factors and bounds are numbers: read from the device they would stop it, and no CUDA graph could be
        captured.
        """
        if not name:
            return None
        if name not in constants:
            return _Value(name)
        if operator in NUMBERS and position > 0:
            return constants[name].tolist()
        own = f"weight_{len(list(self.buffers()))}"
        self.register_buffer(own, torch.from_numpy(constants[name].copy()), persistent=False)
        return _Weight(own)

    def _resolve(self, source: Any, values: Mapping[str, Any]) -> Any:
        if isinstance(source, _Value):
            return values[source.name]
        if isinstance(source, _Number):
            return values[source.name].tolist()
        return getattr(self, source.name) if isinstance(source, _Weight) else source


@dataclass(frozen=True, slots=True)
class _Value:
    """The output of another node."""

    name: str


@dataclass(frozen=True, slots=True)
class _Number:
    """Sizes that another node has reckoned."""

    name: str


@dataclass(frozen=True, slots=True)
class _Weight:
    """A buffer of the module."""

    name: str


def _is_value(source: Any) -> bool:
    return isinstance(source, _Value)
