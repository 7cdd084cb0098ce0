"""Traffic on real footage against hand-made truth; `python -m tests.traffic_footage` prints the tables.

The pipeline runs as it does live and in replay (`watch`, a lossless camera, the real detector); a film can be played
backwards, so that every vehicle is a wrong-way driver. Truth: tests/truth/motorway_line.csv and cars_from_above.csv.
"""

from __future__ import annotations

import asyncio
import csv
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.traffic import Traffic
from streamer.camera import Camera, Watching
from streamer.events import Event, IncidentBook
from streamer.inference.local import LocalModels
from streamer.inference.settings import InferenceSettings, ModelSpec
from streamer.places import LaneSettings, LineSettings, Places
from streamer.readings import Reading
from streamer.sources.file import FileSource
from streamer.types import Frame
from streamer.watch import watch
from tests.footage import ANALYSIS_BOX, TRUTH, detector

MOTORWAY = Places.build(
    lines={"count": LineSettings.model_validate({"from": [0.0, 0.6], "to": [0.9, 0.6]})},
    lanes={
        "left": LaneSettings(
            polygon=[
                *((0.66, 0.0), (0.56, 0.14), (0.45, 0.31), (0.23, 0.6), (0.0, 0.86), (0.0, 1.0)),
                *((0.36, 1.0), (0.405, 0.9), (0.525, 0.605), (0.615, 0.39), (0.69, 0.2), (0.725, 0.105), (0.755, 0.0)),
            ],
            direction=(-0.45, 0.9),
        ),
        "right": LaneSettings(
            polygon=[
                *((0.84, 0.0), (0.845, 0.06), (0.825, 0.4), (0.81, 0.6), (0.785, 1.0)),
                *((0.36, 1.0), (0.405, 0.9), (0.525, 0.605), (0.615, 0.39), (0.69, 0.2), (0.725, 0.105), (0.755, 0.0)),
            ],
            direction=(-0.2, 0.9),
        ),
    },
)
"""Two lanes, drawn along the marks of the road at 8.2 s, when it is empty."""
MOTORWAY_RULES = {
    "counting": {"lines": ["count"], "lanes": ["left", "right"], "lanes_at": "count"},
    "wrong_way": {"lanes": ["left", "right"]},
    "stopped_vehicle": {"lanes": ["left", "right"], "min_seconds": 5},
    "congestion": {"lanes": ["left", "right"], "min_seconds": 5},
    "queue": {"lanes": ["left", "right"], "min_vehicles": 2},
}
ABOVE = Places.build(lines={"middle": LineSettings.model_validate({"from": [0.0, 0.5], "to": [1.0, 0.5]})})
ABOVE_RULES = {"counting": {"lines": ["middle"]}}


@dataclass(slots=True)
class Seen:
    """What a pipeline said about a film."""

    events: list[Event] = field(default_factory=list)
    readings: list[tuple[float, Reading]] = field(default_factory=list)
    """With the time of the frame."""

    def counted(self, place: str) -> list[tuple[float, str]]:
        """When a vehicle was counted at a place, and in which direction."""
        return [(t, r.direction) for t, r in self.readings if r.kind == "counting" and r.place == place]

    def begins(self) -> Counter[str]:
        """Incidents by kind."""
        return Counter(event.kind for event in self.events if event.state == "begin")


def truth(name: str) -> list[dict[str, str]]:
    """The rows of a hand-made truth file."""
    with (TRUTH / name).open() as file:
        return list(csv.DictReader(file))


async def see(
    video: Path, places: Places, rules: Mapping[str, object], fps: float, model: Path | None, backwards: bool = False
) -> Seen:
    """Let the traffic pipeline watch a film; `model` None is the built-in motion detector."""
    spec = ModelSpec("motion", "motion") if model is None else ModelSpec("detector", model)
    pipeline = Traffic.model_validate({"detector": spec.name, **rules})
    camera, seen = Camera(video.stem, places, Watching(wait_for_gap=False)), Seen()
    film = [(pts_s, pixels) for _, pts_s, pixels in FileSource(video, fps, *ANALYSIS_BOX)]
    if backwards:
        film = [(film[-1][0] - pts_s, pixels) for pts_s, pixels in reversed(film)]

    async def listen() -> None:
        def note(reading: Reading) -> None:
            assert camera.current is not None
            seen.readings.append((camera.current.time, reading))

        async with LocalModels([spec], InferenceSettings()) as models:
            async for event in watch(camera, "traffic", pipeline.bind(models.ask), IncidentBook(), note):
                seen.events.append(event)

    task = asyncio.create_task(listen())
    for index, (time, pixels) in enumerate(film):
        offer = asyncio.ensure_future(camera.offer(Frame(camera.name, 1, index, time, time, pixels, time)))
        await asyncio.wait([offer, task], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
    camera.close()
    await task
    return seen


def motorway(data: Path, model: Path, fps: float, backwards: bool = False) -> Seen:
    """The motorway with every rule that needs no ground plane."""
    video = data / "traffic" / "motorway.avi"
    return asyncio.run(see(video, MOTORWAY, MOTORWAY_RULES, fps, model, backwards))


def from_above(data: Path, fps: float) -> Seen:
    """The steep view of a road, with the motion detector: YOLOX-nano sees one of its four cars."""
    return asyncio.run(see(data / "cctv" / "cars_from_above.mp4", ABOVE, ABOVE_RULES, fps, None))


def main() -> None:
    """Print the tables."""
    named = os.environ.get("STREAMER_TEST_DATA")
    data = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not data.is_dir():
        sys.exit(f"tests.traffic_footage: no folder {data}; set STREAMER_TEST_DATA to the test footage")
    rows = truth("motorway_line.csv")
    by_eye = Counter(row["lane"] for row in rows if row["crosses_s"])
    with tempfile.TemporaryDirectory() as folder:
        model = detector(data, Path(folder))
        for fps in (5.0, 10.0, 15.0):
            for backwards in (False, True):
                seen = motorway(data, model, fps, backwards)
                way = "backwards" if backwards else "forwards"
                print(f"motorway.avi {way}, YOLOX-nano, {fps:g} frames a second analyzed")
                for lane in ("left", "right"):
                    told = Counter(direction for _, direction in seen.counted(lane))
                    print(f"  lane {lane:<6} by eye n = {by_eye[lane]:<3} counted {dict(told)}")
                print(f"  line          by eye n = {by_eye.total():<3} counted {len(seen.counted('count'))}")
                wrong = seen.begins()["wrong_way"]
                print(f"  wrong way     true   n = {len(rows) if backwards else 0:<3} told    {wrong}")
                others = {kind: n for kind, n in seen.begins().items() if kind != "wrong_way"}
                print(f"  other events  true   n = 0   told    {others or 0}\n")
    for fps in (5.0, 10.0, 12.5):
        told = from_above(data, fps).counted("middle")
        rows = truth("cars_from_above.csv")
        print(f"cars_from_above.mp4, motion detector, {fps:g} frames a second analyzed: by eye n = {len(rows)}")
        print("  by eye ", ", ".join(f"{row['crosses_s']} {row['direction']}" for row in rows))
        print("  counted", ", ".join(f"{t:.2f} {direction}" for t, direction in told), end="\n\n")


if __name__ == "__main__":
    main()
