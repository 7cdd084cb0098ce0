"""Every kind of finding, and none where nothing is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from streamer.training.checkup import KINDS, SKIPPED, check
from streamer.training.look import Look, look_at, look_at_all
from streamer.training.samples import Sample
from tests.training.scenes import clip, pictures, scene, silent_film_turned_round, write


def found(samples: list[Sample], **settings: float) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for finding in check(samples, look_at_all(samples), **settings):
        assert finding.kind in KINDS
        assert finding.skipped == (finding.kind in SKIPPED)
        told.setdefault(finding.kind, []).append(f"{finding.what}: {finding.text}")
    return told


def good(folder: Path) -> list[Sample]:
    return [
        Sample(clip(folder / label / f"{i}.mp4", i, i, seconds=1.2), label, f"s{i % 3}")
        for label in ("fight", "normal")
        for i in range(5)
    ]


def test_good_data_has_no_findings(tmp_path: Path) -> None:
    assert found(good(tmp_path)) == {}


def test_each_fault_is_found(tmp_path: Path) -> None:
    samples = good(tmp_path)
    (tmp_path / "text.mp4").write_text("no film")
    silent_film_turned_round(tmp_path / "silent.mp4")
    write(tmp_path / "frozen.mp4", [scene(3)] * 20)
    write(tmp_path / "black.mp4", [np.full((96, 160, 3), 4, np.uint8)] * 20)
    write(tmp_path / "slow.mp4", pictures(1, 1, seconds=4, fps=2), fps=2)
    clip(tmp_path / "short.mp4", 4, 4, seconds=0.5)
    long = clip(tmp_path / "long.mp4", 5, 5, seconds=3)
    names = ("gone", "text", "silent", "frozen", "black", "slow", "short")
    samples += [Sample(tmp_path / f"{name}.mp4", "normal", "s1") for name in names]
    samples += [Sample(long, "normal", "s1", 2.0, 9.0), Sample(long, "normal", "s1", 7.0, 9.0)]
    samples += [Sample(long, label, "s1", 0.0, 1.5) for label in ("normal", "fight")]
    told = found(samples)
    expected = {
        "missing": "gone.mp4: no such file",
        "unreadable": "text.mp4: the file cannot be opened or read",
        "no_video": "silent.mp4: the stream has no video track (audio only)",
        "frozen": "frozen.mp4: no pixel changes by more than ",
        "black": "black.mp4: mean luma ",
        "slow": "slow.mp4: 2.0 pictures a second",
        "short": "short.mp4: 0.50 s, at least 1 are needed",
        "cut_off": "long.mp4 2-9 s: ends at 9 s, the file has 3.00 s",
        "outside": "long.mp4 7-9 s: starts at 7 s, the file has 3.00 s",
        "twice": "long.mp4 0-1.5 s: as fight and normal",
    }
    assert set(told) == set(expected)
    for kind, text in expected.items():
        assert text in told[kind][0], kind
    assert "short" not in found(samples, least_s=0.4)


def test_a_container_that_lies(tmp_path: Path) -> None:
    file = clip(tmp_path / "a.mp4", 1, 1)
    sample = Sample(file, "x", "s")
    honest = look_at(file)

    def lies(look: Look) -> list[str]:
        return [finding.text for finding in check([sample], {file: look}) if finding.kind == "lies"]

    assert lies(honest) == []
    assert lies(replace(honest, promised=30)) == ["30 pictures promised, 20 found"]
    assert lies(replace(honest, promised_s=9.0)) == ["9.00 s promised, 2.00 s found"]
    assert lies(replace(honest, promised=0, promised_s=0.0)) == []  # it does not say: no lie


def test_a_real_container_that_lies(tmp_path: Path) -> None:
    """An AVI whose index was cut off: its header still promises all pictures."""
    whole = write(tmp_path / "a.avi", pictures(1, 1, seconds=4), codec="mpeg4").read_bytes()
    file = tmp_path / "cut.avi"
    file.write_bytes(whole[: len(whole) // 2])
    told = found([Sample(file, "x", "s")])
    assert "40 pictures promised" in told["lies"][0]


def test_few_samples_or_sources_of_a_class(tmp_path: Path) -> None:
    samples = good(tmp_path)
    told = found([s if s.label == "fight" else replace(s, source="one") for s in samples])
    assert told == {
        "few": ["class normal: 5 usable samples of 1 sources; at least 5 of 2 are needed to train and to test"]
    }
    told = found([s for s in samples if s.label == "fight"])
    assert told == {"few": ["classes: 1 with usable samples; at least 2 are needed"]}
