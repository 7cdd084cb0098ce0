"""The record stream of a camera: a second connection whose pictures are kept as they come, and never decoded.

A camera that is analyzed on its sub-stream sends its evidence on the main stream, which is several times as large: what
it costs here is receiving only. Connects, notices a stall, waits and connects again exactly as `capture` does, in a
thread of its own, so that neither stream waits for the other. Its failure is told beside the camera's own health, and
does not make the camera blind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from streamer.errors import SourceError
from streamer.ingest.capture import Capture, Surroundings
from streamer.ingest.health import Health
from streamer.ingest.picture import PictureCheck
from streamer.ingest.quality import why_dark
from streamer.ingest.rate import RateCheck
from streamer.ingest.ring import Ring
from streamer.ingest.session import Analyzed, Memory
from streamer.ingest.spec import CameraSpec, Limits
from streamer.sources.source import Counts, Source


class _Listener:
    """A host for a capture that has no pictures to deliver."""

    def __init__(self, told: Callable[[Health], None]):
        self.tell = told

    def deliver(self, picture: Analyzed) -> str:
        """See session.Outlet; nothing is decoded, so nothing comes."""
        raise AssertionError("a record stream delivers no pictures")


class Recorder(Capture):
    """One camera's record stream.

    Args:
        spec: the camera; `record_url` is what is read.
        limits: time limits.
        ring: where the pictures go.
        told: called at every change of its health, in its thread.
        around: clock and connector.
    """

    decodes = False

    def __init__(
        self,
        spec: CameraSpec,
        limits: Limits,
        ring: Ring,
        told: Callable[[Health], None],
        around: Surroundings | None = None,
    ):
        own = replace(spec, name=f"{spec.name} (record)", url=spec.record_url or "", record_url=None)
        memory = Memory(PictureCheck(limits.frozen_s, limits.black_s), RateCheck(limits.runaway_s), Counter())
        super().__init__(own, limits, memory, _Listener(told), around, ring)
        self._kept = ring

    @property
    def _delivered(self) -> int:
        return self.counts.units

    def _watch(self, source: Source) -> None:
        if source.encoding is None:
            raise SourceError("unsupported", "it gives no encoded pictures that could be kept")
        now, newest_at = self._around.now, self._kept.newest_at
        kept_at, before, live = now(), source.counts.copy(), False
        while not self._stop.is_set():
            self.busy_since = now()
            try:
                source.read()
            except SourceError as error:
                if self.aborted_at is not None and not self._stop.is_set():
                    self._check(now() - kept_at, before, source)
                raise error
            if self._kept.newest_at != newest_at:
                newest_at, kept_at, before = self._kept.newest_at, now(), source.counts.copy()
                if not live:
                    self._go_live(source)
                live = True
            else:
                self._check(now() - kept_at, before, source)

    def _go_live(self, source: Source) -> None:
        self.memory.session += 1
        self._shown = replace(
            self._shown, fps=source.fps, codec=source.info.codec, transport=source.info.transport, cause=None, detail=""
        )
        self._tell("live", None, "")

    def _check(self, dark_s: float, before: Counts, source: Source) -> None:
        """Raise SourceError when nothing that can be kept has come for too long."""
        if dark_s <= self._limits.stall_s:
            return
        cause, detail = why_dark(before, source.counts)
        if cause == "stalled" and source.counts.units > before.units:
            cause, detail = "no_keyframe", f"{source.counts.units - before.units} pictures, none of them a keyframe"
        raise SourceError(cause, f"no picture for {dark_s:.1f} s; {detail}")
