"""The burnt-in number must survive scaling and noise, and never be misread."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamer.simulator import framecode


def test_every_number_is_distinct() -> None:
    assert len({framecode.bits(number) for number in range(framecode.COUNT)}) == framecode.COUNT
    assert framecode.bits(framecode.COUNT + 5) == framecode.bits(5)


@pytest.mark.parametrize("size", [(1280, 720), (640, 360), (1920, 1080), (352, 288), (416, 234), (320, 192)])
@pytest.mark.parametrize("channels", [1, 3])
def test_reads_back_at_any_size(size: tuple[int, int], channels: int) -> None:
    picture = np.full((size[1], size[0], channels), 120, np.uint8).squeeze()
    for number in (0, 1, 511, 777, 1023):
        framecode.burn(picture, number)
        assert framecode.read(picture) == number


@pytest.mark.parametrize("width", [1920, 960, 640, 416, 320])
def test_survives_scaling_and_noise(width: int) -> None:
    rng = np.random.default_rng(3)
    for number in range(0, 1024, 37):
        picture = rng.integers(0, 255, (720, 1280), np.uint8)
        framecode.burn(picture, number)
        scaled = cv2.resize(picture, (width, width * 9 // 16), interpolation=cv2.INTER_LINEAR)
        noisy = np.clip(scaled + rng.normal(0, 20, scaled.shape), 0, 255).astype(np.uint8)
        assert framecode.read(noisy) == number


def test_padded_picture_needs_the_content_width() -> None:
    picture = np.full((416, 416), 114, np.uint8)
    framecode.burn(picture[:160, :320], 99)
    assert framecode.read(picture, content_width=320) == 99
    assert framecode.read(picture) == -1


def test_unreadable() -> None:
    assert framecode.read(np.zeros((720, 1280), np.uint8)) == -1
    assert framecode.read(np.full((720, 1280), 255, np.uint8)) == -1
    assert framecode.read(np.zeros((4, 16), np.uint8)) == -1
    picture = np.zeros((720, 1280), np.uint8)
    framecode.burn(picture, 300)
    picture[:40, 13 * 40 : 14 * 40] ^= 0xFF
    assert framecode.read(picture) == -1, "a wrong check bit is not another number"
