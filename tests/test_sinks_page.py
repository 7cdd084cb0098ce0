"""What docs/sinks.md says is so: its settings are accepted, its payloads are ours, its snippet checks signatures."""

from __future__ import annotations

import json
import re
import time

import pytest
import yaml

from streamer.config import parse_site
from streamer.schema import SINKS
from streamer.sinks import discovery
from streamer.sinks.webhook import signature
from tests import sites
from tests.alerting import alert

VALUES = {"HOOK_SECRET": "s3cret-of-the-page", "MQTT_PASSWORD": "p4ssword-of-it", "NTFY_TOPIC": "topic-of-it"}


@pytest.fixture
def page(root):
    return (root / "docs" / "sinks.md").read_text(encoding="utf-8")


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def test_every_kind_of_sink_has_settings_that_are_accepted(page, tmp_path):
    kinds = set()
    for text in blocks(page, "yaml"):
        values = sites.site(0, {"east": "rtsp://127.0.0.1:9/"}) | yaml.safe_load(text)
        site = parse_site(yaml.safe_dump(values), tmp_path, VALUES)
        kinds |= {sink.type for sink in site.sinks.values()}
    assert kinds == set(SINKS)


def test_the_example_has_the_fields_of_an_alert(page):
    example = json.loads(blocks(page, "json")[0])
    ours = alert().row()
    assert example.keys() == ours.keys()
    assert example["alert"].keys() == ours["alert"].keys()
    assert {k: type(v) for k, v in example.items()} == {k: type(v) for k, v in ours.items()}


def test_the_discovery_message_is_ours(page):
    example = json.loads(blocks(page, "json")[1])
    ours = dict(discovery.messages("homeassistant", "streamer", "east", ["intrusion"]))
    assert ours["homeassistant/binary_sensor/streamer_east/intrusion/config"] == example


def test_the_snippet_knows_the_genuine_from_the_forged(page):
    (snippet,) = blocks(page, "python")
    names: dict = {}
    exec(snippet, names)
    is_genuine, now, body = names["is_genuine"], int(time.time()), b'{"id": "a"}'
    good = signature("secret", now, body)
    assert is_genuine("secret", good, body)
    assert not is_genuine("secret", good, body + b" ")
    assert not is_genuine("another", good, body)
    assert not is_genuine("secret", signature("secret", now - 301, body), body)
    assert not is_genuine("secret", signature("secret", now + 301, body), body)
    for nonsense in ("", "t=,v1=", f"t={now}", "t=x,v1=" + "0" * 64, ",,=,==", "t=²,v1=ä", f"t={now},v1=ä"):
        assert not is_genuine("secret", nonsense, body)
