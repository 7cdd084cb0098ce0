"""YOLOX in PyTorch says what the released ONNX says, and what is exported from it what it says itself."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from streamer.errors import ModelError
from streamer.models.nets.yolox import Served, Yolox, YoloxSettings, joined
from streamer.models.nets.yoloxfile import load_onnx
from streamer.training.detectorfile import write_plain


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pixels(height, width, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (1, 3, height, width)).astype(np.float32))


@pytest.fixture
def small():
    torch.manual_seed(0)
    return Yolox(YoloxSettings(3, width=0.125)).eval()


def exported(net, path, size=(64, 96)):
    write_plain(net, size, path)
    return path


@pytest.mark.parametrize(("height", "width"), [(64, 96), (256, 416)])
def test_its_output_has_a_column_for_each_anchor(small, height, width):
    with torch.no_grad():
        out = small(pixels(height, width))
    assert out.shape == (1, 5 + 3, sum((height // s) * (width // s) for s in (8, 16, 32)))
    assert torch.isfinite(out).all()


def test_it_is_yolox_nano():
    nano = Yolox(YoloxSettings(80))
    assert sum(value.numel() for value in nano.parameters()) == pytest.approx(0.91e6, rel=0.01)  # the paper's table
    wider = Yolox(YoloxSettings(80, width=0.375, depthwise=False))
    assert sum(value.numel() for value in wider.parameters()) == pytest.approx(5.06e6, rel=0.01)  # YOLOX-Tiny


def test_a_batch_is_its_pictures_one_by_one(small):
    images = [pixels(64, 64, seed) for seed in range(3)]
    with torch.no_grad():
        together = small(torch.cat(images))
        apart = torch.cat([small(image) for image in images])
    assert torch.allclose(together, apart, atol=1e-4)


def test_backbone_and_heads_are_the_whole(small):
    image = pixels(64, 64)
    with torch.no_grad():
        assert torch.equal(joined(small.heads_of(small.backbone(image))), small(image))
    ours = {id(value) for value in small.backbone_parameters()}
    others = [name for name, value in small.named_parameters() if id(value) not in ours]
    assert ours
    pyramid = ("reduce5", "up4", "reduce4", "up3", "shrink3", "down4", "shrink4", "down5", "heads")
    assert {name.split(".")[0] for name in others} == set(pyramid)


def test_batch_normalisation_is_for_training_from_nothing():
    net = Yolox(YoloxSettings(2, width=0.125, norm=True))
    assert any(isinstance(layer, torch.nn.BatchNorm2d) for layer in net.modules())
    out = net.train()(pixels(64, 64).expand(2, -1, -1, -1))
    out.sum().backward()
    assert all(value.grad is not None for value in net.parameters())


def test_its_own_export_reads_back(small, tmp_path):
    path = exported(small, tmp_path / "small.onnx")
    again = load_onnx(path, small.settings)
    image = pixels(64, 96)
    with torch.no_grad():
        assert torch.allclose(again(image), small(image), atol=1e-5)
        said = Served(small)(image).numpy()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert np.allclose(session.run(None, {"images": image.numpy()})[0], said, atol=1e-4)


def test_some_of_its_classes_can_be_kept(small, tmp_path):
    path = exported(small, tmp_path / "small.onnx")
    cut = load_onnx(path, YoloxSettings(2, width=0.125), keep=[2, 0])
    image = pixels(64, 96)
    with torch.no_grad():
        whole, part = small(image), cut(image)
    assert torch.allclose(part[:, :5], whole[:, :5], atol=1e-5)
    assert torch.allclose(part[:, 5:], whole[:, [7, 5]], atol=1e-5)


def test_another_network_is_refused(small, tmp_path):
    path = exported(small, tmp_path / "small.onnx")
    with pytest.raises(ModelError, match=r"convolution 0 is \[\(8, 12, 3, 3\), \(8,\)\], .*16, 12, 3, 3.* is needed"):
        load_onnx(path, YoloxSettings(3))
    with pytest.raises(ModelError, match="113 convolutions, this YOLOX has"):
        load_onnx(path, YoloxSettings(3, width=0.125, depth=1.0))
    model = onnx.load(str(path))
    last = next(tensor for tensor in model.graph.initializer if list(tensor.dims) == [3, 32, 1, 1])
    last.CopyFrom(numpy_helper.from_array(np.zeros((5, 32, 1, 1), np.float32), last.name))
    onnx.save(model, str(tmp_path / "odd.onnx"))
    with pytest.raises(ModelError, match="5, 32, 1, 1"):
        load_onnx(tmp_path / "odd.onnx", small.settings)


def test_the_released_nano_says_the_same(shared_data):
    path = shared_data / "weights" / "yolox_nano.onnx"
    image = pixels(416, 416)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (said,) = session.run(None, {"images": image.numpy()})
    with torch.no_grad():
        ours = Served(load_onnx(path, YoloxSettings(80)))(image).numpy()
    assert np.abs(ours - said).max() < 1e-3
