"""Weights of a YOLOX out of an ONNX file, whoever exported it.

Exporters number folded weights as they like, but a graph lists its convolutions in the order in which they are
computed, and so does `nets.yolox` define its own: the two lists must have the same shapes, one by one, or the file is
of another network. Only training imports this.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from streamer.errors import ModelError
from streamer.models.nets.yolox import Yolox, YoloxSettings


def load_onnx(path: Path, settings: YoloxSettings, keep: Sequence[int] | None = None) -> Yolox:
    """A network with the weights of an ONNX export.

    Args:
        path: a YOLOX export, batch normalisation folded.
        settings: `labels` is the number of classes of the result.
        keep: which of the file's classes become the result's, in that order; None: all.

    Raises:
        ModelError: the file's convolutions are not those of this network.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    arrays = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:  # exporters keep equal tensors once, and let the others be copies
        if node.op_type == "Identity" and node.input[0] in arrays:
            arrays[node.output[0]] = arrays[node.input[0]]
    held = [
        [torch.from_numpy(numpy_helper.to_array(arrays[name]).copy()) for name in node.input[1:]]
        for node in graph.node
        if node.op_type == "Conv" and all(name in arrays for name in node.input[1:])
    ]
    net = Yolox(settings)
    layers = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    classes = {id(head.classes) for head in net.heads}
    if settings.norm or len(held) != len(layers):
        raise ModelError(f"model {path}: {len(held)} convolutions, this YOLOX has {len(layers)}")
    for i, (layer, tensors) in enumerate(zip(layers, held, strict=True)):
        if keep is not None and id(layer) in classes:
            tensors = [tensor[list(keep)] for tensor in tensors]
        want = [tuple(layer.weight.shape), tuple(layer.bias.shape)]
        if [tuple(tensor.shape) for tensor in tensors] != want:
            raise ModelError(f"model {path}: convolution {i} is {[tuple(t.shape) for t in tensors]}, {want} is needed")
        with torch.no_grad():
            layer.weight.copy_(tensors[0])
            layer.bias.copy_(tensors[1])
    net.eval()
    return net
