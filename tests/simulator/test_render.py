"""Pictures: what is drawn is where the truth says, noise is always there, the loop closes, a seed repeats."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import cv2
import numpy as np
import pytest

from streamer.simulator import framecode
from streamer.simulator.figure import Box
from streamer.simulator.library import SCENES, make_scene
from streamer.simulator.render import Renderer
from streamer.simulator.truth import Truth

SIZE = (640, 360)
MOVING = [name for name in SCENES if name != "empty"]


def _grown(box: Box, by: float) -> Box:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def _meet(a: Box, b: Box) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


@pytest.mark.parametrize("name", MOVING)
def test_pixels_change_exactly_where_the_boxes_are(name: str) -> None:
    """Everybody who is alone and whole, against the pixels that differ from the empty scene, to within three pixels."""
    scene = replace(make_scene(name), shadow=0.0)
    width, height = 1280, 720
    renderer = Renderer(scene, (width, height), 5.0)
    empty = Renderer(replace(scene, actors=()), (width, height), 5.0).rgb(0)
    checked = 0
    for number in range(0, renderer.frames, 4):
        boxes = Truth(scene).boxes(number / 5.0)
        changed = cv2.absdiff(renderer.rgb(number), empty).max(axis=2) > 12
        for one in boxes:
            around, clear = _grown(one.box, 0.02), _grown(one.box, 0.03)
            if one.visible < 1 or any(_meet(clear, other.box) for other in boxes if other is not one):
                continue
            x1, y1 = max(0, round(around[0] * width)), max(0, round(around[1] * height))
            ys, xs = np.nonzero(changed[y1 : round(around[3] * height), x1 : round(around[2] * width)])
            seen = (xs.min() + x1, ys.min() + y1, xs.max() + x1 + 1, ys.max() + y1 + 1)
            whole = (one.box[0] * width, one.box[1] * height, one.box[2] * width, one.box[3] * height)
            assert seen == pytest.approx(whole, abs=3.0), f"{name} frame {number}: {one}"
            checked += 1
    assert checked > 20


@pytest.mark.parametrize("name", list(SCENES))
def test_same_seed_same_bytes(name: str) -> None:
    def digest(seed: int) -> str:
        renderer = Renderer(make_scene(name, seed=seed), (320, 180), 2.0)
        return hashlib.sha256(b"".join(p.tobytes() for p in renderer.pictures())).hexdigest()

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)


@pytest.mark.parametrize("name", list(SCENES))
def test_loop_closes(name: str) -> None:
    """From the last frame to the first nothing changes but the noise, as between any two quiet frames."""
    scene = make_scene(name)
    renderer = Renderer(scene, SIZE, 15.0)
    last, first = renderer.i420(renderer.frames - 1)[:360], renderer.i420(0)[:360]
    seam = np.abs(last.astype(int) - first).mean()
    assert scene.gain(0) == scene.gain((renderer.frames - 1) / 15.0) == 1.0
    assert seam == pytest.approx(scene.noise * 2 / np.sqrt(np.pi), rel=0.1), "the mean difference of two noises"


def test_noise_is_never_the_same() -> None:
    renderer = Renderer(make_scene("empty"), (320, 180), 15.0)
    seen = {renderer.i420(number).tobytes() for number in range(90)}
    assert len(seen) == 90


def test_noise_strength() -> None:
    scene = replace(make_scene("yard"), noise=4.0)
    renderer = Renderer(scene, SIZE, 15.0)
    quiet = Renderer(replace(scene, noise=0.0), SIZE, 15.0)
    assert (renderer.i420(0)[:360].astype(int) - quiet.i420(0)[:360]).std() == pytest.approx(4.0, rel=0.05)


def test_light_changes_the_brightness() -> None:
    scene = make_scene("yard")
    renderer = Renderer(scene, (320, 180), 1.0)
    (light,) = scene.lights
    dim = renderer.i420(round((light.begin_s + light.end_s) / 2))[:180].mean()
    assert dim / renderer.i420(0)[:180].mean() == pytest.approx(light.gain, abs=0.02)


@pytest.mark.parametrize("size", [(640, 360), (1280, 720), (352, 288)])
def test_burnt_index(size: tuple[int, int]) -> None:
    renderer = Renderer(make_scene("yard"), size, 15.0)
    for number in (0, 1, 200, 389):
        assert framecode.read(renderer.i420(number, burn_index=True)[: size[1]]) == number


def test_shadow_darkens_the_ground() -> None:
    scene = make_scene("yard")
    with_shadow, without = (
        Renderer(replace(scene, shadow=shadow), SIZE, 5.0).rgb(20).astype(int) for shadow in (0.4, 0.0)
    )
    assert (with_shadow - without).min() < -20
    assert (with_shadow - without).max() <= 0


def test_other_aspect_is_stretched() -> None:
    renderer = Renderer(make_scene("yard"), (480, 480), 5.0)
    assert renderer.i420(10).shape == (720, 480)


def test_rain_infrared_and_what_is_done_to_the_camera_are_drawn() -> None:
    from dataclasses import replace

    from streamer.simulator.scene import Light, Spoil

    base = make_scene("yard")
    size, at = (160, 90), 5

    def drawn(**changes):
        return Renderer(replace(base, **changes), size, 1.0)

    plain = drawn().rgb(at).astype(int)
    wet = drawn(rain=40)
    assert 0.005 < (np.abs(wet.rgb(at) - plain).max(axis=2) > 20).mean() < 0.3
    assert np.array_equal(wet.rgb(at), drawn(rain=40).rgb(at))
    assert not np.array_equal(wet.rgb(at), wet.rgb(at + 1))
    assert drawn(spoils=(Spoil("covered", 4, 6),)).rgb(at).std(axis=(0, 1)).max() < 10
    assert np.array_equal(drawn(spoils=(Spoil("covered", 6, 8),)).rgb(at), plain)
    blurred = drawn(spoils=(Spoil("defocused", 4, 6, 0.03),)).rgb(at).astype(int)
    assert np.abs(np.diff(blurred, axis=1)).mean() < 0.5 * np.abs(np.diff(plain, axis=1)).mean()
    moved = drawn(spoils=(Spoil("moved", 4, 6, 0.1),)).rgb(at)
    assert np.array_equal(moved[:, 16:], plain[:, :-16])
    night = drawn(lights=(Light(0, 99, 1.0, infrared=True),), noise=0.0).i420(at)
    assert (night[90:] == 128).all()
    assert night[45, 80] > 2 * night[0, 0]
