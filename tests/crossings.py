"""Who crosses which line, and how many are in each zone, of campus.mp4; `python -m tests.crossings` prints the tables.

Truth is derived from the labelled boxes without the rules' code: for crossings, the samples that are surely on one side
of a line; for counts, whose foot point is in a zone.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np

from streamer.camera import Camera
from streamer.events import Event
from streamer.pipeline import Detector, Pipeline
from streamer.places import LineSettings, Places, Point, foot_points, make_zone
from streamer.readings import Reading
from streamer.replay import Recording
from streamer.tracker import Tracker
from tests.footage import (
    ANALYSIS_BOX,
    CAMPUS_FPS,
    CAMPUS_LABELLED_S,
    CAMPUS_SIZE,
    HEADER,
    Polygons,
    Said,
    Score,
    Stay,
    campus_zones,
    data_folder,
    detector,
    play,
    score,
)

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
    data = data_folder()
    with tempfile.TemporaryDirectory() as folder:
        model = detector(data, Path(folder))
        for analyze_fps in (5.0, 10.0):
            print(crossings_table(data, model, analyze_fps)[0], end="\n\n")
            print(counts_table(data, model, analyze_fps)[0], end="\n\n")


if __name__ == "__main__":
    main()
