"""What each backbone costs as a streaming net on this machine: `python -m streamer.training.costs [WIDTHxHEIGHT]`.

Each is exported as it would be served and timed in ONNX Runtime on one thread, all in turn in one run.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from streamer.models.card import Card
from streamer.models.nets.build import build
from streamer.models.nets.saved import card_for
from streamer.models.nets.settings import Backbone, NetSettings
from streamer.models.step import Head
from streamer.training.parity import milliseconds
from streamer.training.stepfile import write_onnx
from streamer.training.steppers import OnnxStepper

FPS = 5.0
"""Rate that cameras a core are reckoned for."""
BUDGET_S = 1.0
"""Seconds that each is timed for, three times."""
_HEADS = (Head(name="fight", labels=("calm", "fight")),)


@dataclass(frozen=True, slots=True)
class Cost:
    """One row."""

    backbone: str
    temporal: str
    card: Card
    size_bytes: int
    step_ms: float

    @property
    def cameras(self) -> int:
        """Cameras that one core serves at `FPS`, by this model alone."""
        return int(1000 / FPS / self.step_ms)


def costs(width: int, height: int, temporals: tuple[str, ...] = ("tsm", "gru")) -> list[Cost]:
    """Each backbone's cost with default settings and, where it takes one, the difference as a fourth channel."""
    kinds = [(backbone, temporal) for backbone in get_args(Backbone) for temporal in temporals]
    with tempfile.TemporaryDirectory() as folder:
        cards, files = [], []
        for backbone, temporal in kinds:
            settings = {"backbone": backbone, "temporal": temporal, "width": width, "height": height}
            settings["motion"] = "none" if backbone == "yolox_nano" else "difference"  # it takes pictures only
            net = build(NetSettings.model_validate({**settings, "heads": _HEADS})).eval()
            files.append(Path(folder) / f"{backbone}-{temporal}.onnx")
            cards.append(write_onnx(net, card_for(net), files[-1]))
        steppers = [OnnxStepper(file, card) for file, card in zip(files, cards, strict=True)]
        times = [min(_times) for _times in zip(*(_round(steppers, cards) for _ in range(3)), strict=True)]
        sizes = [file.stat().st_size for file in files]
    rows = zip(kinds, cards, sizes, times, strict=True)
    return [Cost(*kind, card, size, ms) for kind, card, size, ms in rows]


def _round(steppers: list[OnnxStepper], cards: list[Card]) -> list[float]:
    """The best of three medians is kept: other programs on the machine only ever add."""
    return [milliseconds([stepper], card, 1, BUDGET_S)[0] for stepper, card in zip(steppers, cards, strict=True)]


def table(width: int, height: int) -> str:
    """All of it as a Markdown table."""
    lines = [
        f"| backbone, {width}x{height} | temporal | GMACs | parameters | file | state a camera | ms a step "
        f"| cameras a core at {FPS:g} fps |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for cost in costs(width, height):
        card = cost.card
        lines.append(
            f"| {cost.backbone} | {cost.temporal} | {card.gmacs:.3f} | {(card.parameters or 0) / 1e6:.2f} M "
            f"| {cost.size_bytes / 1e6:.1f} MB | {card.state_bytes / 1024:.0f} KiB | {cost.step_ms:.2f} "
            f"| {cost.cameras} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    width, _, height = (sys.argv[1] if len(sys.argv) > 1 else "160x128").partition("x")
    if not (width.isdigit() and height.isdigit()):
        sys.exit(f"usage: python -m streamer.training.costs [WIDTHxHEIGHT], got {sys.argv[1]!r}")
    print(table(int(width), int(height)))


if __name__ == "__main__":
    main()
