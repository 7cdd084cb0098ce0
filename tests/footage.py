"""Truth of the real footage, and how well events agree with it; `python -m tests.footage` prints the tables.

Truth of campus.mp4 is derived from its ground-truth boxes with the rule's own words: the foot point enters a zone,
stays for `min_s`, and the stay ends when it was outside for `leave_s`. Events are matched to it one to one, within a
zone, by the time of their begin. Nothing here knows where events come from: `Said` is a zone and a time, of a replay
or of a live run (then relative to the first frame).
"""

from __future__ import annotations

import asyncio
import csv
import itertools
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from streamer.alerts import AlertPolicy, AlertSettings
from streamer.camera import Camera
from streamer.events import Event
from streamer.inference.local import LocalModels
from streamer.inference.settings import InferenceSettings, ModelSpec
from streamer.models.importer import Origin, import_file
from streamer.pipeline import Detector, Pipeline
from streamer.places import LineSettings, Places, Point, foot_points, make_zone
from streamer.readings import Reading
from streamer.replay import Recording, Report, replay
from streamer.tracker import Tracker

TRUTH = Path(__file__).parent / "truth"
CAMPUS_SIZE = (480, 360)
CAMPUS_FPS = 10.0
CAMPUS_LABELLED_S = 39.9
"""Capture time of the last labelled frame."""
TABLE: list[Point] = [(0.40, 0.62), (0.75, 0.62), (0.75, 0.97), (0.40, 0.97)]
"""The floor before the table of one_by_one.mp4."""
ANALYSIS_BOX = (416, 416)

Polygons = Mapping[str, Sequence[Point]]


@dataclass(frozen=True, slots=True)
class Stay:
    """Somebody in a zone, for long enough."""

    zone: str
    begin_s: float
    """When it has lasted long enough, seconds."""
    end_s: float
    """When last inside, seconds."""
    who: str


@dataclass(frozen=True, slots=True)
class Said:
    """What the system says: the begin of an incident."""

    zone: str
    begin_s: float


@dataclass(slots=True)
class Score:
    """How well what was said agrees with the truth."""

    hits: int = 0
    missed: list[Stay] = field(default_factory=list)
    false: list[Said] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)

    @property
    def recall(self) -> float:
        """Share of the true stays that were said; 1 where there are none."""
        return self.hits / max(self.hits + len(self.missed), 1) if self.missed else 1.0

    @property
    def precision(self) -> float:
        """Share of what was said that is true; 1 where nothing was said."""
        return self.hits / max(self.hits + len(self.false), 1) if self.false else 1.0

    def add(self, other: Score) -> None:
        """Count another zone's score in."""
        self.hits += other.hits
        self.missed += other.missed
        self.false += other.false
        self.delays_s += other.delays_s

    def row(self, name: str) -> str:
        """One line of a table."""
        delay = f"{np.mean(self.delays_s):+.2f}" if self.delays_s else "-"
        true, said = self.hits + len(self.missed), self.hits + len(self.false)
        return (
            f"{name:<26}{true:>6}{said:>7}{self.hits:>7}{self.recall:>8.2f}{self.precision:>11.2f}{delay:>9}"
            f"{max(map(abs, self.delays_s), default=0.0):>7.2f}"
        )


HEADER = f"{'':<26}{'true':>6}{'said':>7}{'match':>7}{'recall':>8}{'precision':>11}{'delay_s':>9}{'worst':>7}"


def campus_zones() -> dict[str, list[Point]]:
    """The three fixed zones."""
    found: dict[str, list[Point]] = json.loads((TRUTH / "campus_zones.json").read_text())
    return found


def random_zones(count: int, seed: int = 7) -> dict[str, list[Point]]:
    """Convex zones anywhere on the pavement of campus.mp4, 10-25 % of the frame wide and high."""
    rng = np.random.default_rng(seed)
    zones: dict[str, list[Point]] = {}
    while len(zones) < count:
        x, y = rng.uniform(0.05, 0.75), rng.uniform(0.25, 0.6)
        w, h = rng.uniform(0.1, 0.25, 2)
        slant = rng.uniform(-0.05, 0.05, 4)
        corners = [(x + slant[0], y), (x + w + slant[1], y + slant[2]), (x + w, y + h), (x, y + h + slant[3])]
        zones[f"random_{len(zones):02d}"] = [
            (round(float(np.clip(px, 0, 1)), 3), round(float(np.clip(py, 0, 1)), 3)) for px, py in corners
        ]
    return zones


def campus_truth(labels: Path, zones: Polygons, min_s: float = 1.0, leave_s: float = 2.0) -> list[Stay]:
    """The stays that the ground truth of campus.mp4 holds, in order of time.

    Args:
        labels: rows of frame (from 1), id, x, y, w, h in pixels, ...
        zones: polygons in fractions of the frame.
        min_s: how long a stay must last, seconds.
        leave_s: how long outside ends it, seconds.
    """
    rows = np.loadtxt(labels, delimiter=",")
    width, height = CAMPUS_SIZE
    boxes = np.stack([rows[:, 2], rows[:, 3], rows[:, 2] + rows[:, 4], rows[:, 3] + rows[:, 5]], axis=1)
    feet = foot_points(boxes / [width, height, width, height])
    stays: list[Stay] = []
    for name, polygon in zones.items():
        inside = make_zone(name, list(polygon)).contains(feet)
        for who in np.unique(rows[:, 1]):
            times = np.sort((rows[inside & (rows[:, 1] == who), 0] - 1) / CAMPUS_FPS)
            stays += _stays(name, str(int(who)), times, min_s, leave_s)
    return sorted(stays, key=lambda stay: (stay.begin_s, stay.zone, stay.who))


def _stays(zone: str, who: str, times: np.ndarray, min_s: float, leave_s: float) -> Iterable[Stay]:
    """Cut the times at which somebody is inside into stays."""
    if not len(times):
        return
    for part in np.split(times, np.flatnonzero(np.diff(times) > leave_s + 1e-6) + 1):
        long_enough = part[part >= part[0] + min_s - 1e-6]
        if len(long_enough):
            yield Stay(zone, float(long_enough[0]), float(part[-1]), who)


CAMPUS_LINES: dict[str, tuple[Point, Point]] = {
    "upper": ((0.10, 0.45), (0.75, 0.40)),
    "left": ((0.30, 0.35), (0.25, 0.95)),
    "middle": ((0.50, 0.30), (0.52, 0.95)),
    "right": ((0.72, 0.30), (0.80, 0.85)),
    "lower": ((0.15, 0.62), (0.90, 0.66)),
}
"""Lines across the pavement of campus.mp4, chosen before any was counted; the forward side is right of each arrow."""


def campus_crossings(labels: Path, margin: float = 0.1) -> list[Stay]:
    """Who crosses which line and which way in the ground truth of campus.mp4: to the other side, by a margin.

    Independent of the rule: for each person the samples that are surely on one side, and the changes between them whose
    straight connection meets the line between its ends; no interpolation, no tracker.
    """
    rows = np.loadtxt(labels, delimiter=",")
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    width, height = CAMPUS_SIZE
    found: list[Stay] = []
    for name, (start, end) in CAMPUS_LINES.items():
        a, b = np.array(start) * [width, height], np.array(end) * [width, height]
        along = (b - a) / np.linalg.norm(b - a)
        for who in np.unique(rows[:, 1]):
            own = rows[rows[:, 1] == who]
            feet = np.stack([own[:, 2] + own[:, 4] / 2, own[:, 3] + own[:, 5]], axis=1) - a
            offset = along[0] * feet[:, 1] - along[1] * feet[:, 0]
            sure = np.flatnonzero(np.abs(offset) >= margin * own[:, 5])
            for one, other in itertools.pairwise(sure):
                if (offset[one] > 0) == (offset[other] > 0):
                    continue
                share = offset[one] / (offset[one] - offset[other])
                met = (feet[one] + share * (feet[other] - feet[one])) @ along / np.linalg.norm(b - a)
                if 0 <= met <= 1:
                    place = f"{name} {'forward' if offset[other] > 0 else 'backward'}"
                    found.append(Stay(place, (own[other, 0] - 1) / CAMPUS_FPS, 0.0, str(int(who))))
    return sorted(found, key=lambda one: (one.begin_s, one.zone, one.who))


def campus_counts(labels: Path, zones: Polygons) -> dict[str, np.ndarray]:
    """How many people of the ground truth stand in each zone, every 0.1 s."""
    rows = np.loadtxt(labels, delimiter=",")
    width, height = CAMPUS_SIZE
    boxes = np.stack([rows[:, 2], rows[:, 3], rows[:, 2] + rows[:, 4], rows[:, 3] + rows[:, 5]], axis=1)
    feet = foot_points(boxes / [width, height, width, height])
    frames = rows[:, 0].astype(int) - 1
    return {
        name: np.bincount(frames[make_zone(name, list(polygon)).contains(feet)], minlength=400)
        for name, polygon in zones.items()
    }


def said(events: Iterable[Event], kind: str = "intrusion", zero_s: float = 0.0) -> list[Said]:
    """The begins among events, relative to the first frame's time."""
    return [
        Said(event.zone or "", event.time - zero_s) for event in events if event.kind == kind and event.state == "begin"
    ]


def score(truth: Sequence[Stay], claims: Sequence[Said], tolerance_s: float, until_s: float) -> Score:
    """Match one to one within each zone, as many as possible.

    What begins within the tolerance of `until_s` may match, but is neither missed nor false.

    Args:
        truth: what happened.
        claims: what was said.
        tolerance_s: how far the begins may lie apart, seconds.
        until_s: the end of the truth, seconds.
    """
    from scipy.optimize import linear_sum_assignment

    total = Score()
    for zone in sorted({stay.zone for stay in truth} | {claim.zone for claim in claims}):
        here = [stay for stay in truth if stay.zone == zone]
        there = [claim for claim in claims if claim.zone == zone and claim.begin_s <= until_s + tolerance_s]
        apart = np.array([[abs(s.begin_s - c.begin_s) for c in there] for s in here]).reshape(len(here), len(there))
        rows, columns = linear_sum_assignment(np.where(apart <= tolerance_s + 1e-6, apart, 1e3))
        pairs = {int(r): int(c) for r, c in zip(rows, columns, strict=True) if apart[r, c] <= tolerance_s + 1e-6}
        certain_s = until_s - tolerance_s
        total.hits += len(pairs)
        total.delays_s += [there[c].begin_s - here[r].begin_s for r, c in pairs.items()]
        total.missed += [s for r, s in enumerate(here) if r not in pairs and s.begin_s <= certain_s]
        total.false += [c for i, c in enumerate(there) if i not in pairs.values() and c.begin_s <= certain_s]
    return total


def visits() -> list[dict[str, str]]:
    """The six visits of one_by_one.mp4: who, enters_s, leaves_s, loiters."""
    with (TRUTH / "one_by_one.csv").open() as file:
        return list(csv.DictReader(file))


def detector(data: Path, folder: Path) -> Path:
    """YOLOX-nano with its card, imported into a folder once."""
    file = folder / "yolox_nano.onnx"
    if not file.exists():
        import_file(data / "weights" / "yolox_nano.onnx", file, Origin("yolox", license="Apache-2.0"))
    return file


FUSED = {"fuse": ["detector", "motion"]}
"""The detector, and what moves and it does not know."""


def watched(
    video: Path, zones: Polygons, rules: Mapping[str, object], analyze_fps: float = 5.0, sight: object = "detector"
) -> Recording:
    """A recording that surveillance watches with every rule on all zones; `sight` is its detector."""
    from pipelines.surveillance import Surveillance

    settings = {name: {"zones": list(zones), **dict(rule)} for name, rule in rules.items()}  # type: ignore[call-overload]
    pipeline: Pipeline = Surveillance.model_validate({"detector": sight, **settings})
    places = Places.build(zones={name: list(polygon) for name, polygon in zones.items()})
    return Recording(video.stem, video, analyze_fps, ANALYSIS_BOX, places, {"surveillance": pipeline})


async def play(recordings: Sequence[Recording], model: Path, max_batch_size: int = 16) -> Report:
    """Replay recordings with that detector and no cool-down."""
    specs = [ModelSpec("detector", model), ModelSpec("motion", "motion")]
    async with LocalModels(specs, InferenceSettings(max_batch_size=max_batch_size)) as models:
        return await replay(recordings, models, AlertPolicy(AlertSettings(cooldown_seconds=0)))


def campus_table(data: Path, model: Path, analyze_fps: float, sight: object = "detector") -> tuple[str, Score, Score]:
    """Intrusion on campus.mp4: the table, the score of the three zones, and that of twenty random ones."""
    fixed, random = campus_zones(), random_zones(20)
    video = data / "cctv" / "campus.mp4"
    report = asyncio.run(play([watched(video, {**fixed, **random}, {"intrusion": {}}, analyze_fps, sight)], model))
    claims, labels = said(report.events), data / "cctv" / "campus_gt_frames_1_400.txt"
    which = "fused" if sight == FUSED else "detector"
    lines = [f"campus.mp4, intrusion, {analyze_fps:g} frames a second analysed, {which}", HEADER]
    scores = []
    for title, zones in (("three zones", fixed), ("twenty random zones", random)):
        total = Score()
        for name, polygon in zones.items():
            one = score(
                campus_truth(labels, {name: polygon}),
                [claim for claim in claims if claim.zone == name],
                tolerance_s=1.0,
                until_s=CAMPUS_LABELLED_S,
            )
            lines.append(one.row(name))
            total.add(one)
        lines.append(total.row(title))
        scores.append(total)
    return "\n".join(lines), scores[0], scores[1]


def crossings_table(data: Path, model: Path, analyze_fps: float) -> tuple[str, Score]:
    """Line crossings on campus.mp4, by line and direction: the table and the score of all."""
    from pipelines.surveillance import Surveillance

    pipeline = Surveillance.model_validate({"detector": "detector", "line_crossing": {"lines": list(CAMPUS_LINES)}})
    lines = {n: LineSettings.model_validate({"from": a, "to": b}) for n, (a, b) in CAMPUS_LINES.items()}
    video = data / "cctv" / "campus.mp4"
    recording = Recording(video.stem, video, analyze_fps, ANALYSIS_BOX, Places.build(lines=lines), {"s": pipeline})
    report = asyncio.run(play([recording], model))
    begins = [event for event in report.events if event.state == "begin"]
    claims = [Said(f"{event.line} {event.detail['direction']}", event.time) for event in begins]
    truth = campus_crossings(data / "cctv" / "campus_gt_frames_1_400.txt")
    text, total = [f"campus.mp4, line crossings, {analyze_fps:g} frames a second analysed", HEADER], Score()
    for place in [f"{name} {way}" for name in CAMPUS_LINES for way in ("forward", "backward")]:
        one = score(
            [stay for stay in truth if stay.zone == place],
            [claim for claim in claims if claim.zone == place],
            tolerance_s=1.0,
            until_s=CAMPUS_LABELLED_S,
        )
        text.append(one.row(place))
        total.add(one)
    text.append(total.row("all lines"))
    return "\n".join(text), total


def counts_table(data: Path, model: Path, analyze_fps: float) -> tuple[str, float, float]:
    """How many are in each zone of campus.mp4 by the crowd rule's count: mean error and share of frames within one."""
    zones = campus_zones()
    levels = asyncio.run(_levels(data / "cctv" / "campus.mp4", zones, model, analyze_fps))
    truth = campus_counts(data / "cctv" / "campus_gt_frames_1_400.txt", zones)
    text = [f"campus.mp4, people in zones, {analyze_fps:g} frames a second analysed"]
    text.append(f"{'':<26}{'frames':>7}{'mean true':>11}{'mean error':>12}{'within one':>12}")
    errors: list[float] = []
    for name in zones:
        pairs = [(truth[name][round(t * CAMPUS_FPS)], n) for t, n in levels[name] if t <= CAMPUS_LABELLED_S]
        off = [abs(float(a) - b) for a, b in pairs]
        errors += off
        within = float(np.mean(np.array(off) <= 1))
        mean = float(np.mean([a for a, _ in pairs]))
        text.append(f"{name:<26}{len(off):>7}{mean:>11.2f}{np.mean(off):>12.2f}{within:>12.2f}")
    mean_error, within_one = float(np.mean(errors)), float(np.mean(np.array(errors) <= 1))
    text.append(f"{'all zones':<26}{len(errors):>7}{'':>11}{mean_error:>12.2f}{within_one:>12.2f}")
    return "\n".join(text), mean_error, within_one


async def _levels(video: Path, zones: Polygons, model: Path, fps: float) -> dict[str, list[tuple[float, float]]]:
    """The crowd rule's count in each zone, at every analysed frame."""
    from streamer.rules.crowd import Crowd

    now, found = dict.fromkeys(zones, 0.0), {name: list[tuple[float, float]]() for name in zones}

    class Counting(Pipeline):
        detector: Detector = Detector("detector")

        async def watch(self, camera: Camera) -> AsyncIterator[Event | Reading]:
            tracker, judge = Tracker(), Crowd(zones=list(zones), min_count=100).begin(camera.places)
            async for frame in camera.frames():
                for said in judge.judge(frame, tracker.update(await self.detector(frame), frame.time)):
                    if isinstance(said, Reading):
                        now[said.place] = said.value
                    yield said
                for name in zones:
                    found[name].append((frame.time, now[name]))

    places = Places.build(zones={name: list(polygon) for name, polygon in zones.items()})
    await play([Recording(video.stem, video, fps, ANALYSIS_BOX, places, {"count": Counting()})], model)
    return found


def main() -> None:
    """Print the tables."""
    named = os.environ.get("STREAMER_TEST_DATA")
    data = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not data.is_dir():
        sys.exit(f"tests.footage: no folder {data}; set STREAMER_TEST_DATA to the test footage")
    with tempfile.TemporaryDirectory() as folder:
        model = detector(data, Path(folder))
        for analyze_fps in (5.0, 10.0):
            for sight in ("detector", FUSED):
                print(campus_table(data, model, analyze_fps, sight)[0], end="\n\n")
            print(crossings_table(data, model, analyze_fps)[0], end="\n\n")
            print(counts_table(data, model, analyze_fps)[0], end="\n\n")


if __name__ == "__main__":
    main()
