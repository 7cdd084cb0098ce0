"""Fusion: what moves and the detector does not know is told; what flickers, or is known, is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.fusion import Fusion
from streamer.types import Detections

LABELS = ("person", "car", "cell phone")
Box = tuple[float, float, float, float]


def found(*boxes: Box, label: str = "person", confidence: float = 0.8) -> Detections:
    n = len(boxes)
    values = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(values, np.full(n, confidence, np.float32), np.full(n, LABELS.index(label), np.int64), LABELS)


def moving(*boxes: Box) -> Detections:
    n = len(boxes)
    values = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(values, np.full(n, 0.9, np.float32), np.zeros(n, np.int64), ("motion",))


def passing(t: float, speed: float = 0.1, size: float = 0.1) -> Box:
    x = 0.05 + speed * t
    return x, 0.5, x + size, 0.5 + size


def told(
    frames: int,
    fps: float,
    see: Callable[[float], Detections],
    move: Callable[[float], Detections],
    offset_s: float = 0.0,
) -> list[float]:
    """Times at which motion is told."""
    fusion, times = Fusion(), []
    for i in range(frames):
        t = i / fps
        joined = fusion.join(see(t), move(t), 1, offset_s + t, 16 / 9)
        if joined.known and "motion" in [joined.label(k) for k in range(len(joined))]:
            times.append(t)
    return times


def nothing(t: float) -> Detections:
    return found()


@pytest.mark.parametrize("fps", [2.0, 5.0, 10.0, 15.0])
def test_what_crosses_and_nobody_knows_is_told_soon_and_until_it_is_gone(fps: float) -> None:
    times = told(round(8 * fps), fps, nothing, lambda t: moving(passing(t)))
    assert 0.6 <= times[0] <= 1.6
    assert len(times) == round(8 * fps) - round(times[0] * fps)


def test_labels_are_the_same_in_every_frame() -> None:
    fusion = Fusion()
    for i in range(10):
        joined = fusion.join(found(), moving(passing(i / 5)), 1, i / 5, 1.0)
        assert joined.labels == (*LABELS, "motion")


def test_what_is_detected_is_not_told_twice() -> None:
    assert told(50, 5, lambda t: found(passing(t)), lambda t: moving(passing(t))) == []


def test_a_part_of_what_is_detected_is_not_told() -> None:
    whole = (0.3, 0.2, 0.5, 0.9)
    assert told(50, 5, lambda t: found(whole), lambda t: moving(passing(t, 0.02, 0.1)) if t > 13 else moving()) == []


def test_what_the_detector_misses_for_a_moment_is_not_told() -> None:
    assert told(60, 5, lambda t: found(passing(t)) if t % 1.2 < 0.3 else found(), lambda t: moving(passing(t))) == []


def test_what_the_detector_loses_for_good_is_told_after_a_while() -> None:
    times = told(60, 5, lambda t: found(passing(t)) if t < 4 else found(), lambda t: moving(passing(t)))
    assert 5.0 <= times[0] <= 6.0


@pytest.mark.parametrize(("label", "confidence"), [("cell phone", 0.9), ("car", 0.3)])
def test_a_phone_as_large_as_a_car_and_a_faint_car_explain_nothing(label: str, confidence: float) -> None:
    see = lambda t: found(passing(t), label=label, confidence=confidence)  # noqa: E731
    assert told(30, 5, see, lambda t: moving(passing(t)))[0] <= 1.6


def test_classes_of_other_data_sets_explain() -> None:
    fusion, labels = Fusion(), ("forklift",)
    for i in range(40):
        box = np.array([passing(i / 5)], np.float32)
        seen = Detections(box, np.array([0.8], np.float32), np.zeros(1, np.int64), labels)
        assert len(fusion.join(seen, moving(passing(i / 5)), 1, i / 5, 1.0)) == 1


def test_a_lamp_that_flickers_and_a_curtain_that_sways_are_not_told() -> None:
    rng = np.random.default_rng(3)

    def lamp(t: float) -> Detections:
        x, y = 0.5 + rng.normal(0, 0.01, 2)
        return moving((x, y, x + 0.15, y + 0.2)) if rng.random() < 0.7 else moving()

    assert told(3000, 5, nothing, lamp) == []
    sway = lambda t: moving((0.5 + 0.02 * np.sin(t), 0.3, 0.7 + 0.02 * np.sin(t), 0.8))  # noqa: E731
    assert told(3000, 5, nothing, sway) == []


@pytest.mark.parametrize("fps", [2.0, 5.0])
def test_rain_is_not_told(fps: float) -> None:
    rng = np.random.default_rng(5)

    def drops(t: float) -> Detections:
        boxes = rng.uniform(0, 0.95, (rng.poisson(0.5), 2))
        return moving(*[(float(x), float(y), float(x) + 0.03, float(y) + 0.05) for x, y in boxes])

    assert told(round(600 * fps), fps, nothing, drops) == []


def test_exposure_that_changes_half_the_picture_for_a_moment_is_not_told() -> None:
    burst = lambda t: moving((0.0, 0.0, 1.0, 0.6)) if t % 10 < 0.8 else moving()  # noqa: E731
    assert told(1000, 5, nothing, burst) == []


def test_an_unknown_answer_of_either_makes_all_unknown_and_stops_the_clock() -> None:
    fusion = Fusion()
    unknown = Detections.unknown(LABELS)
    assert not fusion.join(unknown, moving(), 1, 0.0, 1.0).known
    assert not fusion.join(found(), Detections.unknown(("motion",)), 1, 0.2, 1.0).known
    times = []
    for i in range(60):
        t = 1 + i / 5
        known = not 2.0 < t < 8.0
        where = passing(min(t, 2.0) + max(t - 8.0, 0.0))
        joined = fusion.join(found(), moving(where) if known else Detections.unknown(("motion",)), 1, t, 16 / 9)
        assert joined.known is known
        times += [t] if len(joined) else []
    assert 8.0 <= times[0] <= 9.2 or times[0] <= 2.0


def test_another_session_and_a_step_back_in_time_begin_anew() -> None:
    fusion = Fusion()
    for i in range(20):
        joined = fusion.join(found(), moving(passing(i / 5)), 1, i / 5, 16 / 9)
    assert len(joined) == 1
    assert len(fusion.join(found(), moving(passing(4.0)), 2, 4.0, 16 / 9)) == 0
    assert len(fusion.join(found(), moving(passing(4.0)), 2, 1.0, 16 / 9)) == 0


def test_memory_is_bounded() -> None:
    fusion, rng = Fusion(), np.random.default_rng(0)
    for i in range(300):
        points = rng.uniform(0, 0.97, (100, 2))
        fusion.join(found(), moving(*[(x, y, x + 0.02, y + 0.02) for x, y in points.tolist()]), 1, i / 5, 1.0)
        assert len(fusion._blobs) <= 64


@settings(max_examples=20)
@given(st.floats(0, 1e6), st.sampled_from([3.0, 5.0, 10.0]))
def test_shifting_time_and_changing_the_rate_change_nothing_beyond_a_period(offset_s: float, fps: float) -> None:
    usual = told(40, 5, nothing, lambda t: moving(passing(t)))
    other = told(round(8 * fps), fps, nothing, lambda t: moving(passing(t)), round(offset_s, 2))
    assert abs(usual[0] - other[0]) <= 1 / fps + 1 / 5 + 1e-6
