"""One pipeline on one camera, through every gap: the path that engine, replay, evaluation and tests have in common.

Runs `Pipeline.watch` again and again, gives its events their incidents, ends what is open when frames stop coming, and
takes the readings out of the stream. No I/O; called on an asyncio loop.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import cast

from streamer.camera import Camera
from streamer.errors import StreamerError
from streamer.events import Event, IncidentBook
from streamer.pipeline import Pipeline
from streamer.readings import Reading


def _nowhere(reading: Reading) -> None:
    """Replay and tests: nobody scrapes."""


async def watch(
    camera: Camera, name: str, pipeline: Pipeline, book: IncidentBook, note: Callable[[Reading], None] = _nowhere
) -> AsyncGenerator[Event]:
    """All that one pipeline says about one camera, through every gap, as named incidents.

    The same path live, in replay and in evaluation. Ends when the camera is closed.

    Args:
        camera: gives the frames.
        name: the pipeline's name in the configuration.
        pipeline: with its models bound.
        book: where the incidents are kept; ends what is open when frames stop coming.
        note: told every reading.
    """
    while not camera.closed:
        taken = camera.taken
        try:
            # an `async def` with `yield` makes a generator, whatever iterator its signature promises
            async with aclosing(cast(AsyncGenerator[Event | Reading], pipeline.watch(camera))) as events:
                async for event in events:
                    if isinstance(event, Reading):
                        note(event)
                        continue
                    known = book.enter(_stamped(event, camera, name))
                    if known is not None:
                        yield known
        finally:
            camera.let_go()
        if camera.taken == taken and not camera.closed:
            raise StreamerError(
                f"pipeline {name!r} on camera {camera.name!r}: `watch` returned without reading a frame"
            )
        if camera.current is not None:
            for end in book.end_all(camera.current.time, "gap" if not camera.closed else "end", camera.name, name):
                yield end


def _stamped(event: Event, camera: Camera, pipeline: str) -> Event:
    """The event with what the pipeline need not say: where it happened, and on which frame."""
    frame = camera.current
    return replace(
        event,
        camera=camera.name,
        pipeline=pipeline,
        frame_index=None if frame is None else frame.index,
        session=None if frame is None else frame.session,
        captured_at=None if frame is None else frame.captured_at,
        pts=None if frame is None else frame.pts,
    )
