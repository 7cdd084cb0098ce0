"""A tiny imported model, pictures in shared memory, and a place for measured plans."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from streamer.inference.settings import ModelSpec
from streamer.models.importer import Origin, import_file
from streamer.slots import SlotPool
from streamer.types import Frame, SlotRef
from tests.models.tiny import LABELS, tiny_yolox


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's measured plans."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    import_file(tiny_yolox(folder / "source.onnx"), folder / "tiny.onnx", Origin("yolox", LABELS))
    return folder / "tiny.onnx"


@pytest.fixture
def tiny(tiny_file):
    return ModelSpec("tiny", tiny_file)


class Camera:
    """Frames of one camera in slots of its own."""

    numbers = itertools.count(1)

    def __init__(self, name, slots=4, slot_bytes=416 * 416 * 3):
        self.name = name
        self.pool = SlotPool.create(next(self.numbers), slots, slot_bytes)
        self.index = 0

    def frame(self, pixels, session=1):
        slot = self.index % self.pool.slots
        generation = self.pool.write(slot, np.ascontiguousarray(pixels))
        view = self.pool.view(slot, generation, pixels.shape[1], pixels.shape[0])
        self.index += 1
        at = self.index / 5
        ref = SlotRef(self.pool.pool_id, slot, generation)
        return Frame(self.name, session, self.index, at, at, view, slot=ref)


@pytest.fixture
def cameras():
    made = []

    def make(*names):
        made.extend(Camera(name) for name in names)
        return made[-len(names) :]

    yield make
    for camera in made:
        camera.pool.close()
