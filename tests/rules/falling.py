"""People who walk, sit, crouch and fall, drawn on a textured wall and floor, and a detector that loses them.

A `Person` is a box whose place and shape follow keyframes; what is drawn in it is a coat and a head. Rules that look at
pixels get pictures that agree with the boxes, at any capture time, the same every time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from streamer.events import Event, IncidentBook
from streamer.places import Places
from streamer.rules.rule import Rule
from streamer.tracker import Tracker
from streamer.types import Detections, Frame
from tests.acting import LABELS, Box, seen

WIDTH, HEIGHT = 416, 312
ASPECT = WIDTH / HEIGHT
TALL = 0.5
"""Of everybody who stands, in frame heights."""
Key = tuple[float, float, float, float]
"""(time, x of the middle, height and width in own heights)."""
UP, WIDE = 1.0, 0.35
_RNG = np.random.default_rng(5)
_WALL = np.kron(_RNG.integers(90, 170, (39, 52, 3)), np.ones((8, 8, 1))).astype(np.int16)
_NOISE = _RNG.integers(-4, 5, (HEIGHT + 64, WIDTH, 3)).astype(np.int16)
_COATS = ((30, 40, 90), (120, 30, 30), (20, 20, 20))


@dataclass(frozen=True)
class Person:
    """Somebody who follows keyframes, and is there between the first and the last."""

    keys: Sequence[Key]
    foot: float = 0.85
    lost: Callable[[float], bool] = lambda t: False
    """When the detector does not see them."""
    coat: int = 0

    def box(self, t: float) -> Box | None:
        """Where they are, in fractions of the frame."""
        times, xs, highs, wides = (np.array(column, float) for column in zip(*self.keys, strict=True))
        if not times[0] - 1e-9 <= t <= times[-1] + 1e-9:
            return None
        x, high, wide = (float(np.interp(t, times, values)) for values in (xs, highs, wides))
        half = wide * TALL / ASPECT / 2
        return x - half, self.foot - high * TALL, x + half, self.foot


def stands(start: float, end: float, x: float = 0.5) -> list[Key]:
    """Stands still."""
    return [(start, x, UP, WIDE), (end, x, UP, WIDE)]


def falls(at: float, until: float, x: float = 0.5, seconds: float = 0.9, up: float | None = None) -> list[Key]:
    """Stands, falls to the right, and lies; gets up at `up`."""
    keys = [
        *stands(0, at, x),
        (at + seconds, x + 0.15, 0.22, 0.95),
        (until if up is None else up, x + 0.15, 0.22, 0.95),
    ]
    return keys if up is None else [*keys, (up + 1.5, x + 0.15, UP, WIDE), (until, x + 0.15, UP, WIDE)]


def picture(people: Sequence[Person], t: float, gain: float = 1.0) -> np.ndarray:
    """uint8 (H, W, 3), with a little noise that differs from one time to the next."""
    canvas = _WALL.copy()
    for person in people:
        box = person.box(t)
        if box is None:
            continue
        x1, y1, x2, y2 = box
        left, right, top, bottom = round(x1 * WIDTH), round(x2 * WIDTH), round(y1 * HEIGHT), round(y2 * HEIGHT)
        canvas[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = _COATS[person.coat]
        canvas[max(top, 0) : max(top + 8, 0), max(left, 0) : max((left + right) // 2, 0)] = (205, 160, 130)
    shift = round(t * 1000) * 37 % 64
    canvas = canvas if gain == 1.0 else (canvas * gain).astype(np.int16)
    return (canvas + _NOISE[shift : shift + HEIGHT]).astype(np.uint8)


def play(
    rule: Rule,
    people: Sequence[Person],
    seconds: float,
    fps: float = 5.0,
    *,
    at: Sequence[float] = (),
    unknown: Callable[[float], bool] = lambda t: False,
    places: Places | None = None,
    gain: Callable[[float], float] = lambda t: 1.0,
    blank: bool = False,
) -> list[Event]:
    """The events of a rule, through the real tracker and the incident book.

    Args:
        rule: what is judged.
        people: who is there.
        seconds: how long.
        fps: frames a second; `at` gives capture times instead.
        at: capture times.
        unknown: when the detector does not answer.
        places: what is drawn.
        gain: the brightness by time.
        blank: the pictures show nothing: only boxes tell.
    """
    judge, tracker, book, events = rule.begin(places or Places()), Tracker(), IncidentBook(), []
    dark = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for i, t in enumerate(at or [k / fps for k in range(round(seconds * fps) + 1)]):
        boxes = [box for person in people if not person.lost(t) and (box := person.box(t)) is not None]
        found = Detections.unknown(LABELS) if unknown(t) else seen(*boxes)
        pixels = dark if blank else picture(people, t, gain(t))
        now = Frame("gate", 1, i, t, t, pixels, t)
        for event in judge.judge(now, tracker.update(found, t)):
            assert isinstance(event, Event)
            entered = book.enter(event)
            events += [] if entered is None else [entered]
    return events


def rows(events: Sequence[Event]) -> list[tuple[str, str]]:
    """Kind and state of each."""
    return [(event.kind, event.state) for event in events]
