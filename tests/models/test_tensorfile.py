"""safetensors files read from their bytes."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from streamer.errors import ModelError
from streamer.models import tensorfile


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"w": np.arange(12, dtype=np.float32).reshape(3, 4), "n": np.array([7])}, path)
    return path


def test_shapes_and_metadata(path):
    outside = tensorfile.read(path)
    assert outside.tensors == {"w": (3, 4), "n": (1,)}
    assert outside.metadata == {}
    tensorfile.write_metadata(path, "streamer", "a card")
    tensorfile.write_metadata(path, "author", "Jürgen")
    again = tensorfile.read(path)
    assert again.metadata == {"streamer": "a card", "author": "Jürgen"}
    assert again.content_sha256 == outside.content_sha256
    assert load_file(path)["w"][2, 3] == 11


def test_changed_tensors_have_another_checksum(path):
    before = tensorfile.read(path).content_sha256
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    assert tensorfile.read(path).content_sha256 != before


@pytest.mark.parametrize("cut", [1, 8, 60])
def test_truncated(path, cut):
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(ModelError, match="truncated"):
        tensorfile.read(path)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused(tmp_path, data):
    path = tmp_path / "any.safetensors"
    path.write_bytes(data)
    with pytest.raises(ModelError, match="safetensors"):
        tensorfile.read(path)


@pytest.mark.parametrize("header", [b"[]", b"nonsense", b'{"w": 1}', b'{"w": {"shape": [1]}}'])
def test_headers_that_are_none(tmp_path, header):
    path = tmp_path / "any.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ModelError, match="not a safetensors file"):
        tensorfile.read(path)
