"""Waiting for news with one timer for many waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from streamer.bell import Bell


@pytest.fixture
async def now(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the loop's clock on."""
    loop, ahead = asyncio.get_running_loop(), [0.0]
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + ahead[0])

    def move(seconds: float) -> None:
        ahead[0] += seconds

    return move


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_ring_is_heard_by_who_waits_and_by_nobody_later() -> None:
    bell = Bell()
    bell.ring()
    waiting = asyncio.create_task(bell.heard(60.0))
    await settle()
    assert not waiting.done()
    bell.ring()
    bell.ring()
    assert await waiting


async def test_silence_ends_a_wait(now: Callable[[float], None]) -> None:
    waiting = asyncio.create_task(Bell().heard(60.0))
    await settle()
    now(59.0)
    await settle()
    assert not waiting.done()
    now(1.1)
    assert not await waiting


async def test_each_wait_has_the_whole_limit_and_all_share_a_timer(now: Callable[[float], None]) -> None:
    bell = Bell()
    timers = set()
    for step_s in (1.0, 1.0, 1.0, 50.0, 50.0):  # the timer of the first wait fires during the last one
        waiting = asyncio.create_task(bell.heard(60.0))
        await settle()
        now(step_s)
        await settle()
        assert not waiting.done()
        timers.add(bell._timer)
        bell.ring()
        assert await waiting
    assert len(timers) == 2
    waiting = asyncio.create_task(bell.heard(60.0))
    await settle()
    now(60.1)
    assert not await waiting


async def test_a_shorter_limit_than_the_last_is_kept(now: Callable[[float], None]) -> None:
    bell = Bell()
    waiting = asyncio.create_task(bell.heard(1000.0))
    await settle()
    bell.ring()
    assert await waiting
    waiting = asyncio.create_task(bell.heard(10.0))
    await settle()
    now(10.1)
    assert not await waiting


async def test_without_a_limit_nothing_but_a_ring_ends_it(now: Callable[[float], None]) -> None:
    bell = Bell()
    waiting = asyncio.create_task(bell.heard(5.0))
    await settle()
    bell.ring()
    assert await waiting
    waiting = asyncio.create_task(bell.heard())
    await settle()
    now(1e6)
    await settle()
    assert not waiting.done()
    bell.ring()
    assert await waiting


async def test_who_stops_waiting_leaves_the_bell_to_the_next() -> None:
    bell = Bell()
    waiting = asyncio.create_task(bell.heard(60.0))
    await settle()
    waiting.cancel()
    await settle()
    waiting = asyncio.create_task(bell.heard(60.0))
    await settle()
    bell.ring()
    assert await waiting
