"""Tests of streamer.pace."""

import pytest

from streamer.clock import FakeClock
from streamer.pace import Paces


@pytest.fixture
def clock():
    return FakeClock(start=1000.0)


async def feed(paces, clock, latencies, period_s=0.2):
    for latency in latencies:
        await clock.advance(period_s)
        paces.note("gate", clock.monotonic() - latency)


def test_nothing_is_known_before_the_first_frame(clock):
    paces = Paces(clock)
    assert paces.of("gate") is None
    assert "gate" not in paces


async def test_rate_and_latency(clock):
    paces = Paces(clock)
    await feed(paces, clock, [0.010] * 90 + [0.100] * 10)
    pace = paces.of("gate")
    assert pace.fps == pytest.approx(5.0)
    assert pace.p50_s == pytest.approx(0.010)
    assert pace.p95_s == pytest.approx(0.100)
    assert pace.last_captured_at == pytest.approx(clock.monotonic() - 0.100)


async def test_only_the_last_minute_counts(clock):
    paces = Paces(clock)
    await feed(paces, clock, [1.0] * 50)
    await feed(paces, clock, [0.01] * 301)
    assert paces.of("gate").p95_s == pytest.approx(0.01)


async def test_a_camera_that_stopped_has_no_rate(clock):
    paces = Paces(clock)
    await feed(paces, clock, [0.01] * 10)
    await clock.advance(61.0)
    assert paces.of("gate").fps == 0.0


async def test_memory_is_bounded(clock):
    paces = Paces(clock)
    await feed(paces, clock, [0.01] * 3000, period_s=0.001)
    assert len(paces._notes["gate"]) == 1024


def test_note_returns_the_latency_and_forget_forgets(clock):
    paces = Paces(clock)
    assert paces.note("gate", 999.5) == pytest.approx(0.5)
    paces.forget("gate")
    assert paces.of("gate") is None
