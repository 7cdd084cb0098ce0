"""What a camera's view looks like, in numbers that light does not change: where its edges are and how sharp they are.

Pictures are averaged over some seconds first: sensor noise, rain and passers-by go, the place stays. The place is then
compared block by block with what it usually is, by the correlation of edges: that does not care for brightness and
contrast (day, night, lamps) nor for what hides a part of the view. Works on pictures of about 208 pixels width, every
two seconds, with numpy only (readers carry no OpenCV). Called by `tamper`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_WIDTH = 208
_ROWS, _COLUMNS = 6, 8
_COARSE = 4
"""Cells of the fine grid in one of the coarse, each way."""
_TEXTURE = 0.6
"""Mean difference between neighbors, in levels beyond the noise, from which a block has something to be known by."""
_ALIKE = 0.3
"""Correlation of a block's edges that makes it the same place; strangers have 0 +- 0.1."""
_FEWEST = 6
"""Blocks with texture below which nothing can be said of a view."""
_FEWEST_SHARP = 12
"""The same for its sharpness, which varies more from block to block."""
_WELL_KEPT = 0.9
"""Share of recognized blocks from which nobody needs to look for the view elsewhere."""
_SHIFTED = 0.015
"""Least distance, in widths of the picture, that counts as a move: a mast sways."""
_PEAK, _ABOVE = 8.0, 1.5
"""Phase correlation of the whole view at another place, in standard deviations of chance, and how often that where it
was, that makes it a move. By phase: long level lines (kerbs, walls) are alike wherever they are, grain is not."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One averaged look at the place."""

    edges: Floats
    """float32 (h, w): difference to the neighbors right and below, less the noise; levels of 255."""
    coarse: Floats
    """float32 (h / 4, w / 4): brightness."""
    floor: float
    """Noise that was taken off `edges`."""
    brightness: float


@dataclass(frozen=True, slots=True)
class Likeness:
    """How a view compares with the usual one."""

    kept: float
    """Share of the blocks with texture that show the same place, 0..1."""
    structure: float
    """Edges in those blocks, as a share of the usual ones."""
    sharpness: float | None
    """Fine edges as a share of those that the coarse contrast lets expect; None where noise hides them anyhow."""
    layout: float
    """Correlation of the coarse brightness, -1..1."""
    shift: tuple[float, float] | None = None
    """Where the usual view lies now, right and down as fractions of the picture; None: where it was, or nowhere."""


def shrink(pixels: NDArray[np.uint8]) -> Floats:
    """Brightness (of green, which is most of it) at working size, float32 (h, w), 0..255, from uint8 (H, W, 3)."""
    step = max(1, round(pixels.shape[1] / _WIDTH))
    height, width = pixels.shape[0] // step, pixels.shape[1] // step
    green = pixels[: height * step, : width * step, 1]
    sums = np.zeros((height, width), np.uint16)
    for down in range(step):
        for right in range(step):
            sums += green[down::step, right::step]
    shrunk: Floats = sums.astype(np.float32) / np.float32(step * step)
    return shrunk


def see(mean: Floats, noise: float) -> View:
    """The view in an average of pictures; `noise` is its standard deviation in levels."""
    floor = 2.5 * noise + 0.5
    edges = np.abs(mean[:-1, 1:] - mean[:-1, :-1])
    edges += np.abs(mean[1:, :-1] - mean[:-1, :-1])
    edges = np.maximum(edges - floor, 0, out=edges)
    height, width = mean.shape[0] // _COARSE, mean.shape[1] // _COARSE
    rows = mean[: height * _COARSE, : width * _COARSE].reshape(height, _COARSE, width * _COARSE).sum(axis=1)
    coarse: Any = rows.reshape(height, width, _COARSE).sum(axis=2) / np.float32(_COARSE * _COARSE)
    return View(edges, coarse, floor, float(mean.mean()))


def texture(view: View, shown: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Which blocks, bool (rows, columns), have enough edges to be known by, and nothing hidden in them.

    Args:
        view: the usual one.
        shown: bool (H, W) of the pictures, False where a privacy mask is: its border is an edge that always stays.
    """
    enough = _means(view.edges) >= _TEXTURE
    if shown is not None:
        step = max(1, round(shown.shape[1] / _WIDTH))
        hidden = (~shown[::step, ::step]).astype(np.float32)[: view.edges.shape[0], : view.edges.shape[1]]
        enough &= _means(hidden) == 0
    return enough


def telling(blocks: NDArray[np.bool_]) -> bool:
    """Whether so many blocks are enough to know a view by."""
    return int(blocks.sum()) >= _FEWEST


def compare(now: View, usual: View, blocks: NDArray[np.bool_]) -> Likeness:
    """How a view compares with the usual one, in the blocks that have texture there (at least one)."""
    soft, before_soft = _soft(now.edges), _soft(usual.edges)
    kept = float((_correlation(soft, before_soft)[blocks] >= _ALIKE).mean())
    present, before = _means(now.edges)[blocks], _means(usual.edges)[blocks]
    contrast = _energy(now.coarse) / max(_energy(usual.coarse), 1e-3)
    expected = _means(np.maximum(usual.edges * contrast + (usual.floor * contrast - now.floor), 0))[blocks]
    enough = float(expected.mean()) >= _TEXTURE / 2 and int(blocks.sum()) >= _FEWEST_SHARP
    return Likeness(
        kept=kept,
        structure=float(present.mean() / max(before.mean(), 1e-3)),
        sharpness=float(present.mean() / expected.mean()) if enough else None,
        layout=_pearson(now.coarse, usual.coarse),
        shift=_shift(now.edges, usual.edges) if kept < _WELL_KEPT else None,
    )


def blend(usual: View, now: View, rate: float) -> View:
    """The usual view, moved a little towards the present one."""
    return View(
        usual.edges + (now.edges - usual.edges) * np.float32(rate),
        usual.coarse + (now.coarse - usual.coarse) * np.float32(rate),
        usual.floor + (now.floor - usual.floor) * rate,
        usual.brightness + (now.brightness - usual.brightness) * rate,
    )


def _means(values: Floats) -> Floats:
    """Of each block, (rows, columns): first down, then across, which is several times as fast as both at once."""
    high, wide = values.shape[0] // _ROWS, values.shape[1] // _COLUMNS
    down = values[: high * _ROWS, : wide * _COLUMNS].reshape(_ROWS, high, wide * _COLUMNS).sum(axis=1)
    means: Floats = np.divide(down.reshape(_ROWS, _COLUMNS, wide).sum(axis=2), np.float32(high * wide))
    return means


def _correlation(a: Floats, b: Floats) -> Floats:
    """Of each block, (rows, columns)."""
    mean_a, mean_b = _means(a), _means(b)
    each = (_means(a * a) - mean_a * mean_a) * (_means(b * b) - mean_b * mean_b)
    found: Floats = np.divide(_means(a * b) - mean_a * mean_b, np.sqrt(np.maximum(each, 1e-4)))
    return found


def _soft(edges: Floats) -> Floats:
    """Edges spread over their neighbors: a mast that sways by a pixel is the same view."""
    wide: Floats = np.add(edges[:, :-2] + edges[:, 1:-1], edges[:, 2:])
    soft: Floats = np.add(wide[:-2] + wide[1:-1], wide[2:])
    return soft


def _shift(now: Floats, usual: Floats) -> tuple[float, float] | None:
    """How far the view has moved, as fractions of the picture, if it is clearly somewhere else.

    Source: Kuglin and Hines, The phase correlation image alignment method, IEEE SMC 1975.
    """
    height, width = now.shape
    cross = np.fft.rfft2(now - now.mean()) * np.conj(np.fft.rfft2(usual - usual.mean()))
    found: Any = np.fft.irfft2(cross / (np.abs(cross) + 1e-9), s=now.shape)
    here = float(np.roll(found, (2, 2), axis=(0, 1))[:5, :5].max())
    down, right = (int(i) for i in np.unravel_index(int(found.argmax()), found.shape))
    best = float(found[down, right])
    down, right = (down + height // 2) % height - height // 2, (right + width // 2) % width - width // 2
    far = max(abs(right), abs(down)) >= _SHIFTED * width
    clear = best >= _PEAK * float(found.std()) and best >= _ABOVE * here
    return (right / width, down / height) if far and clear else None


def _energy(coarse: Floats) -> float:
    return float(np.abs(np.diff(coarse, axis=1)).mean() + np.abs(np.diff(coarse, axis=0)).mean())


def _pearson(a: Floats, b: Floats) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-6))
