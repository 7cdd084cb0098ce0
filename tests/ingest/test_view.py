"""What a view is known by: its edges, not its light."""

import numpy as np
import pytest

from streamer.ingest.view import blend, compare, see, shrink, telling, texture


def place(seed=0, size=(234, 416), gain=1.0, noise=0.0):
    """A wall of rectangles of all sizes."""
    rng = np.random.default_rng(seed)
    pixels = np.full(size, 120.0)
    for _ in range(500):
        y, x = rng.integers(0, size[0]), rng.integers(0, size[1])
        pixels[y : y + rng.integers(4, 40), x : x + rng.integers(4, 40)] = rng.uniform(40, 200)
    pixels = pixels * gain + np.random.default_rng(99).normal(0, noise, size)
    return np.repeat(np.clip(pixels, 0, 255)[..., None], 3, axis=2).astype(np.uint8)


def view(pixels, noise=0.0):
    return see(shrink(pixels), noise)


@pytest.mark.parametrize(("size", "shape"), [((234, 416), (117, 208)), ((360, 640), (120, 213)), ((50, 60), (50, 60))])
def test_pictures_of_any_size_are_shrunk_to_about_one(size, shape):
    pixels = place(size=size)
    assert shrink(pixels).shape == shape
    assert shrink(pixels).mean() == pytest.approx(pixels[..., 1].mean(), abs=1.5)


@pytest.mark.parametrize("gain", [0.3, 0.6, 1.3])
def test_light_does_not_change_a_view(gain):
    like = compare(view(place(gain=gain)), view(place()), texture(view(place())))
    assert like.kept == 1.0
    assert like.layout > 0.95
    assert like.shift is None
    assert like.sharpness == pytest.approx(1.0, abs=0.25)


def test_another_place_is_another_view():
    like = compare(view(place(1)), view(place()), texture(view(place())))
    assert like.kept < 0.2
    assert like.structure > 0.5
    assert like.shift is None


def test_a_shift_is_found_with_its_direction():
    moved = np.roll(place(), (21, -40), axis=(0, 1))
    like = compare(view(moved), view(place()), texture(view(place())))
    assert like.shift == (pytest.approx(-40 / 416, abs=0.01), pytest.approx(21 / 234, abs=0.02))


def test_nothing_to_be_seen_has_no_structure_and_no_texture():
    bare = view(np.full((234, 416, 3), 90, np.uint8))
    like = compare(bare, view(place()), texture(view(place())))
    assert (like.kept, like.structure) == (0.0, 0.0)
    assert not telling(texture(bare))
    assert telling(texture(view(place())))


def test_noise_is_taken_off():
    noisy = view(np.random.default_rng(0).normal(100, 3, (234, 416, 3)).astype(np.uint8), noise=1.5)
    assert float(noisy.edges.mean()) < 0.6
    assert not telling(texture(noisy))


def test_blocks_with_something_hidden_do_not_count():
    shown = np.ones((234, 416), bool)
    shown[:, :208] = False
    blocks = texture(view(place()), shown)
    assert not blocks[:, :4].any()
    assert blocks[:, 5:].sum() >= 15


def test_blending_goes_from_one_to_the_other():
    a, b = view(place()), view(place(1))
    assert np.allclose(blend(a, b, 0.0).edges, a.edges)
    assert np.allclose(blend(a, b, 1.0).coarse, b.coarse)
    assert blend(a, b, 0.5).brightness == pytest.approx((a.brightness + b.brightness) / 2)
