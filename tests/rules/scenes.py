"""The simulator's scenes as a detector would see them: exact boxes, then what night, rain and shadows do to them.

Boxes come from the ground truth, not from pictures, so that a rule is tested and not a detector. `watch` feeds them to
the real tracker and rules; `check` holds what is said against the truth, one to one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from streamer.events import Event
from streamer.places import LineSettings, Places
from streamer.readings import Reading
from streamer.rules.rule import Rule
from streamer.simulator.scene import Scene
from streamer.simulator.truth import Criteria, Incident, Truth
from streamer.tracker import Tracker
from streamer.types import Detections, Frame
from tests.acting import LABELS
from tests.rules.properties import Told

_PIXELS = np.zeros((234, 416, 3), np.uint8)
_LABEL = {"person": LABELS.index("person"), "vehicle": LABELS.index("car")}


@dataclass(frozen=True)
class Weather:
    """How the detector suffers."""

    name: str
    fps: tuple[float, ...] = (5.0,)
    """Rates; with more than one, the rate jumps between them every two seconds."""
    miss: float = 0.0
    """Share of boxes that it misses."""
    sway: float = 0.0
    """Standard deviation of each edge of a box, in heights of the box."""
    confidence: tuple[float, float] = (0.7, 0.95)
    ghosts: float = 0.0
    """Boxes a frame where nothing is."""
    shadow: float = 0.0
    """By so much of its width a box reaches too far to the right, in spells."""
    post: tuple[float, float] | None = None
    """From x to x nobody is seen."""


WEATHERS = (
    Weather("clear"),
    Weather("fast", fps=(12.0,)),
    Weather("slow", fps=(2.0,)),
    Weather("jumping", fps=(2.0, 10.0, 5.0, 3.0)),
    Weather("night", miss=0.15, sway=0.03, confidence=(0.36, 0.6)),
    Weather("rain", miss=0.08, sway=0.02, ghosts=0.1),
    Weather("shadows", shadow=0.5, sway=0.01),
    Weather("post", post=(0.5, 0.54)),
)


def places(scene: Scene) -> Places:
    """What is drawn on the scene."""
    return Places.build(
        zones={zone.name: list(zone.polygon) for zone in scene.zones},
        lines={line.name: LineSettings.model_validate({"from": line.start, "to": line.end}) for line in scene.lines},
    )


def watch(scene: Scene, rules: Sequence[Rule], weather: Weather, seed: int = 0, seconds: float | None = None) -> Told:
    """All that the rules say about one loop of the scene."""
    rng, truth, tracker = np.random.default_rng(seed), Truth(scene), Tracker()
    judges = [rule.begin(places(scene)) for rule in rules]
    found = Told()
    for i, t in enumerate(_times(seconds or scene.seconds, weather)):
        now = Frame("scene", 1, i, t, t, _PIXELS, t)
        tracks = tracker.update(_seen(truth, t, weather, rng), t)
        for judge in judges:
            for said in judge.judge(now, tracks):
                if isinstance(said, Event):
                    found.events.append(said)
                elif isinstance(said, Reading) and said.mode == "count":
                    found.counts[said.place, said.label, said.direction] += 1
    return found


def check(found: Told, scene: Scene, kinds: Sequence[str], slack_s: float) -> None:
    """Every incident of these kinds is told once, in time and in its place, and nothing else is."""
    wanted = [one for one in _incidents(scene) if one.kind in kinds]
    begins = [event for event in found.events if event.state == "begin" and event.kind in kinds]
    told = Counter(_what(event) for event in begins)
    true = Counter((one.kind, one.place, one.direction) for one in wanted)
    assert told == true, [(round(event.time, 1), _what(event)) for event in begins]
    for what in true:
        ours = sorted(_due(event) for event in begins if _what(event) == what)
        stopped_s = 2.0 if what[0] == "line_crossing" else 0.0  # who stops on a line has crossed it when they go on
        for late_s in np.array(ours) - sorted(one.due for one in wanted if _of(one) == what):
            assert -0.5 <= late_s <= slack_s + stopped_s, (what, late_s)


def visits(scene: Scene, min_s: float) -> Counter[tuple[str, str, str]]:
    """How often somebody came into a zone, and left it again."""
    found: Counter[tuple[str, str, str]] = Counter()
    for one in Truth(scene, Criteria(intrusion_seconds=min_s)).incidents():
        if one.kind == "intrusion":
            found[one.place, "person", "in"] += 1
            found[one.place, "person", "out"] += one.end < scene.seconds - 6
    return found


@cache
def _incidents(scene: Scene) -> tuple[Incident, ...]:
    return Truth(scene).incidents()


def _due(event: Event) -> float:
    """When it counts; who crosses a line is known only once they are clear of it, and may stand on it for long."""
    if event.kind not in ("line_crossing", "tailgating") or event.started is None:
        return event.time
    return event.started + event.detail.get("apart_s", 0.0)


def _of(one: Incident) -> tuple[str, str, str]:
    return one.kind, one.place, one.direction


def _what(event: Event) -> tuple[str, str, str]:
    return event.kind, event.zone or event.line or "", str(event.detail.get("direction", ""))


def _times(seconds: float, weather: Weather) -> list[float]:
    found = [0.0]
    while found[-1] < seconds:
        found.append(found[-1] + 1 / weather.fps[int(found[-1] / 2) % len(weather.fps)])
    return found[:-1]


def _seen(truth: Truth, t: float, weather: Weather, rng: np.random.Generator) -> Detections:
    rows, labels = [], []
    for one in truth.boxes(t):
        x1, y1, x2, y2 = one.box
        hidden = weather.post is not None and weather.post[0] < (x1 + x2) / 2 < weather.post[1]
        if one.visible < 0.3 or hidden or rng.random() < weather.miss:
            continue
        if int(t / 3) % 2:
            x2 += (x2 - x1) * weather.shadow
        rows.append(
            np.array([x1, y1, x2, y2]) + rng.normal(0, max(weather.sway, 1e-9) * (y2 - y1), 4) * [0.5, 1, 0.5, 1]
        )
        labels.append(_LABEL[one.label])
    ghosts = int(rng.poisson(weather.ghosts))
    for _ in range(ghosts):
        x, y, height = rng.uniform(0.05, 0.95), rng.uniform(0.4, 0.95), rng.uniform(0.1, 0.3)
        rows.append(np.array([x, y - height, x + height / 4, y]))
        labels.append(_LABEL["person"])
    boxes = np.clip(np.array(rows, np.float32).reshape(-1, 4), 0, 1)
    confidence = rng.uniform(*weather.confidence, len(rows)).astype(np.float32)
    confidence[len(labels) - ghosts :] = rng.uniform(0.3, 0.6, ghosts)
    return Detections(boxes, confidence, np.array(labels, np.int64), LABELS)
