"""The hum is proper mu-law that FFmpeg decodes to a tone of the right pitch and strength."""

from __future__ import annotations

import av
import numpy as np
import pytest

from streamer.simulator.soundtrack import PACKET_S, RATE, hum


def test_hum_decodes_to_its_tone() -> None:
    decoder = av.CodecContext.create("pcm_mulaw", "r")
    decoder.sample_rate, decoder.layout = RATE, "mono"
    packet = hum()
    assert len(packet) == RATE * PACKET_S
    frames = decoder.decode(av.Packet(packet * 10))
    samples = np.concatenate([frame.to_ndarray().ravel() for frame in frames]).astype(float)
    spectrum = np.abs(np.fft.rfft(samples))
    assert spectrum.argmax() * RATE / len(samples) == pytest.approx(100)
    wanted = 400 * np.sin(2 * np.pi * 100 * np.arange(len(samples)) / RATE)
    assert np.corrcoef(samples, wanted)[0, 1] > 0.99
    # soundtrack counts in mu-law's 14 bits, FFmpeg decodes to 16
    assert np.abs(samples).max() == pytest.approx(1600, rel=0.1)
