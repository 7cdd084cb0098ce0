"""Learned flow: which way traffic goes at each spot of the picture, from the ways of the vehicles themselves.

The picture is a grid; each vehicle gives each cell that it drives through one vote for its direction, in eight bins. A
cell has a direction once enough vehicles have voted and nearly all agree; where traffic goes both ways, or turns, it
has none, and nobody is accused there. Votes fade as new ones come, so works that move a lane are learned in time. The
memory is one small array. (Dominant flow from trajectories: Stauffer and Grimson, PAMI 2000; grids of direction
histograms as in Saleemi et al., PAMI 2009.)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streamer.rules.sight import Vector

Cell = tuple[int, int]
"""Row and column."""

COLUMNS, ROWS, _BINS = 32, 24, 8
_MOST = 200.0
"""Votes of a cell; when it has more, all are halved."""
_MIXED = 0.1
"""Share of a cell's votes beside the dominant direction and its two neighbors at which it counts as two-way."""


class Flow:
    """Directions of travel over the picture; 49 KiB, whatever happens.

    Args:
        min_vehicles: how many must have voted in a cell before it has a direction.
    """

    def __init__(self, min_vehicles: int):
        self._min_vehicles = min_vehicles
        self._votes: NDArray[np.float64] = np.zeros((ROWS, COLUMNS, _BINS))

    @staticmethod
    def cell(point: Vector) -> Cell:
        """Row and column of a point in fractions of the frame."""
        return (
            min(max(int(point[1] * ROWS), 0), ROWS - 1),
            min(max(int(point[0] * COLUMNS), 0), COLUMNS - 1),
        )

    @staticmethod
    def cells(start: Vector, end: Vector) -> list[Cell]:
        """The cells between two points, in order, each once: fast vehicles are not seen in each that they pass."""
        steps = max(1, math.ceil(2 * max(abs(end[0] - start[0]) * COLUMNS, abs(end[1] - start[1]) * ROWS)))
        parts = (i / steps for i in range(steps + 1))
        found = (Flow.cell((start[0] + t * (end[0] - start[0]), start[1] + t * (end[1] - start[1]))) for t in parts)
        return list(dict.fromkeys(found))

    def vote(self, cell: Cell, way: Vector, weight: float = 1.0) -> None:
        """One vehicle went this way through a cell; x right and y down in heights of the picture."""
        turn = math.atan2(way[1], way[0]) / math.tau * _BINS
        votes = self._votes[cell]
        # between two bins both get their part, so a direction on the border is as clear as any
        low = math.floor(turn)
        votes[low % _BINS] += weight * (low + 1 - turn)
        votes[(low + 1) % _BINS] += weight * (turn - low)
        if votes.sum() > _MOST:
            votes *= 0.5

    def direction(self, cell: Cell) -> tuple[Vector, float] | None:
        """The way that traffic goes in a cell as a unit vector, and the share of votes for it.

        None where too few have passed, or not nearly all the same way.
        """
        votes = self._votes[cell]
        total = float(votes.sum())
        if total < self._min_vehicles - 1e-6:
            return None
        best = int(votes.argmax())
        agree = float(votes[[best - 1, best, (best + 1) % _BINS]].sum()) / total
        if 1 - agree > _MIXED:
            return None
        turns = np.arange(best - 1, best + 2) / _BINS * math.tau
        weights = votes[[best - 1, best, (best + 1) % _BINS]]
        x, y = float((weights * np.cos(turns)).sum()), float((weights * np.sin(turns)).sum())
        length = math.hypot(x, y)
        return (x / length, y / length), agree
