"""How a simulated camera can misbehave, by name.

The names are what tests, the demo and an operator's commands use; each says how far it reaches: the connection (a
client must connect anew to see it), the clock, the pictures, or the packets. Called by `spec`, `mount` and `rtsp`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from streamer.errors import InputError
from streamer.simulator.rtp import HEADER, Burst


@dataclass(frozen=True, slots=True)
class Fault:
    """One misbehavior with its measures; those that a kind does not use are ignored."""

    kind: str
    seconds: float = 0.0
    """slow_start: until the first picture; keyframe_pause: the pause; pts_jump: how far (may be negative)."""
    every_seconds: float = 0.0
    """pts_jump, pts_reset: repeat after this time; 0 is once."""
    rate: float = 0.0
    """corrupt, loss: share of RTP packets."""
    factor: float = 1.0
    """flood: times the frame rate; resolution: times the picture's width and height."""

    @property
    def cuts(self) -> bool:
        """Whether its begin ends the connections of the camera: they would not show it otherwise."""
        return self.kind in ("refuse", "401", "404", "audio_only", "slow_start")

    @property
    def strands(self) -> bool:
        """Whether connections made under it are of no use afterwards, so that its end closes them."""
        return self.kind in ("half_open", "audio_only")

    @property
    def silences(self) -> bool:
        """Whether no media flow while it lasts."""
        return self.kind in ("stall", "half_open", "refuse", "401", "404", "audio_only")


FAULTS: dict[str, tuple[Fault, str]] = {
    "refuse": (Fault("refuse"), "nothing listens: refused on a port of its own, else the connection is reset"),
    "401": (Fault("401"), "the right password is rejected"),
    "404": (Fault("404"), "the path is unknown"),
    "half_open": (Fault("half_open"), "connections are accepted and never answered; running ones fall silent"),
    "slow_start": (Fault("slow_start", seconds=6.0), "answers late and sends its first picture later"),
    "audio_only": (Fault("audio_only"), "only an audio track is offered and sent"),
    "stall": (Fault("stall"), "the session stays, keepalives are answered, no data come"),
    "frozen": (Fault("frozen"), "one picture repeats"),
    "black": (Fault("black"), "the picture is black"),
    "pts_jump": (Fault("pts_jump", seconds=30.0), "timestamps jump"),
    "pts_reset": (Fault("pts_reset"), "timestamps start again at zero"),
    "resolution": (Fault("resolution", factor=0.5), "the picture size changes in mid-stream"),
    "corrupt": (Fault("corrupt", rate=0.2), "bytes of packets are wrong"),
    "loss": (Fault("loss", rate=0.05), "packets are missing"),
    "flood": (Fault("flood", factor=10.0), "far more frames than announced"),
    "keyframe_pause": (Fault("keyframe_pause", seconds=0.5), "a pause at each keyframe, then a burst"),
}
"""Every kind with its usual measures and what a client sees."""


def parse_fault(given: str | Mapping[str, object]) -> Fault:
    """A fault from its name, or from a mapping with `kind` and measures. Raises InputError, naming what is allowed."""
    options = {"kind": given} if isinstance(given, str) else dict(given)
    kind = options.pop("kind", None)
    if not isinstance(kind, str) or kind not in FAULTS:
        raise InputError(f"fault {kind!r} is not one of {', '.join(FAULTS)}")
    fault = FAULTS[kind][0]
    allowed = [f.name for f in fields(Fault) if f.name != "kind"]
    for name, value in options.items():
        if name not in allowed or isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"fault {kind!r}: {name}={value!r} is not a number for one of {', '.join(allowed)}")
        fault = replace(fault, **{name: float(value)})  # type: ignore[arg-type]
    if not 0 <= fault.rate <= 1 or fault.factor <= 0 or fault.every_seconds < 0:
        raise InputError(f"fault {kind!r}: rate must be within 0 and 1, factor above 0, every_seconds not negative")
    return fault


def mangle(burst: Burst, fault: Fault, chance: random.Random) -> Burst | None:
    """What is left of a picture's packets under `corrupt` or `loss`; None when nothing is. `burst` is not changed."""
    if fault.kind == "loss":
        keep = [chance.random() >= fault.rate for _ in burst.offsets]
        return burst if all(keep) else burst.copy(keep)
    if fault.kind != "corrupt":
        return burst
    wrong = [n for n in range(len(burst.offsets)) if chance.random() < fault.rate]
    copy = burst.copy() if wrong else None
    if copy is None:
        return burst
    packets = list(copy.packets())
    for number in wrong:
        payload = packets[number][HEADER:]
        for _ in range(1 + len(payload) // 200):
            payload[chance.randrange(len(payload))] ^= chance.randrange(1, 256)
    return copy
