"""The paced floor on a clock of its own: every picture when it is due, cameras in phases, only the window counts."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from streamer.bench import paced
from streamer.bench.paced import Pace, bare_steps, paced_ms
from streamer.sources.sampler import Sampler


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that only sleeping and working move; working moves the processor's, too."""
    now = SimpleNamespace(at=100.0, cpu=0.0, slept=0.0)

    def sleep(seconds: float) -> None:
        now.at += seconds
        now.slept += seconds

    fake = SimpleNamespace(monotonic=lambda: now.at, process_time=lambda: now.cpu, sleep=sleep)
    monkeypatch.setattr(paced, "time", fake)
    return now


def work(world: SimpleNamespace, seconds: float) -> None:
    world.at += seconds
    world.cpu += seconds


class Decoder:
    """Notes which packets it got, at 2 ms each."""

    def __init__(self, world: SimpleNamespace):
        self.world = world
        self.got: list[tuple[float, int]] = []

    def decode(self, packet: SimpleNamespace) -> list[int]:
        self.got.append((self.world.at, packet.number))
        work(self.world, 0.002)
        return [packet.number]


PACKETS = [SimpleNamespace(number=i, is_keyframe=i % 5 == 0) for i in range(20)]


def play(world: SimpleNamespace, pace: Pace, network_s: float = 0.0) -> tuple[float, list[Decoder]]:
    decoders: list[Decoder] = []

    def open_decoder() -> Decoder:
        decoders.append(Decoder(world))
        return decoders[-1]

    steps = bare_steps(pace, lambda: work(world, network_s))
    return paced_ms(PACKETS, open_decoder, pace, steps), decoders


def test_each_camera_at_its_rate_in_its_phase_from_its_keyframe(world: SimpleNamespace) -> None:
    _, decoders = play(world, Pace(4, 10.0, 5.0, (32, 32)))
    assert [decoder.got[0][1] for decoder in decoders] == [0, 5, 10, 15]
    firsts = [decoder.got[0][0] for decoder in decoders]
    assert firsts == pytest.approx([100.0, 100.025, 100.05, 100.075])
    for decoder in decoders:
        assert len(decoder.got) == pytest.approx((paced.WARM_SECONDS + paced.SECONDS) * 10, abs=1)
        numbers = [number for _, number in decoder.got]
        assert all(b == (a + 1) % 20 for a, b in itertools.pairwise(numbers))
    assert world.slept > 0


def test_the_cost_is_of_a_camera_second(world: SimpleNamespace) -> None:
    cost_ms, _ = play(world, Pace(2, 10.0, 5.0, (32, 32)), network_s=0.004)
    assert cost_ms == pytest.approx(10 * 2 + 5 * 4, rel=0.01)


def test_more_than_the_time_allows_is_late_but_costs_the_same(world: SimpleNamespace) -> None:
    cost_ms, _ = play(world, Pace(60, 10.0, 5.0, (32, 32)), network_s=0.004)
    assert cost_ms == pytest.approx(40, rel=0.02)


def test_the_network_runs_on_the_grid() -> None:
    runs: list[float] = []
    (step,) = bare_steps(Pace(1, 10.0, 5.0, (32, 32)), lambda: runs.append(1.0))
    for i in range(100):
        step(i, i / 10)
    assert len(runs) == sum(map(Sampler(5.0).take, (i / 10 for i in range(100))))
