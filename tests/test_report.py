"""Tests of streamer.report: every state that the page may show, from parts that only say what they are told."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import replace
from types import SimpleNamespace

import pytest

from streamer.clock import FakeClock, settle
from streamer.errors import CAUSES
from streamer.ingest.health import Health
from streamer.ledger import Letter
from streamer.metrics import Metrics
from streamer.pace import Paces
from streamer.report import Reporter
from streamer.store import why_path
from tests.alerting import alert, event

LIVE = Health("gate", 3, "live", at=990.0, width=1280, height=720, fps=15.0, codec="h264")


class Outbox:
    """Says which letters there are."""

    names = ("ops", "log")

    def __init__(self):
        self.letters: list[Letter] = []
        self.waiting: dict[str, Letter] = {}

    async def recent(self, limit):
        return self.letters[:limit]

    async def heads(self):
        return self.waiting


@pytest.fixture
def parts():
    clock, metrics = FakeClock(), Metrics()
    health = {"gate": LIVE}
    vigil = SimpleNamespace(overloaded=False, health=health.get, heard=health)
    plan = SimpleNamespace(spec=SimpleNamespace(analyze_fps=5.0))
    engine = SimpleNamespace(
        plans={"gate": plan}, paces=Paces(clock), progress_at=clock.monotonic(), parts=SimpleNamespace(vigil=vigil)
    )
    ready = asyncio.Event()
    ready.set()
    models = SimpleNamespace(
        ready=ready, pid=None, progress_at=clock.monotonic(), plans={"motion": {"runtime": "opencv", "precision": ""}}
    )
    readers = SimpleNamespace(pids=list)
    return SimpleNamespace(
        clock=clock, metrics=metrics, vigil=vigil, engine=engine, models=models, readers=readers, outbox=Outbox()
    )


@pytest.fixture
def reporter(parts):
    return Reporter(parts.engine, parts.readers, parts.models, parts.outbox, parts.metrics, parts.clock)


def camera(reporter):
    (found,) = reporter.status().cameras
    return found


async def look(reporter):
    """Let `run` look once."""
    running = asyncio.create_task(reporter.run())
    await settle()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


# --- cameras ---


async def test_a_camera_that_is_analyzed(reporter, parts):
    parts.engine.paces.note("gate", 999.9)
    found = camera(reporter)
    assert (found.name, found.state, found.cause, found.words, found.session) == ("gate", "live", None, "", 3)
    assert found.source == "1280x720 h264 15 fps"
    assert found.last_frame_age_s == pytest.approx(0.1)
    assert found.latency_p50_s == pytest.approx(0.1)
    assert found.since == parts.clock.time() - 10.0
    assert found.offered_fps == 5.0
    assert found.retry_in_s is None
    assert reporter.status().readiness.ready


async def test_a_camera_of_which_nothing_was_heard(reporter, parts):
    parts.vigil.heard.clear()
    found = camera(reporter)
    assert (found.state, found.cause, found.session, found.source) == ("connecting", None, None, "")
    assert reporter.status().readiness.reasons == ("camera 'gate': connecting, no frame analysed yet",)


async def test_cameras_are_there_before_the_models_are_loaded(reporter, parts):
    parts.engine.plans.clear()
    parts.models.ready.clear()
    reporter.upcoming = {"yard": 2.0, "dock": 5.0}
    status = reporter.status()
    assert [(c.name, c.state, c.offered_fps) for c in status.cameras] == [
        ("dock", "connecting", 5.0),
        ("yard", "connecting", 2.0),
    ]
    assert not status.readiness.ready
    assert {part.name: part.detail for part in status.parts}["inference"] == "starting"


async def test_a_lost_camera_says_why_and_when_it_is_tried_again(reporter, parts):
    parts.vigil.heard["gate"] = Health(
        "gate", 3, "lost", "unauthorized", "DESCRIBE: 401", at=940.0, retry_at=1024.0, width=0
    )
    found = camera(reporter)
    assert (found.state, found.cause) == ("lost", "unauthorized")
    assert found.words == f"{CAUSES['unauthorized']}: DESCRIBE: 401"
    assert found.retry_in_s == pytest.approx(24.0)
    assert found.since == parts.clock.time() - 60.0
    assert found.source == ""
    await parts.clock.advance(60)
    assert camera(reporter).retry_in_s == 0.0
    assert reporter.status().readiness.ready, "its failure is named"


async def test_frozen_comes_before_overloaded(reporter, parts):
    parts.vigil.overloaded = True
    assert camera(reporter).state == "overloaded"
    assert reporter.status().overloaded
    parts.vigil.heard["gate"] = replace(LIVE, picture="frozen", cause="frozen")
    assert camera(reporter).state == "frozen"
    parts.vigil.heard["gate"] = replace(LIVE, state="connecting", picture="frozen")
    assert camera(reporter).state == "connecting"


async def test_without_a_worker_nothing_is_analyzed(reporter, parts):
    """Frames pass by with `unknown` answers; a worker that is replaced in time is no news."""
    parts.models.ready.clear()
    parts.engine.paces.note("gate", parts.clock.monotonic())
    assert camera(reporter).last_frame_age_s is not None
    await parts.clock.advance(10.5)
    parts.engine.paces.note("gate", parts.clock.monotonic())
    assert camera(reporter).last_frame_age_s is None
    assert not reporter.status().readiness.ready
    parts.models.ready.set()
    assert camera(reporter).last_frame_age_s is not None
    assert reporter.status().readiness.ready


# --- parts ---


async def test_parts_are_ok_degraded_or_stuck(reporter, parts):
    assert [(p.name, p.state, p.detail) for p in reporter.status().parts] == [
        ("engine", "ok", ""),
        ("inference", "ok", "motion: opencv"),
    ]
    parts.metrics.degraded_parts |= {"sink ops", "inference"}
    degraded = {p.name: p.state for p in reporter.status().parts}
    assert degraded == {"engine": "ok", "inference": "degraded", "sink ops": "degraded"}
    parts.metrics.degraded_parts.clear()
    await parts.clock.advance(16)
    parts.models.progress_at = parts.clock.monotonic()
    stuck = reporter.status().parts[0]
    assert (stuck.name, stuck.state, stuck.detail) == ("engine", "stuck", "no progress for 16 s")


# --- sinks ---


def letter(sink="ops", status="pending", attempts=0, error=None, seq=1, **more):
    return Letter(seq, sink, alert(**more), True, status, attempts, 2e9, 1.8e9, error)


def sinks(reporter):
    return {sink.name: sink for sink in reporter.status().sinks}


async def test_a_sink_that_works(reporter, parts):
    parts.outbox.letters = [letter(status="delivered", attempts=2, error="it was down")]
    parts.metrics.alerts.labels("ops", "delivered").inc(7)
    await look(reporter)
    assert (sinks(reporter)["ops"].last_error, sinks(reporter)["ops"].delivered) == (None, 7)


async def test_a_sink_that_is_down_says_why_however_many_wait(reporter, parts):
    head = letter(attempts=4, error="connection refused", seq=1)
    parts.outbox.waiting = {"ops": head}
    parts.outbox.letters = [letter(seq=n) for n in range(400, 200, -1)]  # the head is far from the latest ones
    parts.metrics.outbox_depth.labels("ops").set(400)
    parts.metrics.outbox_oldest_seconds.labels("ops").set(3600)
    await look(reporter)
    found = sinks(reporter)
    assert (found["ops"].last_error, found["ops"].depth, found["ops"].oldest_s) == ("connection refused", 400, 3600)
    assert (found["log"].last_error, found["log"].depth, found["log"].oldest_s) == (None, 0, None)


async def test_what_waits_for_its_first_attempt_is_no_trouble(reporter, parts):
    parts.outbox.waiting = {"ops": letter()}
    parts.outbox.letters = [letter(), letter(status="delivered", attempts=1)]
    await look(reporter)
    assert sinks(reporter)["ops"].last_error is None


async def test_what_was_rejected_last_is_said(reporter, parts):
    parts.outbox.letters = [letter(status="rejected", attempts=1, error="answered 410"), letter(status="delivered")]
    parts.metrics.dead_letters.labels("ops").set(1)
    await look(reporter)
    assert (sinks(reporter)["ops"].last_error, sinks(reporter)["ops"].dead) == ("answered 410", 1)


# --- alerts ---


async def test_events_are_listed_with_what_became_of_them(reporter, parts, tmp_path):
    picture = tmp_path / "a.jpg"
    begun, over = event(), event(state="end", time=1_800_000_009.0)
    update = event(state="update", time=1_800_000_004.0)
    told = replace(alert(), snapshot=picture)
    parts.outbox.letters = [
        replace(letter("log", "delivered"), alert=alert(state="update", time=1_800_000_004.0)),
        replace(letter("ops", "rejected"), alert=told),
        replace(letter("log", "delivered"), alert=told),
    ]
    for each in (begun, update, over):
        reporter.events.append(each)
    await look(reporter)
    rows = reporter.status().alerts
    assert [row.id.split(":")[1] for row in rows] == ["end", "update", "begin"]
    assert [dict(row.sinks) for row in rows] == [{}, {"log": "delivered"}, {"ops": "failed", "log": "delivered"}]
    assert rows[2].snapshot == rows[2].id
    assert rows[0].snapshot is None
    assert rows[2].sentence.startswith("intrusion at gate")
    assert reporter.snapshot(rows[2].id) == picture
    assert reporter.snapshot("../../etc/passwd") is None


async def test_a_clip_is_listed_once_it_is_there(reporter, parts, tmp_path):
    film = tmp_path / "a.mp4"
    reporter.events.append(event())
    parts.outbox.letters = [replace(letter("log", "delivered"), alert=replace(alert(), clip=film))]
    await look(reporter)
    (row,) = reporter.status().alerts
    assert row.clip is None
    assert reporter.clip(row.id) is None
    parts.outbox.letters = [replace(letter("log", "delivered"), alert=replace(alert(), clip=film, clip_ready=True))]
    await look(reporter)
    (row,) = reporter.status().alerts
    assert row.clip == row.id
    assert reporter.clip(row.id) == film
    assert reporter.clip("../../etc/passwd") is None


async def test_a_picture_that_explains_is_listed_once_it_is_there(reporter, parts, tmp_path):
    film = tmp_path / "a.mp4"
    reporter.events.append(event())
    parts.outbox.letters = [replace(letter("log", "delivered"), alert=replace(alert(), clip=film, clip_ready=True))]
    await look(reporter)
    (row,) = reporter.status().alerts
    assert (row.why, reporter.why(row.id), reporter.why("unknown")) == (None, None, None)
    why_path(film).write_bytes(b"x")
    (row,) = reporter.status().alerts
    assert row.why == row.id
    assert reporter.why(row.id) == why_path(film)


async def test_a_hundred_events_are_kept(reporter):
    for number in range(250):
        reporter.events.append(event(incident=f"i-{number}"))
    rows = reporter.status().alerts
    assert len(rows) == 100
    assert rows[0].id == "i-249:begin"


# --- usage ---


async def test_processes_are_measured_by_role(reporter, parts):
    parts.readers.pids = lambda: [os.getpid(), 2**22 + 1]  # the second one has just gone
    await look(reporter)
    assert parts.metrics.value("streamer_process_memory_bytes", role="engine") > 1e6
    assert parts.metrics.value("streamer_process_memory_bytes", role="reader") > 1e6
    assert parts.metrics.value("streamer_process_memory_bytes", role="worker") == 0
    before = parts.metrics.value("streamer_process_cpu_seconds_total", stage="engine")
    assert before > 0
    await look(reporter)
    after = parts.metrics.value("streamer_process_cpu_seconds_total", stage="engine")
    assert before <= after < before * 1.5 + 1.0, "what was counted is not counted again"
