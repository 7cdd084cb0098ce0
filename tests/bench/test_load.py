"""What a bench is asked to do is checked at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.bench.load import Load, parse_size
from streamer.errors import InputError


def test_size_is_width_by_height() -> None:
    assert parse_size("1280x720") == (1280, 720)
    assert parse_size("640X360") == (640, 360)


@pytest.mark.parametrize("text", ["", "1280", "1280x", "x720", "1281x720", "-2x4", "axb"])
def test_a_size_that_is_none_is_named(text: str) -> None:
    with pytest.raises(InputError, match="size must be like 1280x720"):
        parse_size(text)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"cameras": 0}, "cameras must be"),
        ({"analyze_fps": 20.0}, "analyze-fps <= fps"),
        ({"analyze_fps": 0.0}, "analyze-fps <= fps"),
        ({"seconds": 1.0}, "at least 3"),
        ({"video": Path("/nowhere/film.mp4")}, "no such file"),
    ],
)
def test_what_cannot_be_run_is_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Load(**values)  # type: ignore[arg-type]


def test_addresses_do_not_show() -> None:
    assert "secret" not in repr(Load(urls=("rtsp://u:secret@h/1",)))


def test_cameras_are_numbered() -> None:
    assert Load(cameras=3).names == ("cam0", "cam1", "cam2")
