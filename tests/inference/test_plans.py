"""How a model is to be run: measured once, then remembered."""

import json
import subprocess

import pytest

from streamer.errors import ModelError
from streamer.inference import plans
from streamer.inference.runtimes import Plan
from streamer.inference.settings import InferenceSettings, ModelSpec
from streamer.models.card import load_card
from streamer.models.registry import card_of


@pytest.fixture
def card(tiny_file):
    return load_card(tiny_file)


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A known machine: two processors, no GPU, both runtimes installed."""
    monkeypatch.setattr(plans, "cpu_count", lambda: 2)
    monkeypatch.setattr(plans, "gpu_present", lambda: False)
    monkeypatch.setattr(plans, "has_bf16", lambda: True)
    monkeypatch.setattr(plans, "_versions", lambda: {"onnxruntime": "1", "openvino": "2"})


@pytest.fixture
def figures(monkeypatch):
    """Figures instead of measurements; the calls that asked for them."""
    calls = []
    table = {("onnxruntime", "f32"): {1: 0.008, 4: 0.0079}, ("openvino", "f32"): {1: 0.009, 4: 0.0085}}

    def measure(file, plan, card):
        calls.append((plan.runtime, plan.precision))
        if isinstance(table.get(calls[-1]), Exception):
            raise table[calls[-1]]
        return table[calls[-1]]

    monkeypatch.setattr(plans, "_measure", measure)
    return calls, table


def test_the_fastest_wins_and_is_remembered(tiny, card, figures, cache):
    calls, table = figures
    first = plans.choose(tiny, card, InferenceSettings())
    assert (first.runtime, first.precision, first.streams, first.threads, first.batch) == (
        "onnxruntime",
        "f32",
        2,
        1,
        1,
    )
    assert "8.0/7.9" in first.reason
    assert "openvino f32 9.0/8.5" in first.reason
    assert len(calls) == 2
    table["openvino", "f32"] = {1: 0.001, 4: 0.001}  # a noisy minute later
    assert plans.choose(tiny, card, InferenceSettings()) == first
    assert len(calls) == 2
    assert (cache / "streamer" / "plans.json").is_file()


def test_streams_are_not_part_of_what_is_remembered(tiny, card, figures):
    plans.choose(tiny, card, InferenceSettings())
    assert plans.choose(tiny, card, InferenceSettings(streams=7)).streams == 7


@pytest.mark.parametrize("change", ["model", "library", "precision", "processor"])
def test_what_makes_old_figures_void(tiny, card, figures, monkeypatch, change):
    calls, table = figures
    table["openvino", "bf16"] = {1: 0.005, 4: 0.005}
    plans.choose(tiny, card, InferenceSettings())
    before = len(calls)
    settings = InferenceSettings()
    if change == "model":
        card = card.model_copy(update={"content_sha256": "other"})
    elif change == "library":
        monkeypatch.setattr(plans, "_versions", lambda: {"onnxruntime": "2", "openvino": "2"})
    elif change == "precision":
        settings = InferenceSettings(precision="auto")
    else:
        monkeypatch.setattr(plans, "_cpu", lambda: ("another", frozenset()))
    plans.choose(tiny, card, settings)
    assert len(calls) > before


def test_reduced_precision_only_when_asked_for(tiny, card, figures):
    calls, table = figures
    table["openvino", "bf16"] = {1: 0.005, 4: 0.005}
    assert plans.choose(tiny, card, InferenceSettings()).precision == "f32"
    assert ("openvino", "bf16") not in calls
    assert plans.choose(tiny, card, InferenceSettings(precision="auto")).precision == "bf16"


def test_a_larger_batch_must_gain(tiny, card, figures):
    _, table = figures
    table["onnxruntime", "f32"] = {1: 0.008, 4: 0.006}
    assert plans.choose(tiny, card, InferenceSettings()).batch == 4


def test_a_runtime_that_fails_is_left_out(tiny, card, figures):
    _, table = figures
    table["onnxruntime", "f32"] = ModelError("onnxruntime f32: no")
    assert plans.choose(tiny, card, InferenceSettings()).runtime == "openvino"
    table["openvino", "f32"] = ModelError("openvino f32: neither")
    with pytest.raises(ModelError, match="no runtime can run it: onnxruntime f32: no; openvino f32: neither"):
        plans.choose(tiny, card.model_copy(update={"content_sha256": "x"}), InferenceSettings())


@pytest.mark.parametrize("content", ["", "nonsense", "[]", '{"KEY": 5}', '{"KEY": {"runtime": "x", "odd": 1}}'])
def test_a_spoilt_cache_is_measured_anew(tiny, card, figures, content):
    path = plans.cache_file()
    path.parent.mkdir(parents=True)
    path.write_text(content.replace("KEY", plans._key(card, InferenceSettings()).replace('"', "")))
    assert plans.choose(tiny, card, InferenceSettings()).runtime == "onnxruntime"
    assert json.loads(path.read_text())


def test_a_cache_that_cannot_be_written_is_no_error(tiny, card, figures, cache, caplog):
    (cache / "streamer").write_text("a file where the folder should be")
    assert plans.choose(tiny, card, InferenceSettings()).runtime == "onnxruntime"
    assert "cannot be kept" in caplog.text


def test_the_cache_is_bounded(tiny, card, figures):
    for i in range(80):
        plans.choose(tiny, card.model_copy(update={"content_sha256": str(i)}), InferenceSettings())
    assert len(json.loads(plans.cache_file().read_text())) <= 64


def test_a_named_runtime_is_not_measured(tiny, card, figures):
    calls, _ = figures
    plan = plans.choose(tiny, card, InferenceSettings(device="openvino", streams=3))
    assert (plan.runtime, plan.precision, plan.streams) == ("openvino", "f32", 3)
    assert plans.choose(tiny, card, InferenceSettings(device="openvino", precision="auto")).precision == "bf16"
    assert plans.choose(tiny, card, InferenceSettings(device="onnxruntime", precision="auto")).precision == "f32"
    assert calls == []


def test_gpus(tiny, card, figures, monkeypatch):
    calls, _ = figures
    plan = plans.choose(tiny, card, InferenceSettings(device="cuda"))
    assert (plan.runtime, plan.device, plan.precision, plan.batch, plan.streams) == ("torch", "cuda:0", "f32", 16, 1)
    plan = plans.choose(tiny, card, InferenceSettings(device="cuda:1", precision="auto", max_batch_size=8))
    assert (plan.device, plan.precision, plan.batch) == ("cuda:1", "f16", 8)
    monkeypatch.setattr(plans, "gpu_present", lambda: True)
    assert plans.choose(tiny, card, InferenceSettings()).device == "cuda:0"
    assert plans.choose(tiny, card, InferenceSettings(device="cpu")).device == "cpu"
    fixed = card.model_copy(update={"dynamic_batch": False})
    assert plans.choose(tiny, fixed, InferenceSettings()).batch == 1
    assert len(calls) == 2


def test_motion_and_torchvision_need_no_measurement(card, tmp_path):
    motion = plans.choose(ModelSpec("m", "motion"), card_of("motion"), InferenceSettings())
    assert (motion.runtime, motion.streams, motion.batch) == ("builtin", 2, 1)
    large = card.model_copy(update={"family": "torchvision"})
    plan = plans.choose(ModelSpec("t", tmp_path / "t.safetensors"), large, InferenceSettings())
    assert (plan.runtime, plan.device, plan.streams, plan.threads) == ("torch", "cpu", 1, 2)


def test_really_measured(tiny, card):
    """The process that measures, for the runtimes that are installed."""
    for runtime in ("onnxruntime", "openvino"):
        costs = plans._measure(tiny.file, Plan(runtime), card)
        assert set(costs) == {1, 4}
        assert all(0 < seconds < 0.1 for seconds in costs.values())


def test_a_measurement_that_fails_says_why(tiny, card, monkeypatch):
    with pytest.raises(ModelError, match="abacus"):
        plans._measure(tiny.file, Plan("abacus"), card)

    def late(*_, **__):
        raise subprocess.TimeoutExpired("measure", 60)

    monkeypatch.setattr(subprocess, "run", late)
    with pytest.raises(ModelError, match="not measured within 60 s"):
        plans._measure(tiny.file, Plan("onnxruntime"), card)


def test_the_real_machine(monkeypatch):
    monkeypatch.undo()
    assert 1 <= plans.cpu_count() <= 4096
    name, flags = plans._cpu()
    assert name
    assert isinstance(flags, frozenset)
    assert "onnxruntime" in plans._versions()
