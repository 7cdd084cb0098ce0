"""One signal from two witnesses, its feed and its lamp: each keeps the other honest. Pure.

A feed that is silent or late leaves the word to the lamp, and a lamp that cannot be seen leaves it to the feed. Where
both speak, only what both can mean is certain; a feed that goes on saying something else than its lamp is lying.
"""

from __future__ import annotations

from collections.abc import Iterator

from streamer.types import Phase, Signal

_ABSENT = ("silent", "late")
DISAGREE_S = 2.0
"""A lamp needs its debounce and a frame or two to follow; beyond that they contradict each other, seconds."""


class Fusion:
    """What a feed and a lamp say together; remembers since when they disagree."""

    def __init__(self) -> None:
        self._since: float | None = None

    def fuse(self, feed: Signal, lamp: Signal, time: float) -> Signal:
        """The signal at a frame's capture time; `lies` says whether the feed is to be distrusted."""
        both = feed.aspect != "unknown" and lamp.aspect != "unknown"
        if not both or feed.aspect == lamp.aspect:
            self._since = None
        elif self._since is None:
            self._since = time
        if feed.reason in _ABSENT:
            return lamp
        if feed.aspect == "unknown" and not feed.phases:
            return feed
        phases = tuple(_less(feed.phases, lamp.phases))
        if both and feed.aspect != lamp.aspect:
            return Signal("unknown", self._since or time, "contradicts_lamp", "both", phases)
        if both:
            return Signal(feed.aspect, max(feed.since, lamp.since), "", "both", phases)
        return Signal(feed.aspect, feed.since, feed.reason, "feed", phases)

    def lies(self, time: float) -> bool:
        """Whether the two have disagreed for longer than a lamp needs to follow."""
        return self._since is not None and time - self._since > DISAGREE_S


def _less(phases: tuple[Phase, ...], others: tuple[Phase, ...]) -> Iterator[Phase]:
    """The phases without the stretches in which others say something else."""
    for phase in phases:
        left = [(phase.since, phase.until)]
        for other in others:
            if other.aspect != phase.aspect:
                left = [
                    part
                    for since, until in left
                    for part in ((since, min(until, other.since)), (max(since, other.until), until))
                    if part[1] > part[0]
                ]
        yield from (Phase(phase.aspect, since, until) for since, until in left)
