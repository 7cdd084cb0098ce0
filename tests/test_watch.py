"""`watch.watch`: one pipeline on one camera through gaps, errors and closing; every frame is given back once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from streamer.camera import Camera, Watching
from streamer.clock import settle
from streamer.errors import StreamerError
from streamer.events import Event, IncidentBook
from streamer.pipeline import Pipeline
from streamer.readings import Reading
from streamer.types import Frame
from streamer.watch import watch
from tests.acting import frame

NO_WAIT = Watching(wait_for_gap=False)


class Back:
    """Notes which frames were given back, and as what."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[int, str]] = []

    def __call__(self, given: Frame, outcome: str) -> None:
        self.outcomes.append((given.index, outcome))


class Faulty(Pipeline):
    """Yields an event a frame, and breaks at the frames it is told to."""

    break_at: int = -1

    async def watch(self, camera: Camera) -> AsyncIterator[Event]:
        async for now in camera.frames():
            if now.index == self.break_at:
                raise RuntimeError("broken")
            yield Event("intrusion", "begin", now.time, key=(now.index,))


class Counting(Pipeline):
    """Measures something with each frame, and tells an event with the last."""

    async def watch(self, camera: Camera) -> AsyncIterator[Event | Reading]:
        async for now in camera.frames():
            yield Reading("occupancy", "yard", now.index)
            if now.index == 1:
                yield Event("crowd", "begin", now.time)


async def test_readings_leave_the_stream_of_events_in_order() -> None:
    camera = Camera("gate", watching=NO_WAIT)
    noted: list[Reading] = []
    seen: list[Event] = []

    async def run() -> None:
        async for event in watch(camera, "p", Counting(), IncidentBook(), noted.append):
            seen.append(event)

    task = asyncio.create_task(run())
    for i in range(2):
        await camera.offer(frame(i * 0.2, i))
    camera.close()
    await task
    assert [reading.value for reading in noted] == [0, 1]
    assert [(event.kind, event.state) for event in seen] == [("crowd", "begin"), ("crowd", "end")]


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
        ("end", 0.2, "gap", None),
        ("begin", 9.0, None, 2),
        ("end", 9.0, "end", None),
    ]
    assert Counter(event.camera for event in found) == {"gate": 4}
    assert len({event.id for event in found}) == 2
