"""Frames to detections in one step, whatever the runtime."""

import threading

import numpy as np
import pytest

from streamer.errors import ModelError
from streamer.inference.loaded import LoadedNetwork, load
from streamer.inference.picture import Picture
from streamer.inference.runtimes import Plan
from streamer.inference.settings import ModelSpec
from streamer.models.card import load_card
from streamer.models.registry import card_of
from tests.models.tiny import picture

RUNTIMES = ["onnxruntime", "openvino", "torch"]


def pictures(*all_pixels):
    return [Picture(f"c{i}", 1, 0.0, pixels) for i, pixels in enumerate(all_pixels)]


@pytest.fixture(params=RUNTIMES)
def model(request, tiny):
    loaded = load(tiny, load_card(tiny.file), Plan(request.param, streams=2))
    yield loaded
    loaded.close()


def test_what_is_bright_is_found_where_it_is(model):
    (found,) = model.run(pictures(picture((2, 3))))
    assert np.allclose(found.boxes, [[16 / 64, 24 / 64, 24 / 64, 32 / 64]], atol=1e-5)
    assert found.labels == ("bright", "never")
    assert found.label_ids.tolist() == [0]
    assert found.confidence[0] == pytest.approx(0.9919, abs=1e-3)


def test_a_batch_equals_its_pictures_one_by_one(model):
    many = pictures(*(picture((i % 8, i // 2)) for i in range(8)))
    together = model.run(many)
    for one, found in zip(many, together, strict=True):
        (alone,) = model.run([one])
        assert np.allclose(alone.boxes, found.boxes, atol=1e-6)
        assert np.allclose(alone.confidence, found.confidence, atol=1e-6)
        assert len(found) == 1
    assert len({tuple(found.boxes[0]) for found in together}) == 8


def test_pictures_of_many_sizes_in_one_batch(model):
    wide, tall = picture((7, 0), size=(64, 36)), picture((0, 7), size=(36, 64))
    found = model.run(pictures(wide, picture((2, 3)), tall, wide))
    assert [len(one) for one in found] == [1, 1, 1, 1]
    assert np.allclose(found[0].boxes, [[56 / 64, 0, 1, 8 / 36]], atol=1e-5)
    assert np.allclose(found[2].boxes, [[0, 56 / 64, 8 / 36, 1]], atol=1e-5)
    assert np.array_equal(found[0].boxes, found[3].boxes)


def test_a_larger_picture_is_scaled(model):
    pixels = np.zeros((128, 128, 3), np.uint8)
    pixels[48:64, 32:48] = 255
    (found,) = model.run(pictures(pixels))
    assert np.allclose(found.boxes, [[0.25, 0.375, 0.375, 0.5]], atol=1e-5)


def test_threads_at_once_get_their_own_answers(model):
    wrong = []

    def work(column):
        for row in range(8):
            (found,) = model.run(pictures(picture((column, row))))
            if not np.allclose(found.boxes[0] * 8, [column, row, column + 1, row + 1], atol=1e-4):
                wrong.append((column, row, found.boxes))

    threads = [threading.Thread(target=work, args=(column,)) for column in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_warm_up_and_overrides(model, tiny):
    model.warm_up()
    from streamer.models.detector import Overrides

    strict = ModelSpec("tiny", tiny.file, Overrides(confidence=0.999))
    loaded = load(strict, load_card(tiny.file), model.plan)
    assert len(loaded.run(pictures(picture((2, 3))))[0]) == 0


def test_a_model_without_batches_runs_one_by_one(tiny):
    card = load_card(tiny.file).model_copy(update={"dynamic_batch": False})
    loaded = load(tiny, card, Plan("onnxruntime"))
    seen = []
    run = loaded._runtime.run
    loaded._runtime.run = lambda batch: (seen.append(len(batch)), run(batch))[1]
    assert [len(found) for found in loaded.run(pictures(*[picture((1, 1))] * 3))] == [1, 1, 1]
    assert seen == [1, 1, 1]


def test_many_sizes_do_not_pile_up_memory(tiny):
    loaded = load(tiny, load_card(tiny.file), Plan("openvino"))
    for count in range(1, 13):
        assert len(loaded.run(pictures(*[picture((1, 1))] * count))) == count
    assert len(loaded._runtime._compiled) <= 8
    assert len(loaded._local.buffers) <= 8


def test_motion_keeps_cameras_apart(tiny):
    loaded = load(ModelSpec("m", "motion"), card_of("motion"), Plan("builtin"))
    loaded.warm_up()
    still = np.full((90, 160, 3), 100, np.uint8)
    moved = still.copy()
    moved[30:70, 60:90] = 220
    for i in range(20):
        for camera in ("a", "b"):
            (found,) = loaded.run([Picture(camera, 1, i / 5, still)])
            assert len(found) == 0
    a, b = loaded.run([Picture("a", 1, 4.2, moved), Picture("b", 1, 4.2, still)])
    assert (len(a), len(b)) == (1, 0)
    loaded.close()


def test_what_cannot_be_loaded(tiny, tmp_path):
    card = load_card(tiny.file)
    with pytest.raises(ModelError, match="abacus"):
        load(tiny, card, Plan("abacus"))
    with pytest.raises(ModelError, match="cannot be run by an ONNX runtime"):
        LoadedNetwork(tiny, card.model_copy(update={"family": "torchvision"}), Plan("onnxruntime"))
    with pytest.raises(ModelError, match="no network"):
        LoadedNetwork(ModelSpec("m", "motion"), card, Plan("onnxruntime"))


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_damaged_graph_is_a_model_error(tiny, tmp_path, runtime):
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"\x08\x07")
    with pytest.raises(ModelError, match=r"cannot load it"):
        load(ModelSpec("bad", bad), load_card(tiny.file), Plan(runtime))


@pytest.mark.parametrize("runtime", ["onnxruntime", "torch"])
def test_a_gpu_that_is_not_there(tiny, runtime):
    from streamer.inference import plans

    if plans.gpu_present():
        pytest.skip("there is a GPU")
    with pytest.raises(ModelError, match=r"device cuda:0: .*; (install|use device cpu)"):
        load(tiny, load_card(tiny.file), Plan(runtime, device="cuda:0"))
