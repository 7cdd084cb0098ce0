import fcntl
import os
import subprocess
import sys

import numpy as np
import pytest

from streamer.errors import StreamerError
from streamer.slots import SlotPool, StaleSlot


@pytest.fixture
def pool():
    pool = SlotPool.create(7, 3, 8 * 4 * 3)
    yield pool
    pool.close()


def picture(value, width=8, height=4):
    return np.full((height, width, 3), value, np.uint8)


def test_pixels_come_back_and_slots_are_apart(pool):
    generations = [pool.write(slot, picture(10 + slot)) for slot in range(3)]
    for slot, generation in enumerate(generations):
        assert np.array_equal(pool.view(slot, generation, 8, 4), picture(10 + slot))


def test_smaller_pictures_and_strided_rows_fit(pool):
    wide = np.arange(4 * 16 * 3, dtype=np.uint8).reshape(4, 16, 3)
    generation = pool.write(1, wide[:2, :5])
    assert np.array_equal(pool.view(1, generation, 5, 2), wide[:2, :5])


def test_generation_moves_by_two_and_old_references_are_stale(pool):
    first = pool.write(0, picture(1))
    second = pool.write(0, picture(2))
    assert (first, second) == (2, 4)
    assert not pool.check(0, first)
    assert pool.check(0, second)
    with pytest.raises(StaleSlot, match="slot 0 is at generation 4, not 2"):
        pool.view(0, first, 8, 4)


def test_slot_is_stale_while_it_is_written_and_after_a_writer_died_midway(pool):
    generation = pool.write(0, picture(1))
    pool._generations[0] = generation + 1  # a writer that stopped between its two header writes
    with pytest.raises(StaleSlot):
        pool.view(0, generation, 8, 4)
    with pytest.raises(StaleSlot):
        pool.view(0, generation + 1, 8, 4)
    assert pool.write(0, picture(3)) == generation + 2


def test_empty_slot_cannot_be_viewed(pool):
    with pytest.raises(StaleSlot):
        pool.view(0, 0, 8, 4)


@pytest.mark.parametrize(("slot", "width", "height"), [(3, 8, 4), (-1, 8, 4), (0, 9, 4), (0, 0, 4), (0, 8, -4)])
def test_a_reference_outside_of_the_pool_is_refused(pool, slot, width, height):
    pool.write(0, picture(1))
    with pytest.raises(StaleSlot, match="no slot"):
        pool.view(slot, 2, width, height)


@pytest.mark.parametrize(
    "pixels", [picture(1, 9), picture(1).astype(np.float32), picture(1)[..., 0], np.zeros((2, 2, 4), np.uint8)]
)
def test_pixels_of_the_wrong_kind_are_refused(pool, pixels):
    with pytest.raises(ValueError, match=r"must be uint8 \(H, W, 3\)"):
        pool.write(0, pixels)


def test_another_mapping_of_the_same_memory_sees_writes(pool):
    other = SlotPool.attach(os.dup(pool.fd), 7, 3, 8 * 4 * 3)
    generation = pool.write(2, picture(9))
    assert np.array_equal(other.view(2, generation, 8, 4), picture(9))
    other.close()


def test_another_process_writes_through_an_inherited_descriptor(pool):
    code = (
        "import sys, numpy as np; from streamer.slots import SlotPool; fd = int(sys.argv[1]);"
        "print(SlotPool.attach(fd, 7, 3, 96).write(1, np.full((4, 8, 3), 77, np.uint8)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(pool.fd)], pass_fds=[pool.fd], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert np.array_equal(pool.view(1, int(done.stdout), 8, 4), picture(77))


def test_the_memory_cannot_be_shrunk_or_grown_by_a_child(pool):
    with pytest.raises(PermissionError):
        os.ftruncate(pool.fd, 0)
    with pytest.raises(PermissionError):
        os.ftruncate(pool.fd, 1 << 20)
    with pytest.raises(PermissionError):
        fcntl.fcntl(pool.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)


def test_attaching_to_too_little_memory_is_an_error_and_not_a_crash():
    fd = os.memfd_create("small")
    os.ftruncate(fd, 100)
    with pytest.raises(StreamerError, match="slot pool 1: 3 slots of 96 bytes need"):
        SlotPool.attach(fd, 1, 3, 96)
    os.close(fd)


def test_a_pool_without_slots_is_refused():
    with pytest.raises(ValueError, match="at least 1 slot"):
        SlotPool.create(1, 0, 96)


def test_close_twice_and_with_a_living_view(pool):
    view = pool.view(0, pool.write(0, picture(5)), 8, 4)
    pool.close()
    pool.close()
    assert np.array_equal(view, picture(5))
