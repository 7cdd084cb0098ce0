"""The reader process: `python -m streamer.ingest.reader FD`. Many cameras, one thread each, no pixel over a pipe.

Decoding releases the GIL, so threads decode in parallel; a process of its own keeps what hostile cameras send away from
the engine and bounds what a crash of libav takes down. The main thread hears the engine (add, remove, free, snapshot),
one thread keeps house (watchdog each half second, counts each second), two write evidence. Leaves when the channel
closes. Exit status 70: a camera's thread hung in libav beyond all limits, and only a new process helps.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
import time

from streamer import channel as channels
from streamer import log
from streamer.channel import Channel, Message
from streamer.child import become_child
from streamer.errors import SourceError
from streamer.ingest.evidence import EvidenceDesk
from streamer.ingest.lane import Lane, hung
from streamer.ingest.spec import HUNG_STATUS, CameraSpec, Limits
from streamer.slots import SlotPool
from streamer.sources.address import parse
from streamer.sources.ration import together

logger = log.get(__name__)

_LEAVE_SECONDS = 1.5
_M_ARENA_MAX = -8
_NICE = 5
"""A third of the weight of the engine and the worker."""


class Reader:
    """The process's state."""

    def __init__(self, channel: Channel):
        self._channel = channel
        self._limits = Limits()
        self._share = 1.0
        self._lanes: dict[int, Lane] = {}
        """By the number of their slot pool."""
        self._leaving: list[Lane] = []
        self._evidence = EvidenceDesk(lambda pool: self._lanes.get(pool), channel.send)
        self._lock = threading.Lock()

    def run(self) -> None:
        """Hear the engine until it hangs up."""
        threading.Thread(target=self._keep_house, name="house", daemon=True).start()
        self._evidence.start()
        while (message := self._channel.receive()) is not None:
            getattr(self, f"_on_{message.header.get('op', 'nothing')}", self._on_nothing)(message)
        self._leave()

    # --- messages of the engine ---

    def _on_hello(self, message: Message) -> None:
        header = message.header
        log.setup(**header["log"])
        self._limits = Limits.from_header(header["limits"])

    def _on_add(self, message: Message) -> None:
        header = message.header
        spec = CameraSpec(**header["spec"])
        with contextlib.suppress(SourceError):  # an address without a host: its thread will say so
            parse(spec.url)  # registers its secrets, before anything can be logged
        if spec.record_url is not None:
            with contextlib.suppress(SourceError):
                parse(spec.record_url)
        shape = header["pool"]
        pool = SlotPool.attach(message.fds[0], shape["id"], shape["slots"], shape["slot_bytes"])
        lane = Lane(spec, self._limits, header["session"], pool, self._channel)
        with self._lock:
            self._lanes[pool.pool_id] = lane
        lane.capture.ration(self._share)
        lane.start()

    def _on_remove(self, message: Message) -> None:
        with self._lock:
            lane = self._lanes.pop(message.header["pool"], None)
            if lane is not None:
                self._leaving.append(lane)
        if lane is not None:
            lane.stop()

    def _on_ration(self, message: Message) -> None:
        self._share = float(message.header["share"])
        with self._lock:
            for lane in self._lanes.values():
                lane.capture.ration(self._share)

    def _on_free(self, message: Message) -> None:
        lane = self._lanes.get(message.header["pool"])
        if lane is not None:
            lane.free(message.header["slot"])

    def _on_snapshot(self, message: Message) -> None:
        self._evidence.order_snapshot(message.header)

    def _on_clip(self, message: Message) -> None:
        self._evidence.order_clip(message.header)

    def _on_nothing(self, message: Message) -> None:
        logger.error("reader: message %r is not known here", message.header.get("op"))

    # --- the other threads ---

    def _keep_house(self) -> None:
        for beat in range(1 << 62):
            time.sleep(0.5)
            with self._lock:
                self._leaving = [lane for lane in self._leaving if lane.running]
                lanes = dict(self._lanes)
                everyone = [*lanes.values(), *self._leaving]
            stuck = hung(iter(everyone), self._limits, time.monotonic())
            if stuck is not None:
                logger.error("camera '%s': hangs inside libav and cannot be shaken; this reader starts anew", stuck)
                self._channel.send({"op": "hung", "camera": stuck})
                os._exit(HUNG_STATUS)
            if beat % 2:
                self._take_turns(lanes)
                self._report(lanes)

    def _take_turns(self, lanes: dict[int, Lane]) -> None:
        """Let cameras whose groups of pictures begin together decode them in turn, while not all can be decoded."""
        if self._share < 1.0:
            whole = together([ration for lane in lanes.values() if (ration := lane.capture.rationing) is not None])
            for lane in lanes.values():
                lane.capture.ration(self._share, whole)

    def _report(self, lanes: dict[int, Lane]) -> None:
        for pool, lane in lanes.items():
            lane.retell()
            news = lane.news()
            if news and self._channel.send({"op": "counts", "pool": pool, "counts": news}):
                lane.reported(news)

    def _leave(self) -> None:
        with self._lock:
            lanes = [*self._lanes.values(), *self._leaving]
        for lane in lanes:
            lane.stop()
        deadline_at = time.monotonic() + _LEAVE_SECONDS
        while any(lane.running for lane in lanes) and time.monotonic() < deadline_at:
            time.sleep(0.01)


def main() -> None:
    """The process's main."""
    become_child()
    # what is decoded already must not wait for what is being decoded: engine and worker come first, and when there is
    # not time for all it is here that it shows, where pictures can be left out before they cost anything
    os.nice(_NICE)
    with contextlib.suppress(OSError, AttributeError):  # not glibc: then there are no arenas to bound
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)  # an arena a thread would multiply the memory by the cameras
    Reader(channels.from_fd(int(sys.argv[1]))).run()
    sys.stderr.flush()
    os._exit(0)  # threads that hang in a library must not keep the process


if __name__ == "__main__":
    main()
