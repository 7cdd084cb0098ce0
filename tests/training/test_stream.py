"""A model over recordings: the live path, clip by clip, with what cannot be read skipped and said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.errors import InputError, ModelError
from streamer.training.light import bucket, luma
from streamer.training.samples import Sample
from streamer.training.stream import behaviour_file, stream_samples
from tests.films import film
from tests.models.stepping import stepping


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return stepping(tmp_path / "light.onnx")


def brightness(time: float) -> float:
    """Of the film at a time: it begins at 40 and gains 4 a picture, 10 pictures a second."""
    return (40 + 4 * round(time * 10)) / 255


def test_scores_are_those_of_a_model_that_remembers(tmp_path: Path, model: Path) -> None:
    video = film(tmp_path / "a.mp4", seconds=3.0)
    (found,) = stream_samples(model, [Sample(video, "bright", "a")]).scored
    assert np.diff(found.times) == pytest.approx(0.2, abs=1e-3)
    assert found.warm.tolist() == [False, False] + [True] * (len(found.times) - 2)
    state = 0.0
    for time, (dark, bright) in zip(found.times, found.scores, strict=True):
        state = 0.5 * state + 0.5 * brightness(time)
        assert bright == pytest.approx(state, abs=0.02)  # the film is compressed
        assert dark == pytest.approx(1 - bright, abs=1e-5)
    assert found.light[0] == pytest.approx(40, abs=4)
    assert found.seconds == pytest.approx(3.0, abs=0.01)


def test_a_stretch_begins_anew_and_ends_in_time(tmp_path: Path, model: Path) -> None:
    video = film(tmp_path / "a.mp4", seconds=4.0)
    (found,) = stream_samples(model, [Sample(video, "bright", "a", start_s=2.0, end_s=3.0)]).scored
    assert found.times.tolist() == pytest.approx([2.0, 2.2, 2.4, 2.6, 2.8], abs=1e-3)
    assert found.scores[0, 1] == pytest.approx(0.5 * brightness(2.0), abs=0.02)
    assert not found.warm[0]


def test_clips_beside_each_other_do_not_meet(tmp_path: Path, model: Path) -> None:
    """More clips than lanes, of different lengths: each has the scores that it has alone."""
    samples = [Sample(film(tmp_path / f"{i}.mp4", seconds=0.6 + 0.4 * i), "bright", str(i)) for i in range(10)]
    together = stream_samples(model, samples)
    assert together.samples == samples
    for sample, found in zip(samples, together.scored, strict=True):
        (alone,) = stream_samples(model, [sample]).scored
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-6)
        np.testing.assert_array_equal(found.times, alone.times)


def test_at_a_higher_rate_the_last_scores_hold(tmp_path: Path, model: Path) -> None:
    (found,) = stream_samples(model, [Sample(film(tmp_path / "a.mp4", seconds=2.0), "bright", "a")], fps=10).scored
    assert len(found.times) == 20
    # the model steps five times a second, whatever it is shown: between its steps the last scores hold
    assert len(np.unique(found.scores[:, 1])) in (10, 11)


def test_what_cannot_be_read_is_skipped_and_said(tmp_path: Path, model: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    good = Sample(film(tmp_path / "a.mp4"), "bright", "a")
    beyond = Sample(good.file, "bright", "a", start_s=60.0)
    told: list[tuple[int, int]] = []
    found = stream_samples(
        model, [Sample(broken, "dark", "b"), good, beyond], progress=lambda done, total: told.append((done, total))
    )
    assert found.samples == [good]
    assert len(found.skipped) == 2
    assert "broken.mp4" in found.skipped[0]
    assert "no picture between 60 s" in found.skipped[1]
    assert told == [(3, 3)]


def test_nothing_that_can_be_read_is_an_error(tmp_path: Path, model: Path) -> None:
    with pytest.raises(InputError, match="none of 1 clips can be read"):
        stream_samples(model, [Sample(tmp_path / "none.mp4", "dark", "b")])


def test_a_detector_is_no_behaviour_model() -> None:
    with pytest.raises(ModelError, match="a behaviour model is needed"):
        behaviour_file("motion")


@pytest.mark.parametrize(("level", "expected"), [(0, "night"), (59, "night"), (60, "dusk"), (99, "dusk"), (100, "day")])
def test_buckets_of_light(level: int, expected: str) -> None:
    gray = np.full((9, 16, 3), level, np.uint8)
    assert luma(gray) == pytest.approx(level, abs=1e-3)
    assert bucket(luma(gray) + 1e-3) == expected


def test_green_is_brighter_than_blue() -> None:
    green, blue = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)
    green[..., 1], blue[..., 2] = 255, 255
    assert luma(green) == pytest.approx(0.587 * 255, abs=0.1)
    assert luma(blue) == pytest.approx(0.114 * 255, abs=0.1)
