"""What a teacher sees becomes labels: what holds is true, what flashes up is unknown."""

import numpy as np
import pytest

from streamer.training.linking import link, moving, unexplained
from streamer.training.views import Seen

LABELS = 3


def seen(*rows):
    """Rows of (box, confidence[, label])."""
    boxes = np.array([row[0] for row in rows], np.float64).reshape(-1, 4)
    scores = np.zeros((len(rows), LABELS))
    for i, row in enumerate(rows):
        scores[i, row[2] if len(row) > 2 else 0] = row[1]
    return Seen(boxes, scores)


def walker(number):
    return np.array([10.0 + 4 * number, 20, 30 + 4 * number, 80])


def test_a_sure_box_alone_is_a_label_and_a_weak_one_is_unknown():
    ((known, unknown),) = link([seen((walker(0), 0.6), ([100, 0, 120, 50], 0.2))], 4.0)
    assert [label for label, _ in known] == [0]
    assert np.allclose(known[0][1], walker(0))
    assert np.allclose(unknown, [[100, 0, 120, 50]])


def test_a_track_vouches_for_its_weak_boxes():
    strength = [0.7, 0.8, 0.2, 0.15, 0.7, 0.9]
    labels = link([seen((walker(i), score)) for i, score in enumerate(strength)], 4.0)
    assert all(len(known) == 1 and not unknown for known, unknown in labels)


def test_what_flashes_up_is_never_a_label():
    labels = link([seen() if i % 3 else seen((walker(i), 0.3)) for i in range(9)], 4.0)
    assert all(known == [] for known, _ in labels)
    assert sum(len(unknown) for _, unknown in labels) >= 3


def test_a_short_miss_is_bridged_and_a_long_one_is_not():
    numbers = [0, 1, 2, 3, 6, 7, 8, 20, 21, 22, 23]
    labels = link([seen((walker(i), 0.8)) if i in numbers else seen() for i in range(24)], 4.0)
    for missed in (4, 5):
        ((label, box),) = labels[missed][0]
        assert label == 0
        assert np.allclose(box, walker(missed))
    assert all(labels[i] == ([], []) for i in range(9, 20))


def test_the_name_is_what_it_was_called_most():
    names = [1, 2, 1, 1, 2, 1]
    labels = link([seen((walker(i), 0.7, name)) for i, name in enumerate(names)], 4.0)
    assert {known[0][0] for known, _ in labels} == {1}


def test_a_person_and_a_car_do_not_share_a_track():
    labels = link([seen((walker(i), 0.7, 0 if i < 3 else 1)) for i in range(6)], 4.0)
    assert [known[0][0] for known, _ in labels] == [0, 0, 0, 1, 1, 1]


def scene(number, light=100):
    image = np.full((180, 320, 3), light, np.uint8)
    if 5 <= number < 10:
        image[60:120, 30 * number - 100 : 30 * number - 60] = 220
    return image


def test_motion_is_found_where_something_is_new():
    boxes = moving([scene(i) for i in range(20)])
    assert all(len(boxes[i]) == 0 for i in (*range(5), *range(10, 20)))
    for i in range(5, 10):
        (box,) = boxes[i] * [320, 180, 320, 180]
        assert box == pytest.approx([30 * i - 100, 60, 30 * i - 60, 120], abs=6)


def test_a_change_of_light_is_no_motion_and_a_moving_camera_says_nothing():
    assert all(len(boxes) == 0 for boxes in moving([scene(0, light) for light in (100, 100, 100, 150, 80)]))
    random = np.random.default_rng(0)
    whole = [random.integers(0, 256, (18, 32, 3)).astype(np.uint8).repeat(10, 0).repeat(10, 1) for _ in range(5)]
    assert sum(len(boxes) for boxes in moving(whole)) == 0


def test_motion_that_is_known_is_left_out():
    motion = np.array([[0.1, 0.1, 0.3, 0.5], [0.6, 0.6, 0.8, 0.9]])
    left = unexplained(motion, np.array([[0.1, 0.1, 0.25, 0.5]]))
    assert left.tolist() == [[0.6, 0.6, 0.8, 0.9]]
    assert unexplained(motion, np.zeros((0, 4))).tolist() == motion.tolist()
    assert unexplained(np.zeros((0, 4)), motion).shape == (0, 4)
