"""Simulated scenes before rules that look at pixels: drawn, with noise and light, and seen by an imperfect detector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

from streamer.events import Event
from streamer.places import Places
from streamer.rules.rule import Rule
from streamer.simulator.render import Renderer
from streamer.simulator.scene import Scene
from streamer.simulator.truth import Truth
from streamer.tracker import Tracker
from streamer.types import Detections, Frame, Tracks

SIZE = (416, 234)
LABELS = ("person", "vehicle", "object")


class Stage:
    """A scene that is drawn once for each instant, at analysis size.

    Args:
        scene: what happens.
        fps: pictures a second that may be asked for.
    """

    def __init__(self, scene: Scene, fps: float = 5.0):
        self.scene, self.truth, self.fps = scene, Truth(scene), fps
        self._renderer = Renderer(scene, SIZE, fps)

    def pixels(self, number: int) -> np.ndarray:
        """uint8 (H, W, 3) RGB of a frame."""
        return np.asarray(cv2.cvtColor(self._renderer.i420(number), cv2.COLOR_YUV2RGB_I420))

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Every so-many-eth frame of the loop."""
        for index, number in enumerate(range(0, self._renderer.frames, every)):
            time = number / self.fps
            yield Frame("gate", 1, index, time, time, self.pixels(number), time)

    def seen(self, time: float, chance: np.random.Generator, misses: float) -> Detections:
        """People and vehicles, as a detector sees them that misses some and places the others not exactly."""
        boxes = [box for box in self.truth.boxes(time) if box.label != "object" and chance.random() >= misses]
        values = np.array([box.box for box in boxes], np.float32).reshape(-1, 4)
        shaken = values + chance.normal(0, 0.004, values.shape).astype(np.float32)
        ids = np.array([LABELS.index(box.label) for box in boxes], np.int64)
        return Detections(shaken, np.full(len(boxes), 0.8, np.float32), ids, LABELS)


def perform(
    rule: Rule,
    frames: Sequence[Frame] | Iterator[Frame],
    seen: Callable[[float], Detections],
    places: Places | None = None,
) -> list[Event]:
    """The events of a rule on frames, through the real tracker."""
    tracker, judge, events = Tracker(), rule.begin(places or Places()), []
    for frame in frames:
        tracks: Tracks = tracker.update(seen(frame.time), frame.time)
        events += [event for event in judge.judge(frame, tracks) if isinstance(event, Event)]
    return events


def act_out(
    rule: Rule, scene: Scene, fps: float = 5.0, every: int = 1, misses: float = 0.1, seed: int = 0
) -> list[Event]:
    """The events of a rule on a scene."""
    stage, chance = Stage(scene, fps), np.random.default_rng(seed)
    return perform(rule, stage.frames(every), lambda time: stage.seen(time, chance, misses))
