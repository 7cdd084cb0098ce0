"""One worker process from start to end, as the engine sees it; the next worker is another `Generation`.

It starts the process, sends it settings, pools and batches, takes its answers, and kills it when it does not answer.
Used by `inference.client` only, on the engine's event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from streamer import log
from streamer.channel import Message
from streamer.child import Child
from streamer.clock import Clock
from streamer.errors import ModelError
from streamer.inference.batcher import Batch, Batcher
from streamer.inference.settings import InferenceSettings
from streamer.inference.wire import pack_batch, unpack_results
from streamer.slots import SlotPool
from streamer.types import Answer

logger = log.get(__name__)
MODULE = "streamer.inference.worker"
_TICK_S = 0.2
_PING_S = 1.0
_STOP_S = 2.0
_ERRORS_IN_A_ROW = 3  # a runtime that fails this often is beyond repair (CUDA errors stick to their process)
_SLOW = 4.0  # a deadline below so many warm batches would kill healthy workers for ever


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """What a worker needs of its engine."""

    batcher: Batcher
    settings: InferenceSettings
    pools: Mapping[int, SlotPool]
    clock: Clock
    setup: Callable[[], dict[str, Any]]
    """The settings message, made anew for each use."""
    on_ready: Callable[[dict[str, dict[str, Any]]], None]
    """Called with the plans when the models are loaded, also after a reload."""
    on_refused: Callable[[str], None]
    """Called with the reason when a reload cannot load a model."""


class Generation:
    """One worker process."""

    def __init__(self, around: Surroundings):
        self._around = around
        self._clock = around.clock
        self.child = Child.start(MODULE, "inference")
        self.was_ready = False
        self.error = ""
        """What the worker said about the model that it cannot load."""
        self.progress_at = self._clock.monotonic()
        """Monotonic time of the last message from the worker."""
        self._reason = "crashed"
        self._gone = asyncio.Event()
        self._loading_until = 0.0
        self._deadline_s = around.settings.deadline_seconds
        self._pinged_at: float | None = None
        self._errors = 0
        self._sent_pools: dict[int, SlotPool] = {}
        self._parts: dict[int, list[Answer | None]] = {}

    @property
    def loading(self) -> bool:
        """Whether the worker has not yet said that its models are ready."""
        return self._loading_until > 0

    async def serve(self) -> str:
        """Run until the process is gone; the reason, one of a fixed set.

        Returns:
            `crashed`, `deadline`, `load_timeout`, `model`, `protocol` or `errors`.
        """
        self.child.listen(self._hear, self._gone.set)
        self.set_up()
        ticker = asyncio.get_running_loop().create_task(self._tick())
        try:
            await self._gone.wait()
        finally:
            ticker.cancel()
            self._around.batcher.shut("lost")
        if self.child.channel.fault and self._reason == "crashed":
            self._reason = "protocol"
        return self._reason

    async def stop(self) -> None:
        """Let the worker finish and leave; kill it if it does not."""
        self._around.batcher.shut("stopped")
        await self.child.stop(_STOP_S)

    def set_up(self) -> None:
        """Send the settings; the worker loads what is new and answers when it is done."""
        self._loading_until = self._clock.monotonic() + self._around.settings.load_seconds
        if not self.child.channel.send({"op": "setup", **self._around.setup()}):
            self._kill("crashed")

    def send(self, batch: Batch) -> bool:
        """Send a batch, and before it the pools that it lies in and that the worker does not know."""
        for request in batch.requests:
            slot = request.frame.slot
            pool = None if slot is None else self._around.pools.get(slot.pool)
            # a pool that is gone already: the worker will find the frame stale
            if pool is not None and self._sent_pools.get(pool.pool_id) is not pool and not self._send_pool(pool):
                return False
        return self.child.channel.send(pack_batch(batch))

    def _send_pool(self, pool: SlotPool) -> bool:
        header = {"op": "pool", "pool": pool.pool_id, "slots": pool.slots, "slot_bytes": pool.slot_bytes}
        if not self.child.channel.send(header, fds=[pool.fd]):
            return False
        self._sent_pools[pool.pool_id] = pool
        return True

    async def _tick(self) -> None:
        """Watch the clock."""
        while True:
            await self._clock.sleep(_TICK_S)
            now = self._clock.monotonic()
            if self._loading_until:
                if now > self._loading_until:
                    self._kill("load_timeout")
                continue
            sent = [batch.sent_at for batch in self._around.batcher.out.values()]
            if self._pinged_at is not None:
                sent.append(self._pinged_at)
            if sent and now - min(sent) >= self._deadline_s:
                self._kill("deadline")
            elif not sent and now - self.progress_at >= _PING_S and self.child.channel.send({"op": "ping"}):
                self._pinged_at = now
            self._drop_pools()

    def _drop_pools(self) -> None:
        for number, pool in list(self._sent_pools.items()):
            if self._around.pools.get(number) is not pool and self.child.channel.send(
                {"op": "drop_pool", "pool": number}
            ):
                del self._sent_pools[number]

    def _kill(self, reason: str) -> None:
        """SIGKILL, and answer all who wait now rather than when the process has gone."""
        if self._reason == "crashed":
            self._reason = reason
        self.child.kill()
        self._around.batcher.shut("lost")

    def _hear(self, message: Message) -> None:
        try:
            self._understand(message)
        except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
            logger.error("inference: the worker sent nonsense (%r); it is killed", error)
            self._kill("protocol")

    def _understand(self, message: Message) -> None:
        header = message.header
        self.progress_at = self._clock.monotonic()
        match header["op"]:
            case "done":
                self._done(message)
            case "pong":
                self._pinged_at = None
            case "error":
                self._failed(int(header["batch"]), str(header["error"]))
            case "ready":
                self._ready(header)
            case "failed":
                self._refused(str(header["error"]))
            case other:
                raise ValueError(f"unknown message {other!r}")

    def _done(self, message: Message) -> None:
        number, seconds = int(message.header["batch"]), message.header["seconds"]
        batch = self._around.batcher.out.get(number)
        if batch is None:
            return
        results = [*self._parts.pop(number, []), *unpack_results(message, self._around.batcher.unknown(batch.model))]
        if len(results) > len(batch.requests) or (seconds is not None and len(results) != len(batch.requests)):
            raise ValueError(f"{len(results)} results for {len(batch.requests)} frames")
        if seconds is None:
            self._parts[number] = results
            return
        self._errors = 0
        self._around.batcher.answer(number, results, float(seconds))

    def _failed(self, number: int, error: str) -> None:
        logger.error("inference: a batch failed: %s", error)
        self._around.batcher.fail(number)
        self._errors += 1
        if self._errors >= _ERRORS_IN_A_ROW:
            self._kill("errors")

    def _ready(self, header: dict[str, Any]) -> None:
        self._loading_until = 0.0
        self.was_ready = True
        slowest = max((float(seconds) for seconds in header["seconds"].values()), default=0.0)
        if slowest * _SLOW > self._deadline_s:
            self._deadline_s = slowest * _SLOW
            logger.warning(
                "inference: a batch takes %.2f s here; its deadline is raised to %.1f s (deadline_seconds=%g)",
                slowest,
                self._deadline_s,
                self._around.settings.deadline_seconds,
            )
        plans = {str(name): dict(plan) for name, plan in header["plans"].items()}
        batches = {name: int(plan["batch"]) for name, plan in plans.items()}
        self._around.batcher.open(int(header["streams"]), batches, self._deadline_s)
        self._around.on_ready(plans)

    def _refused(self, error: str) -> None:
        self._loading_until = 0.0
        self.error = error
        if self.was_ready:
            self._around.on_refused(error)
        else:
            logger.error("inference: %s", ModelError(error))
            self._kill("model")
