"""A camera's clock and numbers: nothing drifts, timestamps are exact, late loops catch up, logs tell all."""

from __future__ import annotations

import itertools
import struct
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from streamer.simulator import mount as mount_module
from streamer.simulator.mount import Mount
from streamer.simulator.outlet import Outlet
from streamer.simulator.reel import Reel
from streamer.simulator.rtcp import NTP_EPOCH_S
from tests.simulator.conftest import FPS, FRAMES
from tests.simulator.tape import Tape
from tests.simulator.watcher import until

STEP = round(90_000 / FPS)


async def test_order_timestamps_and_sequence_over_the_seam(mounts: Callable[..., Mount], reel: Reel) -> None:
    tape, mount = Tape(), mounts(reel)
    mount.play(Outlet(tape))
    pictures = await tape.until(FRAMES + 7)
    assert tape.units(reel)[: FRAMES + 7] == [n % FRAMES for n in range(FRAMES + 7)]
    for number, (a, b) in enumerate(itertools.pairwise(pictures)):
        assert (b[2] - a[2]) % (1 << 32) == STEP
        assert (b[1] - a[1]) % (1 << 16) == len(reel.units[number % FRAMES].burst.offsets)


async def test_deadlines_do_not_drift_and_never_come_early(mounts: Callable[..., Mount], reel: Reel) -> None:
    tape, mount = Tape(), mounts(reel)
    before = time.monotonic()
    mount.play(Outlet(tape))
    await tape.until(8)
    time.sleep(0.15)  # noqa: ASYNC251 - the event loop itself is to be late
    pictures = await tape.until(40)
    origin = pictures[0][0]
    assert pictures[0][0] >= before
    for number, picture in enumerate(pictures[:40]):
        assert picture[0] >= before + number / FPS - 0.001
    assert min(picture[0] - origin - n / FPS for n, picture in enumerate(pictures[:40]) if n > 20) < 0.1, (
        "and back in time"
    )
    assert mount.late == 0
    assert tape.units(reel)[:40] == [n % FRAMES for n in range(40)], "a short lag is caught up, nothing left out"


async def test_a_long_lag_leaves_frames_out(
    mounts: Callable[..., Mount], reel: Reel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mount_module, "LATEST_SECONDS", 0.1)
    logged: dict[int, float] = {}
    tape, mount = Tape(), mounts(reel, logged.__setitem__)
    mount.play(Outlet(tape))
    await tape.until(3)
    time.sleep(0.4)  # noqa: ASYNC251 - the event loop itself is to be late
    await tape.until(12)
    assert mount.late >= 15
    units = tape.units(reel)
    jump = next(k for k in range(1, 12) if (units[k] - units[k - 1]) % FRAMES != 1)
    assert reel.units[units[jump]].key, "the stream goes on with a keyframe"
    assert sum(at == 0.0 for at in logged.values()) == mount.late, "frames that were left out are logged as not sent"


async def test_clock_waits_for_the_first_client_and_then_runs_on(mounts: Callable[..., Mount], reel: Reel) -> None:
    mount, tape = mounts(reel), Tape()
    assert mount.number == 0
    outlet = Outlet(tape)
    mount.play(outlet)
    await tape.until(3)
    mount.leave(outlet)
    seen = len(tape.pictures)
    await until(lambda: mount.number >= 10)
    assert len(tape.pictures) == seen
    assert mount.watchers == ()


async def test_start_within_the_loop_begins_with_the_next_keyframe(mounts: Callable[..., Mount], reel: Reel) -> None:
    tape, mount = Tape(), mounts(reel, start=7)
    mount.play(Outlet(tape))
    await tape.until(3)
    assert tape.units(reel)[:3] == [10, 11, 12]


@pytest.mark.parametrize("start", [0, 3, 7])
async def test_cue_tells_the_first_packet(mounts: Callable[..., Mount], reel: Reel, start: int) -> None:
    tape, mount = Tape(), mounts(reel, start=start)
    told = mount.cue()
    assert told is not None
    mount.play(Outlet(tape))
    (first, *_) = await tape.until(1)
    assert told == first[1:3]
    later, second = Tape(), Outlet(Tape())
    second = Outlet(later)
    told = mount.cue()
    assert told is not None
    mount.play(second)
    (first, *_) = await later.until(1)
    assert told == first[1:3], "and to a client that comes later"


async def test_a_lone_client_does_not_wait_for_a_far_keyframe(mounts: Callable[..., Mount], reel: Reel) -> None:
    units = tuple(replace(unit, key=number == 0) for number, unit in enumerate(reel.units))
    slow = replace(reel, fps=2.0, units=units)
    logged: dict[int, float] = {}
    tape, mount = Tape(), mounts(slow, logged.__setitem__, start=3)
    told = mount.cue()
    assert told is not None
    begun = time.monotonic()
    mount.play(Outlet(tape))
    (first, *_) = await tape.until(1)
    assert tape.units(slow)[0] == 0
    assert first[0] - begun < 2.0, "not the 8.5 s until frame 20"
    assert told == first[1:3]
    assert [logged[n] for n in range(17)] == [0.0] * 17
    assert (3 + 17) % len(slow) == 0
    assert logged[17] > 0, "the picture's number still tells which one it is"


async def test_log_numbers_frames_from_the_first(mounts: Callable[..., Mount], reel: Reel) -> None:
    logged: list[tuple[int, float]] = []
    tape, mount = Tape(), mounts(reel, lambda number, at: logged.append((number, at)))
    mount.play(Outlet(tape))
    await tape.until(6)
    for (number, at), picture in zip(logged, tape.pictures, strict=False):
        assert 0 <= picture[0] - at < 0.05
        assert number == logged.index((number, at))


async def test_phase_delays_the_clock(mounts: Callable[..., Mount], reel: Reel) -> None:
    slow = replace(reel, fps=4.0)
    tape, mount = Tape(), mounts(slow, phase=0.8)
    begun = time.monotonic()
    mount.play(Outlet(tape))
    (first, *_) = await tape.until(1)
    assert first[0] - begun >= 0.8 / 4.0 - 0.001


async def test_report_relates_both_clocks(mounts: Callable[..., Mount], reel: Reel) -> None:
    tape, mount = Tape(), mounts(reel)
    mount.play(Outlet(tape))
    pictures = await tape.until(4)
    now = time.time()
    ssrc, ntp, timestamp, packets, octets = struct.unpack_from(">IQIII", tape.control[0], 4)
    assert ssrc == mount.ssrc
    assert ntp / (1 << 32) - NTP_EPOCH_S == pytest.approx(now, abs=1.0)
    assert (timestamp - pictures[0][2]) % (1 << 32) < STEP * 3, "the same instant on the stream's clock"
    assert packets == len(reel.units[0].burst.offsets)
    assert octets == reel.units[0].burst.octets
    assert len(tape.control) == 1, "reports are seconds apart"


async def test_clocks_that_lie(mounts: Callable[..., Mount], reel: Reel) -> None:
    silent, epoch = Tape(), Tape()
    mounts(reel, clock="none").play(Outlet(silent))
    mounts(reel, clock="epoch").play(Outlet(epoch))
    await silent.until(3)
    await epoch.until(3)
    assert not silent.control
    (ntp,) = struct.unpack_from(">Q", epoch.control[0], 8)
    assert ntp / (1 << 32) - NTP_EPOCH_S < 10
