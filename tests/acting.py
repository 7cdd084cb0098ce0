"""Frames, detections and actors for tests of tracker, rules and pipelines: no video, no model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from streamer.events import Event
from streamer.places import Places
from streamer.rules.rule import Rule
from streamer.tracker import Tracker
from streamer.types import Detections, Frame, Tracks

LABELS = ("person", "bicycle", "car", "truck", "motion")
Box = tuple[float, float, float, float]
YARD = {"yard": [(0.4, 0.5), (0.8, 0.5), (0.8, 1.0), (0.4, 1.0)]}
"""A zone on the right half of the floor."""
_PIXELS = np.zeros((300, 400, 3), np.uint8)


def frame(time: float, index: int = 0, camera: str = "gate") -> Frame:
    """A frame of nothing, 400x300."""
    return Frame(camera, 1, index, time, time, _PIXELS, time)


def seen(*boxes: Box, confidence: float | Sequence[float] = 0.8, label: str = "person") -> Detections:
    """Detections of one label."""
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.broadcast_to(np.array(confidence, np.float32), (n,)).copy(),
        np.full(n, LABELS.index(label), np.int64),
        LABELS,
    )


def person(x: float, y: float, height: float = 0.3) -> Box:
    """The box of somebody whose feet are at (x, y)."""
    return x - height / 6, y - height, x + height / 6, y


def tracks(*rows: tuple[int, Box], age_s: float = 10.0, confidence: float = 0.8, unseen_s: float = 0.0) -> Tracks:
    """Tracks of persons as (track id, box)."""
    n = len(rows)
    return Tracks(
        np.array([box for _, box in rows], np.float32).reshape(-1, 4),
        np.full(n, confidence, np.float32),
        np.zeros(n, np.int64),
        np.array([track_id for track_id, _ in rows], np.int64),
        np.full(n, age_s, np.float32),
        LABELS,
        True,
        np.full(n, unseen_s, np.float32),
    )


@dataclass(frozen=True)
class Actor:
    """Somebody who is at (x, y) at some times, and not there (None) at others."""

    where: Callable[[float], tuple[float, float] | None]
    confidence: float = 0.8
    height: float = 0.3


def stands(x: float, y: float, start_s: float, end_s: float, confidence: float = 0.8) -> Actor:
    """Stands still from start to end."""
    return Actor(lambda t: (x, y) if start_s - 1e-9 <= t <= end_s + 1e-9 else None, confidence)


def walks(points: Sequence[tuple[float, float, float]], confidence: float = 0.8) -> Actor:
    """Walks through (time, x, y), in straight lines, and is there only between the first and the last."""
    times, xs, ys = (np.array(column, float) for column in zip(*points, strict=True))

    def where(t: float) -> tuple[float, float] | None:
        if not times[0] - 1e-9 <= t <= times[-1] + 1e-9:
            return None
        return float(np.interp(t, times, xs)), float(np.interp(t, times, ys))

    return Actor(where, confidence)


def sight(actors: Sequence[Actor], time: float) -> Detections:
    """What a perfect detector sees of the actors."""
    there = [(actor, at) for actor in actors if (at := actor.where(time)) is not None]
    boxes = [person(*at, actor.height) for actor, at in there]
    return seen(*boxes, confidence=[actor.confidence for actor, _ in there])


def times(start_s: float, end_s: float, fps: float) -> list[float]:
    """Capture times of a camera."""
    return [start_s + i / fps for i in range(round((end_s - start_s) * fps) + 1)]


def act(
    rule: Rule,
    actors: Sequence[Actor],
    at: Sequence[float],
    zones: dict[str, list[tuple[float, float]]] | None = None,
    unknown: Callable[[float], bool] = lambda t: False,
    offset_s: float = 0.0,
) -> list[Event]:
    """The events of a rule on actors, through the real tracker.

    Args:
        rule: what is judged.
        actors: who is there.
        at: capture times of the frames in the actors' time.
        zones: what is drawn; the yard if left out.
        unknown: at which times the detector does not answer.
        offset_s: added to every capture time.
    """
    return list(_act(rule, actors, at, zones or YARD, unknown, offset_s))


def _act(
    rule: Rule,
    actors: Sequence[Actor],
    at: Sequence[float],
    zones: dict[str, list[tuple[float, float]]],
    unknown: Callable[[float], bool],
    offset_s: float,
) -> Iterator[Event]:
    judge, tracker = rule.begin(Places.build(zones=zones)), Tracker()
    for i, t in enumerate(at):
        found = Detections.unknown(LABELS) if unknown(t) else sight(actors, t)
        now = frame(t + offset_s, i)
        yield from judge.judge(now, tracker.update(found, now.time))
