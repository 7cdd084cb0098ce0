"""Ration: the first part of each group of pictures, whole groups again once there is time."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.sources.ration import STALE_S, Ration

FPS = 15


def admitted(ration: Ration, groups: int, length: int = 30, begin: int = 0, late_s: float = 0.0) -> list[list[bool]]:
    """Which pictures of each group are let through."""
    return [
        [ration.admits(i == 0, (begin + g * length + i) / FPS, late_s) for i in range(length)] for g in range(groups)
    ]


def test_everything_while_there_is_time() -> None:
    assert all(all(group) for group in admitted(Ration(), 3, late_s=0.9))


def test_at_full_share_a_group_is_given_up_when_it_is_hopelessly_late() -> None:
    ration = Ration()
    admitted(ration, 1)
    assert ration.admits(True, 2.0, late_s=3.0)
    assert ration.admits(False, 2.1, late_s=0.9)
    assert not ration.admits(False, 2.2, late_s=1.1)
    assert not ration.admits(False, 2.3, late_s=0.0)
    assert ration.admits(True, 4.0)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 15), (0.1, 3), (0.9, 27), (0.0, 1), (0.01, 1)])
def test_the_first_part_of_each_group(share: float, expected: int) -> None:
    ration = Ration()
    admitted(ration, 2)
    ration.share = share
    for group in admitted(ration, 3, begin=60):
        assert group == [True] * expected + [False] * (30 - expected)


def test_nothing_of_a_group_after_the_first_that_was_left_out() -> None:
    ration = Ration()
    admitted(ration, 1)
    ration.share = 0.2
    assert [ration.admits(i == 0, 2 + i / FPS) for i in range(10)] == [True] * 6 + [False] * 4
    ration.share = 1.0
    assert not any(ration.admits(False, 2 + i / FPS) for i in range(10, 30)), "what they build on is missing"
    assert ration.admits(True, 4.0)
    assert all(ration.admits(False, 4 + i / FPS) for i in range(1, 30))


def test_a_first_group_is_whole_for_nobody_knows_its_length() -> None:
    ration = Ration()
    ration.share = 0.1
    first, second = admitted(ration, 2)
    assert all(first)
    assert sum(second) == 3


def test_a_group_that_is_late_is_given_up() -> None:
    ration = Ration()
    admitted(ration, 1)
    ration.share = 0.9
    assert ration.admits(True, 2.0, late_s=5.0), "a keyframe is a fresh start, however late"
    assert ration.admits(False, 2 + 1 / FPS, late_s=STALE_S * 0.9)
    assert not ration.admits(False, 2 + 2 / FPS, late_s=STALE_S * 1.1)
    assert not ration.admits(False, 2 + 3 / FPS)
    assert ration.admits(True, 4.0)
    assert ration.admits(False, 4 + 1 / FPS)


def test_a_stream_without_keyframes_is_decoded_whole() -> None:
    ration = Ration()
    ration.share = 0.1
    assert all(ration.admits(False, i / FPS) for i in range(100))


@pytest.mark.parametrize("jump", [-100.0, 1000.0])
def test_a_clock_that_jumps_does_not_blind(jump: float) -> None:
    ration = Ration()
    admitted(ration, 2)
    ration.share = 0.5
    assert ration.admits(True, 4.0 + jump)
    assert [ration.admits(False, 4.0 + jump + i / FPS) for i in range(1, 30)] == [True] * 14 + [False] * 15


@given(st.floats(0.05, 1.0), st.integers(5, 150))
def test_never_less_than_its_share_and_hardly_more(share: float, length: int) -> None:
    ration = Ration()
    admitted(ration, 1, length)
    ration.share = share
    (group,) = admitted(ration, 1, length, begin=length)
    assert Fraction(sum(group), length) >= Fraction(share) - Fraction(1, length)
    assert sum(group) <= share * length + 2
