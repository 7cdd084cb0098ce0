"""The mailbox of a camera: latest wins, lossless offers, gaps, closing, and every frame given back exactly once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.camera import Camera, Watching
from streamer.clock import settle
from streamer.engine import watch
from streamer.errors import StreamerError
from streamer.events import Event, IncidentBook
from streamer.pipeline import Pipeline
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


class Faulty(Pipeline):
    """Yields an event a frame, and breaks at the frames it is told to."""

    break_at: int = -1

    async def watch(self, camera: Camera) -> AsyncIterator[Event]:
        async for now in camera.frames():
            if now.index == self.break_at:
                raise RuntimeError("broken")
            yield Event("intrusion", "begin", now.time, key=(now.index,))


async def test_a_frame_is_given_back_once_when_the_pipeline_raises() -> None:
    back = Back()
    camera = Camera("gate", watching=NO_WAIT, done=back)
    kept: list[BaseException] = []  # as a log handler may: holds the traceback, and with it the dead generators

    async def run() -> None:
        try:
            async with aclosing(watch(camera, "p", Faulty(break_at=1), IncidentBook())) as events:
                async for _ in events:
                    pass
        except RuntimeError as error:
            kept.append(error)

    task = asyncio.create_task(run())
    for i in range(2):
        await settle()
        camera.put(frame(i / 5, i))
    await task
    assert back.outcomes == [(0, "ok"), (1, "failed")]
    # the next run must not lose its frame to the late end of the first
    events = watch(camera, "p", Faulty(), IncidentBook())
    camera.put(frame(0.4, 2))
    await anext(events)
    kept.clear()
    await settle()
    assert back.outcomes == [(0, "ok"), (1, "failed")]
    camera.close()
    assert [event async for event in events][-1].state == "end"
    assert back.outcomes == [(0, "ok"), (1, "failed"), (2, "ok")]


async def test_a_frame_is_given_back_once_when_watch_is_closed_in_the_middle() -> None:
    back = Back()
    camera = Camera("gate", watching=NO_WAIT, done=back)
    events = watch(camera, "p", Faulty(), IncidentBook())
    camera.put(frame(0.0, 0))
    assert (await anext(events)).state == "begin"
    await events.aclose()  # type: ignore[attr-defined]
    assert back.outcomes == [(0, "failed")]
    await settle()
    assert back.outcomes == [(0, "failed")]


async def test_a_frame_is_given_back_once_when_watch_is_cancelled_while_a_model_is_asked() -> None:
    back = Back()
    camera = Camera("gate", watching=NO_WAIT, done=back)

    class Asks(Pipeline):
        async def watch(self, camera: Camera) -> AsyncIterator[Event]:
            async for now in camera.frames():
                await asyncio.Event().wait()
                yield Event("intrusion", "begin", now.time)

    async def run() -> None:
        async with aclosing(watch(camera, "p", Asks(), IncidentBook())) as events:
            async for _ in events:
                pass

    task = asyncio.create_task(run())
    await settle()
    camera.put(frame(0.0, 0))
    await settle()
    camera.put(frame(0.2, 1))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    camera.clear()
    await settle()
    assert sorted(back.outcomes) == [(0, "failed"), (1, "superseded")]


async def test_a_pipeline_that_never_reads_is_an_error_not_a_busy_loop() -> None:
    class Idle(Pipeline):
        async def watch(self, camera: Camera) -> AsyncIterator[Event]:
            return
            yield

    with pytest.raises(StreamerError, match="'idle' on camera 'gate': `watch` returned without reading a frame"):
        await anext(watch(Camera("gate"), "idle", Idle(), IncidentBook()))


async def test_incidents_end_at_a_gap_and_at_the_end_with_the_reason() -> None:
    class Open(Pipeline):
        async def watch(self, camera: Camera) -> AsyncIterator[Event]:
            async for now in camera.frames():
                yield Event("intrusion", "begin", now.time, key=("yard",))

    camera = Camera("gate", watching=NO_WAIT)
    found: list[Event] = []

    async def run() -> None:
        async for event in watch(camera, "p", Open(), IncidentBook()):
            found.append(event)

    task = asyncio.create_task(run())
    for i, t in enumerate([0.0, 0.2, 9.0]):
        await camera.offer(frame(t, i))
    camera.close()
    await task
    said = [(event.state, event.time, event.detail.get("reason"), event.frame_index) for event in found]
    assert said == [
        ("begin", 0.0, None, 0),
        ("end", 0.2, "gap", 0),
        ("begin", 9.0, None, 2),
        ("end", 9.0, "end", 2),
    ]
    assert Counter(event.camera for event in found) == {"gate": 4}
    assert len({event.id for event in found}) == 2
