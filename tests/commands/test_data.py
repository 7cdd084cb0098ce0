"""`streamer data ...` as a person types it: what is printed, written and returned."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from streamer import cli
from streamer.training.samples import Sample, read_samples, write_samples
from tests.training.scenes import clip, pictures, write
from tests.training.test_encoder import streaming


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr("streamer.models.registry._SHIPPED", tmp_path / "shipped")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve clips of two classes and six sources, with a list."""
    folder = tmp_path / "data"
    samples = []
    for i in range(12):
        label = "fight" if i % 2 else "normal"
        file = clip(folder / label / f"{i:02d}.mp4", i // 2, i, seconds=1.2)
        samples.append(Sample(file, label, f"s{i // 2}", camera=f"c{i // 4}"))
    write_samples(folder / "clips.csv", samples)
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = cli.main(["data", *map(str, arguments)])
    told = capsys.readouterr()
    return status, told.out, told.err


def test_check(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "check", data) == (0, "12 samples, 0 findings; 0 samples cannot be used\n", "")
    (data / "fight" / "01.mp4").write_text("no film")
    status, out, _ = run(capsys, "check", data, "--least-seconds", 1.3)
    assert status == 1
    assert "no picture could be decoded: 1\n  fight/01.mp4: " in out
    assert "too short to learn from: 11\n" in out
    assert out.endswith("12 samples, 12 findings; 1 samples cannot be used\n")
    status, out, _ = run(capsys, "check", data, "--json")
    told = json.loads(out)
    assert (status, told["samples"], [f["kind"] for f in told["findings"]]) == (1, 12, ["unreadable"])


def test_check_of_labels(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cleanlab")
    samples = read_samples(data)
    rows = [f"{s.file},{0.9 if s.label == 'fight' else 0.1},{0.1 if s.label == 'fight' else 0.9}" for s in samples]
    rows[3] = f"{samples[3].file},0.02,0.98"  # a fight that no fold takes for one
    file = tmp_path / "p.csv"
    file.write_text("file,fight,normal\n" + "\n".join(rows) + "\n")
    status, out, _ = run(capsys, "check", data, "--probabilities", file)
    assert status == 0
    assert "labels in doubt: 1 of 12 (out of fold 0.92 right, guessing 0.50;" in out
    assert "  fight/03.mp4: fight has probability 0.02, rather normal\n" in out
    model = streaming(tmp_path / "net.onnx")
    status, out, _ = run(capsys, "check", data, "--labels", "--model", model, "--json")
    told = json.loads(out)["labels"]
    assert told["judged"] == 12
    assert set(told) == {"judged", "accuracy", "guessing", "doubts"}


def test_dedup(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "dedup", data)
    assert status == 0
    assert "12 samples compared by perceptual hash and movement only (no model is shipped: --model gives one" in out
    write(
        data / "normal" / "copy.mp4", [p[::2, ::2] for p in pictures(0, 1, seconds=1.2)]
    )  # 01.mp4, under another label
    samples = read_samples(data)
    write_samples(data / "clips.csv", [*samples, Sample(data / "normal" / "copy.mp4", "normal", "web")])
    clean = tmp_path / "clean.csv"
    status, out, _ = run(capsys, "dedup", data, "--model", streaming(tmp_path / "net.onnx"), "--out", clean)
    assert status == 1
    lines = out.splitlines()
    assert lines[0] == "copies with different labels, one of them is wrong: 1"
    assert "copies: fight/01.mp4 and normal/copy.mp4 (fight / normal; sources s0 and web; movement" in lines[1]
    assert "by perceptual hash, movement and embeddings by net; 0 unreadable" in out
    assert f"{clean}: 11 samples, 2 left out" in out
    assert not {"01.mp4", "copy.mp4"} & {s.file.name for s in read_samples(clean)}
    status, out, _ = run(capsys, "dedup", data, "--model", "none", "--json")
    told = json.loads(out)
    assert (status, told["by"], told["pairs"][0]["conflict"]) == (1, "perceptual hash and movement", True)


def test_dedup_of_what_cannot_be_read(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in data.rglob("*.mp4"):
        file.write_text("no film")
    status, _, err = run(capsys, "dedup", data)
    assert (status, err) == (2, "data dedup: no picture could be decoded of any of 12 samples: see data check\n")


def test_a_shipped_model_is_used_by_itself(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shipped").mkdir()
    streaming(tmp_path / "shipped" / "fight.onnx")
    assert "embeddings by fight" in run(capsys, "dedup", data)[1]
    status, _, err = run(capsys, "dedup", data, "--model", "motion")
    assert (status, err) == (2, "model motion: it has no network to embed clips by\n")


def test_split(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "split.csv"
    status, told, _ = run(capsys, "split", data, "--out", out, "--shares", "0.5,0.17,0.33")
    assert status == 0
    assert told == (
        f"{out}: train 6 of 3 sources (fight 3, normal 3); val 2 of 1 sources (fight 1, normal 1); "
        "test 4 of 2 sources (fight 2, normal 2)\n"
    )
    samples = read_samples(out)
    assert len({(s.source, s.split) for s in samples}) == 6
    assert [s.file.resolve() for s in samples] == [s.file.resolve() for s in read_samples(data)]
    assert run(capsys, "split", out, "--out", out, "--by", "camera", "--shares", "0.34,0.33,0.33")[0] == 0
    assert len({(s.camera, s.split) for s in read_samples(out)}) == 3


def test_folds(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "split", data, "--out", tmp_path / "fold.csv", "--folds", 3)[0] == 0
    folds = [read_samples(tmp_path / f"fold-{i}.csv") for i in (1, 2, 3)]
    assert [Counter(s.split for s in fold) for fold in folds] == [Counter(train=8, test=4)] * 3
    tested = [s.file.name for fold in folds for s in fold if s.split == "test"]
    assert len(set(tested)) == 12


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--shares", "0.5,0.5"), "--shares must be three fractions of train, val, test with sum 1, got '0.5,0.5'"),
        (("--shares", "0.5,0.4,0.4"), "with sum 1"),
        (("--shares", "a,b,c"), "with sum 1"),
        (("--folds", "1"), "--folds must be at least 2, got 1"),
        (("--folds", "7"), "12 samples of 6 sources cannot make 7 parts"),
    ],
)
def test_wrong_splits(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], told: str
) -> None:
    status, _, err = run(capsys, "split", data, "--out", tmp_path / "x.csv", *options)
    assert status == 2
    assert told in err


def test_a_split_by_camera_needs_cameras(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "clips.csv").unlink()
    status, _, err = run(capsys, "split", data, "--out", tmp_path / "x.csv", "--by", "camera")
    assert (status, err) == (2, "data split: 12 of 12 samples name no camera; add that column\n")


def test_stats(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "stats", data)
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == ["class", "fight", "normal", "all", "light:"]
    assert "night under a mean luma of 60, day from 100" in out
    groups = json.loads(run(capsys, "stats", data, "--json")[1])["groups"]
    assert [(group["label"], group["samples"], group["sources"]) for group in groups] == [
        ("fight", 6, 6), ("normal", 6, 6), ("all", 12, 6),
    ]  # fmt: skip


def test_import(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "fight" / "01.mp4").unlink()
    out = tmp_path / "new"
    status, told, _ = run(capsys, "import", data, "--out", out, "--label", "normal=peace")
    assert status == 0
    assert told == (
        f"skipped fight/01.mp4: the file cannot be opened or read: no such file\n"
        f"{out}: 11 samples (fight 5, peace 6); 11 copied; 1 skipped\n"
    )
    assert Counter(s.label for s in read_samples(out)) == Counter(fight=5, peace=6)
    status, _, err = run(capsys, "import", data, "--out", tmp_path / "n", "--label", "normal")
    assert (status, err) == (2, "data import: --label needs OLD=NEW, got 'normal'\n")


def test_no_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (("check",), ("dedup",), ("stats",), ("split", "--out", "x.csv"), ("import", "--out", "x")):
        status, _, err = run(capsys, command[0], tmp_path / "gone", *command[1:])
        assert (status, err) == (2, f"{tmp_path / 'gone'}: no such folder or file\n")
