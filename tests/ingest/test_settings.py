import json

import pytest
from pydantic import ValidationError

from streamer.ingest.settings import CameraSpec, IngestSettings
from streamer.ingest.spec import Limits


def test_defaults_and_limits():
    settings = IngestSettings()
    assert settings.processes == "auto"
    assert settings.limits() == Limits()
    assert Limits.from_header(json.loads(json.dumps(settings.limits().header()))) == Limits()


@pytest.mark.parametrize(
    "given", [{"stall": 3}, {"stall_seconds": 0}, {"backoff_seconds": []}, {"slots": 1}, {"processes": "many"}]
)
def test_wrong_values(given):
    with pytest.raises(ValidationError):
        IngestSettings(**given)


def test_specs_compare_by_value_and_hide_their_address():
    a, b = CameraSpec("x", "rtsp://u:geheim@h/1"), CameraSpec("x", "rtsp://u:geheim@h/1")
    assert a == b
    assert "geheim" not in repr(a)
    assert CameraSpec(**json.loads(json.dumps(a.header()))) == a
