"""Real streaming nets through every runtime: what training made is what the daemon runs.

Stated tolerance: 1e-4 of a probability over steps of mixed cameras, same label.
"""

import numpy as np
import pytest
import torch

from streamer.inference.loaded import load
from streamer.inference.picture import Picture
from streamer.inference.runtimes import Plan
from streamer.inference.settings import ModelSpec
from streamer.models.card import Input, load_card
from streamer.models.nets.saved import card_for, save
from streamer.models.nets.settings import IMAGENET_MEAN, IMAGENET_STD, NetSettings
from streamer.models.nets.streaming import StreamingNet
from streamer.models.step import Head
from streamer.models.transforms import fit, normalise
from streamer.training.stepfile import write_onnx

HEADS = (
    Head(name="fight", labels=("normal", "fight")),
    Head(name="signs", labels=("shouting", "running"), activation="sigmoid"),
)
NETS = {
    "shufflenet, tsm, difference": {"motion": "difference", "gather": "mean_max"},
    "mobilenet v3, lstm, ema": {"backbone": "mobilenet_v3_small", "temporal": "lstm", "pooling": "ema"},
}
SHAPE = Input(width=64, height=48, fit="stretch", scale=1 / 255, mean=IMAGENET_MEAN, std=IMAGENET_STD)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU that torch can use")


@pytest.fixture(scope="module", params=NETS.values(), ids=NETS)
def files(request, tmp_path_factory):
    """The same random net as the file that training writes and as the one that export writes."""
    folder = tmp_path_factory.mktemp("net")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = StreamingNet(NetSettings(heads=HEADS, width=64, height=48, hidden=32, **request.param))
    awaken(net)
    card = save(net, card_for(net, thresholds={"fight": 0.5}), folder / "net.safetensors")
    write_onnx(net, card, folder / "net.onnx")
    return folder


def awaken(net):
    """A random net says nearly the same of everything: give it normal statistics, and heads that answer aloud."""
    rng = np.random.default_rng(3)
    picture = stories(rng, 4)
    clips = np.stack([[fit(picture(camera, step), SHAPE) for step in range(3)] for camera in range(4)])
    planes = normalise(clips.reshape(-1, *clips.shape[2:]), SHAPE).reshape(4, 3, 3, 48, 64)
    with torch.no_grad():
        net.train()
        for part in net.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.momentum = None  # the plain mean of what it sees
                part.reset_running_stats()
        for _ in range(2):
            net(torch.from_numpy(planes))
        net.eval()
        logits = net(torch.from_numpy(planes))[0].flatten(0, 1)
        at = 0
        for answer in net.answers:
            part = logits[:, at : at + answer.out_features]
            at += answer.out_features
            gain = 1.5 / part.std(0)
            answer.bias.copy_((answer.bias - part.mean(0)) * gain)
            answer.weight *= gain[:, None]


def stories(rng, cameras):
    """Pictures of cameras: blocks that move over a background of their own, no scene cuts among them."""
    scenes = rng.integers(0, 120, (cameras, 9, 16, 3)).astype(np.uint8)

    def at(camera, step):
        picture = scenes[camera].repeat(10, 0).repeat(10, 1).copy()
        x = (7 * step + 11 * camera) % 130
        picture[20:60, x : x + 30] = (40 * camera + 25 * step) % 256
        return picture

    return at


def run(loaded, cameras=32, steps=64):
    rng = np.random.default_rng(2)
    picture = stories(rng, cameras)
    for step in range(steps):
        chosen = rng.permutation(cameras)[: rng.integers(1, cameras + 1)]
        asked = [Picture(f"c{i}", 1, step / 5, picture(int(i), step)) for i in chosen]
        yield from loaded.run(asked)


def parity(a, b, **size):
    """Largest absolute error between two loaded models, and whether labels agree in every head."""
    worst, spread = 0.0, []
    for one, other in zip(run(a, **size), run(b, **size), strict=True):
        worst = max(worst, float(np.abs(one.values - other.values).max()))
        assert one.values[:2].argmax() == other.values[:2].argmax() or abs(one.values[0] - 0.5) < 1e-3
        assert (one.warm, one.detail) == (other.warm, other.detail)
        spread.append(one.values[1])
    assert np.std(spread) > 0.05, "a model that always says the same proves nothing"
    return worst


def opened(folder, name, runtime, **plan):
    file = folder / name
    return load(ModelSpec("net", file), load_card(file), Plan(runtime, batch=32, **plan))


@pytest.mark.parametrize(("name", "runtime"), [("net.onnx", "torch"), ("net.safetensors", "torch")])
def test_torch_runs_both_files_as_onnx_runtime_runs_one(files, name, runtime):
    assert parity(opened(files, "net.onnx", "onnxruntime"), opened(files, name, runtime), cameras=6, steps=16) < 1e-4


def test_openvino_says_the_same(files):
    assert (
        parity(opened(files, "net.onnx", "onnxruntime"), opened(files, "net.onnx", "openvino"), cameras=6, steps=16)
        < 1e-4
    )


@needs_gpu
@pytest.mark.parametrize(("precision", "tolerance"), [("f32", 2e-3), ("f16", 5e-2)])
def test_a_gpu_says_the_same(files, precision, tolerance):
    """On a GPU float32 convolutions may take TF32; half precision is for choosing it with open eyes."""
    there = opened(files, "net.onnx", "torch", device="cuda:0", precision=precision)
    there.warm_up()
    worst = parity(opened(files, "net.onnx", "onnxruntime"), there)
    print(f"\nCUDA {precision}: max abs error {worst:.1e}")
    assert worst < tolerance
