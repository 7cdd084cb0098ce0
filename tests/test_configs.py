"""Every shipped site file is right, and the generated ones are up to date."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from streamer import reference
from streamer.commands.site import STARTER
from streamer.config import load_site, parse_site
from streamer.faults import models_in
from streamer.firstlook import is_config, site_text
from streamer.schema import SINKS, SiteSettings, sink_settings

ROOT = Path(__file__).parent.parent
FILES = [*sorted((ROOT / "configs").glob("*.yaml")), ROOT / "deploy" / "site.yaml", STARTER]
WRITTEN = "run `python -m streamer.reference` in the checkout"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_shipped_site_is_right(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r"\$\{(\w+)\}", path.read_text()):
        monkeypatch.setenv(name, "value-of-it-as-long-as-a-token")
    site = load_site(path)
    assert site.cameras


def test_the_reference_is_up_to_date() -> None:
    assert (ROOT / "configs" / "full.yaml").read_text() == reference.full_yaml(), WRITTEN


def test_the_schema_is_up_to_date() -> None:
    assert json.loads(reference.SCHEMA.read_text()) == reference.schema(), WRITTEN


def test_the_schema_knows_every_section_and_sink() -> None:
    schema = reference.schema()
    assert set(schema["properties"]) == set(SiteSettings.model_fields)
    assert schema["additionalProperties"] is False
    for kind in SINKS:
        assert any(found.get("properties", {}).get("type") == {"const": kind} for found in schema["$defs"].values()), (
            kind
        )


def test_every_reference_in_the_schema_leads_somewhere() -> None:
    schema = reference.schema()
    for found in re.findall(r'"\$ref": "#/\$defs/([^"]+)"', json.dumps(schema)):
        assert found in schema["$defs"]


def test_every_option_is_described() -> None:
    silent = [f"{kind.__name__}.{name}" for kind in _all_settings() for name in _silent(kind)]
    assert silent == []


def test_every_duration_names_its_unit() -> None:
    for kind in _all_settings():
        for name in kind.model_fields:
            assert not re.search(r"_(s|ms|sec|secs|minutes|time|timeout|interval|duration)$", name), (kind, name)


def test_the_reference_has_every_option() -> None:
    loaded = yaml.safe_load(reference.full_yaml())
    assert set(loaded) == set(SiteSettings.model_fields)
    assert {sink["type"] for sink in loaded["sinks"].values()} == set(SINKS)


def test_a_first_look_is_a_site_and_its_passwords_are_variables() -> None:
    sources = ["rtsp://me:p@ss/w$rd@10.0.0.9/a$b", "usb:0", "rtsp://10.0.0.9/b", "rtsp://only@10.0.0.9/c"]
    text, variables = site_text(sources)
    site = parse_site(text, Path("/srv"), variables)
    assert list(site.cameras) == ["10-0-0-9", "usb0", "10-0-0-9-2", "10-0-0-9-3"]
    first = site.cameras["10-0-0-9"].address
    assert (first.user, first.password, first.target) == ("me", "p@ss/w$rd", "/a$b")
    assert "p@ss" not in text
    assert site.cameras["10-0-0-9-3"].address.user == "only"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("site.yaml", True), ("a/b.YML", True), ("film.mp4", False), ("rtsp://h/x.yaml", False), ("/dev/video0", False)],
)
def test_what_is_a_configuration(text: str, expected: bool) -> None:
    assert is_config(text) is expected


def _all_settings() -> Iterator[type[BaseModel]]:
    todo: list[type[BaseModel]] = [SiteSettings, *map(sink_settings, SINKS), *reference.shipped_pipelines().values()]
    seen: set[Any] = set()
    while todo:
        kind = todo.pop()
        if kind not in seen:
            seen.add(kind)
            yield kind
            todo += [inner for field in kind.model_fields.values() for inner in models_in(field.annotation)]


def _silent(kind: type[BaseModel]) -> Iterator[str]:
    return (name for name, field in kind.model_fields.items() if not field.description and name != "type")
