"""The whole story on drawn pictures: the simulator's plaza, the built-in motion detector, the tracker, every rule."""

from __future__ import annotations

import asyncio
from collections import Counter

import cv2
import pytest

from pipelines.surveillance import Surveillance
from streamer.camera import Camera, Watching
from streamer.events import Event, IncidentBook
from streamer.models.motion import Motion
from streamer.readings import Reading
from streamer.simulator.library import make_scene
from streamer.simulator.render import Renderer
from streamer.types import Detections, Frame
from streamer.watch import watch
from tests.rules.scenes import places

FPS = 5.0
SETTINGS = {
    "detector": "motion",
    "intrusion": {"zones": ["plaza"]},
    "loitering": {"zones": ["plaza"], "min_seconds": 10, "leave_seconds": 15},
    "running": {},
    "crowd": {"min_count": 3, "min_seconds": 2},
    "line_crossing": {"lines": ["door"]},
    "tailgating": {"lines": ["door"]},
    "occupancy": {"zones": ["plaza"], "max_count": 1},
}


@pytest.fixture(scope="module")
def told() -> tuple[list[Event], list[Reading]]:
    """All that is said about one loop of the plaza at five frames a second."""
    scene = make_scene("plaza")
    renderer = Renderer(scene, (416, 234), FPS)
    motion, events, readings = Motion(), list[Event](), list[Reading]()

    async def ask(model: str, now: Frame) -> Detections:
        await asyncio.sleep(0)
        return motion.detect(now.camera, now.session, now.time, now.pixels)

    async def play() -> None:
        camera = Camera("plaza", places(scene), Watching(wait_for_gap=False))
        pipeline = Surveillance.model_validate(SETTINGS).bind(ask)

        async def listen() -> None:
            async for event in watch(camera, "surveillance", pipeline, IncidentBook(), readings.append):
                events.append(event)

        task = asyncio.create_task(listen())
        for i in range(renderer.frames):
            pixels = cv2.cvtColor(renderer.i420(i), cv2.COLOR_YUV2RGB_I420)
            await camera.offer(Frame("plaza", 1, i, i / FPS, i / FPS, pixels, i / FPS))
        camera.close()
        await task

    asyncio.run(play())
    return events, readings


def begins(events: list[Event], kind: str) -> list[float]:
    return [round(event.time, 1) for event in events if event.kind == kind and event.state == "begin"]


def test_every_rule_has_its_say_and_ends_it(told: tuple[list[Event], list[Reading]]) -> None:
    events, _ = told
    print({kind: begins(events, kind) for kind in SETTINGS if kind != "detector"})
    for kind in ("intrusion", "running", "crowd", "line_crossing", "tailgating", "occupancy"):
        assert begins(events, kind), kind
    for kind in {event.kind for event in events}:
        assert len([e for e in events if e.kind == kind and e.state == "end"]) == len(begins(events, kind)), kind


def test_one_runs(told: tuple[list[Event], list[Reading]]) -> None:
    (at,) = begins(told[0], "running")
    assert 40.7 <= at <= 42.6


def test_two_go_in_close_together_and_others_come_and_go(told: tuple[list[Event], list[Reading]]) -> None:
    events, readings = told
    ways = Counter(e.detail["direction"] for e in events if e.kind == "line_crossing" and e.state == "begin")
    assert ways == {"forward": 3, "backward": 2}
    counted = Counter(r.direction for r in readings if r.kind == "line_crossing")
    assert counted == ways
    (at,) = begins(events, "tailgating")
    assert 5.7 <= at <= 7.0
