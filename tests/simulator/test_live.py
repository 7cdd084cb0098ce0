"""Scenes encoded as they happen: the same truth as the looped form, on the clock, bounded when it cannot keep up."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest

from streamer.errors import InputError
from streamer.simulator import Simulator, framecode
from streamer.simulator import live as live_module
from streamer.simulator.encode import Coding, Encoder
from streamer.simulator.faults import parse_fault
from streamer.simulator.library import make_scene
from streamer.simulator.live import LiveMount
from streamer.simulator.mount import CameraSettings
from streamer.simulator.outlet import Outlet
from streamer.simulator.reel import Reel
from streamer.simulator.render import Renderer
from streamer.simulator.spec import parse_spec
from streamer.simulator.variant import decode
from tests.simulator.tape import Tape
from tests.simulator.watcher import until

FPS = 25.0
SIZE = (160, 96)


def shown(codec: str = "h264", seconds: float = 20.0, gop: int = 50) -> tuple[Renderer, Coding, bool]:
    return Renderer(make_scene("empty", seconds, 3), SIZE, FPS), Coding(codec, *SIZE, FPS, gop, 400_000), True


@pytest.fixture
async def mounts() -> AsyncIterator[Callable[..., LiveMount]]:
    """Make a live mount; its thread ends with the test."""
    made: list[LiveMount] = []

    def make(log: Callable[[int, float], None] | None = None, codec: str = "h264", **settings: object) -> LiveMount:
        made.append(LiveMount(CameraSettings("cam", **settings), shown(codec), log))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for mount in made:
        mount.stop()


class Film(Tape):
    """A tape that keeps the units, so that they can be decoded."""

    def __init__(self, mount: LiveMount):
        super().__init__()
        self.units_sent = []
        emit = mount._emit
        mount._emit = lambda unit, due: (self.units_sent.append(unit), emit(unit, due))[1]  # type: ignore[method-assign]

    def numbers(self, mount: LiveMount) -> list[int]:
        """What is burnt into each picture that came, from its first keyframe on."""
        units = tuple(itertools.dropwhile(lambda unit: not unit.key, self.units_sent))
        reel = Reel(mount.reel.codec, *SIZE, FPS, units, mount.reel.parameter_sets)
        return [framecode.read(picture[: SIZE[1]]) for picture in decode(reel, 0, len(units))]


@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_each_picture_is_the_loops_own_and_comes_when_it_is_due(
    mounts: Callable[..., LiveMount], codec: str
) -> None:
    mount = mounts(codec=codec, start=490)
    film = Film(mount)
    before = time.monotonic()
    mount.play(Outlet(film))
    pictures = await film.until(25)
    numbers = film.numbers(mount)[:25]
    assert numbers[0] >= 490
    assert -1 not in numbers
    assert min(numbers) < 490, "the loop begins anew after 20 s"
    for number, (sent_at, _, timestamp, _) in zip(numbers, pictures, strict=False):
        since_start = (number - 490) % 500  # one may be left out on a machine that is busy, but none is at a wrong time
        assert sent_at >= before + since_start / FPS - 0.001
        step = (timestamp - pictures[0][2]) % (1 << 32)
        assert step == round(((number - numbers[0]) % 500) * 90_000 / FPS)


async def test_whoever_comes_gets_a_keyframe_at_once(mounts: Callable[..., LiveMount]) -> None:
    """The interval is two seconds; nobody waits for that."""
    mount = mounts()
    first, second = Tape(), Tape()
    mount.play(Outlet(first))
    await first.until(8)
    came_at = time.monotonic()
    outlet = Outlet(second)
    mount.play(outlet)
    await second.until(1)
    assert second.pictures[0][0] - came_at < 0.5
    assert not outlet.waiting
    assert mount.cue() is None


async def test_nothing_is_drawn_while_nobody_watches_and_the_clock_goes_on(
    mounts: Callable[..., LiveMount], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    mount = mounts()
    i420 = mount._renderer.i420
    monkeypatch.setattr(mount._renderer, "i420", lambda n, burn: (drawn.append(n), i420(n, burn))[1])
    film = Film(mount)
    outlet = Outlet(film)
    mount.play(outlet)
    await film.until(3)
    mount.leave(outlet)
    await asyncio.sleep(0.1)
    count = len(drawn)
    await asyncio.sleep(0.4)
    assert len(drawn) == count
    sent = len(film.pictures)
    mount.play(outlet)
    await film.until(sent + 2)
    assert drawn[count] >= drawn[count - 1] + 8
    assert mount.late == 0, "what nobody missed is not late"


async def test_what_it_cannot_keep_up_with_is_left_out_and_counted(
    mounts: Callable[..., LiveMount], monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: dict[int, float] = {}
    mount = mounts(logged.__setitem__)
    i420 = mount._renderer.i420
    monkeypatch.setattr(mount._renderer, "i420", lambda n, burn: (time.sleep(0.1), i420(n, burn))[1])
    tape = Tape()
    mount.play(Outlet(tape))
    pictures = await tape.until(8)
    await until(lambda: mount.late >= 8)
    assert mount.number == len(logged), "each picture is accounted for"
    left_out = [n for n, at in sorted(logged.items()) if at == 0.0]
    assert len(left_out) >= 8
    # what is sent is of now: the clock is not stretched
    assert (pictures[7][2] - pictures[0][2]) / 90_000 == pytest.approx(pictures[7][0] - pictures[0][0], abs=0.15)


async def test_a_loop_that_hangs_keeps_a_few_pictures_waiting_and_goes_on_with_a_keyframe(
    mounts: Callable[..., LiveMount],
) -> None:
    mount = mounts()
    film = Film(mount)
    mount.play(Outlet(film))
    await film.until(3)
    time.sleep(1.0)  # noqa: ASYNC251 - the event loop itself is to be late
    before = len(film.units_sent)
    await asyncio.sleep(0)
    assert len(film.units_sent) - before <= live_module.WAITING
    await until(lambda: any(unit.key for unit in film.units_sent[before + live_module.WAITING :]))
    assert mount.late >= 10
    numbers = film.numbers(mount)
    assert numbers == sorted(numbers), "and all of it can be decoded"
    assert -1 not in numbers


async def test_faults_of_sending_work_and_others_are_refused_in_words(mounts: Callable[..., LiveMount]) -> None:
    mount = mounts()
    tape = Tape()
    mount.play(Outlet(tape))
    await tape.until(3)
    mount.misbehave(parse_fault("stall"))
    await asyncio.sleep(0.05)
    count = len(tape.pictures)
    await asyncio.sleep(0.2)
    assert len(tape.pictures) <= count + 1
    mount.misbehave(None)
    await tape.until(count + 5)
    for kind in ("black", "frozen", "resolution", "flood", "keyframe_pause"):
        with pytest.raises(InputError, match=f"'cam' is encoded live and cannot be '{kind}'"):
            mount.misbehave(parse_fault(kind))


def test_a_keyframe_on_demand() -> None:
    renderer, coding, _ = shown(gop=50)
    encoder = Encoder(coding)
    keys = [encoder.encode(renderer.i420(n), key=n == 7)[0].key for n in range(12)]
    assert [n for n, key in enumerate(keys) if key] == [0, 7]


def test_only_scenes_can_be_live(tmp_path) -> None:
    with pytest.raises(InputError, match="only a scene can be encoded live"):
        parse_spec({"cameras": [{"name": "a", "file": str(tmp_path / "a.mp4"), "live": True}]})


@pytest.mark.e2e
def test_as_a_process_beside_a_looped_one() -> None:
    import av

    same = {"scene": "square", "size": [320, 180], "fps": 15, "seed": 4, "loop_seconds": 20.0, "burn_index": True}
    with Simulator([{"name": "live", **same, "live": True}, {"name": "looped", **same}]) as simulator:
        assert simulator.cameras["live"] == simulator.cameras["looped"]
        pictures = {}
        for name in ("live", "looped"):
            with av.open(simulator.url(name), options={"rtsp_transport": "tcp"}, timeout=20) as container:
                frames = itertools.islice(container.decode(video=0), 30)
                luma = [frame.to_ndarray(format="gray") for frame in frames]
            pictures[name] = {framecode.read(picture): picture for picture in luma}
        assert len(simulator.truth("live").scene.actors) == len(simulator.truth("looped").scene.actors)
    both = set(pictures["live"]) & set(pictures["looped"]) - {-1}
    assert len(both) > 10
    for number in both:  # the same moment, but for what encoding costs
        difference = np.abs(pictures["live"][number].astype(int) - pictures["looped"][number])
        assert difference.mean() < 6
