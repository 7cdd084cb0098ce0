"""How well falls are found, and how often something else is taken for one; `python -m tests.falls` prints the tables.

Real clips go the way of replay: the detector fused with motion, the tracker, the rule. Leave one subject out: the two
thresholds that matter most are chosen on the other subject's clips, the falls of this one are counted. Hours of
simulated scenes follow, in which people walk, stop and run, and some fall; the detector there misses boxes at random
and loses who lies.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import itertools
import random
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from pydantic import PrivateAttr

from pipelines.surveillance import Surveillance
from streamer.alerts import AlertPolicy, AlertSettings
from streamer.camera import Camera
from streamer.events import Event
from streamer.inference.local import LocalModels
from streamer.inference.settings import InferenceSettings, ModelSpec
from streamer.pipeline import Detector, Pipeline
from streamer.places import Places
from streamer.replay import Recording, replay
from streamer.rules.fall import Fall
from streamer.simulator.scene import Actor, Leg, Lens, Scene, go, lie, stay
from streamer.tracker import Tracker
from streamer.types import Frame, Tracks
from tests import footage
from tests.rules.staging import Stage, perform

QUIET = ("three_people_hevc.mp4", "aerobics.avi", "campus.mp4", "one_by_one.mp4")
"""Where nobody falls, by what was asked; the others of `cctv` are as good."""
OTHERS = ("bottles.mp4", "square_crowd.mp4", "shop_1080p_hevc.mp4", "car_park.mp4", "cars_from_above.mp4")
LOWS, FALLS_S = (0.4, 0.45, 0.5), (1.0, 1.25, 1.5, 1.75)
_COATS = ((150, 60, 55), (60, 80, 140), (70, 110, 70), (40, 40, 45), (180, 150, 70))


@dataclass(slots=True)
class Tally:
    """What was told where nobody falls."""

    alarms: int = 0
    seconds: float = 0.0
    where: list[str] = field(default_factory=list)

    def add(self, name: str, events: Sequence[Event], seconds: float) -> None:
        """Count a recording in."""
        told = [event for event in events if event.kind == "fall" and event.state == "begin"]
        self.alarms += len(told)
        self.seconds += seconds
        self.where += [f"{name} at {event.time:.1f} s" for event in told]

    def row(self, name: str) -> str:
        """One line of a table; the bound is the exact one of a Poisson count, one-sided."""
        from scipy.stats import chi2

        hours = self.seconds / 3600
        bound = float(chi2.ppf(0.95, 2 * (self.alarms + 1))) / 2 / max(hours, 1e-9)
        return f"{name:<34}{self.alarms:>7}{self.seconds / 60:>10.1f}{bound:>14.2f}   {', '.join(self.where)}"


TALLY_HEADER = f"{'nobody falls':<34}{'alarms':>7}{'minutes':>10}{'95 % below/h':>14}"


class Watched(Pipeline):
    """Keeps what the rule would be shown."""

    detector: Detector = Detector("detector", motion="motion")
    """As in surveillance."""
    _shown: list[tuple[Frame, Tracks]] = PrivateAttr(default_factory=list)

    async def watch(self, camera: Camera) -> AsyncIterator[Event]:
        """Follow, and keep."""
        tracker = Tracker()
        async for frame in camera.frames():
            tracks = tracker.update(await self.detector(frame), frame.time)
            self._shown.append((replace(frame, pixels=frame.pixels.copy()), tracks))
        for nothing in ():
            yield nothing


def segments(data: Path) -> dict[str, tuple[str, float | None]]:
    """Of each clip of `falls`: the subject, and when the fall begins (None: nobody falls)."""
    found: dict[str, tuple[str, float | None]] = {}
    with (data / "falls" / "segments.csv").open() as file:
        for row in csv.DictReader(file):
            start = (
                float(row["start_s"]) if row["label"].startswith("Falling") else found.get(row["file"], ("", None))[1]
            )
            found[row["file"]] = row["subject"], start
    return found


async def told(videos: Sequence[Path], model: Path, analyze_fps: float = 5.0) -> dict[str, tuple[list[Event], float]]:
    """By name of the video: what surveillance says of it, and how long it is."""
    settings = {"detector": footage.FUSED, "fall": {}}
    recordings = [
        Recording(
            video.name,
            *(video, analyze_fps, footage.ANALYSIS_BOX, Places()),
            {"surveillance": Surveillance.model_validate(settings)},
        )
        for video in videos
    ]
    found: dict[str, tuple[list[Event], float]] = {}
    specs = [ModelSpec("detector", model), ModelSpec("motion", "motion")]
    async with LocalModels(specs, InferenceSettings(max_batch_size=1)) as models:
        for one in recordings:  # one after the other: all at once would hold hundreds of decoders
            report = await replay([one], models, AlertPolicy(AlertSettings(cooldown_seconds=0)))
            found[one.camera] = report.events, report.seconds[one.camera] + 1 / analyze_fps
    return found


async def shown(video: Path, model: Path, analyze_fps: float = 5.0) -> list[tuple[Frame, Tracks]]:
    """What a rule is shown of a video."""
    kept: list[tuple[Frame, Tracks]] = []

    class Keeping(Watched):
        def bind(self, *args: object) -> Keeping:
            bound = super().bind(*args)  # type: ignore[arg-type]
            bound._shown = kept
            return bound

    recording = Recording(video.name, video, analyze_fps, footage.ANALYSIS_BOX, Places(), {"keeping": Keeping()})
    await footage.play([recording], model)
    return kept


def judged(rule: Fall, pictures: Sequence[tuple[Frame, Tracks]]) -> list[Event]:
    """What a rule says of what it is shown."""
    judge = rule.begin(Places())
    return [event for frame, tracks in pictures for event in judge.judge(frame, tracks) if isinstance(event, Event)]


def hit(events: Sequence[Event], begin: float | None, kind: str = "fall") -> Event | None:
    """The first of a kind that was told after a fall began."""
    said = (event for event in events if event.kind == kind and event.state == "begin")
    return next((event for event in said if begin is not None and event.time >= begin), None)


def left_out(data: Path, model: Path, analyze_fps: float) -> Iterator[str]:
    """The table of each subject, with thresholds from the other's clips."""
    truth = segments(data)
    pictures = {name: asyncio.run(shown(data / "falls" / name, model, analyze_fps)) for name in truth}
    yield f"{'subject left out':<18}{'low_heights':>12}{'max_fall_s':>12}{'found':>8}{'of':>4}{'everyday alarms':>17}"
    for subject in sorted({who for who, _ in truth.values()}):
        train = [name for name, (who, _) in truth.items() if who != subject]
        grid = [Fall(low_heights=low, max_fall_seconds=most) for low, most in itertools.product(LOWS, FALLS_S)]
        best = max(grid, key=lambda rule: _worth(rule, train, truth, pictures))
        test = [name for name, (who, _) in truth.items() if who == subject]
        events = {name: judged(best, pictures[name]) for name in test}
        falls = [name for name in test if truth[name][1] is not None]
        found = sum(hit(events[name], truth[name][1]) is not None for name in falls)
        false = sum(bool(events[name]) for name in test if truth[name][1] is None)
        yield (f"{subject:<18}{best.low_heights:>12}{best.max_fall_seconds:>12}{found:>8}{len(falls):>4}{false:>17}")


def _worth(
    rule: Fall,
    names: Sequence[str],
    truth: dict[str, tuple[str, float | None]],
    pictures: dict[str, list[tuple[Frame, Tracks]]],
) -> tuple[int, float]:
    """Falls found less false alarms; of equals, the one nearest to the defaults."""
    score = 0
    for name in names:
        events, begin = judged(rule, pictures[name]), truth[name][1]
        score += (hit(events, begin) is not None) if begin is not None else -bool(events)
    usual = Fall()
    return score, -abs(rule.low_heights - usual.low_heights) - abs(rule.max_fall_seconds - usual.max_fall_seconds)


# --- simulated hours ---


def scene(seed: int, seconds: float = 120.0, fall: bool = False) -> Scene:
    """Two to five people who walk, stop and run, under a camera at any height; in some one falls, alone."""
    chance = random.Random(seed)
    lens = Lens(horizon=chance.uniform(0.02, 0.15), height_m=chance.uniform(2.8, 5.0))
    actors = []
    for number in range(chance.randint(2, 5)):
        begin, pace = chance.uniform(0, seconds - 60), chance.uniform(0.8, 1.9)
        legs: list[Leg] = []
        for _ in range(chance.randint(1, 3)):
            legs.append(go(chance.uniform(0.1, 0.9), chance.uniform(0.5, 0.95), chance.choice([pace, pace, 4.0])))
            legs.append(stay(chance.uniform(0.5, 6.0)))
        actors.append(_person(chance, lens, f"p{number}", begin, [*legs, go(1.1, chance.uniform(0.5, 0.95), pace)]))
    if fall:
        spot = chance.uniform(0.3, 0.7), chance.uniform(0.65, 0.9)
        legs = [go(*spot, 1.3), stay(1.0), lie(chance.uniform(5.0, 12.0)), go(-0.1, 0.8, 1.2)]
        actors = [_person(chance, lens, "falls", 5.0, legs)]
    light = chance.choice([2.0, 3.5, 5.0])
    return Scene(f"falls-{seed}", seconds, lens, tuple(a for a in actors if a.end_s <= seconds), noise=light, seed=seed)


def _person(chance: random.Random, lens: Lens, name: str, begin: float, legs: list[Leg]) -> Actor:
    start = (-0.06, chance.uniform(0.5, 0.95))
    coat = chance.choice(_COATS)
    return Actor(name, "person", begin, start, tuple(legs), lens, height_m=chance.uniform(1.6, 1.9), color=coat)


def simulated(seed: int, fall: bool, fps: float = 5.0, seconds: float = 120.0) -> tuple[list[Event], Stage]:
    """What the rule says of a simulated scene, whose detector misses a tenth of all boxes and all who lie."""
    stage, chance = Stage(scene(seed, seconds, fall), fps), np.random.default_rng(seed)

    def seen(time: float):  # type: ignore[no-untyped-def]
        found = stage.seen(time, chance, 0.1)
        flat = (found.boxes[:, 2] - found.boxes[:, 0]) * 16 / 9 > 0.7 * (found.boxes[:, 3] - found.boxes[:, 1])
        return found.pick(~flat)

    return perform(Fall(), stage.frames(), seen), stage


def simulated_table(hours: float) -> Iterator[str]:
    """Falls found in simulated scenes, and false alarms in hours of them."""
    found = fallen = true = 0
    delays = []
    for seed in range(30):
        events, stage = simulated(10_000 + seed, True, seconds=60.0)
        due = [one for one in stage.truth.incidents() if one.kind == "fall"]
        true += len(due)
        for one in due:
            event = hit(events, one.start - 0.5)
            found += event is not None
            fallen += hit(events, one.start - 0.5, "fallen") is not None
            delays += [] if event is None else [event.time - one.start]
    mean = f"{np.mean(delays):.2f}" if delays else "-"
    yield f"simulated falls, nobody who lies detected: {found} of {true} told, {fallen} fallen, after {mean} s"
    tally = Tally()
    for seed in range(round(hours * 30)):
        tally.add(f"seed {seed}", simulated(seed, False)[0], 120.0)
    yield TALLY_HEADER
    yield tally.row("simulated, people walk and run")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0, help="of simulated scenes in which nobody falls")
    parser.add_argument("--fps", type=float, default=5.0, help="analyzed frames a second of the real clips")
    options = parser.parse_args()
    data = footage.data_folder()
    with tempfile.TemporaryDirectory() as folder:
        model = footage.detector(data, Path(folder))
        truth = segments(data)
        found = asyncio.run(told([data / "falls" / name for name in truth], model, options.fps))
        print(f"{'clip':<18}{'falls at':>9}{'fall told':>11}{'fallen told':>13}{'evidence':>10}")
        for name, (_, begin) in truth.items():
            events = found[name][0]
            fall, fallen = hit(events, begin), hit(events, begin, "fallen")
            print(
                f"{name:<18}{'-' if begin is None else begin:>9}{'-' if fall is None else f'{fall.time:.1f}':>11}"
                f"{'-' if fallen is None else f'{fallen.time:.1f}':>13}"
                f"{'' if fall is None else fall.detail['evidence']:>10}"
            )
        print(*left_out(data, model, options.fps), TALLY_HEADER, sep="\n")
        everyday = Tally()
        for name in (name for name, (_, begin) in truth.items() if begin is None):
            everyday.add(name, *found[name])
        print(everyday.row("everyday clips"))
        for title, names in (("people, asked for", QUIET), ("other footage", OTHERS)):
            tally = Tally()
            for name, one in asyncio.run(told([data / "cctv" / name for name in names], model, options.fps)).items():
                tally.add(name, *one)
            print(tally.row(title))
        cctv = Tally()
        videos = sorted((data / "fights").glob("*/*.mp4"))
        for name, one in asyncio.run(told(videos, model, options.fps)).items():
            cctv.add(name, *one)
        print(cctv.row("201 clips of CCTV, half of fights"))
    print(*simulated_table(options.hours), sep="\n")


if __name__ == "__main__":
    main()
