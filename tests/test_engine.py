"""Tests of streamer.engine with every part around it replaced by a fake that only remembers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from streamer.alerts import Alert, ClipSettings, Suppressed
from streamer.camera import Camera, Watching
from streamer.clock import FakeClock, settle
from streamer.engine import CameraPlan, Engine, Parts
from streamer.errors import StoreError, StreamerError
from streamer.events import Event, IncidentBook
from streamer.ingest.spec import CameraSpec
from streamer.metrics import Metrics
from streamer.pipeline import Detector, Pipeline
from streamer.places import Places
from streamer.types import Detections, Frame, SlotRef
from streamer.watch import watch


class Story(Pipeline):
    """Begins an incident on frame 1, ends it on frame 3; fails on frame 66."""

    detector: Detector = Detector("fake")

    async def watch(self, camera):
        async for frame in camera.frames():
            await self.detector(frame)
            if frame.index == 66:
                raise RuntimeError("frame 66")
            if frame.index in (1, 3):
                yield Event("intrusion", "begin" if frame.index == 1 else "end", frame.time, key=("yard", 1))


class Idle(Pipeline):
    """Returns at once, which no pipeline may."""

    async def watch(self, camera):
        return
        yield


@dataclass
class Readers:
    released: list[Frame] = field(default_factory=list)
    specs: list[list[str]] = field(default_factory=list)
    snapshots: list[tuple] = field(default_factory=list)
    snapshot_works: bool = True
    clips: list[tuple] = field(default_factory=list)
    last_second: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self, frame):
        self.released.append(frame)

    def set_cameras(self, specs):
        self.specs.append([spec.name for spec in specs])

    async def snapshot(self, *request):
        self.snapshots.append(request)
        return self.snapshot_works

    async def clip(self, *request):
        self.clips.append(request)
        await self.last_second.wait()
        return self.snapshot_works


@dataclass
class Models:
    asked: list[Frame] = field(default_factory=list)
    turns: int = 4

    async def ask(self, model, frame):
        self.asked.append(frame)
        return Detections.empty()

    def file_of(self, model):
        return None


@dataclass
class Policy:
    suppress: str | None = None

    def decide(self, event):
        if self.suppress:
            return Suppressed(self.suppress)
        return Alert(f"{event.id}:{event.state}", event, event.severity, ("log",), "", event.time)


@dataclass
class Outbox:
    alerts: list = field(default_factory=list)
    attached: list = field(default_factory=list)
    states: list = field(default_factory=list)
    full: bool = False
    suppresses: bool = False
    clips: dict = field(default_factory=dict)
    attached_clips: list = field(default_factory=list)

    async def put(self, alert, expects_snapshot):
        if self.full:
            raise StoreError("storage: the disk is full")
        self.alerts.append((alert.id, expects_snapshot))
        self.clips[alert.id] = alert.clip
        return not self.suppresses

    async def attach_clip(self, alert_id, there):
        self.attached_clips.append((alert_id, there))

    async def attach(self, alert_id, path):
        self.attached.append((alert_id, path))

    def announce(self, cameras):
        self.announced = cameras

    async def camera_state(self, camera, online):
        self.states.append((camera, online))


@dataclass
class Store:
    left: list[Event] = field(default_factory=list)
    open: dict[str, Event] = field(default_factory=dict)

    async def save_incident(self, event):
        self.open[event.id] = event

    async def drop_incident(self, incident):
        self.open.pop(incident, None)

    async def open_incidents(self):
        return self.left

    def snapshot_path(self, alert_id):
        return f"/snapshots/{alert_id}.jpg"

    def clip_path(self, alert_id):
        return f"/clips/{alert_id}.mp4"


class Vigil:
    def __init__(self):
        self.events, self.heard, self.resumed = [], [], []

    def set_cameras(self, cameras):
        self.cameras = cameras

    def hear(self, health):
        self.heard.append(health)

    def resume(self, begun):
        self.resumed.append(begun)

    def judge(self):
        due, self.events = self.events, []
        return due


@pytest.fixture
def parts():
    told = []
    return Parts(
        Readers(), Models(), Policy(), Outbox(), Store(), Vigil(), Metrics(), FakeClock(),
        Watching(wait_for_gap=False), told=told.append,
    )  # fmt: skip


@pytest.fixture
async def engine(parts):
    engine = Engine(parts)
    yield engine
    await engine.stop()


def plan(name="gate", **pipelines):
    spec = CameraSpec(name, f"file:{name}.mp4", "tcp", 5.0, 416, 416, True)
    return CameraPlan(spec, Places(), pipelines or {"main": Story()})


def frame(index, camera="gate", time=None, slot=None):
    time = 1000.0 + index * 0.2 if time is None else time
    pixels = np.zeros((4, 4, 3), np.uint8)
    return Frame(camera, 1, index, time, time, pixels, slot=SlotRef(1, index % 3, index) if slot is None else slot)


async def feed(engine, *indices, camera="gate"):
    for index in indices:
        engine.on_frame(frame(index, camera))
        await settle()


async def test_a_frame_becomes_an_alert_with_its_snapshot(engine, parts):
    engine.set_cameras([plan()])
    await feed(engine, 0, 1, 2, 3)
    begun = "gate-main-intrusion-1000200-1"
    assert parts.outbox.alerts == [(f"{begun}:begin", True), (f"{begun}:end", True)]
    assert parts.outbox.attached[0] == (f"{begun}:begin", f"/snapshots/{begun}:begin.jpg")
    camera, wish, _ = parts.readers.snapshots[0]
    assert (camera, wish.session, wish.index, wish.moments) == ("gate", 1, 1, [])
    assert parts.store.open == {}
    assert parts.outbox.announced == {"gate": ["camera_offline", "camera_frozen", "camera_tampered", "camera_runaway"]}


def filmed(name="gate"):
    return replace(plan(name), clip=ClipSettings(before_seconds=3, after_seconds=4))


async def test_an_alert_that_begins_gets_its_clip_and_does_not_wait_for_it(engine, parts):
    engine.set_cameras([filmed()])
    await feed(engine, 0, 1, 2, 3)
    begin, end = (alert_id for alert_id, _ in parts.outbox.alerts)
    assert parts.outbox.clips == {begin: f"/clips/{begin}.mp4", end: None}
    camera, captured_at, *rest = parts.readers.clips[0]
    assert (camera, rest) == ("gate", [3.0, 4.0, f"/clips/{begin}.mp4"])
    assert captured_at == pytest.approx(1000.2)
    assert parts.outbox.attached_clips == []
    assert [alert_id for alert_id, _ in parts.outbox.attached] == [begin, end], "the snapshot did not wait either"
    parts.readers.last_second.set()
    await settle()
    assert parts.outbox.attached_clips == [(begin, True)]
    assert len(parts.readers.clips) == 1


async def test_no_clip_without_an_alert_or_where_none_is_wanted(engine, parts):
    engine.set_cameras([plan()])
    await feed(engine, 0, 1, 2, 3)
    parts.outbox.suppresses = True
    engine.set_cameras([filmed()])
    await feed(engine, 0, 1, 2, 3)
    assert parts.readers.clips == []
    assert len(parts.outbox.alerts) == 4


async def test_stopping_does_not_wait_for_a_clip_that_is_still_to_come(engine, parts):
    engine.set_cameras([filmed()])
    await feed(engine, 0, 1)
    assert len(parts.readers.clips) == 1
    async with asyncio.timeout(1.0):
        await engine.stop()
    assert parts.outbox.attached_clips == []


async def test_every_frame_goes_back_to_its_reader_once(engine, parts):
    engine.set_cameras([plan(main=Story(), other=Story())])
    await feed(engine, 0, 1, 2)
    engine.on_frame(frame(3))
    engine.on_frame(frame(4))  # 3 is superseded before any pipeline ran
    await settle()
    await engine.stop()
    assert sorted(f.index for f in parts.readers.released) == [0, 1, 2, 3, 4]
    assert parts.metrics.value("streamer_frames_total", camera="gate", stage="mailbox", outcome="superseded") == 2


async def test_a_frame_that_nobody_watches_goes_straight_back(engine, parts):
    await feed(engine, 0, camera="stranger")
    assert len(parts.readers.released) == 1


async def test_a_failing_pipeline_ends_its_incidents_and_is_restarted(engine, parts):
    engine.set_cameras([plan()])
    await feed(engine, 0, 1, 66)
    assert [alert for alert, _ in parts.outbox.alerts][-1].endswith(":end")
    assert parts.metrics.value("streamer_loop_restarts_total", loop="pipeline main") == 1
    await parts.clock.advance(1.0)
    await feed(engine, 67, 68)
    assert [f.index for f in parts.models.asked] == [0, 1, 66, 67, 68]
    assert [f.index for f in parts.readers.released] == [0, 1, 66, 67, 68]


async def test_a_gap_ends_what_is_open_and_the_pipeline_begins_anew(engine, parts):
    engine.set_cameras([plan()])
    await feed(engine, 0, 1)
    engine.on_frame(frame(2, time=1100.0))
    await settle()
    ids = [alert for alert, _ in parts.outbox.alerts]
    assert [i.rpartition(":")[2] for i in ids] == ["begin", "end"]
    assert parts.models.asked[-1].index == 2


async def test_a_full_disk_is_said_and_does_not_blind_the_camera(engine, parts):
    parts.outbox.full = True
    engine.set_cameras([plan()])
    await feed(engine, 0, 1, 2)
    assert [f.index for f in parts.models.asked] == [0, 1, 2]
    assert parts.metrics.value("streamer_alerts_total", sink="outbox", outcome="not_stored") == 1


async def test_a_suppressed_event_is_counted_by_reason(engine, parts):
    parts.policy.suppress = "severity"
    engine.set_cameras([plan()])
    await feed(engine, 0, 1)
    assert parts.outbox.alerts == []
    assert parts.metrics.value("streamer_alerts_suppressed_total", reason="severity") == 1


async def test_a_snapshot_that_fails_releases_the_alert_without_one(engine, parts):
    parts.readers.snapshot_works = False
    engine.set_cameras([plan()])
    await feed(engine, 0, 1)
    assert parts.outbox.attached[0][1] is None


async def test_what_did_not_change_is_not_touched(engine, parts):
    gate, yard = plan("gate"), plan("yard")
    engine.set_cameras([gate, yard])
    await feed(engine, 0, 1)
    task = engine._tasks["gate", "main"]
    engine.set_cameras([gate])
    await settle()
    assert engine._tasks["gate", "main"] is task
    assert not task.done()
    assert parts.readers.specs == [["gate", "yard"], ["gate"]]


async def test_a_camera_that_leaves_ends_its_incidents(engine, parts):
    engine.set_cameras([plan()])
    await feed(engine, 0, 1)
    engine.set_cameras([])
    await settle()
    assert [alert.rpartition(":")[2] for alert, _ in parts.outbox.alerts] == ["begin", "end"]


async def test_a_camera_that_leaves_while_offline_is_not_offline_for_ever(engine, parts):
    engine.set_cameras([plan("gate"), plan("yard")])
    offline = Event("camera_offline", "begin", 5.0, camera="gate", pipeline="system")
    await engine.tell(engine.book.enter(offline))
    engine.set_cameras([plan("gate"), plan("yard")])  # changed, not removed: it is still offline
    await settle()
    assert [alert.rpartition(":")[2] for alert, _ in parts.outbox.alerts] == ["begin"]
    engine.set_cameras([plan("yard")])
    await settle()
    assert [alert.rpartition(":")[2] for alert, _ in parts.outbox.alerts] == ["begin", "end"]


async def test_what_was_open_at_a_crash_is_ended_at_the_next_start(parts):
    left = Event("intrusion", "begin", 900.0, started=900.0, camera="gate", pipeline="main", id="old", key=("yard", 7))
    parts.store.left = [left]
    engine = Engine(parts)
    running = asyncio.create_task(engine.run())
    await settle()
    # its begin goes out too, if the crash came before it was written down: the outbox knows it by its id
    assert [alert for alert, _ in parts.outbox.alerts] == ["old:begin", "old:end"]
    running.cancel()


async def test_an_incident_of_the_system_stays_open_over_a_restart(parts):
    left = Event("camera_offline", "begin", 900.0, started=900.0, camera="gate", pipeline="system", id="old", key=("",))
    parts.store.left = [left]
    engine = Engine(parts)
    running = asyncio.create_task(engine.run())
    await settle()
    assert parts.vigil.resumed == [left]
    parts.vigil.events = [replace(left, state="end", time=2000.0)]
    await parts.clock.advance(0.6)
    assert [alert for alert, _ in parts.outbox.alerts] == ["old:begin", "old:end"]
    await engine.stop()
    running.cancel()


async def test_the_vigil_speaks_and_the_loop_shows_progress(parts):
    engine = Engine(parts)
    running = asyncio.create_task(engine.run())
    await settle()
    parts.vigil.events = [Event("camera_offline", "begin", 5.0, camera="gate", pipeline="system")]
    await parts.clock.advance(0.6)
    assert parts.outbox.alerts == [("gate-system-camera_offline-5000-1:begin", False)]
    before = engine.progress_at
    await parts.clock.advance(2.0)
    assert engine.progress_at > before
    running.cancel()


async def test_stopping_writes_down_the_ends(parts):
    engine = Engine(parts)
    engine.set_cameras([plan()])
    await feed(engine, 0, 1)
    await engine.stop()
    assert [alert.rpartition(":")[2] for alert, _ in parts.outbox.alerts] == ["begin", "end"]
    assert len(parts.readers.released) == 2


async def test_a_pipeline_that_reads_nothing_is_an_error():
    camera = Camera("gate")
    with pytest.raises(StreamerError, match="returned without reading a frame"):
        async for _ in watch(camera, "idle", Idle(), IncidentBook()):
            pass
