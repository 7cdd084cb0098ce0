from __future__ import annotations

import re

import pytest

from streamer.sinks import discovery

TOPIC = re.compile(r"homeassistant/binary_sensor/[A-Za-z0-9_-]+/[A-Za-z0-9_-]+/config\Z")


@pytest.mark.parametrize("camera", ["gate", "Hof Süd", "a/b", "+", "#1"])
def test_payloads_are_what_home_assistant_takes(camera):
    found = dict(discovery.messages("homeassistant", "streamer", camera, ["intrusion", "custom_kind"]))
    assert len(found) == 3
    for topic, payload in found.items():
        assert TOPIC.match(topic)
        assert {"name", "unique_id", "state_topic", "payload_on", "payload_off", "device", "origin"} <= set(payload)
        assert payload["device"]["identifiers"] == [topic.split("/")[2]]
        assert payload["device"]["name"] == camera
        assert not re.search(r"[+#]", payload["state_topic"])
        assert payload["state_topic"].count("/") == 3
        for available in payload["availability"]:
            assert set(available) == {"topic", "payload_available", "payload_not_available"}
    assert len({payload["unique_id"] for payload in found.values()}) == 3
    classes = [payload.get("device_class") for payload in found.values()]
    assert classes == ["connectivity", "motion", None]


def test_cameras_with_alike_names_stay_apart():
    nodes = {next(discovery.messages("ha", "p", name, []))[1]["unique_id"] for name in ("a b", "a/b", "a_b", "ä b")}
    assert len(nodes) == 4


def test_topics():
    assert discovery.available_topic("p") == "p/available"
    assert discovery.status_topic("p", "gate") == "p/gate/status/detect"
    assert discovery.event_topic("p", "", "overloaded") == "p/system/overloaded"
    assert discovery.state_topic("p", "g", "fall") == "p/g/fall/state"
    assert discovery.snapshot_topic("p", "g", "fall") == "p/g/fall/snapshot"
    assert discovery.level("") == "_"
