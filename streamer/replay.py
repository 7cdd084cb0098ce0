"""Replay: the pipelines of a site over recorded files, as fast as the machine allows, the same every time.

The path of the engine without what only live has: the same `watch`, the same incident book and alert policy, but a
lossless mailbox, no deadlines, no outbox and no sinks. All videos advance in ticks: the frames of one tick are asked of
the models together, and nothing of the next begins before all are done, so batches, and with them every last bit of
every score, repeat. Used by `streamer replay`, by evaluation, and by tests.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamer.alerts import AlertPolicy, Suppressed
from streamer.camera import Camera, Watching
from streamer.events import Event, IncidentBook
from streamer.inference.local import LocalModels
from streamer.pipeline import Pipeline
from streamer.places import Places
from streamer.readings import Reading
from streamer.signals.board import Board
from streamer.signals.recording import Recording as Feeds
from streamer.sources.file import FileSource
from streamer.types import Frame
from streamer.watch import watch


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A video file that stands for a camera."""

    camera: str
    video: Path
    analyze_fps: float
    size: tuple[int, int]
    """The analysis box (width, height) in pixels that frames are scaled into."""
    places: Places
    pipelines: Mapping[str, Pipeline]


@dataclass(frozen=True, slots=True)
class Counted:
    """A reading that counted something."""

    camera: str
    time: float
    """Capture time of the frame that counted, seconds."""
    reading: Reading


@dataclass(slots=True)
class Report:
    """What a replay found."""

    events: list[Event] = field(default_factory=list)
    """Ordered by time, camera, pipeline and ordinal."""
    alerts: list[Event] = field(default_factory=list)
    """The begins that would have been told to somebody."""
    suppressed: Counter[str] = field(default_factory=Counter)
    """Incidents that nobody would have been told of, by reason."""
    frames: Counter[str] = field(default_factory=Counter)
    """Analysed frames by camera."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Length of what was watched, by camera, in seconds."""
    counted: list[Counted] = field(default_factory=list)
    """All readings that count, as they came; levels are for dashboards only."""

    def lines(self) -> Iterator[str]:
        """The events file, line by line."""
        for event in self.events:
            yield json.dumps(event.row(live=False), ensure_ascii=False)

    def summary(self) -> str:
        """What would have alerted, for people."""
        lines = []
        for camera, frames in sorted(self.frames.items()):
            told = Counter(event.kind for event in self.alerts if event.camera == camera)
            alerts = ", ".join(f"{count} {kind}" for kind, count in sorted(told.items())) or "none"
            lines.append(f"{camera}: {frames} frames of {self.seconds[camera]:.1f} s; alerts: {alerts}")
        hidden = ", ".join(f"{count} by {reason}" for reason, count in sorted(self.suppressed.items()))
        return "\n".join(lines + ([f"incidents that nobody would be told of: {hidden}"] if hidden else []))


class Signals:
    """What replay knows of traffic signals: lamps in the picture, and what was recorded of feeds."""

    def __init__(self, board: Board | None = None, feeds: Feeds | None = None):
        self._board = board or Board()
        self._feeds = feeds

    def see(self, frame: Frame) -> Frame:
        """The frame with the states of its signals; feeds are heard up to its time."""
        if self._feeds is not None:
            self._feeds.advance(frame.time)
        return self._board.see(frame)


Progress = Callable[[float], None]
"""Called with the seconds of video done so far, over all recordings."""


async def replay(
    recordings: Sequence[Recording],
    models: LocalModels,
    policy: AlertPolicy,
    progress: Progress | None = None,
    signals: Signals | None = None,
) -> Report:
    """Watch recordings and collect what happens.

    Args:
        recordings: at most one a camera.
        models: loaded, in this process.
        policy: decides what would have alerted; its cool-downs run on the videos' time.
        progress: told after every tick.
        signals: what is known of traffic signals; None: nothing.

    Raises:
        SourceError: a file cannot be opened or read.
    """
    report, book = Report(), IncidentBook()
    order: list[tuple[float, str, str, int, Event]] = []
    reels: list[_Reel] = []
    tasks: list[asyncio.Task[None]] = []

    async def listen(camera: Camera, name: str, pipeline: Pipeline) -> None:
        def note(reading: Reading) -> None:
            if reading.mode == "count" and camera.current is not None:
                report.counted.append(Counted(camera.name, camera.current.time, reading))

        async with aclosing(watch(camera, name, pipeline, book, note)) as events:
            async for event in events:
                order.append((event.time, event.camera, event.pipeline, len(order), event))

    try:
        for recording in recordings:
            reels.append(_Reel(recording))
        tasks += [asyncio.create_task(listen(*watcher)) for reel in reels for watcher in reel.watchers(models)]
        await _roll(reels, tasks, report, signals or Signals(), progress)
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for reel in reels:
            reel.close()
    # the ordinal repeats only within one camera and pipeline: across them it depends on who was asked first
    report.events = [entry[-1] for entry in sorted(order, key=lambda entry: entry[:4])]
    _judge(report, policy)
    return report


async def _roll(
    reels: Sequence[_Reel],
    tasks: Sequence[asyncio.Task[None]],
    report: Report,
    signals: Signals,
    progress: Progress | None,
) -> None:
    """Advance all recordings together, one frame each a tick, until the last one ends."""
    running = list(reels)
    while running:
        frames = await asyncio.gather(*(reel.next() for reel in running))
        offers = []
        for reel, frame in zip(list(running), frames, strict=True):
            if frame is None:
                running.remove(reel)
                reel.end()
                continue
            report.frames[frame.camera] += 1
            report.seconds[frame.camera] = frame.time
            frame = signals.see(frame)
            offers += [camera.offer(frame) for camera in reel.cameras]
        await _all_or_failure(offers, tasks)
        if progress is not None:
            progress(sum(report.seconds.values()))


async def _all_or_failure(offers: Sequence[Any], tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for the offers; a pipeline that fails meanwhile would never take its frame, so its error ends the wait."""
    if not offers:
        return
    taken = asyncio.gather(*offers)
    while not taken.done():
        alive = [task for task in tasks if not task.done()]
        waits: list[asyncio.Future[Any]] = [taken, *alive]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        failed = [error for task in tasks if task.done() and (error := task.exception()) is not None]
        if failed:
            taken.cancel()
            raise failed[0]
    await taken


def _judge(report: Report, policy: AlertPolicy) -> None:
    for event in report.events:
        decision = policy.rehearse(event)
        if event.state != "begin":
            continue  # who was not told of a begin is not told of its end: nothing to count
        if isinstance(decision, Suppressed):
            report.suppressed[decision.reason] += 1
        else:
            report.alerts.append(event)


class _Reel:
    """One recording being played: decodes ahead in a thread, one frame at a time."""

    def __init__(self, recording: Recording):
        self.recording = recording
        self.cameras: list[Camera] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"decode-{recording.camera}")
        width, height = recording.size
        hidden = recording.places.hidden()
        self._frames = iter(FileSource(recording.video, recording.analyze_fps, width, height, hidden))
        self._ahead = self._thread.submit(next, self._frames, None)
        self._last_time: float | None = None

    def watchers(self, models: LocalModels) -> Iterator[tuple[Camera, str, Pipeline]]:
        """A camera for each pipeline."""
        for name, pipeline in self.recording.pipelines.items():
            camera = Camera(self.recording.camera, self.recording.places, Watching(wait_for_gap=False))
            self.cameras.append(camera)
            yield camera, name, pipeline.bind(models.ask, self.recording.places)

    async def next(self) -> Frame | None:
        """The next frame, or None at the end."""
        found = await asyncio.wrap_future(self._ahead)
        if found is None:
            return None
        self._ahead = self._thread.submit(next, self._frames, None)
        index, pts_s, pixels = found
        period_s = 1.0 / self.recording.analyze_fps
        gap_s = 0.0 if self._last_time is None or pts_s - self._last_time < 2 * period_s else pts_s - self._last_time
        self._last_time = pts_s
        return Frame(self.recording.camera, 1, index, pts_s, pts_s, pixels, pts_s, gap_s)

    def end(self) -> None:
        """No more frames."""
        for camera in self.cameras:
            camera.close()

    def close(self) -> None:
        """Give the thread back."""
        self._thread.shutdown(wait=True, cancel_futures=True)
