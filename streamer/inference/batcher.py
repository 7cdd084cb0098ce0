"""Requests of all cameras meet here and leave as batches, fairly, and no later than waiting pays.

Pure asyncio and a clock: no process, no pixels. The client sends what `send` is given and reports answers back. Rules:

- at most `streams` batches are out at a time; the next is cut when one comes back;
- a batch leaves at once when nothing is gained by waiting: it is full, the model gains nothing from larger batches, or
  every camera that is expected is in it; otherwise it waits for the others, but never longer than
  clamp(shortest camera period - usual execution time, 2 ms, 100 ms) (the rate-matched window of Roboflow's inference);
- the camera that was served longest ago comes first, so none starves however fast the others ask;
- the same frame asked twice is computed once; a request past its deadline is answered `unknown`; every refusal counts.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from streamer.clock import Clock
from streamer.inference.lane import Lane, Request
from streamer.metrics import Metrics
from streamer.types import Answer, Detections, Frame, Scores


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the queue."""

    max_batch_size: int = 16
    deadline_s: float = 2.0
    max_waiting: int = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Requests for one model that travel together."""

    id: int
    model: str
    requests: tuple[Request, ...]
    sent_at: float


class Batcher:
    """Joins requests into batches; used on one event loop."""

    def __init__(self, send: Callable[[Batch], bool], limits: Limits, clock: Clock, metrics: Metrics):
        self._send = send
        self._limits = limits
        self._deadline_s = limits.deadline_s
        self._clock = clock
        self._metrics = metrics
        self._lanes: dict[str, Lane] = {}
        self._streams = 0
        self._ids = itertools.count(1)
        self._timer: asyncio.Task[None] | None = None
        self._timer_at = float("inf")
        self.out: dict[int, Batch] = {}
        """Batches that were sent and not answered."""

    @property
    def waiting(self) -> int:
        """Requests that have not been sent."""
        return sum(len(lane.waiting) for lane in self._lanes.values())

    def set_models(self, unknown: Mapping[str, Answer]) -> None:
        """The models that can be asked, each with its answer of nobody.

        Requests for those that are gone get that answer.
        """
        for name in [name for name in self._lanes if name not in unknown]:
            lane = self._lanes.pop(name)
            for request in list(lane.pending.values()):
                self._settle(lane, request, lane.unknown, "removed")
        for name, nobody in unknown.items():
            lane = self._lanes.setdefault(name, Lane(name, nobody))
            if type(lane.unknown) is not type(nobody) or lane.unknown.labels != nobody.labels:
                lane.answered.clear()
            lane.unknown = nobody

    def unknown(self, model: str) -> Answer:
        """The answer of nobody; an empty one for a model that has left meanwhile."""
        lane = self._lanes.get(model)
        return Detections.empty() if lane is None else lane.unknown

    def open(self, streams: int, batches: Mapping[str, int], deadline_s: float | None = None) -> None:
        """A worker is there.

        Args:
            streams: batches that it runs at a time.
            batches: by model, how many frames in one batch gain anything.
            deadline_s: a longer deadline than the limits', for a worker that cannot be faster.
        """
        self._streams = streams
        self._deadline_s = self._limits.deadline_s if deadline_s is None else deadline_s
        for name, batch in batches.items():
            if name in self._lanes:
                self._lanes[name].batch = batch
        self._dispatch()

    def shut(self, outcome: str) -> None:
        """The worker is gone: whoever waits is answered `unknown`, and so is who asks before the next `open`."""
        self._streams = 0
        self.out.clear()
        for lane in self._lanes.values():
            for request in list(lane.pending.values()):
                self._settle(lane, request, lane.unknown, outcome)

    def close(self) -> None:
        """Shut for good, and stop the timer."""
        self.shut("stopped")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def ask(self, model: str, frame: Frame) -> Answer:
        """What the model sees in the frame; `unknown` when there is no answer in time.

        Raises:
            KeyError: no such model.
        """
        lane = self._lanes[model]
        key = (frame.camera, frame.session, frame.index)
        last = lane.answered.get(frame.camera)
        if last is not None and last[0] == key:
            self._count(model, "shared")
            return last[1]
        request = lane.pending.get(key)
        if request is not None:
            self._count(model, "shared")
        elif self._streams == 0 or self.waiting >= self._limits.max_waiting:
            self._count(model, "no_worker" if self._streams == 0 else "rejected")
            return lane.unknown
        else:
            request = lane.enqueue(frame, self._clock.monotonic())
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        request.waiters.append(future)
        if len(request.waiters) == 1:  # a new one; it may be settled on the spot
            self._dispatch()
        try:
            return await future
        finally:
            request.waiters.remove(future)
            if not request.waiters and request.batch is None and not request.settled:
                self._settle(lane, request, lane.unknown, "cancelled")  # nobody listens any more

    def answer(self, batch_id: int, results: Sequence[Answer | None], exec_s: float) -> None:
        """A batch came back.

        Args:
            batch_id: which; one that is not out any more is ignored.
            results: one a request, in order; None where the frame's slot had moved on.
            exec_s: how long the device took.
        """
        batch = self.out.pop(batch_id, None)
        if batch is None:
            return
        lane = self._lanes.get(batch.model)
        if lane is not None:
            lane.learn(exec_s)
            self._metrics.inference_seconds.labels(batch.model).observe(self._clock.monotonic() - batch.sent_at)
            for request, result in zip(batch.requests, results, strict=True):
                if result is None:
                    self._settle(lane, request, lane.unknown, "stale")
                else:
                    lane.answered[request.frame.camera] = (request.key, result)
                    if isinstance(result, Scores) and "reset" in result.detail:
                        self._metrics.behaviour_resets.labels(batch.model, result.detail["reset"]).inc()
                    self._settle(lane, request, result, "ok")
        self._dispatch()

    def fail(self, batch_id: int) -> None:
        """The worker could not run a batch; its requests are answered `unknown`."""
        batch = self.out.pop(batch_id, None)
        lane = self._lanes.get(batch.model) if batch is not None else None
        if batch is not None and lane is not None:
            for request in batch.requests:
                self._settle(lane, request, lane.unknown, "failed")
        self._dispatch()

    def _dispatch(self) -> None:
        """Send what is due while a stream is idle, then set the timer for what will be."""
        now = self._clock.monotonic()
        self._expire(now)
        while len(self.out) < self._streams:
            due = [
                lane for lane in self._lanes.values() if lane.waiting and lane.closes_at(now, self._limit(lane)) <= now
            ]
            if not due:
                break
            # between models, who waits longest goes first
            self._cut(min(due, key=lambda lane: lane.oldest().enqueued_at), now)
        self._arm(now)

    def _cut(self, lane: Lane, now: float) -> None:
        """Send one batch."""
        batch = Batch(next(self._ids), lane.model, lane.choose(self._limit(lane)), now)
        for request in batch.requests:
            request.batch = batch.id
            self._metrics.queue_wait_seconds.labels(lane.model).observe(now - request.enqueued_at)
        self._metrics.batch_size.labels(lane.model).observe(len(batch.requests))
        self.out[batch.id] = batch
        if not self._send(batch) and self.out.pop(batch.id, None) is not None:
            for request in batch.requests:
                self._settle(lane, request, lane.unknown, "unsent")

    def _limit(self, lane: Lane) -> int:
        return min(self._limits.max_batch_size, lane.batch)

    def _expire(self, now: float) -> None:
        for lane in self._lanes.values():
            while lane.pending:
                oldest = next(iter(lane.pending.values()))
                if now < oldest.enqueued_at + self._deadline_s:
                    break
                self._settle(lane, oldest, lane.unknown, "expired")

    def _settle(self, lane: Lane, request: Request, result: Answer, outcome: str) -> None:
        if lane.pending.get(request.key) is request:
            del lane.pending[request.key]
            lane.waiting.pop(request.key, None)
        if not request.settled:
            request.settled = True
            for future in request.waiters:
                if not future.done():
                    future.set_result(result)
            self._count(lane.model, outcome)

    def _arm(self, now: float) -> None:
        """One timer for all: the nearest deadline, or the nearest end of a window when a stream is idle."""
        due = float("inf")
        for lane in self._lanes.values():
            if lane.pending:
                due = min(due, next(iter(lane.pending.values())).enqueued_at + self._deadline_s)
            if lane.waiting and len(self.out) < self._streams:
                due = min(due, lane.closes_at(now, self._limit(lane)))
        if due >= self._timer_at and self._timer is not None and not self._timer.done():
            return  # the timer that runs comes early enough, and will look again
        if due == float("inf"):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        self._timer = asyncio.get_running_loop().create_task(self._wake(due - now))

    async def _wake(self, seconds: float) -> None:
        await self._clock.sleep(max(seconds, 0.0))
        self._timer = None  # this very task: _arm must not cancel it
        self._timer_at = float("inf")
        self._dispatch()

    def _count(self, model: str, outcome: str) -> None:
        self._metrics.inference_requests.labels(model, outcome).inc()
