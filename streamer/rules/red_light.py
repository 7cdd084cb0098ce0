"""Red light: a vehicle drives over its stop line although its signal has been red for a while, and goes on.

Nobody is accused unless all of it is certain: the front was still before the line when the signal had been red for
`grace_seconds`; it crossed in the direction of travel and got `min_lengths` of its own lengths beyond; the signal was
red, without a break, from then until then; and it did not leave by a drawn exempt zone (a right turn). Who stops on the
line, creeps over it, or was over it before, has done nothing. A signal that is unknown at any of these moments (see
`signals`) accuses nobody; the passage is counted as undecided.

The verdict is given when the signal is vouched for that long, so that news of a change that is still under way cannot
make an innocent guilty. Where that lasts, the verdict comes later; the times in the event are those of the deed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from streamer.errors import InputError
from streamer.events import Event
from streamer.events import Moment as ShownMoment
from streamer.places import Places
from streamer.readings import Reading
from streamer.rules.passage import Passage, Passages
from streamer.rules.rule import Judge, KnownTime, Rule
from streamer.rules.ruler import Moment, Ruler
from streamer.rules.turning import LONGEST_WAIT_S, Exits, Turn
from streamer.types import NO_SCORES, Frame, Phase, Scores, Signal, Tracks

_WATCHED_STEP_S = 1.0
"""So much of the time between two frames counts as watched: vehicles may leave in a gap, but nobody saw it."""
_STEEPEST = math.cos(math.radians(70))
"""Who moves at more than 70 degrees to the direction of travel passes by the line, not over it."""
_MOST = 128

Verdict = Literal["guilty", "innocent", "exempt", "undecided", "open"]


class RedLight(Rule):
    """A vehicle crosses its stop line on red and goes on."""

    kind: ClassVar[str] = "red_light"
    evidence_s: ClassVar[float] = 10.0

    stop_lines: dict[str, str] = Field(
        min_length=1,
        description="The signal of each stop line, by the line's name; the line's forward direction is that of travel.",
    )
    exempt_zones: list[str] = Field(
        default_factory=list, description="Zones by which one may leave on red: draw the exit of a right turn."
    )
    grace_seconds: float = Field(0.5, ge=0, le=5, description="So long after red nobody is accused, seconds.")
    min_lengths: float = Field(1.0, ge=0.5, le=5, description="Vehicle lengths beyond the line that are going on.")
    turn_seconds: float = Field(
        4.0,
        ge=0,
        le=20,
        description="With exempt zones: after moving for so long beyond the line it has not turned off, seconds.",
    )
    labels: list[str] = Field(["car", "truck", "bus", "motorcycle"], description="What counts; names of classes.")
    min_confidence: float = Field(0.4, ge=0, le=1, description="Mean confidence that is asked for.")
    min_age_seconds: float = Field(
        0.3, ge=0, description="So long it must have been followed before the line, seconds."
    )
    ground_share: float = Field(
        0.45, ge=0.2, le=1, description="Of a box's height, what the vehicle covers of the road: flat view less."
    )

    def begin(self, places: Places) -> Judge:
        """See Rule."""
        for kind, names in self.places_needed().items():
            drawn = getattr(places, kind)
            missing = [name for name in names if name not in drawn]
            if missing:
                raise InputError(
                    f"{self.kind}: {kind[:-1]} {missing[0]!r} is not known on this camera; "
                    f"it has: {', '.join(drawn) or 'none'}"
                )
        return _Enforcement(self, places)

    def places_needed(self) -> dict[str, list[str]]:
        """See Rule."""
        return {
            "lines": list(self.stop_lines),
            "signals": list(dict.fromkeys(self.stop_lines.values())),
            "zones": self.exempt_zones,
        }


@dataclass(slots=True, eq=False)
class _StopLine:
    """One line and what happens at it."""

    name: str
    signal: str
    passages: Passages
    ruler: Ruler | None = None
    pending: list[Passage] = field(default_factory=list)
    """Beyond the line, verdict open."""
    exempt: set[int] = field(default_factory=set)
    """Numbers of pending ones that were seen in an exempt zone."""
    told: list[Passage] = field(default_factory=list)
    """Guilty, and not gone yet."""
    shown: str = ""
    """The state of the signal in the last reading."""


class _Enforcement(Judge):
    """Judges every passage over every stop line."""

    def __init__(self, rule: RedLight, places: Places):
        self._rule = rule
        self._places = places
        self._exits = Exits([places.zones[name] for name in rule.exempt_zones], rule.turn_seconds)
        self._lines = [_StopLine(line, signal, Passages(rule.min_lengths)) for line, signal in rule.stop_lines.items()]
        self._clock = KnownTime()
        self._last_known: float | None = None

    def judge(
        self, frame: Frame, tracks: Tracks, scores: Mapping[str, Scores] = NO_SCORES
    ) -> Iterator[Event | Reading]:
        """See Judge."""
        known = self._clock.advance(frame.time, tracks.known)
        for line in self._lines:
            yield from _show(line, frame.signals.get(line.signal))
        if not tracks.known:
            return
        step_s = 0.0 if self._last_known is None else min(known - self._last_known, _WATCHED_STEP_S)
        self._last_known = known
        seen = tracks.seen()
        vehicles = [i for i in range(len(seen)) if seen.label(i) in self._rule.labels]
        for line in self._lines:
            yield from self._at_line(line, frame, seen, vehicles, step_s)

    def _at_line(
        self, line: _StopLine, frame: Frame, seen: Tracks, vehicles: list[int], step_s: float
    ) -> Iterator[Event | Reading]:
        signal = frame.signals.get(line.signal, Signal())
        moments = self._measure(line, frame, seen, vehicles, signal)
        for passage in line.passages.update(moments, seen, step_s):
            if self._counts(passage, line):
                line.pending = [*line.pending, passage][-_MOST:]
        for passage in list(line.pending):
            if self._exits.taken(passage, _aspect(line)):
                line.exempt.add(passage.number)
            verdict = self._verdict(line, passage, signal, frame.time)
            if verdict != "open":
                line.pending.remove(passage)
                yield from self._pronounce(line, passage, verdict, signal, frame)
                line.exempt.discard(passage.number)
        for passage in [passage for passage in line.told if passage.gone]:
            line.told.remove(passage)
            yield self._event("end", frame.time, line, passage, ended=passage.last.time, box=None)

    def _measure(
        self, line: _StopLine, frame: Frame, seen: Tracks, vehicles: list[int], signal: Signal
    ) -> dict[int, Moment]:
        """Every vehicle's place against the line, by its row."""
        width, height = frame.size
        if line.ruler is None or line.ruler.aspect != width / height:
            line.ruler = Ruler(self._places.lines[line.name], self._rule.ground_share, width / height)
        if not vehicles:
            return {}
        boxes = seen.boxes[vehicles]
        centers, fronts, lengths, along = line.ruler.measure(boxes)
        state = signal.reason if signal.aspect == "unknown" else signal.aspect
        found = {}
        for k, row in enumerate(vehicles):
            x1, y1, x2, y2 = boxes[k].tolist()
            center = float(centers[k, 0]), float(centers[k, 1])
            front, length, place = float(fronts[k]), float(lengths[k]), float(along[k])
            found[row] = Moment(frame.time, frame.index, (x1, y1, x2, y2), center, front, length, place, state)
        return found

    def _counts(self, passage: Passage, line: _StopLine) -> bool:
        """Whether a passage is one over this line, in its direction, by something that is a vehicle."""
        before, beyond, rule = passage.before, passage.beyond, self._rule
        assert before is not None
        assert beyond is not None
        assert line.ruler is not None
        way = np.subtract(beyond.center, before.center)
        straight = float(way @ line.ruler.normal) >= _STEEPEST * float(np.hypot(*way))
        followed_s = before.time - passage.first_at
        return (
            straight
            and 0.0 <= passage.crossed_along <= 1.0
            and followed_s >= rule.min_age_seconds - 1e-6
            and passage.confidence >= rule.min_confidence
        )

    def _verdict(self, line: _StopLine, passage: Passage, signal: Signal, time: float) -> Verdict:
        """What is to be said of a passage by what is known now."""
        before, at, beyond = passage.before, passage.at, passage.beyond
        assert before is not None
        assert at is not None
        assert beyond is not None
        if passage.number in line.exempt:
            return "exempt"
        if not signal.shows("red", before.time - self._rule.grace_seconds, beyond.time):
            if signal.vouched_until >= beyond.time:
                return "innocent" if _certain(signal, before.time, at.time) else "undecided"
            hopeless = not signal.phases or time - beyond.time > LONGEST_WAIT_S
            return "undecided" if hopeless else "open"
        turn = self._exits.turn(passage, time, _aspect(line))
        verdicts: dict[Turn, Verdict] = {"straight": "guilty", "turned": "exempt"}
        return verdicts.get(turn, "undecided" if turn == "undecided" else "open")

    def _pronounce(
        self, line: _StopLine, passage: Passage, verdict: Verdict, signal: Signal, frame: Frame
    ) -> Iterator[Event | Reading]:
        if verdict == "undecided":
            yield Reading("red_light_undecided", line.name, 1, "count", passage.label)
        if verdict != "guilty" or not self._rule.holds_at(passage.crossed_at):
            return
        yield Reading("red_light", line.name, 1, "count", passage.label)
        line.told = [*line.told, passage][-_MOST:]
        red = _red(signal, passage)
        seen_now = passage.last.time == frame.time
        yield self._event(
            *("begin", frame.time, line, passage),
            box=passage.last.box if seen_now else None,
            moments=tuple(
                ShownMoment(moment.time, moment.box) for moment in (passage.before, passage.at, passage.last) if moment
            ),
            detail=self._trace(line, passage, red, signal, frame),
        )

    def _trace(self, line: _StopLine, passage: Passage, red: Phase, signal: Signal, frame: Frame) -> dict[str, Any]:
        assert passage.before is not None
        assert passage.at is not None
        # the picture of the event is of now; what is shown as after is the last that was seen of it
        after = passage.last
        return {
            "signal": line.signal,
            "source": signal.source,
            "red_since": round(red.since, 3),
            "crossed_at": round(passage.crossed_at, 3),
            "red_for_s": round(passage.crossed_at - red.since, 2),
            "grace_seconds": self._rule.grace_seconds,
            "lengths_beyond": round(after.front / max(after.length, 1e-6), 2),
            "min_lengths": self._rule.min_lengths,
            "session": frame.session,
            **{
                name: {
                    "time": round(moment.time, 3),
                    "frame": moment.frame_index,
                    "box": [round(v, 4) for v in moment.box],
                    "signal": moment.signal,
                }
                for name, moment in (("before", passage.before), ("at", passage.at), ("after", after))
            },
        }

    def _event(
        self, state: Literal["begin", "end"], time: float, line: _StopLine, passage: Passage, **fields: Any
    ) -> Event:
        return self._rule.event(
            state,
            time,
            key=(line.name, passage.number),
            started=passage.crossed_at,
            line=line.name,
            track_id=passage.track_id,
            label=passage.label,
            confidence=min(passage.confidence, 1.0),
            **fields,
        )


def _aspect(line: _StopLine) -> float:
    return 1.0 if line.ruler is None else line.ruler.aspect


def _show(line: _StopLine, signal: Signal | None) -> Iterator[Reading]:
    """The state of the signal as readings, when it has changed."""
    now = "unknown" if signal is None else signal.aspect
    if now != line.shown:
        line.shown = now
        for aspect in ("red", "amber", "green", "unknown"):
            yield Reading("signal", line.signal, float(aspect == now), "level", aspect)


def _certain(signal: Signal, start: float, end: float) -> bool:
    """Whether something is known of the signal from one time to the other."""
    return any(phase.since <= end and phase.until >= start for phase in signal.phases)


def _red(signal: Signal, passage: Passage) -> Phase:
    """The red phase in which a passage fell."""
    assert passage.beyond is not None
    end = passage.beyond.time
    return next(p for p in signal.phases if p.aspect == "red" and p.since <= end <= p.until)
