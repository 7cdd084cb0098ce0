"""How much of their video all cameras decode, so that what is analysed stays fresh when the machine is too small.

Readers say of each picture how long it waited for its turn: from the instant at which the kernel had its last byte
until it lay in its slot, less the time that was work for it (a large picture is no overload). When the latest tenth
waits too long there is more to do than there is time, and every camera decodes a smaller share of its pictures
(`sources.ration`); else the share grows again. One share for all is what makes it fair: no camera starves because
others came first. Pure arithmetic; one object an engine, used by `readers` on its loop.
"""

from __future__ import annotations

from streamer.sources.ration import LEAST

LATE_S = 0.055
"""Too late. Set by measurement: below it two thirds of a small machine lay idle under overload, because one keyframe
more or less already counts; with 0.1 s results were three times as old, for no more of them."""
EARLY_S = 0.035
_GROW = 0.02
"""Added to the share at each look without late pictures, to begin with; a quarter of it while they are nearly late."""
_CUT = 0.75
"""The most that one look takes away: what is late now was decoded at the share of before."""
_PATIENCE = 3
"""Late looks in a row, half a second each, that make an overload of it."""
_BOLDER = 2
_WARM = 10
"""Looks with pictures before the first judgment: while all cameras connect at once, everything is late for once."""
_SETTLE = 3
"""Looks that are passed over after a cut: groups of pictures that have begun are decoded to their end."""
_QUANTILE = 0.9
_MOST = 4096
_FEW = 5


class Load:
    """Sets the share from how late pictures are."""

    def __init__(self) -> None:
        self.share = 1.0
        """Of all pictures, how much is to be decoded; 0..1."""
        self._late: list[float] = []
        self._warming = _WARM
        self._late_looks = self._early_looks = self._settling = 0

    def note(self, late_s: float) -> None:
        """A picture waited for so many seconds."""
        if len(self._late) < _MOST:
            self._late.append(late_s)

    def judge(self) -> bool:
        """Set the share from what was noted since the last call, twice a second; whether it changed."""
        late, self._late = sorted(self._late), []
        if len(late) < _FEW:
            return False  # hardly anything to go by
        if self._warming > 0:
            self._warming -= 1
            return False
        if self._settling > 0:
            self._settling -= 1
            return False
        before, worst_s = self.share, late[int(_QUANTILE * (len(late) - 1))]
        self._late_looks = self._late_looks + 1 if worst_s > LATE_S else 0
        self._early_looks = self._early_looks + 1 if worst_s < EARLY_S else 0
        # a hiccup is over by the next looks; an overload is not
        if self._late_looks >= (_PATIENCE if before == 1.0 else 1):
            self.share = max(LEAST, before * max(_CUT, LATE_S / worst_s))
            self._settling = _SETTLE
        elif not self._late_looks:
            # the longer all goes well, the bolder: what was no overload must not cost many seconds
            boldness = 1 + self._early_looks // _BOLDER if self._early_looks else 0.25
            self.share = min(1.0, before + _GROW * boldness)
        return self.share != before
