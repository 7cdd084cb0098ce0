"""What a look tells of files: good, turned, long, lying, broken, silent and absent ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.training import look
from streamer.training.look import look_at, look_at_all, mean_luma, motion, readable
from streamer.training.samples import Sample
from tests.training.scenes import clip, pictures, scene, silent_film_turned_round, write


def test_a_good_clip(tmp_path: Path) -> None:
    found = look_at(write(tmp_path / "a.mp4", pictures(1, 1, seconds=2, fps=20), fps=20, sound=True))
    assert (found.cause, found.fault) == ("", "")
    assert (found.width, found.height, found.codec) == (160, 96, "h264")
    assert (found.pictures, found.promised, found.sounds) == (40, 40, 1)
    assert found.duration_s == pytest.approx(2.0)
    assert found.promised_s == pytest.approx(2.0, abs=0.06)
    assert found.fps == pytest.approx(20)
    assert found.thumbs.shape == (16, look.SIDE, look.SIDE)
    assert np.diff(found.times).mean() == pytest.approx(1 / look.RATE, abs=0.01)
    assert motion(found.thumbs) > 1
    assert found.chroma > look.look_at(write(tmp_path / "g.mp4", gray(pictures(1, 1)))).chroma + 10


def gray(shown: list[np.ndarray]) -> list[np.ndarray]:
    return [np.repeat(picture.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2) for picture in shown]


def test_the_part_of_a_sample(tmp_path: Path) -> None:
    dark, light = [np.full((96, 160, 3), 20, np.uint8)] * 10, [np.full((96, 160, 3), 200, np.uint8)] * 10
    file = write(tmp_path / "a.mp4", dark + light)
    found = look_at(file)
    first, second, beyond = (Sample(file, "x", "s", *span) for span in ((0.0, 1.0), (1.0, None), (5.0, 6.0)))
    assert mean_luma(found.within(first)) == pytest.approx(20, abs=3)
    assert mean_luma(found.within(second)) == pytest.approx(200, abs=3)
    assert [found.length_s(s) for s in (first, second, beyond)] == pytest.approx([1.0, 1.0, 0.0])
    assert readable([first, beyond], {file: found}) == ([first], [beyond])


def test_what_cannot_be_read_is_no_error_here(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("this is no film")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder.mp4").mkdir()
    silent = silent_film_turned_round(tmp_path / "silent.mp4")
    causes = {name: look_at(tmp_path / f"{name}.mp4").cause for name in ("text", "empty", "folder", "gone")}
    assert causes == {"text": "file", "empty": "file", "folder": "missing", "gone": "missing"}
    assert look_at(silent).cause == "no_video"
    assert mean_luma(look_at(silent).thumbs) != mean_luma(look_at(silent).thumbs)  # NaN of none
    assert motion(look_at(silent).thumbs) == 0.0


def test_half_a_file_gives_what_it_has(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.ts", pictures(1, 1, seconds=4), keyframes=5)
    data = whole.read_bytes()
    half = tmp_path / "half.ts"
    half.write_bytes(data[: len(data) // 2] + b"\0" * 100)
    found = look_at(half)
    assert 5 < found.pictures < 35
    assert len(found.thumbs) > 3


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "MOST", 20)
    found = look_at(clip(tmp_path / "long.mp4", 1, 1, seconds=8))
    assert 10 <= len(found.thumbs) <= 20
    steps = np.diff(found.times)
    assert steps.min() == pytest.approx(steps.max(), abs=0.11)  # evenly thinned, on a grid of a tenth
    assert found.times[-1] > 7


def test_a_single_picture(tmp_path: Path) -> None:
    found = look_at(write(tmp_path / "one.mp4", [scene(1)]))
    assert (found.pictures, found.fps) == (1, 0.0)
    assert found.duration_s == pytest.approx(0.1)


def test_all_files_once_and_with_progress(tmp_path: Path) -> None:
    files = [clip(tmp_path / f"{i}.mp4", i, i, seconds=0.5) for i in range(3)]
    samples = [Sample(file, "x", "s", start_s) for file in files for start_s in (0.0, 0.2)]
    told: list[tuple[int, int]] = []
    found = look_at_all(samples, lambda *done: told.append(done))
    assert list(found) == files
    assert told == [(1, 3), (2, 3), (3, 3)]
