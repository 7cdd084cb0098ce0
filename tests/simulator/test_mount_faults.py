"""A camera's faults of clock and pictures, as they leave it: begin, measure, and clean return."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest

from streamer.simulator.faults import Fault
from streamer.simulator.mount import Mount, Stand
from streamer.simulator.outlet import Outlet
from streamer.simulator.reel import Reel, Unit
from tests.simulator.conftest import FPS, FRAMES
from tests.simulator.tape import Tape
from tests.simulator.watcher import until

STEP = round(90_000 / FPS)


async def test_stall_and_return(mounts: Callable[..., Mount], reel: Reel, fault: Callable[..., Fault]) -> None:
    logged: dict[int, float] = {}
    tape, mount = Tape(), mounts(reel, logged.__setitem__)
    mount.play(Outlet(tape))
    await tape.until(3)
    mount.misbehave(fault("stall"))
    seen, number = len(tape.pictures), mount.number
    await until(lambda: mount.number >= number + 8)
    assert len(tape.pictures) == seen
    assert logged[number + 5] == 0.0
    mount.misbehave(None)
    await tape.until(seen + 3)
    back = tape.units(reel)[seen:]
    assert reel.units[back[0]].key
    assert (tape.pictures[seen][2] - tape.pictures[0][2]) % STEP == 0


async def test_flood_and_return(mounts: Callable[..., Mount], reel: Reel, fault: Callable[..., Fault]) -> None:
    slow = replace(reel, fps=10.0)
    tape, mount = Tape(), mounts(slow)
    mount.play(Outlet(tape))
    await tape.until(2)
    mount.misbehave(fault("flood", factor=20))
    seen = len(tape.pictures)
    await tape.until(seen + 40)
    flood = tape.pictures[seen + 1 : seen + 40]
    assert {b[2] - a[2] for a, b in itertools.pairwise(flood)} == {450}, "200 frames a second, in true time"
    mount.misbehave(None)
    seen = len(tape.pictures)
    await tape.until(seen + 4)
    calm = tape.pictures[seen + 1 : seen + 4]
    assert {b[2] - a[2] for a, b in itertools.pairwise(calm)} == {9000}


@pytest.mark.parametrize("seconds", [30.0, -7.0])
async def test_timestamps_jump_once(
    mounts: Callable[..., Mount], reel: Reel, fault: Callable[..., Fault], seconds: float
) -> None:
    tape, mount = Tape(), mounts(reel)
    mount.play(Outlet(tape))
    await tape.until(4)
    mount.misbehave(fault("pts_jump", seconds=seconds))
    await tape.until(16)
    steps = [
        (b[2] - a[2] + (1 << 31)) % (1 << 32) - (1 << 31)
        for a, b in zip(tape.pictures, tape.pictures[1:], strict=False)
    ]
    assert sorted(set(steps)) == sorted({STEP, STEP + round(seconds * 90_000)})
    assert steps.count(STEP) == len(steps) - 1


async def test_timestamps_start_again_and_again(
    mounts: Callable[..., Mount], reel: Reel, fault: Callable[..., Fault]
) -> None:
    tape, mount = Tape(), mounts(reel)
    mount.play(Outlet(tape))
    await tape.until(4)
    mount.misbehave(fault("pts_reset", every_seconds=0.1))
    await tape.until(30)
    zeros = [number for number, picture in enumerate(tape.pictures) if picture[2] == 0]
    assert len(zeros) >= 3


async def test_keyframe_pause(mounts: Callable[..., Mount], reel: Reel, fault: Callable[..., Fault]) -> None:
    slow = replace(reel, fps=20.0)
    tape, mount = Tape(), mounts(slow)
    mount.misbehave(fault("keyframe_pause", seconds=0.12))
    mount.play(Outlet(tape))
    pictures = await tape.until(16)
    keys = [k for k, number in enumerate(tape.units(slow)[:16]) if slow.units[number].key]
    for k in keys[1:]:
        assert pictures[k][0] - pictures[k - 1][0] > 0.12
        assert pictures[k][2] - pictures[k - 1][2] == 4500, "the timestamps know nothing of the pause"
    assert tape.units(slow)[:16] == [n % FRAMES for n in range(16)]


async def test_stand_ins_change_places_at_keyframes_only(
    mounts: Callable[..., Mount], reel: Reel, fault: Callable[..., Fault]
) -> None:
    other = _other(reel)
    for aligned in (False, True):
        tape, mount = Tape(), mounts(reel)
        mount.play(Outlet(tape))
        await tape.until(7)
        mount.misbehave(fault("black"), Stand(other, aligned))
        await tape.until(24)
        mount.misbehave(None)
        await tape.until(36)
        own, foreign = tape.units(reel), tape.units(other)
        changes = [k for k in range(1, 36) if (own[k] < 0) != (own[k - 1] < 0)]
        assert len(changes) == 2
        into, out = changes
        assert other.units[foreign[into]].key
        assert reel.units[own[out]].key
        assert foreign[into] == (into % FRAMES if aligned else 0)
        assert own[out:36] == [n % FRAMES for n in range(out, 36)], "back in step with its own time"


def _other(reel: Reel) -> Reel:
    """The same reel in other bytes."""

    def changed(unit: Unit) -> Unit:
        burst = unit.burst.copy()
        assert burst is not None
        for at in burst.offsets:
            burst.buffer[at + 20] ^= 0xFF
        return replace(unit, burst=burst)

    return replace(reel, units=tuple(changed(unit) for unit in reel.units))
