"""Which pictures are decoded when there is not time for all: whole groups of pictures, in turn with other cameras.

A picture needs those before it back to its keyframe, so nothing but whole groups, or the end of one, can be left out
without damage. Half of all groups gives five times as many analysed pictures as all keyframes would, at half the cost.
Cameras that were opened together often begin their groups together, so each has a phase of its own by which the groups
that it decodes alternate with those of the others. Where groups are so long that leaving a whole one out would break
tracks, the end of each is left out instead. The share is set by the engine, the same for all cameras (see
`ingest.load`). Pure arithmetic; one object a connection, asked for each encoded picture by its thread.
"""

from __future__ import annotations

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


class Ration:
    """Lets some groups of pictures through, or the first part of each."""

    def __init__(self) -> None:
        self.share = 1.0
        """Of all pictures, how much is to be decoded, 0..1; may be set from any thread."""
        self.phase = 0.0
        """Which groups they are, 0..1; set before the first picture, different for each camera."""
        self.patience_s = 1.0
        """At full share, too, a group is given up once its pictures are so late; by then the share is on its way."""
        self._key_at: float | None = None
        self._group_s: float | None = None
        self._credit: float | None = None
        self._part_s = 0.0
        self._over = False

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
        resting = int(_REST_S / group_s)  # so many groups may be left out in a row
        rate = min(1.0, max(self.share, 1.0 / (resting + 1)))
        credit = (self.phase if self._credit is None else self._credit) + rate
        self._over = credit < 1.0 - _HAIR
        self._credit = credit if self._over else credit - 1.0
        self._part_s = self.share / rate * group_s + (_HAIR if self.share >= rate else -_HAIR)
        return not self._over
