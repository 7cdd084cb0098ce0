from __future__ import annotations

from datetime import UTC

import pytest

from streamer.wording import duration, sentence
from tests.alerting import EPOCH, event


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0.0 s"),
        (1.24, "1.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (130, "2 min 10 s"),
        (3599.6, "1 h"),
        (11100, "3 h 5 min"),
        (187200, "2 d 4 h"),
    ],
)
def test_duration(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("happened", "words"),
    [
        (event(), "intrusion at gate: person in zone yard for 1.2 s (confidence 0.83)"),
        (
            event(kind="red_light", zone=None, line="stop", label="car", detail={"red_for_s": 3.02}),
            "red light at gate: car at line stop 3.0 s after red (confidence 0.83)",
        ),
        (
            event(state="update", time=EPOCH + 60),
            "intrusion goes on at gate: person in zone yard for 1 min 1 s (confidence 0.83)",
        ),
        (event(state="end", ended=EPOCH + 130), "intrusion over at gate: person in zone yard for 2 min 11 s"),
        (
            event(state="end", ended=EPOCH, detail={"reason": "gap"}),
            "intrusion over at gate: person in zone yard for 1.2 s (ended by gap)",
        ),
        (
            event(kind="line_crossing", zone=None, line="entry", started=None),
            "line crossing at gate: person at line entry (confidence 0.83)",
        ),
        (event(kind="crowd", label=None, zone=None, started=EPOCH), "crowd at gate (confidence 0.83)"),
    ],
)
def test_behaviours(happened, words):
    assert sentence(happened, UTC) == words


def system(kind, state, started, **more):
    return event(kind=kind, state=state, pipeline="system", started=started, zone=None, label=None, box=None, **more)


@pytest.mark.parametrize(
    ("happened", "words"),
    [
        (
            system(
                "camera_offline",
                "begin",
                EPOCH + 3,
                detail={"cause": "unauthorized", "words": "the camera rejects the user name or password"},
            ),
            "camera gate is offline: the camera rejects the user name or password; blind since 08:00:03",
        ),
        (system("camera_offline", "end", EPOCH, ended=EPOCH + 130, detail={}), "camera gate is back after 2 min 10 s"),
        (
            system("camera_offline", "end", EPOCH, ended=EPOCH + 1, detail={"reason": "restart"}),
            "camera gate is back after 1.0 s (restart)",
        ),
        (
            system("camera_frozen", "begin", EPOCH, detail={"words": "the same picture repeats"}),
            "camera gate shows a frozen picture: the same picture repeats; since 08:00:00",
        ),
        (
            system("camera_frozen", "end", EPOCH, ended=EPOCH + 61, detail={}),
            "camera gate shows a live picture again after 1 min 1 s",
        ),
        (
            system("overloaded", "begin", EPOCH, detail={"served_per_s": 40.1, "dropped_per_s": 3.0}),
            "this machine cannot keep up: 40.1 frames a second are analyzed, 3.0 dropped; since 08:00:00",
        ),
        (system("overloaded", "end", EPOCH, ended=EPOCH + 60, detail={}), "this machine keeps up again after 1 min"),
        (
            system("degraded", "begin", EPOCH, detail={"part": "sink ops"}),
            "sink ops keeps failing and is now retried slowly; since 08:00:00",
        ),
        (
            system("degraded", "end", EPOCH, ended=EPOCH + 60, detail={"part": "sink ops"}),
            "sink ops works again after 1 min",
        ),
        (
            system("disk_full", "begin", EPOCH, camera="", detail={"words": "12 MiB free"}),
            "disk full: 12 MiB free; since 08:00:00",
        ),
    ],
)
def test_system(happened, words):
    assert sentence(happened, UTC) == words
