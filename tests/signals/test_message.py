"""What controllers send: words, numbers, JSON of many shapes; whatever cannot be read is unknown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.signals.message import Message, read
from streamer.signals.settings import SignalSettings


def settings(**more: Any) -> SignalSettings:
    return SignalSettings.model_validate({"poll": {"url": "http://10.0.0.7/state"}, **more})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"red", Message("red")),
        (b" GREEN\n", Message("green")),
        (b'"yellow"', Message("amber")),
        (b'{"state": "red"}', Message("red")),
        (b'{"state": "red", "time": 1795000000.5}', Message("red", 1795000000.5)),
        (b'{"state": "red", "time": 1795000000500}', Message("red", 1795000000.5)),
        (b'{"state": "red", "time": "2026-11-18T12:26:40Z"}', Message("red", 1795004800.0)),
        (b'{"state": "red", "time": "2026-11-18T13:26:40+01:00"}', Message("red", 1795004800.0)),
        (b'{"state": "dark"}', Message("unknown", None, "controller")),
        (b'{"state": "red_amber"}', Message("amber")),
    ],
)
def test_what_is_read(body: bytes, message: Message) -> None:
    assert read(body, settings()) == message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"purple",
        b"{}",
        b'{"state": null}',
        b'{"state": true}',
        b'{"state": 1.5}',
        b'{"state": "red", "time": "yesterday"}',
        b'{"state": "red", "time": "2026-11-18T12:26:40"}',  # of which zone?
        b'{"state": "red", "time": true}',
        b'{"state": "red", "time": -5}',
        b'{"state": "red", "time": Infinity}',
        b'{"state": "red", "time": {"a": 1}}',
        b"\xff\xfe",
        b"[" * 100_000,
        b"x" * 10_000,
    ],
)
def test_what_makes_no_sense_is_unknown(body: bytes) -> None:
    assert read(body, settings()) == Message("unknown", None, "unreadable")


def test_fields_and_words_are_the_controllers_own() -> None:
    own = settings(
        state_field="groups.1.color", time_field="meta.at", words={"red": ["3"], "green": ["1"], "amber": ["2"]}
    )
    body = b'{"groups": [{"color": 1}, {"color": 3}], "meta": {"at": 17}}'
    assert read(body, own) == Message("red", 17.0)
    assert read(b'{"groups": [{"color": 1}]}', own).reason == "unreadable"
    assert read(b"3", own) == Message("red")


@given(st.binary(max_size=300))
def test_no_bytes_break_it(body: bytes) -> None:
    message = read(body, settings())
    assert message.aspect in ("red", "amber", "green", "unknown")
    assert (message.reason == "") is (message.aspect != "unknown")
