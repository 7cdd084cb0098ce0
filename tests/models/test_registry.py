"""Names and paths of models."""

import pytest

from streamer.errors import ModelError
from streamer.models import commands, registry
from streamer.models.importer import Origin, import_file
from tests.models.tiny import LABELS, tiny_yolox


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("STREAMER_MODELS", str(folder))
    return folder


@pytest.fixture
def imported(folder, tmp_path):
    source = tiny_yolox(tmp_path / "source.onnx")
    import_file(source, folder / "tiny.onnx", Origin("yolox", LABELS, license="MIT"))
    return folder / "tiny.onnx"


def test_motion_is_built_in(tmp_path):
    assert registry.resolve("motion", tmp_path) == "motion"
    card = registry.card_of("motion", "detection")
    assert card.labels == ("motion",)
    with pytest.raises(ModelError, match="behaviour is needed"):
        registry.card_of("motion", "behaviour")


def test_names_and_paths(imported, tmp_path):
    assert registry.resolve("tiny", tmp_path) == imported
    assert registry.resolve("tiny.onnx", tmp_path) == imported
    assert registry.resolve(str(imported), tmp_path / "elsewhere") == imported
    assert registry.resolve("models/tiny.onnx", tmp_path) == imported
    site = tmp_path / "site"
    site.mkdir()
    (site / "tiny.onnx").write_bytes(imported.read_bytes())
    assert registry.resolve("tiny.onnx", site) == site / "tiny.onnx"  # beside the site file comes first
    assert registry.card_of(imported).labels == LABELS


def test_an_unknown_name_tells_the_nearest(imported, tmp_path):
    with pytest.raises(ModelError, match="did you mean 'tiny'"):
        registry.resolve("tinny", tmp_path)
    with pytest.raises(ModelError, match=r"known are motion, .*person-vehicle, .*tiny"):
        registry.resolve("zzz/detector.onnx", tmp_path)


def test_unusable_files_are_listed_with_their_fault(imported, folder):
    (folder / "broken.onnx").write_bytes(b"\x00")
    (folder / "notes.txt").write_text("x")
    (folder / ".draft.onnx").write_bytes(b"")
    known = {one.name: one for one in registry.models()}
    assert set(known) >= {"motion", "person-vehicle", "tiny", "broken"}
    assert known["tiny"].origin == "imported"
    assert known["broken"].card is None
    assert "not an ONNX file" in known["broken"].fault


def test_the_default_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("STREAMER_MODELS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert registry.storage() == tmp_path / "streamer" / "models"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert registry.storage().parts[-4:] == (".local", "share", "streamer", "models")
    assert [one.name for one in registry.models() if one.origin == "built in"] == ["motion"]


def test_list_text(imported, folder):
    (folder / "broken.onnx").write_bytes(b"\x00")
    lines = commands.list_text().splitlines()
    assert lines[0].split() == ["NAME", "ORIGIN", "TASK", "FAMILY", "INPUT", "LABELS", "LICENSE"]
    rows = {line.split()[0]: line for line in lines[1:]}
    assert "built in" in rows["motion"]
    assert rows["tiny"].split() == ["tiny", "imported", "detection", "yolox", "64x64", "2", "MIT"]
    assert "unusable" in rows["broken"]
    assert any(line.startswith("unusable: ") for line in lines)
    assert lines[-1].endswith(str(folder))


def test_info_text(imported, tmp_path):
    text = commands.info_text("tiny", tmp_path)
    assert str(imported) in text
    assert "64x64 RGB" in text
    assert "2: bright, never" in text
    assert "MIT" in text
    assert "built in" in commands.info_text("motion", tmp_path)
    with pytest.raises(ModelError):
        commands.info_text("absent", tmp_path)


def test_import_text(folder, tmp_path):
    source = tiny_yolox(tmp_path / "mine.onnx")
    names = tmp_path / "names.txt"
    names.write_text("bright\nnever\n\n")
    said = commands.import_text(source, "yolox", None, {"labels": str(names)})
    assert said.startswith(str(folder / "mine.onnx"))
    assert "a batch of 4 equals 4 of 1" in said
    said = commands.import_text(source, "yolox", tmp_path / "out.onnx", {"labels": "bright, never", "license": "MIT"})
    assert registry.card_of(tmp_path / "out.onnx").license == "MIT"
    with pytest.raises(ModelError, match="unknown option color"):
        commands.import_text(source, "yolox", None, {"color": "red"})


def test_import_makes_its_folder(folder, tmp_path):
    folder.rmdir()
    commands.import_text(tiny_yolox(tmp_path / "mine.onnx"), "yolox", None, {"labels": "a,b"})
    assert (folder / "mine.onnx").is_file()
