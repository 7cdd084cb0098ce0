"""What a data set holds: by class, source, split, light, length, rate and size, as numbers and as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamer.training.light import BUCKETS, bucket
from streamer.training.look import Look, mean_luma, motion
from streamer.training.samples import Sample

INFRARED = 3.0
"""Mean difference between the colors of a pixel, below which pictures count as gray: infrared light at night."""


@dataclass(frozen=True, slots=True)
class Group:
    """One class, or all samples."""

    label: str
    samples: int
    unusable: int
    """Of which no picture could be decoded."""
    sources: int
    seconds: float
    """Of all usable samples together."""
    lengths_s: tuple[float, float, float]
    """Shortest, median and longest."""
    fps: tuple[float, float, float]
    """Least, median and most."""
    sizes: dict[str, int]
    """Samples by width x height, the commonest first."""
    light: dict[str, int]
    """Samples by bucket of mean luma."""
    gray: int
    """Samples without color."""
    motion: tuple[float, float, float]
    """Mean change of a pixel in 1/8 s, levels: least, median and most."""
    splits: dict[str, int]
    codecs: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def statistics(samples: Sequence[Sample], looks: Mapping[Path, Look]) -> list[Group]:
    """One group for each class by name, and one of all, last, labeled `all`."""
    labels = sorted({sample.label for sample in samples})
    groups = [_group(label, [s for s in samples if s.label == label], looks) for label in labels]
    return [*groups, _group("all", samples, looks)]


def table(groups: Sequence[Group]) -> str:
    """For people."""
    header = (
        *("class", "samples", "unusable", "sources", "minutes", "length s", "fps"),
        *(*BUCKETS, "gray", "motion", "splits", "sizes"),
    )
    rows: list[tuple[str, ...]] = [header]
    for group in groups:
        rows.append(
            (
                *(group.label, str(group.samples), str(group.unusable), str(group.sources)),
                *(f"{group.seconds / 60:.1f}", _span(group.lengths_s, 1), _span(group.fps, 0)),
                *(str(group.light[name]) for name in BUCKETS),
                *(str(group.gray), _span(group.motion, 1)),
                *(_counts(group.splits, 3) or "-", _counts(group.sizes, 2)),
            )
        )
    widths = [max(len(row[at]) for row in rows) for at in range(len(header))]
    return "\n".join("  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _group(label: str, samples: Sequence[Sample], looks: Mapping[Path, Look]) -> Group:
    usable = [sample for sample in samples if len(looks[sample.file].within(sample))]
    seen = [looks[sample.file] for sample in usable]
    lengths = [looks[sample.file].length_s(sample) for sample in usable]
    light = Counter(bucket(mean_luma(look.within(sample))) for sample, look in zip(usable, seen, strict=True))
    return Group(
        label=label,
        samples=len(samples),
        unusable=len(samples) - len(usable),
        sources=len({sample.source for sample in usable}),
        seconds=float(sum(lengths)),
        lengths_s=_three(lengths),
        fps=_three([look.fps for look in seen]),
        sizes=dict(Counter(f"{look.width}x{look.height}" for look in seen).most_common()),
        light={name: light[name] for name in BUCKETS},
        gray=sum(look.chroma < INFRARED for look in seen),
        motion=_three([motion(look.within(sample)) for sample, look in zip(usable, seen, strict=True)]),
        splits=dict(sorted(Counter(sample.split for sample in samples if sample.split).items())),
        codecs=dict(Counter(look.codec for look in seen).most_common()),
    )


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    if not values:
        return 0.0, 0.0, 0.0
    return float(min(values)), float(np.median(values)), float(max(values))


def _span(three: tuple[float, float, float], digits: int) -> str:
    least, middle, most = (f"{value:.{digits}f}" for value in three)
    return middle if least == most else f"{middle} ({least}-{most})"


def _counts(counts: Mapping[str, int], most: int) -> str:
    shown = [f"{name} {count}" for name, count in list(counts.items())[:most]]
    return ", ".join(shown) + (f", {len(counts) - most} more" if len(counts) > most else "")
