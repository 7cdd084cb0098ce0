"""Truth of the real footage, and how well events agree with it; `python -m tests.footage` prints the tables.

Truth of campus.mp4 is derived from its ground-truth boxes with the rule's own words: the foot point enters a zone,
stays for `min_s`, and the stay ends when it was outside for `leave_s`. Events are matched to it one to one, within a
zone, by the time of their begin. Nothing here knows where events come from: `Said` is a zone and a time, of a replay
or of a live run (then relative to the first frame).
"""

from __future__ import annotations

import asyncio
import csv
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from streamer.alerts import AlertPolicy, AlertSettings
from streamer.events import Event
from streamer.inference.local import LocalModels
from streamer.inference.settings import InferenceSettings, ModelSpec
from streamer.models.importer import Origin, import_file
from streamer.pipeline import Pipeline
from streamer.places import Places, Point, foot_points, make_zone
from streamer.replay import Recording, Report, replay

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


def data_folder() -> Path:
    """Where the footage is; ends the process where it is not."""
    named = os.environ.get("STREAMER_TEST_DATA")
    data = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not data.is_dir():
        sys.exit(f"no folder {data}; set STREAMER_TEST_DATA to the test footage")
    return data


def main() -> None:
    """Print the tables."""
    data = data_folder()
    with tempfile.TemporaryDirectory() as folder:
        model = detector(data, Path(folder))
        for analyze_fps in (5.0, 10.0):
            for sight in ("detector", FUSED):
                print(campus_table(data, model, analyze_fps, sight)[0], end="\n\n")


if __name__ == "__main__":
    main()
