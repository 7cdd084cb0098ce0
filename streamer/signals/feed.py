"""The feed of one signal: what its controller said, and whether that can be believed.

Nothing of it accuses anybody unless all of it adds up. What is late, silent, stuck, contradicts itself, comes from the
future or tells of a sequence that no signal shows is `unknown`, with a word for the reason; after a lie it stays
unknown for a while, for who lied once may have lied before it was noticed. Times are passed in; no I/O.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from streamer.signals.message import Message
from streamer.signals.settings import SignalSettings
from streamer.types import Aspect, Phase, Signal

_KEPT = 8
"""Phases that are remembered: two turns of a signal."""
_NEXT: dict[Aspect, tuple[Aspect, ...]] = {
    "green": ("amber",),
    "amber": ("red", "green"),  # to green where red with amber announces it
    "red": ("green", "amber"),
}
_SAME_S = 0.05
"""Stamps that are nearer than this are of the same moment."""


@dataclass(slots=True)
class _Turn:
    """A state that was told, and for how long it was told again and again."""

    aspect: Aspect
    since: float
    """When we heard of it first: it certainly was so from then on."""
    until: float
    """When it was told last, less what clocks or the way may differ: nobody vouches for it beyond this."""
    stamp: float
    """The first message's own time, or when it came."""
    reason: str = ""
    first: bool = False
    """Heard of when it was already going on: it may have begun at any time before."""


class Feed:
    """One signal's feed."""

    def __init__(self, settings: SignalSettings):
        self._settings = settings
        self._turns: deque[_Turn] = deque(maxlen=_KEPT)
        self._heard_at: float | None = None
        """When the last message came that was in time."""
        self._stamp = 0.0
        """Its own time."""
        self._late = False
        self._lie = ""
        self._trusted_from = -math.inf

    @property
    def heard_at(self) -> float | None:
        """When the last message came that was in time, UTC epoch or the video's time; None: none ever did."""
        return self._heard_at

    def hear(self, message: Message, received_at: float) -> str:
        """Take a message.

        Returns:
            What became of it, a word for metrics: ok, repeated, late, or the lie that it was caught in: future,
            contradictory, impossible.
        """
        settings = self._settings
        stamp = received_at if message.stamp is None else message.stamp
        if stamp > received_at + settings.clock_tolerance_seconds:
            return self._caught("future", received_at)
        if received_at - stamp > settings.max_delay_seconds:
            return self._is_late(message)
        slack_s = settings.max_delay_seconds if message.stamp is None else settings.clock_tolerance_seconds
        turn = _Turn(message.aspect, received_at, min(stamp, received_at) - slack_s, stamp, message.reason)
        last = self._turns[-1] if self._turns else None
        outcome = "ok"
        if last is None or self._heard_at is None or received_at - self._heard_at > settings.max_age_seconds:
            self._turns.clear()  # whatever happened in the silence
            turn.first = True
            self._turns.append(turn)
        elif stamp < self._stamp - _SAME_S:
            if self._said(stamp) == message.aspect:
                return "repeated"
            return self._caught("contradictory", received_at)
        elif message.aspect != last.aspect:
            lie = self._lie_in(last, turn)
            turn.first = bool(lie) or last.aspect == "unknown"
            self._turns.append(turn)
            outcome = self._caught(lie, received_at) if lie else "ok"
        else:
            last.until, last.reason = turn.until, message.reason
        self._late = False
        self._heard_at, self._stamp = received_at, stamp
        return outcome

    def distrust(self, reason: str, at: float) -> None:
        """Somebody else caught it in a lie: unknown for that reason until it is trusted again."""
        self._caught(reason, at)

    def at(self, time: float) -> Signal:
        """What is known of the signal at a time, by all that was heard until now."""
        settings = self._settings
        turn = self._at(time)
        if self._heard_at is None or turn is None:
            return _unknown(time, "silent")
        if time < self._trusted_from:
            return _unknown(time, self._lie)
        if self._late:
            return _unknown(time, "late")
        if time - self._heard_at > settings.max_age_seconds:
            return _unknown(self._heard_at, "silent")
        if settings.stuck_seconds is not None and time - turn.since > settings.stuck_seconds:
            return _unknown(turn.since + settings.stuck_seconds, "stuck")
        phases, since = tuple(self._phases(time)), max(turn.since, self._trusted_from)
        if turn.aspect == "unknown":
            return Signal("unknown", turn.since, turn.reason or "controller", "feed", phases)
        if time - since < settings.debounce_seconds - 1e-9:
            return Signal("unknown", since, "changing", "feed", phases)
        return Signal(turn.aspect, since, "", "feed", phases)

    def _at(self, time: float) -> _Turn | None:
        """What was going on at a time."""
        return next((turn for turn in reversed(self._turns) if turn.since <= time + 1e-9), None)

    def _said(self, stamp: float) -> Aspect:
        """What it said of a moment of its own time."""
        return next((turn.aspect for turn in reversed(self._turns) if turn.stamp <= stamp + _SAME_S), "unknown")

    def _phases(self, time: float) -> Iterator[Phase]:
        for turn in self._turns:
            since, until = max(turn.since, self._trusted_from), min(turn.until, time)
            if turn.aspect != "unknown" and until > since:
                yield Phase(turn.aspect, since, until)

    def _lie_in(self, last: _Turn, new: _Turn) -> str:
        """What is wrong with a change; empty if nothing."""
        settings = self._settings
        lasted_s = new.stamp - last.stamp
        if lasted_s < _SAME_S:
            return "contradictory"
        if "unknown" in (last.aspect, new.aspect):
            return ""
        if not last.first and lasted_s < settings.min_phase_seconds - 1e-9:
            return "impossible"
        if settings.has_amber and new.aspect not in _NEXT[last.aspect]:
            return "impossible"
        before = self._turns[-2].aspect if len(self._turns) > 1 else None
        back_to_green = before == "green" and last.aspect == "amber" and new.aspect == "green"
        return "impossible" if back_to_green else ""

    def _is_late(self, message: Message) -> str:
        if self._turns and self._turns[-1].aspect != message.aspect:
            self._turns.clear()  # there were changes that we did not hear of in time
        self._late = True
        return "late"

    def _caught(self, lie: str, at: float) -> str:
        self._lie = lie
        self._trusted_from = max(self._trusted_from, at + self._settings.trust_after_seconds)
        return lie


def _unknown(since: float, reason: str) -> Signal:
    return Signal("unknown", since, reason, "feed")
