"""The inference worker process: `python -m streamer.inference.worker FD`.

Started by `inference.client`, one a device. It maps the cameras' shared memory read by read, runs batches in `streams`
threads, and answers by batch number. It holds the models and their state and nothing else: when it hangs it is killed,
and the next one starts from the same settings. The threads take turns at the channel (one waits for a message, the
others compute), so a batch is computed by the thread that received it and no queue lies between.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
import time
from pathlib import Path
from typing import Any

from streamer import channel, log
from streamer.channel import Message
from streamer.child import become_child
from streamer.errors import ModelError, StreamerError
from streamer.inference import plans
from streamer.inference.loaded import load
from streamer.inference.picture import Loaded, Picture
from streamer.inference.settings import InferenceSettings, ModelSpec
from streamer.inference.wire import pack_results
from streamer.models.detector import Overrides
from streamer.models.registry import MOTION, card_of
from streamer.slots import SlotPool, StaleSlot
from streamer.types import Answer

logger = log.get(__name__)


class Worker:
    """All that a worker process holds."""

    def __init__(self, pipe: channel.Channel):
        self._pipe = pipe
        self._models: dict[str, tuple[dict[str, Any], Loaded]] = {}
        self._pools: dict[int, SlotPool] = {}
        self._receiving = threading.Lock()
        self._threads: list[threading.Thread] = []

    def run(self) -> None:
        """Serve until the engine closes the channel. The first message brings the settings."""
        self._serve()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        """One thread's life: wait for the turn, take a message, do what it says."""
        while True:
            with self._receiving:
                message = self._pipe.receive()
                if message is None:
                    return
                if message.header["op"] in ("pool", "drop_pool"):  # in the order in which the engine sent them
                    self._change_pools(message)
                    continue
            self._obey(message)

    def _obey(self, message: Message) -> None:
        match message.header["op"]:
            case "run":
                self._run(message.header)
            case "ping":
                self._reply({"op": "pong"})
            case "setup":
                self._set_up(message.header)
            case other:
                raise StreamerError(f"worker: unknown message {other!r}")

    def _set_up(self, header: dict[str, Any]) -> None:
        """Load what is new, drop what is gone; the rest goes on undisturbed."""
        log.setup(**header["log"])
        settings = InferenceSettings.model_validate(header["settings"])
        try:
            wanted = {entry["name"]: entry for entry in header["models"]}
            seconds = {}
            for name, entry in wanted.items():
                if self._models.get(name, ({}, None))[0] != entry:
                    loaded = _load(entry, settings)
                    loaded.warm_up()  # compiles
                    started = time.perf_counter()
                    loaded.warm_up()
                    seconds[name] = time.perf_counter() - started
                    self._models[name] = (entry, loaded)
            for name in [name for name in self._models if name not in wanted]:
                del self._models[name]  # a thread may be running it: it ends with its last user
        except ModelError as error:
            self._reply({"op": "failed", "error": str(error)})
            return
        streams = max((loaded.plan.streams for _, loaded in self._models.values()), default=1)
        while len(self._threads) < streams - 1:
            thread = threading.Thread(target=self._serve_or_die, name=f"stream-{len(self._threads) + 2}", daemon=True)
            self._threads.append(thread)
            thread.start()
        described = {name: loaded.plan.to_json() for name, (_, loaded) in self._models.items()}
        self._reply({"op": "ready", "streams": streams, "plans": described, "seconds": seconds})

    def _serve_or_die(self) -> None:
        """A thread that fails takes the process with it: half a worker would look like a whole one."""
        try:
            self._serve()
        except BaseException:
            logger.exception("worker: a stream failed; the process ends, the engine starts another")
            os._exit(1)

    def _run(self, header: dict[str, Any]) -> None:
        started = time.perf_counter()
        results: list[Answer | None] = [None] * len(header["items"])
        pictures, places = [], []
        for i, (camera, session, at, pool, slot, generation, width, height) in enumerate(header["items"]):
            with contextlib.suppress(StaleSlot, KeyError):
                pixels = self._pools[pool].view(slot, generation, width, height)
                pictures.append(Picture(camera, session, at, pixels))
                places.append((i, self._pools[pool], slot, generation))
        known = self._models.get(header["model"])
        if known is None:  # asked before the engine heard that it is gone: `unknown`, and no failure of ours
            pictures, places = [], []
        try:
            found = known[1].run(pictures) if known is not None and pictures else ()
        except Exception as error:  # runtimes raise their own kinds; the engine decides whether this worker goes on
            logger.exception("worker: model %s failed on a batch of %d", header["model"], len(pictures))
            self._reply({"op": "error", "batch": header["batch"], "error": f"{type(error).__name__}: {error}"[:500]})
            return
        for (i, memory, slot, generation), answer in zip(places, found, strict=True):
            if memory.check(slot, generation):  # overwritten while it was read: it is of no moment
                results[i] = answer
        for answer, body in pack_results(header["batch"], results, time.perf_counter() - started):
            self._reply(answer, body)

    def _change_pools(self, message: Message) -> None:
        header = message.header
        old = self._pools.pop(header["pool"], None)
        if old is not None:
            old.close()
        if header["op"] == "pool":
            self._pools[header["pool"]] = SlotPool.attach(
                message.fds[0], header["pool"], header["slots"], header["slot_bytes"]
            )

    def _reply(self, header: dict[str, Any], body: bytes = b"") -> None:
        """Send; wait while the engine's buffer is full, for answers must not be lost."""
        while not self._pipe.send(header, body):
            if self._pipe.closed:
                return
            poll = select.poll()
            poll.register(self._pipe.fileno(), select.POLLOUT)
            poll.poll(100)


def _load(entry: dict[str, Any], settings: InferenceSettings) -> Loaded:
    file = MOTION if entry["file"] == MOTION else Path(entry["file"])
    spec = ModelSpec(entry["name"], file, Overrides(entry["confidence"], entry["iou"]))
    card = card_of(file)
    if card.content_sha256 != entry["sha256"]:
        raise ModelError(f"model {file}: the file was replaced while it was being loaded; reload again")
    plan = plans.choose(spec, card, settings)
    return load(spec, card, plan)


def main() -> None:
    """Entry point of the process."""
    become_child()
    Worker(channel.from_fd(int(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
