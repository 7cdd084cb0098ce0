"""What is wrong with a stream that still shows pictures: packets lost on the way, data that cannot be decoded.

Compares a source's counts over windows of some seconds. One object a connection, in the camera's thread.
"""

from __future__ import annotations

from dataclasses import replace

from streamer.sources.source import Counts

WINDOW_SECONDS = 5.0
_LOST_SHARE = 0.01
_ERROR_SHARE = 0.1


class QualityCheck:
    """Judges one connection's counts."""

    def __init__(self, counts: Counts, at: float):
        self._counts = counts
        self._before = replace(counts)
        self._at = at
        self.verdict: tuple[str, str] | None = None
        """(cause, detail) of what is wrong now; None if nothing."""

    def judge(self, at: float) -> None:
        """Renew the verdict once a window is over."""
        if at - self._at < WINDOW_SECONDS:
            return
        now, before = self._counts, self._before
        self.verdict = difference(before, now)
        self._before, self._at = replace(now), at


def difference(before: Counts, now: Counts) -> tuple[str, str] | None:
    """What went wrong between two counts: (cause, detail), loss before the errors that it causes."""
    lost = now.packets_lost - before.packets_lost
    packets = now.packets - before.packets + lost
    errors, units = now.decode_errors - before.decode_errors, now.units - before.units
    if lost > _LOST_SHARE * packets:
        return "packet_loss", f"{lost} of {packets} RTP packets ({100 * lost / packets:.1f} %)"
    if errors > _ERROR_SHARE * units:
        return "corrupt", f"{errors} of {units} pictures have errors"
    return None


def why_dark(before: Counts, now: Counts) -> tuple[str, str]:
    """Why no whole picture came between two counts: (cause, detail)."""
    wrong = difference(before, now)
    if wrong is not None:
        return wrong
    if now.decoded > before.decoded:
        lost = now.packets_lost - before.packets_lost
        broken = f"{now.decoded - before.decoded} pictures, none of them whole"
        return ("packet_loss", f"{lost} RTP packets; {broken}") if lost else ("corrupt", broken)
    if now.waiting > before.waiting:
        return "no_keyframe", f"{now.waiting - before.waiting} pictures, none of them a keyframe"
    packets = now.packets - before.packets
    return "stalled", f"{packets} packets came, but no picture" if packets else "nothing came"
