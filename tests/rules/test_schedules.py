"""Every shipped rule honors `when`, on the wall clock of its zone, also on the days when clocks change."""

from __future__ import annotations

import inspect
from datetime import datetime
from importlib import import_module
from zoneinfo import ZoneInfo

import pytest

import streamer
from pipelines.surveillance import Surveillance
from streamer.links import in_zone, rules
from streamer.rules.intrusion import Intrusion
from streamer.rules.loitering import Loitering
from streamer.rules.rule import Rule
from tests.acting import act, stands, times

SHIPPED = [
    found
    for name in streamer.__all__
    if isinstance(found := getattr(streamer, name), type) and issubclass(found, Rule) and found is not Rule
]
BERLIN = "Europe/Berlin"


def epoch(text: str, zone: str = BERLIN, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def zoned(when: str, zone: str | None) -> Rule:
    """An intrusion rule as a site with `alerts.timezone` gives it to a pipeline."""
    settings = {"detector": "d", "intrusion": {"zones": ["yard"], "when": when}}
    ((_, rule),) = rules(in_zone(Surveillance.model_validate(settings), zone))
    return rule


@pytest.mark.parametrize("rule", SHIPPED, ids=lambda rule: rule.__name__)
def test_every_rule_asks_its_schedule(rule: type[Rule]) -> None:
    """What a rule forgets no pipeline can make good: it alone knows when its thing begins."""
    assert "when" in rule.model_fields
    judges = [import_module(base.__module__) for base in rule.__mro__ if issubclass(base, Rule) and base is not Rule]
    assert any("holds_at(" in inspect.getsource(module) for module in judges), f"{rule.__name__} ignores `when`"


@pytest.mark.parametrize("rule", [Intrusion, Loitering])
def test_a_stay_outside_of_the_schedule_is_nothing_and_one_that_outlasts_it_begins_with_it(rule: type[Rule]) -> None:
    made = rule.model_validate({"zones": ["yard"], "min_seconds": 1, "when": f"Mon 22:00-23:00 {BERLIN}"})
    start = epoch("2026-11-23T21:59:50")
    at = times(0, 16, 5)
    assert act(made, [stands(0.6, 0.8, 0, 8)], at, offset_s=start) == []
    (begin,) = act(made, [stands(0.6, 0.8, 0, 16)], at, offset_s=start)
    assert begin.time == pytest.approx(start + 10.0, abs=0.21)
    assert begin.started == pytest.approx(start, abs=0.21)
    late = act(made, [stands(0.6, 0.8, 0, 8)], at, offset_s=epoch("2026-11-23T22:59:45"))
    assert [event.state for event in late] == ["begin", "end"], "what has begun is ended"


@pytest.mark.parametrize(
    ("moment", "fold", "holds"),
    [
        ("2026-03-28T21:59:59", 0, False),
        ("2026-03-28T22:00:00", 0, True),
        ("2026-03-29T01:59:59", 0, True),  # then comes 03:00
        ("2026-03-29T03:00:00", 0, True),
        ("2026-03-29T05:59:59", 0, True),
        ("2026-03-29T06:00:00", 0, False),
        ("2026-10-25T02:30:00", 0, True),  # summer time
        ("2026-10-25T02:30:00", 1, True),  # an hour later, winter time
        ("2026-10-25T05:59:59", 1, True),
        ("2026-10-25T06:00:00", 1, False),
    ],
)
def test_a_night_is_a_night_when_clocks_change(moment: str, fold: int, holds: bool) -> None:
    assert zoned("22:00-06:00", BERLIN).holds_at(epoch(moment, fold=fold)) is holds


def test_hours_that_clocks_skip_hold_nothing_and_doubled_ones_twice() -> None:
    early = zoned("02:00-03:00", BERLIN)
    spring, autumn = epoch("2026-03-29T00:00"), epoch("2026-10-25T00:00")
    assert sum(early.holds_at(spring + 60 * minute) for minute in range(23 * 60)) == 0
    assert sum(early.holds_at(autumn + 60 * minute) for minute in range(25 * 60)) == 120


def test_each_half_of_the_world_changes_its_clocks_on_days_of_its_own() -> None:
    noon_to_one = "12:00-13:00"
    for zone in ("America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Chatham"):
        for month in range(1, 13):
            day = f"2026-{month:02d}-08"
            assert zoned(noon_to_one, zone).holds_at(epoch(f"{day}T12:30", zone))
            assert not zoned(noon_to_one, zone).holds_at(epoch(f"{day}T13:00", zone))


def test_a_zone_of_its_own_comes_before_that_of_the_site_and_that_before_the_machines() -> None:
    noon = epoch("2026-11-23T12:30", "Asia/Tokyo")
    assert zoned("12:00-13:00 Asia/Tokyo", BERLIN).holds_at(noon)
    assert not zoned("12:00-13:00", BERLIN).holds_at(noon)
    assert zoned("12:00-13:00", "Asia/Tokyo").holds_at(noon)
    local = datetime.fromtimestamp(noon).astimezone()
    assert zoned(f"{local:%H}:00-{(local.hour + 1) % 24:02d}:00", None).holds_at(noon)


def test_replay_has_no_time_of_day() -> None:
    assert zoned("Mon 00:00-00:01", BERLIN).holds_at(12.0)
