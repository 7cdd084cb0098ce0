"""Near-duplicates: clips that are copies of each other, and scenes that two sources share.

Either one leaks from training into testing. A copy under another label is worse: one of the two is wrong. Thresholds
were measured on 201 clips of real cameras, re-encoded, halved, darkened, cropped and cut anew: clips of different
moments of one camera agree by up to 0.41, copies by 0.77 and more (0.53 where a third was cut off); scenes of
different sources differ by 16 bits and more, copies by up to 12 (without cropping).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamer.training.fingerprint import BITS, OVERLAP, Fingerprint, agreement, distances
from streamer.training.samples import Sample

COPY = 0.6
"""Agreement of movement from which two clips are copies."""
SCENE = 12
"""Bits up to which two median pictures show one scene."""
CANDIDATE = 16
"""Bits up to which the movement is compared."""
ALIKE = 0.7
"""Cosine of embeddings from which two clips of different sources are told, whatever their hashes say. On the same
clips, with the encoder of YOLOX-nano: different sources 0.56 at the 99.9th percentile and 0.77 at most; re-encoded
copies 0.91, cropped by a tenth 0.77 in the median."""
FEWEST = 10
"""Samples from which embeddings say anything: they are compared relative to the mean of all."""
MOST_PAIRS = 100_000
"""Candidates that are compared; 1000 take some 8 s."""
_BLOCK = 1024

Kind = Literal["copy", "scene", "alike"]
_WORDS: dict[Kind, str] = {"copy": "copies", "scene": "one scene", "alike": "alike to the model"}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two samples that are too alike; `kind` says in which way."""

    kind: Kind
    one: Sample
    other: Sample
    bits: int
    """Differing bits of their scenes' hashes, 0..64."""
    agreement: float
    """Of their movement, 0..1."""
    cosine: float | None
    """Of their embeddings; None without a model."""
    mirrored: bool = False

    @property
    def conflict(self) -> bool:
        """Copies with different labels."""
        return self.kind == "copy" and self.one.label != self.other.label

    @property
    def leak(self) -> bool:
        """Of different sources: a split by source would put them on both sides."""
        return self.one.source != self.other.source

    def line(self) -> str:
        """For people."""
        cosine = "" if self.cosine is None else f", cosine {self.cosine:.2f}"
        labels = f"{self.one.label} / {self.other.label}" if self.one.label != self.other.label else self.one.label
        return (
            f"{_WORDS[self.kind]}{' (mirrored)' if self.mirrored else ''}: {name(self.one)} and {name(self.other)} "
            f"({labels}; sources {self.one.source} and {self.other.source}; movement {self.agreement:.2f}, "
            f"scene {self.bits} of {BITS} bits apart{cosine})"
        )


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What was found, the worst first: conflicts, then leaks, then the rest."""

    pairs: tuple[Pair, ...]
    compared: int
    candidates: int
    """How many should have been compared; more than `compared` only beyond MOST_PAIRS."""


def find(
    samples: Sequence[Sample],
    prints: Sequence[Fingerprint],
    embeddings: NDArray[np.float32] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Duplicates:
    """Compare all samples with all.

    Args:
        samples: n of them.
        prints: theirs.
        embeddings: (n, d); None: without a model. Not used for fewer than FEWEST samples.
        progress: told (pairs done, pairs there are).
    """
    embeddings = None if embeddings is None or len(samples) < FEWEST else _centered(embeddings)
    pairs = _overlapping(samples, prints, embeddings)
    rows = _candidates(prints, embeddings)
    kept = rows[np.argsort(rows[:, 2], kind="stable")][:MOST_PAIRS]
    for done, (i, j, bits, mirrored) in enumerate(kept.tolist()):
        pair = _judge(samples[i], samples[j], bits, agreement(prints[i], prints[j], bool(mirrored)), bool(mirrored))
        cosine = None if embeddings is None else float(embeddings[i] @ embeddings[j])
        told = pair.kind == "copy" or (pair.leak and (pair.kind == "scene" or (cosine or 0.0) >= ALIKE))
        if told and samples[i].file != samples[j].file:  # times that overlap are told above, others are no copies
            pairs.append(replace(pair, cosine=cosine))
        if progress is not None:
            progress(done + 1, len(kept))
    order = sorted(pairs, key=lambda p: (not p.conflict, not p.leak, p.kind != "copy", -p.agreement, p.bits))
    return Duplicates(tuple(order), len(kept), len(rows))


def cleaned(samples: Sequence[Sample], found: Duplicates) -> list[Sample]:
    """The samples without copies, and with one source for those that share a scene.

    Of copies with one label the first stays; of copies with different labels none: which of them is right, nobody here
    knows. Sources that share a scene or a copy get the name of the first.
    """
    position = {sample: number for number, sample in reversed(list(enumerate(samples)))}
    left_out: set[Sample] = set()
    for pair in found.pairs:
        if pair.conflict:
            left_out |= {pair.one, pair.other}
    for pair in sorted(found.pairs, key=lambda pair: position[pair.one]):
        if pair.kind == "copy" and pair.one not in left_out:
            left_out.add(pair.other)
    source = _merged([(pair.one.source, pair.other.source) for pair in found.pairs if pair.kind != "alike"])
    return [replace(s, source=source(s.source)) for s in samples if s not in left_out]


def _merged(links: Sequence[tuple[str, str]]) -> Callable[[str], str]:
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.get(name, name) != name:
            name = parent[name]
        return name

    for one, other in links:
        parent[root(other)] = root(one)
    return root


def _centered(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Relative to the mean of all, of unit length: what all pictures have in common makes every cosine 0.98."""
    apart = embeddings - embeddings.mean(axis=0)
    lengths: NDArray[np.float32] = np.linalg.norm(apart, axis=1, keepdims=True)
    unit: NDArray[np.float32] = apart / np.maximum(lengths, 1e-9)
    return unit


def _judge(one: Sample, other: Sample, bits: int, moves: float, mirrored: bool) -> Pair:
    kind: Kind = "copy" if moves >= COPY else "scene" if bits <= SCENE and not mirrored else "alike"
    return Pair(kind, one, other, bits, moves, None, mirrored)


def _overlapping(
    samples: Sequence[Sample], prints: Sequence[Fingerprint], embeddings: NDArray[np.float32] | None
) -> list[Pair]:
    """Samples of one file that share a quarter of the shorter one: no look at the pictures is needed."""
    by_file: dict[Path, list[int]] = {}
    for number, sample in enumerate(samples):
        by_file.setdefault(sample.file, []).append(number)
    found = []
    for numbers in by_file.values():
        for i, j in itertools.combinations(numbers, 2):
            spans = [(s.start_s, float("inf") if s.end_s is None else s.end_s) for s in (samples[i], samples[j])]
            shared = min(end for _, end in spans) - max(start for start, _ in spans)
            shorter = min(end - start for start, end in spans)
            if shared > 0 and (shared == shorter or shared / shorter >= OVERLAP):
                bits = int(distances(np.array([prints[i].scene]), np.array([prints[j].scene]))[0, 0])
                cosine = None if embeddings is None else float(embeddings[i] @ embeddings[j])
                moves = agreement(prints[i], prints[j])
                found.append(Pair("copy", samples[i], samples[j], bits, moves, cosine))
    return found


def _candidates(prints: Sequence[Fingerprint], embeddings: NDArray[np.float32] | None) -> NDArray[np.int64]:
    """Rows (i, j, bits, mirrored) with i < j that are worth a closer look."""
    scenes = np.array([p.scene for p in prints], np.uint64)
    mirrors = np.array([p.mirrored for p in prints], np.uint64)
    rows = [np.zeros((0, 4), np.int64)]
    for start in range(0, len(prints), _BLOCK):
        part = slice(start, start + _BLOCK)
        later = np.arange(len(prints))[None] > np.arange(start, start + len(scenes[part]))[:, None]
        plain, turned = distances(scenes[part], scenes), distances(scenes[part], mirrors)
        near = plain <= CANDIDATE
        if embeddings is not None:
            near |= embeddings[part] @ embeddings.T >= ALIKE
        # a picture near its own mirror image says nothing of who is mirrored
        for mask, bits, mirrored in ((near, plain, 0), ((turned <= CANDIDATE) & ~near, turned, 1)):
            i, j = np.nonzero(mask & later)
            found = np.stack([i + start, j, bits[i, j].astype(np.int64), np.full(len(i), mirrored)], axis=1)
            rows.append(found.astype(np.int64))
    return np.concatenate(rows)


def name(sample: Sample) -> str:
    """A sample's file with its folder, and its times if it is a part."""
    text = "/".join(sample.file.parts[-2:])
    if sample.start_s or sample.end_s is not None:
        text += f" {sample.start_s:g}-{'end' if sample.end_s is None else f'{sample.end_s:g}'} s"
    return text
