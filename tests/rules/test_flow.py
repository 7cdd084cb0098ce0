"""Learned directions: clear after enough vehicles, none where they disagree, and slow to be talked out of it."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.rules.flow import COLUMNS, ROWS, Flow

CELL = (3, 4)


@given(st.floats(-math.pi, math.pi), st.integers(0, 2))
def test_the_direction_is_that_of_the_votes(turn: float, spread: int) -> None:
    flow = Flow(10)
    for i in range(10):
        assert flow.direction(CELL) is None
        lean = turn + (i % 3 - 1) * 0.1 * spread
        flow.vote(CELL, (math.cos(lean), math.sin(lean)))
    found = flow.direction(CELL)
    assert found is not None
    (x, y), share = found
    assert math.hypot(x, y) == pytest.approx(1.0)
    assert x * math.cos(turn) + y * math.sin(turn) > math.cos(math.radians(8))
    assert share > 0.9


def test_where_one_in_five_goes_the_other_way_there_is_none() -> None:
    flow = Flow(10)
    for i in range(50):
        flow.vote(CELL, (1.0, 0.0) if i % 5 else (-1.0, 0.0))
    assert flow.direction(CELL) is None


def test_votes_fade_and_a_moved_lane_is_learned_in_time() -> None:
    flow = Flow(10)
    for _ in range(1000):
        flow.vote(CELL, (1.0, 0.0))
    seen = []
    for _ in range(4000):
        flow.vote(CELL, (-1.0, 0.0), 0.25)
        found = flow.direction(CELL)
        seen.append(None if found is None else round(found[0][0]))
    assert seen[:10] == [1] * 10
    assert None in seen
    assert seen[-1] == -1


def test_a_way_passes_every_cell_between_its_ends() -> None:
    cells = Flow.cells((0.01, 0.01), (0.99, 0.99))
    assert cells[0] == (0, 0)
    assert cells[-1] == (ROWS - 1, COLUMNS - 1)
    assert len(set(cells)) == len(cells) >= COLUMNS
    assert all(abs(a[0] - b[0]) <= 1 and abs(a[1] - b[1]) <= 1 for a, b in itertools.pairwise(cells))
    assert Flow.cell((1.0, 1.0)) == (ROWS - 1, COLUMNS - 1)
    assert Flow.cell((-0.1, 2.0)) == (ROWS - 1, 0)
