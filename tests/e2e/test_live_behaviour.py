"""A streaming model live: a daemon that watches a clip over RTSP decides as replay does over the same clip."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
import yaml

from streamer.commands.video import play
from streamer.config import load_site
from streamer.daemon import Daemon, assemble
from streamer.events import Event
from streamer.simulator.process import Simulator
from tests.films import blinds
from tests.models.stepping import stepping

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CLIP = [(3.0, 0.0), (3.0, 0.5), (4.0, 0.1), (2.5, 0.45), (5.0, 0.0)]
"""Seconds and bright share: two spells that count, of three seconds and of two and a half."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live")
    stepping(folder / "light.onnx")
    blinds(folder / "clip.mp4", CLIP, fps=15)
    return folder


def site(folder: Path, source: str, name: str) -> Path:
    rule = {"model": "light", "label": "bright", "min_seconds": 0.5, "end_seconds": 1.0, "smooth_seconds": 0.3}
    document = {
        "cameras": {"gate": {"source": source, "pipelines": ["watch"], "tamper": False}},
        "pipelines": {"watch": {"use": "surveillance", "detector": "motion", "fight": rule}},
        "models": {"light": {"file": "light.onnx"}},
        "storage": {"dir": name},
        "web": {"enabled": False},
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


async def replayed(folder: Path) -> list[Event]:
    loaded = load_site(site(folder, str(folder / "clip.mp4"), "replay"), "replay")
    return (await play(loaded, {"gate": folder / "clip.mp4"}, "replay")).events


class Live:
    """A daemon on the clip as an RTSP camera, until so many events have come."""

    def __init__(self, folder: Path, url: str):
        self.events: list[Event] = []
        self.first: list[float] = []
        """Capture time of the first frame."""
        self.daemon: Daemon = assemble(load_site(site(folder, url, "live")), told=self.events.append)
        on_frame = self.daemon.engine.on_frame

        def note(frame: object) -> None:
            self.first = self.first or [frame.time]  # type: ignore[attr-defined]
            on_frame(frame)  # type: ignore[arg-type]

        self.daemon.engine.on_frame = note  # type: ignore[method-assign]

    async def until(self, events: int, seconds: float) -> list[Event]:
        running = asyncio.create_task(self.daemon.run())
        try:
            async with asyncio.timeout(seconds):
                while len(self.fights) < events and not running.done():  # noqa: ASYNC110 - it lies in other processes
                    await asyncio.sleep(0.05)
        finally:
            self.daemon.stop()
            await running
        return self.fights

    @property
    def fights(self) -> list[Event]:
        return [event for event in self.events if event.kind == "fight"]


async def test_live_decides_as_replay(folder: Path) -> None:
    wanted = await replayed(folder)
    assert [event.state for event in wanted] == ["begin", "end", "begin", "end"]
    with Simulator([{"name": "gate", "file": str(folder / "clip.mp4")}]) as simulator:
        live = Live(folder, simulator.url("gate"))
        found = await live.until(4, 60)
    offset = live.first[0]
    told = [(event.state, round(event.time - offset, 2)) for event in found[:4]]
    print(f"\nlive {told}\nreplay {[(event.state, round(event.time, 2)) for event in wanted]}")
    assert [state for state, _ in told] == ["begin", "end", "begin", "end"]
    for (_, at), event in zip(told, wanted, strict=True):
        assert at == pytest.approx(event.time, abs=0.45)  # the camera may join the clip a key frame later
    for event, other in zip(found, wanted, strict=False):
        assert event.confidence == pytest.approx(other.confidence, abs=0.05)
        assert set(event.detail) == set(other.detail)


async def test_a_worker_that_dies_in_the_middle_ends_and_doubles_nothing(folder: Path) -> None:
    """Killed while the first spell is on: the incident stays open, goes on after the restart, and ends once."""
    with Simulator([{"name": "gate", "file": str(folder / "clip.mp4")}]) as simulator:
        live = Live(folder, simulator.url("gate"))
        models = live.daemon.models
        told = live.daemon.engine.parts.told

        def kill(event: Event) -> None:
            told(event)
            if event.kind == "fight" and event.state == "begin" and len(live.fights) == 1 and models.pid is not None:
                os.kill(models.pid, signal.SIGKILL)

        object.__setattr__(live.daemon.engine.parts, "told", kill)
        found = await live.until(2, 60)
        metrics = live.daemon.metrics
    assert [event.state for event in found[:2]] == ["begin", "end"]
    assert found[0].id == found[1].id
    assert metrics.value("streamer_worker_restarts_total", reason="crashed") == 1
    assert metrics.value("streamer_behaviour_resets_total", model="light", reason="start") == 2
