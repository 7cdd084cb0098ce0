"""What docs/signals.md says is so: its example is a site, its lines are messages, its reasons are ours."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from streamer.config import parse_site
from streamer.rules.red_light import RedLight
from streamer.signals.message import Message, read
from streamer.signals.settings import SignalSettings
from tests.e2e.test_arming import PIPELINE

VARIABLES = {"JUNCTION_PASSWORD": "p4ssword-of-it", "NORTH_TOKEN": "a token of the page"}


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs" / "signals.md").read_text(encoding="utf-8")


def test_the_example_is_a_site(page: str, tmp_path: Path) -> None:
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    values = yaml.safe_load(text)
    (tmp_path / "junction.py").write_text(PIPELINE)
    values["pipelines"]["traffic"] |= {"use": "junction.py", "detector": "motion"}
    values["pipelines"]["traffic"]["red_light"]["labels"] = ["motion"]
    site = parse_site(yaml.safe_dump(values), tmp_path, VARIABLES)
    assert site.cameras["junction"].places.signals == ("north",)
    assert site.signals_of("junction").names == ("north",)
    assert "a token of the page" not in site.text()
    assert "p4ssword" not in site.text()


def test_the_recorded_line_is_a_message(page: str) -> None:
    (line,) = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    row = json.loads(line)
    settings = SignalSettings.model_validate({"poll": {"url": "http://10.0.0.7/"}})
    assert read(json.dumps(row).encode(), settings) == Message("red", 12.5)
    (posted,) = re.findall(r"-d '(.*?)' http://127.0.0.1:8080/signals", page)
    assert read(posted.encode(), settings) == Message("red")


def test_reasons_and_defaults_are_those_of_the_code(page: str) -> None:
    table = page[page.index("| reason |") : page.index("After a lie")]
    named = set(re.findall(r"`([a-z_]+)`", "\n".join(row.split("|")[1] for row in table.splitlines() if "|" in row)))
    code = "".join(path.read_text() for path in (Path(__file__).parents[2] / "streamer" / "signals").glob("*.py"))
    assert named == {
        *("silent", "late", "future", "contradictory", "impossible", "contradicts_lamp", "stuck", "changing"),
        *("controller", "unreadable"),
    }
    assert all(f'"{reason}"' in code for reason in named)
    for kind in (SignalSettings, RedLight):
        for name, default in re.findall(r"`([a-z_]+)` \(([0-9.]+)\b", page):
            field = kind.model_fields.get(name)
            if field is not None:
                assert field.default == float(default), name
