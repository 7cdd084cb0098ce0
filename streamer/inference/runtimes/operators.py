"""ONNX operators as torch functions: those of convolutional detectors and of streaming nets.

Each takes an operator's inputs and attributes. What an operator can say and a function here does not do is refused by
name, never computed otherwise. Used by `onnxgraph`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from streamer.errors import ModelError

Attributes = Mapping[str, Any]
Operation = Callable[[Sequence[Any], Attributes], Any]
"""From inputs and attributes to a tensor, or to several."""


def _refuse(operator: str, what: str) -> Tensor:
    raise ModelError(f"operator {operator}: this {what} cannot be run by torch here")


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


def _gemm(x: Sequence[Any], a: Attributes) -> Tensor:
    left = x[0].transpose(0, 1) if a.get("transA", 0) else x[0]
    right = x[1].transpose(0, 1) if a.get("transB", 0) else x[1]
    product = a.get("alpha", 1.0) * (left @ right)
    return product + a.get("beta", 1.0) * x[2] if len(x) > 2 and x[2] is not None else product


def _axes(x: Sequence[Any], a: Attributes) -> tuple[int, ...]:
    """Of an operator that had them as an attribute once and has them as an input now."""
    axes = x[1] if len(x) > 1 and x[1] is not None else a.get("axes", ())
    return tuple(axes) if isinstance(axes, list | tuple) else (axes,)


def _mean(x: Sequence[Any], a: Attributes) -> Tensor:
    axes = _axes(x, a) or tuple(range(x[0].dim()))
    return torch.mean(x[0], axes, keepdim=bool(a.get("keepdims", 1)))


def _squeeze(x: Sequence[Any], a: Attributes) -> Tensor:
    if not _axes(x, a):
        raise ModelError("operator Squeeze: without axes it cannot be run by torch: a batch of one would vanish")
    return torch.squeeze(x[0], _axes(x, a))


def _unsqueeze(x: Sequence[Any], a: Attributes) -> Tensor:
    result = x[0]
    for axis in sorted(axis % (x[0].dim() + len(_axes(x, a))) for axis in _axes(x, a)):
        result = torch.unsqueeze(result, axis)
    return result


def _split(x: Sequence[Any], a: Attributes) -> tuple[Tensor, ...]:
    sizes = x[1] if len(x) > 1 and x[1] is not None else a.get("split")
    if sizes is None:
        parts = torch.chunk(x[0], a["num_outputs"], a.get("axis", 0))
    else:
        parts = torch.split(x[0], list(sizes), a.get("axis", 0))
    return tuple(parts)


def _clip(x: Sequence[Any], a: Attributes) -> Tensor:
    low = x[1] if len(x) > 1 else a.get("min")
    high = x[2] if len(x) > 2 else a.get("max")
    return torch.clamp(x[0], low, high)


def _hard_sigmoid(x: Sequence[Any], a: Attributes) -> Tensor:
    return torch.clamp(x[0] * a.get("alpha", 0.2) + a.get("beta", 0.5), 0, 1)


def _batch_norm(x: Sequence[Any], a: Attributes) -> Tensor:
    return functional.batch_norm(x[0], x[3], x[4], x[1], x[2], eps=a.get("epsilon", 1e-5))


def _average_pool(x: Sequence[Any], a: Attributes) -> Tensor:
    if a.get("ceil_mode", 0) or any(a.get("pads", ())) or a.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise ModelError("operator AveragePool: padding and ceil_mode cannot be run by torch here")
    kernel = tuple(a["kernel_shape"])
    return functional.avg_pool2d(x[0], kernel, tuple(a.get("strides", (1, 1))))


def _max(x: Sequence[Any], a: Attributes) -> Tensor:
    return torch.amax(x[0], _axes(x, a) or tuple(range(x[0].dim())), keepdim=bool(a.get("keepdims", 1)))


def _sum(x: Sequence[Any], a: Attributes) -> Tensor:
    return torch.sum(x[0], _axes(x, a) or tuple(range(x[0].dim())), keepdim=bool(a.get("keepdims", 1)))


def _gather(x: Sequence[Any], a: Attributes) -> Tensor:
    axis, chosen = a.get("axis", 0), x[1]
    if isinstance(chosen, int):
        return x[0].select(axis, chosen)
    return torch.stack([x[0].select(axis, i) for i in chosen], axis)


NUMBERS = (
    "Gather",
    "Clip",
    "ReduceMax",
    "ReduceMean",
    "ReduceSum",
    "Reshape",
    "Resize",
    "Slice",
    "Split",
    "Squeeze",
    "Unsqueeze",
)
"""Operators whose constant inputs behind the first are numbers."""
OPERATIONS: dict[str, Operation] = {
    "Abs": lambda x, a: torch.abs(x[0]),
    "Add": lambda x, a: x[0] + x[1],
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Div": lambda x, a: x[0] / x[1],
    "Flatten": lambda x, a: x[0].flatten(a.get("axis", 1)) if a.get("axis", 1) == 1 else _refuse("Flatten", "axis"),
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda x, a: x[0].mean((2, 3), keepdim=True),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda x, a: functional.hardswish(x[0]),
    "Identity": lambda x, a: x[0],
    "LeakyRelu": lambda x, a: functional.leaky_relu(x[0], a.get("alpha", 0.01)),
    "MatMul": lambda x, a: x[0] @ x[1],
    "MaxPool": _max_pool,
    "Mul": lambda x, a: x[0] * x[1],
    "Neg": lambda x, a: -x[0],
    "Pow": lambda x, a: torch.pow(x[0], x[1]),
    "ReduceMax": _max,
    "ReduceMean": _mean,
    "ReduceSum": _sum,
    "Relu": lambda x, a: torch.relu(x[0]),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": lambda x, a: torch.sigmoid(x[0]),
    "Slice": _slice,
    "Softmax": lambda x, a: torch.softmax(x[0], a.get("axis", -1)),
    "Split": _split,
    "Squeeze": _squeeze,
    "Sub": lambda x, a: x[0] - x[1],
    "Tanh": lambda x, a: torch.tanh(x[0]),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
SIZES: dict[str, Operation] = {
    "Add": lambda x, a: x[0] + x[1],
    "Cast": lambda x, a: x[0],
    "Concat": lambda x, a: np.concatenate(list(x)),
    "Div": lambda x, a: x[0] // x[1],
    "Gather": lambda x, a: np.asarray(np.take(x[0], x[1], a.get("axis", 0))),
    "Mul": lambda x, a: x[0] * x[1],
    "Shape": lambda x, a: np.array(x[0].shape[a.get("start", 0) : a.get("end")], np.int64),
    "Sub": lambda x, a: x[0] - x[1],
    "Unsqueeze": lambda x, a: np.asarray(x[0]).reshape(-1),
}
"""Operators on sizes of tensors, in numpy: exporters write sizes as arithmetic where they mean a number."""
