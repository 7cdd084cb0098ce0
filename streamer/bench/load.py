"""What a bench run is asked to do: cameras, pictures, model, time. Plain values, checked once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from streamer.errors import InputError

ZONE = ((0.2, 0.2), (0.8, 0.2), (0.9, 0.9), (0.1, 0.9))
"""The polygon that every bench camera watches, fractions of the frame; both the live side and the floor test it."""


@dataclass(frozen=True, slots=True)
class Load:
    """One load on the machine."""

    cameras: int = 4
    size: tuple[int, int] = (1280, 720)
    """Width and height of the simulated cameras' pictures."""
    fps: float = 15.0
    """Frames a second that each camera sends."""
    analyze_fps: float = 5.0
    model: str = "motion"
    """`motion`, a model file with its card, or the name of an imported model."""
    seconds: float = 30.0
    """Length of the measured window."""
    warmup_s: float = 5.0
    """Between all cameras analysed and the window."""
    video: Path | None = None
    """What the simulated cameras show; None: a scene of the simulator."""
    scene: str = "square"
    urls: tuple[str, ...] = field(default=(), repr=False)
    """Real cameras instead of simulated ones; may hold passwords."""
    device: str = "auto"
    precision: str = "f32"

    def __post_init__(self) -> None:
        if not 1 <= self.cameras <= 1000:
            raise InputError(f"bench: cameras must be 1 to 1000, got {self.cameras}")
        if not 0 < self.analyze_fps <= self.fps <= 240:
            raise InputError(
                f"bench: 0 < analyze-fps <= fps <= 240 is needed, got {self.analyze_fps:g} and {self.fps:g}"
            )
        if self.seconds < 3 or self.warmup_s < 0:
            raise InputError(f"bench: seconds must be at least 3, got {self.seconds:g}")
        if self.video is not None and not self.video.is_file():
            raise InputError(f"bench: video {str(self.video)!r}: no such file")

    @property
    def names(self) -> tuple[str, ...]:
        """Of the cameras, as simulator and subject know them."""
        return tuple(f"cam{i}" for i in range(self.cameras))


def parse_size(text: str) -> tuple[int, int]:
    """Width and height from ``1280x720``. Raises InputError."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()) or int(width) % 2 or int(height) % 2:
        raise InputError(f"bench: size must be like 1280x720, both even, got {text!r}")
    return int(width), int(height)
