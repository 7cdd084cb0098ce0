import numpy as np

from streamer.ingest.picture import PictureCheck


def scene(i=0, noise=2.0, size=(120, 208)):
    rng = np.random.default_rng(i)
    base = np.tile(np.linspace(40, 160, size[1], dtype=np.float32), (size[0], 1))[..., None].repeat(3, axis=2)
    return np.clip(base + rng.normal(0, noise, base.shape), 0, 255).astype(np.uint8)


def looks(check, pictures, period=0.2):
    return [check.look(pixels, 100 + i * period) for i, pixels in enumerate(pictures)]


def test_noise_is_life():
    assert set(looks(PictureCheck(2, 2), [scene(i) for i in range(50)])) == {"ok"}


def test_one_picture_for_ever_is_frozen_and_thaws_with_the_first_movement():
    check = PictureCheck(2, 5)
    seen = looks(check, [scene(1)] * 20)
    assert seen[:10] == ["ok"] * 10
    assert seen[12:] == ["frozen"] * 8
    moved = scene(2)
    moved[40:72, 60:92] = 230
    assert check.look(moved, 104.0) == "ok"


def test_a_still_scene_thaws_when_nothing_repeats_any_more():
    check = PictureCheck(2, 5)
    assert looks(check, [scene(1)] * 20)[-1] == "frozen"  # the last one at 103.8
    seen = [check.look(scene(2 + i), 104.0 + i * 0.2) for i in range(12)]
    assert seen[:8] == ["frozen"] * 8
    assert seen[-1] == "ok"


def test_another_connection_does_not_thaw_it():
    """The same picture, encoded at other places of the group of pictures: new, but not for long."""
    first, second = (
        [np.clip(scene(1).astype(int) + k, 0, 255).astype(np.uint8) for k in ks] for ks in ((0, 2), (1, 3))
    )
    check = PictureCheck(2, 5)
    assert looks(check, first * 10)[-1] == "frozen"
    assert {check.look(second[i % 2], 104.0 + i * 0.2) for i in range(30)} == {"frozen"}


def test_an_encoder_that_gets_one_picture_is_frozen_too():
    cycle = [np.clip(scene(1).astype(int) + k % 3, 0, 255).astype(np.uint8) for k in range(10)]
    seen = looks(PictureCheck(4, 60), [cycle[i % 10] for i in range(60)])
    assert seen[-1] == "frozen"
    assert seen[20] == "ok"


def test_a_loop_with_movement_is_not():
    loop = []
    for k in range(30):
        pixels = scene(1).copy()
        pixels[40:72, k * 5 : k * 5 + 32] = 230
        loop.append(pixels)
    assert set(looks(PictureCheck(4, 60), loop * 5)) == {"ok"}


def test_memory_is_bounded():
    check = PictureCheck(2, 2)
    looks(check, [scene(i, size=(16, 16)) for i in range(1500)])
    assert len(check._seen) <= 1024


def test_black_after_a_while_even_when_it_never_changes():
    seen = looks(PictureCheck(2, 3), [np.full((120, 208, 3), 2, np.uint8)] * 30)
    assert seen[5] == "ok"
    assert seen[-1] == "black"


def test_a_night_with_a_lamp_is_not_black():
    night = [scene(i, noise=1) // 30 for i in range(30)]
    for pixels in night:
        pixels[8:40, 8:40] = 200
    assert set(looks(PictureCheck(2, 2), night)) == {"ok"}


def test_another_size_is_another_picture():
    check = PictureCheck(1, 9)
    looks(check, [scene(1)] * 10)
    assert check.look(scene(1, size=(60, 104)), 110.0) == "ok"
    assert check.look(scene(1, size=(10, 10)), 111.5) == "ok"
