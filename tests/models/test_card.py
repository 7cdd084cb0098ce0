"""Cards: in the file, about the file, and of nothing else."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file, save_file

from streamer.errors import ModelError
from streamer.models import onnxfile
from streamer.models.card import KEY, Card, Head, Input, State, load_card, write_card
from tests.models.stepping import SIZE, stepping
from tests.models.tiny import LABELS, tiny_yolox


def stepping_state():
    return (
        State(name="mean", shape=(1,)),
        State(name="count", shape=(1, 1)),
        State(name="map", shape=(3, SIZE, SIZE)),
    )


def card(**changes):
    fields = {"task": "detection", "family": "yolox", "labels": LABELS, "input": Input(width=64, height=64)}
    return Card(**{**fields, **changes})


@pytest.fixture
def model(tmp_path):
    path = tiny_yolox(tmp_path / "tiny.onnx")
    write_card(path, card())
    return path


def test_a_card_comes_back_as_it_was_written(tmp_path):
    path = tiny_yolox(tmp_path / "tiny.onnx")
    written = write_card(path, card(license="MIT", metrics={"ap50": 0.5}, fps=5.0, dynamic_batch=True))
    assert load_card(path) == written
    assert written.content_sha256
    assert load_card(path, "detection").metrics == {"ap50": 0.5}


def test_other_libraries_still_read_the_file(model):
    loaded = onnx.load(str(model))
    onnx.checker.check_model(loaded)
    assert {entry.key for entry in loaded.metadata_props} == {KEY}
    assert onnxfile.read(model).metadata[KEY] == loaded.metadata_props[0].value


def test_writing_again_replaces_the_card_and_keeps_other_metadata(tmp_path):
    path = tiny_yolox(tmp_path / "tiny.onnx")
    onnxfile.write_metadata(path, "author", "somebody")
    for license in ("one", "two"):
        write_card(path, card(license=license))
    assert load_card(path).license == "two"
    metadata = onnxfile.read(path).metadata
    assert set(metadata) == {"author", KEY}
    assert metadata["author"] == "somebody"


def test_a_card_in_safetensors(tmp_path):
    path = tmp_path / "weights.safetensors"
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(3, np.int64)}
    save_file(tensors, path, {"format": "np"})
    written = write_card(path, card(family="torchvision", architecture="ssdlite320_mobilenet_v3_large"))
    assert load_card(path) == written
    back = load_file(path)
    assert np.array_equal(back["a"], tensors["a"])
    assert np.array_equal(back["b"], tensors["b"])


def test_a_file_without_a_card_says_how_to_make_one(tmp_path):
    with pytest.raises(ModelError, match="streamer models import"):
        load_card(tiny_yolox(tmp_path / "tiny.onnx"))


@pytest.mark.parametrize("keep", [0.01, 0.3, 0.7, 0.95, 0.9999])
def test_a_truncated_file_is_named_so(model, keep):
    data = model.read_bytes()
    model.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(ModelError, match=r"truncated|has no card|damaged") as caught:
        load_card(model)
    assert str(model) in str(caught.value)


def test_changed_weights_are_noticed(model):
    data = bytearray(model.read_bytes())
    at = data.index(np.float32(-20.0).tobytes())
    data[at] ^= 1
    model.write_bytes(bytes(data))
    with pytest.raises(ModelError, match="changed or damaged"):
        load_card(model)


def test_the_card_of_another_file_is_noticed(model, tmp_path):
    other = tiny_yolox(tmp_path / "other.onnx", literal=False)
    onnxfile.write_metadata(other, KEY, onnxfile.read(model).metadata[KEY])
    with pytest.raises(ModelError, match="SHA-256"):
        load_card(other)


def test_wrong_task(model):
    with pytest.raises(ModelError, match="its task is detection, behaviour is needed"):
        load_card(model, "behaviour")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": ("a", "b", "c")}, r"3 labels needs one output \(batch, anchors, 8\)"),
        ({"input": Input(width=32, height=64)}, "the card says input 32x64"),
    ],
    ids=["labels", "size"],
)
def test_a_card_that_contradicts_its_file(tmp_path, changes, words):
    path = tiny_yolox(tmp_path / "tiny.onnx")
    write_card(path, card(**changes))
    with pytest.raises(ModelError, match=words):
        load_card(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no json", "not valid"),
        ("[]", "not valid"),
        (json.dumps({"task": "detection"}), "family: Field required"),
        (card().model_dump_json().replace('"version":1', '"version":2'), "version"),
        (card().model_dump_json().replace('"yolox"', '"yolo99"'), "family 'yolo99' is not one of"),
        (card().model_dump_json().replace('"never"', '"bright"'), "labels must differ, got bright"),
        (card().model_dump_json().replace('"width":64', '"width":0'), "input.width"),
    ],
    ids=["text", "list", "missing field", "version", "family", "labels", "width"],
)
def test_a_card_that_is_none(tmp_path, text, words):
    path = tiny_yolox(tmp_path / "tiny.onnx")
    onnxfile.write_metadata(path, KEY, text)
    with pytest.raises(ModelError, match=words):
        load_card(path)


def test_fields_of_later_versions_are_ignored(tmp_path):
    path = tiny_yolox(tmp_path / "tiny.onnx")
    full = write_card(path, card())
    onnxfile.write_metadata(path, KEY, json.dumps({**json.loads(full.model_dump_json()), "mood": "good"}))
    assert load_card(path) == full


@pytest.mark.parametrize("name", ["absent.onnx", "folder.onnx", "model.pt"])
def test_what_is_no_model_file(tmp_path, name):
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "model.pt").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"no such file|suffix"):
        load_card(tmp_path / name)


def test_cards_do_not_import_heavy_libraries(root):
    import subprocess
    import sys

    code = (
        "import sys, streamer.models.card, streamer.models.registry; "
        "print([m for m in ('torch', 'onnx', 'onnxruntime', 'openvino', 'cv2') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60, check=True)
    assert out.stdout.strip() == "[]"
    assert Path(root).is_dir()


@pytest.mark.parametrize("change", [{"color": "BGR"}, {"scale": 0.5}, {"mean": (1, 0, 0)}, {"std": (1, 2, 1)}])
def test_bytes_go_in_as_they_are(change):
    assert Input(width=64, height=64, layout="pixels").color == "RGB"
    with pytest.raises(ValueError, match="layout pixels"):
        Input(width=64, height=64, layout="pixels", **change)


STEP = {
    "task": "behaviour",
    "family": "streaming",
    "labels": ("dark", "bright"),
    "heads": (Head(name="light", labels=("dark", "bright")),),
    "input": Input(width=16, height=16),
    "state": (State(name="mean", shape=(1,)), State(name="map", shape=(3, 16, 16), dtype="float16")),
    "fps": 5.0,
}


def test_what_a_streaming_card_knows():
    made = Card(**STEP)
    assert made.state_bytes == 4 + 2 * 3 * 16 * 16
    assert (made.warm_frames, made.thresholds, made.training, made.gmacs, made.parameters) == (1, {}, {}, None, None)
    assert Card.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fps": None}, "fps is needed"),
        ({"labels": ("dark", "light")}, "labels must be those of all heads in order, dark, bright; got dark, light"),
        ({"heads": ()}, "labels must be those of all heads"),
        ({"state": (State(name="a", shape=(1,)),) * 2}, "state names must differ"),
        ({"state": (State(name="frame", shape=(1,)),)}, "state names must differ, also from frame and scores"),
        ({"state": (State(name="a", shape=(1,)), State(name="a_next", shape=(1,)))}, "state names must differ"),
        ({"thresholds": {"fight": 0.5}}, "thresholds: fight is not among the labels dark, bright"),
        ({"thresholds": {"dark": 1.5}}, "thresholds are probabilities from 0 to 1"),
        ({"warm_frames": 0}, "warm_frames"),
        ({"family": "yolox"}, "behaviour is of streaming"),
        ({"task": "detection"}, "task detection cannot be of family 'streaming'"),
        ({"input": Input(width=16, height=16, layout="pixels")}, "has layout planes, got pixels"),
    ],
)
def test_a_streaming_card_that_contradicts_itself(changes, words):
    with pytest.raises(ValueError, match=words):
        Card(**{**STEP, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input": Input(width=32, height=16)}, r"has input frame of shape .* the card says \('batch', 3, 16, 32\)"),
        ({"state": (State(name="mean", shape=(1,)),)}, "has input count, map that the card does not know"),
        ({"state": (*stepping_state(), State(name="more", shape=(1,)))}, "lacks input more"),
        ({"state": (State(name="mean", shape=(2,)), *stepping_state()[1:])}, r"has input mean of shape"),
        (
            {"labels": ("a", "b", "c"), "heads": (Head(name="x", labels=("a", "b", "c")),), "thresholds": {}},
            r"has output scores of shape .* the card says \('batch', 3\)",
        ),
    ],
    ids=["size", "unknown", "missing", "shape", "labels"],
)
def test_a_streaming_card_that_contradicts_its_file(tmp_path, changes, words):
    load_card(stepping(tmp_path / "good.onnx"))
    with pytest.raises(ModelError, match=f"family streaming: the file {words}"):
        load_card(stepping(tmp_path / "net.onnx", **changes))


def test_a_step_with_a_fixed_batch_is_refused(tmp_path):
    path = stepping(tmp_path / "net.onnx")
    written = load_card(path)
    model = onnx.load(str(path))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, str(path))
    write_card(path, written)
    with pytest.raises(ModelError, match="with a fixed batch of 1; export it with a free one"):
        load_card(path)
