"""Loitering: somebody stays in a zone for longer than one does who only passes.

The same stays as intrusion, with a longer minimum and more patience for people the detector loses while they stand
still (behind a table, half turned): what ends a stay is being away, not being missed for a second.

In a zone so large that walking through it takes longer than `min_seconds`, `min_path_ratio` tells those who get
somewhere from those who do not: the way walked, over the distance that they got from where they came in. Who stands
about gets nowhere at all, and counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pydantic import Field

from streamer.events import Event
from streamer.places import Places, Zone
from streamer.rules.dwell import Box, Moment, Stay, apart
from streamer.rules.intrusion import Dwelling, Intrusion
from streamer.rules.rule import Judge

_STEP_HEIGHTS = 0.3
"""Way is counted in steps of at least this, so that a box that sways walks nowhere, at any frame rate."""
_NOWHERE_HEIGHTS = 1.0
"""Who got no further than this from where they came in got nowhere."""


class Loitering(Intrusion):
    """Somebody stays in a zone for long."""

    kind: ClassVar[str] = "loitering"

    min_seconds: float = Field(15.0, ge=0, description="Stay in the zone that counts as loitering, seconds.")
    leave_seconds: float = Field(4.0, gt=0, description="Outside or unseen for this long ends it, seconds.")
    min_path_ratio: float | None = Field(
        None,
        ge=1,
        description="Also asked for: the way walked is this many times the distance got; who gets nowhere counts "
        "anyway. Only the time counts if left out.",
    )

    def begin(self, places: Places) -> Judge:
        """See Rule."""
        if self.min_path_ratio is None:
            return super().begin(places)
        return _Wandering(self, self.drawn(self.zones, places.zones, "zone"), self.min_path_ratio)


@dataclass(slots=True)
class _Way:
    """How far somebody walked, and how far they got; in body heights."""

    start: Box
    anchor: Box
    walked: float = 0.0
    away: float = 0.0


class _Wandering(Dwelling):
    """Asks not only for time but for getting nowhere in it."""

    def __init__(self, rule: Loitering, zones: list[Zone], ratio: float):
        super().__init__(rule, zones)
        self._ratio = ratio
        self._ways: dict[int, _Way] = {}
        """By number of the stay."""

    def _see(self, stay: Stay, now: Moment) -> None:
        way = self._ways.setdefault(stay.number, _Way(stay.box, stay.box))
        step = apart(way.anchor, stay.box, now.aspect)
        if step >= _STEP_HEIGHTS:
            way.walked, way.anchor = way.walked + step, stay.box
        way.away = apart(way.start, stay.box, now.aspect)

    def _forget(self, stay: Stay) -> None:
        self._ways.pop(stay.number, None)

    def _lasts(self, stay: Stay) -> bool:
        way = self._ways[stay.number]
        nowhere = way.away <= _NOWHERE_HEIGHTS or way.walked >= self._ratio * way.away
        return nowhere and super()._lasts(stay)

    def _event(self, state: str, time: float, stay: Stay) -> Event:
        way, event = self._ways[stay.number], super()._event(state, time, stay)
        more = {"walked_heights": round(way.walked, 2), "away_heights": round(way.away, 2)}
        return replace(event, detail={**event.detail, **more, "min_path_ratio": self._ratio})
