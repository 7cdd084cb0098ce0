"""What a clip looks like in few numbers: a perceptual hash of its scene, and how its pictures move.

Two clips of one fixed camera look alike whatever happens in them; two copies of one clip also move alike. So the scene
(the median picture, by a DCT hash) only tells candidates, and the moving part (each picture minus the median one)
tells copies, whatever their size, codec, brightness or cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.training.look import SIDE

BITS = 64
_LOW = 8  # lowest frequencies of the DCT each way, without the mean: pHash's usual 8 x 8
_MOST = 240  # thumbnails that are compared: half a minute
_STILL = 60.0  # squares of levels a thumbnail: half a level in a quarter of its pixels; less is a codec's noise
_LEAST = 6  # thumbnails that must overlap
OVERLAP = 0.25
"""Share of the shorter clip that copies must have in common."""
_FREQUENCIES = np.cos(np.pi / SIDE * (np.arange(SIDE) + 0.5)[None] * np.arange(1, _LOW + 1)[:, None])


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """Of one sample."""

    scene: np.uint64
    """Hash of the median picture."""
    mirrored: np.uint64
    """Hash of the median picture seen in a mirror."""
    moving: NDArray[np.float32]
    """(n, SIDE * SIDE): the pictures minus the median one; n up to half a minute at 8 a second."""


def fingerprint(thumbs: NDArray[np.uint8]) -> Fingerprint:
    """The fingerprint of thumbnails, uint8 (n, SIDE, SIDE) with n of at least 1."""
    kept = thumbs[:_MOST].astype(np.float32)
    median = np.median(kept, axis=0)
    moving = (kept - median).reshape(len(kept), -1)
    return Fingerprint(scene_hash(median), scene_hash(median[:, ::-1]), moving)


def scene_hash(picture: NDArray[np.float32]) -> np.uint64:
    """64 bits of a picture (SIDE, SIDE): which of its lowest frequencies are above their median."""
    waves = _FREQUENCIES @ picture @ _FREQUENCIES.T
    bits = (waves > np.median(waves)).ravel()
    return np.uint64(int("".join("1" if bit else "0" for bit in bits), 2))


def distances(hashes: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Differing bits, (len(hashes), len(others))."""
    bits: NDArray[np.uint8] = np.bitwise_count(hashes[:, None] ^ others[None]).astype(np.uint8)
    return bits


def agreement(one: Fingerprint, other: Fingerprint, mirrored: bool = False) -> float:
    """How alike two clips move at the best shift in time: a correlation, -1..1.

    A quarter of the shorter clip, and at least 0.75 s, must overlap. 0.0 where they are too short, or nothing moves.
    """
    a, b = one.moving, other.moving
    if mirrored:
        b = b.reshape(-1, SIDE, SIDE)[:, :, ::-1].reshape(len(b), -1)
    shorter = min(len(a), len(b))
    if shorter < _LEAST:
        return 0.0
    products = a @ b.T
    power_a, power_b = (a * a).sum(axis=1), (b * b).sum(axis=1)
    best = 0.0
    least = max(_LEAST, int(np.ceil(shorter * OVERLAP)))
    for shift in range(least - len(b), len(a) - least + 1):  # picture i of b lies at i + shift of a
        start, end = max(0, shift), min(len(a), len(b) + shift)
        norm = float(np.sqrt(power_a[start:end].sum() * power_b[start - shift : end - shift].sum()))
        if norm > _STILL * (end - start):
            best = max(best, float(np.trace(products[start:end, start - shift : end - shift])) / norm)
    return best
