"""Clips as frames: what live would have seen, decoded once, kept within bounds, and without a decoder from a pack."""

from __future__ import annotations

import builtins
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamer.errors import InputError
from streamer.models.card import Input
from streamer.models.transforms import fit
from streamer.sources.file import FileSource
from streamer.training import frames
from streamer.training.frames import FrameCache, decode, gather
from streamer.training.pack import pack
from streamer.training.samples import Sample, read_samples
from tests.training.clips import SHAPE, square, write_clips, write_video


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "a.mp4", square("jumpy", 1))


def sample(path: Path, **more: Any) -> Sample:
    return Sample(path, "jumpy", "s", **more)


def test_frames_are_those_of_the_live_path(video: Path) -> None:
    live = [fit(pixels, SHAPE) for _, _, pixels in FileSource(video, 5, 416, 416)]
    found = decode(sample(video), SHAPE, 5)
    assert found.dtype == np.uint8
    assert found.shape == (10, 32, 32, 3)
    assert np.array_equal(found, np.stack(live))


def test_a_letterboxed_input_keeps_the_aspect(tmp_path: Path) -> None:
    wide = [np.full((32, 64, 3), 200, np.uint8)] * 4
    path = write_video(tmp_path / "wide.mp4", wide)
    found = decode(sample(path), Input(width=32, height=32), 10)
    assert found[0, :16].min() > 190
    assert (found[0, 17:] == 114).all()


def test_a_slower_film_repeats_frames_on_the_grid(video: Path) -> None:
    found = decode(sample(video), SHAPE, 20)  # of 10 frames a second
    assert len(found) == 39
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[-1], decode(sample(video), SHAPE, 10)[-1])


def test_a_hole_is_filled_with_the_frame_before_up_to_three_times(tmp_path: Path) -> None:
    pictures = square("jumpy", 3, 6)
    path = write_video(tmp_path / "hole.mp4", pictures, times=[0, 1, 2, 12, 13, 14])
    found = decode(sample(path), SHAPE, 10)
    assert len(found) == 9
    assert all(np.array_equal(found[2], held) for held in found[3:6])
    assert not np.array_equal(found[5], found[6])


def test_a_segment_is_cut_by_time(video: Path) -> None:
    whole = decode(sample(video), SHAPE, 5)
    assert np.array_equal(decode(sample(video, start_s=0.4, end_s=1.0), SHAPE, 5), whole[2:5])


def test_what_cannot_be_read_names_the_clip(tmp_path: Path, video: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(InputError, match=r"clip .*broken\.mp4: the file cannot be opened or read"):
        decode(sample(broken), SHAPE, 5)
    with pytest.raises(InputError, match="no picture between 50 s and 60 s"):
        decode(sample(video, start_s=50.0, end_s=60.0), SHAPE, 5)


def test_a_clip_is_decoded_once(tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = FrameCache(tmp_path / "cache").get(sample(video), SHAPE, 5)
    before = np.load(path)
    monkeypatch.setattr(frames, "decode", None)
    assert np.array_equal(np.load(FrameCache(tmp_path / "cache").get(sample(video), SHAPE, 5)), before)


def test_a_complete_cache_needs_no_libav(tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FrameCache(tmp_path / "cache").get(sample(video), SHAPE, 5)
    monkeypatch.delitem(sys.modules, "streamer.sources.file", raising=False)
    true_import = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name == "av" or name.startswith(("av.", "cv2")):
            raise ImportError(name)
        return true_import(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    assert FrameCache(tmp_path / "cache").get(sample(video), SHAPE, 5).is_file()


def test_another_film_rate_size_or_part_is_another_entry(tmp_path: Path, video: Path) -> None:
    other = write_video(tmp_path / "b.mp4", square("jumpy", 2))
    entries = {
        frames.key(sample(video), SHAPE, 5),
        frames.key(sample(other), SHAPE, 5),
        frames.key(sample(video), SHAPE, 10),
        frames.key(sample(video), SHAPE.model_copy(update={"width": 64}), 5),
        frames.key(sample(video), SHAPE.model_copy(update={"fit": "letterbox"}), 5),
        frames.key(sample(video, start_s=0.5), SHAPE, 5),
    }
    assert len(entries) == 6
    assert frames.key(sample(video), SHAPE.model_copy(update={"scale": 1.0}), 5) in entries  # pixels are the same


def test_a_file_that_was_cut_short_is_decoded_again(tmp_path: Path, video: Path) -> None:
    cache = FrameCache(tmp_path / "cache")
    path = cache.get(sample(video), SHAPE, 5)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])
    assert cache.get(sample(video), SHAPE, 5).read_bytes() == whole


def test_the_cache_is_bounded_and_drops_what_was_not_used_for_longest(tmp_path: Path) -> None:
    videos = [write_video(tmp_path / f"{i}.mp4", square("jumpy", i)) for i in range(4)]
    first = FrameCache(tmp_path / "cache")
    paths = [first.get(sample(video), SHAPE, 5) for video in videos[:3]]
    for age, path in zip((10, 30, 20), paths, strict=True):
        os.utime(path, (1e9 - age, 1e9 - age))
    size = paths[0].stat().st_size
    FrameCache(tmp_path / "cache", limit_bytes=3.5 * size).get(sample(videos[3]), SHAPE, 5)
    assert [path.exists() for path in paths] == [True, False, True]


def test_clips_of_one_training_are_never_dropped_for_each_other(tmp_path: Path) -> None:
    videos = [write_video(tmp_path / f"{i}.mp4", square("jumpy", i)) for i in range(3)]
    cache = FrameCache(tmp_path / "cache", limit_bytes=70_000)
    with pytest.raises(InputError, match=r"alone take over 7e-05 GB; raise cache\.limit_gb"):
        gather([sample(video) for video in videos], cache, SHAPE, 5)


def test_what_cannot_be_read_is_skipped_and_told(tmp_path: Path, video: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    told: list[tuple[str, float, float]] = []
    found = gather(
        [sample(broken), sample(video), sample(tmp_path / "gone.mp4")],
        FrameCache(tmp_path / "cache"),
        SHAPE,
        5,
        lambda *it: told.append(it),
    )
    assert [(clip.sample.file, clip.length) for clip in found.clips] == [(video, 10)]
    assert len(found.skipped) == 2
    assert "gone.mp4: cannot be read: No such file" in found.skipped[1]
    assert told[-1] == ("frames", 3, 3)


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none of 1 clips can be read; the first:"):
        gather([sample(tmp_path / "gone.mp4")], FrameCache(tmp_path / "cache"), SHAPE, 5)


def test_a_pack_is_a_data_set_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = read_samples(write_clips(tmp_path / "data", each=1))
    cache = FrameCache(tmp_path / "cache")
    clips = gather(samples, cache, SHAPE, 5).clips
    pack(clips, tmp_path / "pack", SHAPE, 5)
    monkeypatch.setitem(sys.modules, "streamer.sources.file", None)
    packed = read_samples(tmp_path / "pack")
    again = gather(packed, FrameCache(tmp_path / "other"), SHAPE, 5).clips
    assert [(it.label, it.source) for it in packed] == [(it.label, it.source) for it in samples]
    for one, other in zip(clips, again, strict=True):
        assert np.array_equal(np.load(one.frames), np.load(other.frames))
    with pytest.raises(InputError, match="pack the clips again"):
        gather(packed, FrameCache(tmp_path / "other"), SHAPE, 10)
    with pytest.raises(InputError, match="the folder is not empty"):
        pack(clips, tmp_path / "pack", SHAPE, 5)
