import threading
import time

import pytest

from streamer.errors import SourceError
from streamer.sources.clip import ClipSource
from tests.sources.test_recording import write


def read_all(source):
    pictures = []
    while True:
        try:
            pictures += source.read()
        except SourceError as error:
            return pictures, error


def test_plays_at_its_own_pace(tmp_path):
    source = ClipSource(write(tmp_path / "a.mp4", n=8, fps=20))
    source.open(1)
    began = time.monotonic()
    pictures, error = read_all(source)
    assert error.cause == "ended"
    assert time.monotonic() - began >= 7 / 20 - 0.01
    assert all(p.arrived_at - began >= p.pts_s - 0.01 for p in pictures)
    assert source.info.transport == "file"
    assert source.counts.decoded == 8
    source.close()


def test_as_fast_as_it_is_read(tmp_path):
    source = ClipSource(write(tmp_path / "a.mp4", n=20, fps=1), realtime=False)
    source.open(1)
    assert len(read_all(source)[0]) == 20
    source.close()


def test_abort_ends_the_wait(tmp_path):
    source = ClipSource(write(tmp_path / "a.mp4", n=4, fps=1))
    source.open(1)
    source.read()
    threading.Timer(0.05, source.abort).start()
    with pytest.raises(SourceError, match="given up"):
        source.read()
    source.close()


def test_missing_file(tmp_path):
    source = ClipSource(tmp_path / "none.mp4")
    with pytest.raises(SourceError):
        source.open(1)
    source.close()
