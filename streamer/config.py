"""Reads a site file: checks all of it, names every fault with its place, and resolves it into a `Site`.

Called by the command line, the reload, demo and bench; nothing else knows YAML. Paths are relative to the file;
`${VAR}` stands only in sources, sinks, signals and `web.token`; credentials are registered with `log.secrets` before
anything could print them. Sections are checked one by one, so that a fault in one does not hide those of another.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from streamer import environment, links, yamlfile
from streamer.errors import ConfigError, InputError, SourceError
from streamer.faults import explain, nearest
from streamer.inference.settings import ModelSpec
from streamer.pipeline import ENTRY_POINTS, Pipeline, load_pipeline
from streamer.places import Places
from streamer.schema import (
    SINKS,
    CameraSettings,
    ModelSettings,
    SiteSettings,
    SourceSettings,
    check_name,
    sink_settings,
)
from streamer.sinks.sink import SinkSettings
from streamer.site import Site, SiteCamera, fingerprints, shown
from streamer.sources import address
from streamer.yamlfile import Document, Keys

__all__ = ["Purpose", "Site", "load_site", "parse_site"]

Purpose = Literal["run", "check", "sinks", "replay"]
"""What a site is read for: `check` needs no values for variables in sinks, `sinks` none in cameras, `replay` none."""

_LENIENT: dict[Purpose, tuple[str, ...]] = {
    "run": (),
    "check": ("sinks", "signals", "web"),
    "sinks": ("cameras", "signals", "web"),
    "replay": ("sinks", "cameras", "signals", "web"),
}
_NEEDED = ("cameras", "pipelines")
_NAMED = (*_NEEDED, "models", "sinks")
_FRAME = {"cameras": {"x": {"source": "x", "pipelines": ["x"]}}, "pipelines": {"x": {}}}
_SCHEMES = (*address.DEFAULT_PORTS, "file", "ftp", "hls", "mms", "mmsh", "rtp", "srt", "srtp", "tcp", "udp")

_M = TypeVar("_M", bound=BaseModel)


def load_site(path: Path, purpose: Purpose = "run") -> Site:
    """Read a site file.

    Raises:
        ConfigError: with all faults, one line each.
    """
    return _Reader(yamlfile.read(path), path.absolute().parent, purpose, os.environ).site()


def parse_site(text: str, base_dir: Path, variables: Mapping[str, str] = os.environ, name: str = "site") -> Site:
    """The same from text, to be run; `name` stands for the file in messages."""
    return _Reader(yamlfile.parse(text, name), base_dir.absolute(), "run", variables).site()


@dataclass(slots=True)
class _Reader:
    """One reading of one document; collects faults."""

    document: Document
    base_dir: Path
    purpose: Purpose
    variables: Mapping[str, str]
    vague: frozenset[Keys] = frozenset()
    """Where unset variables stood: what their values are is not to be judged."""
    faults: list[tuple[tuple[int, int], str]] = field(default_factory=list)
    """Line and column, and the whole message."""

    def site(self) -> Site:
        if not isinstance(self.document.data, dict):
            raise ConfigError([self.document.fault((), "expected sections such as `cameras:`")])
        self.faults += self.document.faults
        raw = {key: value for key, value in self.document.data.items() if not key.startswith("x-")}  # only for anchors
        data, problems, self.vague = environment.expand(raw, self.variables, _LENIENT[self.purpose])
        for keys, problem in problems:
            self._fault(keys, problem)
        # the frame is checked without the named sections: those are checked entry by entry, so no fault hides another
        frame = self._check(SiteSettings, {k: v for k, v in data.items() if k not in _NAMED} | _FRAME, ())
        entries = {section: self._entries(section, data.get(section)) for section in _NAMED}
        models = {name: self._check(ModelSettings, it, ("models", name)) for name, it in entries["models"].items()}
        sinks = {name: self._sink(name, entry) for name, entry in entries["sinks"].items()}
        pipelines = {name: self._pipeline(name, entry) for name, entry in entries["pipelines"].items()}
        settings = {name: self._check(CameraSettings, it, ("cameras", name)) for name, it in entries["cameras"].items()}
        signals = list(data["signals"]) if isinstance(data.get("signals"), dict) else []
        cameras = {name: self._camera(name, it, pipelines, signals) for name, it in settings.items() if it is not None}
        specs = self._link(pipelines, models, sinks, frame)
        for name, it in _some(settings).items():
            links.check_clip(self._fault, name, it, None if frame is None else frame.alerts.clip)
        if self.faults or frame is None:
            raise ConfigError([message for _, message in sorted(set(self.faults))])
        good_sinks = _some(sinks)
        good_pipelines = {name: links.in_zone(it, frame.alerts.timezone) for name, it in _some(pipelines).items()}
        return Site(
            name=self.document.name,
            base_dir=self.base_dir,
            cameras=_some(cameras),
            pipelines=good_pipelines,
            models=specs,
            sinks=good_sinks,
            signals=frame.signals,
            alerts=frame.alerts,
            inference=frame.inference,
            ingest=frame.ingest,
            health=frame.health,
            outbox=frame.outbox,
            storage=frame.storage.model_copy(update={"dir": self._path(frame.storage.dir)}),
            web=frame.web,
            restarts=frame.restarts.values(),
            gap_tolerance_seconds=frame.gap_tolerance_seconds,
            stop_seconds=frame.stop_seconds,
            prints=fingerprints(data, frame, specs, self.base_dir),
            shown=shown(data, frame, _some(settings), good_pipelines, good_sinks),
        )

    # --- sections ---

    def _entries(self, section: str, value: Any) -> dict[str, Any]:
        """The entries of a section of names."""
        if value is None or value == {}:
            if section in _NEEDED:
                self._fault((section,), f"is missing: a site needs at least one of `{section}`")
            return {}
        if not isinstance(value, dict):
            self._fault((section,), "must be names, each with its settings below it")
            return {}
        for name in value:
            try:
                check_name(name)
            except ValueError as error:
                self._fault((section, name), str(error))
        if section == "pipelines" and "system" in value:
            self._fault((section, "system"), "is the name of the system's own events; take another")
        return value

    def _camera(
        self, name: str, camera: CameraSettings, pipelines: Mapping[str, Pipeline | None], signals: Sequence[str]
    ) -> SiteCamera | None:
        places = Places.build(camera.zones, camera.lines, camera.lanes, camera.masks, camera.ground)
        links.check_masks(self._fault, name, places)
        places = replace(places, signals=tuple(dict.fromkeys([*signals, *camera.lamps])))
        watchers = tuple(dict.fromkeys(camera.pipelines))
        links.check_names(self._fault, ("cameras", name, "pipelines"), camera.pipelines, pipelines, "pipeline")
        for watcher in watchers:
            pipeline = pipelines.get(watcher)
            if pipeline is not None:
                links.check_places(self._fault, name, places, watcher, pipeline)
        keys: Keys = ("cameras", name, "source")
        source, record = camera.source, None
        if isinstance(source, SourceSettings):
            if source.record is not None:
                record = self._record_address((*keys, "record"), source.record)
            keys, source = (*keys, "analyze"), source.analyze
        where = self._address(keys, source)
        if where is None:
            return None
        texts = {"file": where.target, "device": f"usb:{where.target}"}
        url = texts.get(where.scheme, where.url)
        hides = links.hides_something(camera)
        what = (name, where, url, camera.transport, camera.analyze_fps, places, watchers)
        return SiteCamera(*what, record, hides, camera.tamper, camera.lamps)

    def _record_address(self, keys: Keys, source: str) -> str | None:
        where = self._address(keys, source)
        if where is None or keys in self.vague:
            return None
        if where.scheme in ("file", "device"):
            self._fault(
                keys, "a record stream comes over the network, e.g. rtsp://; leave it out to take what is analyzed"
            )
            return None
        return where.url

    def _address(self, keys: Keys, source: str) -> address.Address | None:
        if keys in self.vague:
            return address.Address("file", target="(not set)")
        try:
            where = address.parse(source)
        except SourceError as error:
            self._fault(keys, error.detail or str(error))
            return None
        if where.scheme == "file":
            path = self._path(Path(where.target))
            if not path.exists() and self.purpose in ("run", "check"):
                self._fault(keys, f"no such file: {path}")
            return address.Address("file", target=str(path))
        if where.scheme != "device" and where.scheme not in _SCHEMES:
            self._fault(keys, f"unknown protocol {where.scheme}://{nearest(where.scheme, address.DEFAULT_PORTS)}")
        return where

    def _pipeline(self, name: str, entry: Any) -> Pipeline | None:
        keys: Keys = ("pipelines", name)
        use = entry.get("use") if isinstance(entry, dict) else None
        if not isinstance(use, str) or not use:
            self._fault((*keys, "use"), "is missing: the name of a pipeline, e.g. `use: surveillance`")
            return None
        try:
            kind = load_pipeline(use, self.base_dir)
        except InputError as error:
            known = [point.name for point in entry_points(group=ENTRY_POINTS)]
            self._fault((*keys, "use"), f"{error}{nearest(use, known) if use not in known else ''}")
            return None
        return self._check(kind, {key: value for key, value in entry.items() if key != "use"}, keys)

    def _sink(self, name: str, entry: Any) -> SinkSettings | None:
        kind = entry.get("type") if isinstance(entry, dict) else None
        if not isinstance(kind, str) or kind not in SINKS:
            shown = "is missing" if kind is None else f"{kind!r} is no type of sink"
            hint = nearest(kind, SINKS) or f"; known: {', '.join(SINKS)}"
            self._fault(("sinks", name, "type"), f"{shown}{hint}")
            return None
        return self._check(sink_settings(kind), entry, ("sinks", name))

    def _link(
        self,
        pipelines: Mapping[str, Pipeline | None],
        models: Mapping[str, ModelSettings | None],
        sinks: Mapping[str, SinkSettings | None],
        frame: SiteSettings | None,
    ) -> dict[str, ModelSpec]:
        """Check what refers to models and sinks; all models that are asked, by name."""
        specs: dict[str, ModelSpec] = {}
        for name, pipeline in _some(pipelines).items():
            links.check_sinks(self._fault, name, pipeline, sinks)
            for spec in links.find_models(self._fault, name, pipeline, models, self.base_dir):
                specs[spec.name] = spec
        if frame is not None:
            links.check_names(self._fault, ("alerts", "sinks"), frame.alerts.sinks or [], sinks, "sink")
        return specs

    # --- for all ---

    def _check(self, kind: type[_M], value: Any, keys: Keys) -> _M | None:
        """A section as its settings class, or None and its faults."""
        try:
            return kind.model_validate({} if value is None else value)
        except ValidationError as error:
            for at, message in explain(error, kind, self.document, keys):
                if not any(at[: len(vague)] == vague for vague in self.vague):
                    self._fault(at, message)
            return None

    def _path(self, path: Path) -> Path:
        return (self.base_dir / path.expanduser()).absolute()

    def _fault(self, keys: Keys, message: str) -> None:
        self.faults.append((self.document.mark(keys), self.document.fault(keys, message)))


_T = TypeVar("_T")


def _some(values: Mapping[str, _T | None]) -> dict[str, _T]:
    return {name: value for name, value in values.items() if value is not None}
