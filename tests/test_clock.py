"""Clocks: the real one is the machine's, the fake one moves only when told to."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.clock import Clock, FakeClock, SystemClock, rfc3339, settle


async def test_the_system_clock_is_the_machines() -> None:
    clock: Clock = SystemClock()
    before, before_epoch = time.monotonic(), time.time()
    at, epoch = clock.monotonic(), clock.time()
    await clock.sleep(0.0)
    assert before <= at <= time.monotonic()
    assert before_epoch <= epoch <= time.time()
    waiting = asyncio.create_task(clock.sleep(3600.0))
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


async def test_the_fake_clock_stands_still() -> None:
    clock = FakeClock(start=5.0, epoch=1000.0)
    await settle()
    assert (clock.monotonic(), clock.time()) == (5.0, 1000.0)
    await clock.advance(2.5)
    assert (clock.monotonic(), clock.time()) == (7.5, 1002.5)
    with pytest.raises(ValueError, match="never goes back"):
        await clock.advance(-1.0)


async def test_sleepers_wake_in_order_at_their_own_time_equal_ones_first_come_first() -> None:
    clock = FakeClock(start=0.0)
    woken: list[tuple[str, float]] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    tasks = [asyncio.create_task(sleep(*s)) for s in (("late", 3.0), ("first", 1.0), ("second", 1.0), ("never", 9.0))]
    await settle()
    assert clock.sleeping == 4
    await clock.advance(3.0)
    assert woken == [("first", 1.0), ("second", 1.0), ("late", 3.0)]
    assert clock.sleeping == 1
    tasks[-1].cancel()
    await settle()
    assert clock.sleeping == 0
    await clock.advance(10.0)
    assert clock.monotonic() == 13.0


async def test_a_loop_wakes_as_often_as_its_period_fits() -> None:
    clock = FakeClock()
    ticks = 0

    async def loop() -> None:
        nonlocal ticks
        while True:
            await clock.sleep(0.5)
            ticks += 1

    task = asyncio.create_task(loop())
    await clock.advance(5.0)
    assert ticks == 10
    task.cancel()


@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_sleeping_no_time_only_yields(seconds: float) -> None:
    clock = FakeClock()
    await asyncio.wait_for(clock.sleep(seconds), 5)
    assert clock.sleeping == 0


@pytest.mark.parametrize(
    ("epoch_s", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_795_464_900.25, "2026-11-23T20:15:00.250Z"),
        (-0.5, "1969-12-31T23:59:59.500Z"),
        (1_709_164_800.0, "2024-02-29T00:00:00.000Z"),
    ],
)
def test_rfc3339(epoch_s: float, text: str) -> None:
    assert rfc3339(epoch_s) == text


@given(st.floats(0.0, 4e9))
def test_rfc3339_reads_back_within_a_millisecond(epoch_s: float) -> None:
    text = rfc3339(epoch_s)
    assert len(text) == 24
    assert abs(datetime.fromisoformat(text).timestamp() - epoch_s) <= 0.00101
    assert datetime.fromisoformat(text).tzinfo == UTC
