"""A behaviour model with its memory of many cameras: who is remembered, what is fed, and what the answers say."""

import threading

import numpy as np
import pytest

from streamer.errors import ModelError
from streamer.inference import behaviour
from streamer.inference.behaviour import LoadedBehaviour
from streamer.inference.loaded import load
from streamer.inference.picture import Picture
from streamer.inference.runtimes import Plan
from streamer.inference.settings import ModelSpec
from streamer.models.card import load_card
from tests.models.stepping import LABELS, light, stepping

RUNTIMES = ["onnxruntime", "openvino", "torch"]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return stepping(tmp_path_factory.mktemp("stepping") / "light.onnx")


def opened(file, runtime="onnxruntime", batch=1, **plan):
    return load(ModelSpec("light", file), load_card(file), Plan(runtime, batch=batch, **plan))


@pytest.fixture(params=RUNTIMES)
def loaded(request, file):
    made = opened(file, request.param)
    yield made
    made.close()


@pytest.fixture
def plain(file):
    made = opened(file)
    yield made
    made.close()


def show(loaded, *levels, camera="gate", start=0.0, session=1, fps=5.0):
    """Scores of one camera that shows some brightness after the other."""
    pictures = [Picture(camera, session, start + i / fps, light(level)) for i, level in enumerate(levels)]
    return [loaded.run([picture])[0] for picture in pictures]


def bright(scores):
    return [round(one["bright"], 4) for one in scores]


def test_it_remembers(loaded):
    found = show(loaded, 0.5, 0.5, 0.5, 0.0)
    assert bright(found) == [0.25, 0.375, 0.4375, 0.2188]
    assert [one.warm for one in found] == [False, False, True, True]
    assert [one.detail for one in found] == [{"reset": "start"}, {}, {}, {}]
    assert all(one.known and one.labels == LABELS and one.thresholds == {"bright": 0.3} for one in found)
    assert all(one.values.dtype == np.float32 for one in found)


def test_cameras_do_not_disturb_each_other_however_they_are_batched(file):
    """32 cameras, each with its own pace of light, in batches of changing size and company, against each alone."""
    rng = np.random.default_rng(0)
    names = [f"c{i}" for i in range(32)]
    levels = rng.integers(0, 17, (32, 12)) / 32
    alone = opened(file)
    wanted = {name: bright(show(alone, *levels[i], camera=name)) for i, name in enumerate(names)}
    mixed = opened(file, batch=32)
    found = {name: [] for name in names}
    for step in range(12):
        order = rng.permutation(32)
        while len(order):
            size = rng.integers(1, len(order) + 1)
            members, order = order[:size], order[size:]
            answers = mixed.run([Picture(names[i], 1, step / 5, light(levels[i, step])) for i in members])
            for i, answer in zip(members, answers, strict=True):
                found[names[i]].append(round(answer["bright"], 4))
    assert found == wanted
    assert mixed.cameras == 32


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_all_runtimes_agree_over_64_steps_of_mixed_cameras(file, runtime):
    """Stated tolerance: 1e-5 of a probability, same label."""
    rng = np.random.default_rng(1)
    one, other = opened(file, "onnxruntime"), opened(file, runtime)
    worst = 0.0
    for step in range(64):
        cameras = rng.permutation(32)[: rng.integers(1, 33)]
        pictures = [Picture(f"c{i}", 1, step / 5, rng.integers(0, 60, (40, 64, 3)).astype(np.uint8)) for i in cameras]
        for a, b in zip(one.run(pictures), other.run(pictures), strict=True):
            worst = max(worst, float(np.abs(a.values - b.values).max()))
            assert a.values.argmax() == b.values.argmax()
            assert (a.warm, a.detail) == (b.warm, b.detail)
    assert worst < 1e-5


def test_frames_between_the_steps_hold_the_scores(plain):
    found = show(plain, 0.5, 0.0, 0.0, 0.5, 0.5, fps=15.0)
    assert bright(found) == [0.25, 0.25, 0.125, 0.125, 0.125]
    assert "reset" not in found[1].detail


def test_a_slow_camera_is_held_over_missing_steps(plain):
    """Two seconds at 2.5 frames a second: each picture stands for two steps, the first of them the one before."""
    found = show(plain, 0.5, 0.0, 0.0, fps=2.5)
    assert bright(found) == [0.25, 0.1875, 0.0469]
    assert [one.warm for one in found] == [False, True, True]


@pytest.mark.parametrize(
    ("more", "reason"),
    [({"session": 2, "start": 0.8}, "session"), ({"start": 3.0}, "gap"), ({"start": -60.0}, "time")],
)
def test_what_is_another_scene_begins_anew(plain, more, reason):
    show(plain, 0.5, 0.5, 0.5, 0.5)
    found = show(plain, 0.5, 0.5, 0.5, **more)
    assert found[0].detail == {"reset": reason}
    assert bright(found) == [0.25, 0.375, 0.4375]
    assert [one.warm for one in found] == [False, False, True]


def test_a_scene_cut_begins_anew(loaded):
    show(loaded, 0.0, 0.0, 0.0, 0.0)
    (found,) = show(loaded, 0.9, start=0.8)
    assert found.detail == {"reset": "cut"}
    assert not found.warm
    assert found["bright"] == pytest.approx(0.45, abs=0.01)


def test_a_camera_twice_in_a_batch_is_fed_in_its_order(plain):
    pictures = [Picture("gate", 1, i / 5, light(level)) for i, level in enumerate([0.5, 0.5])]
    other = Picture("yard", 1, 0.0, light(0.25))
    assert bright(plain.run([pictures[0], other, pictures[1]])) == [0.25, 0.125, 0.375]


def test_the_same_frame_twice_is_one_step(plain):
    picture = Picture("gate", 1, 0.0, light(0.5))
    assert bright(plain.run([picture, picture])) == [0.25, 0.25]
    assert bright(show(plain, 0.5, start=0.2)) == [0.375]


def test_pixels_may_change_once_the_answer_is_there(plain):
    """A slot is filled anew: what is held must be what was seen."""
    pixels = light(0.5, 16, 16)  # the network's own size: nothing is scaled
    plain.run([Picture("gate", 1, 0.0, pixels)])
    pixels[:] = 0
    (found,) = plain.run([Picture("gate", 1, 0.4, light(0.5, 16, 16))])
    assert found["bright"] == pytest.approx(0.4375)


def test_cameras_that_left_are_forgotten(plain):
    for i in range(20):
        show(plain, 0.5, camera=f"gone{i}")
    patience = behaviour._FORGOTTEN * 21
    show(plain, *([0.5] * (patience + 25)), camera="stays")
    assert plain.cameras == 1
    assert len(plain._stepper._states) == 1
    assert bright(show(plain, 0.5, camera="new")) == [0.25], "a row that is used again is empty"
    assert plain.cameras == 2


@pytest.mark.parametrize("runtime", ["onnxruntime", "torch"])
def test_memory_stays_bounded_while_cameras_come_and_go(file, runtime, monkeypatch):
    monkeypatch.setattr(behaviour, "_MOST", 40)
    loaded = opened(file, runtime)
    for i in range(0, 300, 3):
        assert bright(loaded.run([Picture(f"c{i + j}", 1, 0.0, light(0.5)) for j in range(3)])) == [0.25] * 3
    assert loaded.cameras == 40
    assert max(feed.row for feed in loaded._cameras.feeds.values()) <= 43


def test_warming_up_leaves_nothing_behind(file):
    loaded = opened(file, batch=4)
    loaded.warm_up()
    loaded.warm_up()
    assert loaded.cameras == 0
    assert not loaded._stepper._states
    assert bright(show(loaded, 0.5)) == [0.25]


def test_threads_that_ask_for_the_same_cameras_take_turns(plain):
    """Whatever the order in which threads come, every picture is one step of its camera, and none is lost."""
    steps = []
    step = plain._stepper.step

    def counted(pictures, rows):
        steps.extend(rows)
        return step(pictures, rows)

    plain._stepper.step = counted
    lock, clock = threading.Lock(), iter(range(10_000))
    failures = []

    def ask(name):
        try:
            for _ in range(50):
                with lock:
                    at = next(clock)
                plain.run([Picture(camera, 1, at / 1000, light(0.5)) for camera in ("shared", name)])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(f"own{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures
    assert plain.cameras == 5
    assert not plain._busy
    assert steps


def test_what_is_no_streaming_model_is_refused(file):
    with pytest.raises(ModelError, match="runs no streaming model"):
        opened(file, "builtin")
    with pytest.raises(ModelError, match="no streaming model"):
        LoadedBehaviour(ModelSpec("m", "motion"), load_card(file), Plan("onnxruntime"))


def test_a_file_that_is_not_what_its_card_promises_is_refused(tmp_path):
    file = stepping(tmp_path / "odd.onnx", state=({"name": "memory", "shape": (1,)},))
    with pytest.raises(ModelError, match="the file lacks input memory"):
        load_card(file)
