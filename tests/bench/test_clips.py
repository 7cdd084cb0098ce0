"""Streaming against sliding clips: the same model, the same decisions, other costs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streamer import cli
from streamer.bench import clips
from streamer.bench.clips import HOPS, compare
from streamer.errors import InputError
from streamer.training.sliding import sliding, windows
from streamer.training.stream import behaviour_card
from tests.films import film
from tests.models.stepping import light, stepping


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(clips, "_LEAST_S", 0.02)
    return stepping(tmp_path / "light.onnx", thresholds={"bright": 0.4})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for label, seconds in (("bright", 5.0), ("dark", 1.0)):
        for source in "abc":
            folder = tmp_path / "clips" / label / f"{source}-{label}"
            folder.mkdir(parents=True)
            film(folder / "film.mp4", seconds=seconds)
    return tmp_path / "clips"


def test_windows_of_a_clip() -> None:
    assert windows(20, 16, 1) == [(0, 16), (1, 17), (2, 18), (3, 19), (4, 20)]
    assert windows(40, 16, 8) == [(0, 16), (8, 24), (16, 32), (24, 40)]
    assert windows(40, 16, 16) == [(0, 16), (16, 32)]
    assert windows(10, 16, 8) == [(0, 10)]


def test_windows_of_every_hop_are_among_those_of_hop_one() -> None:
    for count in range(1, 60):
        every = windows(count, 16, 1)
        assert all(set(windows(count, 16, hop)) <= set(every) for hop in HOPS)


def test_a_window_is_computed_from_nothing(model: Path) -> None:
    answer = sliding(model, behaviour_card(model))
    frames = np.stack([light(1.0, 16, 16)] * 3)
    assert answer(frames).tolist() == pytest.approx([0.125, 0.875])
    assert answer(frames).tolist() == pytest.approx([0.125, 0.875])  # and remembers nothing


def test_all_ways_in_one_run(model: Path, data: Path) -> None:
    found = compare(model, data)
    ways = {row.way: row for row in found.rows}
    assert list(ways) == ["streaming", "streaming, 8 cameras a batch", *(f"sliding clips, hop {hop}" for hop in HOPS)]
    assert (found.clips, found.window) == (6, 16)
    assert [row.accuracy for row in found.rows] == [1.0] * 5
    one, every, half, whole = (ways[name] for name in ("streaming", *(f"sliding clips, hop {hop}" for hop in HOPS)))
    assert one.times == 1.0
    assert every.times > 2  # sixteen frames are computed for each answer, not one
    assert every.camera_ms > half.camera_ms > whole.camera_ms
    for row in found.rows:
        assert row.cameras == pytest.approx(1000 / row.camera_ms)
        assert row.cameras_5 == pytest.approx(row.cameras)  # it was trained at five frames a second


def test_without_data_there_are_costs_and_no_accuracy(model: Path) -> None:
    found = compare(model)
    assert found.clips == 0
    assert {row.accuracy for row in found.rows} == {None}
    assert "no --data, no accuracy" in found.to_text()


def test_some_clips_of_each_label(model: Path, data: Path) -> None:
    assert compare(model, data, limit=2).clips == 4


def test_a_label_that_no_clip_has(model: Path, data: Path) -> None:
    with pytest.raises(InputError, match=r"no clip of .* has the label 'fight'"):
        compare(model, data, "fight")


def test_from_the_command_line(model: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "--compare-clip", str(model), "--data", str(data), "--clips", "1", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["clips"], row["threads"], row["fps"], len(row["ways"])) == (2, 1, 5.0, 5)
    assert {"way", "ms", "camera_ms", "cameras", "cameras_5", "times", "accuracy", "auroc"} <= set(row["ways"][0])
    assert cli.main(["bench", "--compare-clip", str(model), "--clips", "0"]) == 2
