import pytest

from streamer.errors import SourceError
from streamer.sources.address import Address
from streamer.sources.opencv import OpencvSource
from tests.sources.test_recording import write


def test_pictures_with_the_time_of_their_arrival(tmp_path):
    source = OpencvSource(Address("file", target=str(write(tmp_path / "a.mp4", n=6))))
    source.open(5)
    pictures = [picture for _ in range(6) for picture in source.read()]
    assert [p.frame.width for p in pictures] == [160] * 6
    assert all(p.pts_s == p.arrived_at and p.key for p in pictures)
    assert source.info.transport == "opencv"
    with pytest.raises(SourceError, match="no more pictures"):
        source.read()
    source.close()
    source.close()


def test_a_device_that_is_not_there():
    source = OpencvSource(Address("device", target="97"))
    with pytest.raises(SourceError, match="device 97") as caught:
        source.open(5)
    assert caught.value.cause == "not_found"
    source.close()


def test_abort(tmp_path):
    source = OpencvSource(Address("file", target=str(write(tmp_path / "a.mp4", n=2))))
    source.open(5)
    source.abort()
    with pytest.raises(SourceError, match="given up"):
        source.read()
    source.close()
