"""Whether a picture looks like a camera that sees: not the same one again and again, and not black.

A real picture has sensor noise, so pictures that are identical, bit for bit, to earlier ones mean that something before
us repeats old ones (a hung sensor behind an encoder that works, a proxy) while everything else seems well. An encoder
that gets one picture again and again makes a few different ones of it, the same few in each group of pictures: so what
counts is whether any picture is new, and whether the old ones show any movement (a recording that loops does).

Works on the small analysed pictures; some microseconds each. One object a camera, kept over its sessions: reconnecting
does not thaw a frozen camera.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from streamer.ingest.health import Look

_STEP = 8
_MEMORY = 1024
_BLOCK = 16
_STILL = 8.0
"""Levels by which the mean of a block differs between encodings of one picture, at most; measured 1 to 3."""
_BLACK_MEAN = 12.0
_BLACK_BRIGHT = 40
"""A night scene with one lamp in it is not black: its brightest hundredth is above this level of 255."""


class PictureCheck:
    """Looks at one camera's analysed pictures."""

    def __init__(self, frozen_s: float, black_s: float):
        self._frozen_s = frozen_s
        self._black_s = black_s
        self._seen: OrderedDict[int, None] = OrderedDict()
        self._changed_at: float | None = None
        self._repeated_at = 0.0
        self._frozen = False
        self._still: NDArray[np.float32] | None = None
        self._black_since: float | None = None

    def look(self, pixels: NDArray[np.uint8], at: float, shown: NDArray[np.bool_] | None = None) -> Look:
        """Judge one picture.

        Args:
            pixels: uint8 (H, W, 3).
            at: when it was captured, in seconds.
            shown: bool (H, W), False where a privacy mask is; None: all is shown. What is hidden says nothing.
        """
        sample = np.ascontiguousarray(pixels[::_STEP, ::_STEP] if shown is None else _sample(pixels, shown))
        new = self._is_new(sample)
        if not new:
            self._repeated_at = at
        if self._changed_at is None or self._lives(new, pixels, at):
            self._changed_at = at
        if not _is_black(sample):
            self._black_since = None
        elif self._black_since is None:
            self._black_since = at
        if self._black_since is not None and at - self._black_since >= self._black_s:
            return "black"  # a black picture often repeats, too; but black is what people will see
        self._frozen = at - self._changed_at >= self._frozen_s
        return "frozen" if self._frozen else "ok"

    def _lives(self, new: bool, pixels: NDArray[np.uint8], at: float) -> bool:
        """Whether a picture is a sign of life.

        Of a frozen camera more is asked: another connection meets the encoder at another place, so that the first few
        pictures are new and show the same. It thaws with movement, or when nothing was repeated for as long as it took
        to call it frozen.
        """
        if self._frozen:
            return self._moves(pixels) or at - self._repeated_at >= self._frozen_s
        return new or self._moves(pixels)

    def _is_new(self, sample: NDArray[np.uint8]) -> bool:
        """Whether there was no such picture among the last thousand."""
        value = zlib.crc32(sample.data)
        known = value in self._seen
        self._seen[value] = None
        self._seen.move_to_end(value)
        if len(self._seen) > _MEMORY:
            self._seen.popitem(last=False)
        return not known

    def _moves(self, pixels: NDArray[np.uint8]) -> bool:
        """Whether a picture that was seen before shows something else than the others of its kind."""
        height, width = pixels.shape[0] // _BLOCK, pixels.shape[1] // _BLOCK
        # first down whole rows, then across: both run along memory, ten times as fast as the mean of blocks
        rows = pixels[: height * _BLOCK, : width * _BLOCK].reshape(height, _BLOCK, width * _BLOCK * 3)
        sums = np.add.reduce(rows, axis=1, dtype=np.uint16).reshape(height, width, _BLOCK, 3)
        means = np.add.reduce(sums, axis=2, dtype=np.uint32) / np.float32(_BLOCK * _BLOCK)
        still = self._still
        if still is not None and still.shape == means.shape and float(np.abs(means - still).max(initial=0)) <= _STILL:
            return False
        self._still = means
        return True


def _sample(pixels: NDArray[np.uint8], shown: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """As many of the pixels that are shown as a sample of the whole picture has, or all of them; uint8 (n, 3)."""
    places = np.flatnonzero(shown)
    step = max(1, len(places) * _STEP * _STEP // shown.size)
    return pixels.reshape(-1, 3)[places[::step]]


def _is_black(sample: NDArray[np.uint8]) -> bool:
    # not sample.mean(): that is Python, and this is asked of each picture
    mean = int(np.add.reduce(sample, axis=None, dtype=np.uint32)) / max(1, sample.size)
    return mean < _BLACK_MEAN and int(np.percentile(sample, 99)) < _BLACK_BRIGHT
