"""Third-party files become model files, or are refused with a reason."""

import numpy as np
import onnx
import onnxruntime
import pytest

from streamer.errors import ModelError
from streamer.inference.loaded import LoadedNetwork
from streamer.inference.picture import Picture
from streamer.inference.runtimes import Plan
from streamer.inference.settings import ModelSpec
from streamer.models import onnxfile
from streamer.models.card import load_card
from streamer.models.detector import Overrides
from streamer.models.importer import Origin, import_file
from streamer.models.labels import COCO80, coco91
from tests.inference.accuracy import campus
from tests.models.tiny import LABELS, picture, tiny_yolox

TINY = Origin("yolox", labels=LABELS)


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def as_bytes(pixels):
    return pixels.reshape(len(pixels), 1, pixels.shape[1], -1)


def as_planes(pixels):
    """float32 (n, 3, h, w) BGR, as the file outside wants them."""
    return np.ascontiguousarray(pixels[..., ::-1].transpose(0, 3, 1, 2)).astype(np.float32)


def test_labels_of_coco():
    assert len(COCO80) == len(set(COCO80)) == 80
    assert (COCO80[0], COCO80[2], COCO80[7], COCO80[15], COCO80[79]) == ("person", "car", "truck", "cat", "toothbrush")
    full = coco91()
    assert len(full) == len(set(full)) == 91
    assert (full[0], full[1], full[13], full[90]) == ("background", "person", "stop sign", "toothbrush")


def test_a_literal_batch_becomes_dynamic(tmp_path):
    source = tiny_yolox(tmp_path / "tiny.onnx")
    card = import_file(source, tmp_path / "out.onnx", TINY)
    assert card.dynamic_batch
    assert card.input.stride == 32
    assert (card.input.layout, card.input.color, card.output) == ("pixels", "RGB", "columns")
    assert card == load_card(tmp_path / "out.onnx", "detection")
    assert onnxfile.read(tmp_path / "out.onnx").inputs == (("batch", 1, "height", "row_bytes"),)
    pixels = np.stack([picture((i, i)) for i in range(8)])
    out = session(tmp_path / "out.onnx")
    (batch,) = out.run(None, {"images": as_bytes(pixels)})
    old = session(source)
    for image, columns in zip(as_planes(pixels), batch, strict=True):
        assert np.allclose(old.run(None, {"images": image[None]})[0][0], columns.T, atol=1e-5)


def test_a_file_that_mixes_images_stays_at_batch_one(tmp_path, monkeypatch):
    """Without the repair a batch of 4 has another shape or order: the proof must notice by itself."""
    from streamer.models import importer

    def only_free_the_input(file, draft):
        model = onnx.load(str(file))
        for value in (model.graph.input[0], model.graph.output[0]):
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
        onnx.save(model, str(draft))

    monkeypatch.setattr(importer, "_free_dimensions", only_free_the_input)
    card = import_file(tiny_yolox(tmp_path / "tiny.onnx"), tmp_path / "out.onnx", TINY)
    assert not card.dynamic_batch
    assert card.input.stride == 0


def test_where_it_came_from_is_kept(tmp_path):
    import hashlib

    source = tiny_yolox(tmp_path / "tiny.onnx")
    card = import_file(source, tmp_path / "out.onnx", Origin("yolox", LABELS, license="MIT", source="a friend"))
    assert (card.license, card.source) == ("MIT", "a friend")
    assert card.made_from_sha256 == hashlib.sha256(source.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("make", "origin", "words"),
    [
        ({}, Origin("yolox"), "--labels"),
        ({}, Origin("yolox", labels=("one",)), "has output"),
        ({"decoded": True}, TINY, "decode_in_inference"),
        ({}, Origin("yolo99"), "is not one of yolox, torchvision"),
        ({}, Origin("motion"), "is not one of"),
    ],
    ids=["number of labels", "other labels", "decoded", "family", "motion"],
)
def test_what_is_refused_leaves_nothing_behind(tmp_path, make, origin, words):
    source = tiny_yolox(tmp_path / "tiny.onnx", **make)
    with pytest.raises(ModelError, match=words):
        import_file(source, tmp_path / "out.onnx", origin)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.onnx"]


@pytest.mark.parametrize(
    ("file", "out", "words"),
    [
        ("absent.onnx", "out.onnx", "no such file"),
        ("tiny.onnx", "out.pt", "must end in .onnx"),
        ("tiny.onnx", "absent/out.onnx", "folder"),
        ("noise.onnx", "out.onnx", "not an ONNX file"),
        ("cut.onnx", "out.onnx", "truncated"),
    ],
)
def test_files_that_cannot_be(tmp_path, file, out, words):
    data = tiny_yolox(tmp_path / "tiny.onnx").read_bytes()
    (tmp_path / "noise.onnx").write_bytes(b"\x00" * 100)
    (tmp_path / "cut.onnx").write_bytes(data[:-200])
    with pytest.raises(ModelError, match=words):
        import_file(tmp_path / file, tmp_path / out, TINY)


def test_the_real_one(shared_data, tmp_path):
    """The three literal reshapes of yolox_nano: a batch of 8 equals eight of 1, square and with the padding cut."""
    source = shared_data / "weights" / "yolox_nano.onnx"
    card = import_file(source, tmp_path / "nano.onnx", Origin("yolox"))
    assert card.dynamic_batch
    assert card.labels == COCO80
    assert (card.input.width, card.input.height, card.input.stride) == (416, 416, 32)
    new, old = session(tmp_path / "nano.onnx"), session(source)
    images = np.random.default_rng(3).integers(0, 256, (8, 416, 416, 3)) * np.linspace(0.2, 1, 8).reshape(8, 1, 1, 1)
    images = images.astype(np.uint8)
    (batch,) = new.run(None, {"images": as_bytes(images)})
    for image, columns in zip(as_planes(images), batch, strict=True):
        assert np.abs(old.run(None, {"images": image[None]})[0][0] - columns.T).max() < 1e-3
    wide = as_bytes(images[:, :256])
    (batch,) = new.run(None, {"images": wide})
    for image, columns in zip(wide, batch, strict=True):
        assert np.abs(new.run(None, {"images": image[None]})[0][0] - columns).max() < 1e-3


def test_files_of_before_say_the_same(shared_data, tmp_path, monkeypatch):
    """A file imported when networks took planes still loads, and finds the same in real frames."""
    from streamer.models import importer

    source = shared_data / "weights" / "yolox_nano.onnx"
    new_card = import_file(source, tmp_path / "new.onnx", Origin("yolox"))
    monkeypatch.setattr(importer, "_quicken", lambda draft, layout: False)
    old_card = import_file(source, tmp_path / "old.onnx", Origin("yolox"))
    assert (old_card.input.layout, old_card.input.color, old_card.output) == ("planes", "BGR", "rows")
    frames, _ = campus(shared_data, every=40)
    old, new = (
        LoadedNetwork(ModelSpec("m", tmp_path / file, Overrides(confidence=0.1)), card, Plan("onnxruntime"))
        for file, card in (("old.onnx", old_card), ("new.onnx", new_card))
    )
    pictures = [Picture("campus", 1, frame.time, frame.pixels) for frame in frames]
    for before, after in zip(old.run(pictures), new.run(pictures), strict=True):
        assert len(before) > 0
        assert before.label_ids.tolist() == after.label_ids.tolist()
        assert np.allclose(before.boxes, after.boxes, atol=1e-3)
        assert np.allclose(before.confidence, after.confidence, atol=1e-3)
