"""What a simulator is asked to be: cameras, what they show, how they behave; as JSON or as Python values.

The one edge of the simulator, so the one place with pydantic. Called by `__main__`, `process` and `build`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from streamer.errors import InputError
from streamer.log import secrets
from streamer.simulator.faults import parse_fault

_BITS_A_PIXEL = 0.145
"""2 Mbit/s at 1280x720 and 15 pictures a second."""
_GOP_SECONDS = 2.0


def _size(value: Any) -> Any:
    if isinstance(value, str):
        width, _, height = value.lower().partition("x")
        return (int(width), int(height)) if width.isdecimal() and height.isdecimal() else value
    return value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class CameraSpec(_Strict):
    """One camera, or `count` alike; give a scene of the library or a file."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    """Also its path: rtsp://host:port/name. With a count, the cameras are name0, name1, ..."""
    scene: str | None = None
    file: Path | None = None
    """H.264 or H.265 in any container, or Annex B; served as it is."""
    size: Annotated[tuple[int, int], BeforeValidator(_size)] = (640, 360)
    """(width, height) or "1280x720", even numbers; of a scene."""
    fps: float | None = Field(default=None, gt=0, le=240)
    """None: 15 for a scene, its own for a file."""
    codec: Literal["h264", "h265"] = "h264"
    gop: int | None = Field(default=None, ge=1)
    """Frames from keyframe to keyframe of a scene; None: two seconds."""
    bitrate: int | None = Field(default=None, ge=10_000)
    """Bits a second of a scene; None: by size and rate, 2 Mbit/s at 1280x720 and 15 fps."""
    seed: int = Field(default=0, ge=0)
    loop_seconds: float | None = Field(default=None, gt=0)
    """Length of a scene's loop; None: the scene's usual one."""
    live: bool = False
    """Draw and encode a scene as it happens, at the cost of an encoder; false: once, before the start, then loop it."""
    burn_index: bool = False
    """Draw the frame's number into the top edge, see `framecode`; of a scene."""
    count: int = Field(default=1, ge=1, le=1000)
    start_seconds: float | None = Field(default=None, ge=0)
    """Where in the loop the camera begins; None: at its start, the others of a count spread over the loop."""
    on_play: bool = True
    """The loop begins with the first client; false: with the simulator."""
    user: str = ""
    password: str = Field(default="", repr=False)
    auth: Literal["none", "basic", "digest", "both"] = "none"
    audio: bool = False
    transport: Literal["any", "tcp", "udp"] = "any"
    clock: Literal["sane", "epoch", "none"] = "sane"
    """What its RTCP sender reports say of time: the time of day, a clock that starts in 1970, or nothing."""
    port: int | None = Field(default=None, ge=0, le=65535)
    """A port of its own (0: any free one), which the fault `refuse` really closes; None: the simulator's."""
    fault: str | dict[str, float | str] | None = None
    """What is wrong with it from the start: a name of `faults`, or {"kind": name, measure: value}."""

    @field_validator("fault")
    @classmethod
    def _known_fault(cls, value: str | dict[str, float | str] | None) -> str | dict[str, float | str] | None:
        if value is not None:
            try:
                parse_fault(value)
            except InputError as error:
                raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _one_source(self) -> CameraSpec:
        if (self.scene is None) == (self.file is None):
            raise ValueError(f"camera {self.name!r}: give either a scene or a file")
        if self.live and self.scene is None:
            raise ValueError(f"camera {self.name!r}: only a scene can be encoded live, a file is sent as it is")
        if self.auth != "none" and not self.user:
            raise ValueError(f"camera {self.name!r}: auth {self.auth!r} needs a user")
        if self.password:
            secrets.add(self.password)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Of the cameras that this stands for."""
        return (self.name,) if self.count == 1 else tuple(f"{self.name}{k}" for k in range(self.count))

    @property
    def scene_fps(self) -> float:
        """Rate of a scene."""
        return self.fps or 15.0

    @property
    def scene_gop(self) -> int:
        """Keyframe interval of a scene, in frames."""
        return self.gop or max(1, round(_GOP_SECONDS * self.scene_fps))

    @property
    def scene_bitrate(self) -> int:
        """Bits a second of a scene."""
        return self.bitrate or max(50_000, round(self.size[0] * self.size[1] * self.scene_fps * _BITS_A_PIXEL))


class SimulatorSpec(_Strict):
    """A simulator."""

    cameras: tuple[CameraSpec, ...] = Field(min_length=1)
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)
    """0: any free one."""
    session_timeout_seconds: float = Field(default=60.0, gt=0)
    send_log: Path | None = None
    """Where to write when each frame was sent, see `sendlog`."""

    @model_validator(mode="after")
    def _distinct(self) -> SimulatorSpec:
        names = self.names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"camera name {twice[0]!r} is given twice")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Of all cameras, in order."""
        return tuple(name for camera in self.cameras for name in camera.names)

    def camera(self, name: str) -> CameraSpec:
        """What a camera was made from. Raises InputError for an unknown name."""
        for camera in self.cameras:
            if name in camera.names:
                return camera
        raise InputError(f"camera {name!r} is not one of {', '.join(self.names)}")


def parse_spec(given: Mapping[str, Any] | str | bytes) -> SimulatorSpec:
    """A specification from JSON text or a mapping. Raises InputError with one line for each fault."""
    try:
        if isinstance(given, str | bytes):
            return SimulatorSpec.model_validate_json(given)
        return SimulatorSpec.model_validate(given)
    except ValidationError as error:
        faults = [f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors(include_input=False)]
        raise InputError("simulator: " + "\n".join(faults)) from error
