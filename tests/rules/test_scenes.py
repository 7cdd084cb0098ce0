"""Every rule on the simulator's scenes, in every weather: all that happens is told, once, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamer.rules.crowd import Crowd
from streamer.rules.intrusion import Intrusion
from streamer.rules.line_crossing import LineCrossing
from streamer.rules.loitering import Loitering
from streamer.rules.occupancy import Occupancy
from streamer.rules.rule import Rule
from streamer.rules.running import Running
from streamer.rules.tailgating import Tailgating
from streamer.simulator.library import make_scene
from streamer.simulator.scene import Scene
from tests.rules.scenes import WEATHERS, Weather, check, visits, watch

PEOPLE = ("intrusion", "loitering", "running", "crowd", "line_crossing", "tailgating")


def rules(scene: Scene) -> list[Rule]:
    """Every rule of surveillance with its defaults, on everything that is drawn."""
    zones, lines = [zone.name for zone in scene.zones], [line.name for line in scene.lines]
    found: list[Rule] = [Running(), Crowd(zones=zones)]
    if zones:
        found += [Intrusion(zones=zones), Loitering(zones=zones), Occupancy(zones=zones, max_count=3)]
    if lines:
        found += [LineCrossing(lines=lines), Tailgating(lines=lines)]
    return found


@pytest.mark.parametrize("weather", WEATHERS, ids=lambda weather: weather.name)
@pytest.mark.parametrize("name", ["plaza", "yard", "lobby", "street"])
def test_all_that_happens_is_told_once_and_nothing_else(name: str, weather: Weather) -> None:
    scene = make_scene(name)
    found = watch(scene, rules(scene), weather, seed=len(name))
    check(found, scene, PEOPLE, 0.7 + 2 / min(weather.fps))


@pytest.mark.parametrize("weather", WEATHERS, ids=lambda weather: weather.name)
def test_occupancy_counts_who_comes_and_goes(weather: Weather) -> None:
    scene = make_scene("plaza")
    found = watch(scene, [Occupancy(zones=["plaza"], max_count=3)], weather)
    assert {what: n for what, n in found.counts.items() if n} == visits(scene, 0.5)
    assert [event.state for event in found.events] == ["begin", "end"]


def test_an_hour_of_nothing_in_rain_says_nothing() -> None:
    scene = replace(make_scene("plaza"), actors=(), seconds=3600.0)
    found = watch(scene, rules(scene), Weather("rain", fps=(2.0,), ghosts=0.1))
    assert (found.events, dict(found.counts)) == ([], {})
