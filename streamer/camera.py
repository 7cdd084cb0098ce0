"""A camera as a pipeline sees it: its places, and its frames, always the freshest.

`put` is called by the engine with every analysed frame; `frames` is iterated by `watch`. Between them lies a mailbox
of one: a frame that still waits when a newer one comes is dropped and counted (latest wins), so a slow pipeline lags
by one frame, never by a queue; and when there are more frames than the machine can serve, a pipeline gets one only when
it is the camera's turn (see `turns`). Replay uses `offer`, which waits instead of dropping. One object a camera and
pipeline; all on the engine's loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from streamer.bell import Bell
from streamer.places import Places
from streamer.turns import Seat, Turns
from streamer.types import Frame


@dataclass(frozen=True, slots=True)
class Watching:
    """How a camera's frames reach a pipeline."""

    gap_tolerance_s: float = 5.0
    """Longer gaps between frames, in seconds, end `frames`: tracks and timers do not survive them."""
    wait_for_gap: bool = True
    """Live: also end `frames` when nothing came for that long. Replay: only frames tell the time."""


class Camera:
    """Name, places and frames of one camera, for one pipeline.

    Args:
        name: as in the configuration.
        places: what is drawn on its picture.
        watching: how gaps are treated.
        done: called once for every frame that was put, with what became of it: ``ok`` (analysed), ``superseded``,
            or ``failed`` (the pipeline raised or was stopped in the middle of it).
        turns: whom to ask before a frame is taken; None: nobody.
    """

    def __init__(
        self,
        name: str,
        places: Places | None = None,
        watching: Watching | None = None,
        done: Callable[[Frame, str], None] | None = None,
        turns: Turns | None = None,
    ):
        self.name = name
        self.places = places or Places()
        self.current: Frame | None = None
        """The frame that the pipeline works on, or the last one it worked on."""
        self.taken = 0
        """How many frames the pipeline has asked for."""
        self._watching = watching or Watching()
        self._done = done or (lambda frame, outcome: None)
        self._turns = turns
        self._seat = Seat(self._waits_since)
        self._held: Frame | None = None
        self._mail: Frame | None = None
        self._news = Bell()
        self._taken = asyncio.Event()
        self._closed = False

    def put(self, frame: Frame) -> None:
        """Leave the freshest frame in the mailbox; an older one that still waits there is dropped."""
        if self._closed:
            self._done(frame, "superseded")
            return
        stale, self._mail = self._mail, frame
        self._news.ring()
        if stale is not None:
            self._done(stale, "superseded")

    async def offer(self, frame: Frame) -> None:
        """Leave a frame and wait until the pipeline has finished with it (replay: nothing is lost)."""
        self._taken.clear()
        self.put(frame)
        if not self._closed:
            await self._taken.wait()

    def clear(self) -> None:
        """Give back the frame that waits, if any (the camera is being taken away)."""
        stale, self._mail = self._mail, None
        if stale is not None:
            self._done(stale, "superseded")

    def let_go(self) -> None:
        """Give back the frame that a pipeline left in the middle.

        Closing a pipeline does not close the `frames` that it iterates (the garbage collector does, some time later),
        so whoever ran the pipeline says when it has ended.
        """
        self._finish(self._held, "failed")

    def close(self) -> None:
        """No more frames will come: `frames` ends after the one in the mailbox."""
        self._closed = True
        self._news.ring()

    @property
    def closed(self) -> bool:
        """True once `close` was called and the mailbox is empty."""
        return self._closed and self._mail is None

    async def frames(self) -> AsyncIterator[Frame]:
        """The freshest frame each time; ends at a gap beyond the tolerance, and when the camera is closed.

        A frame after a long gap stays in the mailbox: the next `frames` begins with it.
        """
        self.let_go()
        # a seat of its own: an older `frames` that is collected late gives back nothing of this one
        self._seat = seat = Seat(self._waits_since, self._seat.served)
        mine: Frame | None = None
        last: Frame | None = None
        try:
            while await self._mail_comes(last):
                if self._turns is not None:
                    await self._turns.take(seat)
                frame = self._mail  # often newer than the one that came; none if it was taken away meanwhile
                if frame is None:
                    self._give_turn(seat)
                    continue
                if last is not None and self._breaks(last, frame):
                    return
                self._mail = None
                self.current = self._held = mine = frame
                self.taken += 1
                yield frame
                self._finish(frame, "ok")
                last = frame
        finally:
            self._finish(mine, "failed")
            self._give_turn(seat)

    async def _mail_comes(self, last: Frame | None) -> bool:
        # the first frame may take its time: a camera that is down at start is no gap in anything
        limit_s = self._watching.gap_tolerance_s if last is not None and self._watching.wait_for_gap else None
        while self._mail is None and not self._closed:
            if not await self._news.heard(limit_s):
                return False
        return self._mail is not None

    def _breaks(self, last: Frame, frame: Frame) -> bool:
        """Whether tracks and timers must not be carried from one frame to the other."""
        return frame.time - last.time > self._watching.gap_tolerance_s or frame.time <= last.time

    def _finish(self, frame: Frame | None, outcome: str) -> None:
        """Give a frame back, if it is still the one that is held: a late call for an older one changes nothing."""
        if frame is not None and frame is self._held:
            self._held = None
            self._give_turn(self._seat)
            self._done(frame, outcome)
            self._taken.set()

    def _give_turn(self, seat: Seat) -> None:
        if self._turns is not None:
            self._turns.give(seat)

    def _waits_since(self) -> float:
        return 0.0 if self._mail is None else self._mail.captured_at
