"""The mailbox of a camera: latest wins, lossless offers, gaps, closing, and every frame given back exactly once."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.camera import Camera, Watching
from streamer.clock import settle
from streamer.turns import Turns
from streamer.types import Frame
from tests.acting import frame

NO_WAIT = Watching(wait_for_gap=False)


class Back:
    """Notes which frames were given back, and as what."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[int, str]] = []

    def __call__(self, given: Frame, outcome: str) -> None:
        self.outcomes.append((given.index, outcome))

    def once(self, *indices: int) -> bool:
        """Whether exactly these came back, each once."""
        return sorted(i for i, _ in self.outcomes) == sorted(indices)


async def collect(camera: Camera) -> list[int]:
    return [f.index async for f in camera.frames()]


async def test_latest_wins_and_the_dropped_one_is_counted() -> None:
    back = Back()
    camera = Camera("gate", done=back)
    for i in range(3):
        camera.put(frame(i / 5, i))
    camera.close()
    assert await collect(camera) == [2]
    assert back.outcomes == [(0, "superseded"), (1, "superseded"), (2, "ok")]
    assert camera.taken == 1
    assert camera.closed


async def test_a_frame_is_given_back_only_when_the_next_is_asked_for() -> None:
    back = Back()
    camera = Camera("gate", done=back)
    frames = camera.frames()
    camera.put(frame(0.0, 0))
    assert (await anext(frames)).index == 0
    assert camera.current is not None
    assert back.outcomes == []
    camera.put(frame(0.2, 1))
    camera.put(frame(0.4, 2))
    assert back.outcomes == [(1, "superseded")]
    assert (await anext(frames)).index == 2
    assert back.outcomes == [(1, "superseded"), (0, "ok")]
    await frames.aclose()  # type: ignore[attr-defined]
    assert back.outcomes[-1] == (2, "failed")


async def test_frames_wait_for_the_first_as_long_as_it_takes() -> None:
    camera = Camera("gate", watching=Watching(gap_tolerance_s=0.01))
    task = asyncio.create_task(anext(camera.frames()))  # type: ignore[arg-type]
    await asyncio.sleep(0.05)
    assert not task.done()
    camera.put(frame(7.0, 3))
    assert (await task).index == 3


async def test_silence_beyond_the_tolerance_ends_frames_when_live() -> None:
    camera = Camera("gate", watching=Watching(gap_tolerance_s=0.01))
    camera.put(frame(0.0))
    assert await asyncio.wait_for(collect(camera), 5) == [0]
    assert not camera.closed


async def test_a_gap_in_capture_time_ends_frames_and_the_next_begin_with_what_came_after_it() -> None:
    back = Back()
    camera = Camera("gate", watching=NO_WAIT, done=back)
    task = asyncio.create_task(collect(camera))
    for i, t in enumerate([0.0, 0.2, 5.2]):
        await settle()
        camera.put(frame(t, i))
    await settle()
    assert not task.done()  # 5.0 s is within the tolerance
    camera.put(frame(10.3, 3))
    assert await task == [0, 1, 2]
    assert back.once(0, 1, 2)
    camera.close()
    assert not camera.closed
    assert await collect(camera) == [3]
    assert back.once(0, 1, 2, 3)


@pytest.mark.parametrize("second", [0.0, -3.0])
async def test_time_that_goes_back_ends_frames(second: float) -> None:
    camera = Camera("gate", watching=NO_WAIT)
    task = asyncio.create_task(collect(camera))
    await settle()
    camera.put(frame(0.0, 0))
    await settle()
    camera.put(frame(second, 1))
    assert await task == [0]
    camera.close()
    assert await collect(camera) == [1]


async def test_close_ends_after_the_last_frame_and_refuses_more() -> None:
    back = Back()
    camera = Camera("gate", done=back)
    camera.put(frame(0.0, 0))
    camera.close()
    assert not camera.closed
    camera.put(frame(0.2, 1))
    assert await collect(camera) == [0]
    assert camera.closed
    assert back.once(0, 1)
    await asyncio.wait_for(camera.offer(frame(0.4, 2)), 1)
    assert back.once(0, 1, 2)


async def test_clear_gives_back_what_waits_and_frames_go_on_waiting() -> None:
    back = Back()
    camera = Camera("gate", watching=NO_WAIT, done=back)
    camera.clear()
    task = asyncio.create_task(collect(camera))
    await settle()
    camera.put(frame(0.0, 0))
    camera.clear()  # before the loop could take it
    assert back.outcomes == [(0, "superseded")]
    await settle()
    assert not task.done()
    camera.put(frame(0.2, 1))
    await settle()
    camera.close()
    assert await task == [1]
    assert back.once(0, 1)


async def test_offer_waits_until_the_pipeline_has_finished() -> None:
    camera = Camera("gate", watching=NO_WAIT)
    frames = camera.frames()
    offer = asyncio.create_task(camera.offer(frame(0.0, 0)))
    await anext(frames)
    await settle()
    assert not offer.done()
    task = asyncio.create_task(anext(frames))  # type: ignore[arg-type]
    await settle()
    assert offer.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@given(st.lists(st.floats(0.01, 12.0), max_size=20))
def test_offers_lose_nothing_whatever_the_gaps(steps: list[float]) -> None:
    async def play() -> tuple[list[list[int]], Back]:
        back = Back()
        camera = Camera("gate", watching=NO_WAIT, done=back)
        runs: list[list[int]] = []

        async def consume() -> None:
            while not camera.closed:
                runs.append(await collect(camera))

        task = asyncio.create_task(consume())
        t = 0.0
        for i, step_s in enumerate(steps):
            t += step_s
            await camera.offer(frame(t, i))
        camera.close()
        await task
        return runs, back

    runs, back = asyncio.run(play())
    assert [i for run in runs for i in run] == list(range(len(steps)))
    assert back.once(*range(len(steps)))
    assert {outcome for _, outcome in back.outcomes} <= {"ok"}
    breaks = sum(step_s > 5.0 for step_s in steps[1:])
    assert len([run for run in runs if run]) == (breaks + 1 if steps else 0)


async def test_a_frame_that_waits_for_its_turn_is_replaced_by_a_newer_one() -> None:
    turns = Turns(lambda: 1)
    first, second = Camera("a", turns=turns), Camera("b", turns=turns)
    frames = [aiter(first.frames()), aiter(second.frames())]
    first.put(frame(0.0))
    assert (await anext(frames[0])).time == 0.0  # has the only turn
    second.put(frame(0.0))
    waiting = asyncio.create_task(anext(frames[1]))
    await settle()
    second.put(frame(0.2))
    await settle()
    assert not waiting.done()
    after = asyncio.create_task(anext(frames[0]))  # asks for the next: the turn is over
    assert (await waiting).time == 0.2
    after.cancel()


async def test_a_turn_comes_back_however_a_pipeline_ends() -> None:
    turns = Turns(lambda: 1)
    first, second = Camera("a", turns=turns), Camera("b", turns=turns)
    first.put(frame(0.0))
    second.put(frame(0.0))
    left = aiter(first.frames())
    await anext(left)
    waiting = asyncio.create_task(anext(aiter(second.frames())))
    await settle()
    assert not waiting.done()
    first.let_go()
    assert (await waiting).time == 0.0


async def test_frames_that_were_left_give_back_nothing_of_the_next_ones() -> None:
    turns = Turns(lambda: 1)
    camera, other = Camera("a", turns=turns), Camera("b", turns=turns)
    camera.put(frame(0.0))
    old = camera.frames()
    await anext(old)
    camera.put(frame(0.2))
    new = camera.frames()
    assert (await anext(new)).time == 0.2
    other.put(frame(0.0))
    waiting = asyncio.create_task(anext(aiter(other.frames())))
    await old.aclose()
    await settle()
    assert not waiting.done()
    await new.aclose()
    assert (await waiting).time == 0.0
