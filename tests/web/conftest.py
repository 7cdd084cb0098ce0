"""Statuses that look like a real site, for the tests of the page and for looking at it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamer.errors import CAUSES
from streamer.web.status import AlertRow, CameraStatus, PartStatus, SinkStatus, Status

NOW = 1_795_464_900.0


@pytest.fixture(name="quiet")
def _quiet() -> Status:
    return quiet()


@pytest.fixture(name="troubled")
def _troubled() -> Status:
    return troubled()


_LIVE = CameraStatus("gate", "live", None, "", NOW - 86000, 0.16, 0.047, 0.084, 5.0, 5.0, "1280x720 h264 15 fps", 1)


def _live(name: str, **changes: object) -> CameraStatus:
    return replace(_LIVE, name=name, **changes)  # type: ignore[arg-type]


def _lost(name: str, cause: str, detail: str, since_s: float, **changes: object) -> CameraStatus:
    words = f"{CAUSES[cause]}{': ' + detail if detail else ''}"
    lost = CameraStatus(name, "lost", cause, words, NOW - since_s, since_s, offered_fps=5.0, session=4)
    return replace(lost, **changes)  # type: ignore[arg-type]


def quiet(cameras: int = 3) -> Status:
    """All is well."""
    return Status(
        NOW,
        NOW - 273_000,
        "0.1.0",
        tuple(_live(f"cam-{i:02d}") for i in range(cameras)),
        (PartStatus("worker"), PartStatus("readers"), PartStatus("outbox")),
        (SinkStatus("log", 0, None, None, 412), SinkStatus("ops", 0, None, None, 96)),
    )


def troubled() -> Status:
    """Sixteen cameras in every state, a sink that is down, and a part that is retried slowly."""
    cameras = (
        _live("gate"),
        _live("yard", latency_p95_s=0.091, source="1920x1080 h265 25 fps"),
        _live("lobby", last_frame_age_s=0.02),
        _lost("dock", "unauthorized", "401 on DESCRIBE after Digest", 740.0, retry_in_s=24.0),
        _lost("ramp", "stalled", "no frame for 15.0 s (stall_seconds=15)", 61.0, retry_in_s=3.6, session=9),
        CameraStatus(
            "roof",
            "frozen",
            "frozen",
            CAUSES["frozen"] + " for 64 s",
            NOW - 64,
            0.2,
            0.05,
            0.09,
            5.0,
            5.0,
            "704x576 h264 12 fps",
            2,
        ),
        CameraStatus("stairs", "connecting", None, "", NOW - 2, offered_fps=5.0),
        CameraStatus(
            "tunnel",
            "connecting",
            "refused",
            f"{CAUSES['refused']}: 10.0.0.17 port 554",
            NOW - 4000,
            4000.0,
            offered_fps=5.0,
            retry_in_s=55.0,
            session=3,
        ),
        CameraStatus(
            "parking-north",
            "overloaded",
            "overloaded",
            CAUSES["overloaded"],
            NOW - 30,
            0.4,
            0.3,
            1.3,
            2.6,
            5.0,
            "3840x2160 h265 30 fps",
            1,
        ),
        _live("parking-south", analysed_fps=4.2),
        *(_live(f"aisle-{i}", last_frame_age_s=0.1 + 0.01 * i, latency_p50_s=0.04 + 0.001 * i) for i in range(1, 7)),
    )
    return Status(
        NOW,
        NOW - 273_000,
        "0.1.0",
        cameras,
        (
            PartStatus("worker", "ok", "yolox_nano on openvino, cpu", 1),
            PartStatus("readers", "ok", "2 processes"),
            PartStatus("pipeline surveillance", "degraded", "over 5 restarts in 60 s; retrying every 60 s", 7),
            PartStatus("outbox"),
        ),
        (
            SinkStatus("log", 0, None, None, 412),
            SinkStatus("ops", 14, 932.0, "https://hooks.example.org answered 503 Service Unavailable", 81, 2),
            SinkStatus("home", 0, None, None, 96),
        ),
        _feed(),
        overloaded=True,
    )


def _feed() -> tuple[AlertRow, ...]:
    down = {"log": "delivered", "ops": "waiting"}
    return (
        AlertRow("yard-surveillance-intrusion-1795464888000-1:begin", NOW - 12, "yard", "intrusion",
                 "intrusion at yard: person in zone yard for 1.2 s (confidence 0.82)", "critical", down, "x"),
        AlertRow("dock-system-camera_offline-1:begin", NOW - 730, "dock", "camera_offline",
                 "dock is offline, blind since 20:02:40: " + CAUSES["unauthorized"], "critical", down),
        AlertRow("lobby-surveillance-loitering-1:begin", NOW - 1900, "lobby", "loitering",
                 "loitering at lobby: person in zone counter for 15.4 s (confidence 0.77)", "warning",
                 {"log": "delivered", "home": "delivered", "ops": "expired"}, "y"),
        AlertRow("gate-traffic-line_crossing-1:begin", NOW - 90_000, "gate", "line_crossing",
                 "line crossing at gate: car at line entry (confidence 0.91)", "info", {"log": "delivered"}),
    )  # fmt: skip
