"""What befalls clips: the same for all frames of one, repeatable, and each kind does what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from streamer.training.augment import Draw, apply, draw
from streamer.training.reencode import reencode
from streamer.training.settings import AugmentSettings
from tests.training.clips import square

T = 8


def settings(**some: float) -> AugmentSettings:
    """Nothing but what is named."""
    return AugmentSettings.model_validate({**AugmentSettings.none().model_dump(), **some})


def drawn(seed: int = 0, **some: float) -> Draw:
    return draw(settings(**some), T, np.random.default_rng(seed))


@pytest.fixture
def clips() -> torch.Tensor:
    """uint8 (1, T, 32, 32, 3): every frame alike, so that what differs was done to it."""
    still = square("calm", 5, 1)[0][::2, ::2]
    return torch.from_numpy(np.stack([[still] * T]))


def after(clips: torch.Tensor, *draws: Draw) -> torch.Tensor:
    return apply(clips.expand(len(draws), *clips.shape[1:]), list(draws))


def test_without_augmentation_clips_are_as_they_are(clips: torch.Tensor) -> None:
    for seed in range(5):
        found = after(clips, drawn(seed))
        assert torch.equal(found, clips.permute(0, 1, 4, 2, 3).float())


@pytest.mark.parametrize(
    "kind", [{"flip": 1}, {"crop": 0.6}, {"brightness": 0.5}, {"blur": 1}], ids=lambda it: next(iter(it))
)
def test_the_same_befalls_every_frame_of_a_clip(clips: torch.Tensor, kind: dict[str, float]) -> None:
    found = after(clips, drawn(3, **kind))[0]
    assert not torch.allclose(found[0], clips[0, 0].permute(2, 0, 1).float(), atol=0.5)
    for frame in found[1:]:
        assert torch.equal(frame, found[0])


def test_two_clips_of_a_batch_fare_differently_and_as_they_would_alone(clips: torch.Tensor) -> None:
    everything = {name: 1.0 for name in AugmentSettings.model_fields} | {"crop": 0.7, "brightness": 0.3}
    draws = [drawn(seed, **everything) for seed in (1, 2)]
    both = after(clips, *draws)
    assert not torch.equal(both[0], both[1])
    for one, alone in zip(both, draws, strict=True):
        assert torch.equal(one, after(clips, alone)[0])


def test_the_same_seed_draws_the_same(clips: torch.Tensor) -> None:
    default = AugmentSettings()
    one, again = (draw(default, T, np.random.default_rng(7)) for _ in range(2))
    assert torch.equal(after(clips, one), after(clips, again))


def test_one_kind_does_not_change_the_draw_of_another() -> None:
    dry, wet = drawn(9, crop=0.7, shake=1), drawn(9, crop=0.7, shake=1, rain=1, low_light=1, drops=1)
    assert np.array_equal(dry.matrix, wet.matrix)
    assert dry.rain == 0 < wet.rain


def test_pixels_stay_pixels(clips: torch.Tensor) -> None:
    everything = {name: 1.0 for name in AugmentSettings.model_fields} | {"crop": 0.5, "brightness": 0.9}
    found = after(clips, *(drawn(seed, **everything) for seed in range(6)))
    assert found.dtype == torch.float32
    assert found.shape == (6, T, 3, 32, 32)
    assert 0 <= float(found.min()) <= float(found.max()) <= 255


def test_a_mirrored_clip_is_mirrored(clips: torch.Tensor) -> None:
    found = after(clips, drawn(0, flip=1))
    assert torch.allclose(found.flip(-1), clips.permute(0, 1, 4, 2, 3).float(), atol=1e-3)


def test_a_crop_shows_a_part_larger() -> None:
    ramp = torch.arange(32).float().expand(1, T, 3, 32, 32).permute(0, 1, 3, 4, 2).to(torch.uint8)
    found = after(ramp, drawn(4, crop=0.5))[0, 0, 0, 0]
    side = drawn(4, crop=0.5).matrix[0, 0, 0]
    slope = float(found[20] - found[10]) / 10
    assert slope == pytest.approx(side, abs=1e-3)


def test_noise_is_other_in_every_frame_and_as_strong_as_drawn(clips: torch.Tensor) -> None:
    gray = torch.full_like(clips, 128)
    it = drawn(1, noise=1)
    found = after(gray, it)[0]
    assert 2 <= it.noise <= 12
    assert float((found - 128).std()) == pytest.approx(it.noise, rel=0.05)
    assert not torch.equal(found[0], found[1])


def test_night_is_darker(clips: torch.Tensor) -> None:
    for seed in range(5):
        assert float(after(clips, drawn(seed, low_light=1)).mean()) < 0.75 * float(clips.float().mean())


def test_rain_brightens_a_few_pixels_others_in_each_frame(clips: torch.Tensor) -> None:
    wet = after(clips, drawn(2, rain=1))[0] - clips[0].permute(0, 3, 1, 2)
    drops = (wet > 1).float()
    assert 0.005 < float(drops.mean()) < 0.7
    assert float(wet.min()) >= -1e-3
    assert not torch.equal(drops[0], drops[1])


def test_a_shaking_camera_moves_the_picture_from_frame_to_frame(clips: torch.Tensor) -> None:
    it = drawn(2, shake=1)
    found = after(clips, it)[0]
    assert not torch.equal(found[0], found[1])
    assert np.abs(it.matrix[:, :, 2]).max() < 0.25


def test_lost_frames_are_replaced_by_the_one_before() -> None:
    counted = torch.arange(T).view(1, T, 1, 1, 1).expand(1, T, 8, 8, 3).to(torch.uint8)
    it = next(found for seed in range(50) if (found := drawn(seed, drops=1)).shown.tolist() != list(range(T)))
    found = apply(counted, [it])[0, :, 0, 0, 0]
    assert found.tolist() == it.shown.tolist()
    assert all(shown <= at for at, shown in enumerate(it.shown))
    assert np.all(np.diff(it.shown) >= 0)
    assert it.shown[0] == 0


def test_a_clip_that_is_shorter_than_its_draw_fares_the_same(clips: torch.Tensor) -> None:
    it = replace(drawn(3, shake=1, crop=0.7), noise=0.0)
    assert torch.equal(after(clips[:, :3], it), after(clips, it)[:, :3])


def test_encoding_again_loses_detail_and_no_frame(clips: torch.Tensor) -> None:
    frames: Any = np.repeat(square("calm", 1, 1)[0][None, :, :, :1], 5, 0).repeat(
        3, -1
    )  # gray: chroma is halved anyway
    good, bad = (reencode(frames, quality) for quality in (18, 45))
    errors = [float(np.abs(it.astype(float) - frames).mean()) for it in (good, bad)]
    assert good.shape == bad.shape == frames.shape
    assert errors[0] < errors[1] / 1.5
    assert float((after(clips, drawn(1, reencode=1)) - after(clips, drawn(1))).abs().mean()) > 1


def test_odd_sizes_can_be_encoded() -> None:
    frames: Any = np.full((3, 33, 31, 3), 90, np.uint8)
    found = reencode(frames, 28)
    assert found.shape == frames.shape
    assert np.abs(found.astype(int) - 90).max() < 8
