"""Whose a thing is: who was at it as it appeared, where they are by now, and whether they have left it.

Keeps some seconds of who was where. Owners who lose their number are found again by place and size; who is lost right
at the thing has left only when the place where they were shows the background. Pure; called by `abandoned`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from streamer.rules.distance import Box, apart, covers, gap
from streamer.rules.ground import Ground, Region

_HISTORY_S = 8.0
_BROUGHT_S = 3.0
"""Who was near in this time before a thing stood still may have brought it."""
_REACH = 0.5
"""How far from a thing, in own heights, who brings it stands at most."""
_AS_NEAR = 0.1
"""Who is farther than the nearest by less, in own heights, may as well be the owner."""
_HEIR_S, _HEIR_HEIGHTS, _HEIR_SIZE = 1.5, 1.0, 0.25
"""A track that begins so soon and so near to where the owner's was lost, about as tall, is the owner."""
_STILL_THERE = 0.2
"""Share of the place where the owner was lost that does not show the background: they are still there, unseen."""


@dataclass(slots=True)
class Thing:
    """A region that somebody may have put down."""

    region: Region
    number: int
    born_at: float
    """Capture time when it first stood there."""
    zone: str | None
    owners: dict[int, tuple[float, Box]] = field(default_factory=dict)
    """By track number: when and where last seen."""
    gone: set[int] = field(default_factory=set)
    """Owners who were lost here and whose place was seen empty."""
    alone_s: float = 0.0
    alone_since: float | None = None
    size: int = 0
    """Cells at the last decision about it, or since its size changed."""
    steady_s: float = 0.0
    """How long it has had that size."""
    brought: bool | None = None
    """Whether it is a thing that its owners brought; None: not decided yet."""
    announced: bool = False
    absorbed: bool = False
    """The background was learnt anew with it: that it is gone shows as a change."""
    gone_s: float = 0.0


class People:
    """Who was where, for some seconds.

    Args:
        period_s: about how often `see` is called, seconds.
    """

    def __init__(self, period_s: float):
        self._period_s = period_s
        self._history: deque[tuple[float, list[tuple[int, Box]]]] = deque(maxlen=round(_HISTORY_S / period_s))

    def see(self, time: float, people: list[tuple[int, Box]]) -> None:
        """Who (track number) is where now; `time` is capture time in seconds."""
        self._history.append((time, people))

    def bringers(self, region: Region, born_at: float, aspect: float) -> dict[int, tuple[float, Box]]:
        """Who was nearest to a thing as it appeared; several who were about as near."""
        nearest: dict[int, tuple[float, float, Box]] = {}
        for at, who in self._history:
            if not born_at - _BROUGHT_S <= at <= born_at + self._period_s:
                continue
            for track_id, box in who:
                away = gap(box, region.box, aspect) / max(box[3] - box[1], 1e-6)
                if away <= min(_REACH, nearest.get(track_id, (np.inf,))[0]):
                    nearest[track_id] = (away, at, box)
        least = min((away for away, _, _ in nearest.values()), default=0.0)
        return {track_id: (at, box) for track_id, (away, at, box) in nearest.items() if away <= least + _AS_NEAR}

    def follow(self, thing: Thing, aspect: float) -> None:
        """Keep a thing's owners, whatever their number is by now."""
        time, people = self._history[-1]
        now = dict(people)
        for track_id, (at, last) in list(thing.owners.items()):
            if track_id in now:
                thing.owners[track_id] = (time, now[track_id])
            elif time - at <= _HEIR_S:
                heir = self._heir(last, now, thing, aspect)
                if heir is not None:
                    del thing.owners[track_id]
                    thing.owners[heir] = (time, now[heir])

    def _heir(self, last: Box, now: dict[int, Box], thing: Thing, aspect: float) -> int | None:
        """Who has appeared where an owner was lost a moment ago."""
        before = {track_id for at, who in list(self._history)[-5:-3] for track_id, _ in who}
        tall = last[3] - last[1]
        for track_id, box in now.items():
            new = track_id not in before and track_id not in thing.owners
            alike = abs(box[3] - box[1] - tall) <= _HEIR_SIZE * tall
            if new and alike and not covers(thing.region.box, box) and apart(last, box, aspect) <= _HEIR_HEIGHTS * tall:
                return track_id
        return None

    def attend(self, thing: Thing, ground: Ground, heights: float, aspect: float) -> bool:
        """Whether an owner is within so many own heights of a thing, or may be there undetected."""
        now = dict(self._history[-1][1])
        for track_id, (_, last) in thing.owners.items():
            far = heights * (last[3] - last[1])
            if apart(last, thing.region.box, aspect) > far:
                continue
            if track_id in now:
                return True
            # lost at the thing: gone once the place where they were shows the background
            if track_id not in thing.gone and ground.front_share(last, thing.region.cells) > _STILL_THERE:
                return True
            thing.gone.add(track_id)
        return False
