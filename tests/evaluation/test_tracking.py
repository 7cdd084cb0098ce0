"""Tracks against labels: perfect ones, broken ones, and the campus footage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.errors import InputError
from streamer.evaluation.tracking import Follow, load_boxes, measure, table

SIZE, FPS = (100, 200), 10.0


def labels(frames: int, people: int = 2) -> dict[int, np.ndarray]:
    """People who walk to the right, one below the other."""
    return {
        f: np.array([[who, 10.0 + f, 20 + 60 * who, 10, 40] for who in range(1, people + 1)]) for f in range(1, frames)
    }


def tracked(true: dict[int, np.ndarray], step: int = 1) -> dict[float, np.ndarray]:
    """The same as a tracker would tell it, every so many frames."""
    scale = np.array([1.0, *SIZE, *SIZE])
    return {(f - 1) / FPS: boxes / scale for f, boxes in true.items() if (f - 1) % step == 0}


@pytest.mark.parametrize("step", [1, 2, 5])
def test_perfect_tracks_are_perfect_at_any_rate(step: int) -> None:
    true = labels(41)
    found = measure(true, tracked(true, step), FPS, SIZE, FPS / step)
    assert (found.hota, found.idf1, found.mota) == pytest.approx((1.0, 1.0, 1.0))
    assert (found.id_switches, found.frames) == (0, 40 // step)


def test_a_switch_costs_identity_but_not_detection() -> None:
    true = labels(41)
    told = tracked(true)
    for time, boxes in told.items():
        if time >= 2.0:
            boxes[:, 0] += 10  # both go on under new numbers
    found = measure(true, told, FPS, SIZE, FPS)
    assert found.deta == pytest.approx(1.0)
    assert found.id_switches == 2
    assert found.idf1 == pytest.approx(0.5)
    assert found.assa < 0.6


def test_who_is_not_seen_costs_detection() -> None:
    true = labels(41)
    found = measure(true, {time: boxes[:1] for time, boxes in tracked(true).items()}, FPS, SIZE, FPS)
    assert found.mota == pytest.approx(0.5)
    assert found.idf1 == pytest.approx(2 / 3)


def test_frames_beyond_the_labels_do_not_count() -> None:
    true = labels(21)
    told = tracked(labels(41))
    assert measure(true, told, FPS, SIZE, FPS).frames == 20


def test_nothing_told_is_nothing_won() -> None:
    true = labels(11)
    found = measure(true, {t: boxes[:0] for t, boxes in tracked(true).items()}, FPS, SIZE, FPS)
    assert (found.hota, found.idf1, found.frames) == (0.0, 0.0, 10)


def test_labels_of_other_frames_are_an_error() -> None:
    with pytest.raises(InputError, match="none is labeled"):
        measure({500: labels(2)[1]}, tracked(labels(11)), FPS, SIZE, FPS)


def test_mot_text_is_read_and_what_is_not_to_be_considered_left_out(tmp_path: Path) -> None:
    path = tmp_path / "gt.txt"
    path.write_text("1,7,10,20,5,6\n1,8,1,2,5,6,0,1,1\n1,9,1,2,5,6,1,7,1\n\n3, 7, 11, 21, 5, 6, 1, -1, -1, -1\n")
    found = load_boxes(path)
    assert {frame: boxes.tolist() for frame, boxes in found.items()} == {1: [[7, 10, 20, 5, 6]], 3: [[7, 11, 21, 5, 6]]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no labeled box"),
        ("frame,id\n", "gt.txt:1: not all of it is numbers"),
        ("1,2,3,4,5\n", "gt.txt:1: needs frame"),
        ("0,2,3,4,5,6\n", "needs frame"),
        ("1,2,3,4,5,6\n1,2,3,4,0,6\n", "gt.txt:2: needs frame"),
        ("1,2,3,nan,5,6\n", "needs frame"),
    ],
)
def test_bad_labels(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "gt.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_boxes(path)


def test_two_followers_do_not_share_what_they_found() -> None:
    one, other = (Follow.model_validate({"detector": "motion"}) for _ in range(2))
    one.found[0.0] = np.zeros((0, 5))
    assert other.found == {}


def test_the_table_is_in_percent() -> None:
    true = labels(11)
    text = table({"gate": [measure(true, tracked(true), FPS, SIZE, FPS)]})
    assert text.splitlines()[1].split() == ["gate", "10", "10", "100.0", "100.0", "100.0", "100.0", "100.0", "0"]
