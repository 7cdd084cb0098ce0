"""Copies are found whatever was done to them, other moments of one camera are not; what is left is right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.training.duplicates import ALIKE, COPY, FEWEST, SCENE, Duplicates, Pair, cleaned, find, name
from streamer.training.fingerprint import agreement, distances, fingerprint
from streamer.training.look import look_at_all
from streamer.training.samples import Sample, read_samples
from tests.training.scenes import clip, pictures, write


def prints(samples: list[Sample]) -> list:
    looks = look_at_all(samples)
    return [fingerprint(looks[s.file].within(s)) for s in samples]


def pairs(samples: list[Sample]) -> list[Pair]:
    return list(find(samples, prints(samples)).pairs)


def test_other_moments_of_a_camera_are_no_copies(tmp_path: Path) -> None:
    samples = [Sample(clip(tmp_path / f"{i}.mp4", 1, i), "x", "s1") for i in range(6)]
    assert pairs(samples) == []


@pytest.mark.parametrize("change", ["same", "codec", "small", "bright", "late", "mirrored"])
def test_copies_are_found(tmp_path: Path, change: str) -> None:
    shown = pictures(1, 1, seconds=4)
    other, settings = shown, {}
    if change == "codec":
        settings = {"codec": "mpeg4"}
    elif change == "small":
        other = [picture[::2, ::2] for picture in shown]
    elif change == "bright":
        other = [np.clip(picture * 1.3, 0, 255).astype(np.uint8) for picture in shown]
    elif change == "late":
        other = shown[15:]
    elif change == "mirrored":
        other = [picture[:, ::-1] for picture in shown]
    samples = [
        Sample(write(tmp_path / "a.mp4", shown), "x", "s1"),
        Sample(write(tmp_path / "b.mp4", other, **settings), "y", "s2"),
        Sample(clip(tmp_path / "c.mp4", 1, 2), "x", "s1"),
    ]
    found = [pair for pair in pairs(samples) if pair.kind == "copy"]
    assert [(pair.one.file.name, pair.other.file.name) for pair in found] == [("a.mp4", "b.mp4")]
    assert found[0].agreement >= COPY
    assert found[0].mirrored == (change == "mirrored")
    assert found[0].conflict
    assert found[0].leak
    assert f"copies{' (mirrored)' if change == 'mirrored' else ''}: " in found[0].line()
    assert "(x / y; sources s1 and s2; movement " in found[0].line()


def test_one_scene_under_two_sources_is_a_leak(tmp_path: Path) -> None:
    samples = [Sample(clip(tmp_path / f"{i}.mp4", 1, i), "x", f"s{i}") for i in range(2)]
    samples.append(Sample(clip(tmp_path / "2.mp4", 7, 2), "x", "s2"))
    (pair,) = pairs(samples)
    assert (pair.kind, pair.one, pair.other, pair.conflict) == ("scene", samples[0], samples[1], False)
    assert pair.bits <= SCENE


def test_clips_in_which_nothing_moves_are_no_copies_by_their_noise(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    still = pictures(1, 1, seconds=0.1)[0].astype(float)
    noisy = [np.clip(still + rng.normal(0, 2, still.shape), 0, 255).astype(np.uint8) for _ in range(40)]
    samples = [Sample(write(tmp_path / f"{i}.mp4", noisy[20 * i :][:20]), "x", "s1") for i in range(2)]
    assert agreement(*prints(samples)) < COPY / 2
    assert pairs(samples) == []


def test_segments_of_one_file(tmp_path: Path) -> None:
    file = clip(tmp_path / "a.mp4", 1, 1, seconds=6)
    spans = [("walk", 0.0, 3.0), ("stand", 2.0, 4.0), ("sit", 4.0, None), ("sit", 2.9, 6.0), ("all", 0.0, None)]
    samples = [Sample(file, label, "s1", start_s, end_s) for label, start_s, end_s in spans]
    found = {(samples.index(pair.one), samples.index(pair.other)) for pair in pairs(samples)}
    assert found == {(0, 1), (1, 3), (2, 3), (0, 4), (1, 4), (2, 4), (3, 4)}  # not (0, 3): a thirtieth is shared
    assert all(pair.kind == "copy" for pair in pairs(samples))


def test_the_worst_are_told_first(tmp_path: Path) -> None:
    shown = pictures(1, 1)
    labels = [("a", "s1"), ("a", "s1"), ("a", "s2"), ("b", "s1")]
    samples = [Sample(write(tmp_path / f"{i}.mp4", shown), *which) for i, which in enumerate(labels)]
    told = pairs(samples)
    assert [(pair.conflict, pair.leak) for pair in told] == [(True, True)] + [(True, False)] * 2 + [
        (False, True), (False, True), (False, False),
    ]  # fmt: skip


def test_embeddings_tell_what_hashes_do_not(tmp_path: Path) -> None:
    samples = [Sample(clip(tmp_path / f"{i}.mp4", i, i, seconds=1), "x", f"s{i}") for i in range(FEWEST)]
    rng = np.random.default_rng(3)
    vectors = (rng.normal(size=(FEWEST, 16)) + 20).astype(np.float32)  # what all have in common must not matter
    vectors[4] = vectors[2] + 0.1
    made = prints(samples)
    (pair,) = find(samples, made, vectors).pairs
    assert (pair.kind, pair.one, pair.other) == ("alike", samples[2], samples[4])
    assert pair.cosine is not None
    assert pair.cosine >= ALIKE
    assert "alike to the model" in pair.line()
    assert find(samples[: FEWEST - 1], made[: FEWEST - 1], vectors[: FEWEST - 1]).pairs == ()


def test_what_is_left_when_they_are_removed() -> None:
    def sample(number: int, label: str, source: str) -> Sample:
        return Sample(Path(f"{number}.mp4"), label, source)

    a, b, c, d, e, f = (sample(i, *which) for i, which in enumerate(["xp", "xp", "yq", "xr", "xs", "yt"]))

    def pair(kind: str, one: Sample, other: Sample) -> Pair:
        return Pair(kind, one, other, 0, 1.0, None)

    found = Duplicates((pair("copy", a, b), pair("copy", c, d), pair("scene", e, f), pair("alike", a, e)), 4, 4)
    left = cleaned([a, b, c, d, e, f], found)
    assert [(s.file.name, s.source) for s in left] == [("0.mp4", "p"), ("4.mp4", "s"), ("5.mp4", "s")]


def test_of_three_copies_one_stays() -> None:
    samples = [Sample(Path(f"{i}.mp4"), "x", f"s{i}") for i in range(3)]
    found = Duplicates(
        tuple(Pair("copy", samples[i], samples[j], 0, 1.0, None) for i, j in ((1, 2), (0, 2), (0, 1))), 3, 3
    )
    assert cleaned(samples, found) == samples[:1]


def test_too_many_candidates_are_cut_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.training.duplicates.MOST_PAIRS", 2)
    monkeypatch.setattr("streamer.training.duplicates.CANDIDATE", 64)
    samples = [Sample(clip(tmp_path / f"{i}.mp4", 1, i, seconds=1), "x", "s1") for i in range(3)]
    told: list[tuple[int, int]] = []
    found = find(samples, prints(samples), None, lambda *done: told.append(done))
    assert (found.compared, found.candidates) == (2, 3)
    assert told == [(1, 2), (2, 2)]


def test_distances_are_bits() -> None:
    one, other = np.array([0b1011, 0], np.uint64), np.array([0b0001, 2**64 - 1], np.uint64)
    assert distances(one, other).tolist() == [[2, 61], [1, 64]]


def test_names() -> None:
    assert name(Sample(Path("/data/fight/a.mp4"), "x", "s")) == "fight/a.mp4"
    assert name(Sample(Path("a.mp4"), "x", "s", 1.5)) == "a.mp4 1.5-end s"


def test_the_real_fights(shared_data: Path) -> None:
    """One pair of clips of one fight overlaps by a quarter; no two of different moments are called copies."""
    samples = [s for s in read_samples(shared_data / "fights") if s.source in ("s29", "s14", "s13", "s42")]
    assert len(samples) == 30
    names = [(pair.kind, pair.one.file.name, pair.other.file.name) for pair in pairs(samples)]
    assert names == [("copy", "fi011.mp4", "fi012.mp4")]
