"""What is drawn lies where it should, shows on any ground, and is written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from streamer.errors import InputError
from streamer.preview.canvas import BLACK, ORANGE, SKY, WHITE, Canvas

SQUARE = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)]


def gray(width: int = 640, height: int = 480, level: int = 128) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def changed(canvas: Canvas, level: int = 128) -> np.ndarray:
    return (np.asarray(canvas.pixels) != level).any(axis=2)


def test_the_picture_itself_is_left_as_it_is() -> None:
    pixels = gray()
    canvas = Canvas(pixels)
    canvas.fill(SQUARE, SKY, 1.0)
    canvas.line((0, 0), (1, 1), SKY)
    assert (pixels == 128).all()


def test_small_pictures_are_enlarged_and_large_ones_are_not() -> None:
    assert (Canvas(gray(320, 240)).width, Canvas(gray(320, 240)).height) == (640, 480)
    assert Canvas(gray(1920, 1080)).height == 1080


@pytest.mark.parametrize("level", [0, 255])
def test_lines_show_on_black_and_on_white(level: int) -> None:
    canvas = Canvas(gray(level=level))
    canvas.line((0.1, 0.5), (0.9, 0.5), ORANGE, 3.0)
    column = canvas.pixels[:, 320].astype(int)
    assert tuple(column[240]) == ORANGE
    assert np.abs(column - level).max() > 150


def test_a_filled_polygon_is_tinted_inside_and_nowhere_else() -> None:
    canvas = Canvas(gray())
    canvas.fill(SQUARE, SKY, 0.5)
    inside = changed(canvas)
    assert inside[240, 320]
    assert not inside[100, 320]
    assert tuple(canvas.pixels[240, 320].astype(int)) == pytest.approx(tuple((128 + c) / 2 for c in SKY), abs=1)


def test_a_private_polygon_leaves_nothing_of_what_was_there() -> None:
    random = np.random.default_rng(0).integers(1, 255, (480, 640, 3), np.uint8)
    canvas = Canvas(random)
    canvas.fill(SQUARE, BLACK, 1.0)
    assert not canvas.pixels[125:355, 165:475].any()


def test_a_hatched_polygon_lets_most_of_it_show() -> None:
    canvas = Canvas(gray())
    canvas.hatch(SQUARE, WHITE)
    share = changed(canvas)[125:355, 165:475].mean()
    assert 0.03 < share < 0.4
    assert not changed(canvas)[:110].any()


@pytest.mark.parametrize("at", [(0.0, 0.0), (1.0, 1.0), (0.5, 0.5), (-0.5, 2.0)])
def test_text_stays_within_the_picture(at: tuple[float, float]) -> None:
    canvas = Canvas(gray())
    canvas.text("left_path", at)
    where = np.argwhere(changed(canvas))
    assert len(where) > 300
    # nothing is cut off: beyond the letters there is a rim on every side
    assert where.min() >= 0
    height, width = np.ptp(where[:, 0]), np.ptp(where[:, 1])
    assert 10 < height < 40
    assert 60 < width < 140


def test_text_has_a_bright_inside_and_a_dark_outline() -> None:
    canvas = Canvas(gray())
    canvas.text("HHH", (0.5, 0.5), WHITE)
    values = canvas.pixels[changed(canvas)].astype(int).mean(axis=1)
    assert (values > 240).sum() > 50
    assert (values < 15).sum() > 50


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.WEBP"])
def test_what_is_written_is_what_was_drawn(name: str, tmp_path: Path) -> None:
    canvas = Canvas(gray())
    canvas.fill([(0, 0), (1, 0), (1, 1), (0, 1)], ORANGE, 1.0)
    canvas.save(tmp_path / name)
    with av.open(str(tmp_path / name)) as container:
        pixels = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert pixels.shape == (480, 640, 3)
    assert np.abs(pixels[200, 200].astype(int) - ORANGE).max() <= 6
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("name", "message"), [("a.bmpp", "a picture ends in one of"), ("no/a.png", "cannot be written")]
)
def test_what_cannot_be_written(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        Canvas(gray()).save(tmp_path / name)
