"""`streamer bench --rules`: what following and judging cost a camera, by rule, and whether their memory stays flat.

No camera, no model: things that move about as a detector would see them, at capture times of the given rate. Processor
time only, the best of some rounds. The goal is the project's own: following and a pipeline's rules within a millisecond
an analysed frame with 20 things in the picture.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamer.bench import rulebook
from streamer.bench.actors import Actors, busy
from streamer.bench.week import Growth, week
from streamer.errors import InputError, StreamerError
from streamer.rules.rule import Rule
from streamer.tracker import Tracker
from streamer.types import Detections, Frame, Scores, Tracks

GOAL_MS = 1.0
"""Milliseconds an analysed frame for a camera's tracker and all rules of its pipeline."""
_ROUNDS = 5
_SECONDS = 60.0
_WARM = 25
"""Frames that are not timed: imports, first sightings."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Milliseconds of processor time an analysed frame."""

    tracks: float
    """Things that were followed, on average."""
    tracker_ms: float
    rules_ms: Mapping[str, float]
    """By kind."""
    pipelines_ms: Mapping[str, float]
    """Of each shipped pipeline: following, and all of its rules."""
    growth: Mapping[str, Growth] = field(default_factory=dict)
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    """Kinds that could not be set up, and why."""

    @property
    def all_ms(self) -> float:
        """Following and every rule there is."""
        return self.tracker_ms + sum(self.rules_ms.values())

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "tracks": round(self.tracks, 1),
            "goal_ms": GOAL_MS,
            "tracker_ms": round(self.tracker_ms, 4),
            "rules_ms": {kind: round(ms, 4) for kind, ms in self.rules_ms.items()},
            "pipelines_ms": {name: round(ms, 4) for name, ms in self.pipelines_ms.items()},
            "all_ms": round(self.all_ms, 4),
            "week_bytes": {name: [it.early, it.late] for name, it in self.growth.items()},
            "unmeasured": dict(self.unmeasured),
        }

    def to_text(self) -> str:
        """A table."""
        rows = [("tracker", self.tracker_ms), *self.rules_ms.items()]
        lines = [f"{'ms an analysed frame':<28}{self.tracks:.1f} tracks on average"]
        lines += [f"  {name:<26}{ms:.3f}" for name, ms in rows]
        for name, ms in (*self.pipelines_ms.items(), ("every rule there is", self.all_ms)):
            verdict = (
                "" if name not in self.pipelines_ms else f"  ({'within' if ms <= GOAL_MS else 'ABOVE'} {GOAL_MS:g})"
            )
            lines.append(f"{name + ', in all':<28}{ms:.3f}{verdict}")
        if self.growth:
            lines.append(f"{'memory of a simulated week':<28}{'after 2 days':>14}{'after 7':>12}")
            lines += [f"  {name:<26}{it.early:>12} B{it.late:>10} B" for name, it in self.growth.items()]
        lines += [f"not measured: {kind}: {why}" for kind, why in self.unmeasured.items()]
        return "\n".join(lines)


def measure(count: int = 20, fps: float = 5.0, with_week: bool = True) -> Costs:
    """Measure following and every rule.

    Args:
        count: things in the picture.
        fps: analysed frames a second.
        with_week: also run a simulated week for memory (some seconds).

    Raises:
        InputError: no number of things or frames a second to speak of.
    """
    if not 1 <= count <= 500 or not 0.5 <= fps <= 60:
        raise InputError(f"bench: --tracks must be 1 to 500 and --analyze-fps 0.5 to 60, got {count} and {fps:g}")
    seen = list(busy(Actors(count), _SECONDS, fps))
    followed: list[tuple[Frame, Tracks]] = []
    tracker_ms = min(_follow(seen, followed) for _ in range(_ROUNDS))
    rules_ms, unmeasured = {}, {}
    for kind in rulebook.kinds():
        try:
            rule = rulebook.build(kind)
        except StreamerError as error:
            unmeasured[kind.kind] = str(error)
            continue
        rules_ms[kind.kind] = min(_judge(rule, followed) for _ in range(_ROUNDS))
    tracks = sum(len(found) for _, found in followed) / len(followed)
    sums = {name: tracker_ms + sum(rules_ms.get(kind, 0.0) for kind in of) for name, of in rulebook.families()}
    return Costs(tracks, tracker_ms, rules_ms, sums, week() if with_week else {}, unmeasured)


def _follow(seen: Sequence[tuple[Frame, Detections]], followed: list[tuple[Frame, Tracks]]) -> float:
    tracker = Tracker()
    followed[:] = [(frame, tracker.update(found, frame.time)) for frame, found in seen[:_WARM]]
    begun = time.process_time()
    for frame, found in seen[_WARM:]:
        followed.append((frame, tracker.update(found, frame.time)))
    return (time.process_time() - begun) / (len(seen) - _WARM) * 1000


def _judge(rule: Rule, followed: Sequence[tuple[Frame, Tracks]]) -> float:
    judge = rule.begin(rulebook.places())
    shown = [(frame, tracks, rulebook.scores(rule, frame.time)) for frame, tracks in followed]

    def run(part: Sequence[tuple[Frame, Tracks, Mapping[str, Scores]]]) -> Iterator[object]:
        for frame, tracks, scores in part:
            yield from judge.judge(frame, tracks, scores)

    for _ in run(shown[:_WARM]):
        pass
    begun = time.process_time()
    for _ in run(shown[_WARM:]):
        pass
    return (time.process_time() - begun) / (len(followed) - _WARM) * 1000
