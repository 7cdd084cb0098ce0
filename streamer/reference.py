"""Every option of a site file, from the settings themselves: the JSON Schema for editors, and `configs/full.yaml`.

`python -m streamer.reference FOLDER` writes both into a checkout; a test says when that was forgotten. Never imported
by the daemon.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import annotated_types
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import models_json_schema

from streamer.faults import models_in
from streamer.pipeline import ENTRY_POINTS, Pipeline
from streamer.schema import SINKS, SiteSettings, sink_settings
from streamer.signals.settings import SignalSettings

SCHEMA = Path(__file__).with_name("site.schema.json")
"""The shipped schema."""

_POLYGON = [[0.1, 0.4], [0.9, 0.4], [0.9, 1.0], [0.1, 1.0]]
_CAMERA = {
    "source": "rtsp://admin:${GATE_PASSWORD}@192.168.1.10:554/stream1",
    "zones": {"yard": _POLYGON},
    "lines": {"entry": {"from": [0.0, 0.6], "to": [1.0, 0.6]}},
    "lanes": {"north": {"polygon": _POLYGON, "direction": [0.0, -1.0]}},
    "ground": {"points": [[0.3, 0.5], [0.7, 0.5], [0.9, 0.9], [0.1, 0.9]], "size_m": [5.0, 12.0]},
    "masks": {"window": {"polygon": [[0.0, 0.0], [0.2, 0.0], [0.2, 0.2]], "ignore": ["motion"], "privacy": True}},
    "lamps": {"north": {"head": [[0.80, 0.05], [0.82, 0.05], [0.82, 0.15], [0.80, 0.15]]}},
    "pipelines": ["surveillance"],
}
_RULES: dict[str, Any] = {
    **{"zones": ["yard"], "lines": ["entry"], "lanes": ["north"], "limit_kmh": 50.0},
    "stop_lines": {"entry": "north"},
}
_SIGNAL: dict[str, Any] = {
    "http": {"token": "${NORTH_SIGNAL_TOKEN}"},
    "poll": {"url": "http://10.0.0.7/state"},
    "mqtt": {"host": "mqtt.example.org", "topic": "junction/north"},
}
_SINKS: dict[str, dict[str, Any]] = {
    "alertmanager": {"url": "https://alertmanager.example.org:9093"},
    "apprise": {"urls": ["ntfy://${NTFY_TOPIC}"]},
    "jsonl": {"path": "alerts.jsonl"},
    "mqtt": {"host": "mqtt.example.org", "user": "streamer", "password": "${MQTT_PASSWORD}"},
    "webhook": {"url": "https://example.org/alerts", "secret": "${HOOK_SECRET}"},
}
_HEAD = """\
# Every option of a site file with its default, written by `python -m streamer.reference`: do not edit, look things up.
# Start from minimal.yaml instead. Durations are in seconds; points are fractions of the picture, x right and y down.
# ${VAR} takes a value from the environment; only sources, sinks, signals and web.token may have it. $$ is a plain $.
# Keys that begin with x- are ignored: a place for anchors.
"""
_WIDTH = 118
_LABEL = "motion"


def schema() -> dict[str, Any]:
    """The JSON Schema of site files."""
    sinks = {kind: sink_settings(kind) for kind in SINKS}
    pipelines = shipped_pipelines()
    models: list[type[BaseModel]] = [SiteSettings, *sinks.values(), *pipelines.values()]
    references, top = models_json_schema([(model, "validation") for model in models], by_alias=True)
    definitions: dict[str, Any] = top["$defs"]
    site = definitions.pop(references[SiteSettings, "validation"]["$ref"].rpartition("/")[2])
    for kind, model in sinks.items():
        found = definitions[references[model, "validation"]["$ref"].rpartition("/")[2]]
        found["properties"]["type"] = {"const": kind}
        found["required"] = sorted({*found.get("required", []), "type"})
    site["properties"]["sinks"]["additionalProperties"] = {
        "anyOf": [references[model, "validation"] for model in sinks.values()]
    }
    known = []
    for use, pipeline in pipelines.items():
        found = definitions[references[pipeline, "validation"]["$ref"].rpartition("/")[2]]
        found["properties"] = {"use": {"const": use}, **found["properties"]}
        found["required"] = sorted({*found.get("required", []), "use"})
        known.append(references[pipeline, "validation"])
    own = {"type": "object", "properties": {"use": {"type": "string", "pattern": r"[.:]"}}, "required": ["use"]}
    site["properties"]["pipelines"]["additionalProperties"] = {"anyOf": [*known, own]}
    for section in ("cameras", "pipelines", "models", "sinks", "signals"):
        site["properties"][section].pop("propertyNames", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "streamer site",
        **{key: value for key, value in site.items() if key != "title"},
        "patternProperties": {"^x-": {}},
        "$defs": definitions,
    }


def full_yaml() -> str:
    """A site file with every option, its default, and what it means."""
    site = SiteSettings.model_validate({"cameras": {"gate": _CAMERA}, "pipelines": {"x": {}}})
    lines = [_HEAD]
    for key, field in SiteSettings.model_fields.items():
        value = getattr(site, key)
        if key == "cameras":
            lines += [*_comment(field, ""), "cameras:", "  gate:", *_entries(site.cameras["gate"], _CAMERA, "    ")]
        elif key == "pipelines":
            lines += [*_comment(field, ""), "pipelines:", *_pipelines()]
        elif key == "models":
            lines += [*_comment(field, ""), "models:", "  people:", *_model(field)]
        elif key == "sinks":
            lines += [*_comment(field, ""), "sinks:", *_sinks()]
        elif key == "signals":
            lines += [*_comment(field, ""), "signals:", "  north:", *_signal()]
        elif isinstance(value, BaseModel):
            lines += [*_comment(field, ""), f"{key}:", *_entries(value, {}, "  ")]
        else:
            lines += [*_comment(field, ""), f"{key}: {_flow(value)}"]
        lines.append("")
    return "\n".join(lines)


def shipped_pipelines() -> dict[str, type[Pipeline]]:
    """The pipelines that come with streamer, by entry point."""
    points = entry_points(group=ENTRY_POINTS)
    return {point.name: point.load() for point in points if point.dist is not None and point.dist.name == "streamer"}


def _pipelines() -> Iterator[str]:
    for use, kind in shipped_pipelines().items():
        settings = kind()
        yield f"  {use}:"
        yield "    # The code: a shipped pipeline's name, a dotted name (mine.yard:Yard), or the path of a .py file."
        yield f"    use: {use}"
        for name, field in kind.model_fields.items():
            rule = next((found for found in models_in(field.annotation) if "severity" in found.model_fields), None)
            yield from _comment(field, "    ")
            if rule is None:
                yield f"    {name}: {_flow(settings.model_dump(mode='json')[name])}"
            else:
                given = {key: value for key, value in _RULES.items() if key in rule.model_fields}
                labels = rule.model_validate(given).model_dump().get("labels")
                if labels and _LABEL not in labels:  # the detector of this page knows nothing else
                    given["labels"] = [*labels, _LABEL]
                yield f"    {name}:"
                yield from _entries(rule.model_validate(given), given, "      ")


def _model(field: FieldInfo) -> Iterator[str]:
    kind = next(models_in(field.annotation))
    yield from _entries(kind.model_validate({"file": "motion"}), {}, "    ")


def _sinks() -> Iterator[str]:
    for kind, given in _SINKS.items():
        yield f"  my-{kind}:"
        yield from _entries(
            sink_settings(kind).model_validate({"type": kind, **given}), {"type": kind, **given}, "    "
        )


def _signal() -> Iterator[str]:
    settings = SignalSettings.model_validate(_SIGNAL)
    feeds = {name: {**getattr(settings, name).model_dump(mode="json"), **given} for name, given in _SIGNAL.items()}
    yield from _entries(settings, feeds, "    ")


def _entries(settings: BaseModel, given: Mapping[str, Any], indent: str) -> Iterator[str]:
    """Each option of one section; `given` holds values as they are to be shown, e.g. with variables in them."""
    plain = {**settings.model_dump(mode="json", by_alias=True), **given}
    for name, field in type(settings).model_fields.items():
        key = field.alias or name
        yield from _comment(field, indent)
        yield f"{indent}{key}: {_flow(plain[key])}"


def _comment(field: FieldInfo, indent: str) -> list[str]:
    text = " ".join((field.description or "").split())
    limits = _limits(field)
    text += f" [{limits}]" if limits else ""
    return textwrap.wrap(text, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _limits(field: FieldInfo) -> str:
    words = []
    for limit in field.metadata:
        for kind, name, word in (
            (annotated_types.Ge, "ge", "at least"),
            (annotated_types.Gt, "gt", "above"),
            (annotated_types.Le, "le", "at most"),
            (annotated_types.Lt, "lt", "below"),
        ):
            if isinstance(limit, kind):
                words.append(f"{word} {getattr(limit, name):g}")
    return ", ".join(words)


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def main(folder: Path) -> None:
    """Write both files into a checkout."""
    (folder / "streamer" / SCHEMA.name).write_text(json.dumps(schema(), indent=1) + "\n", encoding="utf-8")
    (folder / "configs" / "full.yaml").write_text(full_yaml(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path())
