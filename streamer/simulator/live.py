"""A camera with an encoder of its own: each picture is drawn when it is due, encoded, and sent at once.

The looped form (`mount`) draws and encodes a scene once and sends it round and round for next to nothing; this one
costs what it costs, needs no time before the first picture and no memory for a loop, never repeats an encoded byte, and
begins with a keyframe for whoever comes, as real cameras do. What happens in the scene is the same, by seed and time.

A thread a camera draws on the clock, while somebody watches; the event loop's thread sends. When it cannot keep up it
leaves pictures out and counts them (`late`); at most `WAITING` encoded ones wait for the loop.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from streamer.errors import InputError
from streamer.simulator.encode import Coding, Encoder
from streamer.simulator.faults import Fault
from streamer.simulator.mount import CameraSettings, Mount, Stand
from streamer.simulator.outlet import Outlet
from streamer.simulator.reel import Reel, Unit, make_reel, make_unit
from streamer.simulator.render import Renderer

WAITING = 4
"""Encoded pictures that may wait for the event loop."""
_SENDS = (
    "refuse",
    "401",
    "404",
    "half_open",
    "slow_start",
    "audio_only",
    "stall",
    "corrupt",
    "loss",
    "pts_jump",
    "pts_reset",
)
"""Faults that do not need another encoding or another clock."""


def first_reel(renderer: Renderer, coding: Coding, index: int) -> Reel:
    """One encoded picture, from which a description can be made. Raises InputError for an unusable coding."""
    return make_reel(
        coding.codec, (coding.width, coding.height), coding.fps, Encoder(coding).encode(renderer.i420(index), key=True)
    )


class LiveMount(Mount):
    """A camera whose pictures are encoded as they happen."""

    def __init__(
        self,
        camera: CameraSettings,
        scene: tuple[Renderer, Coding, bool],
        log: Callable[[int, float], None] | None = None,
    ):
        """`scene` is what it shows, how that is encoded, and whether frame numbers are burnt into it."""
        self._renderer, self._coding, self._burn = scene
        super().__init__(camera, first_reel(self._renderer, self._coding, camera.start), log)
        self._key_wanted = threading.Event()
        self._stopped = threading.Event()
        self._watched = threading.Event()
        self._free = threading.Semaphore(WAITING)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def frames(self) -> int:
        """Pictures until the scene begins anew."""
        return self._renderer.frames

    def play(self, outlet: Outlet) -> None:
        """Begin to send to an outlet, with a keyframe that is made for it."""
        super().play(outlet)
        self._key_wanted.set()
        self._watched.set()

    def leave(self, outlet: Outlet) -> None:
        """Send no more to an outlet; nothing is drawn while nobody watches."""
        super().leave(outlet)
        if not self.watchers:
            self._watched.clear()

    def begin(self) -> None:
        """Start the camera's clock and its encoder, unless they run."""
        if self._origin is None and not self._stopped.is_set():
            self._loop = asyncio.get_running_loop()
            self._origin = time.monotonic() + self.camera.phase / self.reel.fps
            self._rebase = (self._origin, 0, self.reel.fps)
            threading.Thread(
                target=self._film, args=(self._origin,), name=f"live-{self.camera.name}", daemon=True
            ).start()

    def stop(self) -> None:
        """Stop the clock for good."""
        self._stopped.set()
        self._watched.set()
        super().stop()

    def misbehave(self, fault: Fault | None, stand: Stand | None = None) -> None:
        """Take on a fault of sending, or behave again. Raises InputError for one that needs other pictures."""
        if fault is not None and fault.kind not in _SENDS:
            raise InputError(
                f"camera {self.camera.name!r} is encoded live and cannot be {fault.kind!r}; leave `live` out of its "
                f"specification, or take one of {', '.join(_SENDS)}"
            )
        super().misbehave(fault, None)
        self._key_wanted.set()

    def cue(self) -> None:
        """Nothing to tell: the keyframe for a client that plays now is not encoded yet."""
        return

    def _schedule(self, at: float) -> None:
        """The encoder's thread is the clock."""

    def _film(self, origin: float) -> None:
        """The thread: draw, encode and hand over each picture when it is due."""
        encoder, fps, number = Encoder(self._coding), self.reel.fps, 0
        while not self._stopped.is_set():
            self._watched.wait()
            now = time.monotonic()
            behind = int((now - origin) * fps) - number
            if behind > 0:  # too slow, or nobody watched: what is over is over
                number += behind
            self._stopped.wait(max(0.0, origin + number / fps - now))
            if self._stopped.is_set():
                return
            key = self._key_wanted.is_set()
            self._key_wanted.clear()
            picture = self._renderer.i420((self.camera.start + number) % self.frames, self._burn)
            for coded in encoder.encode(picture, key, number):
                self._hand_over(number, make_unit(coded, self._coding.codec, self.reel.parameter_sets))
            number += 1

    def _hand_over(self, number: int, unit: Unit) -> None:
        if not self._free.acquire(blocking=False):
            self._key_wanted.set()  # what follows builds on what is left out here
            return
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._send, number, unit)
        except RuntimeError:  # the loop has ended
            self._stopped.set()

    def _send(self, number: int, unit: Unit) -> None:
        """On the loop: one more picture is there."""
        self._free.release()
        if self._stopped.is_set():
            return
        left_out = number - self.number
        if left_out > 0:
            self.late += left_out if self._seen_by_all() else 0
            self._pass(left_out)
        self._emit(unit, (self._origin or 0.0) + number / self.reel.fps)
        self.number = number + 1

    def _seen_by_all(self) -> bool:
        """Whether pictures that were left out are missed: not by somebody who has only just come."""
        return any(not outlet.waiting for outlet in self.watchers)
