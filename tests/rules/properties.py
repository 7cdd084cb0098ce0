"""What must not change a rule's events: when it happens, how often one looks, where the session is cut, answers that
never came, and the tracker's numbers. One harness for every rule.

A `Case` is a rule, the places that it needs, and actors whose behaviour is the truth. `told` plays it through the real
tracker; `Disturbed` says what is done to the frames on the way. Property tests draw disturbances with the strategies
below and compare what was told with `same`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from streamer.events import Event, IncidentBook
from streamer.places import Places
from streamer.readings import Reading
from streamer.rules.rule import Judge, Rule
from streamer.tracker import Tracker
from streamer.types import Detections, Tracks
from tests.acting import LABELS, Actor, frame, seen, sight


@dataclass(frozen=True)
class Case:
    """A behaviour, played out."""

    rule: Rule
    actors: Sequence[Actor]
    seconds: float
    places: Places
    quiet_s: tuple[float, ...] = ()
    """Times at which nobody is there and nothing is going on: the session may be cut."""
    label: str = "person"


@dataclass(frozen=True)
class Disturbed:
    """What is done to the frames of a case."""

    at: Sequence[float] = ()
    """Capture times; five a second if left out."""
    offset_s: float = 0.0
    unknown: tuple[tuple[float, float], ...] = ()
    """From when to when the detector does not answer."""
    switches: tuple[float, ...] = ()
    """When every track loses its number and comes back under a new one, two frames later."""
    cuts: tuple[float, ...] = ()
    """When `watch` begins anew."""


@dataclass
class Told:
    """All that a rule said."""

    events: list[Event] = field(default_factory=list)
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By place, label and direction."""
    levels: dict[str, list[float]] = field(default_factory=dict)
    """By place, in order."""

    def begins(self) -> list[Event]:
        """What began."""
        return [event for event in self.events if event.state == "begin"]

    def rows(self) -> list[tuple[Any, ...]]:
        """State, place, direction and time of each, for people who read a failed test."""
        return [(*_what(event), round(event.time, 2)) for event in self.events]


def told(case: Case, how: Disturbed | None = None) -> Told:
    """What the rule says of the case; times are those of the case, whatever the offset."""
    how = how or Disturbed()
    at = how.at or [i / 5 for i in range(round(case.seconds * 5) + 1)]
    found, book, renamer = Told(), IncidentBook(), _Renamer(how.switches)
    judge, tracker, cuts = case.rule.begin(case.places), Tracker(), list(how.cuts)
    for i, t in enumerate(at):
        if cuts and t >= cuts[0]:
            cuts.pop(0)
            judge, tracker = case.rule.begin(case.places), Tracker()
            _enter(found, book, book.end_all(t + how.offset_s, "gap"), how.offset_s)
        missing = any(begin <= t < end for begin, end in how.unknown)
        answer = Detections.unknown(LABELS) if missing else _sight(case, t)
        now = frame(t + how.offset_s, i)
        tracks = renamer.rename(tracker.update(answer, now.time), t)
        _judge(found, book, judge, now, tracks, how.offset_s)
    return found


def same(found: Told, expected: Told, tolerance_s: float) -> None:
    """Whether two runs told the same: the same things in the same places, each within the tolerance of the other."""
    assert sorted(map(_what, found.events)) == sorted(map(_what, expected.events)), (found.rows(), expected.rows())
    for what in {_what(event) for event in expected.events}:
        ours = sorted(event.time for event in found.events if _what(event) == what)
        theirs = sorted(event.time for event in expected.events if _what(event) == what)
        for a, b in zip(ours, theirs, strict=True):
            assert abs(a - b) <= tolerance_s + 1e-6, (what, a, b, tolerance_s)
    assert found.counts == expected.counts
    assert {place: levels[-1] for place, levels in found.levels.items()} == {
        place: levels[-1] for place, levels in expected.levels.items()
    }


def rates(seconds: float) -> st.SearchStrategy[list[float]]:
    """Capture times at any steady rate from 2 to 15 frames a second."""
    return st.floats(2.0, 15.0).map(lambda fps: [i / fps for i in range(int(seconds * fps) + 1)])


def jumps(seconds: float) -> st.SearchStrategy[list[float]]:
    """Capture times at a rate that jumps between 2 and 15 frames a second, and jitters."""

    def times(seed: int) -> list[float]:
        rng = np.random.default_rng(seed)
        found = [0.0]
        while found[-1] < seconds:
            step = 1 / rng.choice([2, 3, 5, 8, 15])
            steps = step * rng.uniform(0.9, 1.0, rng.integers(1, 12))
            found += (found[-1] + np.cumsum(steps)).tolist()
        return [t for t in found if t <= seconds]

    return st.integers(0, 10**6).map(times)


def clocks(seconds: float) -> st.SearchStrategy[list[float]]:
    """Capture times at steady and at jumping rates."""
    return rates(seconds) | jumps(seconds)


def longest(at: Sequence[float]) -> float:
    """The longest sampling period, seconds."""
    return float(np.diff(at).max())


def holes(seconds: float, longest_s: float = 0.6, most: int = 3) -> st.SearchStrategy[tuple[tuple[float, float], ...]]:
    """Spans without an answer."""
    one = st.tuples(st.floats(0.0, seconds), st.floats(0.1, longest_s)).map(lambda hole: (hole[0], hole[0] + hole[1]))
    return st.lists(one, max_size=most).map(tuple)


def _what(event: Event) -> tuple[str, str, str, str, str]:
    direction = str(event.detail.get("direction", ""))
    return event.kind, event.state, event.zone or "", event.line or "", direction


def _sight(case: Case, t: float) -> Detections:
    found = sight(case.actors, t)
    if case.label == "person" or not len(found):
        return found
    return seen(*map(tuple, found.boxes.tolist()), confidence=found.confidence.tolist(), label=case.label)


def _judge(found: Told, book: IncidentBook, judge: Judge, now: Any, tracks: Tracks, offset_s: float) -> None:
    for said in judge.judge(now, tracks):
        if isinstance(said, Event):
            entered = book.enter(said)
            _enter(found, book, [] if entered is None else [entered], offset_s)
        elif isinstance(said, Reading):
            if said.mode == "count":
                found.counts[said.place, said.label, said.direction] += round(said.value)
            else:
                found.levels.setdefault(said.place, []).append(said.value)


def _enter(found: Told, book: IncidentBook, events: Sequence[Event], offset_s: float) -> None:
    found.events += [replace(event, time=event.time - offset_s) for event in events]


class _Renamer:
    """Gives all tracks new numbers at some times, as a tracker does that lost them: unseen in one frame, then others
    that were first seen in it.
    """

    def __init__(self, switches: Sequence[float]):
        self._switches: Iterator[float] = iter(sorted(switches))
        self._next = next(self._switches, None)
        self._names: dict[int, tuple[int, float]] = {}
        """The new number and its birth, by the tracker's own."""
        self._given = 1000

    def rename(self, tracks: Tracks, t: float) -> Tracks:
        if self._next is not None and t >= self._next and tracks.known and len(tracks):
            self._next = next(self._switches, None)
            lost = replace(tracks, track_ids=self._ids(tracks), unseen_s=np.full(len(tracks), 0.1, np.float32))
            for track_id in tracks.track_ids.tolist():
                self._given += 1
                self._names[track_id] = self._given, t
            return lost
        ages = [
            t - self._names[i][1] if i in self._names else age
            for i, age in zip(tracks.track_ids.tolist(), tracks.ages_s.tolist(), strict=True)
        ]
        return replace(tracks, track_ids=self._ids(tracks), ages_s=np.array(ages, np.float32))

    def _ids(self, tracks: Tracks) -> np.ndarray:
        return np.array([self._names.get(i, (i, 0.0))[0] for i in tracks.track_ids.tolist()], np.int64)
