"""Abandoned object: on drawn scenes with exact truth, at night, in rain, with shadows, at any rate, and the traps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamer.errors import InputError
from streamer.places import MaskSettings, Places
from streamer.rules.abandoned import AbandonedObject
from streamer.simulator.library import make_scene
from streamer.simulator.scene import Light, Scene
from streamer.simulator.truth import Incident, Truth
from tests.rules.staging import Stage, act_out, perform

STATION = make_scene("station")
CHANGES: dict[str, dict[str, object]] = {
    "day": {},
    "night": {"lights": (Light(-1, 999, 0.35),), "noise": 5.0},
    "infrared": {"lights": (Light(-1, 999, 0.9, infrared=True),), "noise": 4.0},
    "rain": {"rain": 120},
    "shadows": {"shadow": 0.6},
    "clouds": {"lights": tuple(Light(10 + k * 14, 17 + k * 14, 0.8, 1.5) for k in range(7))},
}


def left_behind(scene: Scene) -> Incident:
    (true,) = [incident for incident in Truth(scene).incidents() if incident.kind == "abandoned_object"]
    return true


@pytest.mark.parametrize(
    ("change", "fps"), [*((change, 2.0) for change in CHANGES), ("day", 5.0), ("night", 5.0), ("day", 10.0)]
)
def test_the_one_that_is_left_behind_is_told_and_nothing_else(change: str, fps: float) -> None:
    scene = replace(STATION, **CHANGES[change])  # type: ignore[arg-type]
    begin, end = act_out(AbandonedObject(), scene, fps)
    true = left_behind(scene)
    assert (begin.state, end.state, begin.label) == ("begin", "end", "object")
    assert abs(begin.time - true.due) <= 1.5
    assert abs(end.time - true.end) <= 2.5
    assert np.allclose(begin.box, (0.36, 0.6, 0.42, 0.77), atol=0.03)
    assert begin.detail["alone_s"] >= 30.0
    assert begin.detail["owners"]


@pytest.mark.parametrize("seed", range(3))
def test_other_colors_and_a_detector_that_misses_a_quarter(seed: int) -> None:
    scene = make_scene("station", None, seed + 10)
    events = act_out(AbandonedObject(), scene, 3.0, misses=0.25, seed=seed)
    assert [event.state for event in events] == ["begin", "end"]
    assert abs(events[0].time - left_behind(scene).due) <= 2.0


def test_shifted_times_and_jumping_rates_change_nothing() -> None:
    stage, chance = Stage(STATION, 10.0), np.random.default_rng(0)
    frames = [f for f in stage.frames() if f.index % 2 == 0 and (f.index // 100 % 2 == 0 or f.index % 6 == 0)]
    shifted = [replace(f, time=f.time + 1.7e9) for f in frames]
    rule = AbandonedObject()
    plain = perform(rule, frames, lambda t: stage.seen(t, chance, 0.0))
    later = perform(rule, shifted, lambda t: stage.seen(t - 1.7e9, chance, 0.0))
    assert [event.state for event in plain] == [event.state for event in later] == ["begin", "end"]
    assert abs(later[0].time - 1.7e9 - plain[0].time) <= 1.0
    assert abs(plain[0].time - left_behind(STATION).due) <= 1.5


def test_what_nobody_knows_does_not_count() -> None:
    from streamer.types import Detections

    stage, chance = Stage(STATION, 3.0), np.random.default_rng(0)
    dark = lambda t: 35.0 <= t < 45.0  # noqa: E731
    events = perform(
        AbandonedObject(),
        stage.frames(),
        lambda t: Detections.unknown(("person",)) if dark(t) else stage.seen(t, chance, 0.0),
    )
    assert events[0].time == pytest.approx(left_behind(STATION).due + 10.0, abs=2.0)


def test_an_owner_who_stays_near_keeps_it() -> None:
    actors = tuple(
        replace(actor, legs=(*actor.legs[:1], replace(actor.legs[1], seconds=88.0)))
        if actor.name == "leaves"
        else actor
        for actor in STATION.actors
    )
    assert act_out(AbandonedObject(), replace(STATION, actors=actors), 2.0) == []


def test_nobody_is_abandoned_when_the_detector_loses_who_stands_still() -> None:
    actors = tuple(actor for actor in STATION.actors if actor.name in ("stands", "passer-by"))
    stage, chance = Stage(replace(STATION, actors=actors), 2.0), np.random.default_rng(0)

    def seen(t: float) -> object:
        found = stage.seen(t, chance, 0.0)
        return found.pick(found.boxes[:, 3] > 0.6) if t > 40.0 else found  # only the passer-by is left

    assert perform(AbandonedObject(), stage.frames(), seen) == []  # type: ignore[arg-type]


def test_an_hour_of_nothing_and_of_people_is_silent() -> None:
    for name in ("empty", "lobby", "square"):
        assert act_out(AbandonedObject(min_seconds=5), make_scene(name), 2.0) == []


def test_zones_and_masks() -> None:
    left = {"left": [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]}
    right = {"right": [(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)]}
    stage = Stage(STATION, 2.0)
    frames = list(stage.frames())

    def events(zones: dict, masks: dict) -> list:
        chance = np.random.default_rng(0)
        places = Places.build(zones=zones, masks=masks)
        return perform(AbandonedObject(zones=list(zones)), frames, lambda t: stage.seen(t, chance, 0.0), places)

    assert [event.zone for event in events(left, {})] == ["left", "left"]
    assert events(right, {}) == []
    mask = MaskSettings.model_validate({"polygon": left["left"], "ignore": ["motion"]})
    assert events({}, {"tree": mask}) == []
    with pytest.raises(InputError, match="'gone' is not drawn"):
        AbandonedObject(zones=["gone"]).begin(Places())
    assert AbandonedObject(zones=["a"]).places_needed() == {"zones": ["a"]}


def test_memory_is_bounded() -> None:
    rng = np.random.default_rng(0)
    judge = AbandonedObject().begin(Places())
    from tests.acting import frame, tracks

    for i in range(400):
        pixels = np.full((234, 416, 3), 100, np.uint8)
        if i > 20:
            for x, y in rng.integers(0, 200, (30, 2)):
                pixels[y : y + 12, 2 * x : 2 * x + 12] = 250 if i % 40 < 20 else 20
        now = replace(frame(i / 2, i), pixels=pixels)
        list(judge.judge(now, tracks((1, (0.1, 0.1, 0.2, 0.6)))))
        assert len(judge._things) <= 64  # type: ignore[attr-defined]
