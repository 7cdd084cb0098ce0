"""The one transform of training and serving."""

import numpy as np
import pytest

from streamer.models.card import Input
from streamer.models.transforms import fit, normalise

IMAGENET = {"scale": 1 / 255, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def picture(height=90, width=160, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_stretch_fills_all():
    out = fit(picture(), Input(width=32, height=32, fit="stretch"))
    assert out.shape == (32, 32, 3)
    assert out.dtype == np.uint8
    assert abs(float(out.mean()) - float(picture().mean())) < 2


@pytest.mark.parametrize(("size", "inner"), [((90, 160), (18, 32)), ((160, 90), (32, 18)), ((8, 8), (32, 32))])
def test_letterbox_keeps_the_shape_and_pads(size, inner):
    bright = np.full((*size, 3), 200, np.uint8)
    out = fit(bright, Input(width=32, height=32, pad=7))
    assert (out[: inner[0], : inner[1]] == 200).all()
    assert (out[inner[0] :] == 7).all()
    assert (out[:, inner[1] :] == 7).all()


def test_what_fits_already_is_not_copied():
    same = picture(32, 48)
    for how in ("stretch", "letterbox"):
        assert fit(same, Input(width=48, height=32, fit=how)) is same


def test_the_size_in_between_hardly_matters():
    """A reader may have made the frame smaller before: areas are averaged, so that nothing flickers."""
    rows, columns = np.mgrid[0:360, 0:640]
    large = np.stack([(columns // 3) % 256, (rows // 2) % 256, (rows + columns) % 256], 2).astype(np.uint8)
    spec = Input(width=80, height=45, fit="stretch")
    between = fit(large, Input(width=320, height=180, fit="stretch"))
    difference = np.abs(fit(large, spec).astype(int) - fit(between, spec).astype(int))
    assert difference.max() <= 2


@pytest.mark.parametrize("color", ["RGB", "BGR"])
def test_numbers(color):
    pixels = np.stack([picture(4, 6, seed) for seed in range(3)])
    spec = Input(width=6, height=4, color=color, **IMAGENET)
    planes = normalise(pixels, spec)
    assert planes.shape == (3, 3, 4, 6)
    assert planes.dtype == np.float32
    assert planes.flags.c_contiguous
    ordered = pixels if color == "RGB" else pixels[..., ::-1]
    expected = (ordered.astype(np.float64) / 255 - spec.mean) / np.array(spec.std)
    np.testing.assert_allclose(planes, expected.transpose(0, 3, 1, 2), atol=1e-6)
    out = np.empty_like(planes)
    assert normalise(pixels, spec, out) is out
    assert np.array_equal(out, planes)
