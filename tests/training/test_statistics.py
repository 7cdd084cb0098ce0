"""What the table and the JSON say is what was put in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.training.light import BUCKETS
from streamer.training.look import look_at_all
from streamer.training.samples import Sample
from streamer.training.statistics import statistics, table
from tests.training.scenes import clip, write


def plain(path: Path, level: int, size: tuple[int, int] = (160, 96), seconds: float = 1.0) -> Path:
    rng = np.random.default_rng(level)
    picture = np.clip(rng.normal(level, 3, (size[1], size[0], 1)), 0, 255).astype(np.uint8).repeat(3, axis=2)
    return write(path, [np.roll(picture, i, axis=1) for i in range(round(seconds * 10))])


def test_numbers_by_class(tmp_path: Path) -> None:
    samples = [
        Sample(plain(tmp_path / "dark.mp4", 30), "fight", "s1", split="train"),
        Sample(plain(tmp_path / "dusk.mp4", 80, seconds=3), "fight", "s1", split="test"),
        Sample(plain(tmp_path / "day.mp4", 150, (320, 192)), "fight", "s2", split="train"),
        Sample(tmp_path / "gone.mp4", "fight", "s3"),
        Sample(clip(tmp_path / "color.mp4", 1, 1), "normal", "s2", 0.5, 1.5),
    ]
    fight, normal, every = statistics(samples, look_at_all(samples))
    assert (fight.label, fight.samples, fight.unusable, fight.sources) == ("fight", 4, 1, 2)
    assert fight.light == dict(zip(BUCKETS, (1, 1, 1), strict=True))
    assert fight.lengths_s == pytest.approx((1.0, 1.0, 3.0))
    assert fight.seconds == pytest.approx(5.0)
    assert fight.fps == pytest.approx((10, 10, 10))
    assert fight.sizes == {"160x96": 2, "320x192": 1}
    assert fight.splits == {"test": 1, "train": 2}
    assert (fight.gray, normal.gray) == (3, 0)
    assert normal.lengths_s == pytest.approx((1.0, 1.0, 1.0))  # of the segment, not of the file
    assert normal.motion[1] > 1
    assert (every.label, every.samples, every.unusable, every.sources) == ("all", 5, 1, 2)
    assert every.to_dict()["codecs"] == {"h264": 4}


def test_the_table(tmp_path: Path) -> None:
    samples = [Sample(clip(tmp_path / f"{i}.mp4", 1, i, seconds=1 + i), "x", "s1") for i in range(2)]
    header, row, total = table(statistics(samples, look_at_all(samples))).splitlines()
    assert header.split()[:6] == ["class", "samples", "unusable", "sources", "minutes", "length"]
    assert row.split()[:7] == ["x", "2", "0", "1", "0.1", "1.5", "(1.0-2.0)"]
    assert total.startswith("all")


def test_nothing_usable(tmp_path: Path) -> None:
    samples = [Sample(tmp_path / "gone.mp4", "x", "s1")]
    group, _ = statistics(samples, look_at_all(samples))
    assert (group.unusable, group.seconds, group.lengths_s, group.fps) == (1, 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    assert "x" in table([group])
