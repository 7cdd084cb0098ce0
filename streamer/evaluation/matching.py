"""Pairs what was said with what happened, one to one.

An event may stand for a true one of its camera and kind, and of its zone, line, label and direction where the truth
names them, if it was told at most `early_s` before and `tolerance_s` after the truth's start. As many pairs as possible
are made; what is told twice is false the second time. The window of ten seconds is the habit of i-LIDS and AI City.

Source: HOSDB i-LIDS user guide (alarms within 10 s of the event's start are true); pairs by Kuhn's augmenting paths
(Naval Research Logistics 2, 1955). Pure.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from streamer.evaluation.truth import Ignored, TrueEvent
from streamer.events import Event

EARLY_S = 1.0
"""How much before the truth's start an event may be told: who labels by eye is not more exact."""
TOLERANCE_S = 10.0
_ROUNDING_S = 1e-6


@dataclass(slots=True)
class Pairs:
    """Of one kind: who was paired with whom, and who is left."""

    hits: list[tuple[TrueEvent, Event]] = field(default_factory=list)
    missed: list[TrueEvent] = field(default_factory=list)
    false: list[Event] = field(default_factory=list)
    doubles: int = 0
    """Of the false ones, those that could stand for a truth that another event already stands for."""


def match(
    truth: Sequence[TrueEvent],
    said: Sequence[Event],
    ignored: Sequence[Ignored] = (),
    tolerance_s: float = TOLERANCE_S,
    early_s: float = EARLY_S,
) -> Pairs:
    """Pair the begins of incidents with true events, all of one kind.

    What begins in a stretch that is ignored is neither missed nor false, and is no hit either; but an event in it may
    still stand for a true one that began before.

    Args:
        truth: what happened.
        said: begins of incidents.
        ignored: stretches that are not scored.
        tolerance_s: how late an event may be told, seconds after the truth's start.
        early_s: how much too early, seconds.
    """
    true = sorted(truth, key=lambda it: it.start)
    events = sorted(said, key=lambda it: it.time)
    times = [event.time for event in events]
    fits = []
    for one in true:
        first = bisect_left(times, one.start - early_s - _ROUNDING_S)
        after = bisect_right(times, one.start + tolerance_s + _ROUNDING_S)
        near = [j for j in range(first, after) if _fits(one, events[j])]
        fits.append(sorted(near, key=lambda j: abs(times[j] - one.start)))
    holder = _pairs(fits)
    partner = {i: j for j, i in holder.items()}
    found = Pairs()
    for i, one in enumerate(true):
        if any(it.covers(one.camera, one.kind, one.zone, one.line, one.start) for it in ignored):
            continue
        if i in partner:
            found.hits.append((one, events[partner[i]]))
        else:
            found.missed.append(one)
    in_reach = {j for row in fits for j in row}
    for j, event in enumerate(events):
        left_out = any(it.covers(event.camera, event.kind, event.zone, event.line, event.time) for it in ignored)
        if j not in holder and not left_out:
            found.false.append(event)
            found.doubles += j in in_reach
    return found


def direction(event: Event) -> str | None:
    """Which way the thing went, where the rule says so."""
    said = event.detail.get("direction")
    return None if said is None else str(said)


def _fits(one: TrueEvent, event: Event) -> bool:
    """Whether what the truth names agrees."""
    same = (one.camera, one.kind) == (event.camera, event.kind)
    named = (
        (one.zone, event.zone),
        (one.line, event.line),
        (one.label, event.label),
        (one.direction, direction(event)),
    )
    return same and all(asked is None or asked == got for asked, got in named)


def _pairs(fits: Sequence[Sequence[int]]) -> dict[int, int]:
    """The most pairs: for each event that is taken, which truth holds it.

    Truths choose in order of time, each the nearest event that is free; only one without a free event makes others
    move on.
    """
    holder: dict[int, int] = {}
    held: dict[int, int] = {}
    for begin in range(len(fits)):
        came: dict[int, int] = {}
        waiting = deque([begin])
        free = None
        while waiting and free is None:
            truth = waiting.popleft()
            for event in fits[truth]:
                if event not in came:
                    came[event] = truth
                    if event not in holder:
                        free = event
                        break
                    waiting.append(holder[event])
        while free is not None:  # everyone on the way takes the event that was found from them, and gives theirs up
            truth = came[free]
            before = held.get(truth)
            holder[free], held[truth] = truth, free
            free = before
    return holder
