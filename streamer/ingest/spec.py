"""What the engine tells a reader about its cameras, as plain values (readers do not carry pydantic)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

HUNG_STATUS = 70
"""Exit status of a reader in which a thread hangs inside a library beyond all limits."""


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """One camera as its reader knows it."""

    name: str
    url: str = field(repr=False)
    """The real address with its password."""
    transport: str = "tcp"
    """``tcp`` or ``udp``, for RTSP."""
    analyze_fps: float = 5.0
    width: int = 416
    """Width of the box that analysed pictures are scaled into; the aspect is kept, nothing is enlarged."""
    height: int = 416
    realtime: bool = True
    """Files only: play at their own pace."""
    record_url: str | None = field(default=None, repr=False)
    """The real address of a second stream that gives the evidence; None: the analyzed one does."""
    ring_bytes: int = 0
    """How much of what the camera sent is kept for evidence, at most; 0: nothing."""
    ring_s: float = 0.0
    """How many seconds of it are wanted."""
    privacy: tuple[tuple[tuple[float, float], ...], ...] = ()
    """Polygons, as fractions of the upright picture, that are blackened before anything sees it."""
    tamper: bool = True
    """Whether a covered, defocused or moved camera is told; not of a camera that is moved on purpose."""

    def __post_init__(self) -> None:
        # JSON knows no tuples, and specs are compared
        polygons = tuple(tuple((float(x), float(y)) for x, y in polygon) for polygon in self.privacy)
        object.__setattr__(self, "privacy", polygons)

    def header(self) -> dict[str, Any]:
        """As a message's fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds; see IngestSettings for what each means."""

    open_s: float = 10.0
    stall_s: float = 15.0
    frozen_s: float = 60.0
    black_s: float = 30.0
    tampered_s: float = 15.0
    runaway_s: float = 3.0
    healthy_s: float = 30.0
    backoff_s: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
    shed_s: float = 1.0

    def header(self) -> dict[str, Any]:
        """As a message's fields."""
        return asdict(self)

    @staticmethod
    def from_header(header: Mapping[str, Any]) -> Limits:
        """From a message's fields."""
        return Limits(**{**header, "backoff_s": tuple(header["backoff_s"])})
