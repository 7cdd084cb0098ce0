"""Finding pipelines by name, their model handles, and their settings as YAML and JSON schema."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

import streamer.pipeline
from pipelines.surveillance import Surveillance
from pipelines.traffic import Traffic
from streamer.camera import Camera
from streamer.errors import InputError, StreamerError
from streamer.events import Event
from streamer.pipeline import Detector, Pipeline, load_pipeline
from streamer.places import MaskSettings, Places
from streamer.rules.intrusion import Intrusion
from streamer.types import Detections, Frame
from tests.acting import LABELS, frame, person, seen

YARD = """
from streamer import Camera, Detector, Event, Intrusion, Pipeline

class Yard(Pipeline):
    detector: Detector = Detector("motion")
    intrusion: Intrusion | None = None

    async def watch(self, camera: Camera):
        async for frame in camera.frames():
            yield Event("intrusion", "begin", frame.time)
"""


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The entry points that are installed, by name."""
    installed = {"surveillance": "pipelines.surveillance:Surveillance"}

    def entry_points(group: str) -> list[EntryPoint]:
        return [EntryPoint(name, value, group) for name, value in installed.items()]

    monkeypatch.setattr(streamer.pipeline, "entry_points", entry_points)
    return installed


def test_an_entry_point(points: dict[str, str]) -> None:
    assert load_pipeline("surveillance") is Surveillance


def test_an_unknown_entry_point_names_the_known(points: dict[str, str]) -> None:
    points["traffic"] = "pipelines.traffic:Traffic"
    with pytest.raises(InputError, match=r"'surveilance': no such entry point; known: surveillance, traffic"):
        load_pipeline("surveilance")
    points.clear()
    with pytest.raises(InputError, match="known: none"):
        load_pipeline("surveillance")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("no_such_package.x:Y", "ModuleNotFoundError"),
        ("pipelines.surveillance:Nobody", "AttributeError"),
        ("streamer.events:Event", "found none"),
    ],
)
def test_a_broken_entry_point(points: dict[str, str], value: str, words: str) -> None:
    points["mine"] = value
    with pytest.raises(InputError, match=words):
        load_pipeline("mine")


@pytest.mark.parametrize("use", ["pipelines.surveillance:Surveillance", "pipelines.surveillance.Surveillance"])
def test_a_dotted_name(use: str) -> None:
    assert load_pipeline(use) is Surveillance


def test_a_dotted_name_may_contain_py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "my_site" / "pyramids"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(YARD)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load_pipeline("my_site.pyramids:Yard").__name__ == "Yard"


@pytest.mark.parametrize(
    ("use", "words"),
    [
        ("no_such_package.yard:Yard", "cannot import 'no_such_package.yard': ModuleNotFoundError"),
        ("pipelines.surveillance:Nobody", "found none"),
        ("streamer.events:Event", "found none"),
        ("streamer.pipeline:Pipeline", "found none"),
        ("streamer.", "cannot import|found none"),
    ],
)
def test_a_wrong_dotted_name(use: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_pipeline(use)


def test_a_file_absolute_relative_and_with_a_name(tmp_path: Path) -> None:
    (tmp_path / "yard.py").write_text(YARD)
    for use, base in ((str(tmp_path / "yard.py"), None), ("yard.py", tmp_path), ("./yard.py:Yard", tmp_path)):
        found = load_pipeline(use, base)
        assert issubclass(found, Pipeline)
        assert found.__name__ == "Yard"
        settings = found.model_validate({"detector": "d", "intrusion": {"zones": ["yard"]}})
        assert settings.models() == ["d"]
        assert [rule.kind for rule in settings.enabled_rules()] == ["intrusion"]


@pytest.mark.parametrize(
    ("text", "use", "words"),
    [
        (None, "yard.py", "no such file"),
        ("import nothing_like_this", "yard.py", "ModuleNotFoundError"),
        ("def broken(:", "yard.py", "SyntaxError"),
        ("1 / 0", "yard.py", "ZeroDivisionError"),
        ("x = 1", "yard.py", "found none"),
        ("from streamer import Pipeline", "yard.py", "found none"),
        ("from pipelines.surveillance import Surveillance", "yard.py", "found none"),
        (YARD, "yard.py:Garden", "found none"),
        (YARD + "\nclass More(Yard): ...\n", "yard.py", "found 2; add one of :Yard, More"),
    ],
)
def test_a_wrong_file(tmp_path: Path, text: str | None, use: str, words: str) -> None:
    if text is not None:
        (tmp_path / "yard.py").write_text(text)
    with pytest.raises(InputError, match=words):
        load_pipeline(use, tmp_path)


def test_one_of_two_pipelines_of_a_file_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "yard.py").write_text(YARD + "\nclass More(Yard): ...\n")
    assert load_pipeline("yard.py:More", tmp_path).__name__ == "More"


async def test_an_unbound_detector_raises_and_a_bound_copy_asks() -> None:
    asked: list[tuple[str, int]] = []

    async def ask(model: str, now: Frame) -> Detections:
        asked.append((model, now.index))
        return Detections.empty(LABELS)

    pipeline = Surveillance(detector=Detector("people"))
    with pytest.raises(StreamerError, match="'people': not bound to a model"):
        await pipeline.detector(frame(0.0))
    bound = pipeline.bind(ask)
    await bound.detector(frame(0.0, 7))
    assert asked == [("people", 7)]
    assert isinstance(bound, Surveillance)
    with pytest.raises(StreamerError, match="not bound"):
        await pipeline.detector(frame(0.0))


def test_a_detector_in_yaml_is_a_name() -> None:
    settings = yaml.safe_load("{detector: people, intrusion: {zones: [yard], min_seconds: 2}}")
    pipeline = Surveillance.model_validate(settings)
    assert (pipeline.detector.name, repr(pipeline.detector)) == ("people", "Detector('people')")
    assert pipeline.models() == ["people"]
    assert isinstance(pipeline.enabled_rules()[0], Intrusion)
    dumped = pipeline.model_dump(mode="json", exclude_none=True)
    assert dumped["detector"] == "people"
    assert Surveillance.model_validate(yaml.safe_load(yaml.safe_dump(dumped))).model_dump() == pipeline.model_dump()
    assert Surveillance.model_validate_json('{"detector": "people"}').detector.name == "people"
    assert Surveillance().models() == ["person-vehicle"]
    assert Traffic().models() == ["person-vehicle", "motion"]
    assert Surveillance().enabled_rules() == []


@pytest.mark.parametrize("wrong", [{"detector": ""}, {"detector": 3}, {"detecter": "x"}, {"intrusion": {"zone": "a"}}])
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Surveillance.model_validate(wrong)


def test_the_schema_is_for_editors() -> None:
    schema = Surveillance.model_json_schema()
    detector = schema["properties"]["detector"]
    assert detector["anyOf"][0] == {"type": "string"}
    assert detector["anyOf"][1]["required"] == ["fuse"]
    assert detector["default"] == "person-vehicle"
    assert schema["additionalProperties"] is False
    assert all(field.get("description") for field in schema["properties"].values())


async def test_a_pipeline_without_watch_says_so() -> None:
    class Empty(Pipeline):
        pass

    with pytest.raises(NotImplementedError, match="Empty must define `async def watch"):
        Empty().watch(Camera("gate"))


async def test_pipelines_may_bring_settings_of_their_own(tmp_path: Path) -> None:
    class Counter(Pipeline):
        every: int = 2
        """How many frames make an event."""

        async def watch(self, camera: Camera) -> AsyncIterator[Event]:
            async for now in camera.frames():
                if now.index % self.every == 0:
                    yield Event("counted", "begin", now.time)

    assert Counter.model_json_schema()["properties"]["every"]["description"] == "How many frames make an event."
    camera = Camera("gate")
    camera.put(frame(0.0, 4))
    camera.close()
    assert [event.kind async for event in Counter().watch(camera)] == ["counted"]


async def test_a_fused_detector_asks_both_models_and_heeds_masks() -> None:
    pipeline = Surveillance.model_validate({"detector": {"fuse": ["yolox", "motion"]}})
    assert pipeline.models() == ["yolox", "motion"]
    assert pipeline.model_dump(mode="json")["detector"] == {"fuse": ["yolox", "motion"]}
    asked = []

    async def ask(name: str, now: Frame) -> Detections:
        asked.append(name)
        return seen(person(0.1 + now.time * 0.2, 0.9), label="motion") if name == "motion" else seen()

    mask = MaskSettings.model_validate({"polygon": [[0.5, 0], [1, 0], [1, 1], [0.5, 1]], "ignore": ["motion"]})
    bound = pipeline.bind(ask, Places.build(masks={"tree": mask}))
    answers = [await bound.detector(frame(i / 5, i)) for i in range(20)]
    assert asked == ["yolox", "motion"] * 20
    times = [i / 5 for i, answer in enumerate(answers) if len(answer)]
    assert times
    assert times[0] == pytest.approx(0.6, abs=0.21)
    assert times[-1] < 2.01  # it walks into the mask at 2 s
    assert all(answer.label(0) == "motion" for answer in answers if len(answer))
    again = pipeline.bind(ask)  # another camera starts with a memory of its own
    assert len(await again.detector(frame(4.0, 20))) == 0


@pytest.mark.parametrize("wrong", [{"fuse": ["a"]}, {"fuse": ["a", "a"]}, {"fuse": ["a", "b", "c"]}, {"fused": ["a"]}])
def test_a_wrong_fuse_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Surveillance.model_validate({"detector": wrong})
