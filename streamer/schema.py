"""The sections of a site file: what stands in which, with units and defaults.

Settings that belong to a part come from the part; here are only the site's own (cameras, models, storage) and the frame
that holds all. Read by `config`, which checks a file against it, and by `reference`, which writes the JSON Schema and
`configs/full.yaml` from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from streamer.alerts import AlertSettings
from streamer.health import VigilSettings
from streamer.inference.settings import InferenceSettings
from streamer.ingest.settings import IngestSettings
from streamer.outbox import OutboxSettings
from streamer.places import GroundSettings, LaneSettings, LineSettings, MaskSettings, Point, check_polygon
from streamer.signals.settings import LampSettings, SignalSettings
from streamer.sinks.sink import SinkSettings
from streamer.supervisor import Restarts
from streamer.web.settings import WebSettings

SINKS: Mapping[str, str] = MappingProxyType(
    {
        "alertmanager": "AlertmanagerSettings",
        "apprise": "AppriseSettings",
        "jsonl": "JsonlSettings",
        "mqtt": "MqttSettings",
        "webhook": "WebhookSettings",
    }
)
"""Types of sinks: the module under `streamer.sinks` and its settings class."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}\Z")


def check_name(name: str) -> str:
    """A name of a camera, pipeline, model or sink; it ends up in file names, topics and labels.

    Raises:
        ValueError: other characters than letters, digits, '-' and '_', or too long.
    """
    if not _NAME.match(name):
        raise ValueError("a name has 1 to 63 letters, digits, '-' and '_', and begins with a letter or digit")
    return name


def sink_settings(kind: str) -> type[SinkSettings]:
    """The settings class of a type of sink, imported only now: most sites need one or two. Raises KeyError."""
    return cast("type[SinkSettings]", getattr(import_module(f"streamer.sinks.{kind}"), SINKS[kind]))


Polygon = Annotated[list[Point], AfterValidator(check_polygon)]
Name = Annotated[str, AfterValidator(check_name)]


class SourceSettings(BaseModel):
    """A source with more than one address."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    analyze: str = Field(min_length=1, description="Address of the stream that is analyzed, often the sub-stream.")
    record: str | None = Field(
        None, min_length=1, description="Address of the stream that gives the evidence, often the main stream."
    )


class CameraSettings(BaseModel):
    """One camera: where its video comes from, what is drawn on its picture, and which pipelines watch it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: Annotated[str, Field(min_length=1)] | SourceSettings = Field(
        description="rtsp(s)://, http(s):// or other URL, /dev/video0 or usb:0, or a file; or {analyze: ADDRESS, "
        "record: ADDRESS}. ${VAR} takes a value from the environment."
    )
    transport: Literal["tcp", "udp"] = Field("tcp", description="How RTSP carries its packets: tcp or udp.")
    analyze_fps: float = Field(5.0, gt=0, le=60, description="Frames that are analyzed, per second.")
    zones: dict[Name, Polygon] = Field(
        default_factory=dict, description="Areas by name: lists of at least 3 points [x, y], fractions of the frame."
    )
    lines: dict[Name, LineSettings] = Field(
        default_factory=dict, description="Directed lines by name; forward is from the arrow's left to its right."
    )
    lanes: dict[Name, LaneSettings] = Field(
        default_factory=dict, description="Lanes of traffic by name, each with its direction."
    )
    masks: dict[Name, MaskSettings] = Field(
        default_factory=dict, description="Areas by name that are not looked at (`ignore`) or not shown (`privacy`)."
    )
    tamper: bool = Field(
        True, description="Tell when it is covered, defocused or moved; false for one that is moved on purpose (PTZ)."
    )
    ground: GroundSettings | None = Field(
        None, description="A rectangle of known size on the ground, for speeds in m/s and km/h."
    )
    lamps: dict[Name, LampSettings] = Field(
        default_factory=dict, description="Heads of traffic signals in the picture, by the signal's name."
    )
    pipelines: list[str] = Field(min_length=1, description="Names of the pipelines that watch this camera.")


class ModelSettings(BaseModel):
    """A model of this site."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    file: str = Field(
        min_length=1, description="`motion`, an imported or shipped model's name, or a path relative to this file."
    )
    confidence: float | None = Field(None, ge=0, le=1, description="Detections below it are dropped; default: card.")
    iou: float | None = Field(
        None, gt=0, le=1, description="Overlap above which two boxes are the same thing; default: card."
    )


class StorageSettings(BaseModel):
    """The folder of everything that must survive: outbox, open incidents, snapshots."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    dir: Path = Field(Path("streamer-data"), description="The folder; relative to the configuration file.")


class RestartSettings(BaseModel):
    """How often a part that fails is restarted, before it counts as degraded and is retried slowly."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    limit: int = Field(5, ge=0, description="Restarts of one part within `window_seconds` that are nothing to tell.")
    window_seconds: float = Field(60.0, gt=0, description="Length of the sliding window, seconds.")
    slow_seconds: float = Field(60.0, gt=0, description="Pause between attempts of a degraded part, seconds.")

    def values(self) -> Restarts:
        """The plain values for the parts."""
        return Restarts(self.limit, self.window_seconds, self.slow_seconds)


class SiteSettings(BaseModel):
    """A site: its cameras, what watches them, and who is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    cameras: dict[Name, CameraSettings] = Field(min_length=1, description="Cameras by name.")
    pipelines: dict[Name, dict[str, Any]] = Field(
        min_length=1, description="What watches cameras: `use` names the code, the rest are its settings."
    )
    models: dict[Name, ModelSettings] = Field(default_factory=dict, description="Models by name.")
    sinks: dict[Name, dict[str, Any]] = Field(default_factory=dict, description="Where alerts go, by name.")
    signals: dict[Name, SignalSettings] = Field(
        default_factory=dict, description="Traffic signals whose controller tells their state, by name."
    )
    alerts: AlertSettings = Field(AlertSettings(), description="Who is told, and how often.")
    inference: InferenceSettings = Field(InferenceSettings(), description="The device that runs the models.")
    ingest: IngestSettings = Field(IngestSettings(), description="How cameras are read.")
    health: VigilSettings = Field(VigilSettings(), description="When the system itself raises an alert.")
    outbox: OutboxSettings = Field(OutboxSettings(), description="How much is kept of alerts, and how long.")
    storage: StorageSettings = Field(StorageSettings(), description="Where the daemon keeps what must survive.")
    web: WebSettings = Field(WebSettings(), description="Status page, health checks and metrics.")
    restarts: RestartSettings = Field(RestartSettings(), description="When a part that keeps failing is degraded.")
    gap_tolerance_seconds: float = Field(
        5.0, gt=0, description="Longer gaps between frames end tracks and timers, seconds."
    )
    stop_seconds: float = Field(10.0, ge=1, description="The daemon stops within this time, seconds.")
