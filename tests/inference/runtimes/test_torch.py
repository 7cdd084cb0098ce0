"""torch: frames prepared on the device equal those prepared by numpy; CUDA only where there is one."""

import numpy as np
import pytest
import torch

from streamer.errors import ModelError
from streamer.inference.loaded import load
from streamer.inference.picture import Picture
from streamer.inference.runtimes import Plan
from streamer.inference.runtimes.onnxgraph import OnnxGraph
from streamer.inference.runtimes.torch import LoadedTorch, device_of
from streamer.inference.settings import ModelSpec
from streamer.models.card import load_card
from streamer.models.detector import Overrides
from streamer.models.importer import Origin, import_file
from streamer.models.yolox import YoloX
from tests.models.tiny import LABELS, picture, tiny_yolox

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU that torch can use")


def smooth(width, height, seed=0):
    """A picture with structure at the scale of a camera's, not white noise."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.random((1, 3, 9, 16)).astype(np.float32) * 255)
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)
    return fine[0].permute(1, 2, 0).clamp(0, 255).round().byte().numpy()


def as_pixels(planes):
    """(n, 3, h, w) as rows of interleaved colors, (n, 1, h, 3 w)."""
    pixels = planes.permute(0, 2, 3, 1).contiguous().numpy()
    return pixels.reshape(len(pixels), 1, pixels.shape[1], -1)


@pytest.fixture
def loaded(tiny):
    return load(tiny, load_card(tiny.file), Plan("torch"))


@pytest.mark.parametrize(("width", "height"), [(64, 36), (64, 64), (36, 64)])
def test_a_frame_that_fits_is_prepared_exactly_alike(loaded, tiny, width, height):
    numpy_side = YoloX(load_card(tiny.file), Overrides())
    frames = [smooth(width, height, seed) for seed in range(3)]
    box = numpy_side.canvas((width, height))
    device_side = loaded.prepare(torch.from_numpy(np.stack(frames)), box)
    assert np.array_equal(as_pixels(device_side), numpy_side.prepare(frames, [box] * 3, None))
    assert device_side.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("width", "height"), [(128, 72), (80, 60), (32, 18)])
def test_a_frame_that_is_scaled_differs_by_rounding_only(loaded, tiny, width, height):
    """Stated tolerance: one level of 255 at most, in few pixels (fixed-point against float weights)."""
    numpy_side = YoloX(load_card(tiny.file), Overrides())
    frame = smooth(width, height)
    box = numpy_side.canvas((width, height))
    device_side = as_pixels(loaded.prepare(torch.from_numpy(frame[None]), box))
    difference = np.abs(device_side - numpy_side.prepare([frame], [box], None))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.1


def test_normalization_on_the_device(tiny):
    card = load_card(tiny.file)
    spec = card.input.model_copy(
        update={"layout": "planes", "color": "RGB", "scale": 1 / 255, "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.5, 1)}
    )
    card = card.model_copy(update={"input": spec})
    loaded = LoadedTorch(tiny, card, Plan("torch"))
    numpy_side = YoloX(card, Overrides())
    frame = smooth(64, 36)
    box = numpy_side.canvas((64, 36))
    device_side = loaded.prepare(torch.from_numpy(frame[None]), box).numpy()
    assert np.allclose(device_side, numpy_side.prepare([frame], [box], None), atol=1e-5)


def test_the_graph_is_that_of_onnx_runtime(tiny):
    import onnxruntime

    frames = np.stack([smooth(64, 32, seed) for seed in range(3)])
    expected = onnxruntime.InferenceSession(str(tiny.file), providers=["CPUExecutionProvider"]).run(
        None, {"images": frames.reshape(3, 1, 32, -1)}
    )[0]
    with torch.inference_mode():
        (rows,) = OnnxGraph(tiny.file)(torch.from_numpy(frames).permute(0, 3, 1, 2).float())
    assert np.allclose(rows.numpy(), expected, atol=1e-5)


def test_an_unknown_operator_is_refused_by_name(tmp_path):
    source = tiny_yolox(tmp_path / "odd.onnx", operator="Erf")
    with pytest.raises(ModelError, match="operator Erf cannot be run by torch"):
        OnnxGraph(source)


def test_only_families_that_it_knows(tiny):
    card = load_card(tiny.file)
    with pytest.raises(ModelError, match="cannot be run by torch"):
        LoadedTorch(ModelSpec("m", "motion"), card, Plan("torch"))


def test_devices(monkeypatch):
    assert device_of(Plan("torch"), "m").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_of(Plan("torch", device="cuda:1"), "m").index == 1
    with pytest.raises(ModelError, match="there are 2 GPUs, from 0"):
        device_of(Plan("torch", device="cuda:2"), "m")


def test_real_weights_say_the_same_as_onnx_runtime(shared_data, tmp_path):
    """yolox_nano on real frames: boxes within a thousandth of the frame, scores within 0.001."""
    from tests.inference.accuracy import campus

    file = tmp_path / "nano.onnx"
    card = import_file(shared_data / "weights" / "yolox_nano.onnx", file, Origin("yolox"))
    spec = ModelSpec("nano", file, Overrides(confidence=0.2))
    frames, _ = campus(shared_data, every=100)
    pictures = [Picture("campus", 1, frame.time, frame.pixels) for frame in frames]
    ours = load(spec, card, Plan("torch")).run(pictures)
    reference = load(spec, card, Plan("onnxruntime")).run(pictures)
    assert sum(len(found) for found in reference) > 10
    for one, other in zip(ours, reference, strict=True):
        assert one.label_ids.tolist() == other.label_ids.tolist()
        assert np.allclose(one.boxes, other.boxes, atol=1e-3)
        assert np.allclose(one.confidence, other.confidence, atol=1e-3)


def test_nothing_is_read_from_the_device_before_the_end(shared_data, tmp_path):
    """A CUDA graph cannot be captured otherwise. Tensors of device `meta` have no values: reading one raises."""
    file = tmp_path / "nano.onnx"
    card = import_file(shared_data / "weights" / "yolox_nano.onnx", file, Origin("yolox"))
    loaded = LoadedTorch(ModelSpec("nano", file), card, Plan("torch"))
    loaded._network.to("meta")
    loaded._mean, loaded._std = loaded._mean.to("meta"), loaded._std.to("meta")
    box = loaded._family.canvas((320, 180))
    with torch.inference_mode():
        rows, places = loaded._compute(torch.empty((4, 180, 320, 3), dtype=torch.uint8, device="meta"), box)
    assert rows.shape == (4, 300, 85)
    assert places.shape == (4, 300)


@needs_gpu
@pytest.mark.parametrize(("precision", "tolerance"), [("f32", 2e-3), ("f16", 2e-2)])
def test_cuda_says_the_same_as_the_cpu(tiny, precision, tolerance):
    """Batches of all sizes, twice each: captured, then replayed."""
    card = load_card(tiny.file)
    gpu = load(tiny, card, Plan("torch", device="cuda:0", precision=precision, batch=8))
    gpu.warm_up()
    cpu = load(tiny, card, Plan("onnxruntime"))
    for _ in range(2):
        for count in (1, 3, 5, 8):
            pictures = [Picture("c", 1, 0.0, picture((i % 8, i // 3))) for i in range(count)]
            for one, other in zip(gpu.run(pictures), cpu.run(pictures), strict=True):
                assert np.allclose(one.boxes, other.boxes, atol=tolerance)
                assert np.allclose(one.confidence, other.confidence, atol=tolerance)
    assert len(gpu._graphs) <= 8, "sizes of 1, 2, 4 and 8, of warm-up's frames and of these"


def test_labels_of_the_tiny_model(loaded):
    (found,) = loaded.run([Picture("c", 1, 0.0, picture((1, 1)))])
    assert found.labels == LABELS
