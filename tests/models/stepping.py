"""A streaming model whose answers can be foretold, as the step that export writes, for tests without any training.

It keeps a running mean of brightness: ``next = 0.5 state + 0.5 mean``; scores are (1 - next, next), so white pictures
drive `bright` up by halves. A second state counts the steps, and a third has the size of a feature map.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streamer.models.card import Card, Input, write_card
from streamer.models.step import Head, State

LABELS = ("dark", "bright")
SIZE = 16


def stepping(path: Path, fps=5.0, warm_frames=3, keep=0.5, labels=LABELS, **changes) -> Path:
    """Write it with its card; the second of the labels is the one that brightness drives up."""
    onnx.save(network(keep), str(path))
    card = {
        "task": "behaviour",
        "family": "streaming",
        "labels": labels,
        "heads": (Head(name="light", labels=labels, activation="softmax"),),
        "input": Input(width=SIZE, height=SIZE, scale=1 / 255, fit="stretch"),
        "state": (
            State(name="mean", shape=(1,)),
            State(name="count", shape=(1, 1)),
            State(name="map", shape=(3, SIZE, SIZE)),
        ),
        "dynamic_batch": True,
        "fps": fps,
        "warm_frames": warm_frames,
        "thresholds": {labels[1]: 0.3},
    }
    write_card(path, Card(**{**card, **changes}))
    return path


def network(keep=0.5):
    nodes, tensors = [], []

    def constant(name, value):
        tensors.append(numpy_helper.from_array(np.array(value, np.float32), name))
        return name

    def node(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))

    node("GlobalAveragePool", ["frame"], "pooled")
    tensors.append(numpy_helper.from_array(np.array([0, -1], np.int64), "flat"))
    node("Reshape", ["pooled", "flat"], "colors")
    node("ReduceMean", ["colors"], "now", axes=[1], keepdims=1)
    node("Mul", ["mean", constant("keep", keep)], "kept")
    node("Mul", ["now", constant("share", 1 - keep)], "fresh")
    node("Add", ["kept", "fresh"], "mean_next")
    node("Sub", [constant("one", 1.0), "mean_next"], "dark")
    node("Concat", ["dark", "mean_next"], "scores", axis=1)
    node("Add", ["count", "one"], "count_next")
    node("Mul", ["map", "keep"], "old_map")
    node("Add", ["old_map", "frame"], "map_next")

    def tensor(name, *shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])

    inputs = [tensor("frame", 3, SIZE, SIZE), tensor("mean", 1), tensor("count", 1, 1), tensor("map", 3, SIZE, SIZE)]
    outputs = [
        tensor("scores", 2),
        tensor("mean_next", 1),
        tensor("count_next", 1, 1),
        tensor("map_next", 3, SIZE, SIZE),
    ]
    graph = helper.make_graph(nodes, "stepping", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)
    onnx.checker.check_model(model)
    return model


def light(level, width=32, height=32):
    """A black uint8 (H, W, 3) picture whose left share is white: mean brightness is that share, 0..1.

    Up to a half is no scene cut against black.
    """
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : round(level * width)] = 255
    return pixels
