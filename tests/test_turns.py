"""Turns: as many at a time as there are, the fresh first, and among them who waited longest."""

from __future__ import annotations

import asyncio

import pytest

from streamer.clock import settle
from streamer.turns import FRESH_S, LONGEST_S, Seat, Turns


class Line:
    """Cameras that ask for turns; `order` is who got them."""

    def __init__(self, limit: int):
        self.turns = Turns(lambda: self.limit)
        self.limit = limit
        self.order: list[str] = []
        self.seats: dict[str, Seat] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def ask(self, name: str, age_s: float = 0.0) -> None:
        captured_at = asyncio.get_running_loop().time() - age_s
        seat = self.seats.setdefault(name, Seat(lambda: 0.0))
        seat.captured_at = lambda: captured_at
        self.tasks[name] = asyncio.create_task(self._take(name, seat))

    async def _take(self, name: str, seat: Seat) -> None:
        await self.turns.take(seat)
        self.order.append(name)

    async def give(self, name: str) -> None:
        await settle()  # whoever asked is in the line
        self.turns.give(self.seats[name])
        await settle()


async def test_no_more_at_a_time_than_the_limit() -> None:
    line = Line(2)
    for name in "abcd":
        line.ask(name)
    await settle()
    assert line.order == ["a", "b"]
    await line.give("a")
    assert line.order == ["a", "b", "c"]
    await line.give("c")
    await line.give("b")
    assert line.order == ["a", "b", "c", "d"]


async def test_who_had_no_turn_for_longest_comes_first() -> None:
    line = Line(1)
    for _ in range(3):
        for name in "abc":
            line.ask(name)
            await settle()
        for _ in range(3):
            await line.give(line.order[-1])
    assert line.order == list("abcabcabc")
    line.ask("b")
    await settle()
    line.ask("a")
    line.ask("c")
    await line.give("b")
    assert line.order[-2:] == ["b", "a"]


async def test_a_fresh_frame_comes_before_a_stale_one() -> None:
    line = Line(1)
    line.ask("busy")
    await settle()
    line.ask("stale", age_s=FRESH_S * 2)
    line.ask("fresh")
    await line.give("busy")
    assert line.order == ["busy", "fresh"]
    await line.give("fresh")
    assert line.order == ["busy", "fresh", "stale"]


async def test_freshness_is_that_of_the_frame_that_waits_now() -> None:
    line = Line(1)
    line.ask("busy")
    await settle()
    line.ask("first", age_s=FRESH_S * 2)
    line.ask("second", age_s=FRESH_S * 2)
    await settle()
    now = asyncio.get_running_loop().time()
    line.seats["second"].captured_at = lambda: now  # a newer one replaced it
    await line.give("busy")
    assert line.order == ["busy", "second"]


async def test_giving_twice_gives_once() -> None:
    line = Line(1)
    for name in "abc":
        line.ask(name)
    await settle()
    await line.give("a")
    await line.give("a")
    assert line.order == ["a", "b"]


async def test_who_leaves_while_waiting_takes_no_turn() -> None:
    line = Line(1)
    for name in "abc":
        line.ask(name)
    await settle()
    line.tasks["b"].cancel()
    await settle()
    await line.give("a")
    assert line.order == ["a", "c"]


async def test_a_turn_that_was_given_to_one_who_leaves_goes_on() -> None:
    line = Line(1)
    for name in "abc":
        line.ask(name)
    await settle()
    line.turns.give(line.seats["a"])  # b has it now, and does not know yet
    line.tasks["b"].cancel()
    await settle()
    await line.give("b")  # as `frames` does on its way out
    assert line.order == ["a", "c"]


async def test_a_pipeline_that_sleeps_does_not_stop_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.turns.LONGEST_S", 0.02)
    line = Line(1)
    line.ask("sleeper")
    line.ask("other")
    await settle()
    assert line.order == ["sleeper"]
    await asyncio.wait_for(line.tasks["other"], LONGEST_S * 4)
    await line.give("sleeper")  # late, and of no effect on others
    line.ask("third")
    await settle()
    assert line.order == ["sleeper", "other"]


async def test_a_limit_that_grows_is_used_at_the_next_chance() -> None:
    line = Line(1)
    for name in "abcd":
        line.ask(name)
    await settle()
    line.limit = 3
    await line.give("a")
    assert line.order == ["a", "b", "c", "d"]
