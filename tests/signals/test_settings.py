"""Wrong settings of signals are refused in words that help; secrets stay secret."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from streamer.log import secrets
from streamer.signals.settings import SignalSettings, Words

TOKEN = "0123456789abcdef"
POLL = {"url": "http://10.0.0.7/state"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "needs http, poll or mqtt"),
        ({"http": {"token": "short"}}, "at least 16 characters, this one has 5"),
        ({"http": {}}, "token"),
        ({"poll": {"url": "ftp://10.0.0.7/"}}, "needs http:// or https://"),
        ({"poll": {"url": "http://[::1"}}, "cannot be read"),
        ({"poll": POLL | {"every_seconds": 1.6}}, "would miss amber; at most 1.5"),
        ({"poll": POLL | {"every_seconds": 3}, "has_amber": False}, "at most half of max_age_seconds"),
        ({"mqtt": {"host": "h", "topic": "a/#"}}, "topic"),
        ({"mqtt": {"host": "h", "topic": "a", "prefix": "x"}}, "prefix"),
        ({"poll": POLL, "stuck_seconds": 5}, "must be above max_age_seconds"),
        ({"poll": POLL, "debounce_seconds": 0.1}, "0.3"),
        ({"poll": POLL, "words": {"red": ["1"], "green": ["1"]}}, "stands for two states"),
        ({"poll": POLL, "words": {"red": []}}, "red"),
    ],
)
def test_wrong_settings(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        SignalSettings.model_validate(given)


def test_defaults_are_valid_and_secrets_are_kept() -> None:
    settings = SignalSettings.model_validate(
        {"http": {"token": TOKEN}, "mqtt": {"host": "h", "topic": "a", "password": "of the broker"}}
    )
    assert TOKEN not in repr(settings)
    assert TOKEN not in secrets.scrub(f"token {TOKEN}")
    assert "of the broker" not in secrets.scrub("it is 'of the broker'")
    assert Words().red == ["red", "stop"]
