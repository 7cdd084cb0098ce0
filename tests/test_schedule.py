from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from streamer.schedule import Schedule, When, zone

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, tz: ZoneInfo = BERLIN, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=tz, fold=fold).timestamp()


@pytest.mark.parametrize(
    ("schedule", "moment", "holds"),
    [
        ("Mon-Fri 22:00-06:00", "2026-11-23T22:00", True),  # a Monday
        ("Mon-Fri 22:00-06:00", "2026-11-23T21:59", False),
        ("Mon-Fri 22:00-06:00", "2026-11-24T05:59", True),
        ("Mon-Fri 22:00-06:00", "2026-11-24T06:00", False),
        ("Mon-Fri 22:00-06:00", "2026-11-28T03:00", True),  # the night of Friday
        ("Mon-Fri 22:00-06:00", "2026-11-28T23:00", False),  # Saturday
        ("Mon-Fri 22:00-06:00", "2026-11-23T03:00", False),  # the night of Sunday
        ("fri-mon", "2026-11-24T12:00", False),
        ("fri-mon", "2026-11-29T12:00", True),
        ("Sat,Sunday", "2026-11-28T00:00", True),
        ("08:00-12:00,13:00-17:00", "2026-11-25T12:30", False),
        ("daily 08:00-12:00,13:00-17:00", "2026-11-25T13:00", True),
        ("Mon 20:00-24:00; Tue 00:00-04:00", "2026-11-23T23:59", True),
        ("Mon 20:00-24:00; Tue 00:00-04:00", "2026-11-24T00:00", True),
        ("Mon 20:00-24:00; Tue 00:00-04:00", "2026-11-24T20:00", False),
    ],
)
def test_windows(schedule, moment, holds):
    assert Schedule.parse(schedule).holds(at(moment), BERLIN) is holds


def test_night_of_summer_time_is_shorter_and_of_winter_time_longer():
    night = Schedule.parse("22:00-06:00")

    def hours(day: str) -> float:
        start = at(f"{day}T12:00")
        return sum(night.holds(start + 60 * minute, BERLIN) for minute in range(24 * 60)) / 60

    assert hours("2026-03-28") == 7.0
    assert hours("2026-10-24") == 9.0
    assert hours("2026-11-24") == 8.0


def test_hour_that_occurs_twice_holds_twice_and_missing_hour_never():
    assert Schedule.parse("02:00-03:00").holds(at("2026-10-25T02:30", fold=0), BERLIN)
    assert Schedule.parse("02:00-03:00").holds(at("2026-10-25T02:30", fold=1), BERLIN)
    start = at("2026-03-29T00:00")
    assert not any(Schedule.parse("Sun 02:00-03:00").holds(start + 60 * m, BERLIN) for m in range(23 * 60))


def test_text_may_name_its_zone():
    tokyo = Schedule.parse("Mon-Fri 22:00-06:00 Asia/Tokyo")
    assert tokyo.holds(at("2026-11-23T22:30", ZoneInfo("Asia/Tokyo")), BERLIN)
    assert not tokyo.holds(at("2026-11-23T22:30"), BERLIN)
    assert Schedule.parse("09:00-10:00 utc").holds(at("2026-11-23T10:30"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("Mon;", "empty part"),
        ("Mon-Fry 10:00-11:00", "no day 'fry'"),
        ("Mo 10:00-11:00", "no day 'mo'"),
        ("Monkey", "no day 'monkey'"),
        ("Mon - Fri 10:00-11:00", "3 words"),
        ("Mon 10-11", "no times"),
        ("25:00-26:00", "no such time"),
        ("10:60-11:00", "no such time"),
        ("10:00-10:00", "empty window"),
        ("10:00-11:00 Mars/Base", "time zone 'Mars/Base' is not known"),
    ],
)
def test_errors_say_what_and_give_an_example(text, says):
    with pytest.raises(ValueError, match=says) as caught:
        Schedule.parse(text)
    assert "Mon-Fri 22:00-06:00" in str(caught.value) or "Europe/Berlin" in str(caught.value)


@given(st.integers(0, 1439), st.integers(1, 1440), st.sets(st.integers(0, 6), min_size=1), st.integers(0, 7 * 1440 - 1))
def test_windows_agree_with_a_walk_through_the_week(start, end, days, minute):
    if start == end:
        return
    names = ",".join(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[day] for day in days)
    schedule = Schedule.parse(f"{names} {start // 60:02d}:{start % 60:02d}-{end // 60:02d}:{end % 60:02d}")
    length = end - start if end > start else end + 1440 - start
    covered = any((minute - (day * 1440 + start)) % (7 * 1440) < length for day in days)
    monday = datetime(2026, 11, 23, tzinfo=ZoneInfo("UTC"))
    assert schedule.holds((monday + timedelta(minutes=minute)).timestamp(), ZoneInfo("UTC")) is covered


def test_setting_type():
    class Settings(BaseModel):
        when: When | None = None

    settings = Settings.model_validate({"when": "Sat,Sun"})
    assert settings.when is not None
    assert settings.when.holds(at("2026-11-28T12:00"), BERLIN)
    assert settings.model_dump() == {"when": "Sat,Sun"}
    assert Settings.model_json_schema()["properties"]["when"]["anyOf"][0]["type"] == "string"
    with pytest.raises(ValidationError, match="no day 'someday'"):
        Settings.model_validate({"when": "someday"})
    with pytest.raises(ValidationError, match="a schedule is a text"):
        Settings.model_validate({"when": 7})


def test_zone_of_none_is_the_machines_own():
    assert zone(None) is None
    with pytest.raises(ValueError, match=r"'\.\./etc' is not known"):
        zone("../etc")
