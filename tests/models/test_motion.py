"""Motion: what it sees, and the many things that it must not take for motion."""

import numpy as np
import pytest

from streamer.models.motion import LABELS, Motion, Tuning

WIDTH, HEIGHT = 416, 234


class Scene:
    """A textured place under a noisy sensor, with gray-green figures in it."""

    def __init__(self, seed=0, noise=4.0):
        self.rng = np.random.default_rng(seed)
        coarse = self.rng.uniform(60, 170, (HEIGHT // 13, WIDTH // 13, 3))
        self.place = np.kron(coarse, np.ones((13, 13, 1)))[:HEIGHT, :WIDTH]
        self.noise = noise
        self.light = 1.0

    def shot(self, *figures, shadows=()):
        """uint8 picture with figures (and shadows) at boxes (x1, y1, x2, y2) in fractions."""
        picture = self.place.copy()
        for x1, y1, x2, y2 in shadows:
            picture[self._rows(y1, y2), self._columns(x1, x2)] *= 0.75
        for x1, y1, x2, y2 in figures:
            part = picture[self._rows(y1, y2), self._columns(x1, x2)]
            part[:] = (20, 40, 30)
            part[: len(part) // 3] = (230, 200, 180)
        picture = picture * self.light + self.rng.normal(0, self.noise, picture.shape)
        return picture.clip(0, 255).astype(np.uint8)

    @staticmethod
    def _rows(y1, y2):
        return slice(round(y1 * HEIGHT), round(y2 * HEIGHT))

    @staticmethod
    def _columns(x1, x2):
        return slice(round(x1 * WIDTH), round(x2 * WIDTH))


class Watch:
    """A motion detector that is fed at some rate."""

    def __init__(self, fps=5.0, scene=None, learnt=True, **tuning):
        self.motion = Motion(tuning=Tuning(**tuning))
        self.scene = scene or Scene()
        self.period = 1 / fps
        self.now = 100.0
        if learnt:
            assert all(len(found) == 0 for found in self.see(seconds=3.0))

    def see(self, *figures, seconds=0.0, shadows=()):
        """Answers to the same scene for that long (at least one frame)."""
        answers = []
        for _ in range(max(1, round(seconds / self.period))):
            answers.append(self.motion.detect("gate", 1, self.now, self.scene.shot(*figures, shadows=shadows)))
            self.now += self.period
        return answers

    def walk(self, seconds, y=0.4, height=0.4, width=0.08, start=0.1, speed=0.1):
        """(answer, true box) of somebody who walks by."""
        pairs = []
        for i in range(round(seconds / self.period)):
            x = start + speed * i * self.period
            box = (x, y, x + width, y + height)
            pairs.append((self.see(box)[0], box))
        return pairs


def overlap(a, b):
    side = [max(0.0, min(a[2 + i], b[2 + i]) - max(a[i], b[i])) for i in (0, 1)]
    both = side[0] * side[1]
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


@pytest.mark.parametrize("fps", [2, 5, 10])
def test_somebody_who_walks_is_followed_at_any_rate(fps):
    pairs = Watch(fps).walk(seconds=7)
    assert all(len(found) == 1 for found, _ in pairs)
    assert all(overlap(found.boxes[0], box) > 0.6 for found, box in pairs)
    assert all(found.labels == LABELS and found.confidence[0] > 0.6 for found, _ in pairs)


@pytest.mark.parametrize("fps", [2, 5, 10])
@pytest.mark.parametrize("noise", [0.0, 2.0, 8.0, 14.0])
def test_noise_is_no_motion(fps, noise):
    watch = Watch(fps, Scene(noise=noise))
    assert sum(len(found) for found in watch.see(seconds=30)) == 0


@pytest.mark.parametrize("fps", [2, 5, 10])
def test_nothing_is_said_while_learning_and_a_passer_by_leaves_no_ghost(fps):
    watch = Watch(fps, learnt=False)
    # crosses the picture within the time of learning: nowhere longer than a part of it
    assert all(len(found) == 0 for found, _ in watch.walk(seconds=2.0, speed=0.4))
    assert sum(len(found) for found in watch.see(seconds=10)) <= 1
    assert len(watch.see((0.4, 0.4, 0.5, 0.8))[0]) == 1


@pytest.mark.parametrize("fps", [2, 5])
def test_somebody_who_stands_still_does_not_dissolve_within_a_minute(fps):
    watch = Watch(fps)
    box = (0.45, 0.3, 0.53, 0.8)
    standing = watch.see(box, seconds=62)
    assert all(len(found) >= 1 for found in standing)
    assert all(overlap(found.boxes[0], box) > 0.6 for found in standing)
    later = watch.see(box, seconds=60)
    assert len(later[-1]) == 0  # what stays for two minutes is furniture


def test_who_leaves_leaves_nothing_behind():
    watch = Watch()
    watch.see((0.45, 0.3, 0.53, 0.8), seconds=40)
    after = watch.see(seconds=10)
    assert sum(len(found) for found in after) == 0


def test_lights_that_switch_are_no_motion_and_soon_learnt():
    watch = Watch()
    watch.scene.light = 0.25
    dark = watch.see(seconds=6)
    assert sum(len(found) for found in dark) == 0
    assert all(len(found) == 1 for found, _ in watch.walk(seconds=3))
    watch.scene.light = 1.0
    assert sum(len(found) for found in watch.see(seconds=6)) == 0
    assert len(watch.see((0.4, 0.4, 0.5, 0.8))[0]) == 1


def test_another_view_is_no_motion_and_soon_learnt():
    watch = Watch()
    watch.scene = Scene(seed=9)
    assert sum(len(found) for found in watch.see(seconds=6)) == 0
    assert len(watch.see((0.4, 0.4, 0.5, 0.8))[0]) == 1


def test_a_flash_is_not_learnt():
    watch = Watch()
    watch.scene.light = 3.0
    assert len(watch.see()[0]) == 0
    watch.scene.light = 1.0
    assert len(watch.see((0.4, 0.4, 0.5, 0.8))[0]) == 1


@pytest.mark.parametrize("factor", [0.85, 1.15])
def test_automatic_exposure_is_no_motion(factor):
    watch = Watch()
    watch.scene.light = factor
    assert sum(len(found) for found in watch.see(seconds=5)) == 0
    assert len(watch.see((0.4, 0.4, 0.5, 0.8))[0]) == 1


def test_dusk_is_no_motion():
    watch = Watch()
    for _ in range(60):
        watch.scene.light *= 0.98
        assert sum(len(found) for found in watch.see(seconds=1)) == 0
    assert len(watch.see((0.4, 0.4, 0.5, 0.8))[0]) == 1


def test_a_shadow_is_no_motion():
    watch = Watch()
    for i in range(25):
        (found,) = watch.see(shadows=[(0.2 + i / 50, 0.5, 0.35 + i / 50, 0.9)])
        assert len(found) == 0


def test_a_figure_is_boxed_without_its_shadow():
    watch = Watch()
    box = (0.4, 0.3, 0.48, 0.7)
    (found,) = watch.see(box, shadows=[(0.4, 0.7, 0.7, 0.76)])
    assert overlap(found.boxes[0], box) > 0.6


def test_two_who_stand_apart_are_two():
    watch = Watch()
    boxes = [(0.2, 0.3, 0.28, 0.7), (0.6, 0.3, 0.68, 0.7)]
    (found,) = watch.see(*boxes)
    assert len(found) == 2
    assert sorted(round(float(box[0]), 1) for box in found.boxes) == [0.2, 0.6]


def test_what_is_too_small_is_not_said():
    watch = Watch()
    assert len(watch.see((0.5, 0.5, 0.51, 0.52))[0]) == 0
    assert len(watch.see((0.5, 0.5, 0.56, 0.62))[0]) == 1
    assert len(Watch(min_area=0.02).see((0.5, 0.5, 0.56, 0.62))[0]) == 0


def test_what_blinks_for_ever_falls_silent():
    watch = Watch(fps=5)
    answers = []
    for i in range(400):
        answers += watch.see(*([(0.7, 0.1, 0.8, 0.25)] if i % 2 else []))
    assert sum(len(found) for found in answers[:10]) > 0
    assert sum(len(found) for found in answers[-50:]) <= 5


def test_a_new_session_learns_anew_and_cameras_are_apart():
    watch = Watch()
    figure = watch.scene.shot((0.4, 0.4, 0.5, 0.8))
    assert len(watch.motion.detect("yard", 1, watch.now, figure)) == 0
    assert len(watch.motion.detect("gate", 1, watch.now, figure)) == 1
    assert len(watch.motion.detect("gate", 2, watch.now + 1, figure)) == 0
    assert len(watch.motion._backgrounds) == 2
    watch.motion.forget("gate")
    assert len(watch.motion._backgrounds) == 1


def test_cameras_that_are_gone_fall_out(monkeypatch):
    from streamer.models import motion

    monkeypatch.setattr(motion, "_MAX_CAMERAS", 3)
    model = Motion()
    for name in "abcda":
        model.detect(name, 1, 0.0, np.zeros((9, 16, 3), np.uint8))
    assert list(model._backgrounds) == ["c", "d", "a"]


def test_after_a_long_gap_nothing_old_is_trusted():
    watch = Watch()
    watch.now += 61
    assert sum(len(found) for found in watch.see((0.4, 0.4, 0.5, 0.8), seconds=1.5)) == 0


def test_an_older_frame_is_judged_but_not_learnt():
    watch = Watch()
    for _ in range(50):
        (found,) = [watch.motion.detect("gate", 1, watch.now - 1, watch.scene.shot((0.4, 0.4, 0.5, 0.8)))]
        assert len(found) == 1
    assert watch.motion._backgrounds["gate"][1]._age.max() == 0


def test_another_picture_size_learns_anew():
    watch = Watch()
    half = watch.scene.shot()[::3, ::3]
    assert len(watch.motion.detect("gate", 1, watch.now, half)) == 0
    for i in range(20):
        assert len(watch.motion.detect("gate", 1, watch.now + i / 5, half)) == 0


def test_confidence_is_a_threshold():
    box = (0.4, 0.4, 0.5, 0.8)
    watch = Watch()
    (sure,) = watch.see(box)
    assert 0.5 <= sure.confidence[0] <= 1
    strict = Motion(confidence=0.9999)
    for i in range(16):
        strict.detect("gate", 1, i / 5, watch.scene.shot())
    assert len(strict.detect("gate", 1, 4.0, watch.scene.shot(box))) == 0


def test_two_detectors_agree_exactly():
    shots = [Scene(seed=i).shot((0.3, 0.3, 0.4, 0.7)) if i > 12 else Scene(seed=0).shot() for i in range(16)]
    first, second = ([Motion().detect("c", 1, i / 5, shot) for i, shot in enumerate(shots)] for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.boxes, other.boxes)
        assert np.array_equal(one.confidence, other.confidence)


def test_real_footage(shared_data):
    """A still table stays silent until the bottles come; people who stand at a table stay seen."""
    import av

    def watch(name, until):
        motion, answers = Motion(), []
        with av.open(str(shared_data / "cctv" / name)) as container:
            for picture in container.decode(video=0):
                if picture.time > until:
                    break
                if picture.time >= len(answers) / 5:
                    pixels = picture.reformat(416, 234, "rgb24").to_ndarray()
                    answers.append(len(motion.detect("c", 1, picture.time, pixels)))
        return answers

    still = watch("bottles.mp4", 5.0)
    assert len(still) >= 25
    assert sum(still) == 0
    people = watch("one_by_one.mp4", 19.0)
    assert sum(people[:25]) == 0
    assert np.mean([n >= 1 for n in people[35:]]) > 0.97
