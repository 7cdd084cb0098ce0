"""Folds share no source and no file, hold every sample once, mix labels evenly, and repeat."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import InputError
from streamer.training.folds import apportion, fold_numbers, group_numbers, grouped_folds
from streamer.training.samples import Sample, read_samples


def sample(number: int, label: str, source: str, file: str = "") -> Sample:
    return Sample(Path(file or f"{number}.mp4"), label, source)


_DATA = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.integers(0, 30)), min_size=1, max_size=40).map(
    lambda rows: [sample(i, label, f"s{source}", f"f{file}") for i, (label, source, file) in enumerate(rows)]
)


@given(_DATA, st.integers(2, 4), st.integers(0, 3))
def test_no_source_and_no_file_is_on_both_sides(samples: list[Sample], k: int, seed: int) -> None:
    groups = len(set(group_numbers(samples, lambda s: s.source)))
    if groups < k:
        with pytest.raises(InputError, match="share no source"):
            grouped_folds(samples, k, seed)
        return
    folds = grouped_folds(samples, k, seed)
    assert Counter(s for _, test in folds for s in test) == Counter(samples)
    for train, test in folds:
        assert test
        assert len(train) + len(test) == len(samples)
        assert not {s.source for s in train} & {s.source for s in test}
        assert not {s.file for s in train} & {s.file for s in test}
    assert folds == grouped_folds(samples, k, seed)


def test_labels_are_spread_evenly() -> None:
    samples = [sample(i, "rare" if i % 10 == 0 else "common", f"s{i // 2}") for i in range(100)]
    for _, test in grouped_folds(samples, 5, seed=3):
        assert Counter(s.label for s in test) == {"rare": 2, "common": 18}


def test_another_seed_gives_other_folds() -> None:
    samples = [sample(i, "ab"[i % 2], f"s{i}") for i in range(40)]
    assert fold_numbers(samples, 5, 0) != fold_numbers(samples, 5, 1)


def test_one_file_of_two_sources_is_not_torn_apart() -> None:
    samples = [sample(0, "a", "s1", "x"), sample(1, "b", "s2", "x"), sample(2, "a", "s2", "y"), sample(3, "b", "s3")]
    assert group_numbers(samples, lambda s: s.source) == [0, 0, 0, 1]


def test_too_few_sources_or_folds_are_an_error() -> None:
    samples = [sample(i, "a", "one") for i in range(5)]
    with pytest.raises(InputError, match="5 samples of 1 sources cannot make 2 parts"):
        grouped_folds(samples, 2)
    with pytest.raises(InputError, match="at least 2 are needed, got 1"):
        grouped_folds(samples, 1)
    with pytest.raises(InputError, match="0 samples of 0 sources"):
        grouped_folds([], 2)


def test_a_label_of_one_source_is_told(caplog: pytest.LogCaptureFixture) -> None:
    samples = [sample(0, "a", "s1"), sample(1, "a", "s2"), sample(2, "b", "s2")]
    with caplog.at_level(logging.WARNING):
        grouped_folds(samples, 2)
    assert "all samples of 'b' fall into one fold" in caplog.text


def test_shares() -> None:
    samples = [sample(i, "ab"[i % 2], f"s{i // 4}") for i in range(200)]
    parts = apportion(samples, [0.7, 0.1, 0.2], seed=1)
    for label in "ab":
        shares = Counter(at for at, s in zip(parts, samples, strict=True) if s.label == label)
        assert shares == {0: 70, 1: 10, 2: 20}
    assert set(apportion(samples, [0.8, 0.0, 0.2])) == {0, 2}


def test_the_real_fights_in_five(shared_data: Path) -> None:
    for train, test in grouped_folds(read_samples(shared_data / "fights"), 5):
        assert {s.label for s in train} == {"fight", "normal"}
        counted = Counter(s.label for s in test)
        assert 14 <= counted["fight"] <= 28, counted
        assert 13 <= counted["normal"] <= 27, counted
