"""Vehicles of the simulator before traffic rules: exact truth in, events and readings out, through the real tracker.

`drive` is the fast form of a replay: the boxes of the ground truth stand for a detector's answers, spoiled as weather,
night and other vehicles spoil them (`Weather`), at any capture times. Nothing here knows a rule's inside.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from streamer.events import Event, IncidentBook
from streamer.places import LaneSettings, LineSettings, Places
from streamer.readings import Reading
from streamer.rules.rule import Rule
from streamer.simulator.scene import Actor, Lane, Leg, Lens, Line, Scene, Zone, go, stay
from streamer.simulator.truth import FrameBox, Truth
from streamer.tracker import Tracker
from streamer.types import Detections, Frame, Tracks

LABELS = ("person", "car", "motion")
LENS = Lens(horizon=0.05, height_m=5.0)
"""A camera at the side of a road: cars pass from left to right and back."""
EAST_Y, WEST_Y = 0.74, 0.52
EAST = Lane("east", ((0.0, 0.64), (1.0, 0.64), (1.0, 0.9), (0.0, 0.9)), (1.0, 0.0))
WEST = Lane("west", ((0.0, 0.42), (1.0, 0.42), (1.0, 0.64), (0.0, 0.64)), (-1.0, 0.0))
MIDDLE = Line("middle", (0.5, 0.3), (0.5, 1.0))
"""Who goes west goes forward."""
_PIXELS = np.zeros((360, 640, 3), np.uint8)


@dataclass(frozen=True)
class Weather:
    """What is between the truth and the detector."""

    jitter: float = 0.0
    """Standard deviation of each side of a box, in shares of its width or height."""
    misses: float = 0.0
    """Share of boxes that are not seen, in spells of `spell_s`."""
    spell_s: float = 0.4
    ghosts: float = 0.0
    """False boxes a second, each seen once."""
    post: tuple[float, float] | None = None
    """Between these two x nothing is seen: a tree, a lamp post."""
    seed: int = 0


CLEAR = Weather()
NIGHT = Weather(jitter=0.06, misses=0.15, ghosts=0.5)
RAIN = Weather(jitter=0.04, misses=0.1, ghosts=2.0)
SHADOWS = Weather(jitter=0.1, ghosts=0.2)
POST = Weather(jitter=0.03, post=(0.42, 0.5))
WEATHERS = {"clear": CLEAR, "night": NIGHT, "rain": RAIN, "shadows": SHADOWS, "post": POST}


CASES = [("clear", 2), ("clear", 15), ("night", 5), ("rain", 5), ("shadows", 5), ("post", 10)]
"""Weather and analyzed frames a second: every weather, and the slowest and fastest cameras."""


def car(name: str, begin_s: float, start: tuple[float, float], *legs: Leg) -> Actor:
    """A passenger car."""
    return Actor(name, "vehicle", begin_s, start, legs, LENS, height_m=1.5)


def eastbound(name: str, begin_s: float, speed_mps: float = 8.0, y: float = EAST_Y) -> Actor:
    """Drives from left to right."""
    return car(name, begin_s, (-0.35, y), go(1.35, y, speed_mps))


def westbound(name: str, begin_s: float, speed_mps: float = 8.0, y: float = WEST_Y) -> Actor:
    """Drives from right to left."""
    return car(name, begin_s, (1.35, y), go(-0.35, y, speed_mps))


def halting(name: str, begin_s: float, x: float, stand_s: float, y: float = EAST_Y, speed_mps: float = 8.0) -> Actor:
    """Drives from left to right and stands at x for a while."""
    return car(name, begin_s, (-0.35, y), go(x, y, speed_mps), stay(stand_s), go(1.35, y, speed_mps))


def scene(actors: Sequence[Actor], seconds: float) -> Scene:
    """A road with two lanes and a line across both."""
    zone = Zone("road", ((0.0, 0.42), (1.0, 0.42), (1.0, 0.9), (0.0, 0.9)))
    return Scene("test", seconds, LENS, tuple(actors), (zone,), (MIDDLE,), (EAST, WEST))


def places(drawn: Scene, **more: object) -> Places:
    """What is drawn on a scene, as a camera has it."""
    built = Places.build(
        {zone.name: list(zone.polygon) for zone in drawn.zones},
        {line.name: LineSettings.model_validate({"from": line.start, "to": line.end}) for line in drawn.lines},
        {lane.name: LaneSettings(polygon=list(lane.polygon), direction=lane.direction) for lane in drawn.lanes},
    )
    return replace(built, **more)  # type: ignore[arg-type]


def times(start_s: float, end_s: float, fps: float) -> list[float]:
    """Capture times of a steady camera."""
    return [start_s + i / fps for i in range(round((end_s - start_s) * fps) + 1)]


def jumping(start_s: float, end_s: float, seed: int = 0, rates: Sequence[float] = (3, 5, 10, 15)) -> list[float]:
    """Capture times of a camera whose rate changes every second or so."""
    rng = np.random.default_rng(seed)
    at = [start_s]
    while at[-1] < end_s:
        rate = float(rng.choice(rates))
        at += [at[-1] + (k + 1) / rate for k in range(int(rng.integers(2, 12)))]
    return at


@dataclass
class Told:
    """What a rule said."""

    events: list[Event] = field(default_factory=list)
    readings: list[tuple[float, Reading]] = field(default_factory=list)

    def begins(self) -> list[Event]:
        return [event for event in self.events if event.state == "begin"]

    def counts(self, kind: str = "counting") -> Counter[tuple[str, str]]:
        """By place and direction."""
        found: Counter[tuple[str, str]] = Counter()
        for _, reading in self.readings:
            if reading.kind == kind and reading.mode == "count":
                found[reading.place, reading.direction] += int(reading.value)
        return found

    def levels(self, kind: str, place: str) -> list[tuple[float, float]]:
        """Time and value of a gauge."""
        return [(t, r.value) for t, r in self.readings if (r.kind, r.place, r.mode) == (kind, place, "level")]


def detections(drawn: Scene, time: float, weather: Weather, label: str = "car") -> Detections:
    """What a detector sees of a scene at a time; the same for the same scene, time and weather."""
    boxes, confidences = [], []
    for found in _boxes(drawn, time):
        width, height = found.box[2] - found.box[0], found.box[3] - found.box[1]
        middle = (found.box[0] + found.box[2]) / 2
        spell = np.random.default_rng([weather.seed, _number(found.actor), int(time / weather.spell_s)])
        if spell.random() < weather.misses or (weather.post and weather.post[0] < middle < weather.post[1]):
            continue
        rng = np.random.default_rng([weather.seed, _number(found.actor), round(time * 1e4)])
        x1, y1, x2, y2 = np.array(found.box) + rng.normal(0, weather.jitter, 4) * [width, height, width, height] * 0.5
        boxes.append((max(x1, 0.0), max(y1, 0.0), min(x2, 1.0), min(y2, 1.0)))
        confidences.append(0.75)
    rng = np.random.default_rng([weather.seed, 7, round(time * 1e4)])
    if rng.random() < weather.ghosts * 0.1:  # about ten frames a second
        x, y, w, h = rng.uniform(0, 0.8), rng.uniform(0, 0.8), rng.uniform(0.03, 0.2), rng.uniform(0.03, 0.2)
        boxes.append((x, y, x + w, y + h))
        confidences.append(float(rng.uniform(0.3, 0.6)))
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(confidences, np.float32),
        np.full(n, LABELS.index(label), np.int64),
        LABELS,
    )


def followed(
    drawn: Scene,
    at: Sequence[float],
    weather: Weather = CLEAR,
    unknown: Callable[[float], bool] = lambda t: False,
    switch: Callable[[float], bool] = lambda t: False,
    offset_s: float = 0.0,
) -> Iterator[tuple[Frame, Tracks]]:
    """The tracks of a scene.

    Args:
        drawn: the scene.
        at: capture times in the scene's time.
        weather: how well things are seen.
        unknown: when the detector does not answer.
        switch: when every track gets a new number.
        offset_s: added to every capture time.
    """
    tracker, renamed, ages = Tracker(), itertools.count(1000), dict[int, tuple[int, float]]()
    for i, t in enumerate(at):
        found = Detections.unknown(LABELS) if unknown(t) else detections(drawn, t, weather)
        now = Frame("road", 1, i, t + offset_s, t + offset_s, _PIXELS, t)
        tracks = tracker.update(found, now.time)
        if switch(t) and tracks.known:
            ages.update({int(track): (next(renamed), t) for track in tracks.track_ids})
        yield now, _renumbered(tracks, ages, t)


def _renumbered(tracks: Tracks, names: dict[int, tuple[int, float]], time: float) -> Tracks:
    """The same things under new numbers, as young as those."""
    known = [names.get(int(track)) for track in tracks.track_ids]
    if not any(known):
        return tracks
    ids = [int(old) if new is None else new[0] for old, new in zip(tracks.track_ids, known, strict=True)]
    ages = [float(a) if new is None else time - new[1] for a, new in zip(tracks.ages_s, known, strict=True)]
    return replace(tracks, track_ids=np.array(ids, np.int64), ages_s=np.array(ages, np.float32))


def drive(
    rule: Rule, drawn: Scene, at: Sequence[float], weather: Weather = CLEAR, on: Places | None = None, **how: object
) -> Told:
    """What a rule says about a scene; every event must make sense to the incident book."""
    judge, told, book = rule.begin(on or places(drawn)), Told(), IncidentBook()
    for now, tracks in followed(drawn, at, weather, **how):  # type: ignore[arg-type]
        for said in judge.judge(now, tracks):
            if isinstance(said, Reading):
                told.readings.append((now.time, said))
            else:
                assert book.enter(said) is not None, said
                told.events.append(said)
    return told


_BOXES: dict[tuple[int, float], tuple[Scene, tuple[FrameBox, ...]]] = {}


def _boxes(drawn: Scene, time: float) -> tuple[FrameBox, ...]:
    """The truth, kept: property tests ask for the same again and again."""
    key = id(drawn), time
    if key not in _BOXES:
        if len(_BOXES) > 20_000:
            _BOXES.clear()
        _BOXES[key] = drawn, Truth(drawn).boxes(time)  # keeps the scene, so that no other gets its id
    return _BOXES[key][1]


def _number(name: str) -> int:
    return sum(ord(letter) * 31**k for k, letter in enumerate(name)) % 2**31
