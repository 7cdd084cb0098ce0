"""One camera inside a reader process: its threads, its slots, and the last pictures for evidence.

The engine leases the slots of a camera's pool to its reader; a frame message hands one back to the engine, which
returns it with `free`. When no slot is free the engine is behind, and the new picture is dropped and counted: there is
no queue in which it could grow old.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from streamer.channel import Channel
from streamer.ingest.capture import Capture
from streamer.ingest.handover import Handover, header
from streamer.ingest.health import Health
from streamer.ingest.picture import PictureCheck
from streamer.ingest.rate import RateCheck
from streamer.ingest.recorder import Recorder
from streamer.ingest.ring import Ring
from streamer.ingest.session import Analyzed, Memory
from streamer.ingest.spec import CameraSpec, Limits
from streamer.ingest.tamper import TamperCheck
from streamer.slots import SlotPool
from streamer.sources.privacy import Privacy

_GOLDEN = 0.6180339887
"""Its multiples spread most evenly: of any few cameras, as many decode at a time as of any others."""
_KEPT = 3
"""Full-size pictures kept for evidence: 4 MB of 720p, over half a second at 5 a second."""
_STAGES = {
    "decoded": ("decode", "ok"),
    "decode_errors": ("decode", "error"),
    "shed_nonref": ("decode", "shed_nonref"),
    "shed_nonkey": ("decode", "shed_nonkey"),
    "rationed": ("decode", "rationed"),
    "waiting": ("decode", "no_keyframe"),
}
_PLAIN = ("bytes_received", "packets_lost")


class Lane:
    """One camera. Implements capture.Host; `deliver` and `tell` run in the camera's thread."""

    def __init__(self, spec: CameraSpec, limits: Limits, session: int, pool: SlotPool, channel: Channel):
        look = PictureCheck(limits.frozen_s, limits.black_s)
        tamper = TamperCheck(limits.tampered_s) if spec.tamper and limits.tampered_s > 0 else None
        self.memory = Memory(look, RateCheck(limits.runaway_s), Counter(), tamper, session)
        self.ring = Ring(spec.ring_bytes, spec.ring_s) if spec.ring_bytes else None
        """What the camera sent last: its record stream if it has one."""
        self.privacy = Privacy(spec.privacy) if spec.privacy else None
        """For what is taken from the ring; what `find` gives is masked already."""
        self.recorder: Recorder | None = None
        if self.ring is not None and spec.record_url is not None:
            self.recorder = Recorder(spec, limits, self.ring, self._note_record)
        self.capture = Capture(spec, limits, self.memory, self, ring=None if self.recorder else self.ring)
        self.capture.phase = pool.pool_id * _GOLDEN % 1.0
        self._pool = pool
        self._channel = channel
        self._header = header(pool.pool_id)
        self._free = deque(range(pool.slots))
        self._kept: deque[Analyzed] = deque(maxlen=_KEPT)
        self._reported: Counter[str] = Counter()
        self._untold: deque[Health] = deque(maxlen=8)
        self._heard: Health | None = None
        self._record: tuple[str | None, str] = (None, "")
        self._recording = False
        self._telling = threading.Lock()
        self._threads = [threading.Thread(target=self._run, name=f"camera-{spec.name}", daemon=True)]
        if self.recorder is not None:
            run = self.recorder.run
            self._threads.append(threading.Thread(target=run, name=f"record-{spec.name}", daemon=True))

    @property
    def name(self) -> str:
        """The camera's name."""
        return self.capture.spec.name

    @property
    def running(self) -> bool:
        """Whether any of its threads still is there."""
        return any(thread.is_alive() for thread in self._threads)

    @property
    def captures(self) -> list[Capture]:
        """Its connections: the analyzed stream, and the record stream if it has one."""
        return [self.capture] if self.recorder is None else [self.capture, self.recorder]

    @property
    def record_down(self) -> bool:
        """Whether it has a record stream of which nothing comes now."""
        return self.recorder is not None and not self._recording

    def start(self) -> None:
        """Start the camera's threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the camera's threads soon; from any thread."""
        for capture in self.captures:
            capture.stop()

    def free(self, slot: int) -> None:
        """The engine gives a slot back."""
        self._free.append(slot)

    def find(self, session: int, index: int) -> Analyzed | None:
        """An analysed picture with its full-size frame, or the one nearest to it that is still here."""
        kept = [picture for picture in tuple(self._kept) if picture.session == session]
        if not kept:
            return None
        return min(kept, key=lambda picture: abs(picture.index - index))

    def deliver(self, picture: Analyzed) -> str:
        """See session.Outlet."""
        self._kept.append(picture)
        try:
            slot = self._free.popleft()
        except IndexError:
            return "no_slot"
        generation = self._pool.write(slot, picture.pixels)
        height, width = picture.pixels.shape[:2]
        handover = Handover(
            slot,
            generation,
            width,
            height,
            picture.session,
            picture.index,
            picture.moment.captured_at,
            picture.pts_s,
            picture.gap_s,
            _waited_s(picture),
        )
        if not self._channel.send(self._header, handover.pack()):
            self._free.append(slot)
            return "engine_busy"
        return "ok"

    def tell(self, health: Health) -> None:
        """See capture.Host. A message that does not fit is told again by `retell`."""
        with self._telling:
            self._heard = health
            cause, detail = self._record
            self._untold.append(replace(health, record_cause=cause, record_detail=detail))
        self.retell()

    def _note_record(self, health: Health) -> None:
        """The record stream's health has changed; what is told of the camera names it."""
        cause = None if health.state == "live" else health.cause or self._record[0]
        with self._telling:
            changed, self._record = self._record[0] != cause, (cause, "" if cause is None else health.detail)
            self._recording, heard = health.state == "live", self._heard
        if changed and heard is not None:
            self.tell(heard)

    def retell(self) -> None:
        """Send what could not be sent before, in order; from the camera's thread and from the one that keeps house."""
        with self._telling:
            while self._untold:
                health = self._untold[0].header()
                if not self._channel.send({"op": "health", "pool": self._pool.pool_id, "health": health}):
                    return
                self._untold.popleft()

    def news(self) -> dict[str, Any]:
        """What was counted since the last `reported`; empty if nothing."""
        return dict(self._totals() - self._reported)

    def reported(self, news: dict[str, int]) -> None:
        """The engine was told these."""
        self._reported.update(news)

    def _totals(self) -> Counter[str]:
        counts = asdict(self.capture.counts)
        totals = Counter({name: counts[name] for name in _PLAIN})
        for name, (stage, outcome) in _STAGES.items():
            totals[f"{stage}/{outcome}"] = counts[name]
        for (stage, outcome), n in tuple(self.memory.drops.items()):
            totals[f"{stage}/{outcome}"] += n
        if self.recorder is not None:  # it decodes nothing, so that only what it received is news
            for name in _PLAIN:
                totals[name] += getattr(self.recorder.counts, name)
        if self.ring is not None:
            for outcome, n in tuple(self.ring.dropped.items()):
                totals[f"ring/{outcome}"] += n
        return totals

    def _run(self) -> None:
        try:
            self.capture.run()
        finally:
            self._kept.clear()
            self._pool.close()


def _waited_s(picture: Analyzed) -> float:
    """How long a picture has waited on this machine for its turn: all that was not work for it."""
    work_s = time.thread_time() - picture.cpu_at
    return max(0.0, time.monotonic() - picture.arrived_at - work_s)


def hung(lanes: Iterator[Lane], limits: Limits, now: float) -> str | None:
    """Look after all cameras: shake those that hang in their source; the name of one that cannot be shaken.

    Our own client can always be shaken (its socket is shut down under it). libavformat cannot: its container may be
    closed by its own thread only. If it hangs beyond its own time limits, nothing but the end of the process helps.
    """
    for name, capture in [(lane.name, capture) for lane in lanes for capture in lane.captures]:
        busy_since, aborted_at = capture.busy_since, capture.aborted_at
        if busy_since is None:
            continue
        limit = 2 * limits.open_s + limits.stall_s if capture.opening else limits.stall_s
        if aborted_at is not None and aborted_at >= busy_since:
            if now - aborted_at > 10.0:
                return name
        elif now - busy_since > limit + 2.0:
            capture.abort()
    return None
