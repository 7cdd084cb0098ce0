import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.ingest.health import Health

GOOD = Health("gate", 3, "lost", "refused", "no", 12.5, 14.0, "frozen", 640, 360, 15.0, "h264", "rtsp/tcp")


def test_there_and_back():
    assert Health.from_header(json.loads(json.dumps(GOOD.header()))) == GOOD


def test_with_cause():
    changed = GOOD.with_cause("stalled", "why")
    assert (changed.cause, changed.detail, changed.camera) == ("stalled", "why", "gate")


@pytest.mark.parametrize(
    "change", [{"cause": "gremlins"}, {"state": "up"}, {"session": "x"}, {"at": None}, {"more": 1}, {"width": [1]}]
)
def test_nonsense_is_refused(change):
    with pytest.raises((ValueError, TypeError)):
        Health.from_header({**GOOD.header(), **change})


@given(st.text())
def test_details_are_bounded(text):
    assert len(Health.from_header({**GOOD.header(), "detail": text * 1000}).detail) <= 500
