"""A site: the configuration as checked, resolved values, and what differs between two of them.

Made by `config`, used by the daemon, replay and bench. Frozen: a reload makes a new one and compares.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import yaml

from streamer.alerts import AlertSettings, ClipSettings
from streamer.errors import ConfigError, InputError, SourceError
from streamer.health import VigilSettings
from streamer.inference.settings import InferenceSettings, ModelSpec
from streamer.ingest.settings import IngestSettings
from streamer.log import secrets
from streamer.outbox import OutboxSettings
from streamer.pipeline import Pipeline
from streamer.places import Places
from streamer.schema import CameraSettings, SiteSettings, StorageSettings
from streamer.signals.board import Watched
from streamer.signals.settings import LampSettings, SignalSettings
from streamer.sinks.sink import Sink, SinkSettings
from streamer.sources.address import Address, parse
from streamer.supervisor import Restarts
from streamer.web.settings import WebSettings

_RELOADED = ("cameras", "pipelines", "models", "sinks", "alerts", "stop_seconds")
"""What a reload can change; all else takes effect at the next start."""


_SLOW = 1.1
"""A camera that is slower than a streaming model by this factor is worth a word."""
_WAITING_S = 4.0
"""So many seconds of video are kept beyond what evidence shows: orders wait for the last second, and for their turn."""


class Kept(TypedDict):
    """Fields of a CameraSpec."""

    ring_bytes: int
    ring_s: float


@dataclass(frozen=True, slots=True, eq=False)
class SiteCamera:
    """One camera of a site."""

    name: str
    address: Address
    """Where its video comes from; files as absolute paths."""
    url: str = field(repr=False)
    """The same as text with its password, for whoever opens it; never to be shown."""
    transport: str
    """``tcp`` or ``udp``."""
    analyze_fps: float
    places: Places
    pipelines: tuple[str, ...]
    """Names of the pipelines that watch it."""
    record_url: str | None = field(default=None, repr=False)
    """Of the stream that gives the evidence, with its password; None: the analyzed one does."""
    discreet: bool = False
    """Part of its picture must not be seen: no clip may be made of what it sends."""
    tamper: bool = True
    """Whether a covered, defocused or moved picture is told."""
    lamps: Mapping[str, LampSettings] = field(default_factory=dict)
    """Heads of signals in its picture, by the signal's name."""

    @property
    def has_packets(self) -> bool:
        """Whether it sends encoded video that could be kept (local cameras and files do not)."""
        return self.record_url is not None or self.address.scheme not in ("device", "file")


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A whole configuration."""

    name: str
    """The file, or what stands for it in messages."""
    base_dir: Path
    """Relative paths are relative to it; absolute."""
    cameras: Mapping[str, SiteCamera]
    pipelines: Mapping[str, Pipeline]
    """Handles of models not bound yet."""
    models: Mapping[str, ModelSpec]
    """All models that a pipeline asks, by the name that it uses."""
    sinks: Mapping[str, SinkSettings]
    signals: Mapping[str, SignalSettings]
    """Those that have a feed."""
    alerts: AlertSettings
    inference: InferenceSettings
    ingest: IngestSettings
    health: VigilSettings
    outbox: OutboxSettings
    storage: StorageSettings
    """`dir` is absolute."""
    web: WebSettings
    restarts: Restarts
    gap_tolerance_seconds: float
    stop_seconds: float
    prints: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    """For each section the fingerprint of each entry; equal ones mean the same thing."""
    shown: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """All settings with their defaults filled in and credentials masked, as plain values."""

    def build_sinks(self) -> dict[str, Sink]:
        """The sinks, not opened yet; what signals need of this machine is looked for as well.

        Raises:
            InputError: a sink or a signal needs what this machine lacks.
        """
        built, faults = {}, []
        for name, settings in self.sinks.items():
            try:
                built[name] = settings.build(name, self.base_dir)
            except InputError as error:
                faults.append(str(error))
        if any(signal.mqtt is not None for signal in self.signals.values()):
            from streamer.signals.mqtt import brokers  # only now: most sites have none

            try:
                brokers(self.signals, self.base_dir)
            except InputError as error:
                faults.append(str(error))
        if faults:
            raise ConfigError(faults)
        return built

    def clip(self, camera: str) -> ClipSettings | None:
        """The clips that are made of a camera's alerts; None: none."""
        settings = self.cameras[camera]
        return self.alerts.clip if settings.has_packets and not settings.discreet else None

    def kept(self, camera: str) -> Kept:
        """How much of what a camera sends its reader keeps for evidence: nothing, unless something asks for it."""
        clip, watched = self.clip(camera), self.cameras[camera]
        rules = (rule for name in watched.pipelines for rule in self.pipelines[name].enabled_rules())
        proof_s = max((rule.evidence_s for rule in rules), default=0.0) if watched.has_packets else 0.0
        if clip is None and watched.record_url is None and not proof_s:
            return {"ring_bytes": 0, "ring_s": 0.0}
        shown_s = max(proof_s, 0.0 if clip is None else clip.before_seconds + clip.after_seconds)
        return {"ring_bytes": int(self.ingest.ring_megabytes * 1e6), "ring_s": shown_s + _WAITING_S}

    def signals_of(self, camera: str) -> Watched:
        """The signals that a camera's rules ask for, and its lamps."""
        watched = self.cameras[camera]
        rules = (rule for name in watched.pipelines for rule in self.pipelines[name].enabled_rules())
        names = dict.fromkeys(name for rule in rules for name in rule.places_needed().get("signals", ()))
        return Watched(tuple(names), watched.lamps)

    def same_camera(self, old: Site, camera: str) -> bool:
        """Whether a camera, its pipelines and their models are what they were in another site."""
        if self.prints["cameras"].get(camera) != old.prints["cameras"].get(camera):
            return False
        if self.alerts.timezone != old.alerts.timezone:  # schedules of rules are in it
            return False
        if self.alerts.clip != old.alerts.clip:  # its reader keeps as much as they need
            return False
        for name in self.cameras[camera].pipelines:
            if self.prints["pipelines"][name] != old.prints["pipelines"].get(name):
                return False
            for model in self.pipelines[name].models():
                if self.prints["models"][model] != old.prints["models"].get(model):
                    return False
        return True

    def changes(self, old: Site) -> str:
        """What was added (+), removed (-) and changed (~) since another site; empty if nothing."""
        parts = []
        for section in _RELOADED:
            new_prints, old_prints = self.prints[section], old.prints[section]
            marks = [f"+{name}" for name in new_prints if name not in old_prints]
            marks += [f"-{name}" for name in old_prints if name not in new_prints]
            marks += [f"~{name}" for name in new_prints if old_prints.get(name, new_prints[name]) != new_prints[name]]
            if marks:
                parts.append(f"{section} {' '.join(marks)}".replace(" ~*", " changed"))
        return "; ".join(parts)

    def restart_needed(self, old: Site) -> list[str]:
        """Sections that differ and that a running daemon cannot change."""
        return [name for name in self.prints if name not in _RELOADED and self.prints[name] != old.prints.get(name)]

    def text(self) -> str:
        """The effective configuration as YAML, every default filled in, no credential in it."""
        return secrets.scrub(yaml.safe_dump(dict(self.shown), sort_keys=False, allow_unicode=True, width=120))

    def notes(self) -> list[str]:
        """What is allowed and yet hardly meant, one line each."""
        found = []
        for name, camera in self.cameras.items():
            asked = {model for pipeline in camera.pipelines for model in self.pipelines[pipeline].models()}
            for model, fps in sorted((model, self.models[model].fps or 0.0) for model in asked):
                if fps > camera.analyze_fps * _SLOW:
                    found.append(
                        f"model {model} was trained at {fps:g} frames a second, camera {name} gives it "
                        f"{camera.analyze_fps:g}: pictures are held in between; set cameras.{name}.analyze_fps: {fps:g}"
                    )
        return found

    def summary(self) -> str:
        """What was configured, in a few lines for people."""
        lines = [f"{self.name}: {len(self.cameras)} camera{'s' if len(self.cameras) != 1 else ''}"]
        for name, camera in self.cameras.items():
            zones = [*camera.places.zones, *camera.places.lines, *camera.places.lanes, *camera.places.masks]
            where = f" ({', '.join(zones)})" if zones else ""
            what = f"{', '.join(camera.pipelines)}{where}"
            lines.append(f"  camera    {name}: {camera.address.bare} at {camera.analyze_fps:g}/s, watched by {what}")
        for name, pipeline in self.pipelines.items():
            rules = ", ".join(rule.kind for rule in pipeline.enabled_rules()) or "no rule of its own"
            lines.append(f"  pipeline  {name}: {type(pipeline).__name__} with {rules}")
        for name, model in self.models.items():
            lines.append(f"  model     {name}: {model.file}")
        for name, sink in self.sinks.items():
            lines.append(f"  sink      {name}: {sink.type}")
        for name, signal in self.signals.items():
            feeds = [kind for kind in ("http", "poll", "mqtt") if getattr(signal, kind) is not None]
            lines.append(f"  signal    {name}: {', '.join(feeds)}")
        lines += [f"  note      {note}" for note in self.notes()]
        return secrets.scrub("\n".join(lines))


def fingerprints(
    data: Mapping[str, Any], frame: SiteSettings, models: Mapping[str, ModelSpec], base_dir: Path
) -> dict[str, dict[str, str]]:
    """For each section of a site a fingerprint of each entry; files that stand behind entries are part of them.

    Args:
        data: the document with its variables replaced.
        frame: the sections that have no names in them, checked.
        models: all models that are asked.
        base_dir: what relative paths are relative to.
    """
    prints: dict[str, dict[str, str]] = {}
    for section in SiteSettings.model_fields:
        if section in ("cameras", "sinks", "signals"):
            prints[section] = {name: _digest(entry) for name, entry in (data.get(section) or {}).items()}
        elif section == "pipelines":
            prints[section] = {name: _digest(it, _stamp(base_dir / it["use"])) for name, it in data[section].items()}
        elif section == "models":
            prints[section] = {
                name: _digest(str(spec.file), str(spec.overrides), _stamp(Path(spec.file)))
                for name, spec in models.items()
            }
        else:
            prints[section] = {"*": _digest(str(getattr(frame, section)))}
    return prints


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _stamp(path: Path) -> list[int]:
    """Size and time of a file; nothing where the text is no path."""
    try:
        found = path.stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]


def shown(
    data: Mapping[str, Any],
    frame: SiteSettings,
    cameras: Mapping[str, CameraSettings],
    pipelines: Mapping[str, Pipeline],
    sinks: Mapping[str, SinkSettings],
) -> dict[str, Any]:
    """All settings with their defaults, as plain values; addresses without credentials, secrets as stars."""
    values = frame.model_dump(mode="json", by_alias=True)
    values["cameras"] = {name: camera.model_dump(mode="json", by_alias=True) for name, camera in cameras.items()}
    for camera in values["cameras"].values():
        source = camera["source"]
        camera["source"] = _bare(source) if isinstance(source, str) else {k: v and _bare(v) for k, v in source.items()}
    values["pipelines"] = {
        name: {"use": data["pipelines"][name]["use"], **pipeline.model_dump(mode="json", by_alias=True)}
        for name, pipeline in pipelines.items()
    }
    values["models"] = data.get("models") or {}
    values["sinks"] = {name: {"type": s.type, **s.model_dump(mode="json", by_alias=True)} for name, s in sinks.items()}
    return values


def _bare(source: str) -> str:
    try:
        where = parse(source)
    except SourceError:
        return "***"
    return where.bare.replace("://", "://***@", 1) if where.user or where.password else source
