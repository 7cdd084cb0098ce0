"""Evidence on order: a picture of a moment at full size, or the seconds round it as video; the reader's two threads.

The engine orders by capture time and waits for an answer; no camera's thread ever waits for this. A picture comes from
the record stream where there is one, else from what was decoded anyway; a clip from whichever stream the ring keeps.
What could not be had as wished is answered with its reason (`inbox.REASONS`), and said once in the log until it works
again.
"""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from streamer import log
from streamer.errors import SourceError
from streamer.ingest.clip import write_clip
from streamer.ingest.lane import Lane
from streamer.ingest.ring import Ring
from streamer.ingest.snapshot import Box, write_panels, write_snapshot
from streamer.ingest.still import TooSlow, nearest
from streamer.ingest.strip import showing, strips, window

logger = log.get(__name__)

_SNAPSHOTS_WAITING = 16
_CLIPS_WAITING = 64
_DECODE_SECONDS = 1.2
_COMES_SECONDS = 0.6
"""How much later than the analyzed stream the record stream may be: encoders of large pictures take their time."""
_SAME_SECONDS = 0.15
"""A picture farther from the judged one shows things elsewhere: it gets no boxes."""
_TOLERANCE_SECONDS = 0.5
_SAME_PTS_SECONDS, _MOST_SHIFT_SECONDS = 0.01, 2.0
"""Of one picture the times agree; where a file is looped or a clock begins anew, another may bear its time."""
_LATE_SECONDS = 3.0
_SHORT_SECONDS = 0.5
_POLL_SECONDS = 0.02


class _Lacking(Exception):
    """Evidence cannot be had as wished; the argument is one of inbox.REASONS."""


class EvidenceDesk:
    """Takes orders of the engine.

    Args:
        lane: finds a camera by the number of its slot pool.
        answer: sends a message to the engine.
    """

    def __init__(self, lane: Callable[[int], Lane | None], answer: Callable[[dict[str, Any]], object]):
        self._lane = lane
        self._answer = answer
        self._snapshots: queue.Queue[dict[str, Any]] = queue.Queue(_SNAPSHOTS_WAITING)
        self._clips: list[tuple[float, int, dict[str, Any]]] = []
        self._order = itertools.count()
        self._news = threading.Condition()
        self._said: set[tuple[str, str, str]] = set()

    def start(self) -> None:
        """Start the threads."""
        threading.Thread(target=self._take_pictures, name="snapshots", daemon=True).start()
        threading.Thread(target=self._take_clips, name="clips", daemon=True).start()

    def order_snapshot(self, order: dict[str, Any]) -> None:
        """Queue a picture; answers at once when too many wait."""
        try:
            self._snapshots.put_nowait(order)
        except queue.Full:
            self._reply(order, False, "busy")

    def order_clip(self, order: dict[str, Any]) -> None:
        """Queue a clip, which is written once its last second has come; answers at once when too many wait."""
        with self._news:
            if len(self._clips) < _CLIPS_WAITING:
                self._push(order, order["captured_at"] + order["after_s"])
                return
        self._reply(order, False, "busy")

    # --- pictures ---

    def _take_pictures(self) -> None:
        while True:
            order = self._snapshots.get()
            ok, why = False, "failed"
            try:
                ok, why = self._take_picture(order)
            except OSError as error:
                why = "disk"
                logger.error("snapshot %s could not be written: %s", order.get("path"), error.strerror or error)
            except Exception:  # the top of this thread: a snapshot that fails must not be the last
                logger.exception("snapshot for pool %s failed", order.get("pool"))
            self._reply(order, ok, why)

    def _take_picture(self, order: dict[str, Any]) -> tuple[bool, str]:
        """Write the best picture there is; whether there is one, and what was wrong with the better one."""
        lane = self._lane(order["pool"])
        if lane is None:
            return False, "failed"
        path, boxes, at, why = Path(order["path"]), order["boxes"], order["captured_at"], ""
        if at is not None and lane.ring is not None and lane.recorder is None:
            at += _shift(lane.ring, at, order["pts"])
        if order["moments"] and lane.ring is not None:
            shift = 0.0 if at is None else at - order["captured_at"]
            panels, why = self._panels(lane, [(moment_at + shift, box) for moment_at, box in order["moments"]])
            if panels:
                write_panels(panels, path)
                return True, why
        analyzed = lane.find(order["session"], order["index"])
        exact = analyzed is not None and analyzed.index == order["index"]
        if at is not None and lane.ring is not None and (lane.recorder is not None or not exact):
            try:
                frame, captured_at = self._from_ring(lane, at, _DECODE_SECONDS)
            except _Lacking as lacking:
                why = str(lacking)
            else:
                # what the ring holds is as the camera sent it: masks come before anything is written
                frame = frame if lane.privacy is None else lane.privacy.hide(frame)
                write_snapshot(frame, boxes if abs(captured_at - at) <= _SAME_SECONDS else [], path)
                return True, ""
        if analyzed is None:
            return False, why or "not_kept"
        # in another picture than the one that was judged, things are elsewhere by now
        write_snapshot(analyzed.frame, boxes if exact else [], path)
        return True, why

    def _panels(self, lane: Lane, moments: Sequence[tuple[float, Box]]) -> tuple[list[tuple[Any, list[Box]]], str]:
        """The pictures of the moments that the ring still holds, and why others are missing."""
        panels, why = [], ""
        for at, box in moments:
            try:
                frame, captured_at = self._from_ring(lane, at, _DECODE_SECONDS / len(moments))
            except _Lacking as lacking:
                why = str(lacking)
                continue
            shown = frame if lane.privacy is None else lane.privacy.hide(frame)
            panels.append((shown, [box] if abs(captured_at - at) <= _SAME_SECONDS else []))
        return panels, why

    def _from_ring(self, lane: Lane, at: float, limit_s: float) -> tuple[Any, float]:
        ring = lane.ring
        assert ring is not None
        deadline_at = min(time.monotonic(), at) + _COMES_SECONDS
        while not lane.record_down and (ring.newest_at or 0.0) < at and time.monotonic() < deadline_at:
            time.sleep(_POLL_SECONDS)
        strip = showing(strips(ring.runs()), at, _TOLERANCE_SECONDS)
        if strip is None:
            raise _Lacking("record_down" if lane.record_down else "not_kept")
        try:
            found = nearest(strip, at, limit_s)
        except TooSlow as error:
            raise _Lacking("too_slow") from error
        if found is None:
            raise _Lacking("broken")
        if abs(found[1] - at) > _TOLERANCE_SECONDS:
            raise _Lacking("not_kept")
        return found

    # --- clips ---

    def _take_clips(self) -> None:
        while True:
            order = self._next_clip()
            ok, why = False, "failed"
            try:
                done = self._take_clip(order)
                if done is None:
                    continue
                ok, why = done
            except OSError as error:
                why = "disk"
                logger.error("clip %s could not be written: %s", order.get("path"), error.strerror or error)
            except SourceError as error:
                why = "broken"
                logger.error("clip %s could not be made: %s", order.get("path"), error)
            except Exception:  # the top of this thread
                logger.exception("clip for pool %s failed", order.get("pool"))
            self._reply(order, ok, why)

    def _next_clip(self) -> dict[str, Any]:
        with self._news:
            while True:
                wait_s = self._clips[0][0] - time.monotonic() if self._clips else None
                if wait_s is not None and wait_s <= 0:
                    return heapq.heappop(self._clips)[2]
                self._news.wait(wait_s)

    def _take_clip(self, order: dict[str, Any]) -> tuple[bool, str] | None:
        """Write a clip if all of it has come; None: it waits a little more."""
        lane = self._lane(order["pool"])
        if lane is not None and lane.privacy is not None:
            return False, "masked"  # `check` refuses this; packets cannot be blackened
        ring = None if lane is None else lane.ring
        if lane is None or ring is None:
            return False, "failed"
        at = order["captured_at"]
        begin_at, end_at, now = at - order["before_s"], at + order["after_s"], time.monotonic()
        strip = showing(strips(ring.runs()), at, _TOLERANCE_SECONDS)
        complete = strip is not None and max(strip.times) >= end_at
        if not complete and now < end_at + _LATE_SECONDS:
            with self._news:
                self._push(order, now + _COMES_SECONDS / 2)
            return None
        if strip is None:
            return False, "record_down" if lane.record_down else "not_kept"
        cut = window(strip, begin_at, end_at)
        write_clip(cut, Path(order["path"]))
        whole = min(cut.times) <= begin_at + _SHORT_SECONDS and max(cut.times) >= end_at - _SHORT_SECONDS
        return True, "" if whole else "short"

    def _push(self, order: dict[str, Any], due_at: float) -> None:
        """With the lock."""
        heapq.heappush(self._clips, (due_at, next(self._order), order))
        self._news.notify()

    def _reply(self, order: dict[str, Any], ok: bool, why: str) -> None:
        lane = self._lane(order["pool"])
        kind, name = order["op"], lane.name if lane is not None else "?"
        with self._news:
            news = bool(why) and (kind, name, why) not in self._said and len(self._said) < 1000
            if news:
                self._said.add((kind, name, why))
            elif not why:
                self._said = {said for said in self._said if said[:2] != (kind, name)}
        if news:
            logger.warning(
                "camera '%s': %s %s: %s", name, kind, "is not what it should be" if ok else "is missing", why
            )
        self._answer({"op": "evidence", "request": order["request"], "ok": ok, "why": why})


def _shift(ring: Ring, at: float, pts_s: float | None) -> float:
    """By how much the ring's clock is ahead of the analysed stream's, when both are of one stream, seconds.

    Both take the least delayed picture for undelayed. Where a camera sends B-frames, the one counts from when a picture
    came and the other from when it could be decoded, which is some pictures later.
    """
    if pts_s is None:
        return 0.0
    best: tuple[float, float] | None = None
    for strip in strips(ring.runs()):
        rate = strip.encoding.clock_rate
        for unit, captured_at in zip(strip.units, strip.times, strict=True):
            off = abs(unit.ticks / rate - pts_s)
            if off < _SAME_PTS_SECONDS and abs(captured_at - at) < _MOST_SHIFT_SECONDS and (not best or off < best[0]):
                best = (off, captured_at - at)
    return 0.0 if best is None else best[1]
