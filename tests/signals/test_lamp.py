"""Heads by day and night, wet and noisy, small and large: the right color, or unknown; never red when it is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from streamer.signals.lamp import Head
from streamer.signals.settings import LampSettings
from tests.signals import heads
from tests.signals.heads import DAY, DUSK, NIGHT, RAIN, SUN_ON_THE_LENSES, Weather, draw

SIZE = (60, 64)
AT = (20, 8)
LARGE = (9, 27)
SMALL = (5, 15)


def look(lit: tuple[str, ...], weather: Weather = DAY, head: tuple[int, int] = LARGE, seed: int = 0) -> tuple[str, str]:
    picture = draw(SIZE, AT, head, lit, weather, np.random.default_rng(seed))
    return Head(heads.settings(SIZE, AT, head)).look(picture)


@pytest.mark.parametrize("head", [SMALL, (6, 18), LARGE, (16, 48)])
@pytest.mark.parametrize("weather", [DAY, DUSK, NIGHT, RAIN])
@pytest.mark.parametrize("lit", ["red", "amber", "green"])
def test_each_lamp_in_each_weather_at_each_size(lit: str, weather: Weather, head: tuple[int, int]) -> None:
    assert {look((lit,), weather, head, seed) for seed in range(5)} == {(lit, "")}


@pytest.mark.parametrize("weather", [DAY, DUSK, NIGHT, RAIN])
def test_two_lamps_and_none(weather: Weather) -> None:
    assert look(("red", "amber"), weather) == ("amber", "")  # green comes: nobody is to be accused on it
    assert look(("red", "green"), weather) == ("unknown", "contradictory")
    assert look((), weather)[0] == "unknown"


def test_a_head_that_is_off_says_dark() -> None:
    assert look((), NIGHT) == ("unknown", "dark")


@settings(max_examples=60)
@given(
    lit=st.sets(st.sampled_from(["amber", "green"])),
    housing=st.floats(0, 0.3),
    sky=st.floats(0, 1),
    lens=st.floats(0, 0.6),
    lamp=st.floats(0.3, 6),
    glow=st.floats(0, 0.25),
    blur=st.floats(0.4, 2.0),
    noise=st.floats(0, 10),
    haze=st.floats(0, 0.4),
    seed=st.integers(0, 1000),
    head=st.sampled_from([SMALL, LARGE]),
)
def test_nothing_but_a_red_lamp_is_red(lit, housing, sky, lens, lamp, glow, blur, noise, haze, seed, head) -> None:
    weather = Weather(housing, sky, lens, lamp, glow, blur, noise, haze)
    assert look(tuple(sorted(lit)), weather, head, seed)[0] != "red"


@settings(max_examples=60)
@given(st.tuples(*[st.integers(0, 255)] * 3), st.floats(-4, 4), st.floats(-4, 4), st.integers(0, 99))
def test_a_truck_before_it_is_no_lamp(color: tuple[int, int, int], down: float, right: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    surface = np.array(color, float) + (down * (y - 20) + right * (x - 24))[..., None]
    picture = np.clip(surface + rng.normal(0, 4, (*surface.shape[:2], 3)), 0, 255).astype(np.uint8)
    assert Head(heads.settings(SIZE, AT, LARGE)).look(picture)[0] == "unknown"


def test_a_red_roof_over_the_upper_lamp_is_no_red_lamp() -> None:
    picture = draw(SIZE, AT, LARGE, (), DAY)
    picture[: AT[1] + 10] = (210, 30, 25)
    assert Head(heads.settings(SIZE, AT, LARGE)).look(picture) == ("unknown", "unclear")


def test_sun_on_the_lenses_is_never_another_lamp() -> None:
    for lit in ("red", "amber", "green"):
        for seed in range(10):
            assert look((lit,), SUN_ON_THE_LENSES, LARGE, seed)[0] in (lit, "unknown", "amber")


def test_an_outline_that_is_a_little_off_still_works() -> None:
    for dx, dy in ((-1, 0), (1, 1), (0, -2), (1, -1)):
        head = Head(heads.settings(SIZE, AT, LARGE))
        picture = draw(SIZE, (AT[0] + dx, AT[1] + dy), LARGE, ("red",), DAY)
        assert head.look(picture) == ("red", "")


def test_too_few_pixels_are_told() -> None:
    assert look(("red",), DAY, (2, 5)) == ("unknown", "too_small")


def test_lamps_may_lie_side_by_side_and_be_two() -> None:
    upright = draw(SIZE, AT, (8, 16), ("red",), DAY, lamps=("red", "green"))
    drawn = heads.settings(SIZE, AT, (8, 16)).head
    assert Head(LampSettings(head=drawn, lamps=["red", "green"])).look(upright) == ("red", "")
    lying = np.ascontiguousarray(upright.transpose(1, 0, 2))
    turned = LampSettings(head=[(y, x) for x, y in drawn], lamps=["red", "green"], along="right")
    assert Head(turned).look(lying) == ("red", "")


def test_another_size_of_the_picture_is_laid_out_anew() -> None:
    head = Head(heads.settings(SIZE, AT, LARGE))
    assert head.look(draw(SIZE, AT, LARGE, ("green",)))[0] == "green"
    double = (2 * SIZE[0], 2 * SIZE[1])
    assert head.look(draw(double, (2 * AT[0], 2 * AT[1]), (18, 54), ("red",)))[0] == "red"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"head": [(0.1, 0.1), (0.2, 0.2)]}, "at least 3 points"),
        ({"head": [(0.1, 0.1), (0.1001, 0.1), (0.1, 0.3)]}, "too small"),
        ({"lamps": ["red", "amber"]}, "needs red and green"),
        ({"lamps": ["red", "red", "green"]}, "each once"),
        ({"along": "up"}, "down"),
        ({"debounce_seconds": 0.1}, "0.3"),
        ({"polygon": []}, "polygon"),
    ],
)
def test_wrong_drawings_are_refused(wrong: dict[str, object], says: str) -> None:
    good: dict[str, object] = {"head": [(0.1, 0.1), (0.2, 0.1), (0.2, 0.4), (0.1, 0.4)]}
    with pytest.raises(ValidationError, match=says):
        LampSettings.model_validate(good | wrong)
