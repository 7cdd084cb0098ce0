"""Topics and Home Assistant discovery of the MQTT sink: one device a camera, one entity a kind. Pure values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any

_CLASSES = {
    "intrusion": "motion",
    "loitering": "motion",
    "running": "motion",
    "crowd": "occupancy",
    "queue": "occupancy",
    "occupancy": "occupancy",
    "camera_tampered": "tamper",
    "camera_frozen": "problem",
    "overloaded": "problem",
    "degraded": "problem",
    "fall": "safety",
    "fallen": "safety",
    "fight": "safety",
}
"""Home Assistant device classes; a kind that is not here has none."""


def level(name: str) -> str:
    """A name as one level of an MQTT topic: wildcards and separators replaced."""
    return re.sub(r"[+#/\x00-\x1f]", "_", name) or "_"


def available_topic(prefix: str) -> str:
    """``online`` while the daemon is connected; retained, and the broker's last will."""
    return f"{prefix}/available"


def status_topic(prefix: str, camera: str) -> str:
    """``online`` or ``offline``: whether the camera is analyzed; retained."""
    return f"{prefix}/{level(camera)}/status/detect"


def event_topic(prefix: str, camera: str, kind: str) -> str:
    """Each event of that kind, as JSON."""
    return f"{prefix}/{level(camera) if camera else 'system'}/{level(kind)}"


def state_topic(prefix: str, camera: str, kind: str) -> str:
    """``ON`` while an incident of that kind is open; retained."""
    return f"{event_topic(prefix, camera, kind)}/state"


def snapshot_topic(prefix: str, camera: str, kind: str) -> str:
    """The JPEG of the last incident of that kind; retained."""
    return f"{event_topic(prefix, camera, kind)}/snapshot"


def messages(discovery: str, prefix: str, camera: str, kinds: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Topic and payload of each entity of one camera.

    Args:
        discovery: Home Assistant's discovery prefix, usually ``homeassistant``.
        prefix: of all topics of this daemon.
        camera: its name.
        kinds: of events that it may have.
    """
    node = _identifier(prefix, camera)
    device = {"identifiers": [node], "name": camera, "manufacturer": "streamer", "model": "camera"}
    available = {"topic": available_topic(prefix), "payload_available": "online", "payload_not_available": "offline"}
    yield (
        f"{discovery}/binary_sensor/{node}/connectivity/config",
        {
            "name": "Connectivity",
            "unique_id": f"{node}_connectivity",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "state_topic": status_topic(prefix, camera),
            "payload_on": "online",
            "payload_off": "offline",
            "availability": [available],
            "device": device,
            "origin": {"name": "streamer"},
        },
    )
    seeing = {
        "topic": status_topic(prefix, camera),
        "payload_available": "online",
        "payload_not_available": "offline",
    }
    for kind in kinds:
        payload: dict[str, Any] = {
            "name": kind.replace("_", " ").capitalize(),
            "unique_id": f"{node}_{_identifier(kind)}",
            "state_topic": state_topic(prefix, camera, kind),
            "payload_on": "ON",
            "payload_off": "OFF",
            "json_attributes_topic": event_topic(prefix, camera, kind),
            "availability": [available, seeing],
            "availability_mode": "all",
            "device": device,
            "origin": {"name": "streamer"},
        }
        if kind in _CLASSES:
            payload["device_class"] = _CLASSES[kind]
        yield f"{discovery}/binary_sensor/{node}/{_identifier(kind)}/config", payload


def _identifier(*names: str) -> str:
    """An id of Home Assistant (letters, digits, ``_`` and ``-``); names that had to change get a mark of their own."""
    text = "_".join(names)
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", text)
    return plain if plain == text else f"{plain}_{blake2b(text.encode(), digest_size=3).hexdigest()}"
