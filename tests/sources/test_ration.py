"""Ration: whole groups of pictures in turn with other cameras, the first part of long ones, all once there is time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.sources.ration import STALE_S, Ration, together

FPS = 15


def admitted(ration: Ration, groups: int, length: int = 30, begin: int = 0, late_s: float = 0.0) -> list[int]:
    """How many pictures of each group are let through; always its first ones."""
    found = []
    for g in range(groups):
        group = [ration.admits(i == 0, (begin + g * length + i) / FPS, late_s) for i in range(length)]
        assert group == sorted(group, reverse=True), "nothing after the first that was left out"
        found.append(sum(group))
    return found


def rationed(share: float, length: int = 30, phase: float = 0.0, whole: bool = True) -> Ration:
    """One that knows how long groups are."""
    ration = Ration()
    ration.phase, ration.whole = phase, whole
    admitted(ration, 2, length, begin=-2 * length)
    ration.share = share
    return ration


def test_everything_while_there_is_time() -> None:
    assert admitted(Ration(), 3, late_s=0.9) == [30] * 3


@pytest.mark.parametrize(("share", "expected"), [(0.5, 15), (0.1, 3), (0.9, 27), (0.01, 1)])
def test_the_first_part_of_each_group(share: float, expected: int) -> None:
    assert admitted(rationed(share, whole=False), 3) == [expected] * 3


def test_half_of_the_groups_whole() -> None:
    assert admitted(rationed(0.5), 6) in ([30, 0] * 3, [0, 30] * 3)


def test_three_of_four_groups_whole() -> None:
    assert sorted(admitted(rationed(0.75), 4)) == [0, 30, 30, 30]


def test_no_more_than_four_seconds_are_left_out_in_a_row() -> None:
    found = admitted(rationed(0.1), 9)
    assert sorted(found) == [0] * 6 + [9] * 3, "every third group of 2 s, and of it three tenths"
    assert [i % 3 for i, n in enumerate(found) if n] == [found.index(9)] * 3


def test_of_long_groups_the_first_part() -> None:
    assert admitted(rationed(0.4, length=150), 3, length=150) == [60] * 3


def test_short_groups_may_rest_more_often() -> None:
    found = admitted(rationed(0.2, length=15), 10, length=15)
    assert sorted(found) == [0] * 8 + [15] * 2


@pytest.mark.parametrize("share", [0.5, 0.25, 0.7])
def test_cameras_whose_groups_begin_together_take_turns(share: float) -> None:
    cameras = [rationed(share, length=15, phase=i * 0.6180339887 % 1.0) for i in range(20)]
    found = [admitted(camera, 12, length=15) for camera in cameras]
    at_once = [sum(group > 0 for group in groups) for groups in zip(*found, strict=True)]
    assert max(at_once) <= 20 * share + 2
    assert min(at_once) >= 20 * share - 2
    each = [sum(groups) for groups in found]
    assert max(each) - min(each) <= 15


def test_the_rest_of_a_group_stays_out_when_there_is_time_again() -> None:
    ration = rationed(0.1, length=150)
    assert [ration.admits(i == 0, i / FPS) for i in range(20)] == [True] * 15 + [False] * 5
    ration.share = 1.0
    assert not any(ration.admits(False, i / FPS) for i in range(20, 150)), "what they build on is missing"
    assert admitted(ration, 2, 150, begin=150) == [150, 150]


def test_a_first_group_is_whole_for_nobody_knows_its_length() -> None:
    ration = Ration()
    ration.share = 0.1
    assert admitted(ration, 1) == [30]


def test_at_full_share_a_group_is_given_up_when_it_is_hopelessly_late() -> None:
    ration = rationed(1.0)
    assert ration.admits(True, 0.0, late_s=3.0), "a keyframe is a fresh start, however late"
    assert ration.admits(False, 0.1, late_s=0.9)
    assert not ration.admits(False, 0.2, late_s=1.1)
    assert not ration.admits(False, 0.3, late_s=0.0)
    assert admitted(ration, 1, begin=30) == [30]


def test_while_rationed_a_late_group_is_given_up_soon() -> None:
    ration = rationed(0.9, length=150)
    assert ration.admits(True, 0.0, late_s=5.0)
    assert ration.admits(False, 0.1, late_s=STALE_S * 0.9)
    assert not ration.admits(False, 0.2, late_s=STALE_S * 1.1)
    assert not ration.admits(False, 0.3)
    assert ration.admits(True, 10.0)


def test_a_stream_without_keyframes_is_decoded_whole() -> None:
    ration = Ration()
    ration.share = 0.1
    assert all(ration.admits(False, i / FPS) for i in range(100))


@pytest.mark.parametrize("jump", [-100.0, 1000.0])
def test_a_clock_that_jumps_does_not_blind(jump: float) -> None:
    ration = rationed(0.5)
    found = admitted(ration, 2) + admitted(ration, 4, begin=round((4 + jump) * FPS))
    assert sum(found) == 3 * 30


@given(st.floats(0.05, 1.0), st.integers(5, 150), st.floats(0, 0.999), st.booleans())
def test_as_much_as_its_share(share: float, length: int, phase: float, whole: bool) -> None:
    ration = rationed(share, length, phase, whole)
    groups = 40
    total = sum(admitted(ration, groups, length))
    assert abs(total - share * groups * length) <= 2 * length + 2 * groups


def began(at: float | None, length: int = 30) -> Ration:
    ration = rationed(0.5, length)
    ration.began_at = at
    return ration


def test_groups_that_begin_together_are_told_from_spread_ones() -> None:
    assert together([began(100.0 + 0.1 * i + 2.0 * (i % 3)) for i in range(8)])
    assert not together([began(100.0 + 2.0 * i / 8) for i in range(8)])
    assert not together([began(100.0), began(100.0)]), "two cameras are no crowd"
    assert not together([began(None) for _ in range(8)])
    assert not together([Ration() for _ in range(8)])
