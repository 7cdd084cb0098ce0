from __future__ import annotations

import pytest
from pydantic import ValidationError

from streamer.alerts import Alert, AlertPolicy, AlertSettings, Suppressed
from streamer.sinks.apprise import AppriseSettings
from streamer.sinks.jsonl import JsonlSettings
from streamer.sinks.sink import SinkSettings
from tests.alerting import EPOCH, event

NIGHT = "22:00-06:00 UTC"  # EPOCH is 08:00 UTC


def sink(**options) -> SinkSettings:
    return SinkSettings(type="list", **options)


def decide(happened, alerts=None, **sinks):
    return AlertPolicy(AlertSettings(**(alerts or {})), sinks).decide(happened)


def sinks_of(decision) -> tuple[str, ...]:
    assert isinstance(decision, Alert), decision
    return decision.sinks


def reason_of(decision) -> str:
    assert isinstance(decision, Suppressed)
    return decision.reason


def test_alert_says_all():
    alert = decide(event(severity="critical"), log=sink())
    assert isinstance(alert, Alert)
    assert (alert.id, alert.severity, alert.sinks) == ("gate-surveillance-intrusion-1:begin", "critical", ("log",))
    assert alert.text == "intrusion at gate: person in zone yard for 1.2 s (confidence 0.83)"
    assert alert.cooldown_s == 30.0
    assert alert.row()["alert"]["id"] == alert.id


def test_routing_default_is_all_then_alerts_then_the_rule():
    assert sinks_of(decide(event(), a=sink(), b=sink())) == ("a", "b")
    assert sinks_of(decide(event(), {"sinks": ["b"]}, a=sink(), b=sink())) == ("b",)
    assert sinks_of(decide(event(sinks=("a",)), {"sinks": ["b"]}, a=sink(), b=sink())) == ("a",)
    assert reason_of(decide(event(sinks=()), a=sink())) == "no_sink"
    assert reason_of(decide(event(sinks=("gone",)), a=sink())) == "no_sink"
    assert reason_of(decide(event())) == "no_sink"


@pytest.mark.parametrize("severity", ["info", "warning", "critical"])
def test_severity_of_sink_overrides_the_default(severity):
    rank = ("info", "warning", "critical").index(severity)
    decision = decide(
        event(severity=severity),
        {"min_severity": "warning"},
        a=sink(),
        b=sink(min_severity="critical"),
        c=sink(min_severity="info"),
    )
    assert sinks_of(decision) == (("c",), ("a", "c"), ("a", "b", "c"))[rank]


def test_severity_below_all():
    assert reason_of(decide(event(severity="info"), {"min_severity": "warning"}, a=sink())) == "severity"


def test_schedules():
    assert reason_of(decide(event(), a=sink(when=NIGHT))) == "schedule"
    assert reason_of(decide(event(), {"when": NIGHT}, a=sink())) == "schedule"
    assert sinks_of(decide(event(), a=sink(when=NIGHT), b=sink(when="08:00-09:00 UTC"))) == ("b",)
    assert sinks_of(decide(event(), {"timezone": "Asia/Tokyo"}, a=sink(when="17:00-18:00"))) == ("a",)


def test_end_goes_out_though_the_schedule_has_closed():
    assert sinks_of(decide(event(state="end"), a=sink(when=NIGHT, min_severity="critical"))) == ("a",)


def test_states_of_sinks():
    log = JsonlSettings(path="x.jsonl")
    assert sinks_of(decide(event(state="update"), a=sink(), log=log)) == ("log",)
    assert reason_of(decide(event(state="update"), a=sink())) == "state"
    assert sinks_of(decide(event(state="end"), a=sink(), b=sink(states=["begin"]))) == ("a",)
    begin = decide(event(), a=sink(states=["end"]))
    assert (sinks_of(begin), begin.audience) == ((), ("a",))


def test_apprise_is_told_of_recoveries_of_the_system_only():
    people = AppriseSettings(urls=["json://localhost"])
    assert reason_of(decide(event(state="end"), p=people)) == "state"
    assert sinks_of(decide(event(state="end", pipeline="system", kind="camera_offline"), p=people)) == ("p",)
    only = AppriseSettings(urls=["json://localhost"], states=["begin"])
    assert reason_of(decide(event(state="end", pipeline="system", kind="camera_offline"), p=only)) == "state"


def test_updates_have_keys_of_their_own():
    policy = AlertPolicy(AlertSettings(), {"log": JsonlSettings(path="x")})
    ids = [policy.decide(event(state="update", time=EPOCH + t)).id for t in (1, 2)]
    assert ids == [f"gate-surveillance-intrusion-1:update:{round((EPOCH + t) * 1000)}" for t in (1, 2)]


def test_cooldown_of_rule_of_default_and_of_the_system():
    policy = AlertPolicy(AlertSettings(cooldown_seconds=7))
    assert policy.cooldown_s(event()) == 7
    assert policy.cooldown_s(event(cooldown_s=60)) == 60
    assert policy.cooldown_s(event(pipeline="system")) == 0


def test_rehearsal_plays_cooldown_and_severity_in_the_videos_time():
    policy = AlertPolicy(AlertSettings(cooldown_seconds=30, min_severity="warning", when=NIGHT))

    def play(name, state, time, **more):
        decision = policy.rehearse(event(name, state, time, started=None, **more))
        return decision.reason if isinstance(decision, Suppressed) else "told"

    assert play("a", "begin", 0.0) == "told"
    assert play("b", "begin", 10.0) == "cooldown"
    assert play("c", "begin", 10.0, camera="yard") == "told"
    assert play("d", "begin", 10.0, kind="loitering") == "told"
    assert play("a", "end", 12.0) == "told"
    assert play("b", "end", 12.0) == "unbegun"
    assert play("e", "begin", 30.0) == "told"
    assert play("f", "begin", 99.0, severity="info") == "severity"


def test_settings_are_strict():
    with pytest.raises(ValidationError, match="Mars"):
        AlertSettings(timezone="Mars/Base")
    with pytest.raises(ValidationError, match="cooldown"):
        AlertSettings(cooldown=3)
    with pytest.raises(ValidationError, match="no day"):
        SinkSettings(type="x", when="Funday")
