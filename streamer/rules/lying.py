"""Whether somebody lies where they were last seen: by the boxes of a detector, or by what the picture shows there.

Detectors lose who lies. Then the picture must say it: where they stood is empty now, beside it lies what did not lie
there, and nobody went out at the edge or stands so near that it may be them. Pure; called by `fall`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from streamer.rules.path import Thing
from streamer.rules.posture import SMALLEST, Body
from streamer.rules.stir import Stir, differs, slices

_BOXES = 0.5
"""In this share of the frames a box must show who lies there; else the picture must."""
_FLAT = 1.3
"""Among others, such a box must be so many times as wide as high."""
_SIDE, _BOTTOM = 0.3, 0.1
"""Who was last so near the edge, in own heights, may have gone out."""
_REACH = 0.6
"""Who is nearer to others, in own heights, may be hidden by them."""
_VACATED, _FRESH, _FRESH_ODD = 0.15, 0.05, 0.15
"""Share of where the upper body was that must have changed; area of what lies beside it, in squared heights, and where
it may as well be something else that went out at the bottom."""
_TELLING, _EVERYWHERE = 0.1, 0.5
"""Share of the place that must differ with and without somebody in it; a change of more of the picture than this is one
of light or view."""
_CUT = 0.006
"""A box that ends so near the lower edge is cut off by it."""


def lies(body: Body, stir: Stir, things: Iterable[Thing], aspect: float) -> dict[str, Any] | None:
    """What says that somebody lies there; None: nothing does, or it may be something else."""
    if body.boxes >= max(2, _BOXES * body.looks) and (_flat(body, aspect) or not _crowded(body, things, aspect)):
        return {"evidence": "box", "boxes": round(body.boxes / body.looks, 2)}
    stand, x = body.stand, body.last.x
    head = stand.foot - body.last.up * stand.height
    side = min(x, 1 - x) * aspect
    if stand.height < SMALLEST or side < _SIDE * stand.height or head > 1 - _BOTTOM * stand.height:
        return None
    if body.before is None or stir.now is None or _crowded(body, things, aspect):
        return None
    changed = differs(stir.now, body.before)
    if float(changed.mean()) > _EVERYWHERE:
        return None
    x1, y1, x2, y2 = stand.box
    slim, half = (x2 - x1) * 0.2, (y2 - y1) / 2
    vacated = float(changed[slices((x1 + slim, y1, x2 - slim, y1 + half), changed.shape)].mean())
    changed[slices((x1, 0.0, x2, 1.0), changed.shape)] = False
    wide = 1.3 * stand.height / aspect
    low = (x - wide, stand.foot - 0.45 * stand.height, x + wide, stand.foot + 0.4 * stand.height)
    fresh = float(changed[slices(low, changed.shape)].sum()) / changed.shape[0] ** 2 / stand.height**2
    if vacated < _VACATED or fresh < (_FRESH_ODD if _odd(body) else _FRESH):
        return None
    return {"evidence": "picture", "vacated": round(vacated, 2), "lies": round(fresh, 3)}


def _flat(body: Body, aspect: float) -> bool:
    """Whether the place is as wide as somebody who lies; a person half hidden by another is not."""
    x1, y1, x2, y2 = body.last.place
    return (x2 - x1) * aspect >= _FLAT * (y2 - y1)


def _odd(body: Body) -> bool:
    """Whether it may be no person, or one who went out at the bottom."""
    stand, place = body.stand, body.last.place
    return stand.label == "motion" or (stand.foot < 1 - _CUT <= place[3])


def _crowded(body: Body, things: Iterable[Thing], aspect: float) -> bool:
    """Whether somebody else is so near that it may be them who stirs."""
    stand, x = body.stand, body.last.x
    wide = _REACH * stand.height / aspect
    middle = (stand.box[0] + stand.box[2]) / 2
    left, right = min(x, middle) - wide, max(x, middle) + wide
    top, bottom = stand.foot - stand.height, stand.foot + 0.3 * stand.height
    for thing in things:
        x1, y1, x2, y2 = thing.last.box
        tall = thing.label != "motion" and y2 - y1 >= 0.5 * stand.height
        if thing.number != body.number and tall and x1 < right and x2 > left and y1 < bottom and y2 > top:
            return True
    return False


def deserted(body: Body, stir: Stir) -> float | None:
    """The share of the place that looks other than with somebody in it; None: the picture cannot tell."""
    if body.lying is None or body.before is None or stir.now is None:
        return None
    place = slices(body.bed, body.lying.cells.shape)
    if float(differs(body.lying, body.before)[place].mean()) < _TELLING:
        return None
    changed = differs(stir.now, body.lying)
    if float(changed.mean()) > _EVERYWHERE:
        body.lying = None  # light or view: learn the place anew
        return None
    return float(changed[place].mean())
