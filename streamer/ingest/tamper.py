"""Whether somebody covered, defocused or moved a camera: its view is no longer the one that it has learnt.

Compares every two seconds what the camera shows (see `view`) with what it usually shows. What is different must stay so
for `tampered_s`: a truck that passes is gone by then. What changes slowly (dawn, fog, seasons) becomes usual meanwhile;
color and infrared pictures each have a usual view of their own. In the dark nothing is concluded: `picture` tells of a
picture that is black. One object a camera, kept over its sessions, so that a camera which was moved while it was
offline is told. Runs in the camera's thread; no I/O.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.ingest.health import Look
from streamer.ingest.view import Floats, Likeness, View, blend, compare, see, shrink, telling, texture

_PERIOD_S = 2.0
_AVERAGE_S = 3.0
"""Time constant over which pictures are averaged into a view."""
_LEARN_S = 20.0
"""So much of a view makes it usual."""
_ADAPT_S = 600.0
"""Time constant with which the usual view follows what changes slowly."""
_STEP_S = 3.0
"""Longest time that counts between two looks: what was not looked at did not last."""
_RECOVERY_S = 5.0
_SETTLED_S = 600.0
"""A camera that was moved and then shows its new view for so long was moved for good: that view is the usual one."""
_LOST, _KEPT = 0.2, 0.35
"""Share of blocks with texture below which the view is another, and above which it is the old one again."""
_BARE = 0.15
"""Share of the usual edges below which there is nothing to be seen."""
_BLURRED, _SHARP = 0.4, 0.6
"""Share of the fine edges that the contrast lets expect: out of focus below the one, in focus above the other."""
_SAME_LAYOUT = 0.6
"""Correlation of the coarse brightness from which a bare view is a blurred one, not a covered one."""
_DARK = 25.0
"""Mean brightness below which a bare view says nothing: lamps are off."""
_COLOR = 3.0
"""Mean difference between the channels, in levels, that makes a picture one in color."""


@dataclass(slots=True)
class _Usual:
    """What one mode of the camera, color or infrared, shows usually."""

    view: View
    seconds: float = 0.0


class TamperCheck:
    """Looks at one camera's analysed pictures, after they were found neither frozen nor black."""

    def __init__(self, tampered_s: float):
        self.detail = ""
        """Why the last look is not ``ok``: values and thresholds."""
        self._tampered_s = tampered_s
        self._last_at: float | None = None
        self._mean: Floats | None = None
        self._looks = 0
        self._color = True
        self._noise = 0.0
        self._usual: dict[bool, _Usual] = {}
        self._look: Look = "ok"
        self._suspected: Look = "ok"
        self._suspected_s = 0.0
        self._well_s = 0.0
        self._moved_s = 0.0

    def look(self, pixels: NDArray[np.uint8], at: float, shown: NDArray[np.bool_] | None = None) -> Look:
        """Judge one picture.

        Args:
            pixels: uint8 (H, W, 3).
            at: when it was captured, in seconds.
            shown: bool (H, W), False where a privacy mask is; None: all is shown.

        Returns:
            ``ok``, ``covered``, ``defocused`` or ``moved``.
        """
        if self._last_at is not None and 0 <= at - self._last_at < _PERIOD_S - 1e-6:
            return self._look
        passed_s = 0.0 if self._last_at is None else at - self._last_at
        if not 0 <= passed_s <= 10 * _STEP_S:
            self._looks = 0  # an old average says nothing of now
        self._last_at = at
        step_s = min(max(passed_s, 0.0), _STEP_S)
        colored = _colored(pixels)
        if colored != self._color:
            self._looks, self._color = 0, colored  # a mixture of day and night is neither
        self._average(shrink(pixels), step_s)
        if self._looks >= 4:
            self._judge(colored, step_s, shown)
        return self._look

    def _average(self, picture: Floats, step_s: float) -> None:
        if self._mean is None or self._mean.shape != picture.shape:
            if self._mean is not None:  # another shape is another view: nothing of the old one can be compared
                self._usual.clear()
                self._tell("ok", "")
            self._looks = 0
        if self._looks == 0:
            self._mean, self._noise = picture, 0.0
        else:
            assert self._mean is not None
            rate = max(1 - math.exp(-step_s / _AVERAGE_S), 1.0 / (self._looks + 1))
            off = picture - self._mean
            spread = float(np.median(np.abs(off[::3, ::3]))) * 1.4826
            self._noise += (spread * math.sqrt(rate / (2 - rate)) - self._noise) * max(rate, 0.2)
            self._mean = self._mean + off * np.float32(rate)
        self._looks += 1

    def _judge(self, colored: bool, step_s: float, shown: NDArray[np.bool_] | None) -> None:
        assert self._mean is not None
        now = see(self._mean, self._noise)
        usual = self._usual.get(colored)
        if usual is None:
            usual = self._usual[colored] = _Usual(now)
        blocks = texture(usual.view, shown)
        if usual.seconds < _LEARN_S:
            if self._look == "ok":  # what is wrong must not become usual by a switch to infrared
                usual.seconds += step_s
                usual.view = blend(usual.view, now, step_s / max(usual.seconds, step_s))
            return
        if not telling(blocks):
            usual.view = blend(usual.view, now, 1 - math.exp(-step_s / _ADAPT_S))
            return
        like = compare(now, usual.view, blocks)
        wrong = _wrong(like, now, self._look)
        self._count(wrong, like, step_s)
        if wrong == "ok" and self._look == "ok" and like.kept >= _LOST:
            usual.view = blend(usual.view, now, 1 - math.exp(-step_s / _ADAPT_S))
        if self._look == "moved" and self._moved_s >= _SETTLED_S:
            self._usual = {colored: _Usual(now)}
            self._tell("ok", "")

    def _count(self, wrong: Look | None, like: Likeness, step_s: float) -> None:
        """How long what is seen has lasted, and what follows from that; None says nothing."""
        if wrong is None:
            return
        self._moved_s = self._moved_s + step_s if wrong == "moved" else 0.0
        if wrong == "ok":
            self._suspected, self._suspected_s = "ok", 0.0
            self._well_s += step_s
            if self._look != "ok" and self._well_s >= _RECOVERY_S:
                self._tell("ok", "")
            return
        self._well_s = 0.0
        self._suspected_s = 0.0 if self._suspected == "ok" else self._suspected_s + step_s
        self._suspected = wrong
        if self._look == "ok" and self._suspected_s >= self._tampered_s:
            self._tell(wrong, _why(wrong, like, self._suspected_s))

    def _tell(self, look: Look, detail: str) -> None:
        self._look, self.detail = look, detail
        self._suspected, self._suspected_s, self._well_s, self._moved_s = "ok", 0.0, 0.0, 0.0


def _wrong(like: Likeness, now: View, told: Look) -> Look | None:
    """What one view says by itself: None is nothing. What is told needs more to be well again."""
    if like.shift is not None:
        return "moved"
    if like.kept >= (_LOST if told == "ok" else _KEPT):
        limit = _BLURRED if told == "ok" else _SHARP
        return "defocused" if like.sharpness is not None and like.sharpness < limit else "ok"
    if like.structure >= _BARE:
        return "moved"
    if now.brightness < _DARK:
        return None
    return "defocused" if like.layout >= _SAME_LAYOUT else "covered"


def _why(wrong: Look, like: Likeness, lasted_s: float) -> str:
    kept = f"{like.kept:.0%} of the usual view is recognized (limit {_LOST:.0%})"
    if wrong == "defocused":
        sharp = "not to be seen" if like.sharpness is None else f"at {like.sharpness:.0%} (limit {_BLURRED:.0%})"
        kept = f"fine edges are {sharp}"
    if like.shift is not None:
        right, down = like.shift
        kept += f", the rest is {right:+.0%} to the right and {down:+.0%} down of where it was"
    edges = f"edges are at {like.structure:.0%} of the usual"
    return f"{kept}, {edges}, for {lasted_s:.0f} s"


def _colored(pixels: NDArray[np.uint8]) -> bool:
    sample = pixels[::16, ::16].astype(np.int16)
    return (
        float(np.abs(sample[..., 0] - sample[..., 1]).mean() + np.abs(sample[..., 1] - sample[..., 2]).mean()) > _COLOR
    )
