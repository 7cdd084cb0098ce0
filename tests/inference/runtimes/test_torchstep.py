"""States in a slab on a torch device: pictures prepared as everywhere, room for more cameras, CUDA where there is."""

import numpy as np
import pytest
import torch

from streamer.inference.behaviour import LoadedBehaviour
from streamer.inference.picture import Picture
from streamer.inference.runtimes import Plan
from streamer.inference.runtimes.torchstep import TorchStepper
from streamer.inference.settings import ModelSpec
from streamer.models.card import Input, load_card
from streamer.models.transforms import normalise
from tests.models.stepping import SIZE, stepping

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU that torch can use")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return stepping(tmp_path_factory.mktemp("slab") / "light.onnx")


@pytest.fixture
def stepper(file):
    made = TorchStepper(file, load_card(file), Plan("torch"))
    yield made
    made.close()


def gray(level):
    return np.full((SIZE, SIZE, 3), level, np.uint8)


@pytest.mark.parametrize("color", ["RGB", "BGR"])
def test_pictures_are_prepared_as_by_numpy(tmp_path, color):
    shape = Input(
        width=SIZE, height=SIZE, scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), color=color
    )
    made = TorchStepper(stepping(tmp_path / "m.onnx", input=shape), load_card(tmp_path / "m.onnx"), Plan("torch"))
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3)).astype(np.uint8)
    assert np.allclose(made._prepare(torch.from_numpy(pixels)).numpy(), normalise(pixels, shape), atol=2e-6)


def test_room_grows_and_no_state_is_lost(stepper):
    first = stepper.step([gray(255)], [0])
    assert stepper._rows == 16
    stepper.step([gray(0), gray(255)], [40, 3])
    assert stepper._rows == 42
    assert [len(slab) for slab in stepper._slabs] == [42, 42, 42]
    second = stepper.step([gray(255), gray(255), gray(255)], [0, 3, 40])
    assert first[0, 1] == pytest.approx(0.5)
    assert second[:, 1] == pytest.approx([0.75, 0.75, 0.5])


def test_a_row_that_is_forgotten_is_empty_again(stepper):
    stepper.step([gray(255), gray(255)], [0, 1])
    stepper.forget(0)
    stepper.forget(500)  # never seen
    assert stepper.step([gray(255), gray(255)], [0, 1])[:, 1] == pytest.approx([0.5, 0.75])
    assert float(stepper._slabs[1][1]) == 1
    assert float(stepper._slabs[1][2]) == 2
    assert float(stepper._slabs[1][0]) == 0, "row 0 is nobody's"


@needs_gpu
@pytest.mark.parametrize(("precision", "tolerance"), [("f32", 1e-5), ("f16", 4e-3)])
def test_a_gpu_says_the_same(file, precision, tolerance):
    """64 steps of 1 to 32 mixed cameras, through graphs of every size."""
    card, spec = load_card(file), ModelSpec("light", file)
    here = LoadedBehaviour(spec, card, Plan("onnxruntime", batch=32))
    there = LoadedBehaviour(spec, card, Plan("torch", device="cuda:0", precision=precision, batch=32))
    there.warm_up()
    rng, worst = np.random.default_rng(1), 0.0
    for step in range(64):
        cameras = rng.permutation(32)[: rng.integers(1, 33)]
        pictures = [Picture(f"c{i}", 1, step / 5, rng.integers(0, 60, (40, 64, 3)).astype(np.uint8)) for i in cameras]
        for a, b in zip(here.run(pictures), there.run(pictures), strict=True):
            worst = max(worst, float(np.abs(a.values - b.values).max()))
            assert (a.warm, a.detail) == (b.warm, b.detail)
    print(f"\nlight on CUDA {precision}: max abs error {worst:.1e}")
    assert worst < tolerance


@needs_gpu
def test_a_gpu_keeps_its_graphs_right_when_room_grows(file):
    there = TorchStepper(file, load_card(file), Plan("torch", device="cuda:0"))
    assert there.step([gray(255)], [0])[0, 1] == pytest.approx(0.5)
    assert len(there._graphs) == 1
    there.step([gray(255)], [100])
    assert there.step([gray(255)], [0])[0, 1] == pytest.approx(0.75)
    there.forget(0)
    assert there.step([gray(255), gray(255), gray(255)], [0, 100, 7])[:, 1] == pytest.approx([0.5, 0.75, 0.5])
