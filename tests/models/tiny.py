"""A YOLOX of a few hundred weights whose answers can be foretold, for tests without any data.

Each anchor of stride s is a mean over its s x s cell: a bright cell (255) is an object of the first label, in its
middle and of its size. Exported like the real ones: batch 1, and a literal 1 in its Reshapes.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LABELS = ("bright", "never")


def tiny_yolox(path: Path, size=(64, 64), labels=2, literal=True, decoded=False, operator=None) -> Path:
    """Write it. `size` is (width, height); `operator` puts an unusual node behind the image."""
    width, height = size
    columns = 5 + labels
    nodes, tensors, flat = [], [], []
    source = "images"
    if operator:
        nodes.append(helper.make_node(operator, ["images"], ["odd"]))
        source = "odd"
    for stride in (8, 16, 32):
        weights = np.zeros((columns, 3, stride, stride), np.float32)
        weights[4] = weights[5] = 0.1 / (3 * stride * stride)  # mean brightness, 0..25.5
        bias = np.full(columns, 0.0, np.float32)
        bias[:2] = 300 if decoded else 0.5
        bias[4:6] = -20.0
        bias[6:] = -20.0
        tensors += [numpy_helper.from_array(weights, f"w{stride}"), numpy_helper.from_array(bias, f"b{stride}")]
        nodes.append(
            helper.make_node(
                "Conv",
                [source, f"w{stride}", f"b{stride}"],
                [f"c{stride}"],
                kernel_shape=[stride] * 2,
                strides=[stride] * 2,
            )
        )
        for part, (start, end) in {"box": (0, 4), "odds": (4, columns)}.items():
            bounds = [f"{part}{stride}{name}" for name in ("start", "end", "axis")]
            tensors += [numpy_helper.from_array(np.array([n]), b) for n, b in zip((start, end, 1), bounds, strict=True)]
            nodes.append(helper.make_node("Slice", [f"c{stride}", *bounds], [f"{part}{stride}"]))
        nodes.append(helper.make_node("Sigmoid", [f"odds{stride}"], [f"p{stride}"]))
        nodes.append(helper.make_node("Concat", [f"box{stride}", f"p{stride}"], [f"r{stride}"], axis=1))
        shape = np.array([1 if literal else 0, columns, -1], np.int64)
        tensors.append(numpy_helper.from_array(shape, f"shape{stride}"))
        nodes.append(helper.make_node("Reshape", [f"r{stride}", f"shape{stride}"], [f"f{stride}"]))
        flat.append(f"f{stride}")
    nodes.append(helper.make_node("Concat", flat, ["all"], axis=2))
    nodes.append(helper.make_node("Transpose", ["all"], ["output"], perm=[0, 2, 1]))
    anchors = sum((width // s) * (height // s) for s in (8, 16, 32))
    batch = 1 if literal else "batch"
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, height, width])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, anchors, columns])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def picture(*cells, size=(64, 64), stride=8):
    """A black uint8 (H, W, 3) picture with white cells at (column, row)."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    for column, row in cells:
        pixels[row * stride : (row + 1) * stride, column * stride : (column + 1) * stride] = 255
    return pixels
