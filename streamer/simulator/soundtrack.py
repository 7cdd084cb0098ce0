"""The audio track of a simulated camera: a quiet hum in PCMU, 25 packets a second.

It exists because many cameras send one beside the video, and some, when broken, nothing else. Called by `session`,
one for each client that asks for audio. Event loop's thread, one timer.
"""

from __future__ import annotations

import asyncio
import time

import numpy as np

from streamer.simulator.mount import Mount
from streamer.simulator.outlet import Outlet
from streamer.simulator.rtcp import Report, sender_report
from streamer.simulator.rtp import AUDIO_TYPE, frame_payloads

RATE = 8000
PACKET_S = 0.04
_SAMPLES = int(RATE * PACKET_S)
_REPORT_EVERY = 125
_AMPLITUDE, _BIAS = 400, 33


class Soundtrack:
    """Audio for one client."""

    def __init__(self, mount: Mount, outlet: Outlet):
        self._mount, self._outlet = mount, outlet
        self._burst = frame_payloads([hum()], AUDIO_TYPE, marker=False)
        self._ssrc = mount.ssrc ^ 0x5A5A5A5A
        self._count, self._origin = 0, 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to send."""
        self._origin = time.monotonic()
        self._tick()

    def stop(self) -> None:
        """Send no more."""
        if self._timer:
            self._timer.cancel()

    def _tick(self) -> None:
        fault = self._mount.fault
        if not (fault and fault.silences and fault.kind != "audio_only"):
            self._burst.stamp(self._count & 0xFFFF, self._count * _SAMPLES, self._ssrc)
            self._outlet.offer(self._burst, key=True)
            if self._count % _REPORT_EVERY == 0:
                self._report()
        self._count += 1
        wait = self._origin + self._count * PACKET_S - time.monotonic()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, wait), self._tick)

    def _report(self) -> None:
        if self._mount.camera.clock == "sane":
            sent = self._outlet.packets, self._outlet.octets
            report = Report(self._ssrc, time.time(), self._count * _SAMPLES, *sent)
            self._outlet.report(sender_report(report, self._mount.camera.name))


def hum() -> bytes:
    """One packet of a 100 Hz tone in mu-law (ITU-T G.711); whole periods, so that it repeats without a click."""
    pcm = _AMPLITUDE * np.sin(2 * np.pi * 100 * np.arange(_SAMPLES) / RATE)
    magnitude = np.abs(pcm).astype(int) + _BIAS
    exponent = np.floor(np.log2(magnitude)).astype(int) - 5
    mantissa = (magnitude >> (exponent + 1)) & 0x0F
    code = (pcm < 0) * 0x80 | exponent << 4 | mantissa
    return bytes((~code & 0xFF).astype(np.uint8))
