"""When each frame was sent: a file of CLOCK_MONOTONIC instants that a bench maps into memory beside the simulator.

float64 [cameras][8192]; a frame's slot is its number (counted from the camera's first) modulo 8192; 0.0 is a frame
that was not sent. The simulator writes, `SentTimes` reads, in another process; each slot is one aligned store.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

SLOTS = 8192


class SendLog:
    """The writing side, in the simulator."""

    def __init__(self, path: Path, cameras: int):
        """Create the file, all zeros."""
        self._table = np.memmap(path, np.float64, "w+", shape=(cameras, SLOTS))

    def write(self, camera: int, number: int, at: float) -> None:
        """Frame `number` of camera `camera` is sent at `at`; 0.0 says that it is not sent."""
        self._table[camera, number % SLOTS] = at


class SentTimes:
    """The reading side, in a bench."""

    def __init__(self, path: Path, cameras: int):
        """Map a log that a simulator has created. Raises OSError or ValueError when it is not there or too short."""
        self._table = np.memmap(path, np.float64, "r", shape=(cameras, SLOTS))

    def sent_at(self, camera: int, slots: tuple[int, int], index: int, before: float) -> float | None:
        """When picture `index` of the loop was sent last, not after `before`; None when that is not in the log.

        `slots` is (start, length): the index of the camera's first frame, and the frames in its loop (see
        `Simulator.loops`). Frames of more than 8192 frame periods ago are forgotten.
        """
        start, length = slots
        times = np.asarray(self._table[camera])
        (sent,) = np.nonzero((times > 0) & (times <= before))
        if not len(sent):
            return None
        newest = sent[np.argmax(times[sent])]
        # the newest slot's true number is unknown by a multiple of SLOTS once the log has wrapped, so both the
        # distance within the loop and the candidate's age have to agree: walk back from the newest, at most one turn
        best = None
        for slot in sent:
            back = (newest - slot) % SLOTS
            if (start + newest - back - index) % length == 0 and (best is None or times[slot] > best):
                best = float(times[slot])
        return best
