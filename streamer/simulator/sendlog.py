"""When each frame was sent: a file of CLOCK_MONOTONIC instants that a bench maps into memory beside the simulator.

float64 [cameras][8192]; a frame's slot is its number (counted from the camera's first) modulo 8192; 0.0 is a frame
that was not sent. A second file, with `.last` added to the name, holds the newest number of each camera as int64, so
that a slot's number is known after the log has wrapped. The simulator writes, `SentTimes` reads, in another process;
each value is one aligned store.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SLOTS = 8192


class SendLog:
    """The writing side, in the simulator."""

    def __init__(self, path: Path, cameras: int):
        """Create the files, empty. Raises OSError when they cannot be written."""
        self._times = np.memmap(path, np.float64, "w+", shape=(cameras, SLOTS))
        self._last = np.memmap(_beside(path), np.int64, "w+", shape=(cameras,))
        self._last[:] = -1

    def write(self, camera: int, number: int, at: float) -> None:
        """Frame `number` of camera `camera` is sent at `at`; 0.0 says that it is not sent."""
        self._last[camera] = number
        self._times[camera, number % SLOTS] = at


class SentTimes:
    """The reading side, in a bench."""

    def __init__(self, path: Path, cameras: int):
        """Map the log of a running simulator. Raises OSError or ValueError when it is not there or too short."""
        self._times = np.memmap(path, np.float64, "r", shape=(cameras, SLOTS))
        self._last = np.memmap(_beside(path), np.int64, "r", shape=(cameras,))
        self._slots = np.arange(SLOTS)

    def sent_at(self, camera: int, loop: tuple[int, int], index: int, before: float) -> float | None:
        """When picture `index` of the loop was sent last, not after `before`; None when the log does not know.

        `camera` is its rank in the specification, `loop` its (start, length) as in `Simulator.loops`. The log forgets
        frames that are more than 8192 numbers old. A burnt-in index is read modulo 1024: a loop that is longer needs
        another way to tell its frames apart.
        """
        start, length = loop
        last, times = int(self._last[camera]), np.array(self._times[camera])
        numbers = last - (last - self._slots) % SLOTS
        fits = (numbers >= 0) & (times > 0) & (times <= before) & ((start + numbers - index) % length == 0)
        return float(times[fits].max()) if fits.any() else None

    def history(self, camera: int, first: int) -> NDArray[np.float64]:
        """When the frames from number `first` on were sent, in order; 0.0 where one was not, or where it is forgotten.

        The newest frame is left out: it may be being written. Whoever asks again within 8192 frames misses none.
        """
        last = int(self._last[camera])
        numbers = np.arange(first, max(first, last))
        times: NDArray[np.float64] = np.array(self._times[camera])[numbers % SLOTS]
        times[numbers <= last - SLOTS] = 0.0
        return times

    def sent(self, camera: int, since: float, until: float) -> int:
        """How many frames a camera sent from `since` to before `until`."""
        times = np.array(self._times[camera])
        return int(((times >= since) & (times < until)).sum())


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".last")
