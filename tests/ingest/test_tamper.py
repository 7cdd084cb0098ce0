"""Covered, defocused, moved: told in time and over in time; what light, weather and traffic do is not told."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from streamer.ingest.tamper import TamperCheck
from streamer.simulator.library import make_scene
from streamer.simulator.render import Renderer
from streamer.simulator.scene import Actor, Light, Spoil, go
from streamer.simulator.truth import Truth

SIZE = (416, 234)


def watch(scene, fps=1.0, until=None, tampered_s=15.0, check=None, offset=0.0):
    """(time, look) of every picture of a scene."""
    check = check or TamperCheck(tampered_s)
    renderer, looks = Renderer(scene, SIZE, fps), []
    for number in range(round((until or scene.seconds) * fps)):
        pixels = cv2.cvtColor(renderer.i420(number), cv2.COLOR_YUV2RGB_I420)
        looks.append((number / fps, check.look(np.asarray(pixels), offset + number / fps)))
    return looks


def spans(looks):
    """(what, from, until) of what was told."""
    told = []
    for time, look in looks:
        if look != "ok" and (not told or told[-1][2] is not None):
            told.append([look, time, None])
        elif look == "ok" and told and told[-1][2] is None:
            told[-1][2] = time
    return [tuple(span) for span in told]


def scene(name="yard", seconds=160.0, **changes):
    return replace(make_scene(name, seconds), **changes)


SPOILS = [
    Spoil("covered", 60, 120),
    Spoil("defocused", 60, 120, 0.03),
    Spoil("defocused", 60, 120, 0.05),
    Spoil("moved", 60, 120, 0.04),
    Spoil("moved", 60, 120, 0.15),
    Spoil("moved", 60, 120, 0.5),
]


@pytest.mark.parametrize("name", ["yard", "street"])
@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: f"{spoil.kind}-{spoil.amount}")
def test_tampering_is_told_and_its_recovery_too(name, spoil):
    spoiled = scene(name, spoils=(spoil,))
    (true,) = [i for i in Truth(spoiled).incidents() if i.kind == "camera_tampered"]
    ((look, begin, end),) = spans(watch(spoiled))
    assert look == spoil.kind
    assert true.due - 1 <= begin <= true.due + 12
    assert true.end <= end <= true.end + 16


@pytest.mark.parametrize("fps", [0.4, 2.0, 7.0])
def test_it_does_not_depend_on_the_frame_rate_or_on_the_hour(fps):
    spoiled = scene(spoils=(Spoil("covered", 60, 120),))
    ((look, begin, end),) = spans(watch(spoiled, fps, offset=1.7e9))
    assert look == "covered"
    assert 74 <= begin <= 88
    assert 120 <= end <= 137


@pytest.mark.parametrize(
    "changes",
    [
        {"lights": (Light(60, 999, 0.12, 0.1),), "noise": 5.0},
        {"lights": (Light(60, 100, 0.05, 0.1), Light(130, 150, 0.2, 0.1)), "noise": 5.0},
        {"lights": (Light(60, 120, 0.9, 0.1, infrared=True),), "noise": 4.0},
        {"lights": (Light(60, 999, 1.6, 0.1),)},
        {"lights": (Light(-400, 900, 0.1, 400.0),), "noise": 4.0},
        {"rain": 150},
        {"shadow": 0.7},
        {"spoils": (Spoil("covered", 60, 70),)},
        {"spoils": (Spoil("moved", 60, 70, 0.3),)},
    ],
    ids=["night", "lamps", "infrared", "sun", "dawn", "rain", "shadows", "hand-passes", "shaken"],
)
@pytest.mark.parametrize("name", ["yard", "street"])
def test_light_weather_and_moments_are_not_told(name, changes):
    assert spans(watch(scene(name, **changes))) == []


def test_a_truck_that_passes_right_in_front_is_not_told():
    base = scene("street")
    truck = [
        Actor(f"truck{k}", "vehicle", 50 + 30 * k, (-2.2, 1.25), (go(3.2, 1.25, 4.0),), base.lens, 9.0, 14.0)
        for k in range(3)
    ]
    renderer = Renderer(replace(base, actors=(*base.actors, *truck)), SIZE, 1.0)
    hidden = np.abs(renderer.rgb(56).astype(int) - renderer.rgb(45)).max(axis=2) > 10
    assert hidden.mean() > 0.4  # else this test shows nothing
    assert spans(watch(renderer.scene)) == []


def test_a_camera_that_is_moved_for_good_learns_its_new_view():
    check = TamperCheck(15.0)
    moved = scene(seconds=60.0, spoils=(Spoil("moved", 0, 60, 0.3),))
    looks = watch(scene(seconds=60.0), check=check, until=60)
    for k in range(12):
        looks += [(60 * (k + 1) + t, look) for t, look in watch(moved, check=check, offset=60.0 * (k + 1))]
    ((look, begin, end),) = spans(looks)
    assert (look, begin < 90, 600 <= end - begin < 700) == ("moved", True, True)
    assert check.detail == ""


def test_it_says_why():
    check = TamperCheck(15.0)
    watch(scene(spoils=(Spoil("moved", 60, 180, 0.1),)), check=check)
    assert "of the usual view is recognized" in check.detail
    assert "+10% to the right and +0% down" in check.detail


def test_what_was_done_while_it_was_offline_is_told():
    check = TamperCheck(15.0)
    watch(scene(seconds=60.0), check=check, until=60)
    looks = watch(scene(seconds=60.0, spoils=(Spoil("moved", 0, 60, 0.3),)), check=check, offset=4000.0)
    ((look, begin, end),) = spans(looks)
    assert (look, begin < 35, end) == ("moved", True, None)


def test_a_picture_of_another_shape_is_learnt_anew():
    check = TamperCheck(15.0)
    watch(scene(seconds=60.0), check=check, until=60)
    renderer = Renderer(scene(seconds=60.0), (320, 240), 1.0)
    looks = [
        check.look(np.asarray(cv2.cvtColor(renderer.i420(n), cv2.COLOR_YUV2RGB_I420)), 60.0 + n) for n in range(60)
    ]
    assert set(looks) == {"ok"}


def test_a_view_without_texture_says_nothing():
    check, rng = TamperCheck(15.0), np.random.default_rng(0)
    shots = [np.clip(rng.normal(120 if t < 60 else 60, 3, (234, 416, 3)), 0, 255).astype(np.uint8) for t in range(120)]
    assert {check.look(shot, float(t)) for t, shot in enumerate(shots)} == {"ok"}


def test_memory_does_not_grow():
    check = TamperCheck(15.0)
    watch(scene(), check=check)
    assert len(check._usual) <= 2
