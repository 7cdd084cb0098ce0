"""Which pictures are decoded when there is not time for all: of each group of pictures the first part, or whole groups.

A picture needs those before it back to its keyframe, so nothing but the end of a group, or a whole one, can be left out
without damage. Half of every group gives five times as many analysed pictures as all keyframes would, at half the cost.
Cameras that were opened together often begin their groups together, and all first parts would fall into the same
moment: then (see `together`) each camera decodes whole groups, in turn with the others. The share is set by the
engine, the same for all cameras (see `ingest.load`). Pure arithmetic; one object a connection, asked for each encoded
picture by its thread.
"""

from __future__ import annotations

import cmath
from collections.abc import Sequence

LEAST = 0.05
"""The smallest share."""
STALE_S = 0.15
"""While decoding is rationed, a group is given up once its pictures are so late: its results would be old, and the next
keyframe is a fresh start."""
_REST_S = 4.0
"""The longest pause between two groups: tracks survive 5 s without a picture (gap_tolerance_seconds)."""
_HAIR = 1e-6
_LONGEST_S = 60.0
"""A longer group is taken for none: a clock that jumped, or a stream with gradual refresh."""


_TOGETHER = 0.5
"""Length of the mean of all phases as unit vectors: 0 when they are spread evenly, 1 when they are the same."""


class Ration:
    """Lets some groups of pictures through, or the first part of each."""

    def __init__(self) -> None:
        self.share = 1.0
        """Of all pictures, how much is to be decoded, 0..1; may be set from any thread."""
        self.phase = 0.0
        """Which groups they are, 0..1; set before the first picture, different for each camera."""
        self.whole = False
        """Whether whole groups are left out, instead of the end of each; may be set from any thread."""
        self.began_at: float | None = None
        """CLOCK_MONOTONIC when the last keyframe came; set by who asks."""
        self.patience_s = 1.0
        """At full share, too, a group is given up once its pictures are so late; by then the share is on its way."""
        self._key_at: float | None = None
        self._group_s: float | None = None
        self._credit: float | None = None
        self._part_s = 0.0
        self._over = False

    @property
    def group_s(self) -> float | None:
        """How long a group lasts, in seconds, once two have begun."""
        return self._group_s

    def admits(self, key: bool, pts_s: float, late_s: float = 0.0) -> bool:
        """Whether to decode a picture; call it for each, in the order in which they are encoded.

        Args:
            key: whether it is a keyframe.
            pts_s: its time in seconds, as the source counts.
            late_s: how long it has been waiting on this machine.
        """
        if key:
            return self._begin(pts_s)
        if self._over:
            return False
        if self._key_at is None or self._group_s is None:
            return True
        # once one is left out, the rest of the group has nothing to build on
        if self.share >= 1.0:
            self._over = late_s > self.patience_s
        else:
            self._over = late_s > STALE_S or not 0.0 <= pts_s - self._key_at < self._part_s
        return not self._over

    def _begin(self, pts_s: float) -> bool:
        """A group begins: whether it is one of those to be decoded, and how much of it."""
        if self._key_at is not None and 0.0 < pts_s - self._key_at <= _LONGEST_S:
            self._group_s = pts_s - self._key_at
        self._key_at, self._over = pts_s, False
        group_s = self._group_s
        if group_s is None:
            return True
        resting = int(_REST_S / group_s) if self.whole else 0  # so many groups may be left out in a row
        rate = min(1.0, max(self.share, 1.0 / (resting + 1)))
        credit = (self.phase if self._credit is None else self._credit) + rate
        self._over = credit < 1.0 - _HAIR
        self._credit = credit if self._over else credit - 1.0
        self._part_s = self.share / rate * group_s + (_HAIR if self.share >= rate else -_HAIR)
        return not self._over


def together(rations: Sequence[Ration]) -> bool:
    """Whether the groups of several cameras begin at about the same time (Rayleigh's mean resultant length)."""
    groups = [(ration.began_at, ration.group_s) for ration in rations]
    known = [(at, group_s) for at, group_s in groups if at is not None and group_s is not None]
    if len(known) < 3:
        return False
    usual_s = sorted(group_s for _, group_s in known)[len(known) // 2]
    mean = sum(cmath.exp(2j * cmath.pi * at / usual_s) for at, _ in known) / len(known)
    return abs(mean) > _TOGETHER
