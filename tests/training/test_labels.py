"""Wrong labels are found among right ones, out of fold, and the file from a training is read strictly."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from streamer.errors import InputError
from streamer.training.labels import doubts, motion_features, out_of_fold, read_probabilities
from streamer.training.look import look_at_all
from streamer.training.samples import Sample
from tests.training.scenes import clip

pytest.importorskip("sklearn")
pytest.importorskip("cleanlab")


def data(wrong: tuple[int, ...] = ()) -> tuple[list[Sample], np.ndarray]:
    """60 samples of 12 sources with two clear classes; `wrong` ones have the other's label."""
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 2
    features = rng.normal(size=(60, 8)) + 3.0 * truth[:, None]
    given = [int(t) ^ (i in wrong) for i, t in enumerate(truth)]
    return [Sample(Path(f"{i}.mp4"), "ab"[g], f"s{i % 12}") for i, g in enumerate(given)], features


def test_the_wrong_ones_are_found_and_no_others() -> None:
    wrong = (7, 24, 51)
    samples, features = data(wrong)
    found, labels = out_of_fold(samples, features)
    report = doubts(samples, found, labels)
    assert {samples.index(doubt.sample) for doubt in report.doubts} == set(wrong)
    assert all(doubt.instead != doubt.sample.label and doubt.probability < 0.3 for doubt in report.doubts)
    assert report.accuracy == pytest.approx(57 / 60)
    assert (report.judged, report.guessing) == (60, pytest.approx(0.5, abs=0.06))
    samples, features = data()
    assert doubts(samples, *out_of_fold(samples, features)).doubts == ()


def test_no_sample_is_judged_by_its_own_source() -> None:
    """Features that only tell the source must not tell the label."""
    samples = [Sample(Path(f"{i}.mp4"), "ab"[i % 10 // 5], f"s{i % 10}") for i in range(100)]
    features = np.eye(10)[[i % 10 for i in range(100)]]
    found, labels = out_of_fold(samples, features)
    assert doubts(samples, found, labels).accuracy <= 0.6


def test_the_same_every_time_and_rows_are_probabilities() -> None:
    samples, features = data((3,))
    wide = np.hstack([features, np.random.default_rng(1).normal(size=(60, 100))])
    one, _ = out_of_fold(samples, wide)
    assert np.array_equal(one, out_of_fold(samples, wide)[0])
    assert one.sum(axis=1) == pytest.approx(1)


def test_a_class_of_one_source(tmp_path: Path) -> None:
    samples = [Sample(Path(f"{i}.mp4"), "a" if i < 4 else "b", "s1" if i < 4 else f"s{i}") for i in range(12)]
    found, labels = out_of_fold(samples, np.random.default_rng(0).normal(size=(12, 3)))
    assert labels == ["a", "b"]
    assert found.sum(axis=1) == pytest.approx(1)


def test_too_little_to_judge() -> None:
    samples, features = data()
    with pytest.raises(InputError, match="at least 2 classes with usable samples, there are 1"):
        out_of_fold([Sample(s.file, "a", s.source) for s in samples], features)
    with pytest.raises(InputError, match="at least 2 are needed, got 1"):
        out_of_fold([Sample(s.file, s.label, "one") for s in samples], features)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, features = data()
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(InputError, match=r'needs scikit-learn; pip install "streamer\[train\]"'):
        out_of_fold(samples, features)
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
    with pytest.raises(InputError, match=r'needs cleanlab; pip install "streamer\[train\]"'):
        doubts(samples, np.full((60, 2), 0.5), ["a", "b"])


def test_motion_tells_quick_from_slow(tmp_path: Path) -> None:
    samples = [Sample(clip(tmp_path / f"{i}.mp4", 1, 1, fps=fps), "x", "s") for i, fps in enumerate((10.0, 10.0))]
    samples.append(Sample(samples[0].file, "x", "s", 0.0, 0.05))  # a single picture
    rows = motion_features(samples, look_at_all(samples))
    assert rows.shape == (3, 22)
    assert np.isfinite(rows).all()
    assert rows[0, 0] > 1 > rows[2, 0] == 0
    assert np.allclose(rows[0], rows[1])


def test_probabilities_of_a_training(tmp_path: Path) -> None:
    file = tmp_path / "probabilities.csv"
    samples = [Sample(tmp_path / "a.mp4", "a", "s"), Sample(tmp_path / "b.mp4", "b", "s", 1.5, 3.0)]
    file.write_text("file,start,b,a,other\nb.mp4,1.5,0.2,0.6,x\na.mp4,,0,1,\n")
    found, classes = read_probabilities(file, samples)
    assert classes == ["a", "b"]
    assert found == pytest.approx(np.array([[1, 0], [0.75, 0.25]]))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("file,a\na.mp4,1\n", "no column 'b'; needed are file and the classes a, b"),
        ("", "no column"),
        ("file,a,b\na.mp4,1,0\n", "no row for"),
        ("file,start,a,b\na.mp4,,1,0\nb.mp4,1.5,x,0\n", "probabilities must be numbers"),
        ("file,start,a,b\na.mp4,,0,0\nb.mp4,1.5,1,0\n", "probabilities must be numbers"),
        ("file,start,a,b\na.mp4,,-1,2\nb.mp4,1.5,1,0\n", "probabilities must be numbers"),
        ("file,start,a,b\na.mp4,soon,1,2\nb.mp4,1.5,1,0\n", "start must be seconds, got 'soon'"),
    ],
)
def test_a_wrong_file_of_probabilities(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "p.csv"
    file.write_text(text)
    samples = [Sample(tmp_path / "a.mp4", "a", "s"), Sample(tmp_path / "b.mp4", "b", "s", 1.5, 3.0)]
    with pytest.raises(InputError) as caught:
        read_probabilities(file, samples)
    assert told in str(caught.value)
    with pytest.raises(InputError, match="cannot be read"):
        read_probabilities(tmp_path / "gone.csv", samples)
