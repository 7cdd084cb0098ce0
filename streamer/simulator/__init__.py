"""Simulated cameras: scenes with exact ground truth, and an RTSP server that can misbehave on command.

Used by the demo, the bench and the tests, mostly through `Simulator`, which runs it in a process of its own. Names are
imported on first use, so that a parent process pays neither for PyAV nor for OpenCV.
"""

from importlib import import_module
from typing import Any

_EXPORTS = {
    "CameraSpec": "streamer.simulator.spec",
    "SimulatorSpec": "streamer.simulator.spec",
    "Simulator": "streamer.simulator.process",
    "RtspServer": "streamer.simulator.rtsp",
    "SentTimes": "streamer.simulator.sendlog",
    "FAULTS": "streamer.simulator.faults",
    "SCENES": "streamer.simulator.library",
    "Truth": "streamer.simulator.truth",
}

__all__ = list(_EXPORTS)


def __getattr__(name: str) -> Any:
    """Import an exported name on first use (PEP 562)."""
    if name not in _EXPORTS:
        raise AttributeError(f"module 'streamer.simulator' has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)
