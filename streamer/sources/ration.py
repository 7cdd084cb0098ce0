"""Which pictures are decoded when there is not time for all: of each group of pictures the first part.

A picture needs those before it back to its keyframe, so what can be left out without damage is the end of a group. Half
of every group gives twice as many analysed pictures as one of every two groups would give in gaps twice as long, and
ten times as many as keyframes alone. The share is set by the engine, the same for all cameras (see `ingest.load`). Pure
arithmetic; one object a connection, asked for each encoded picture by its thread.
"""

from __future__ import annotations

LEAST = 0.05
"""The smallest share: keyframes, and hardly more."""
STALE_S = 0.15
"""While decoding is rationed, a group is given up once its pictures are so late: its results would be old, and the next
keyframe is a fresh start."""
_HAIR_S = 1e-6
_LONGEST_S = 60.0
"""A longer group is taken for none: a clock that jumped, or a stream with gradual refresh."""


class Ration:
    """Lets the first part of each group of pictures through."""

    def __init__(self) -> None:
        self.share = 1.0
        """How much of each group, 0..1; may be set from any thread."""
        self.patience_s = 1.0
        """At full share, too, a group is given up once its pictures are so late; by then the share is on its way."""
        self._key_at: float | None = None
        self._group_s: float | None = None
        self._over = False

    def admits(self, key: bool, pts_s: float, late_s: float = 0.0) -> bool:
        """Whether to decode a picture; call it for each, in the order in which they are encoded.

        Args:
            key: whether it is a keyframe. A keyframe always is let through.
            pts_s: its time in seconds, as the source counts.
            late_s: how long it has been waiting on this machine.
        """
        if key:
            if self._key_at is not None and 0.0 < pts_s - self._key_at <= _LONGEST_S:
                self._group_s = pts_s - self._key_at
            self._key_at, self._over = pts_s, False
            return True
        if self._over:
            return False
        if self._key_at is None or self._group_s is None:
            return True
        if self.share >= 1.0:
            self._over = late_s > self.patience_s
            return not self._over
        # once one is left out, the rest of the group has nothing to build on
        beyond = not 0.0 <= pts_s - self._key_at < self.share * self._group_s - _HAIR_S
        self._over = beyond or late_s > STALE_S
        return not self._over
