"""Supervision: quick restarts first, slow ones later, never an end, and `degraded` that comes and goes truly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.clock import FakeClock, settle
from streamer.metrics import Metrics
from streamer.supervisor import Budget, Restarts, supervise

RESTARTS = Restarts(limit=3, window_s=60.0, slow_s=50.0, first_s=0.5)


def make(restarts: Restarts = RESTARTS) -> tuple[Budget, FakeClock, Metrics]:
    clock, metrics = FakeClock(), Metrics()
    return Budget("worker", restarts, clock, metrics), clock, metrics


def start(
    loop: Callable[[], Awaitable[None]], budget: Budget, clock: FakeClock, metrics: Metrics | None = None
) -> asyncio.Task[None]:
    return asyncio.create_task(supervise("worker", loop, budget, clock, metrics))


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_pauses_double_and_the_budget_ends_in_slow_retries() -> None:
    budget, _, metrics = make()
    assert [budget.spend() for _ in range(3)] == [0.5, 1.0, 2.0]
    assert not budget.degraded
    assert metrics.value("streamer_degraded", part="worker") == 0
    assert [budget.spend() for _ in range(3)] == [50.0, 50.0, 50.0]
    assert budget.degraded
    assert metrics.value("streamer_degraded", part="worker") == 1


async def test_failures_that_left_the_window_cost_nothing() -> None:
    budget, clock, _ = make()
    for _ in range(10):
        assert budget.spend() == 0.5
        await clock.advance(60.1)
    assert not budget.degraded


async def test_a_degraded_part_stays_slow_although_its_pauses_empty_the_window() -> None:
    budget, clock, _ = make()
    for _ in range(4):
        budget.spend()
    for _ in range(5):
        await clock.advance(50.0)
        assert budget.spend() == 50.0
    assert budget.degraded


async def test_healthy_means_a_whole_window_without_failure() -> None:
    budget, clock, metrics = make()
    for _ in range(4):
        budget.spend()
    await clock.advance(59.9)
    budget.healthy()
    assert budget.degraded
    await clock.advance(0.1)
    budget.healthy()
    assert not budget.degraded
    assert metrics.value("streamer_degraded", part="worker") == 0
    assert budget.spend() == 0.5


@given(
    limit=st.integers(0, 6),
    gaps=st.lists(st.floats(0.0, 200.0), max_size=40),
    window_s=st.floats(1.0, 100.0),
    slow_s=st.floats(1.0, 100.0),
)
def test_never_more_quick_restarts_in_a_window_than_the_limit(
    limit: int, gaps: list[float], window_s: float, slow_s: float
) -> None:
    async def check() -> None:
        budget, clock, _ = make(Restarts(limit, window_s, slow_s, first_s=0.1))
        quick: list[float] = []
        for gap in gaps:
            await clock.advance(gap)
            pause = budget.spend()
            assert 0 < pause <= slow_s
            if not budget.degraded:
                quick.append(clock.monotonic())
                assert len([at for at in quick if quick[-1] - at < window_s]) <= limit

    asyncio.run(check())


async def test_a_loop_that_returns_is_done() -> None:
    budget, clock, _ = make()
    ran = []

    async def loop() -> None:
        ran.append(1)

    await supervise("worker", loop, budget, clock)
    assert ran == [1]


async def test_a_failing_loop_runs_again_after_its_pause_and_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    budget, clock, metrics = make()
    runs: list[float] = []

    async def loop() -> None:
        runs.append(clock.monotonic() - 1000)
        raise RuntimeError("broken")

    task = start(loop, budget, clock, metrics)
    await clock.advance(3.5)
    assert runs == [0.0, 0.5, 1.5, 3.5]
    assert metrics.value("streamer_loop_restarts_total", loop="worker") == 4
    assert "worker: failed; again in 0.5 s" in caplog.text
    assert "RuntimeError: broken" in caplog.text
    assert "worker: degraded: over 3 restarts in 60 s; retrying every 50 s" in caplog.text
    await clock.advance(100.0)
    assert runs[4:] == [53.5, 103.5]
    await stop(task)


async def test_a_degraded_loop_that_then_works_is_called_healthy_while_it_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    budget, clock, metrics = make()
    broken = True

    async def loop() -> None:
        if broken:
            raise RuntimeError("broken")
        await asyncio.Event().wait()

    task = start(loop, budget, clock, metrics)
    await clock.advance(3.5)
    assert budget.degraded
    broken = False
    await clock.advance(50.0 + 59.0)
    assert budget.degraded
    await clock.advance(1.0)
    assert not budget.degraded
    assert metrics.value("streamer_degraded", part="worker") == 0
    assert "worker: recovered" in caplog.text
    await stop(task)
    assert clock.sleeping == 0


async def test_stopping_ends_supervision_at_once_while_running_and_while_pausing() -> None:
    budget, clock, metrics = make()

    async def loop() -> None:
        await asyncio.Event().wait()

    task = start(loop, budget, clock, metrics)
    await settle()
    await stop(task)

    async def broken() -> None:
        raise RuntimeError("broken")

    task = start(broken, budget, clock, metrics)
    await settle()
    await stop(task)
    assert metrics.value("streamer_loop_restarts_total", loop="worker") == 1


async def test_a_cancelled_future_inside_the_loop_is_a_failure_not_a_stop() -> None:
    budget, clock, metrics = make()
    runs = 0

    async def loop() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            child = asyncio.create_task(asyncio.Event().wait())
            await asyncio.sleep(0)
            child.cancel()
            await child
        await asyncio.Event().wait()

    task = start(loop, budget, clock, metrics)
    await clock.advance(0.5)
    assert runs == 2
    assert metrics.value("streamer_loop_restarts_total", loop="worker") == 1
    await stop(task)


async def test_what_is_meant_to_end_the_process_passes() -> None:
    budget, clock, _ = make()

    async def loop() -> None:
        raise GeneratorExit

    with pytest.raises(GeneratorExit):
        await supervise("worker", loop, budget, clock)
