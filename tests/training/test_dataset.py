"""Examples: which clip comes when, what it teaches, and what is wrong with data."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from streamer.errors import InputError
from streamer.models.card import Head
from streamer.training.dataset import Examples, check_labels, collate, plan, steps, target_of
from tests.training.clips import LABELS, array_clips, recipe

TWO = {
    "net": {
        "heads": [
            Head(name="a", labels=("x", "y"), activation="softmax"),
            Head(name="b", labels=("z",), activation="sigmoid"),
        ]
    }
}


def test_every_clip_comes_once_an_epoch_in_another_order_each() -> None:
    labels = list(LABELS) * 8
    first, second = (plan(labels, recipe(), epoch) for epoch in (0, 1))
    assert [len(batch) for batch in first] == [4, 4, 4, 4]
    assert sorted(index for batch in first for _, _, index in batch) == list(range(16))
    assert [[i for _, _, i in b] for b in first] != [[i for _, _, i in b] for b in second]
    assert plan(labels, recipe(), 0) == first
    assert plan(labels, recipe(seed=1), 0) != first


def test_a_batch_that_is_not_full_is_left_out_unless_it_is_the_only_one() -> None:
    assert [len(it) for it in plan(["a"] * 11, recipe(), 0)] == [4, 4]
    assert [len(it) for it in plan(["a"] * 3, recipe(), 0)] == [3]


def test_drawing_evenly_shows_rare_labels_as_often() -> None:
    labels = ["calm"] * 180 + ["jumpy"] * 20
    even = recipe(loss={"balance": "sample"}, batch_size=200)
    seen = Counter(labels[i] for epoch in range(5) for batch in plan(labels, even, epoch) for _, _, i in batch)
    assert 0.44 < seen["jumpy"] / seen.total() < 0.56


def test_an_example_is_a_part_of_its_clip_and_follows_from_its_place(tmp_path: Path) -> None:
    clips = array_clips(tmp_path, [30, 30])
    examples = Examples(clips, recipe())
    whole = np.load(clips[1].frames)
    starts = set()
    for ordinal in range(12):
        pixels, length, *_ = examples[0, ordinal, 1]
        assert length == len(pixels) == 10
        (start,) = [i for i in range(21) if np.array_equal(whole[i : i + 10], pixels)]
        starts.add(start)
        assert np.array_equal(examples[0, ordinal, 1][0], pixels)
    assert len(starts) > 5


def test_shorter_clips_repeat_their_last_frame_and_say_how_long_they_are(tmp_path: Path) -> None:
    examples = Examples(array_clips(tmp_path, [10, 4]), recipe())
    batch = collate([examples[0, 0, 0], examples[0, 1, 1]])
    assert batch.pixels.shape == (2, 10, 32, 32, 3)
    assert batch.lengths.tolist() == [10, 4]
    assert all(torch.equal(batch.pixels[1, t], batch.pixels[1, 3]) for t in range(4, 10))
    assert batch.target.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("workers", [0, 2])
def test_reading_processes_do_not_change_what_is_read(tmp_path: Path, workers: int) -> None:
    examples = Examples(array_clips(tmp_path), recipe())
    places = plan(["calm", "jumpy"] * 4, recipe(), 3)
    direct = [collate([examples[place] for place in batch]) for batch in places]
    read = list(steps(examples, places, workers))
    for one, other in zip(direct, read, strict=True):
        assert torch.equal(one.pixels, other.pixels)
        assert [it.seed for it in one.draws] == [it.seed for it in other.draws]


def test_heads_learn_from_their_own_labels_and_sigmoid_heads_from_the_background() -> None:
    two = recipe(**TWO, background=["nothing"])
    found = {label: [it.tolist() for it in target_of(label, two)] for label in ("x", "y", "z", "nothing")}
    assert found == {
        "x": [[1, 0, 0], [1, 1, 0]],
        "y": [[0, 1, 0], [1, 1, 0]],
        "z": [[0, 0, 1], [0, 0, 1]],
        "nothing": [[0, 0, 0], [0, 0, 1]],
    }


def test_a_label_that_no_head_knows_is_an_error() -> None:
    with pytest.raises(InputError, match="clips labeled 'wild', the recipe's heads know calm, jumpy; rename the clips"):
        check_labels(["calm", "jumpy", "wild"], recipe())


def test_one_class_is_an_error() -> None:
    with pytest.raises(InputError, match="all 3 clips are labeled 'calm'; at least two classes are needed"):
        check_labels(["calm"] * 3, recipe())


def test_a_label_without_clips_is_an_error() -> None:
    with pytest.raises(
        InputError, match="no clip is labeled 'z', which the heads are to learn; the data have 1 x, 2 y"
    ):
        check_labels(["x", "y", "y"], recipe(**TWO))


def test_no_clips_are_an_error() -> None:
    with pytest.raises(InputError, match="there are no clips"):
        check_labels([], recipe())
