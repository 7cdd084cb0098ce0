"""Whether a picture looks like a camera that sees: not the same one again and again, and not black.

A real picture has sensor noise, so identical pixels for long mean that something before us repeats an old picture
(a hung encoder, a looping proxy) while everything else seems well. Works on the small analysed pictures; a few
microseconds each. One object a camera, kept over its sessions: reconnecting does not thaw a frozen camera.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from streamer.ingest.health import Look

_STEP = 8
_BLACK_MEAN = 12.0
_BLACK_BRIGHT = 40
"""A night scene with one lamp in it is not black: its brightest hundredth is above this level of 255."""


class PictureCheck:
    """Looks at one camera's analysed pictures."""

    def __init__(self, frozen_s: float, black_s: float):
        self._frozen_s = frozen_s
        self._black_s = black_s
        self._hash: int | None = None
        self._full_hash: int | None = None
        self._same_since = 0.0
        self._black_since: float | None = None

    def look(self, pixels: NDArray[np.uint8], at: float) -> Look:
        """Judge one picture.

        Args:
            pixels: uint8 (H, W, 3).
            at: when it was captured, in seconds.
        """
        sample = np.ascontiguousarray(pixels[::_STEP, ::_STEP])
        if self._is_black(sample):
            self._black_since = at if self._black_since is None else self._black_since
        else:
            self._black_since = None
        same_s = self._same_for(pixels, sample, at)
        if self._black_since is not None and at - self._black_since >= self._black_s:
            return "black"  # a black picture is often an identical one, too; black is what the operator will see
        return "frozen" if same_s >= self._frozen_s else "ok"

    def _same_for(self, pixels: NDArray[np.uint8], sample: NDArray[np.uint8], at: float) -> float:
        """For how many seconds the picture has not changed."""
        value = zlib.crc32(sample.data)
        if value != self._hash:
            self._hash, self._full_hash, self._same_since = value, None, at
            return 0.0
        if at - self._same_since >= self._frozen_s / 2:
            # every 64th pixel says so for long: now ask all of them, for a small thing may move between those
            full = zlib.crc32(np.ascontiguousarray(pixels).data)
            if self._full_hash is not None and full != self._full_hash:
                self._same_since = at
            self._full_hash = full
        return at - self._same_since

    @staticmethod
    def _is_black(sample: NDArray[np.uint8]) -> bool:
        return float(sample.mean()) < _BLACK_MEAN and int(np.percentile(sample, 99)) < _BLACK_BRIGHT
