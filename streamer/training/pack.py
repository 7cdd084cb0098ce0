"""A data set as bare frames: for a machine that has neither the videos nor a decoder, such as a rented GPU.

The folder has a `clips.csv` like any other, beside it one array a clip, and what they were made for. Labels, sources
and splits come along. Called by `streamer train --pack`.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from streamer.errors import InputError
from streamer.models.card import Input
from streamer.training.frames import PACKED, Clip, geometry


def pack(clips: Sequence[Clip], folder: Path, shape: Input, fps: float) -> None:
    """Copy the frames of clips into a folder that `read_samples` reads.

    Args:
        clips: of `gather`.
        folder: made; must be empty or missing.
        shape: the input that they were decoded for.
        fps: their time grid.

    Raises:
        InputError: the folder holds something, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise InputError(f"train: --pack {folder}: the folder is not empty")
        rows = []
        for i, clip in enumerate(clips):
            name = f"{i:06d}.npy"
            shutil.copyfile(clip.frames, folder / name)
            rows.append((name, clip.sample.label, clip.sample.source, clip.sample.camera, clip.sample.split))
        with (folder / "clips.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("file", "label", "source", "camera", "split"), *rows])
        (folder / PACKED).write_text(json.dumps({"input": geometry(shape), "fps": fps}))
    except OSError as error:
        raise InputError(f"train: --pack {folder}: {error.strerror}") from error
