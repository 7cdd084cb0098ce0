"""From single looks at a lamp to phases that are certain: a new state counts once it has lasted.

In capture time, at any and changing rates: a look says nothing of the time before it, so a phase begins with its first
look and is vouched for until its last one. Pure; one object a lamp.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from streamer.types import Aspect, Phase, Signal

GAP_S = 2.0
"""So long nobody need look: no signal gets from red over green to red in it (least green is 5 s, MUTCD 4D.05)."""
_KEPT = 8


@dataclass(slots=True)
class _Spell:
    aspect: Aspect
    since: float
    until: float
    reason: str = ""


class Debounce:
    """The state of one lamp, from looks at it.

    Args:
        hold_s: a new state counts after so many seconds.
        source: what `Signal.source` says.
    """

    def __init__(self, hold_s: float = 0.3, source: str = "lamp"):
        self._hold_s = hold_s
        self._source = source
        self._spells: deque[_Spell] = deque(maxlen=_KEPT)
        self._new: _Spell | None = None
        """What was seen last, while it has not lasted long enough."""
        self._last: float | None = None

    def note(self, aspect: Aspect, reason: str, time: float) -> None:
        """Take a look; one that is not later than the last says nothing."""
        if self._last is not None and time <= self._last:
            return
        if self._last is not None and time - self._last > GAP_S:
            self._spells.clear()
            self._new = None
        self._last = time
        current = self._spells[-1] if self._spells else None
        if current is not None and aspect == current.aspect:
            current.until, current.reason, self._new = time, reason, None
            return
        if self._new is None or self._new.aspect != aspect:
            self._new = _Spell(aspect, time, time, reason)
        new = self._new
        new.until = time
        if time - new.since >= self._hold_s - 1e-6:
            self._accept(new)

    def _accept(self, new: _Spell) -> None:
        self._new = None
        hidden = self._spells[-1] if self._spells else None
        if hidden is not None and len(self._spells) > 1:
            before = self._spells[-2]
            # something passed before it: a lamp that goes out by itself is another matter
            covered = hidden.aspect == "unknown" and hidden.reason != "dark" and before.aspect == new.aspect
            if covered and new.since - before.until <= GAP_S:
                self._spells.pop()
                before.until = new.until
                return
        self._spells.append(new)

    def signal(self) -> Signal:
        """What is known as of the last look."""
        now = self._last or 0.0
        if self._new is not None or not self._spells:
            new = self._new
            reason = "changing" if new is None or new.aspect != "unknown" else new.reason
            return Signal("unknown", now if new is None else new.since, reason, self._source, tuple(self._phases()))
        spell = self._spells[-1]
        reason = spell.reason if spell.aspect == "unknown" else ""
        return Signal(spell.aspect, spell.since, reason, self._source, tuple(self._phases()))

    def _phases(self) -> Iterator[Phase]:
        for spell in self._spells:
            if spell.aspect != "unknown":
                yield Phase(spell.aspect, spell.since, spell.until)
