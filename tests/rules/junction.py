"""A junction with exact truth: cuboid vehicles on flat ground before the simulator's lens, and a signal.

Meters to the right of the camera and away from it; the stop line lies across the lane at `LINE_M`. Boxes are those of
the eight corners of each vehicle, so what a rule must infer (front, length) is known here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streamer.events import Event
from streamer.places import LineSettings, Places
from streamer.readings import Reading
from streamer.rules.red_light import RedLight
from streamer.signals.board import Board, Watched
from streamer.signals.settings import LampSettings, SignalSettings
from streamer.simulator.scene import Lens
from streamer.tracker import Tracker
from streamer.types import Aspect, Detections, Frame, Tracks
from tests.signals import heads

LENS = Lens(horizon=-0.12, height_m=6.5, focal=1.3)
SIZE = (320, 180)
LINE_M = 24.0
LABELS = ("person", "car", "truck")
HEAD_AT, HEAD_SIZE = (290, 4), (7, 21)
PERIOD: tuple[tuple[Aspect, float], ...] = (("green", 10.0), ("amber", 3.0), ("red", 12.0))
RED_AT = 13.0
"""Red from 13 to 25, and again each 25 s."""


def aspect_at(time: float) -> Aspect:
    t = time % 25.0
    for aspect, seconds in PERIOD:
        if t < seconds:
            return aspect
        t -= seconds
    raise AssertionError


@dataclass(frozen=True)
class Vehicle:
    """A vehicle by its way: (right, away) of its middle in meters, at a time; None while it is not there."""

    where: Callable[[float], tuple[float, float] | None]
    length: float = 4.4
    width: float = 1.8
    height: float = 1.5
    label: str = "car"
    confidence: float = 0.8

    def heading(self, time: float) -> float:
        """Angle of its way, 0 away from the camera, positive to the right; kept while it stands."""
        here = self.where(time)
        assert here is not None
        for step in (0.02, 0.1, 0.5, 2.0, 8.0, 30.0):
            for other in (self.where(time - step), self.where(time + step)):
                if other is not None and math.dist(other, here) > 0.02:
                    sign = -1.0 if other is self.where(time - step) or other == self.where(time - step) else 1.0
                    return math.atan2(sign * (other[0] - here[0]), sign * (other[1] - here[1]))
        return 0.0

    def box(self, time: float) -> tuple[float, float, float, float] | None:
        """As the camera sees it, cut by the frame; None if not there or hardly visible."""
        here = self.where(time)
        if here is None:
            return None
        sine, cosine = math.sin(self.heading(time)), math.cos(self.heading(time))
        xs, ys = [], []
        for along in (-self.length / 2, self.length / 2):
            for across in (-self.width / 2, self.width / 2):
                right = here[0] + along * sine + across * cosine
                away = here[1] + along * cosine - across * sine
                if away < 2.0:
                    return None
                x, y = LENS.image(right, away)
                xs.append(x)
                ys += [y, y - self.height * LENS.scale(y)]
        whole = (max(xs) - min(xs)) * (max(ys) - min(ys))
        x1, x2 = (min(max(v, 0.0), 1.0) for v in (min(xs), max(xs)))
        y1, y2 = (min(max(v, 0.0), 1.0) for v in (min(ys), max(ys)))
        return (x1, y1, x2, y2) if (x2 - x1) * (y2 - y1) > 0.3 * whole else None

    def front(self, time: float) -> float | None:
        """Meters of its front beyond the line (when it drives straight away from the camera)."""
        here = self.where(time)
        return None if here is None else here[1] + self.length / 2 - LINE_M


def along(points: Sequence[tuple[float, float]], right: float = 0.0, **more: object) -> Vehicle:
    """A vehicle that drives straight away: (time, meters of its FRONT beyond the line), even speed between."""
    times, fronts = (np.array(column, float) for column in zip(*points, strict=True))
    length = float(more.get("length", 4.4))  # type: ignore[arg-type]

    def where(t: float) -> tuple[float, float] | None:
        if not times[0] - 1e-9 <= t <= times[-1] + 1e-9:
            return None
        return right, LINE_M + float(np.interp(t, times, fronts)) - length / 2

    return Vehicle(where, **more)  # type: ignore[arg-type]


def through(at: float, speed: float = 10.0, **more: object) -> Vehicle:
    """Drives through at an even speed; its front crosses the line at `at`."""
    near, far = 12.0, 30.0
    return along([(at - near / speed, -near), (at + far / speed, far)], **more)  # type: ignore[arg-type]


def line(half_m: float = 2.2, right: float = 0.0) -> LineSettings:
    """The stop line, its arrow so that away from the camera is forward."""
    start, end = LENS.image(right + half_m, LINE_M), LENS.image(right - half_m, LINE_M)
    return LineSettings.model_validate({"from": start, "to": end})


def polygon(*corners: tuple[float, float]) -> list[tuple[float, float]]:
    """An area of the ground, cut by the frame."""
    points = (LENS.image(right, away) for right, away in corners)
    return [(min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)) for x, y in points]


def lamp() -> LampSettings:
    return heads.settings(SIZE, HEAD_AT, HEAD_SIZE)


_PICTURES: dict[tuple[str, heads.Weather], list[NDArray[np.uint8]]] = {}


def picture(aspect: str, weather: heads.Weather, number: int) -> NDArray[np.uint8]:
    """A frame with the head in it, one of four noises."""
    key = aspect, weather
    if key not in _PICTURES:
        lit = () if aspect == "unknown" else (aspect,)
        small = (HEAD_SIZE[0] + 16, HEAD_SIZE[1] + 12)
        drawn = []
        for seed in range(4):
            whole = np.full((SIZE[1], SIZE[0], 3), 40, np.uint8)
            patch = heads.draw(small, (8, 4), HEAD_SIZE, lit, weather, np.random.default_rng(seed))
            whole[: small[1], HEAD_AT[0] - 8 : HEAD_AT[0] - 8 + small[0]] = patch
            drawn.append(whole)
        _PICTURES[key] = drawn
    return _PICTURES[key][number % 4]


@dataclass
class Junction:
    """What happens, and how it is watched."""

    vehicles: Sequence[Vehicle]
    shows: Callable[[float], Aspect] = aspect_at
    witness: str = "feed"
    """feed, lamp or both."""
    weather: heads.Weather = heads.DAY
    jitter: float = 0.0
    """Standard deviation of the edges of boxes, as a share of their size."""
    seed: int = 0
    offset_s: float = 0.0
    unknown: Callable[[float], bool] = lambda t: False
    """When the detector does not answer."""
    missed: Callable[[float], bool] = lambda t: False
    """When it sees nothing."""
    renumber: Callable[[Tracks, float], Tracks] = lambda tracks, t: tracks
    """What happens to the tracker's numbers."""
    feed: Callable[[float], Sequence[tuple[str, float | None, float]]] | None = None
    """Messages (state, stamp, arrival) that arrive in the half second from a time on; None: an honest feed."""
    feed_settings: dict[str, object] = field(default_factory=dict)
    exempt: list[tuple[float, float]] = field(default_factory=list)
    places: Places | None = None

    def watch(self, at: Sequence[float], **settings: object) -> tuple[list[Event], list[Reading]]:
        """The events and readings of the rule over frames at these times."""
        lamps = {"north": lamp()} if self.witness in ("lamp", "both") else {}
        given = {"north": _feed_settings(self.feed_settings)} if self.witness in ("feed", "both") else {}
        board = Board(given)
        board.set_cameras({"gate": Watched(("north",), lamps)})
        places = self.places or Places.build(
            lines={"stop": line()}, zones={"exit": self.exempt} if self.exempt else None
        )
        rule = RedLight.model_validate(
            {"stop_lines": {"stop": "north"}, "exempt_zones": ["exit"] if self.exempt else [], **settings}
        )
        judge, tracker, rng = rule.begin(_with_signal(places)), Tracker(), np.random.default_rng(self.seed)
        events: list[Event] = []
        readings: list[Reading] = []
        heard = at[0] if at else 0.0
        for i, t in enumerate(at):
            while given and heard <= t:
                self._tell(board, heard)
                heard += 0.5
            pixels = picture(self.shows(t), self.weather, i) if lamps else picture("unknown", heads.DAY, 0)
            now = self.offset_s + t
            frame = board.see(Frame("gate", 1, i, now, now, pixels, now))
            tracks = self.renumber(tracker.update(self._sight(t, rng), now), t)
            for found in judge.judge(frame, tracks):
                (events if isinstance(found, Event) else readings).append(found)  # type: ignore[arg-type]
        return events, readings

    def _tell(self, board: Board, t: float) -> None:
        if self.feed is None:
            messages: Sequence[tuple[str, float | None, float]] = [(self.shows(t), t, t)]
        else:
            messages = self.feed(t)
        for state, stamp, arrival in messages:
            made = "" if stamp is None else f', "time": {self.offset_s + stamp!r}'
            board.hear("north", f'{{"state": "{state}"{made}}}'.encode(), self.offset_s + arrival)

    def _sight(self, t: float, rng: np.random.Generator) -> Detections:
        if self.unknown(t):
            return Detections.unknown(LABELS)
        there = [(v, box) for v in self.vehicles if (box := v.box(t)) is not None and not self.missed(t)]
        if not there:
            return Detections.empty(LABELS)
        boxes = np.array([box for _, box in there], np.float32)
        sizes = np.stack([boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]], axis=1)
        boxes += (rng.normal(0, 1, boxes.shape) * self.jitter * np.hstack([sizes, sizes])).astype(np.float32)
        return Detections(
            boxes,
            np.array([v.confidence for v, _ in there], np.float32),
            np.array([LABELS.index(v.label) for v, _ in there], np.int64),
            LABELS,
        )


def _feed_settings(more: dict[str, object]) -> SignalSettings:
    # half a second between messages, and clocks that agree
    given = {"poll": {"url": "http://10.0.0.7/state"}, "clock_tolerance_seconds": 0.1, **more}
    return SignalSettings.model_validate(given)


def _with_signal(places: Places) -> Places:
    return Places(places.zones, places.lines, places.lanes, places.masks, signals=("north",))
