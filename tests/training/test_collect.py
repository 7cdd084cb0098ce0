"""Imports make folders that read back as what they were made from; what cannot be read is counted."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from streamer.errors import InputError
from streamer.training.collect import collect, renamed, safe
from streamer.training.look import look_at
from streamer.training.samples import Sample, read_samples
from tests.training.scenes import clip


def test_whole_files_and_segments(tmp_path: Path) -> None:
    whole, long = clip(tmp_path / "in" / "a b.MP4", 1, 1), clip(tmp_path / "in" / "b.mp4", 2, 2, seconds=4)
    samples = [
        Sample(whole, "fight", "gym", camera="gate", split="test"),
        Sample(long, "Falling (BW)", "s1", 1.0, 2.5),
        Sample(long, "Falling (BW)", "s1", 1.0, 3.0),
        Sample(tmp_path / "in" / "gone.mp4", "fight", "gym"),
        Sample(long, "fight", "s1", 9.0, 12.0),
    ]
    told: list[tuple[int, int]] = []
    out = tmp_path / "new" / "data"
    found = collect(samples, out, progress=lambda *done: told.append(done))
    assert [str(s.file.relative_to(out)) for s in found.samples] == [
        "fight/a_b.mp4", "Falling_BW/b_0001000.mp4", "Falling_BW/b_0001000-2.mp4",
    ]  # fmt: skip
    assert read_samples(out) == found.samples
    first = found.samples[0]
    assert (first.label, first.source, first.camera, first.split) == ("fight", "gym", "gate", "test")
    assert found.samples[1].label == "Falling (BW)"
    assert (found.samples[1].start_s, found.samples[1].end_s) == (0.0, None)
    assert look_at(found.samples[1].file).duration_s == pytest.approx(1.5, abs=0.31)
    assert first.file.read_bytes() == whole.read_bytes()
    assert [text.partition(":")[0] for text in found.skipped] == ["in/gone.mp4", "in/b.mp4 9-12 s"]
    assert found.how.total() == 3
    assert told[-1] == (5, 5)
    assert not [file for file in out.rglob(".*")]


def test_links_and_lists(tmp_path: Path) -> None:
    file = clip(tmp_path / "in" / "a.mp4", 1, 1)
    sample = Sample(file, "x", "s1")
    linked = collect([sample], tmp_path / "linked", "link")
    assert linked.how == Counter(linked=1)
    assert os.stat(linked.samples[0].file).st_ino == os.stat(file).st_ino
    segment = Sample(file, "x", "s1", 0.5, 1.0)
    listed = collect([segment], tmp_path / "listed", "list")
    assert listed.how == Counter(listed=1)
    assert sorted(path.name for path in (tmp_path / "listed").iterdir()) == ["clips.csv"]
    (back,) = read_samples(tmp_path / "listed")
    assert (back.file.resolve(), back.start_s, back.end_s) == (file.resolve(), 0.5, 1.0)


def test_links_between_file_systems_are_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    found = collect([Sample(clip(tmp_path / "a.mp4", 1, 1), "x", "s1")], tmp_path / "out", "link")
    assert found.how == Counter(copied=1)


def test_a_folder_that_has_a_list_is_not_touched(tmp_path: Path) -> None:
    sample = Sample(clip(tmp_path / "a.mp4", 1, 1), "x", "s1")
    collect([sample], tmp_path / "out")
    before = (tmp_path / "out" / "clips.csv").read_bytes()
    with pytest.raises(InputError, match="has a list of clips already; name a new folder"):
        collect([sample], tmp_path / "out")
    assert (tmp_path / "out" / "clips.csv").read_bytes() == before


def test_nothing_readable_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    samples = [Sample(tmp_path / "text.mp4", "x", "s1", 0.0, 1.0), Sample(tmp_path / "gone.mp4", "x", "s1")]
    with pytest.raises(InputError, match=r"none of 2 clips could be read: .*text.mp4 0-1 s"):
        collect(samples, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_place_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"data import: .*file.* cannot be written"):
        collect([Sample(clip(tmp_path / "a.mp4", 1, 1), "x", "s1")], tmp_path / "file")


def test_new_names_for_classes(tmp_path: Path) -> None:
    samples = [Sample(Path("a"), label, "s") for label in ("Falling (BW)", "Falling (SW)", "Sitting", "Reading")]
    names = {"Falling (BW)": "fall", "Falling (SW)": "fall", "Reading": ""}
    assert [s.label for s in renamed(samples, names)] == ["fall", "fall", "Sitting"]
    with pytest.raises(InputError, match=r"--label Fall=...: no sample has that label; there are Falling \(BW\)"):
        renamed(samples, {"Fall": "fall"})


@pytest.mark.parametrize(
    ("text", "name"),
    [("a b", "a_b"), ("../../etc", "etc"), ("Falling (BW)", "Falling_BW"), ("..", "_"), ("скок", "скок")],
)
def test_names_of_files(text: str, name: str) -> None:
    assert safe(text) == name
