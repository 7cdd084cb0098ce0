"""Every rule there is, set up for a bench on a camera where everything is drawn.

Rules are found, not listed: a new module in `streamer.rules` is measured without a word here. What a rule must be told
follows from its settings class: names of places by what the field is called, numbers in the middle of what is allowed.
"""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import entry_points
from itertools import combinations
from typing import Any

import numpy as np
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from streamer import rules
from streamer.bench.actors import SIGNAL
from streamer.errors import StreamerError
from streamer.faults import models_in
from streamer.pipeline import ENTRY_POINTS, load_pipeline
from streamer.places import GroundSettings, LaneSettings, LineSettings, Places, Point
from streamer.rules.rule import Rule
from streamer.types import NO_SCORES, Scores

_ZONES: dict[str, list[Point]] = {
    "left": [(0.05, 0.3), (0.5, 0.3), (0.5, 0.95), (0.05, 0.95)],
    "right": [(0.5, 0.3), (0.95, 0.3), (0.95, 0.95), (0.5, 0.95)],
}
_LINES: dict[str, tuple[Point, Point]] = {"near": ((0.0, 0.7), (1.0, 0.7)), "middle": ((0.5, 0.1), (0.5, 1.0))}
_LANES: dict[str, tuple[list[Point], Point]] = {
    "out": ([(0.3, 0.15), (0.45, 0.15), (0.45, 1.0), (0.1, 1.0)], (0.1, -1.0)),
    "in": ([(0.55, 0.15), (0.7, 0.15), (0.9, 1.0), (0.55, 1.0)], (0.1, 1.0)),
}
_GROUND: list[Point] = [(0.3, 0.2), (0.7, 0.2), (1.0, 1.0), (0.0, 1.0)]
_NAMES = {"zones": list(_ZONES), "lines": list(_LINES), "lanes": list(_LANES)}
_TOLD: dict[str, dict[str, Any]] = {"red_light": {"stop_lines": {"near": SIGNAL}}}
"""What no field's name tells, by kind."""


def places() -> Places:
    """Two zones, two lines, two lanes, a ground plane and a traffic signal."""
    drawn = Places.build(
        zones=_ZONES,
        lines={name: LineSettings.model_validate({"from": a, "to": b}) for name, (a, b) in _LINES.items()},
        lanes={name: LaneSettings(polygon=shape, direction=way) for name, (shape, way) in _LANES.items()},
        ground=GroundSettings(points=_GROUND, size_m=(8.0, 30.0)),
    )
    return replace(drawn, signals=(SIGNAL,))


def kinds() -> list[type[Rule]]:
    """All rule classes of `streamer.rules` that have a kind of their own, by kind."""
    found: dict[str, type[Rule]] = {}
    for module in pkgutil.iter_modules(rules.__path__):
        for _, kind in inspect.getmembers(importlib.import_module(f"{rules.__name__}.{module.name}"), inspect.isclass):
            if issubclass(kind, Rule) and "kind" in vars(kind) and kind.__module__.endswith(f".{module.name}"):
                found[kind.kind] = kind
    return [found[name] for name in sorted(found)]


def build(kind: type[Rule]) -> Rule:
    """A rule that watches as many places as it can.

    Raises:
        StreamerError: what it must be told cannot be guessed; then it wants a line in this module.
    """
    fields = kind.model_fields
    told = _TOLD.get(kind.kind, {})
    asked = [name for name, field in fields.items() if field.is_required() and name not in (*_NAMES, *told)]
    given = {**{name: _guess(name, fields[name]) for name in asked}, **told}
    plural = [name for name in _NAMES if name in fields]
    complaint = ""
    for count in range(len(plural), -1, -1):
        for chosen in combinations(plural, count):
            try:
                return kind.model_validate({**given, **{name: _NAMES[name] for name in chosen}})
            except ValidationError as error:
                complaint = complaint or error.errors()[0]["msg"]
    raise StreamerError(f"bench: rule {kind.kind!r} cannot be set up by guessing: {complaint}")


def scores(rule: Rule, time: float) -> Mapping[str, Scores]:
    """What the behaviour models that a rule asks might say at a capture time: something new at every frame."""
    if not (handles := rule.handles()):
        return NO_SCORES
    label = str(getattr(rule, "label", "yes"))
    swing = np.array([0.5 + 0.45 * math.sin(time)], np.float32)
    return {handle.name: Scores(swing, (label,), thresholds={label: 0.6}) for handle in handles.values()}


def families() -> Iterator[tuple[str, list[str]]]:
    """The shipped pipelines, each with the kinds of its rules."""
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        fields = load_pipeline(point.name).model_fields.values()
        found = [kind.kind for field in fields for kind in models_in(field.annotation) if issubclass(kind, Rule)]
        yield point.name, found


def _guess(name: str, field: FieldInfo) -> Any:
    """A value for a field that has no default."""
    if field.annotation in (int, float):
        limits = {type(it).__name__.lower(): it for it in field.metadata}
        low = next((float(getattr(limits[key], key)) for key in ("ge", "gt") if key in limits), 0.0)
        high = next((float(getattr(limits[key], key)) for key in ("le", "lt") if key in limits), low + 100.0)
        return (low + high) / 2 if field.annotation is float else round((low + high) / 2)
    for plural, names in _NAMES.items():
        if plural[:-1] in name:
            return names[0]
    return None
