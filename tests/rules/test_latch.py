"""Hysteresis in time: what begins, what ends, and what neither does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.rules.latch import Latch


def run(latch: Latch, values: str, step_s: float = 0.5) -> list[tuple[str, float]]:
    """What each frame changes: `^` holds, `-` is between the thresholds, `_` fails."""
    found = []
    for i, value in enumerate(values):
        change = latch.update(i * step_s, i * step_s, value == "^", value == "_")
        if change:
            found.append((change, i * step_s))
    return found


def test_it_begins_after_it_held_and_ends_after_it_failed() -> None:
    latch = Latch(1.0, 2.0)
    assert run(latch, "__^^^^^______") == [("begin", 2.0), ("end", 5.5)]
    assert (latch.started, latch.until) == (1.0, 3.0)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ("^^_^^_^^_", "it never holds for a second"),
        ("^^-^^-^^-", "between the thresholds it does not hold"),
        ("-----", "it never holds"),
    ],
)
def test_it_does_not_begin(values: str, why: str) -> None:
    assert run(Latch(1.0, 2.0), values) == [], why


@pytest.mark.parametrize("values", ["^^^___^___^___", "^^^___-___-___", "^^^----------"])
def test_it_does_not_end(values: str) -> None:
    assert run(Latch(1.0, 2.0), values) == [("begin", 1.0)]


def test_no_time_asked_for_is_at_once() -> None:
    assert run(Latch(0.0, 0.0), "_^_") == [("begin", 0.5), ("end", 1.0)]


def test_known_time_counts_and_capture_time_is_told() -> None:
    latch = Latch(1.0, 1.0)
    assert latch.update(100.0, 0.0, True) == ""
    assert latch.update(107.0, 0.5, True) == ""
    assert latch.held_s(0.5) == 0.5
    assert latch.update(108.0, 1.0, True) == "begin"
    assert latch.started == 100.0


@given(st.lists(st.sampled_from("^-_"), max_size=60), st.floats(0, 3), st.floats(0, 3))
def test_begins_and_ends_alternate(values: list[str], on_s: float, off_s: float) -> None:
    changes = [change for change, _ in run(Latch(on_s, off_s), "".join(values))]
    assert changes == ["begin", "end"] * (len(changes) // 2) + ["begin"] * (len(changes) % 2)
