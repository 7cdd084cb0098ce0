"""What is wrong with samples before anything is learnt from them: one finding a fault, with its numbers.

A fault that makes a sample useless (`skipped`) is counted and left out by training, too; the others are for a person to
look at. Needs nothing but the looks at the files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamer.training.duplicates import name
from streamer.training.look import Look, largest_change, mean_luma
from streamer.training.samples import Sample

KINDS: dict[str, str] = {
    "missing": "the file is not there",
    "unreadable": "no picture could be decoded",
    "no_video": "sound without pictures",
    "outside": "the times lie behind the end of the file",
    "broken": "a part could not be decoded",
    "short": "too short to learn from",
    "lies": "the container promises what it does not hold",
    "frozen": "nothing moves",
    "black": "hardly any light",
    "slow": "fewer pictures a second than are analyzed",
    "cut_off": "the times end behind the end of the file",
    "twice": "the same stretch is listed with different labels",
    "few": "a class with few samples or sources",
}
"""What a finding may be of."""
SKIPPED = ("missing", "unreadable", "no_video", "outside")
"""Of these nothing can be learnt."""
_LIES_S, _LIES = 0.5, 0.1  # seconds and share by which a container may be wrong
_BLACK = 12.0  # levels of luma
_FROZEN = 5  # levels by which some pixel of a thumbnail changes at least in 1/8 s; a codec alone makes up to 4
_SLOW_FPS = 4.5  # pictures a second; 5 is what is usually analyzed


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault."""

    kind: str
    """A key of KINDS."""
    what: str
    """The sample, or the class."""
    text: str

    @property
    def skipped(self) -> bool:
        """Whether nothing can be learnt from it."""
        return self.kind in SKIPPED


def check(samples: Sequence[Sample], looks: Mapping[Path, Look], least_s: float = 1.0) -> list[Finding]:
    """All findings, in the order of the samples, then those of whole classes.

    Args:
        samples: what is to be checked.
        looks: a look at each file.
        least_s: shorter samples are told, seconds.
    """
    found = [finding for sample in samples for finding in _of_sample(sample, looks[sample.file], least_s)]
    return found + _twice(samples) + _few(samples, looks)


def _of_sample(sample: Sample, look: Look, least_s: float) -> list[Finding]:
    what = name(sample)
    if look.cause:
        kind = look.cause if look.cause in ("missing", "no_video") else "unreadable"
        sound = f" ({look.sounds} tracks of sound)" if kind == "no_video" and look.sounds else ""
        return [Finding(kind, what, f"{look.fault}{sound}")]
    thumbs, length_s = look.within(sample), look.length_s(sample)
    if not len(thumbs):
        return [Finding("outside", what, f"starts at {sample.start_s:g} s, the file has {look.duration_s:.2f} s")]
    told = []
    if look.fault:
        told.append(Finding("broken", what, look.fault))
    if length_s < least_s:
        told.append(Finding("short", what, f"{length_s:.2f} s, at least {least_s:g} are needed"))
    if sample.end_s is not None and sample.end_s > look.duration_s + _LIES_S:
        told.append(Finding("cut_off", what, f"ends at {sample.end_s:g} s, the file has {look.duration_s:.2f} s"))
    if lie := _lie(look):
        told.append(Finding("lies", what, lie))
    if mean_luma(thumbs) < _BLACK:
        told.append(Finding("black", what, f"mean luma {mean_luma(thumbs):.1f} of 255"))
    elif len(thumbs) > 1 and largest_change(thumbs) < _FROZEN:
        told.append(Finding("frozen", what, f"no pixel changes by more than {largest_change(thumbs)} levels in 1/8 s"))
    if 0 < look.fps < _SLOW_FPS:
        told.append(Finding("slow", what, f"{look.fps:.1f} pictures a second"))
    return told


def _lie(look: Look) -> str:
    """What the container says and the pictures do not bear out; nothing if they agree."""
    lies = []
    if look.promised and abs(look.promised - look.pictures) > max(2, _LIES * look.promised):
        lies.append(f"{look.promised} pictures promised, {look.pictures} found")
    if look.promised_s and abs(look.promised_s - look.duration_s) > max(_LIES_S, _LIES * look.promised_s):
        lies.append(f"{look.promised_s:.2f} s promised, {look.duration_s:.2f} s found")
    return "; ".join(lies)


def _twice(samples: Sequence[Sample]) -> list[Finding]:
    """One stretch with two labels teaches nothing; heads of several labels want their own lists."""
    labels: dict[tuple[Path, float, float | None], set[str]] = {}
    for sample in samples:
        labels.setdefault((sample.file, sample.start_s, sample.end_s), set()).add(sample.label)
    return [
        Finding("twice", name(Sample(file, "", "", start_s, end_s)), f"as {' and '.join(sorted(several))}")
        for (file, start_s, end_s), several in labels.items()
        if len(several) > 1
    ]


def _few(samples: Sequence[Sample], looks: Mapping[Path, Look]) -> list[Finding]:
    usable = [sample for sample in samples if not looks[sample.file].cause]
    found = []
    counted = Counter(sample.label for sample in usable)
    for label in sorted({sample.label for sample in samples}):
        sources = {sample.source for sample in usable if sample.label == label}
        if len(sources) < 2 or counted[label] < 5:
            found.append(
                Finding("few", f"class {label}", f"{counted[label]} usable samples of {len(sources)} sources; at least "
                        "5 of 2 are needed to train and to test")
            )  # fmt: skip
    if len(counted) < 2:
        found.append(Finding("few", "classes", f"{len(counted)} with usable samples; at least 2 are needed"))
    return found
