"""Tests of streamer.console."""

from streamer.console import line
from streamer.events import Event


def test_a_begin_says_who_where_and_how_long():
    event = Event("intrusion", "begin", 1_800_000_000.0, camera="gate", zone="yard", label="person", started=1.0)
    text = line(Event(**{**_fields(event), "detail": {"dwell_s": 1.24}}), color=False)
    assert "▶ intrusion" in text
    assert "gate" in text
    assert "person in yard for 1.2 s" in text
    assert "\x1b" not in text


def test_an_end_says_how_long_it_was():
    event = Event("intrusion", "end", 100.0, camera="gate", zone="yard", started=60.0, ended=100.0)
    assert line(event, color=False).endswith("in yard after 40.0 s")


def test_the_cause_is_in_words():
    event = Event("camera_offline", "begin", 1.0, camera="gate", detail={"words": "the camera is gone"})
    assert line(event, color=False).endswith("gate       the camera is gone")


def test_color_follows_severity_and_only_begins_have_it():
    assert "\x1b[31m" in line(Event("fall", "begin", 1.0, severity="critical"), color=True)
    assert "\x1b[36m" in line(Event("fall", "begin", 1.0, severity="info"), color=True)
    assert "\x1b" not in line(Event("fall", "end", 1.0, severity="critical"), color=True)


def _fields(event):
    return {name: getattr(event, name) for name in type(event).__slots__}
