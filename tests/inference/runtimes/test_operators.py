"""Each ONNX operator as torch says the same as ONNX Runtime; what is not known is refused by name."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from streamer.errors import ModelError
from streamer.inference.runtimes import Plan
from streamer.inference.runtimes.onnxgraph import OnnxGraph
from streamer.inference.runtimes.onnxruntime import OnnxRuntime

F32, I64 = np.float32, np.int64
CASES = {
    "Abs": ("Abs", [], {}),
    "AveragePool": ("AveragePool", [], {"kernel_shape": [2, 2], "strides": [2, 2]}),
    "BatchNormalization": ("BatchNormalization", [np.arange(1, 5, dtype=F32)] * 4, {"epsilon": 1e-3}),
    "Clip": ("Clip", [np.array(-0.5, F32), np.array(0.5, F32)], {}),
    "Clip above": ("Clip", [np.array(0.2, F32)], {}),
    "Div": ("Div", [np.array(3.0, F32)], {}),
    "Flatten": ("Flatten", [], {}),
    "Gather one": ("Gather", [np.array(-1, I64)], {"axis": 1}),
    "Gather some": ("Gather", [np.array([2, 0], I64)], {"axis": 1}),
    "GlobalAveragePool": ("GlobalAveragePool", [], {}),
    "HardSigmoid": ("HardSigmoid", [], {"alpha": 1 / 6, "beta": 0.5}),
    "HardSwish": ("HardSwish", [], {}),
    "MatMul": ("MatMul", [np.linspace(-1, 1, 30, dtype=F32).reshape(6, 5)], {}),
    "Neg": ("Neg", [], {}),
    "Pow": ("Pow", [np.array(2.0, F32)], {}),
    "ReduceMax": ("ReduceMax", [], {"axes": [2, 3], "keepdims": 0}),
    "ReduceMean": ("ReduceMean", [], {"axes": [2, 3], "keepdims": 0}),
    "ReduceMean of all": ("ReduceMean", [], {}),
    "ReduceSum": ("ReduceSum", [np.array([1], I64)], {"keepdims": 1}),
    "Softmax": ("Softmax", [], {"axis": 1}),
    "Split": ("Split", [np.array([1, 3], I64)], {"axis": 1}),
    "Sub": ("Sub", [np.array(0.25, F32)], {}),
    "Tanh": ("Tanh", [], {}),
    "Unsqueeze": ("Unsqueeze", [np.array([-1, 1], I64)], {}),
}


def model(path, nodes, constants, outputs=("y",), shape=("n", 4, 6, 6)):
    """A file of some nodes from `x` to outputs of any shape."""
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, str(path))
    return path


def agree(file, outputs=("y",), shape=(3, 4, 6, 6)):
    x = np.random.default_rng(0).normal(size=shape).astype(F32)
    wanted = OnnxRuntime(file, Plan("onnxruntime")).run_named({"x": x})
    with torch.inference_mode():
        found = OnnxGraph(file).eval()(torch.from_numpy(x))
    for name, tensor in zip(outputs, found, strict=True):
        assert tensor.shape == wanted[name].shape
        assert np.allclose(tensor.numpy(), wanted[name], atol=1e-6)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_says_the_same_as_onnx_runtime(case, tmp_path):
    operator, more, attributes = case
    constants = {f"c{i}": array for i, array in enumerate(more)}
    outputs = ["y", "z"] if operator == "Split" else ["y"]
    node = helper.make_node(operator, ["x", *constants], outputs, **attributes)
    agree(model(tmp_path / "one.onnx", [node], constants, outputs), outputs)


def test_gemm_and_squeeze(tmp_path):
    constants = {
        "axes": np.array([2, 3], I64),
        "w": np.linspace(-1, 1, 20, dtype=F32).reshape(5, 4),
        "b": np.arange(5, dtype=F32),
    }
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
        helper.make_node("Squeeze", ["pooled", "axes"], ["flat"]),
        helper.make_node("Identity", ["w"], ["shared"]),  # exporters share weights so
        helper.make_node("Gemm", ["flat", "shared", "b"], ["y"], transB=1, alpha=0.5, beta=2.0),
    ]
    agree(model(tmp_path / "gemm.onnx", nodes, constants))


def test_sizes_are_reckoned_in_the_process_and_never_on_the_device(tmp_path):
    """What a traced `chunk` becomes: (size + 1) // 2 as Shape, Gather, Add, Div, Mul, into the bounds of a Slice."""
    constants = {name: np.array([value], I64) for name, value in (("one", 1), ("two", 2), ("zero", 0))}
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["channels"], axis=0),
        helper.make_node("Add", ["channels", "one"], ["more"]),
        helper.make_node("Div", ["more", "two"], ["half"]),
        helper.make_node("Mul", ["half", "one"], ["end"]),
        helper.make_node("Slice", ["x", "zero", "end", "one"], ["y"]),
    ]
    file = model(tmp_path / "sizes.onnx", nodes, constants)
    agree(file)
    graph = OnnxGraph(file)
    assert not list(graph.buffers()), "numbers are no weights"


@pytest.mark.parametrize(
    ("operator", "attributes", "words"),
    [
        ("Squeeze", {}, "Squeeze: without axes"),
        ("AveragePool", {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1]}, "AveragePool: padding"),
        ("Flatten", {"axis": 2}, "Flatten: this axis"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(operator, attributes, words, tmp_path):
    file = model(tmp_path / "odd.onnx", [helper.make_node(operator, ["x"], ["y"], **attributes)], {})
    with pytest.raises(ModelError, match=words):
        OnnxGraph(file)(torch.zeros(1, 4, 6, 6))
