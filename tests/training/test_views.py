"""The teacher finds one thing in all of its views, where it is."""

import numpy as np
import pytest
import torch

from streamer.training.views import Looks, Teacher, overlap


class Bright(torch.nn.Module):
    """Instead of a network: whatever is bright is a person as large as a cell of stride 32, or a car if it is blue."""

    def forward(self, images):
        columns = []
        for stride in (8, 16, 32):
            mean = torch.nn.functional.avg_pool2d(images, stride)
            level = torch.zeros(len(images), 7, *mean.shape[2:])
            level[:, :2] = 0.5
            level[:, 4] = -20.0
            if stride == 32:
                level[:, 4] = (mean.amax(1) - 150) / 4
                level[:, 5] = torch.where(mean[:, 2] > 150, 8.0, -8.0)
                level[:, 6] = torch.where(mean[:, 2] > 150, -8.0, 8.0)
            columns.append(level.flatten(2))
        return torch.cat(columns, dim=2)


@pytest.fixture
def teacher():
    return Teacher(Bright(), ["person", "car"], torch.device("cpu"))


def picture(at, color=(255, 255, 255), background=90):
    image = np.full((128, 192, 3), background, np.uint8)
    image[at[1] * 32 : at[1] * 32 + 32, at[0] * 32 : at[0] * 32 + 32] = color
    return image


@pytest.mark.parametrize("turned", [0, 192])
@pytest.mark.parametrize("at", [(0, 0), (3, 1), (5, 3)])
def test_a_thing_is_found_once_and_where_it_is(teacher, at, turned):
    seen = teacher.look(picture(at), Looks(sides=(192, 192), turned=turned))
    assert len(seen.boxes) == 1
    assert seen.boxes[0] == pytest.approx([32 * at[0], 32 * at[1], 32 * at[0] + 32, 32 * at[1] + 32], abs=2)
    assert seen.scores[0].argmax() == 0
    assert seen.scores[0].sum() > 0.9


def test_one_view_alone_is_less_sure_than_two(teacher):
    alone = teacher.look(picture((2, 1)), Looks(sides=(192,)))
    both = teacher.look(picture((2, 1)), Looks(sides=(192, 192)))
    assert 0.5 < alone.scores.max() < 0.6 < 0.95 < both.scores.max()


def test_it_is_called_by_its_name(teacher):
    seen = teacher.look(picture((2, 1), color=(0, 0, 255)), Looks(sides=(192, 192)))
    assert seen.scores.argmax(axis=1).tolist() == [1]


def test_where_nothing_is_nothing_is_seen(teacher):
    seen = teacher.look(np.full((128, 192, 3), 90, np.uint8), Looks(sides=(192, 160), turned=192))
    assert (seen.boxes.shape, seen.scores.shape) == ((0, 4), (0, 2))


def test_a_dark_picture_is_lit_up(teacher):
    dark = picture((2, 1), color=(120, 120, 120), background=10)
    assert len(teacher.look(dark, Looks(sides=(192,))).boxes) == 0
    assert len(teacher.look(dark, Looks(sides=(192, 192))).boxes) == 1


def test_overlap():
    one, other = np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2], [5, 5, 6, 6], [0, 0, 2, 2]])
    assert overlap(one, other)[0] == pytest.approx([1 / 3, 0, 1])
