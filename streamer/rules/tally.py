"""The counts of an interval by place, class and direction, told as events for those who keep no time series."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from streamer.events import Event, State
from streamer.rules.road import LaneRule


class Tally:
    """Counts by interval, told as updates of one incident a place; intervals lie on the clock's own marks."""

    def __init__(self, rule: LaneRule, report_seconds: float | None, lines: list[str], places: list[str]):
        """`lines` are those of the `places` that are lines; `report_seconds` None tells nothing."""
        self._rule = rule
        self._lines = lines
        self._places = places
        self._length_s = report_seconds
        self._number: int | None = None
        self._watched_s = 0.0
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, place: str, label: str, direction: str) -> None:
        """One more."""
        if self._length_s is not None:
            self._counts[place, label, direction] += 1

    def advance(self, time: float, step_s: float) -> Iterator[Event]:
        """Move to a frame; what the interval that it closes has held."""
        if self._length_s is None:
            return
        number = math.floor(time / self._length_s)
        if self._number is None:
            yield from (self._event("begin", time, place, {}) for place in self._places)
        elif number != self._number:
            start_s = self._number * self._length_s
            for place in self._places:
                yield self._event("update", time, place, self._detail(place, time - start_s))
            self._counts.clear()
            self._watched_s = 0.0
        self._number = number
        self._watched_s += step_s

    def _detail(self, place: str, ago_s: float) -> dict[str, object]:
        """The counts of a place; `began_ago_s` says when the interval began, for times are of many clocks."""
        counts: dict[str, dict[str, int]] = {}
        for (where, label, direction), count in sorted(self._counts.items()):
            if where == place:
                counts.setdefault(direction or "all", {})[label] = count
        total = sum(sum(by_label.values()) for by_label in counts.values())
        return {
            "total": total,
            "counts": counts,
            "report_seconds": self._length_s,
            "began_ago_s": round(ago_s, 2),
            "watched_s": round(self._watched_s, 1),
        }

    def _event(self, state: State, time: float, place: str, detail: dict[str, object]) -> Event:
        where = {"line": place} if place in self._lines else {"zone": place}
        asked = {"report_seconds": self._length_s, "labels": list(self._rule.labels)}
        return self._rule.event(state, time, key=(place,), detail=detail or asked, **where)
