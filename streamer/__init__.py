"""streamer: cameras in, delivered alerts out.

What a pipeline author needs, exported lazily: every child process imports this package, and none may pay for more
than it uses (no torch in readers, engine or command line).
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_EXPORTS = {
    "AbandonedObject": "streamer.rules.abandoned",
    "Behaviour": "streamer.behaviour",
    "Camera": "streamer.camera",
    "Congestion": "streamer.rules.congestion",
    "Counting": "streamer.rules.counting",
    "Crowd": "streamer.rules.crowd",
    "Detections": "streamer.types",
    "Detector": "streamer.pipeline",
    "Event": "streamer.events",
    "Fight": "streamer.rules.fight",
    "Fall": "streamer.rules.fall",
    "Frame": "streamer.types",
    "Intrusion": "streamer.rules.intrusion",
    "LineCrossing": "streamer.rules.line_crossing",
    "Loitering": "streamer.rules.loitering",
    "Occupancy": "streamer.rules.occupancy",
    "Pipeline": "streamer.pipeline",
    "Places": "streamer.places",
    "Queue": "streamer.rules.queue",
    "Reading": "streamer.readings",
    "RedLight": "streamer.rules.red_light",
    "Rule": "streamer.rules.rule",
    "Running": "streamer.rules.running",
    "Scores": "streamer.types",
    "Signal": "streamer.types",
    "Speeding": "streamer.rules.speeding",
    "StoppedVehicle": "streamer.rules.stopped_vehicle",
    "Tailgating": "streamer.rules.tailgating",
    "Tracker": "streamer.tracker",
    "Tracks": "streamer.types",
    "WrongWay": "streamer.rules.wrong_way",
}

__all__ = [*_EXPORTS, "__version__"]


def __getattr__(name: str) -> Any:
    """Import an exported name on first use (PEP 562)."""
    if name not in _EXPORTS:
        raise AttributeError(f"module 'streamer' has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)
