"""Tests of streamer.daemon: plans, the heartbeat, reloads and the order of stopping, with parts that only remember.

Whole daemons with real cameras are in tests/e2e.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from streamer.clock import FakeClock, settle
from streamer.config import parse_site
from streamer.daemon import Daemon, assemble, plans
from streamer.errors import InputError, ModelError, StreamerError
from streamer.metrics import Metrics
from streamer.signals.board import Board
from streamer.store import Store
from tests import sites

URLS = {"east": "rtsp://127.0.0.1:9/east", "west": "rtsp://127.0.0.1:9/west"}
SIZES = {"motion": (640, 360)}


def load(folder, **more):
    return parse_site(yaml.safe_dump(sites.site(0, URLS) | more), folder)


class Recorder:
    """Stands for any part: remembers what it was told, in one list for all."""

    def __init__(self, name, told):
        self.name = name
        self.told = told
        self.progress_at = 1000.0
        self.plans: dict[str, Any] = {}
        self.degraded = False
        self.ready = asyncio.Event()
        self.ready.set()
        self.fault: Exception | None = None
        self.ends = False

    async def run(self):
        if self.ends:
            return
        if self.fault is not None:
            raise self.fault
        try:
            await asyncio.Event().wait()
        finally:
            self.told.append(f"{self.name} ended")

    async def start(self):
        if self.fault is not None:
            raise self.fault
        self.told.append(f"{self.name} started")

    async def stop(self, seconds=None):
        self.told.append(f"{self.name} stopped")

    async def set_models(self, specs):
        if self.fault is not None:
            raise self.fault
        self.told.append(f"{self.name}: models {' '.join(spec.name for spec in specs)}")

    def set_sinks(self, sinks):
        self.told.append(f"{self.name}: sinks {' '.join(sinks)}")

    def set_cameras(self, plans):
        self.plans = {plan.spec.name: plan for plan in plans}
        self.told.append(f"{self.name}: cameras {' '.join(self.plans)}")

    def input_size(self, model):
        return SIZES[model]

    def close(self):
        self.told.append(f"{self.name} closed")


class Notifier:
    """Remembers instead of telling the service manager."""

    def __init__(self, told):
        self.told = told

    def notify(self, *fields):
        self.told.append(fields[0])

    def reloading(self):
        self.told.append("RELOADING=1")


class Quiet:
    """Stands for arming and reception, which have nothing to say here."""

    def __init__(self):
        self.board = Board()
        self.cameras: list[str] = []

    async def load(self):
        pass

    async def run(self):
        await asyncio.Event().wait()

    def set_cameras(self, cameras):
        self.cameras = list(cameras)

    def covers(self, camera, time):
        return True


@pytest.fixture
def daemon(tmp_path):
    told: list[str] = []
    names = ("store", "models", "readers", "outbox", "engine", "web", "reporter")
    parts: dict[str, Any] = {name: Recorder(name, told) for name in names}
    parts |= {"arming": Quiet(), "reception": Quiet()}
    vigil: Any = SimpleNamespace()
    notifier: Any = Notifier(told)
    made = Daemon(site=load(tmp_path), metrics=Metrics(), clock=FakeClock(), vigil=vigil, notifier=notifier, **parts)
    made.load = lambda: load(tmp_path)
    return made


def said(daemon):
    """All that the parts were told, but heartbeats."""
    return [words for words in daemon.notifier.told if words != "WATCHDOG=1"]


# --- plans ---


class Sizes:
    """Only sizes."""

    @staticmethod
    def input_size(model):
        return SIZES[model]


def test_a_plan_has_what_the_reader_and_the_pipelines_need(tmp_path):
    found: Any = plans(load(tmp_path), Sizes())  # type: ignore[arg-type]
    assert [plan.spec.name for plan in found] == ["east", "west"]
    spec = found[0].spec
    assert (spec.url, spec.transport, spec.analyze_fps) == (URLS["east"], "tcp", 5)
    assert (spec.width, spec.height) == (640, 360)
    assert list(found[0].pipelines) == ["watch"]
    assert list(found[0].places.zones) == ["all"]


def changed(folder, old, **more):
    """Names of cameras whose plan differs after a change of these sections."""
    before = {plan.spec.name: plan for plan in plans(old, Sizes())}  # type: ignore[arg-type]
    new = load(folder, **more)
    after = plans(new, Sizes(), old=old, running=before)  # type: ignore[arg-type]
    return [plan.spec.name for plan in after if plan is not before.get(plan.spec.name)]


def test_a_camera_that_did_not_change_keeps_its_very_plan(tmp_path):
    old = load(tmp_path)
    cameras = {name: sites.camera(url) for name, url in URLS.items()}
    assert changed(tmp_path, old) == []
    assert changed(tmp_path, old, alerts={"cooldown_seconds": 9}, stop_seconds=3) == []
    moved = cameras | {"west": sites.camera(URLS["west"], zones={"all": [[0, 0], [1, 0], [0, 1]]})}
    assert changed(tmp_path, old, cameras=moved) == ["west"]
    assert changed(tmp_path, old, cameras=cameras | {"south": sites.camera("rtsp://127.0.0.1:9/s")}) == ["south"]
    assert changed(tmp_path, old, cameras={"east": cameras["east"]}) == []
    watch = {"use": "surveillance", "detector": "motion", "intrusion": sites.intrusion(min_seconds=3)}
    assert changed(tmp_path, old, pipelines={"watch": watch}) == ["east", "west"]
    assert changed(tmp_path, old, alerts={"timezone": "Asia/Tokyo"}) == ["east", "west"]


# --- from start to stop ---


async def test_parts_start_and_stop_in_order(daemon):
    ready: list[Daemon] = []
    running = asyncio.create_task(daemon.run(ready.append))
    await settle()
    assert ready == [daemon]
    assert said(daemon) == ["web started", "engine: cameras east west", "READY=1"]
    assert daemon.reporter.upcoming == {}
    daemon.stop()
    await running
    order = said(daemon)[3:]
    assert order[0] == "STOPPING=1"
    assert order[-1] == "store closed"
    place = {words: number for number, words in enumerate(order)}
    assert place["engine ended"] < place["engine stopped"] < place["readers ended"], "its pictures come from them"
    assert place["engine stopped"] < place["outbox stopped"] < place["outbox ended"]


async def test_nothing_is_watched_before_the_models_are_loaded(daemon):
    daemon.models.ready.clear()
    running = asyncio.create_task(daemon.run())
    await daemon.clock.advance(30)
    assert said(daemon) == ["web started"]
    assert daemon.reporter.upcoming == {"east": 5, "west": 5}
    daemon.models.ready.set()
    await daemon.clock.advance(0.1)
    assert said(daemon)[1:] == ["engine: cameras east west", "READY=1"]
    daemon.stop()
    await running


@pytest.mark.parametrize("when", ["degraded", "stopped"])
async def test_it_does_not_wait_for_models_for_ever(daemon, when):
    daemon.models.ready.clear()
    running = asyncio.create_task(daemon.run())
    await daemon.clock.advance(1)
    if when == "degraded":
        daemon.models.degraded = True
        await daemon.clock.advance(0.1)
        assert "READY=1" in said(daemon)
    daemon.stop()
    await daemon.clock.advance(0.1)
    await asyncio.wait_for(running, 5)
    assert ("READY=1" in said(daemon)) is (when == "degraded")


async def test_a_part_that_fails_for_good_ends_all(daemon):
    daemon.models.fault = ModelError("model 'people': no such operation")
    daemon.models.ready.clear()
    with pytest.raises(ModelError, match="no such operation"):
        await daemon.run()
    assert said(daemon)[-1] == "store closed"


async def test_a_part_that_ends_by_itself_is_a_bug(daemon):
    daemon.readers.ends = True
    with pytest.raises(StreamerError, match="readers: ended by itself; this is a bug"):
        await daemon.run()


async def test_a_port_in_use_is_said_before_anything_else_starts(daemon):
    daemon.web.fault = StreamerError("web: cannot listen")
    with pytest.raises(StreamerError, match="cannot listen"):
        await daemon.run()
    assert [words for words in said(daemon) if words.endswith("ended")] == []
    assert said(daemon)[-1] == "store closed"


async def test_stopping_has_one_deadline(daemon, caplog):
    daemon.site = replace(daemon.site, stop_seconds=0.3)

    async def never(seconds=None):
        await asyncio.Event().wait()

    daemon.outbox.stop = never
    running = asyncio.create_task(daemon.run())
    await settle()
    begun = time.monotonic()
    daemon.stop()
    await running
    assert time.monotonic() - begun < 2.0
    assert "stopped after stop_seconds=0.3 with parts under way" in caplog.text
    assert said(daemon)[-1] == "store closed"


# --- the heartbeat ---


async def test_the_heart_beats_while_engine_and_models_make_progress(daemon, caplog):
    running = asyncio.create_task(daemon.run())
    beats = daemon.notifier.told

    async def beats_in(seconds):
        before = beats.count("WATCHDOG=1")
        await daemon.clock.advance(seconds)
        return beats.count("WATCHDOG=1") - before

    await settle()
    daemon.engine.progress_at = daemon.models.progress_at = daemon.clock.monotonic()
    assert await beats_in(15) >= 14
    assert await beats_in(20) <= 1
    assert "no progress of engine and models for 15 s" in caplog.text
    daemon.engine.progress_at = daemon.clock.monotonic()
    assert await beats_in(5) == 0
    daemon.models.progress_at = daemon.engine.progress_at = daemon.clock.monotonic()
    assert await beats_in(5) >= 4
    daemon.stop()
    await running


# --- reload ---


def reloads(daemon):
    value = daemon.metrics.value
    return tuple(value("streamer_config_reloads_total", outcome=outcome) for outcome in ("applied", "refused"))


async def test_a_reload_applies_models_sinks_and_cameras(daemon, tmp_path):
    sinks = {"other": {"type": "jsonl", "path": "b.jsonl"}}
    new = load(tmp_path, sinks=sinks, cameras={"east": sites.camera(URLS["east"])})
    daemon.load = lambda: new
    await daemon.reload()
    assert said(daemon) == [
        "RELOADING=1",
        "models: models motion",
        "outbox: sinks other",
        "engine: cameras east",
        "READY=1",
    ]
    assert daemon.site is new
    assert list(daemon.engine.policy._sinks) == ["other"]
    assert reloads(daemon) == (1, 0)


@pytest.mark.parametrize("trouble", ["file", "sink", "model", "bug", "no file"])
async def test_what_is_refused_changes_nothing(daemon, tmp_path, caplog, trouble):
    def refuse():
        raise InputError("site.yaml:1:1 wrong\nsite.yaml:2:1 wrong too")

    words = "site.yaml:1:1 wrong; site.yaml:2:1 wrong too"
    if trouble == "file":
        daemon.load = refuse
    elif trouble == "sink":
        tls = {"home": {"type": "mqtt", "host": "x", "tls": {"ca": "none.pem"}}}
        daemon.load, words = lambda: load(tmp_path, sinks=tls), "none.pem"
    elif trouble == "model":
        daemon.models.fault, words = ModelError("model 'people': damaged"), "model 'people': damaged"
    elif trouble == "bug":
        daemon.load, words = lambda: 1 / 0, "ZeroDivisionError"
    else:
        daemon.load, words = None, "no configuration file"
    before = daemon.site
    await daemon.reload()
    assert daemon.site is before
    assert said(daemon) == ["RELOADING=1", "READY=1"]
    assert reloads(daemon) == (0, 1)
    assert "the running configuration stays" in caplog.text
    assert words in caplog.text


async def test_what_needs_a_restart_is_named_until_there_is_one(daemon, tmp_path, caplog):
    daemon.load = lambda: load(tmp_path, health={"offline_seconds": 99})
    for _ in range(2):
        caplog.clear()
        await daemon.reload()
        assert "reload: health changed; that takes effect at the next start" in caplog.text


# --- assembling ---


def test_what_cannot_be_assembled_gives_the_folder_back(tmp_path, monkeypatch):
    site = load(tmp_path)
    monkeypatch.setattr("streamer.daemon.Models", lambda *a: (_ for _ in ()).throw(ModelError("damaged")))
    with pytest.raises(ModelError, match="damaged"):
        assemble(site)
    with Store(tmp_path / "data"):
        pass


def test_a_sink_that_cannot_be_built_is_said_before_anything_is_written(tmp_path):
    tls = {"home": {"type": "mqtt", "host": "x", "tls": {"ca": "none.pem"}}}
    with pytest.raises(InputError, match=r"none\.pem"):
        assemble(load(tmp_path, sinks=tls))
    assert list(Path(tmp_path).iterdir()) == []
