"""Behaviour models in pipelines: from a site file with a streaming model to events of recordings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipelines.surveillance import Surveillance
from streamer.behaviour import Behaviour
from streamer.camera import Camera
from streamer.commands import preview
from streamer.commands.video import play
from streamer.config import load_site
from streamer.errors import ConfigError, StreamerError
from streamer.events import Event
from streamer.inference.settings import analysis_box
from streamer.models.card import Input
from streamer.pipeline import Detector, Pipeline
from streamer.replay import Report
from streamer.rules.fight import Fight
from streamer.types import NO_SCORES, Answer, Detections, Frame, Scores
from tests.acting import LABELS, frame
from tests.films import blinds
from tests.models.stepping import stepping

FIGHT = {"model": "light", "label": "bright", "smooth_seconds": 0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A streaming model of brightness, and films that are half bright for some seconds."""
    folder = tmp_path_factory.mktemp("behaviours")
    stepping(folder / "light.onnx")
    blinds(folder / "gate.mp4", [(2.0, 0.0), (3.0, 0.5), (5.0, 0.0)])
    blinds(folder / "door.mp4", [(4.0, 0.5), (4.0, 0.0)], fps=12)
    blinds(folder / "dark.mp4", [(6.0, 0.1)])
    return folder


def site(folder: Path, fight: dict[str, Any] | None = FIGHT, cameras: tuple[str, ...] = ("gate",), **more: Any) -> Path:
    document = {
        "cameras": {
            name: {"source": str(folder / f"{name}.mp4"), "pipelines": ["watch"], "tamper": False} for name in cameras
        },
        "pipelines": {"watch": {"use": "surveillance", "detector": "motion", "fight": fight}},
        "models": {"light": {"file": "light.onnx"}},
        **more,
    }
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


async def replayed(path: Path) -> Report:
    loaded = load_site(path, "replay")
    return await play(loaded, {name: Path(it.address.target) for name, it in loaded.cameras.items()}, "replay")


def rows(report: Report) -> list[tuple[str, str, float]]:
    return [(event.camera, event.state, round(event.time, 2)) for event in report.events]


async def test_a_recording_is_judged_by_a_streaming_model(folder: Path) -> None:
    report = await replayed(site(folder))
    # half bright from 2.0: 0.25, 0.375 at 2.2, and a second later it is one; it falls below 0.18 at 5.2
    assert rows(report) == [("gate", "begin", 3.2), ("gate", "end", 8.2)]
    begin = json.loads(next(report.lines()))
    assert (begin["kind"], begin["label"], begin["started"]) == ("fight", "bright", 2.2)
    assert begin["detail"]["model"] == "light"
    assert begin["detail"]["min_score"] == 0.3
    assert report.suppressed == {}


async def test_it_repeats_byte_for_byte_in_any_company(folder: Path) -> None:
    alone = list((await replayed(site(folder))).lines())
    both = [list((await replayed(site(folder, cameras=("gate", "door", "dark")))).lines()) for _ in range(2)]
    assert both[0] == both[1]
    assert [line for line in both[0] if '"gate"' in line] == alone
    assert len(both[0]) == 4


async def test_other_batches_give_the_same_events(folder: Path) -> None:
    cameras = ("gate", "door", "dark")
    wanted = (await replayed(site(folder, cameras=cameras))).events
    found = (await replayed(site(folder, cameras=cameras, inference={"max_batch_size": 1}))).events
    assert [(e.id, e.state, e.time) for e in found] == [(e.id, e.state, e.time) for e in wanted]
    assert [e.confidence for e in found] == pytest.approx([e.confidence for e in wanted], abs=0.01)


@pytest.mark.parametrize("fps", [3, 5, 10])
async def test_the_cameras_rate_changes_little(folder: Path, fps: int) -> None:
    path = site(folder)
    document = yaml.safe_load(path.read_text())
    document["cameras"]["gate"]["analyze_fps"] = fps
    path.write_text(yaml.safe_dump(document))
    (_, _, begin), (_, _, end) = rows(await replayed(path))
    assert begin == pytest.approx(3.2, abs=0.5)
    assert end == pytest.approx(8.2, abs=0.5)


async def test_two_pipelines_on_one_camera_share_its_memory(folder: Path) -> None:
    path = site(folder)
    document = yaml.safe_load(path.read_text())
    document["pipelines"]["again"] = document["pipelines"]["watch"]
    document["cameras"]["gate"]["pipelines"] = ["watch", "again"]
    path.write_text(yaml.safe_dump(document))
    report = await replayed(path)
    assert [(e.pipeline, e.state, e.time) for e in report.events] == [
        ("again", "begin", 3.2),
        ("watch", "begin", 3.2),
        ("again", "end", 8.2),
        ("watch", "end", 8.2),
    ]


# --- what `check` says ---


def faults(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_site(path, "check")
    return str(caught.value).splitlines()


def test_the_model_is_resolved_by_name(folder: Path) -> None:
    loaded = load_site(site(folder), "check")
    assert set(loaded.models) == {"motion", "light"}
    assert loaded.models["light"].file == folder / "light.onnx"
    assert "fight" in loaded.summary()
    assert "model: light" in loaded.text()


def test_a_camera_that_is_slower_than_the_model_is_worth_a_word(folder: Path) -> None:
    path = site(folder)
    assert load_site(path, "check").notes() == []
    document = yaml.safe_load(path.read_text())
    document["cameras"]["gate"]["analyze_fps"] = 2
    path.write_text(yaml.safe_dump(document))
    loaded = load_site(path, "check")
    assert loaded.notes() == [
        "model light was trained at 5 frames a second, camera gate gives it 2: pictures are held in between; "
        "set cameras.gate.analyze_fps: 5"
    ]
    assert "  note      model light" in loaded.summary()


def test_a_detector_is_no_behaviour_and_a_behaviour_no_detector(folder: Path) -> None:
    (fault,) = faults(site(folder, {"model": "motion"}))
    assert ":" in fault
    assert "pipelines.watch.fight.model: model motion: its task is detection, behaviour is needed here" in fault
    path = site(folder)
    document = yaml.safe_load(path.read_text())
    document["pipelines"]["watch"] |= {"detector": "light"}
    path.write_text(yaml.safe_dump(document))
    (fault,) = faults(path)
    assert "models.light.file" in fault
    assert "its task is behaviour, detection is needed here" in fault


def test_labels_thresholds_and_names_that_do_not_fit(folder: Path) -> None:
    (fault,) = faults(site(folder, {"model": "light"}))
    assert "pipelines.watch.fight.label: model 'light' has no label 'fight'; its labels are: dark, bright" in fault
    (fault,) = faults(site(folder, {"model": "light", "label": "dark"}))
    assert "fight.min_score: must be given: the card of model 'light' has no threshold of 'dark'" in fault
    (fault,) = faults(site(folder, {"model": "ligt", "label": "bright"}))
    assert "pipelines.watch.fight.model" in fault
    assert "did you mean 'light'?" in fault
    load_site(site(folder, {"model": "light", "label": "dark", "min_score": 0.5}), "check")


def test_pictures_are_large_enough_for_the_model_and_only_detectors_are_drawn(folder: Path) -> None:
    loaded = load_site(site(folder), "check")
    assert preview._models(loaded, "gate") == ["motion"]
    width, height = preview._box(loaded, "gate")
    assert width >= 28, "a picture of 16:9 that is 16 high is 28 wide"
    assert height >= 16
    assert analysis_box(Input(width=172, height=128, fit="stretch")) == (228, 306)
    assert analysis_box(Input(width=172, height=128)) == (172, 128)


# --- handles ---


class Asked:
    """Answers, and notes what was asked at the same time."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.most: list[str] = []

    async def __call__(self, model: str, now: Frame) -> Answer:
        self.waiting.append(model)
        await asyncio.sleep(0)
        if len(self.waiting) > len(self.most):
            self.most = list(self.waiting)
        await asyncio.sleep(0)
        self.waiting.remove(model)
        if model == "d":
            return Detections.empty(LABELS)
        return Scores(np.array([0.5], np.float32), (model,))


class Story(Pipeline):
    detector: Detector = Detector("d")
    own: Behaviour | None = None
    fight: Fight | None = None
    other: Fight | None = None

    async def watch(self, camera: Camera) -> AsyncIterator[Event]:
        async for _ in camera.frames():
            yield Event("fight", "begin", 0.0)


def test_models_of_the_pipeline_and_of_its_rules_are_found() -> None:
    story = Story.model_validate({"own": "a", "fight": {"model": "b"}, "other": {"model": "a"}})
    assert story.models() == ["d", "a", "b", "a"]
    assert story.detectors() == ["d"]
    assert story.model_dump(mode="json")["fight"]["model"] == "b"
    assert Surveillance.model_validate({"detector": "d", "fight": {}}).models() == ["d", "fight"]
    assert Surveillance.model_validate({"detector": "d"}).models() == ["d"]


async def test_all_are_asked_at_once_and_each_once() -> None:
    asked = Asked()
    story = Story.model_validate({"own": "a", "fight": {"model": "b"}, "other": {"model": "a"}}).bind(asked)
    found, scores = await story.look(frame(0.0), story.detector)
    assert isinstance(found, Detections)
    assert sorted(asked.most) == ["a", "b", "d"]
    assert {name: said.labels for name, said in scores.items()} == {"a": ("a",), "b": ("b",)}
    assert set(await story.behaviours(frame(0.0))) == {"a", "b"}
    assert story.fight is not None
    assert (await story.fight.model(frame(0.0))).labels == ("b",)


async def test_a_pipeline_without_behaviours_asks_for_none() -> None:
    asked = Asked()
    story = Story().bind(asked)
    assert (await story.look(frame(0.0), story.detector))[1] is NO_SCORES
    assert await story.behaviours(frame(0.0)) is NO_SCORES
    assert asked.most == ["d"]


async def test_binding_again_answers_from_the_new_one() -> None:
    first, second = Asked(), Asked()
    story = Story.model_validate({"own": "a"}).bind(first).bind(second)
    await story.behaviours(frame(0.0))
    assert (first.most, second.most) == ([], ["a"])


async def test_handles_say_what_is_wrong() -> None:
    with pytest.raises(StreamerError, match="behaviour 'a': not bound"):
        await Behaviour("a")(frame(0.0))
    with pytest.raises(StreamerError, match="behaviour 'd': the model of that name is a detector"):
        await Behaviour("d", Asked())(frame(0.0))
    with pytest.raises(StreamerError, match="detector 'a': the model of that name is a behaviour model"):
        await Detector("a", Asked())(frame(0.0))
    assert repr(Behaviour("a")) == "Behaviour('a')"
