"""Export: the file that is served says what the net says, or is not written."""

import json
import sys

import numpy as np
import onnx
import pytest
import torch

from streamer.cli import main
from streamer.errors import InputError, ModelError
from streamer.inference.runtimes.onnxgraph import OnnxGraph
from streamer.models.card import load_card
from streamer.models.nets.build import build
from streamer.models.nets.saved import card_for, load, save
from streamer.models.nets.settings import Backbone, NetSettings
from streamer.models.step import Head
from streamer.models.transforms import fit, normalise
from streamer.training import parity, quantize
from streamer.training.export import export
from streamer.training.frames import decode
from streamer.training.samples import read_samples
from streamer.training.stepfile import write_onnx
from streamer.training.steppers import OnnxStepper, OpenVinoStepper, TorchStepper, initial_state
from tests.models.nets.making import FALL, FIGHT, clips, made
from tests.training.clips import LABELS, square, write_clips


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def timed_briefly(monkeypatch):
    monkeypatch.setattr(parity, "BUDGET_S", 0.05)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    net = made(double=False, heads=(FIGHT, FALL), motion="difference")
    path = tmp_path_factory.mktemp("net") / "net.safetensors"
    save(net, card_for(net), path)
    return path


def test_onnx_is_proven_and_described(file, tmp_path):
    report = export(file, "onnx", tmp_path / "net.onnx")
    assert report.parity.same
    assert report.parity.max_error < 1e-5
    assert report.parity.state_error < 1e-4
    assert report.parity.longest == 64
    assert report.parity.answers == 680 * 3
    assert report.after.size_bytes == pytest.approx((tmp_path / "net.onnx").stat().st_size, abs=5000)  # less its card
    assert set(report.after.step_ms) == set(report.before.step_ms) == {1, 8}
    assert "largest error" in str(report)
    card = load_card(tmp_path / "net.onnx", "behaviour")
    assert card.training["export"]["parity"]["steps"] == 680
    assert card.state == load_card(file).state
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


KINDS = [(backbone, "tsm") for backbone in Backbone.__args__]
KINDS += [("shufflenet_v2_x0_5", "gru"), ("mobilenet_v3_small", "lstm")]


@pytest.mark.parametrize(("backbone", "temporal"), KINDS)
def test_every_net_says_the_same_in_every_runtime(backbone, temporal, tmp_path):
    """ONNX Runtime, OpenVINO, and the graph as torch runs it on a device."""
    pooling = "ema" if temporal == "gru" else "mean"
    motion = "none" if backbone == "yolox_nano" else "difference"
    net = made(double=False, backbone=backbone, temporal=temporal, pooling=pooling, motion=motion, gather="mean_max")
    card = write_onnx(net, card_for(net), tmp_path / "net.onnx")
    steppers = [kind(tmp_path / "net.onnx", card) for kind in (OnnxStepper, OpenVinoStepper)]
    graph = OnnxGraph(tmp_path / "net.onnx").eval()
    reference, states = TorchStepper(net), [initial_state(card, 3) for _ in range(4)]
    for frame in clips(4, 3).float().numpy():
        expected, states[0] = reference.step(frame, states[0])
        for i, stepper in enumerate(steppers, 1):
            scores, states[i] = stepper.step(frame, states[i])
            np.testing.assert_allclose(scores, expected, atol=1e-4)
        with torch.inference_mode():
            scores, *following = graph(torch.from_numpy(frame), *map(torch.from_numpy, states[3]))
        np.testing.assert_allclose(scores.numpy(), expected, atol=1e-4)
        states[3] = [tensor.numpy() for tensor in following]


def test_a_graph_holds_no_shapes_that_are_read_from_tensors(tmp_path):
    """They would be computed anew at each step; a step has sizes that are known."""
    for temporal in ("tsm", "lstm"):
        net = made(double=False, temporal=temporal, motion="difference")
        write_onnx(net, card_for(net), tmp_path / "net.onnx")
        kinds = [node.op_type for node in onnx.load(str(tmp_path / "net.onnx")).graph.node]
        assert kinds.count("Shape") <= 2


def test_openvino(file, tmp_path):
    report = export(file, "openvino", tmp_path / "net.xml")
    assert report.parity.same
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.bin", "net.xml"]
    import openvino

    said = openvino.Core().read_model(str(tmp_path / "net.xml")).get_rt_info(["streamer"]).astype(str)
    assert json.loads(said)["labels"] == ["calm", "fight", "falling", "lying"]


def test_eight_bits(file, tmp_path, capsys):
    pytest.importorskip("nncf", reason="needs nncf: pip install 'streamer[train]'")
    folder = write_clips(tmp_path / "clips", each=2, count=10)
    (folder / "calm" / "broken.mp4").write_bytes(b"no video")
    net, card = load(file)
    look = [[normalise(fit(one, card.input)[None], card.input)[0] for one in square(label, 7, 8)] for label in LABELS]
    with torch.no_grad():  # its normalization must know pictures, not noise: ranges are measured on pictures
        net.train()(torch.from_numpy(np.array(look)))
    file = tmp_path / "net.safetensors"
    save(net.eval(), card_for(net), file)
    out = tmp_path / "net.onnx"
    assert main(["export", str(file), "--int8", "--calibrate", str(folder), "--out", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["precision"] == "int8"
    assert report["after"]["size_bytes"] < 0.5 * report["before"]["size_bytes"]
    card = load_card(out, "behaviour")
    assert card.training["export"]["precision"] == "int8"
    kinds = [node.op_type for node in onnx.load(str(out)).graph.node]
    assert kinds.count("DequantizeLinear") > 20
    nodes = onnx.load(str(out)).graph.node
    restored = {output for node in nodes if node.op_type == "DequantizeLinear" for output in node.output}
    first, *others = [node for node in nodes if node.op_type == "Conv"]
    assert not restored & set(first.input)  # colors and small differences would share one scale
    assert all(node.input[1] in restored for node in others)
    assert np.isfinite(report["parity"]["state_error"])
    # it runs as any net does; how far it is off, its report says (random weights are the hardest to round)
    pictures = [np.stack([fit(one, card.input) for one in square("jumpy", seed, 6)]) for seed in (50, 51, 52)]
    frames = np.stack([normalise(film, card.input) for film in pictures])
    stepper, state = OnnxStepper(out, card), initial_state(card, 3)
    for i in range(6):
        scores, state = stepper.step(np.ascontiguousarray(frames[:, i]), state)
        np.testing.assert_allclose(scores[:, :2].sum(axis=1), 1.0, atol=1e-5)
        assert ((scores >= 0) & (scores <= 1)).all()
    assert 0 < report["parity"]["max_error"] < 1


@pytest.mark.parametrize("motion", ["none", "difference"])
def test_eight_bits_keep_what_trained_weights_say(motion, shared_data, tmp_path, monkeypatch):
    """On frames of real cameras, in both runtimes; a net of random weights would say nothing about it."""
    pytest.importorskip("nncf", reason="needs nncf: pip install 'streamer[train]'")
    monkeypatch.setattr(quantize, "FRAMES", 120)
    monkeypatch.setattr(quantize, "_A_CLIP", 8)
    torch.manual_seed(0)
    head = Head(name="any", labels=tuple("abcdefgh"), activation="sigmoid")
    settings = NetSettings(heads=(head,), motion=motion, last_conv=False)
    net = build(settings, shared_data / "weights" / "shufflenetv2_x05_backbone.safetensors").eval()
    card = write_onnx(net, card_for(net), tmp_path / "net.onnx")
    samples = read_samples(shared_data / "fights")
    films = [decode(sample, card.input, 5.0)[:8] for sample in samples[5::25]]
    frames = np.stack([normalise(film, card.input) for film in films if len(film) == 8])
    with torch.no_grad():
        expected = net.activate(net(torch.from_numpy(frames))[0]).numpy()
    quantize.quantize(tmp_path / "net.onnx", card, shared_data / "fights", tmp_path / "small.onnx")
    for kind in (OnnxStepper, OpenVinoStepper):
        stepper, state, rows = kind(tmp_path / "small.onnx", card), initial_state(card, len(frames)), []
        for i in range(8):
            scores, state = stepper.step(np.ascontiguousarray(frames[:, i]), state)
            rows.append(scores)
        for label, said in enumerate(np.stack(rows, 1).transpose(2, 0, 1)):
            assert np.corrcoef(said.ravel(), expected[..., label].ravel())[0, 1] > 0.9


def test_eight_bits_need_clips_that_can_be_read(file, tmp_path):
    pytest.importorskip("nncf", reason="needs nncf: pip install 'streamer[train]'")
    for label in ("calm", "jumpy"):
        (tmp_path / "clips" / label).mkdir(parents=True)
        (tmp_path / "clips" / label / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match="none of its 2 clips can be read"):
        export(file, "onnx", tmp_path / "net.onnx", int8=True, calibrate=tmp_path / "clips")
    assert [path.name for path in tmp_path.iterdir()] == ["clips"]


def test_eight_bits_without_nncf(file, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(ModelError, match=r"needs nncf, which is not installed; run: pip install 'streamer\[train\]'"):
        export(file, "onnx", tmp_path / "net.onnx", int8=True, calibrate=tmp_path)


def test_tensorrt_is_refused_where_there_is_none(file, tmp_path):
    import onnxruntime

    if "TensorrtExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has TensorRT")
    with pytest.raises(ModelError, match="has no TensorrtExecutionProvider"):
        export(file, "tensorrt", tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_differs_is_not_written(file, tmp_path, monkeypatch):
    honest = OnnxStepper.step

    def forgetful(self, frame, state):
        scores, following = honest(self, frame, state)
        return scores, [np.zeros_like(tensor) for tensor in following]

    monkeypatch.setattr(OnnxStepper, "step", forgetful)
    with pytest.raises(ModelError, match=r"differs from its net: .* Nothing was written"):
        export(file, "onnx", tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_parity_sees_a_batch_that_mixes_cameras(file):
    net, card = load(file)
    batches = parity.schedule(steps=12)
    reference = parity.reference_of(net, card, batches)

    class Mixing(TorchStepper):
        def step(self, frame, state):
            scores, following = super().step(frame, state)
            return scores, [np.roll(tensor, 1, 0) for tensor in following]

    assert parity.compare(reference, TorchStepper(net), card, batches).same
    mixed = parity.compare(reference, Mixing(net), card, batches)
    assert mixed.state_error > 0.1
    assert not mixed.same


def test_the_schedule_mixes_one_to_thirty_two_cameras():
    batches = parity.schedule()
    assert len(batches) == 64
    assert {len(batch) for batch in batches} == {1, 2, 3, 5, 8, 13, 21, 32}
    assert all(0 in batch and len(set(batch.tolist())) == len(batch) for batch in batches)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "tflite", "--out", "x.onnx"], "--to must be one of onnx, openvino, tensorrt"),
        (["--out", "x.xml"], "must end in .onnx for --to onnx"),
        (["--to", "openvino", "--out", "x.onnx"], "must end in .xml"),
        (["--out", "absent/x.onnx"], "the folder absent does not exist"),
        (["--int8", "--out", "x.onnx"], "--int8 needs --calibrate FOLDER"),
        (["--calibrate", ".", "--out", "x.onnx"], "--calibrate is for --int8"),
        (["--int8", "--calibrate", "none", "--out", "x.onnx"], "--calibrate none: no such folder"),
        (["--int8", "--calibrate", ".", "--to", "tensorrt", "--out", "x.onnx"], "--int8 is for onnx and openvino"),
    ],
)
def test_options_that_do_not_go_together(file, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(file), *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_only_trained_weights_are_exported(file, tmp_path, capsys):
    made_file = tmp_path / "net.onnx"
    net, card = load(file)
    write_onnx(net, card, made_file)
    assert main(["export", str(made_file), "--out", str(tmp_path / "again.onnx")]) == 2
    assert "a net is made from a .safetensors file" in capsys.readouterr().err
    with pytest.raises(InputError, match="must end in"):
        export(file, "onnx", tmp_path / "net.pt")
    with pytest.raises(ModelError, match="training mode"):
        write_onnx(net.train(), card, made_file)


def test_info_tells_what_a_streaming_model_is(file, tmp_path, capsys):
    assert main(["models", "info", str(file)]) == 0
    said = capsys.readouterr().out
    for words in ("frame, previous 1x48x64, age 1, shift_0", "bytes a camera", "GMACs a frame", "M parameters"):
        assert words in said
    assert "after 9 frames, 1.8 s" in said
    assert "fall: falling, lying (sigmoid)" in said
