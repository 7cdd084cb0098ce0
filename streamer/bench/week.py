"""A week of capture time in some seconds: does what tracker and rules remember stay as it was?

Every other hour somebody is there for a while, then nobody until the next; now and then the detector gives no answer,
and once a day frames are missing for minutes. Numbers of tracks only ever rise, so whatever is kept by track without
being given up shows. What is counted is every object that is reachable from a tracker or judge and from nowhere else.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from pydantic import BaseModel

from streamer.bench import rulebook
from streamer.bench.actors import LABELS, Actors
from streamer.errors import StreamerError
from streamer.rules.rule import Rule
from streamer.tracker import Tracker
from streamer.types import Detections, Frame

_DAY = 86400.0
_TURN_S = 7200.0
DAYS = 7
_BUSY_S, _BUSY_FPS = 30.0, 2.0
_QUIET_STEP_S = 60.0
_THINGS = 5
_EARLY_DAYS = 2
"""After so many days everything that learns has learned."""
_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, BaseModel)
"""What belongs to nobody: code and settings."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Bytes that were held early in the week and at its end."""

    early: int
    late: int

    @property
    def flat(self) -> bool:
        """Whether the end needs no more than a tenth more, or 16 KiB."""
        return self.late <= max(1.1 * self.early, self.early + 16384)


def week(days: int = DAYS) -> Mapping[str, Growth]:
    """Run tracker and all rules that can be set up through some days; growth by name."""
    places = rulebook.places()
    holders: dict[str, Any] = {"tracker": Tracker()}
    rules: dict[str, Rule] = {}
    for kind in rulebook.kinds():
        try:
            rules[kind.kind] = rulebook.build(kind)
            holders[kind.kind] = rules[kind.kind].begin(places)
        except StreamerError:
            continue  # `rules.measure` tells of it
    tracker, judges = holders["tracker"], [(rule, holders[name]) for name, rule in rules.items()]
    early: dict[str, int] = {}
    for frame, found in _frames(days):
        if not early and frame.time >= _EARLY_DAYS * _DAY:
            early = {name: held_bytes(it, places) for name, it in holders.items()}
        tracks = tracker.update(found, frame.time)
        for rule, judge in judges:
            for _ in judge.judge(frame, tracks, rulebook.scores(rule, frame.time)):
                pass
    return {name: Growth(early[name], held_bytes(it, places)) for name, it in holders.items()}


def _frames(days: int) -> Iterator[tuple[Frame, Detections]]:
    actors, index = Actors(_THINGS), 0
    nothing, unknown = Detections.empty(LABELS), Detections.unknown(LABELS)
    for turn in range(round(days * _DAY / _TURN_S)):
        time, end = turn * _TURN_S, (turn + 1) * _TURN_S
        while time < turn * _TURN_S + _BUSY_S:
            yield actors.frame(time, index), unknown if index % 29 == 0 else actors.see(time)
            time, index = time + 1.0 / _BUSY_FPS, index + 1
        if turn % 12 == 6:
            time += 600.0  # a gap
        while time < end:
            yield actors.frame(time, index), nothing
            time, index = time + _QUIET_STEP_S, index + 1


def held_bytes(holder: Any, *shared: Any) -> int:
    """Bytes of all objects that are reachable from one, but for what is shared; arrays with their data."""
    known = {id(it) for it in shared}
    waiting, total = [holder], 0
    while waiting:
        it = waiting.pop()
        if id(it) in known or isinstance(it, _SHARED):
            continue
        known.add(id(it))
        total += sys.getsizeof(it)
        waiting += [it.base] if isinstance(it, np.ndarray) and it.base is not None else gc.get_referents(it)
    return total
