"""How near two boxes are."""

from __future__ import annotations

import pytest

from streamer.rules.distance import apart, covers, gap

A = (0.2, 0.2, 0.4, 0.6)


@pytest.mark.parametrize(
    ("b", "expected"),
    [
        (A, True),
        ((0.3, 0.3, 0.35, 0.35), True),
        ((0.35, 0.2, 0.55, 0.6), False),
        ((0.29, 0.2, 0.49, 0.6), True),
        ((0.8, 0.8, 0.9, 0.9), False),
        ((0.8, 0.8, 0.8, 0.8), False),
    ],
)
def test_more_than_half_within(b: tuple[float, float, float, float], expected: bool) -> None:
    assert covers(A, b) is expected


def test_the_gap_is_between_edges_in_heights() -> None:
    assert gap(A, (0.5, 0.2, 0.6, 0.6), 2.0) == pytest.approx(0.2)
    assert gap(A, (0.2, 0.7, 0.4, 0.8), 2.0) == pytest.approx(0.1)
    assert gap(A, (0.46, 0.68, 0.6, 0.9), 0.5) == pytest.approx((0.03**2 + 0.08**2) ** 0.5)
    assert gap(A, (0.3, 0.3, 0.9, 0.9), 2.0) == 0.0


def test_feet_are_apart_in_heights() -> None:
    assert apart(A, A, 1.5) == pytest.approx(0.0)
    assert apart(A, (0.4, 0.2, 0.6, 0.6), 1.5) == pytest.approx(0.3)
    assert apart(A, (0.2, 0.2, 0.4, 0.9), 1.5) == pytest.approx(0.3)
