"""What all rules share: routing, schedules, known time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamer.places import Places
from streamer.rules.intrusion import Intrusion
from streamer.rules.rule import KnownTime, Rule


class Bare(Rule):
    kind = "fight"


def test_events_carry_the_rules_routing() -> None:
    rule = Bare(severity="critical", cooldown_seconds=60, sinks=["ops"])
    event = rule.event("begin", 3.0, key=("yard", 1), confidence=0.5)
    assert (event.kind, event.severity, event.cooldown_s, event.sinks) == ("fight", "critical", 60.0, ("ops",))
    plain = Bare().event("begin", 3.0)
    assert (plain.severity, plain.cooldown_s, plain.sinks) == ("warning", None, None)


def test_a_bare_rule_needs_no_places_and_has_no_judge() -> None:
    assert Bare().places_needed() == {}
    with pytest.raises(NotImplementedError):
        Bare().begin(Places())


@pytest.mark.parametrize(
    "wrong", [{"severity": "loud"}, {"cooldown_seconds": -1}, {"when": "sometimes"}, {"cooldown": 3}, {"sinks": "ops"}]
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Bare.model_validate(wrong)


def test_a_schedule_holds_by_the_clock_when_live_and_always_in_replay() -> None:
    noon = datetime(2026, 11, 23, 12, 0, tzinfo=UTC).timestamp()
    at_noon_local = datetime.fromtimestamp(noon, UTC).astimezone()
    day = at_noon_local.strftime("%a")
    other = (at_noon_local.weekday() + 3) % 7
    rule = Bare.model_validate({"when": day})
    assert rule.holds_at(noon)
    assert not Bare.model_validate({"when": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[other]}).holds_at(noon)
    assert Bare.model_validate({"when": day}).holds_at(12.0)
    assert Bare().holds_at(noon)


@given(st.lists(st.tuples(st.floats(0.01, 3.0), st.booleans()), min_size=1, max_size=30))
def test_known_time_never_goes_back_and_leaves_out_exactly_the_unknown_steps(steps: list[tuple[float, bool]]) -> None:
    clock, t, known_s = KnownTime(), 10.0, 10.0
    assert clock.advance(t, True) == 10.0
    for step_s, known in steps:
        t += step_s
        known_s += step_s if known else 0.0
        assert clock.advance(t, known) == pytest.approx(known_s)


def test_rules_make_a_schema_for_editors_with_every_field_described() -> None:
    schema = Intrusion.model_json_schema()
    assert schema["required"] == ["zones"]
    assert all(field.get("description") for field in schema["properties"].values())
