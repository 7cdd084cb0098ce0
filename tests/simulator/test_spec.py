"""Specifications: defaults, every way to be wrong, and passwords that do not leak."""

from __future__ import annotations

import json
import logging

import pytest

from streamer.errors import InputError
from streamer.log import secrets
from streamer.simulator.spec import SimulatorSpec, parse_spec


def _spec(**camera: object) -> SimulatorSpec:
    return parse_spec({"cameras": [{"name": "cam", "scene": "yard", **camera}]})


def test_defaults() -> None:
    (camera,) = _spec().cameras
    assert (camera.size, camera.scene_fps, camera.codec, camera.scene_gop) == ((640, 360), 15.0, "h264", 30)
    (big,) = _spec(size="1280x720").cameras
    assert big.size == (1280, 720)
    assert big.scene_bitrate == pytest.approx(2_000_000, rel=0.01)
    (slow,) = _spec(fps=0.2).cameras
    assert slow.scene_gop == 1


def test_count_makes_names() -> None:
    spec = parse_spec(
        json.dumps({"cameras": [{"name": "c", "scene": "yard", "count": 3}, {"name": "x", "file": "a.mp4"}]})
    )
    assert spec.names == ("c0", "c1", "c2", "x")
    assert spec.camera("c2").scene == "yard"
    with pytest.raises(InputError, match="'c' is not one of c0, c1, c2, x"):
        spec.camera("c")


@pytest.mark.parametrize(
    ("camera", "words"),
    [
        ({"scene": None}, "either a scene or a file"),
        ({"file": "a.mp4"}, "either a scene or a file"),
        ({"name": "a/b"}, "pattern"),
        ({"size": "big"}, "size"),
        ({"fps": 0}, "fps"),
        ({"codec": "av1"}, "h264"),
        ({"gop": 0}, "gop"),
        ({"auth": "basic"}, "needs a user"),
        ({"fault": "fire"}, "not one of refuse"),
        ({"fault": {"kind": "loss", "rate": 3}}, "within 0 and 1"),
        ({"colour": "red"}, "colour"),
        ({"port": 70000}, "port"),
    ],
)
def test_refused(camera: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        _spec(**camera)


def test_refused_as_a_whole() -> None:
    with pytest.raises(InputError, match="cameras"):
        parse_spec({"cameras": []})
    with pytest.raises(InputError, match="'a' is given twice"):
        parse_spec({"cameras": [{"name": "a", "scene": "yard"}, {"name": "a", "scene": "empty"}]})
    with pytest.raises(InputError, match="JSON"):
        parse_spec("{")


def test_password_does_not_leak(caplog: pytest.LogCaptureFixture) -> None:
    spec = _spec(user="admin", password="s3cret-yes", auth="digest")
    assert "s3cret-yes" not in repr(spec)
    assert "s3cret-yes" not in secrets.scrub("rtsp://admin:s3cret-yes@host/cam")
    with pytest.raises(InputError) as caught:
        _spec(user="admin", password="s3cret-yes", auth="digest", colour="red")
    assert "s3cret-yes" not in str(caught.value)
    logging.getLogger("x").warning("nothing")
