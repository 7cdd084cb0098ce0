"""Embeddings come from the deepest map of any model with a card: detectors and streaming nets alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamer.errors import InputError, ModelError
from streamer.models.card import Card, Head, Input, State, write_card
from streamer.models.importer import Origin, import_file
from streamer.training.encoder import Encoder, deepest_map, embed_all, planes
from streamer.training.samples import Sample
from tests.models.tiny import tiny_yolox
from tests.training.scenes import clip, scene, write


def streaming(path: Path, flat: bool = False) -> Path:
    """A net of one convolution with a state, as behaviours are exported: frame and state in, scores and state out."""
    weights = np.random.default_rng(0).normal(size=(6, 3, 8, 8)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["frame", "w"], ["map"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("GlobalAveragePool", ["map"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["vector"]),
        helper.make_node("Add", ["vector", "memory"], ["memory_next"]),
        helper.make_node("Softmax", ["memory_next"], ["scores"]),
    ]
    if flat:
        nodes = [
            helper.make_node("Flatten", ["frame"], ["vector"]),
            helper.make_node("Softmax", ["vector"], ["scores"]),
        ]
    f = TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info("frame", f, ["batch", 3, 32, 48])]
    outputs = [helper.make_tensor_value_info("scores", f, ["batch", 6])]
    if not flat:
        inputs.append(helper.make_tensor_value_info("memory", f, ["batch", 6]))
        outputs.append(helper.make_tensor_value_info("memory_next", f, ["batch", 6]))
    graph = helper.make_graph(nodes, "net", inputs, outputs, [] if flat else [numpy_helper.from_array(weights, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), str(path))
    labels = tuple("abcdef")
    size = Input(width=48, height=32, scale=1 / 255, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    heads = (Head(name="net", labels=labels, activation="softmax"),)
    state = () if flat else (State(name="memory", shape=(6,)),)
    more = {"fps": 5.0, "heads": heads, "state": state}
    write_card(path, Card(task="behaviour", family="streaming", labels=labels, input=size, **more))
    return path


def test_a_streaming_net(tmp_path: Path) -> None:
    encoder = Encoder(streaming(tmp_path / "net.onnx"))
    one, again, other = (encoder.embed([scene(i)]) for i in (1, 1, 2))
    assert one.shape == (6,)
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(one, again)
    assert not np.allclose(one, other, atol=0.01)
    assert np.allclose(encoder.embed([scene(1), scene(1)]), one, atol=1e-5)


def test_an_imported_detector(tmp_path: Path) -> None:
    import_file(tiny_yolox(tmp_path / "raw.onnx"), tmp_path / "tiny.onnx", Origin("yolox", labels=("bright", "never")))
    encoder = Encoder(tmp_path / "tiny.onnx")
    vector = encoder.embed([scene(1)])
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_clips(tmp_path: Path) -> None:
    encoder = Encoder(streaming(tmp_path / "net.onnx"))
    file = write(tmp_path / "a.mp4", [scene(1)] * 10 + [scene(2)] * 10)
    spans = [(0.0, 1.0), (1.0, None), (0.0, 0.9)]
    told: list[tuple[int, int]] = []
    rows = embed_all(encoder, [Sample(file, "x", "s", *span) for span in spans], lambda *done: told.append(done))
    assert rows.shape == (3, 6)
    assert rows[0] @ rows[2] > 0.999
    assert rows[0] @ rows[1] < rows[0] @ rows[2] - 1e-3
    assert told[-1] == (3, 3)
    with pytest.raises(InputError, match="no picture between 5 s and inf s"):
        embed_all(encoder, [Sample(clip(tmp_path / "b.mp4", 1, 1), "x", "s", 5.0)])
    with pytest.raises(InputError, match=r"clip .*gone\.mp4"):
        embed_all(encoder, [Sample(tmp_path / "gone.mp4", "x", "s")])


def test_what_gives_no_embedding(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no feature map"):
        Encoder(streaming(tmp_path / "flat.onnx", flat=True))
    with pytest.raises(ModelError, match="embeddings come from ONNX files"):
        Encoder(tmp_path / "net.safetensors")
    with pytest.raises(ModelError, match="no such file"):
        Encoder(tmp_path / "gone.onnx")


def test_the_deepest_map_wins(tmp_path: Path) -> None:
    model = onnx.shape_inference.infer_shapes(onnx.load(str(streaming(tmp_path / "net.onnx"))))
    assert deepest_map(model) == "map"  # not what was pooled: 1 x 1 has no place any more


def test_the_input_is_that_of_serving() -> None:
    picture = np.zeros((10, 20, 3), np.uint8)
    picture[..., 0] = 200
    size = Input(width=8, height=8, color="BGR", scale=0.5, mean=(1, 2, 3), std=(2, 2, 2), pad=100)
    made = planes(picture, Card(task="embedding", family="plain", labels=("a",), input=size))
    assert made.shape == (1, 3, 8, 8)
    assert made[0, :, 0, 0].tolist() == [-0.5, -1.0, 48.5]  # blue, green, red
    assert made[0, :, 7, 0].tolist() == [24.5, 24.0, 23.5]  # the letterbox's border, below
    flat = Card(task="embedding", family="plain", labels=("a",), input=Input(width=8, height=8, layout="pixels"))
    assert planes(picture, flat).shape == (1, 1, 8, 24)
    assert planes(picture, flat).dtype == np.uint8
