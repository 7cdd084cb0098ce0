"""The traffic story: all rules on one road, an hour of nothing, real footage, and a drawn road through replay."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pipelines.traffic import Traffic
from streamer.alerts import AlertPolicy, AlertSettings
from streamer.inference.local import LocalModels
from streamer.inference.settings import InferenceSettings, ModelSpec
from streamer.pipeline import Detector, load_pipeline
from streamer.readings import Reading
from streamer.replay import Recording, Report, replay
from streamer.rules.rule import Rule
from streamer.simulator.render import Renderer
from streamer.simulator.scene import Light, Scene
from tests.driving import EAST_Y, Weather, eastbound, followed, halting, places, scene, times, westbound
from tests.footage import detector
from tests.rules.test_speeding import GROUND
from tests.traffic_footage import from_above, motorway, see, truth

RULES = {
    "counting": {"lines": ["middle"], "lanes": ["east", "west"]},
    "wrong_way": {"lanes": ["east", "west"]},
    "stopped_vehicle": {"lanes": ["east", "west"]},
    "speeding": {"lanes": ["east", "west"], "limit_kmh": 50},
    "congestion": {"lanes": ["east", "west"]},
    "queue": {"lanes": ["east", "west"]},
}
ROAD = scene(
    [
        *(westbound(f"w{i}", 3.0 + 5.0 * i, 6.0) for i in range(7)),
        eastbound("e0", 4.0, 6.0),
        halting("stops", 8.0, 0.55, 18.0),
        westbound("wrong", 38.0, 5.0, EAST_Y + 0.04),
    ],
    48.0,
)
TRUE = {("stopped_vehicle", "east"): 1, ("wrong_way", "east"): 1}
COUNTS = {("middle", "backward"): 2, ("middle", "forward"): 8}


def test_it_is_found_by_its_name_and_asks_its_detector() -> None:
    pipeline = load_pipeline("pipelines.traffic:Traffic").model_validate({"detector": "yolox", **RULES})
    assert isinstance(pipeline, Traffic)
    assert pipeline.models() == ["yolox"]
    assert [rule.kind for rule in pipeline.enabled_rules()] == list(RULES)
    assert isinstance(Traffic().detector, Detector)


def test_an_hour_of_nothing_says_nothing_and_keeps_nothing() -> None:
    """Ghosts of the rain and the night, on a road where nobody drives, before all rules at once."""
    empty = scene([], 3600.0)
    judges = [rule.begin(places(empty, ground=GROUND)) for rule in _rules()]
    told: list[object] = []
    counted = 0
    for now, tracks in followed(empty, times(0, 3600, 2), Weather(ghosts=1.0)):
        for judge in judges:
            for said in judge.judge(now, tracks):
                if not isinstance(said, Reading):
                    told.append(said)
                elif said.mode == "count":
                    counted += 1
    assert told == []
    assert counted == 0
    for judge in judges:
        held = judge.vehicles if hasattr(judge, "vehicles") else judge._vehicles  # type: ignore[attr-defined]
        assert len(held) <= 1


# a drawn road, filmed, through replay with the motion detector


LIGHTS = {
    "day": replace(ROAD, shadow=0.35),
    "deep shadows": replace(ROAD, shadow=0.6),
    "night": replace(ROAD, noise=5.0, shadow=0.1, lights=(Light(-100.0, 500.0, 0.45),)),
    "rain": replace(ROAD, noise=3.0, seed=3),
}


@pytest.mark.parametrize("light", LIGHTS)
def test_a_filmed_road(light: str, tmp_path: Path) -> None:
    """Everything that happens, and nothing else, told by pixels alone: no weights."""
    film = tmp_path / "road.mp4"
    _shoot(LIGHTS[light], film, streaks=light == "rain")
    seen = asyncio.run(see(film, places(LIGHTS[light], ground=GROUND), RULES, 10.0, None))
    assert Counter(("middle", direction) for _, direction in seen.counted("middle")) == COUNTS
    assert Counter((e.kind, e.zone) for e in seen.events if e.state == "begin") == TRUE
    if light == "day":
        report = asyncio.run(_replayed(film, LIGHTS[light]))
        assert [e.row(live=False) for e in report.events] == [
            {**e.row(live=False), "camera": "road", "id": e.id} for e in seen.events
        ]


async def _replayed(film: Path, drawn: Scene) -> Report:
    pipeline = Traffic.model_validate({"detector": "motion", **RULES})
    recording = Recording("road", film, 10.0, (416, 416), places(drawn, ground=GROUND), {"traffic": pipeline})
    async with LocalModels([ModelSpec("motion", "motion")], InferenceSettings()) as models:
        return await replay([recording], models, AlertPolicy(AlertSettings(cooldown_seconds=0)))


def _shoot(drawn: Scene, film: Path, streaks: bool) -> None:
    """Ten pictures a second, 416 wide, as a camera would send them."""
    renderer, rng = Renderer(drawn, (416, 234), 10.0), np.random.default_rng(1)
    with av.open(str(film), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = 416, 234, "yuv420p"
        for number, picture in enumerate(renderer.pictures()):
            if streaks:
                for x, y in rng.integers(0, (416, 234), (60, 2)):
                    cv2.line(picture, (int(x), int(y)), (int(x) + 1, min(int(y) + 9, 233)), 190, 1)
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


# real footage


@pytest.fixture(scope="module")
def model(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return detector(shared_data, tmp_path_factory.mktemp("traffic"))


@pytest.mark.parametrize("fps", [5.0, 10.0])
def test_the_motorway_is_counted_by_lane_as_by_eye_and_nobody_is_accused(
    shared_data: Path, model: Path, fps: float
) -> None:
    seen = motorway(shared_data, model, fps)
    rows = [row for row in truth("motorway_line.csv") if row["crosses_s"]]
    by_eye = Counter(row["lane"] for row in rows)
    for lane in ("left", "right"):
        counted = seen.counted(lane)
        assert {direction for _, direction in counted} == {"forward"}
        assert len(counted) == pytest.approx(by_eye[lane], abs=1)
    assert seen.counted("count") == [(t, "forward") for t, _ in seen.counted("count")]
    assert len(seen.counted("count")) == pytest.approx(by_eye.total(), abs=1)
    late = [t - float(row["crosses_s"]) for (t, _), row in zip(seen.counted("count"), rows, strict=True)]
    assert max(map(abs, late)) < 0.6
    assert seen.begins() == {}


def test_the_motorway_played_backwards_is_all_wrong_way_drivers(shared_data: Path, model: Path) -> None:
    seen = motorway(shared_data, model, 10.0, backwards=True)
    rows = truth("motorway_line.csv")
    assert seen.begins() == {"wrong_way": len(rows)}
    by_lane = Counter(row["lane"] for row in rows if row["crosses_s"])
    for lane in ("left", "right"):
        assert Counter(direction for _, direction in seen.counted(lane)) == {"backward": by_lane[lane]}
    # each crosses the line within its own incident
    spans = [(e.started, e.ended) for e in seen.events if e.kind == "wrong_way" and e.state == "end"]
    assert len(spans) == len(rows)
    for t, _ in seen.counted("count"):
        assert any(
            started is not None and ended is not None and started - 0.5 <= t <= ended for started, ended in spans
        )


@pytest.mark.parametrize("fps", [5.0, 12.5])
def test_the_four_cars_from_above_cross_in_their_directions(shared_data: Path, fps: float) -> None:
    counted, rows = from_above(shared_data, fps).counted("middle"), truth("cars_from_above.csv")
    assert [direction for _, direction in counted] == [row["direction"] for row in rows]
    for (t, _), row in zip(counted, rows, strict=True):
        assert t == pytest.approx(float(row["crosses_s"]), abs=0.8)


def _rules(settings: Mapping[str, object] = RULES) -> list[Rule]:
    return Traffic.model_validate({"detector": "motion", **settings}).enabled_rules()
