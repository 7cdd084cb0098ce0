"""The last seconds of a camera as it sent them: encoded pictures in memory, for evidence that nobody has to encode.

Whole groups of pictures, so that what it holds always begins where decoding can begin; the oldest group goes first,
by age and by bytes. It keeps references to bytes that the reading made anyway, so that it costs memory and next to no
time. The camera's thread puts in (`begin`, `put`); the evidence threads take out (`runs`). A group that alone is larger
than the ring is let go whole, and everything up to the next keyframe with it; what that costs is counted.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass

from streamer.sources.rtp import AccessUnit
from streamer.sources.source import Encoding

UNIT_COST = 256
"""Bytes that a unit takes beside its data, rounded up: a flood of tiny units must not escape the bound."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Encoded pictures that follow each other without a hole, of one connection; the first can be decoded."""

    encoding: Encoding
    units: list[AccessUnit]
    """In order of decoding."""


class _Group:
    """One keyframe and what builds on it."""

    __slots__ = ("encoding", "size", "units")

    def __init__(self, encoding: Encoding):
        self.encoding = encoding
        self.units: list[AccessUnit] = []
        self.size = 0


class Ring:
    """The memory of one stream.

    Args:
        max_bytes: never more than this, whatever comes.
        seconds: how far back it is wanted; older groups go as soon as the younger ones reach so far.
    """

    def __init__(self, max_bytes: int, seconds: float):
        self.max_bytes = max_bytes
        self.seconds = seconds
        self.size = 0
        """Bytes held now."""
        self.dropped: Counter[str] = Counter()
        """Units that were not kept: ``no_room`` before their time was over, ``no_keyframe`` for want of a beginning."""
        self._encoding: Encoding | None = None
        self._groups: deque[_Group] = deque()
        self._open = False
        self._lock = threading.Lock()

    def begin(self, encoding: Encoding | None) -> None:
        """A connection begins; what it sends does not build on what came before."""
        with self._lock:
            self._encoding = encoding
            self._open = False

    def put(self, unit: AccessUnit) -> None:
        """Keep one more encoded picture."""
        with self._lock:
            groups = self._groups
            if unit.startable and self._encoding is not None:
                groups.append(_Group(self._encoding))
                self._open = True
            elif not self._open:
                self.dropped["no_keyframe"] += 1
                return
            group, size = groups[-1], len(unit.data) + UNIT_COST
            group.units.append(unit)
            group.size += size
            self.size += size
            oldest_at = unit.arrived_at - self.seconds
            while len(groups) > 1 and groups[1].units[0].arrived_at <= oldest_at:
                self._drop()
            while self.size > self.max_bytes:
                self.dropped["no_room"] += len(groups[0].units)
                self._drop()

    def runs(self) -> list[Run]:
        """What there is, oldest first; the lists are the caller's, the bytes are shared."""
        with self._lock:
            found: list[Run] = []
            for group in self._groups:
                if found and found[-1].encoding is group.encoding:
                    found[-1].units.extend(group.units)
                else:
                    found.append(Run(group.encoding, list(group.units)))
            return found

    @property
    def newest_at(self) -> float | None:
        """When the latest unit came, CLOCK_MONOTONIC; None while there is none."""
        with self._lock:
            return self._groups[-1].units[-1].arrived_at if self._groups else None

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._groups.clear()
            self.size, self._open = 0, False

    def _drop(self) -> None:
        self.size -= self._groups.popleft().size
        if not self._groups:
            self._open = False
