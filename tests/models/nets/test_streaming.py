"""Streaming nets: what training computes over clips is what serving computes frame by frame, in any company."""

import pytest
import torch

from streamer.models.nets.settings import Backbone
from tests.models.nets.making import FALL, FIGHT, HEIGHT, WIDTH, clips, made, stacked

BACKBONES = [name for name in Backbone.__args__ if name != "yolox_nano"]  # that one: test_change.py
WAYS = [("none", "mean", 1), ("difference", "mean", 4), ("difference", "ema", 3)]


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("temporal", ["tsm", "gru", "lstm"])
@pytest.mark.parametrize(("motion", "pooling", "pool"), WAYS, ids=["plain", "mean", "ema"])
def test_forward_equals_stacked_steps(backbone, temporal, motion, pooling, pool):
    net = made(
        backbone=backbone,
        temporal=temporal,
        motion=motion,
        pooling=pooling,
        pool=pool,
        shifts=None,
        heads=(FIGHT, FALL),
        double=False,
    )
    frames = clips(2, 5).float()
    whole, after = net(frames)
    rows, state = stacked(net, frames)
    assert whole.shape == (2, 5, 4)
    assert whole.std() > 0.01  # it says something
    torch.testing.assert_close(rows, whole, atol=1e-3, rtol=1e-3)
    for spec, a, b in zip(net.state_spec, state, after, strict=True):
        assert a.shape == b.shape == (2, *spec.shape)
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("temporal", ["tsm", "gru", "lstm"])
@pytest.mark.parametrize("pooling", ["mean", "ema"])
def test_a_clip_may_be_cut_anywhere(temporal, pooling):
    net = made(temporal=temporal, pooling=pooling, motion="difference")
    frames = clips(1, 9)
    whole, _ = net(frames)
    for cut in (1, 4, 8):
        first, state = net(frames[:, :cut])
        second, _ = net(frames[:, cut:], state)
        torch.testing.assert_close(torch.cat([first, second], 1), whole, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("temporal", ["tsm", "gru", "lstm"])
def test_a_batch_mixes_any_cameras(temporal):
    net = made(temporal=temporal, motion="difference")
    frames = clips(5, 8)
    alone = torch.cat([stacked(net, frames[i : i + 1])[0] for i in range(5)])
    assert (alone[0] - alone[1]).abs().max() > 0.01
    generator = torch.Generator().manual_seed(3)
    at, state = [0] * 5, [net.initial_state(1) for _ in range(5)]
    for _ in range(30):
        count = int(torch.randint(1, 6, (1,), generator=generator))
        here = [i for i in torch.randperm(5, generator=generator).tolist()[:count] if at[i] < 8]
        if not here:
            continue
        together = tuple(torch.cat([state[i][k] for i in here]) for k in range(len(net.state_spec)))
        logits, after = net.step(torch.stack([frames[i, at[i]] for i in here]), together)
        for place, i in enumerate(here):
            torch.testing.assert_close(logits[place], alone[i, at[i]], atol=1e-9, rtol=1e-9)
            state[i] = tuple(tensor[place : place + 1] for tensor in after)
            at[i] += 1
    assert min(at) > 3


@pytest.mark.parametrize("temporal", ["tsm", "gru"])
def test_it_is_causal(temporal):
    net = made(temporal=temporal, motion="difference")
    frames = clips(1, 8)
    other = frames.clone()
    other[:, 5:] += 1
    a, b = net(frames)[0], net(other)[0]
    torch.testing.assert_close(a[:, :5], b[:, :5], atol=1e-12, rtol=0)
    assert (a[:, 5:] - b[:, 5:]).abs().max() > 1e-3


@pytest.mark.parametrize("change", [{}, {"shifts": 2}, {"pool": 1}, {"motion": "difference"}, {"pool": 6, "shifts": 1}])
def test_the_receptive_field_is_what_warm_frames_says(change):
    net = made(**change)
    warm = net.warm_frames
    frames = clips(1, warm + 3)
    whole = net(frames)[0][0, -1]
    enough = stacked(net, frames[:, -warm:])[0][0, -1]
    torch.testing.assert_close(enough, whole, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(
        net(frames[:, :warm])[0][0, -1], stacked(net, frames[:, :warm])[0][0, -1], atol=1e-9, rtol=1e-9
    )
    if warm > 1:
        short = stacked(net, frames[:, -warm + 1 :])[0][0, -1]
        assert (short - whole).abs().max() > 1e-5


def test_warm_frames_can_be_said():
    assert made(warm_frames=3).warm_frames == 3
    assert made(temporal="gru", fps=8.0, pool=2).warm_frames == 7 + 2


def test_memory_is_finite_over_a_long_stream():
    """The same last frames, after little or very much: the same answer, and no number grows."""
    for pooling in ("mean", "ema"):
        net = made(pooling=pooling, motion="difference", pool=2, shifts=2)
        tail = clips(1, 20, seed=5)
        long, state = stacked(net, clips(1, 24, seed=6))
        assert torch.isfinite(long).all()
        after = stacked(net, tail, state)[0][0, -1]
        fresh = stacked(net, tail)[0][0, -1]
        torch.testing.assert_close(after, fresh, atol=1e-6, rtol=1e-6)
        ages = dict(zip([s.name for s in net.state_spec], state, strict=True))["age"]
        assert ages.max() <= 16


def test_zeros_reset_one_camera_of_a_batch():
    net = made(temporal="lstm", motion="difference")
    frames = clips(2, 6)
    _, state = stacked(net, frames)
    reset = tuple(torch.stack([torch.zeros_like(tensor[0]), tensor[1]]) for tensor in state)
    frame = clips(2, 1, seed=9)[:, 0]
    logits, _ = net.step(frame, reset)
    torch.testing.assert_close(logits[:1], net.step(frame[:1], net.initial_state(1))[0], atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(logits[1:], net.step(frame[1:], tuple(t[1:] for t in state))[0], atol=1e-9, rtol=1e-9)


def test_the_first_frame_moves_nothing():
    """A difference to the blank before the first frame would be the frame itself."""
    net = made(motion="difference", shifts=1, pool=1)
    frame = clips(1, 1)
    still, _ = net(frame.expand(1, 3, -1, -1, -1))
    assert net.state_spec[0].name == "previous"
    torch.testing.assert_close(stacked(net, frame)[0][0, 0], still[0, 0], atol=1e-9, rtol=1e-9)


def test_heads_are_activated_each_by_its_own():
    net = made(heads=(FIGHT, FALL))
    assert net.labels == ("calm", "fight", "falling", "lying")
    probabilities = net.activate(net(clips())[0])
    assert probabilities.shape == (2, 9, 4)
    torch.testing.assert_close(probabilities[..., :2].sum(-1), torch.ones(2, 9, dtype=torch.float64))
    logits = torch.tensor([[0.0, 0.0, 0.0, 100.0]])
    torch.testing.assert_close(net.activate(logits), torch.tensor([[0.5, 0.5, 0.5, 1.0]]))


def test_frames_of_another_size_are_refused():
    with pytest.raises(ValueError, match=rf"clips: should be \(batch, steps, 3, {HEIGHT}, {WIDTH}\)"):
        made()(torch.zeros(1, 2, 3, HEIGHT, WIDTH + 2))


def test_the_gradient_reaches_every_weight_and_the_carried_state_can_be_cut():
    for temporal in ("tsm", "gru", "lstm"):
        net = made(temporal=temporal, motion="difference", shifts=None)
        with torch.enable_grad():
            _, state = net(clips(1, 3))
            logits, _ = net(clips(1, 3, seed=2), tuple(tensor.detach() for tensor in state))
            logits.sum().backward()
        untouched = [name for name, weight in net.named_parameters() if weight.grad is None]
        assert untouched == []


def test_shifts_are_spread_and_bounded():
    assert [s.name for s in made(shifts=3, pool=1).state_spec] == ["shift_0", "shift_1", "shift_2"]
    every = made(shifts=None, pool=1).state_spec
    assert len(every) == 13  # 3 + 7 + 3 units of stride 1
    assert len(made(shifts=99, pool=1).state_spec) == 13
    assert all(spec.shape[0] == width // 2 // 8 for spec, width in zip(every[-3:], (192,) * 3, strict=True))


@pytest.mark.parametrize(("gather", "features"), [("mean", 1024), ("max", 1024), ("mean_max", 2048)])
def test_features_are_gathered(gather, features):
    assert made(gather=gather).neck[0].in_features == features
    assert made(gather=gather, last_conv=False).neck[0].in_features == features * 192 // 1024
