"""Numbers as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.web.units import NONE, age, clock, count, latency, rate


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, NONE), (-1.0, "0.0 s"), (0.04, "0.0 s"), (0.16, "0.2 s"), (9.94, "9.9 s"), (9.95, "10 s"),
        (61.0, "61 s"), (119.4, "119 s"), (119.5, "2 min"), (3569.0, "59 min"), (3570.1, "1 h"), (7500.0, "2 h 5 min"),
        (86_399.0, "1 d"), (273_000.0, "3 d 3 h"), (86_400.0 * 400, "400 d"),
    ],
)  # fmt: skip
def test_age(seconds: float | None, text: str) -> None:
    assert age(seconds) == text


@given(st.floats(0, 1e8))
def test_an_age_has_at_most_two_units_and_never_an_overflowing_one(seconds: float) -> None:
    parts = age(seconds).split()
    assert len(parts) in (2, 4)
    assert not {"60 min", "24 h"} & {" ".join(parts[:2]), " ".join(parts[2:])}


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, NONE), (0.0, "0 ms"), (0.0836, "84 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s")]
)
def test_latency(seconds: float | None, text: str) -> None:
    assert latency(seconds) == text


def test_rate_count_and_time_of_day() -> None:
    assert (rate(None), rate(4.94)) == (NONE, "4.9")
    assert (count(1, "camera"), count(0, "camera"), count(16, "camera")) == ("1 camera", "0 cameras", "16 cameras")
    now = 1_795_464_900.0
    assert clock(now - 12, now) == "20:14:48"
    assert clock(now - 86_400, now) == "11-22 20:15:00"
