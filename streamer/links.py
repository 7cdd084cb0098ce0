"""What one part of a site file names of another: pipelines, places, sinks, models; each must exist.

Called by `config` once the parts are checked on their own. Every function reports through `Fault` and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from streamer.alerts import ClipSettings
from streamer.errors import InputError
from streamer.faults import nearest
from streamer.inference.settings import ModelSpec
from streamer.models.card import Card
from streamer.models.detector import Overrides
from streamer.models.registry import card_of, resolve
from streamer.pipeline import Detector, Pipeline
from streamer.places import Places
from streamer.rules.rule import Rule
from streamer.schedule import zone
from streamer.schema import CameraSettings, ModelSettings
from streamer.yamlfile import Keys

Fault = Callable[[Keys, str], None]
"""Takes where something stands, and what is wrong with it."""


def check_names(fault: Fault, keys: Keys, names: Iterable[str], known: Iterable[str], what: str) -> None:
    """Each of the names must be known; `what` says of what they are names."""
    known = list(known)
    for i, name in enumerate(names):
        if name not in known:
            has = f"; there are: {', '.join(known)}" if known else f"; the site has no {what}s"
            fault((*keys, i), f"unknown {what} {name!r}{nearest(name, known) or has}")


def check_places(fault: Fault, camera: str, places: Places, name: str, pipeline: Pipeline) -> None:
    """What the pipeline's rules name must be drawn on a camera that it watches: zones, lines, lanes, the ground."""
    for field, rule in rules(pipeline):
        for kind, wanted in rule.places_needed().items():
            drawn = getattr(places, kind)
            has = f"; it has: {', '.join(drawn)}" if drawn else f"; it has no {kind}"
            for i, place in enumerate(wanted):
                if place not in drawn:
                    message = f"{kind[:-1]} {place!r} is not drawn on camera {camera!r}{nearest(place, drawn) or has}"
                    fault(("pipelines", name, field, kind, i), message)
        if rule.ground_needed() and places.ground is None:
            message = f"needs meters, but camera {camera!r} has no ground plane: give cameras.{camera}.ground"
            fault(("pipelines", name, field), message)


def check_clip(fault: Fault, name: str, camera: CameraSettings, clip: ClipSettings | None) -> None:
    """A clip is what the camera sent, and a privacy mask is only drawn on decoded pictures: one excludes the other."""
    if clip is not None and hides_something(camera):
        message = (
            f"alerts.clip keeps video as camera {name!r} sends it, and privacy mask "
            f"{', '.join(_privacy_masks(camera))} of that camera would not be on it; remove one of the two"
        )
        fault(("cameras", name), message)


def hides_something(camera: CameraSettings) -> bool:
    """Whether a camera has a privacy mask: then nothing may be kept of it that is not masked."""
    return bool(_privacy_masks(camera))


def _privacy_masks(camera: CameraSettings) -> list[str]:
    masks: Mapping[str, object] = getattr(camera, "masks", None) or {}  # cameras have no masks yet
    return [name for name, mask in masks.items() if getattr(mask, "privacy", False)]


def check_sinks(fault: Fault, name: str, pipeline: Pipeline, sinks: Iterable[str]) -> None:
    """Each sink that the pipeline's rules name must exist."""
    known = list(sinks)
    for field, rule in rules(pipeline):
        check_names(fault, ("pipelines", name, field, "sinks"), rule.sinks or [], known, "sink")


def find_models(
    fault: Fault, name: str, pipeline: Pipeline, models: Mapping[str, ModelSettings | None], base_dir: Path
) -> Iterator[ModelSpec]:
    """The file of every model that the pipeline asks; its card must be readable and fit the pipeline's rules."""
    for field, model in handles(pipeline):
        settings = models.get(model, ModelSettings(file=model))
        if settings is None:
            continue  # faulty, and said so
        keys: Keys = ("models", model, "file") if model in models else ("pipelines", name, field)
        try:
            file = resolve(settings.file, base_dir)
            card = card_of(file, "detection")
        except InputError as error:
            also = nearest(model, models) if model not in models and "did you mean" not in str(error) else ""
            fault(keys, f"{error}{also}")
            continue
        yield ModelSpec(model, file, Overrides(settings.confidence, settings.iou))
        if len(handles(pipeline)) == 1:
            _check_labels(fault, name, pipeline, model, card)


def _check_labels(fault: Fault, name: str, pipeline: Pipeline, model: str, card: Card) -> None:
    """A rule that waits for labels that its only model never reports would be silent for ever."""
    for field, rule in rules(pipeline):
        wanted = getattr(rule, "labels", None)
        if wanted and not set(wanted) & set(card.labels):
            some = ", ".join(card.labels[:8]) + (", ..." if len(card.labels) > 8 else "")
            message = f"model {model!r} reports none of {', '.join(wanted)}; its labels are: {some}"
            fault(("pipelines", name, field, "labels"), message)


def in_zone(pipeline: Pipeline, name: str | None) -> Pipeline:
    """The pipeline with its rules' schedules read in a time zone, unless they name their own."""
    place = zone(name)
    changed = {
        field: rule.model_copy(update={"when": replace(rule.when, zone=place)})
        for field, rule in rules(pipeline)
        if place is not None and rule.when is not None and rule.when.zone is None
    }
    return pipeline.model_copy(update=changed)


def rules(pipeline: Pipeline) -> list[tuple[str, Rule]]:
    """The rules that are switched on, with their keys."""
    values = {name: getattr(pipeline, name) for name in type(pipeline).model_fields}
    return [(name, value) for name, value in values.items() if isinstance(value, Rule)]


def handles(pipeline: Pipeline) -> list[tuple[str, str]]:
    """Keys of model handles, and the models that they name."""
    values = {name: getattr(pipeline, name) for name in type(pipeline).model_fields}
    return [(name, value.name) for name, value in values.items() if isinstance(value, Detector)]
