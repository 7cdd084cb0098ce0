"""The values behind the page: who counts as analysed, when the daemon is ready, and no credential in free text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamer import log
from streamer.web.status import ANALYSED_WITHIN_S, CameraState, CameraStatus, Status


@pytest.mark.parametrize(
    ("state", "age_s", "analysed"),
    [
        ("live", 0.1, True),
        ("frozen", 0.1, True),
        ("overloaded", 3.0, True),
        ("live", ANALYSED_WITHIN_S, True),
        ("live", ANALYSED_WITHIN_S + 0.1, False),
        ("live", None, False),
        ("lost", 0.1, False),
        ("connecting", 0.1, False),
    ],
)
def test_analysed_means_frames_not_connections(state: CameraState, age_s: float | None, analysed: bool) -> None:
    assert CameraStatus("gate", state, last_frame_age_s=age_s).analysed is analysed


def test_ready_when_every_camera_is_analysed(quiet: Status) -> None:
    assert quiet.readiness.ready
    assert quiet.readiness.reasons == ()


def test_ready_with_no_cameras_at_all() -> None:
    assert Status(0.0, 0.0).readiness.ready


def test_a_named_failure_is_the_cameras_affair(quiet: Status) -> None:
    lost = CameraStatus("dock", "lost", "unauthorized", "no")
    assert replace(quiet, cameras=(*quiet.cameras, lost)).readiness.ready


def test_a_camera_that_is_silently_missing_is_ours(troubled: Status) -> None:
    silent = CameraStatus("pit", "live", last_frame_age_s=42.4)
    readiness = replace(troubled, cameras=(*troubled.cameras, silent)).readiness
    assert not readiness.ready
    assert readiness.reasons == (
        "camera 'stairs': connecting, no frame analysed yet",
        "camera 'pit': live, no frame analysed for 42 s",
    )


def test_free_text_is_scrubbed_and_numbers_stay(troubled: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "secrets", log.Secrets())
    for secret in ("DESCRIBE", "h265", "openvino", "hooks.example", "counter"):
        log.secrets.add(secret)
    clean = troubled.scrubbed()
    text = repr(clean)
    for secret in ("DESCRIBE", "h265", "openvino", "hooks.example", "counter"):
        assert secret in repr(troubled)
        assert secret not in text
    assert [c.latency_p95_s for c in clean.cameras] == [c.latency_p95_s for c in troubled.cameras]
    assert clean.sinks[0].last_error is None
