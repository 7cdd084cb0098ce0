"""Change: uneven motion over time, the same in training and serving, at any rate up to the grid's; YOLOX below."""

import pytest
import torch
from pydantic import ValidationError

from streamer.errors import ModelError
from streamer.models.nets.build import build
from streamer.models.nets.change import Change
from streamer.models.nets.weights import read_tensors
from tests.models.nets.making import clips, made, settings, stacked

SHAPE = (4, 3, 5)
SHIPPED = {"backbone": "yolox_nano", "temporal": "change", "pool": 6, "width": 64, "height": 64}


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def blank(change, batch=1):
    return tuple(torch.zeros(batch, *shape) for shape in change.shapes.values())


def values(maps, span=6):
    change = Change(span, SHAPE)
    return change(maps, blank(change, len(maps)), maps.shape[1])[0]


def noise(steps, seed=0, batch=1):
    return torch.randn(batch, steps, *SHAPE, generator=torch.Generator().manual_seed(seed))


def test_the_second_difference_by_hand():
    maps = noise(3)
    by_hand = (maps[0, 2] - 2 * maps[0, 1] + maps[0, 0]).abs().amax((1, 2)).sqrt()
    got = values(maps)[0]
    torch.testing.assert_close(got[2], by_hand, atol=1e-5, rtol=1e-5)  # the average's zeros do not count
    assert got[:2].max() < 0.01  # two frames know of no second difference


def test_steady_motion_is_no_change():
    ramp = torch.arange(12.0).view(1, 12, 1, 1, 1).expand(1, 12, *SHAPE)
    assert values(ramp).max() < 0.01
    assert values(ramp + noise(12))[:, 2:].min() > 0.1


def test_what_goes_on_in_one_place_counts_more_than_what_wanders():
    burst = torch.zeros(1, 20, *SHAPE)
    still, wander = burst.clone(), burst.clone()
    for i in range(20):
        still[0, i, :, 1, 1] = 3.0 * (i % 2)
        wander[0, i, :, i % 3, i % 5] = 3.0 * (i % 2)
    assert values(still)[0, -1, 0] > 1.5 * values(wander)[0, -1, 0]


def test_frames_shown_again_are_waited_through():
    """Every frame twice: what a 5 fps camera gives a 10 fps grid. As at full rate, but for the measured factor."""
    maps = noise(12)
    slow = values(maps.repeat_interleave(2, 1), span=6)
    fast = values(maps, span=3.5)  # a span of as many frames: (1 - 2 / 7) ** 2 is near 1 - 2 / 4.5
    for i in range(3, 11):
        ratio = (slow[0, 2 * i] / fast[0, i]).square()
        assert (ratio / 2**-0.7 - 1).abs().max() < 0.25, i
        torch.testing.assert_close(slow[0, 2 * i], slow[0, 2 * i + 1])  # the repeated frame says nothing new


def test_a_picture_that_stands_still_calms_down():
    moving = noise(10)
    frozen = torch.cat([moving, moving[:, -1:].expand(1, 60, *SHAPE)], 1)
    got = values(frozen)[0]
    assert got[-1].max() < 0.05 * got[9].max()


def test_a_black_first_frame_is_a_frame():
    maps = noise(6)
    maps[:, 0] = 0
    by_hand = (maps[0, 2] - 2 * maps[0, 1]).abs().amax((1, 2)).sqrt()
    torch.testing.assert_close(values(maps)[0, 2], by_hand, atol=1e-5, rtol=1e-5)


def test_it_may_be_cut_anywhere_and_days_do_not_drift():
    change = Change(4, SHAPE)
    maps = noise(9, batch=2)
    maps[0, 5] = maps[0, 4]
    whole, _ = change(maps, blank(change, 2), 9)
    for cut in (1, 2, 5, 8):
        first, state = change(maps[:, :cut], blank(change, 2), cut)
        second, _ = change(maps[:, cut:], state, 9 - cut)
        torch.testing.assert_close(torch.cat([first, second], 1), whole, atol=1e-5, rtol=1e-5)
    state = blank(change, 1)
    for seed in range(40):
        _, state = change(noise(20, seed), state, 20)
    assert state[2][0, 2] == 8 * 4  # the count is bounded
    assert all(bool(it.isfinite().all()) for it in state)


@pytest.mark.parametrize("backbone", ["yolox_nano", "shufflenet_v2_x0_5"])
def test_forward_equals_stacked_steps(backbone):
    net = made(**{**SHIPPED, "backbone": backbone, "height": 48})
    for resting in (False, True):  # a backbone at rest takes a clip at a time
        net.backbone.requires_grad_(not resting)
        frames = clips()
        frames[0, 4] = frames[0, 3]
        whole, after = net(frames)
        rows, state = stacked(net, frames)
        assert whole.std() > 0.01
        torch.testing.assert_close(rows, whole, atol=1e-3, rtol=1e-3)
        for spec, a, b in zip(net.state_spec, state, after, strict=True):
            assert a.shape == b.shape == (2, *spec.shape)
            torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)
    assert net.warm_frames == 2 + round(net.settings.fps / 2)


def test_yolox_sees_pixels_as_they_are():
    net = build(settings(**SHIPPED))
    frame = torch.zeros(1, 3, 64, 64)
    frame[:, 0] = (1.0 - 0.485) / 0.229  # pure red, as the card normalises it
    frame[:, 1], frame[:, 2] = -0.456 / 0.224, -0.406 / 0.225
    rgb = net.backbone.blocks[0].inner[0](frame)
    torch.testing.assert_close(rgb[0, :, 0, 0], torch.tensor([255.0, 0.0, 0.0]), atol=1e-3, rtol=0)


def test_weights_come_from_the_released_file(shared_data):
    file = shared_data / "weights" / "yolox_nano.onnx"
    net = build(settings(**SHIPPED), file)
    assert net.loaded is not None
    assert not net.loaded.missing
    torch.testing.assert_close(net.backbone.blocks[0].inner[1].conv[0].weight, read_tensors(file)["stem.conv.0.weight"])


def test_what_cannot_be_is_said():
    with pytest.raises(ValidationError, match="motion must be none"):
        settings(**SHIPPED, motion="difference")
    with pytest.raises(ModelError, match="give its ONNX file"):
        build(settings(**SHIPPED), "default")
