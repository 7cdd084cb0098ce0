"""Replay: the same watch over files, lossless, in order, the same every time; with fake models on small real videos."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipelines.surveillance import Surveillance
from streamer.alerts import AlertPolicy, AlertSettings
from streamer.camera import Camera
from streamer.errors import SourceError
from streamer.events import Event
from streamer.pipeline import Pipeline
from streamer.places import MaskSettings, Places
from streamer.replay import Recording, Report, replay
from streamer.types import Detections, Frame
from tests.acting import LABELS, YARD, Actor, sight, stands

VISIT = {"gate": [stands(0.6, 0.8, 1.0, 4.0)], "door": [stands(0.6, 0.8, 0.4, 4.0)]}


class Models:
    """Answers from actors; notes which frames were asked about together."""

    def __init__(self, actors: Mapping[str, list[Actor]]):
        self.actors = actors
        self.batches: list[set[str]] = []
        self._waiting: set[str] = set()

    async def ask(self, model: str, frame: Frame) -> Detections:
        if not self._waiting:
            self.batches.append(self._waiting)
        self._waiting.add(frame.camera)
        await asyncio.sleep(0)
        self._waiting = set()
        return sight(self.actors.get(frame.camera, []), frame.time)


def video(path: Path, seconds: float, fps: int = 10) -> Path:
    """A gray clip of 64x48."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(round(seconds * fps)):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 + i % 100, np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    return {"gate": video(folder / "gate.mp4", 8.0), "door": video(folder / "door.avi", 5.0, 25)}


def recording(camera: str, file: Path, fps: float = 5.0, pipelines: Mapping[str, Pipeline] | None = None) -> Recording:
    watching = Surveillance.model_validate({"detector": "d", "intrusion": {"zones": ["yard"]}})
    return Recording(camera, file, fps, (416, 416), Places.build(zones=YARD), pipelines or {"surveillance": watching})


async def play(recordings: list[Recording], models: Any = None, cooldown: float = 30.0, **more: Any) -> Report:
    policy = AlertPolicy(AlertSettings(cooldown_seconds=cooldown))
    return await asyncio.wait_for(replay(recordings, models or Models(VISIT), policy, **more), 60)


async def test_events_of_all_cameras_in_order_of_time(clips: dict[str, Path]) -> None:
    report = await play([recording("gate", clips["gate"]), recording("door", clips["door"])])
    rows = [json.loads(line) for line in report.lines()]
    assert [(row["camera"], row["state"], row["time"]) for row in rows] == [
        ("door", "begin", 1.4),
        ("gate", "begin", 2.0),
        ("door", "end", pytest.approx(4.8, abs=0.05)),
        ("gate", "end", 6.2),
    ]
    first = rows[1]
    assert first["id"] == "gate-surveillance-intrusion-1000-1"
    assert (first["started"], first["zone"], first["label"], first["pipeline"]) == (
        1.0,
        "yard",
        "person",
        "surveillance",
    )
    assert first["box"] == pytest.approx([0.55, 0.5, 0.65, 0.8], abs=1e-3)
    assert rows[3]["ended"] == 4.0
    assert report.frames == {"gate": 40, "door": 25}
    assert report.seconds == {"gate": pytest.approx(7.8), "door": pytest.approx(4.8)}
    assert [(event.camera, event.state) for event in report.alerts] == [("door", "begin"), ("gate", "begin")]
    assert "gate: 40 frames of 7.8 s; alerts: 1 intrusion" in report.summary()


async def test_it_repeats_byte_for_byte(clips: dict[str, Path]) -> None:
    both = [recording("gate", clips["gate"], 10), recording("door", clips["door"], 7)]
    lines = [list((await play(both)).lines()) for _ in range(2)]
    swapped = list((await play(both[::-1])).lines())
    assert lines[0] == lines[1] == swapped
    assert len(lines[0]) == 4


async def test_the_frames_of_a_tick_are_asked_together(clips: dict[str, Path]) -> None:
    models = Models(VISIT)
    await play([recording("gate", clips["gate"]), recording("door", clips["door"])], models)
    assert models.batches[:24] == [{"gate", "door"}] * 24
    assert models.batches[25:] == [{"gate"}] * (len(models.batches) - 25)


async def test_several_pipelines_watch_the_same_frames(clips: dict[str, Path]) -> None:
    class Counts(Pipeline):
        async def watch(self, camera: Camera) -> AsyncIterator[Event]:
            async for frame in camera.frames():
                yield Event("counted", "begin", frame.time, key=(frame.index,))

    report = await play([recording("gate", clips["gate"], 2.0, {"a": Counts(), "b": Counts()})])
    begun = [event for event in report.events if event.state == "begin"]
    assert [event.pipeline for event in begun] == ["a", "b"] * 16
    assert [event.frame_index for event in begun] == [i for i in range(16) for _ in "ab"]


async def test_cooldown_runs_on_the_videos_time(clips: dict[str, Path]) -> None:
    twice = {"gate": [stands(0.6, 0.8, 0.0, 1.4), stands(0.6, 0.8, 5.0, 7.0)]}
    calm = await play([recording("gate", clips["gate"])], Models(twice), cooldown=30)
    assert [event.state for event in calm.events] == ["begin", "end", "begin", "end"]
    assert len(calm.alerts) == 1
    assert calm.suppressed["cooldown"] >= 1
    assert "cooldown" in calm.summary()
    assert len((await play([recording("gate", clips["gate"])], Models(twice), cooldown=2)).alerts) == 2


async def test_progress_rises_to_the_length_of_all(clips: dict[str, Path]) -> None:
    seen: list[float] = []
    await play([recording("gate", clips["gate"]), recording("door", clips["door"])], progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(7.8 + 4.8)


async def test_a_pipeline_that_breaks_ends_the_replay_with_its_error(clips: dict[str, Path]) -> None:
    class Breaks(Pipeline):
        async def watch(self, camera: Camera) -> AsyncIterator[Event]:
            async for frame in camera.frames():
                if frame.index == 3:
                    raise RuntimeError("broken at 3")
                yield Event("counted", "begin", frame.time)

    with pytest.raises(RuntimeError, match="broken at 3"):
        await play([recording("gate", clips["gate"]), recording("door", clips["door"], pipelines={"p": Breaks()})])
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode-")]


async def test_a_model_that_breaks_ends_the_replay_with_its_error(clips: dict[str, Path]) -> None:
    class Broken:
        async def ask(self, model: str, frame: Frame) -> Detections:
            raise RuntimeError("no such model")

    with pytest.raises(RuntimeError, match="no such model"):
        await play([recording("gate", clips["gate"])], Broken())


async def test_a_missing_file_is_a_source_error_and_leaves_no_thread(clips: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        await play([recording("gate", clips["gate"]), recording("door", tmp_path / "none.mp4")])
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode-")]


async def test_it_can_be_cancelled(clips: dict[str, Path]) -> None:
    class Stuck:
        async def ask(self, model: str, frame: Frame) -> Detections:
            await asyncio.Event().wait()
            return Detections.empty(LABELS)

    task = asyncio.create_task(play([recording("gate", clips["gate"])], Stuck()))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode-")]


async def test_nothing_to_watch_is_an_empty_report() -> None:
    report = await play([])
    assert (report.events, report.summary()) == ([], "")


async def test_masks_hold_in_replay_as_they_do_live(clips: dict[str, Path]) -> None:
    seen: list[Frame] = []

    class Looking(Models):
        async def ask(self, model: str, frame: Frame) -> Detections:
            seen.append(frame)
            return await super().ask(model, frame)

    masks = {
        "window": MaskSettings.model_validate({"polygon": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]], "privacy": True}),
        "yard": MaskSettings.model_validate({"polygon": YARD["yard"], "ignore": ["detections"]}),
    }
    plain = recording("gate", clips["gate"])
    report = await play([plain], Looking(VISIT))
    assert [event.state for event in report.events] == ["begin", "end"]
    masked = replace(plain, places=Places.build(zones=YARD, masks=masks))
    seen.clear()
    assert (await play([masked], Looking(VISIT))).events == []
    assert max(int(frame.pixels[:, :30].max()) for frame in seen) <= 6
    assert min(int(frame.pixels[:, 36:].min()) for frame in seen) >= 30
