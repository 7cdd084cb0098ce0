"""The pipeline and the site on the page about streaming models work as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from streamer.commands.video import play
from streamer.config import load_site
from tests.films import blinds
from tests.models.stepping import stepping


@pytest.fixture(scope="module")
def page(request: pytest.FixtureRequest) -> str:
    return (Path(str(request.config.rootpath)) / "docs" / "streaming.md").read_text()


def block(page: str, language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found[1]


async def test_the_pipeline_watches(page: str, tmp_path: Path) -> None:
    (tmp_path / "yard.py").write_text(block(page, "python"))
    blinds(tmp_path / "gate.mp4", [(1.0, 0.0), (6.0, 0.5)])
    stepping(tmp_path / "smoke.onnx", labels=("clear", "smoke"), keep=-0.9)  # overshoots, to be above 0.9
    stepping(tmp_path / "fight.onnx", labels=("normal", "fight"))
    site = {
        "cameras": {"gate": {"source": "gate.mp4", "pipelines": ["yard"], "tamper": False}},
        "pipelines": {"yard": {"use": "yard.py", "detector": "motion", "fight": {}}},
        "models": {"smoke": {"file": "smoke.onnx"}, "fight": {"file": "fight.onnx"}},
    }
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(site))
    report = await play(load_site(tmp_path / "site.yaml", "replay"), {"gate": tmp_path / "gate.mp4"}, "replay")
    assert {(event.kind, event.state) for event in report.events} >= {("fight", "begin"), ("smoke", "begin")}


def test_the_site_loads_but_for_its_detector(page: str, tmp_path: Path) -> None:
    text = block(page, "yaml").replace("file: yolox_nano.onnx", "file: motion")
    stepping(tmp_path / "my_fight.onnx", labels=("normal", "fight"))
    (tmp_path / "site.yaml").write_text(text + 'cameras: {gate: {source: "rtsp://10.0.0.9/a", pipelines: [yard]}}\n')
    site = load_site(tmp_path / "site.yaml", "check")
    assert site.models["fight"].file == tmp_path / "my_fight.onnx"
    assert [rule.kind for rule in site.pipelines["yard"].enabled_rules()] == ["fight"]
