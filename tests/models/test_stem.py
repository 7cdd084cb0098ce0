"""First and last layers in another order say the same."""

import numpy as np
import onnx
import onnxruntime
import pytest

from streamer.models.stem import take_pixels, take_planes, turn_output
from tests.models.tiny import picture, tiny_yolox


def run(model, images):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: images})[0]


def bgr(pixels):
    return np.ascontiguousarray(pixels[..., ::-1].transpose(0, 3, 1, 2)).astype(np.float32)


def rgb(pixels):
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).astype(np.float32)


def rows(pixels):
    return pixels.reshape(len(pixels), 1, pixels.shape[1], -1)


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype(np.uint8)


def conv(padded=(1, 1, 1, 1), **attributes):
    """One convolution of random weights, the colors weighing differently, between image and output."""
    weights = np.random.default_rng(1).normal(size=(4, 3, 3, 3)).astype(np.float32)
    node = onnx.helper.make_node(
        "Conv", ["images", "w"], ["output"], kernel_shape=[3, 3], pads=list(padded), **attributes
    )
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [node],
        "conv",
        [onnx.helper.make_tensor_value_info("images", kind, [1, 3, 64, 64])],
        [onnx.helper.make_tensor_value_info("output", kind, [1, 4, None, None])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 11)], ir_version=7)


@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (2, 1)])
@pytest.mark.parametrize("padded", [(1, 1, 1, 1), (0, 2, 1, 0)])
def test_a_convolution_over_bytes(noise, strides, padded):
    model = conv(padded, strides=list(strides))
    before = run(model, bgr(noise))
    assert take_pixels(model)
    onnx.checker.check_model(model)
    assert np.abs(run(model, rows(noise)) - before).max() < 1e-5 * np.abs(before).max()
    take_planes(model)
    model.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, 64, 64]))
    assert np.abs(run(model, rgb(noise)) - before).max() < 1e-5 * np.abs(before).max()


@pytest.mark.parametrize(
    "model",
    [lambda _: conv(dilations=[2, 2]), lambda path: onnx.load(str(tiny_yolox(path / "odd.onnx", operator="Erf")))],
    ids=["dilated", "another operator"],
)
def test_what_is_not_understood_is_not_claimed(tmp_path, model):
    assert not take_pixels(model(tmp_path))


def test_what_has_planes_keeps_them():
    model = conv()
    before = model.SerializeToString()
    take_planes(model)
    assert model.SerializeToString() == before


def test_the_output_is_turned(tmp_path):
    model = onnx.load(str(tiny_yolox(tmp_path / "tiny.onnx")))
    image = bgr(picture((2, 3))[None])
    before = run(model, image)
    assert turn_output(model)
    onnx.checker.check_model(model)
    assert np.array_equal(run(model, image).transpose(0, 2, 1), before)
    assert [dim.dim_value for dim in model.graph.output[0].type.tensor_type.shape.dim] == [1, 7, 84]
    assert not turn_output(model)
    assert not turn_output(conv())


def test_the_focus_of_the_real_one(shared_data):
    model = onnx.load(str(shared_data / "weights" / "yolox_nano.onnx"))
    pixels = np.random.default_rng(2).integers(0, 256, (1, 416, 416, 3)).astype(np.uint8)
    before = run(model, bgr(pixels))
    assert take_pixels(model)
    assert not [node for node in model.graph.node if node.op_type == "Slice"]
    onnx.checker.check_model(model)
    assert np.abs(run(model, rows(pixels)) - before).max() < 1e-3
