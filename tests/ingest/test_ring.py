from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.ingest.ring import UNIT_COST, Ring
from tests.ingest.kept import encoding, filled, unit


def kept(ring):
    return [[one.ticks // 9000 for one in run.units] for run in ring.runs()]


def test_it_begins_at_a_keyframe_and_says_what_it_left_out():
    ring = filled([unit(0), unit(1), unit(2, key=True), unit(3)])
    assert kept(ring) == [[2, 3]]
    assert ring.dropped == {"no_keyframe": 2}
    assert ring.newest_at == 1000.3


def test_old_groups_go_whole_and_the_wanted_time_stays_covered():
    ring = filled([unit(n, key=n % 10 == 0) for n in range(100)], seconds=2.5)
    (numbers,) = kept(ring)
    assert numbers == list(range(70, 100))  # 2.5 s before 9.9 s is in the group that began at 7.0 s
    assert ring.dropped == {}


def test_bytes_are_bounded_and_the_lack_of_room_is_counted():
    size = 100 + UNIT_COST
    ring = filled([unit(n, key=n % 5 == 0) for n in range(50)], max_bytes=12 * size)
    (numbers,) = kept(ring)
    assert numbers == list(range(40, 50))
    assert ring.size == 10 * size
    assert ring.dropped == {"no_room": 40}


def test_a_group_that_alone_is_too_large_is_let_go_up_to_the_next_keyframe():
    ring = filled([unit(n, key=n in (0, 30)) for n in range(32)], max_bytes=10 * (100 + UNIT_COST))
    assert kept(ring) == [[30, 31]]
    assert ring.dropped == {"no_room": 11, "no_keyframe": 19}


def test_a_keyframe_that_alone_is_too_large():
    ring = filled([unit(0, key=True, size=10_000), unit(1)], max_bytes=5000)
    assert kept(ring) == []
    assert (ring.size, ring.newest_at) == (0, None)
    assert ring.dropped == {"no_room": 1, "no_keyframe": 1}


def test_another_connection_does_not_build_on_the_one_before():
    ring = filled([unit(0, key=True), unit(1)])
    ring.begin(encoding())
    ring.put(unit(2))
    ring.put(unit(3, key=True))
    assert kept(ring) == [[0, 1], [3]]
    ring.begin(None)  # a source without packets
    ring.put(unit(4, key=True))
    assert kept(ring) == [[0, 1], [3]]
    assert ring.dropped == {"no_keyframe": 2}
    ring.clear()
    assert (kept(ring), ring.size) == ([], 0)
    ring.put(unit(5))
    assert kept(ring) == []


def test_what_was_taken_out_stays_as_it_is():
    ring = filled([unit(0, key=True), unit(1)])
    (run,) = ring.runs()
    ring.put(unit(2))
    assert len(run.units) == 2


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 3000), st.floats(0, 3)), max_size=120),
    st.integers(300, 9000),
    st.floats(0, 20),
)
def test_never_more_than_its_bound_and_always_from_a_keyframe(steps, max_bytes, seconds):
    ring, at = Ring(max_bytes, seconds), 0.0
    ring.begin(encoding())
    for put, (key, size, pause) in enumerate(steps, start=1):
        at += pause
        ring.put(unit(put - 1, key=key, size=size, at=at))
        assert ring.size <= max_bytes
        runs = ring.runs()
        held = [one for run in runs for one in run.units]
        assert ring.size == sum(len(one.data) + UNIT_COST for one in held)
        assert all(run.units[0].startable for run in runs)
        # nothing is missing in between, and nothing is uncounted but what grew old
        numbers = [one.ticks // 9000 for one in held]
        assert numbers == list(range(put - len(numbers), put))
        assert ring.dropped.total() <= put - len(held)


def test_readers_and_a_writer_at_once():
    ring, wrong = Ring(20_000, 5.0), []
    ring.begin(encoding())

    def read():
        for _ in range(300):
            for run in ring.runs():
                if not run.units[0].startable:
                    wrong.append(run)

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(3000):
        ring.put(unit(n, key=n % 7 == 0))
    reader.join()
    assert not wrong


def test_what_it_costs_a_picture():
    """Not a benchmark: a bound ten times above what was measured (1 us), so that nobody puts a copy into it."""
    import timeit

    units = [unit(n, key=n % 30 == 0, size=20_000) for n in range(3000)]
    assert min(timeit.repeat(lambda: filled(units, seconds=10.0), number=1, repeat=5)) / 3000 < 10e-6


@pytest.mark.parametrize("key", [True, False])
def test_nothing_is_kept_before_a_connection_begins(key):
    ring = Ring(10_000, 5.0)
    ring.put(unit(0, key=key))
    assert ring.runs() == []
