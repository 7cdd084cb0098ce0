"""Pulling: what is wrong is never kept, what is right is imported, and offline it is said what to bring where."""

from __future__ import annotations

import hashlib
import io
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer import cli
from streamer.errors import InputError, ModelError
from streamer.models import catalog, registry
from streamer.models.card import load_card
from streamer.models.catalog import Entry
from streamer.models.pull import destination, downloads, pull, torch_cache

sys.path.insert(0, str(Path(__file__).parent))
from shelf import Shelf, open_shelf
from tiny import tiny_yolox


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STREAMER_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("nothing here has to wait"))
    return tmp_path / "models"


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with open_shelf() as shelf:
        shelf.files["/tiny.onnx"] = tiny_yolox(tmp_path / "made.onnx", labels=80).read_bytes()
        shelf.files["/face.onnx"] = b"face" * 1000
        yield shelf


def entry(shelf: Shelf, path: str = "/face.onnx", **changes: object) -> Entry:
    body = shelf.files[path]
    known = {
        "name": "small", "url": f"{shelf.url}{path}", "sha256": hashlib.sha256(body).hexdigest(), "size": len(body),
        "license": "MIT", "task": "detection", "into": "files", "checksum": "computed by this test",
    }  # fmt: skip
    return Entry.model_validate({**known, **changes})


def test_a_detector_is_imported_with_its_card(shelf: Shelf, storage: Path) -> None:
    asked = entry(shelf, "/tiny.onnx", name="tiny", family="yolox", into="models", license="Apache-2.0")
    pulled = pull(asked, allow_http=True)
    assert pulled.file == storage / "tiny.onnx" == registry.resolve("tiny", Path())
    card = load_card(pulled.file, "detection")
    assert (card.license, card.source, card.made_from_sha256) == ("Apache-2.0", asked.url, asked.sha256)
    assert list(downloads().iterdir()) == []
    assert pull(asked, allow_http=True).note == "was there already"
    assert len(shelf.asked) == 1
    pulled.file.write_bytes(pulled.file.read_bytes()[:-100])  # damaged: made anew
    assert "imported" in pull(asked, allow_http=True).note
    load_card(pulled.file)


def test_other_files_are_kept_as_they_are(shelf: Shelf, storage: Path) -> None:
    pulled = pull(entry(shelf), allow_http=True)
    assert pulled.file == storage / "files" / "face.onnx"
    assert pulled.file.read_bytes() == shelf.files["/face.onnx"]
    pull(entry(shelf), allow_http=True)
    assert len(shelf.asked) == 1


def test_backbones_go_where_torch_looks(shelf: Shelf, tmp_path: Path) -> None:
    digest = hashlib.sha256(shelf.files["/face.onnx"]).hexdigest()
    asked = entry(shelf, into="torch", sha256="", sha256_prefix=digest[:8], size=4400, size_exact=False)
    pulled = pull(asked, allow_http=True)
    assert pulled.file == tmp_path / "torch" / "hub" / "checkpoints" / "face.onnx" == torch_cache() / "face.onnx"


def test_torch_really_looks_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    assert Path(torch.hub.get_dir()) / "checkpoints" == torch_cache()
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert Path(torch.hub.get_dir()) / "checkpoints" == torch_cache()


@pytest.mark.parametrize("changes", [{"sha256": "0" * 64}, {"sha256": "", "sha256_prefix": "00000000"}])
def test_a_wrong_sum_is_deleted(shelf: Shelf, storage: Path, changes: dict[str, str]) -> None:
    with pytest.raises(ModelError, match=r"has a wrong SHA-256 and was deleted; expected is 0{8}"):
        pull(entry(shelf, **changes), allow_http=True)
    assert not (storage / "files").exists()
    assert list(downloads().iterdir()) == []


def test_a_resumed_file_with_a_wrong_sum_is_loaded_anew(shelf: Shelf) -> None:
    downloads().mkdir(parents=True)
    (downloads() / "face.onnx.part").write_bytes(b"of an older version, perhaps")
    pulled = pull(entry(shelf), allow_http=True)
    assert pulled.file.read_bytes() == shelf.files["/face.onnx"]
    assert [asked for _, asked in shelf.asked] == ["bytes=28-", ""]


def test_a_file_that_was_brought_by_hand(shelf: Shelf, free_port: int) -> None:
    asked = entry(shelf, url=f"http://127.0.0.1:{free_port}/face.onnx")
    downloads().mkdir(parents=True)
    (downloads() / "face.onnx").write_bytes(shelf.files["/face.onnx"])
    assert pull(asked).file.read_bytes() == shelf.files["/face.onnx"]


def test_a_wrong_file_that_was_brought_by_hand_is_not_taken(shelf: Shelf) -> None:
    downloads().mkdir(parents=True)
    (downloads() / "face.onnx").write_bytes(b"FACE" * 1000)
    assert pull(entry(shelf), allow_http=True).file.read_bytes() == shelf.files["/face.onnx"]
    assert len(shelf.asked) == 1


def test_offline_says_what_to_bring_where(shelf: Shelf, free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.models.download.TRIES", 1)
    url = f"http://127.0.0.1:{free_port}/face.onnx"
    with pytest.raises(ModelError) as caught:
        pull(entry(shelf, url=url, restricted="research only"), accept_license=True, allow_http=True)
    assert "127.0.0.1 cannot be reached: Connection refused" in str(caught.value)
    assert f"download {url} elsewhere, put it at {downloads() / 'face.onnx'} and run" in str(caught.value)
    assert "`streamer models pull small --accept-license` again" in str(caught.value)


def test_what_is_not_free_needs_a_word(shelf: Shelf) -> None:
    asked = entry(shelf, license="CC-BY-NC-4.0", restricted="non-commercial")
    with pytest.raises(ModelError, match=r"CC-BY-NC-4.0 \(non-commercial\); read it, and pull with --accept-license"):
        pull(asked, allow_http=True)
    assert shelf.asked == []
    assert pull(asked, accept_license=True, allow_http=True).file.is_file()


def test_a_member_of_an_archive(shelf: Shelf, storage: Path) -> None:
    inner, packed = b"weights" * 100, io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("sdk/../../net/end2end.onnx", inner)
        archive.writestr("sdk/readme.txt", "read me")
    shelf.files["/sdk.zip"] = packed.getvalue()
    good = {"member": "end2end.onnx", "file": "pose.onnx", "sha256": hashlib.sha256(inner).hexdigest(), "size": 0}
    pulled = pull(entry(shelf, "/sdk.zip", **good), allow_http=True)
    assert pulled.file == storage / "files" / "pose.onnx"
    assert pulled.file.read_bytes() == inner
    assert [file.name for file in storage.rglob("*") if file.is_file()] == ["pose.onnx"]
    pulled.file.unlink()
    with pytest.raises(ModelError, match=r"end2end.onnx in .* has the SHA-256 .* both were deleted"):
        pull(entry(shelf, "/sdk.zip", **{**good, "sha256": "1" * 64}), allow_http=True)
    with pytest.raises(ModelError, match=r"has 0 files other.onnx, one is needed"):
        pull(entry(shelf, "/sdk.zip", **{**good, "member": "other.onnx"}), allow_http=True)
    shelf.files["/sdk.zip"] = b"no archive"
    (downloads() / "small.zip").unlink()
    with pytest.raises(ModelError, match=r"gave is no .zip; it was deleted"):
        pull(entry(shelf, "/sdk.zip", **good), allow_http=True)
    assert [file.name for file in storage.rglob("*") if file.is_file()] == []


def test_a_folder_that_cannot_be_written(shelf: Shelf, storage: Path) -> None:
    storage.parent.joinpath("models").write_text("a file where a folder should be")
    with pytest.raises(InputError, match=r"models pull small: .*models"):
        pull(entry(shelf), allow_http=True)


def test_the_own_registry_is_sound() -> None:
    entries = catalog.load()
    assert {
        "yolox_nano",
        "yolox_tiny",
        "yolox_s",
        "yolox_m",
        "yunet",
        "sface",
        "movenet_lightning",
        "rtmpose_s",
    } <= set(entries)
    for known in entries.values():
        assert known.url.startswith("https://"), known.name
        assert known.license in {"Apache-2.0", "MIT", "BSD-3-Clause"}, known.name
        assert not known.restricted
        assert known.checksum
        if known.sha256_prefix:  # torchvision's names hold the first digits of the sum
            assert known.sha256_prefix in known.url
    assert len({destination(known) for known in entries.values()}) == len(entries)


def test_torchvision_entries_are_those_of_torchvision() -> None:
    models = pytest.importorskip("torchvision.models")
    for known in catalog.load().values():
        if "download.pytorch.org" in known.url:
            found = [w for w in models.get_model_weights(known.name) if w.url == known.url]
            assert len(found) == 1, known.name
            assert abs(found[0].meta["_file_size"] * 2**20 - known.size) <= known.slack


def test_the_one_verified_file(shared_data: Path) -> None:
    known = catalog.entry_of("movenet_lightning")
    file = shared_data / "weights" / "movenet_lightning_int8.tflite"
    assert known.verified
    assert (hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_size) == (known.sha256, known.size)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[a", "no valid TOML"),
        ("a = 1", "a: must be a table [a] with url"),
        ('[a]\nurl = "https://x.example/a"\n', "a.license: Field required"),
        (
            '[a]\nurl = "ftp://x/a"\nlicense="MIT"\ntask="t"\nchecksum="c"\ninto="files"\nsha256_prefix="00000000"',
            "https://HOST",
        ),
        ('[a]\nurl = "https://x.example/a"\nlicense="MIT"\ntask="t"\nchecksum="c"\ninto="files"', "cannot be checked"),
        (
            '[a]\nurl = "https://x.example/a"\nlicense="MIT"\ntask="t"\nchecksum="c"\nsha256_prefix="00000000"',
            "needs a family",
        ),
        ('["../a"]\nurl = "https://x.example/a"\nlicense="MIT"\ntask="t"\nchecksum="c"', "../a.name"),
    ],
)
def test_a_wrong_registry(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        catalog.load(file)
    assert told in str(caught.value)
    assert str(file) in str(caught.value)


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(ModelError, match="did you mean 'yolox_nano'"):
        catalog.entry_of("yolox-nano")


def test_the_command(shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = entry(shelf)
    mine = tmp_path / "mine.toml"
    mine.write_text(
        f'[small]\nurl = "{known.url}"\nsha256 = "{known.sha256}"\nsize = {known.size}\nlicense = "MIT"\n'
        'task = "detection"\n'
        'into = "files"\nabout = "of this test"\nchecksum = "computed by this test"\nverified = true\n'
    )
    assert cli.main(["models", "pull", "small", "--registry", str(mine)]) == 2
    assert "only https addresses" in capsys.readouterr().err
    assert cli.main(["models", "pull", "small", "--registry", str(mine), "--allow-http"]) == 0
    assert "face.onnx: kept as it is; MIT; SHA-256 as expected\n" in capsys.readouterr().out
    assert cli.main(["models", "list", "--registry", str(mine)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^small +yes +detection +0.0 +MIT +verified +of this test$", out, re.MULTILINE)
    assert re.search(r"^yolox_nano +detection +3.7 +Apache-2.0 +quoted ", out, re.MULTILINE)
    assert cli.main(["models", "list"]) == 0
    assert "yolox_nano" not in capsys.readouterr().out
