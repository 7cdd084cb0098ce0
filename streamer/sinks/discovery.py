"""Topics and Home Assistant discovery of the MQTT sink: one device a camera, one entity a kind. Pure values."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
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


def armed_topic(prefix: str, camera: str) -> str:
    """Whether a camera (or ``*``, the site) is armed; retained. With ``/set`` behind it: where commands go."""
    return f"{prefix}/armed" if camera == "*" else f"{prefix}/{level(camera)}/status/armed"


def armed_word(camera: str, armed: bool) -> str:
    """The state of an alarm panel (the site) or of a switch (a camera), as Home Assistant calls it."""
    return ("armed_away" if armed else "disarmed") if camera == "*" else ("ON" if armed else "OFF")


def command_filters(prefix: str) -> list[str]:
    """What to subscribe to for commands."""
    return [f"{prefix}/armed/set", f"{prefix}/+/status/armed/set"]


def command(prefix: str, topic: str, payload: object, cameras: Collection[str]) -> tuple[str, bool] | None:
    """Which camera (or ``*``) is to be armed (True) or disarmed by a message; None: it is no command."""
    words = {b"ARM_AWAY": True, b"ON": True, b"DISARM": False, b"OFF": False}
    armed = words.get(payload.strip().upper()) if isinstance(payload, bytes) else None
    name = next((name for name in ("*", *cameras) if topic == f"{armed_topic(prefix, name)}/set"), None)
    return None if armed is None or name is None else (name, armed)


def switches(discovery: str, prefix: str, cameras: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Topic and payload of what arms and disarms: an alarm panel for the site, a switch for each camera."""
    available = {"topic": available_topic(prefix), "payload_available": "online", "payload_not_available": "offline"}
    site = _identifier(prefix)
    yield (
        f"{discovery}/alarm_control_panel/{site}/armed/config",
        {
            "name": "Alerts",
            "unique_id": f"{site}_armed",
            "state_topic": armed_topic(prefix, "*"),
            "command_topic": f"{armed_topic(prefix, '*')}/set",
            "payload_arm_away": "ARM_AWAY",
            "payload_disarm": "DISARM",
            "supported_features": ["arm_away"],
            "code_arm_required": False,
            "code_disarm_required": False,
            "availability": [available],
            "device": {"identifiers": [site], "name": prefix, "manufacturer": "streamer", "model": "site"},
            "origin": {"name": "streamer"},
        },
    )
    for camera in cameras:
        node = _identifier(prefix, camera)
        yield (
            f"{discovery}/switch/{node}/armed/config",
            {
                "name": "Alerts",
                "unique_id": f"{node}_armed",
                "icon": "mdi:shield-check",
                "state_topic": armed_topic(prefix, camera),
                "command_topic": f"{armed_topic(prefix, camera)}/set",
                "payload_on": "ON",
                "payload_off": "OFF",
                "availability": [available],
                "device": {"identifiers": [node], "name": camera, "manufacturer": "streamer", "model": "camera"},
                "origin": {"name": "streamer"},
            },
        )


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
