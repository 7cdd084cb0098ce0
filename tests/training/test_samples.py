"""Lists and folders of clips: both forms, what is wrong with them, and the way through a file and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import ConfigError, InputError
from streamer.training.samples import SPLITS, Sample, file_hash, read_samples, samples_hash, seconds_of, write_samples


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("fight/a.mp4", "fight/cam1/b.avi", "normal/c.MKV", "normal/cam1/d.mp4", "normal/cam1/x/e.mp4"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    (tmp_path / "normal" / "notes.txt").write_text("no clip")
    (tmp_path / "normal" / "._c.mp4").write_text("what a Mac leaves")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "z.mp4").write_text("hidden")
    return tmp_path


def listed(folder: Path, text: str, name: str = "clips.csv") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_a_folder_is_a_class_and_a_folder_in_it_a_source(folder: Path) -> None:
    found = {str(s.file.relative_to(folder)): (s.label, s.source) for s in read_samples(folder)}
    assert found == {
        "fight/a.mp4": ("fight", "fight/a"),
        "fight/cam1/b.avi": ("fight", "cam1"),
        "normal/c.MKV": ("normal", "normal/c"),
        "normal/cam1/d.mp4": ("normal", "cam1"),
        "normal/cam1/x/e.mp4": ("normal", "cam1/x"),
    }


def test_a_list_in_the_folder_wins(folder: Path) -> None:
    listed(folder, "file,label,source\nfight/a.mp4,brawl,s1\n")
    assert read_samples(folder) == [Sample(folder / "fight/a.mp4", "brawl", "s1")]
    assert read_samples(folder / "clips.csv") == read_samples(folder)


def test_segments_with_their_other_names(folder: Path) -> None:
    listed(
        folder,
        "\ufefffile, Subject ,kind,label,start_s,end_s,split\n"
        "fight/a.mp4,1,adl,Walking,,3.0,TRAIN\n\nfight/a.mp4,1,fall,Falling (BW),0:01:02.5,,\n",
        "segments.csv",
    )
    file = folder / "fight/a.mp4"
    assert read_samples(folder) == [
        Sample(file, "Walking", "1", 0.0, 3.0, split="train"),
        Sample(file, "Falling (BW)", "1", 62.5, None),
    ]


def test_without_a_source_each_file_is_its_own(folder: Path) -> None:
    file = listed(folder, "file,label\nfight/a.mp4,x\nfight/a.mp4,y\nnormal/c.MKV,y\n")
    assert [s.source for s in read_samples(file)] == ["fight/a", "fight/a", "normal/c"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("file,label,soruce\nfight/a.mp4,x,1\n", ":1: unknown column 'soruce'; did you mean 'source'?"),
        ("file,source\nfight/a.mp4,1\n", ":1: no column 'label'"),
        ("file,label,source,subject\nfight/a.mp4,x,1,2\n", ":1: two columns mean 'source'"),
        ("", ":1: no column 'file'"),
        ("file,label\n", "a header and no rows"),
        ("file,label\nfight/a.mp4,\n", ":2: label is missing"),
        ("file,label\nfight/a.mp4\n", ":2: label is missing"),
        ("file,label\nfight/a.mp4,x,y\n", ":2: more fields than the header"),
        ("file,label,start,end\nfight/a.mp4,x,3,2\n", ":2: end must be after start, got 3 to 2"),
        ("file,label,start\nfight/a.mp4,x,-1\n", ":2: a time must be seconds or h:mm:ss, got '-1'"),
        ("file,label,start\nfight/a.mp4,x,nan\n", "a time must be seconds"),
        ("file,label,split\nfight/a.mp4,x,valid\n", ":2: split must be one of train, val, test, got 'valid'"),
        ("file,label\ngone/a.mp4,x\n", "none of its 1 files is there, the first would be"),
        ('file,label\n"fight/a.mp4\x00",x\n', "none of its 1 files"),
    ],
)
def test_what_is_wrong_with_a_list_is_told_with_its_place(folder: Path, text: str, told: str) -> None:
    file = listed(folder, text)
    with pytest.raises(InputError) as caught:
        read_samples(file)
    assert told in str(caught.value)
    assert str(caught.value).startswith(str(file))


def test_many_faults_are_told_at_once_but_not_endlessly(folder: Path) -> None:
    file = listed(folder, "file,label\n" + "fight/a.mp4,\n" * 30)
    with pytest.raises(ConfigError) as caught:
        read_samples(file)
    assert len(caught.value.faults) == 21
    assert caught.value.faults[-1] == f"{file}: and 10 more faulty rows"


def test_columns_that_mean_nothing_here_are_no_error(folder: Path) -> None:
    file = listed(folder, "file,label,weather,files\nfight/a.mp4,x,rain,7\n")
    assert read_samples(file) == [Sample(folder / "fight/a.mp4", "x", "fight/a")]


def test_what_is_no_list_is_an_error(folder: Path, tmp_path: Path) -> None:
    (folder / "clips.csv").write_bytes(b"file,label\n\xff\xfe\x00")
    with pytest.raises(InputError, match="no text in UTF-8"):
        read_samples(folder)
    with pytest.raises(InputError, match="no such folder or file"):
        read_samples(tmp_path / "gone")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=r"no clips: needs clips.csv or segments.csv, or one folder a class"):
        read_samples(empty)


def test_some_missing_files_are_left_to_who_decodes(folder: Path) -> None:
    file = listed(folder, "file,label\nfight/a.mp4,x\nfight/gone.mp4,x\n")
    assert len(read_samples(file)) == 2


_NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)
_LENGTHS = st.one_of(st.none(), st.floats(1e-3, 1e6))


@given(
    st.lists(
        st.tuples(_NAMES, _NAMES, st.floats(0, 1e6), _LENGTHS, st.sampled_from(SPLITS)),
        min_size=1,
        max_size=5,
    )
)  # fmt: skip
def test_a_list_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, float, float | None, str]]
) -> None:
    folder = tmp_path_factory.mktemp("lists")
    (folder / "clip, one.mp4").touch()
    samples = []
    for label, source, start_s, length_s, split in rows:
        end_s = None if length_s is None else start_s + length_s
        samples.append(Sample(folder / "clip, one.mp4", label, source, start_s, end_s, "gate", split))
    write_samples(folder / "made.csv", samples)
    assert read_samples(folder / "made.csv") == samples


def test_a_list_may_lie_elsewhere(folder: Path, tmp_path: Path) -> None:
    samples = read_samples(folder)
    (tmp_path / "elsewhere").mkdir()
    file = tmp_path / "elsewhere" / "split.csv"
    write_samples(file, samples)
    assert [s.file.resolve() for s in read_samples(file)] == [s.file.resolve() for s in samples]
    with pytest.raises(InputError, match="cannot be written"):
        write_samples(tmp_path / "gone" / "split.csv", samples)


def test_the_hash_is_of_content_and_labels_not_of_places(folder: Path, tmp_path: Path) -> None:
    samples = read_samples(folder)
    before = samples_hash(samples)
    assert samples_hash(samples[::-1]) == before
    moved = tmp_path / "moved.mp4"
    moved.write_bytes(samples[0].file.read_bytes())
    first = samples[0]
    assert samples_hash([Sample(moved, first.label, first.source), *samples[1:]]) == before
    assert samples_hash([Sample(first.file, "other", first.source), *samples[1:]]) != before
    assert samples_hash(samples[1:]) != before
    first.file.write_bytes(b"changed content")
    assert samples_hash(samples) != before
    first.file.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        file_hash(first.file)


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("1:02.5", 62.5), ("1:00:02", 3602), ("12.25", 12.25)])
def test_times(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "a", "1:2:3:4", "1:-2", "inf"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="a time must be"):
        seconds_of(text)


def test_the_real_lists(shared_data: Path) -> None:
    fights = read_samples(shared_data / "fights")
    assert [sum(s.label == label for s in fights) for label in ("fight", "normal")] == [103, 98]
    assert len({s.source for s in fights}) == 27
    falls = read_samples(shared_data / "falls")
    assert {s.source for s in falls} == {"1", "2"}
    assert sum(s.label.startswith("Falling") for s in falls) == 6
