"""ONNX files read from their bytes, against the onnx library."""

import hashlib

import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.errors import ModelError
from streamer.models import onnxfile
from tests.models.tiny import tiny_yolox


@pytest.mark.parametrize("literal", [True, False])
def test_shapes_are_those_that_onnx_reads(tmp_path, literal):
    path = tiny_yolox(tmp_path / "tiny.onnx", literal=literal)
    outside = onnxfile.read(path)
    batch = 1 if literal else "batch"
    assert outside.inputs == ((batch, 3, 64, 64),)
    assert outside.outputs == ((batch, 84, 7),)
    assert outside.metadata == {}


def test_weights_listed_as_inputs_are_no_inputs(tmp_path):
    path = tiny_yolox(tmp_path / "tiny.onnx")
    model = onnx.load(str(path))
    model.graph.input.append(onnx.helper.make_tensor_value_info("w8", onnx.TensorProto.FLOAT, [7, 3, 8, 8]))
    onnx.save(model, str(path))
    assert onnxfile.read(path).inputs == ((1, 3, 64, 64),)


def test_the_checksum_is_of_everything_but_the_card(tmp_path):
    path = tiny_yolox(tmp_path / "tiny.onnx")
    before = onnxfile.read(path).content_sha256
    assert before == hashlib.sha256(path.read_bytes()).hexdigest()
    onnxfile.write_metadata(path, "streamer", "a card")
    assert onnxfile.read(path).content_sha256 == before
    onnxfile.write_metadata(path, "author", "somebody")
    assert onnxfile.read(path).content_sha256 != before


def test_long_entries_and_other_letters(tmp_path):
    path = tiny_yolox(tmp_path / "tiny.onnx")
    text = "Größe " * 5000
    onnxfile.write_metadata(path, "streamer", text)
    assert onnxfile.read(path).metadata["streamer"] == text
    assert onnx.load(str(path)).metadata_props[0].value == text


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300))
def test_any_bytes_are_refused_or_read_but_never_crash(tmp_path, data):
    path = tmp_path / "any.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelError, match="not an ONNX file"):
        onnxfile.read(path)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10**6), value=st.integers(0, 255))
def test_a_damaged_file_is_refused_or_has_another_checksum(tmp_path, at, value):
    path = tiny_yolox(tmp_path / "tiny.onnx")
    data = bytearray(path.read_bytes())
    before = onnxfile.read(path).content_sha256
    same = data[at % len(data)] == value
    data[at % len(data)] = value
    path.write_bytes(bytes(data))
    try:
        assert (onnxfile.read(path).content_sha256 == before) == same
    except ModelError:
        assert not same
