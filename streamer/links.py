"""What one part of a site file names of another: pipelines, places, sinks, models; each must exist.

Called by `config` once the parts are checked on their own. Every function reports through `Fault` and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from streamer.alerts import ClipSettings
from streamer.errors import InputError
from streamer.faults import nearest
from streamer.ignored import MOTION
from streamer.inference.settings import ModelSpec
from streamer.models.card import Card
from streamer.models.detector import Overrides
from streamer.models.registry import card_of, resolve
from streamer.pipeline import Behaviour, Detector, Pipeline
from streamer.places import Places
from streamer.rules.rule import Rule
from streamer.schedule import zone
from streamer.schema import CameraSettings, ModelSettings
from streamer.sources.patch import share_hidden
from streamer.yamlfile import Keys

_MOST_HIDDEN = 0.99
"""Share of the picture that masks of one meaning may cover together."""

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
    """What the pipeline's rules name must be there on a camera: zones, lines, lanes, signals, the ground."""
    for field, rule in rules(pipeline):
        for kind, wanted in rule.places_needed().items():
            drawn = getattr(places, kind)
            has = f"; it has: {', '.join(drawn)}" if drawn else f"; it has no {kind}"
            for i, place in enumerate(wanted):
                if place not in drawn:
                    where = f"camera {camera!r} or under `signals`" if kind == "signals" else f"camera {camera!r}"
                    verb = "not told of by" if kind == "signals" else "not drawn on"
                    message = f"{kind[:-1]} {place!r} is {verb} {where}{nearest(place, drawn) or has}"
                    own = (kind, i) if kind in type(rule).model_fields else ()
                    fault(("pipelines", name, field, *own), message)
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
    return [name for name, mask in camera.masks.items() if mask.privacy]


def check_masks(fault: Fault, camera: str, places: Places) -> None:
    """A camera of which nothing is left to be seen, or to be looked at, would be silent for ever."""
    meanings = {"privacy: true": [mask.zone for mask in places.masks.values() if mask.privacy]}
    meanings |= {f"ignore: [{what}]": places.ignored(what) for what in ("motion", "detections")}
    for meaning, zones in meanings.items():
        share = share_hidden([area.polygon.tolist() for area in zones])
        if share > _MOST_HIDDEN:
            names = ", ".join(area.name for area in zones)
            keys = ("cameras", camera, "masks", zones[-1].name)
            fault(keys, f"`{meaning}` ({names}) covers {share:.0%} of the picture: nothing is left to watch")


def check_sinks(fault: Fault, name: str, pipeline: Pipeline, sinks: Iterable[str]) -> None:
    """Each sink that the pipeline's rules name must exist."""
    known = list(sinks)
    for field, rule in rules(pipeline):
        check_names(fault, ("pipelines", name, field, "sinks"), rule.sinks or [], known, "sink")


def find_models(
    fault: Fault, name: str, pipeline: Pipeline, models: Mapping[str, ModelSettings | None], base_dir: Path
) -> Iterator[ModelSpec]:
    """The file of every model that the pipeline asks; its card must be readable and fit the pipeline's rules."""
    reported: dict[str, list[str]] = {}
    site = Models(fault, models, base_dir)
    for field, model in handles(pipeline):
        found = site.find(("pipelines", name, field), model, "detection")
        if found is None:
            continue
        spec, card = found
        yield spec
        reported.setdefault(field, []).extend(card.labels)
        if getattr(pipeline, field).motion == model and MOTION not in card.labels:
            words = f"`fuse` needs a model that reports {MOTION!r} as its second, such as `motion`; {model!r} does not"
            fault(("pipelines", name, field, "fuse", 1), words)
    yield from _find_behaviours(site, name, pipeline)
    if len(reported) == 1 and len(handles(pipeline)) == len(getattr(pipeline, next(iter(reported))).names):
        ((field, labels),) = reported.items()
        _check_labels(fault, name, pipeline, " + ".join(getattr(pipeline, field).names), labels)


def _find_behaviours(site: Models, name: str, pipeline: Pipeline) -> Iterator[ModelSpec]:
    """The behaviour models of the pipeline and of its rules, which must have the labels that those wait for."""
    for keys, model in behaviours(pipeline):
        found = site.find(("pipelines", name, *keys), model, "behaviour")
        if found is None:
            continue
        spec, card = found
        yield spec
        asker = getattr(pipeline, keys[0])
        faults = asker.model_faults(card.labels, card.thresholds) if isinstance(asker, Rule) else ()
        for field, words in faults:
            site.fault(("pipelines", name, keys[0], field), words)


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a site, and whom to tell what is wrong with them."""

    fault: Fault
    settings: Mapping[str, ModelSettings | None]
    """By name; None for faulty ones."""
    base_dir: Path

    def find(self, keys: Keys, model: str, task: str) -> tuple[ModelSpec, Card] | None:
        """The file that a model's name means, and its card; None after saying what is wrong.

        Args:
            keys: where it is asked for.
            model: its name, under `models` or of a shipped or imported model.
            task: what it must be made for.
        """
        settings = self.settings.get(model, ModelSettings(file=model))
        if settings is None:
            return None  # faulty, and said so
        own = model in self.settings
        try:
            file = resolve(settings.file, self.base_dir, () if own else self.settings)
            card = card_of(file, task)
        except InputError as error:
            self.fault(("models", model, "file") if own else keys, str(error))
            return None
        return ModelSpec(model, file, Overrides(settings.confidence, settings.iou), card.fps), card


def _check_labels(fault: Fault, name: str, pipeline: Pipeline, model: str, labels: list[str]) -> None:
    """A rule that waits for labels that its only detector never reports would be silent for ever."""
    for field, rule in rules(pipeline):
        wanted = getattr(rule, "labels", None)
        if wanted and not set(wanted) & set(labels):
            some = ", ".join(labels[:8]) + (", ..." if len(labels) > 8 else "")
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
    """Keys of detectors, and the models that they name."""
    values = {name: getattr(pipeline, name) for name in type(pipeline).model_fields}
    detectors = {field: value for field, value in values.items() if isinstance(value, Detector)}
    return [(field, name) for field, value in detectors.items() for name in value.names]


def behaviours(pipeline: Pipeline) -> list[tuple[tuple[str, ...], str]]:
    """Keys of behaviour models, of the pipeline's own and of its rules', and the models that they name."""
    values = {name: getattr(pipeline, name) for name in type(pipeline).model_fields}
    own = [((field,), value.name) for field, value in values.items() if isinstance(value, Behaviour)]
    asked = [((field, key), handle.name) for field, rule in rules(pipeline) for key, handle in rule.handles().items()]
    return [*own, *asked]
