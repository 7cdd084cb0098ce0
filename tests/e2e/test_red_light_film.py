"""A junction as film: rendered, encoded, replayed with the built-in detector; the lamp is read from the very pixels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.cli import main
from streamer.simulator.figure import box
from streamer.simulator.process import Simulator
from streamer.simulator.render import Renderer
from streamer.simulator.scene import Actor, Lens, Scene, go, stay
from tests import sites
from tests.e2e.test_arming import PIPELINE
from tests.running import Daemon, wait_for
from tests.signals import heads

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(110)]

SIZE, FPS, SECONDS = (320, 180), 10, 30
LENS = Lens(horizon=0.05, height_m=5.0)
AT, HEAD = (285, 8), (8, 24)
PHASES = (("green", 9.0), ("amber", 3.0), ("red", 13.0), ("green", 5.0))
STOP_X = 0.5
WEATHERS = {"day": heads.DAY, "night": heads.NIGHT, "rain": heads.RAIN}


def car(name: str, begin_s: float, *legs) -> Actor:
    return Actor(name, "vehicle", begin_s, (-0.25, 0.75), legs, LENS, height_m=1.5, length_m=4.4, color=(190, 40, 40))


SCENE = Scene(
    "crossing",
    SECONDS,
    LENS,
    (
        car("on green", 2.0, go(1.3, 0.75, 8.0)),
        car("runs", 14.0, go(1.3, 0.75, 8.0)),
        car("stops on the line", 18.0, go(0.42, 0.75, 8.0), stay(6.5), go(1.3, 0.75, 8.0)),
    ),
    seed=4,
)


def aspect_at(time: float) -> str:
    for aspect, seconds in PHASES:
        if time < seconds:
            return aspect
        time -= seconds
    return "green"


def crossing(name: str) -> float:
    """When the front of a car crosses the line, by the scene itself."""
    (actor,) = (actor for actor in SCENE.actors if actor.name == name)
    for i in range(SECONDS * 100):
        pose = actor.pose(i / 100)
        if pose is not None and box(actor, pose, LENS)[2] >= STOP_X:
            return i / 100
    raise AssertionError(name)


def pictures(weather: str) -> Iterator[NDArray[np.uint8]]:
    """The film, frame by frame: uint8 (H, W, 3)."""
    renderer, rng = Renderer(SCENE, SIZE, FPS), np.random.default_rng(1)
    patches = {
        aspect: [heads.draw((32, 40), (12, 8), HEAD, (aspect,), WEATHERS[weather], rng) for _ in range(4)]
        for aspect, _ in PHASES
    }
    gain, noise = {"day": (1.0, 2.0), "night": (0.35, 6.0), "rain": (0.8, 5.0)}[weather]
    for number in range(renderer.frames):
        light = renderer.rgb(number).astype(np.float32) * gain
        if weather == "rain":
            for x, y in zip(rng.integers(0, SIZE[0], 40), rng.integers(0, SIZE[1] - 12, 40), strict=True):
                light[y : y + 12, x] += 40  # a streak
            light = light * 0.85 + 35
        picture = np.clip(light + rng.normal(0, noise, light.shape), 0, 255).astype(np.uint8)
        picture[AT[1] - 8 : AT[1] + 32, AT[0] - 12 : AT[0] + 20] = patches[aspect_at(number / FPS)][number % 4]
        yield picture


def film(path: Path, weather: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for picture in pictures(weather):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    return {weather: film(folder / f"{weather}.mp4", weather) for weather in WEATHERS}


def site(folder: Path, lamp: bool, feed: bool, url: str = "rtsp://127.0.0.1:9/", port: int = 0) -> Path:
    (folder / "junction.py").write_text(PIPELINE)
    values = sites.site(port, {"east": url})
    values["cameras"]["east"] |= {"analyze_fps": FPS, "lines": {"stop": {"from": [0.5, 1.0], "to": [0.5, 0.3]}}}
    if lamp:
        values["cameras"]["east"]["lamps"] = {"north": heads.settings(SIZE, AT, HEAD).model_dump(mode="json")}
    if feed:
        values["signals"] = {"north": {"http": {"token": "${NOT_SET_HERE}"}}}
    values["pipelines"]["watch"] = {
        "use": "junction.py",
        "detector": "motion",
        "red_light": {"stop_lines": {"stop": "north"}, "labels": ["motion"], "min_confidence": 0.1},
    }
    return sites.write(folder / "site.yaml", values)


def replayed(folder: Path, config: Path, video: Path, *more: str) -> list[dict]:
    out = folder / "events.jsonl"
    assert main(["replay", str(config), "--video", f"east={video}", "--out", str(out), *more]) == 0
    return [json.loads(line) for line in out.read_text().splitlines()]


@pytest.mark.parametrize("weather", WEATHERS)
def test_the_lamp_is_read_from_the_film_and_the_runner_is_caught(
    tmp_path: Path, films: dict[str, Path], weather: str
) -> None:
    rows = replayed(tmp_path, site(tmp_path, lamp=True, feed=False), films[weather])
    begins = [row for row in rows if row["state"] == "begin"]
    assert [row["kind"] for row in begins] == ["red_light"]
    (begin,) = begins
    assert begin["started"] == pytest.approx(crossing("runs"), abs=0.35)
    assert begin["detail"]["source"] == "lamp"
    assert begin["detail"]["red_since"] == pytest.approx(12.0, abs=0.35)
    if weather == "day":
        again = replayed(tmp_path, tmp_path / "site.yaml", films[weather])
        assert again == rows


def test_a_recorded_feed_says_the_same_and_without_one_nobody_is_accused(
    tmp_path: Path, films: dict[str, Path]
) -> None:
    video, config = films["day"], site(tmp_path, lamp=False, feed=True)
    feed = tmp_path / "feed.jsonl"
    feed.write_text(
        "".join(
            json.dumps({"signal": "north", "time": t / 2, "state": aspect_at(t / 2)}) + "\n" for t in range(2 * SECONDS)
        )
    )
    begins = [row for row in replayed(tmp_path, config, video, "--signals", str(feed)) if row["state"] == "begin"]
    assert [round(row["started"], 0) for row in begins] == [round(crossing("runs"), 0)]
    assert begins[0]["detail"]["source"] == "feed"
    assert replayed(tmp_path, config, video) == []
    assert main(["replay", str(config), "--video", f"east={video}", "--signals", str(tmp_path / "none")]) == 2


def test_live_the_alert_shows_before_at_and_after(tmp_path: Path, films: dict[str, Path], free_port: int) -> None:
    with Simulator([{"name": "east", "file": str(films["day"]), "start_seconds": 9.0}]) as simulator:
        config = site(tmp_path, lamp=True, feed=False, url=simulator.url("east"), port=free_port)
        with Daemon(config, free_port) as daemon:
            alerts = tmp_path / "alerts.jsonl"
            wait_for(lambda: sites.of_kind(alerts, "red_light"), 60, daemon.tail)
            (begin,) = sites.of_kind(alerts, "red_light")
            picture = tmp_path / "data" / "snapshots" / begin["alert"]["snapshot"]
            with av.open(str(picture)) as container:
                shown = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
            assert shown.shape == (SIZE[1], 3 * SIZE[0] + 2 * 8, 3)
            lefts = []
            for left in (0, SIZE[0] + 8, 2 * (SIZE[0] + 8)):
                panel = shown[:, left : left + SIZE[0]]
                boxed = ((panel[..., 0] > 225) & (panel[..., 1:].max(axis=2) < 110)).sum(axis=0) > 12  # not the red car
                lefts.append(np.flatnonzero(boxed).max() / SIZE[0])  # where its box ends: its front
            assert lefts[0] < STOP_X + 0.02 < lefts[1] <= lefts[2]
            assert daemon.metric("streamer_evidence_total", camera="east", kind="snapshot", outcome="ok") >= 1
            assert daemon.stop() == 0
