"""What a rule measures beside its events: how many crossed a line, how many are in a zone, how fast a lane moves.

An event is told to people; a reading is for dashboards. Rules yield both, in one stream; `watch` takes the readings out
and hands them to the metrics (live) or leaves them (replay). Pure values, no I/O.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_WORD = re.compile(r"[a-z][a-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class Reading:
    """One number about one place of one camera."""

    kind: str
    """What is measured, a word: a rule's kind (``line_crossing``), or with its unit (``speed_mps``)."""
    place: str
    """The zone, line or lane, as named in the configuration."""
    value: float
    mode: Literal["count", "level"] = "level"
    """``count``: so many more (of a Prometheus counter); ``level``: so many now (of a gauge)."""
    label: str = ""
    """Class of what is counted; empty: all."""
    direction: str = ""
    """``forward``, ``backward``, ... where there are directions."""

    def __post_init__(self) -> None:
        if not _WORD.match(self.kind):
            raise ValueError(f"Reading: kind {self.kind!r} must be a lower-case word of letters, digits and '_'")
        if self.mode == "count" and self.value < 0:
            raise ValueError(f"Reading {self.kind}: a count only goes up, got {self.value}")
