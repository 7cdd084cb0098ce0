"""Names and measures of faults, and what `corrupt` and `loss` do to packets."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from streamer.errors import InputError
from streamer.simulator.faults import FAULTS, Fault, mangle, parse_fault
from streamer.simulator.reel import Reel
from streamer.simulator.rtp import HEADER

ASKED = [
    "refuse",
    "401",
    "404",
    "half_open",
    "slow_start",
    "audio_only",
    "stall",
    "frozen",
    "black",
    "pts_jump",
    "pts_reset",
    "resolution",
    "corrupt",
    "loss",
    "flood",
    "keyframe_pause",
]


def test_every_misbehavior_has_a_name_and_words() -> None:
    assert list(FAULTS) == ASKED
    for kind, (fault, words) in FAULTS.items():
        assert fault.kind == kind
        assert parse_fault(kind) == fault
        assert words


def test_measures() -> None:
    assert parse_fault({"kind": "loss", "rate": 0.5}) == Fault("loss", rate=0.5)
    assert parse_fault({"kind": "pts_jump", "seconds": -3}).seconds == -3.0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("fire", "'fire' is not one of refuse, 401"),
        ({}, "None is not one of"),
        ({"kind": "loss", "speed": 1}, "speed=1 is not a number for one of seconds"),
        ({"kind": "loss", "rate": "much"}, "rate='much'"),
        ({"kind": "loss", "rate": True}, "rate=True"),
        ({"kind": "loss", "rate": 1.5}, "within 0 and 1"),
        ({"kind": "flood", "factor": 0}, "factor above 0"),
        ({"kind": "pts_jump", "every_seconds": -1}, "not negative"),
    ],
)
def test_refused(given: str | dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_fault(given)


def test_loss_leaves_packets_out(reel: Reel, fault: Callable[..., Fault]) -> None:
    chance, kept, total = random.Random(1), 0, 0
    for unit in reel.units * 20:
        left = mangle(unit.burst, fault("loss", rate=0.3), chance)
        total += len(unit.burst.offsets)
        kept += len(left.offsets) if left else 0
        if left:
            packets = {bytes(p) for p in unit.burst.packets()}
            assert all(bytes(p) in packets for p in left.packets())
    assert kept / total == pytest.approx(0.7, abs=0.05)
    assert mangle(reel.units[0].burst, fault("loss", rate=1.0), chance) is None
    assert mangle(reel.units[0].burst, fault("loss", rate=0.0), chance) is reel.units[0].burst


def test_corrupt_changes_payload_and_nothing_else(reel: Reel, fault: Callable[..., Fault]) -> None:
    chance, changed, total = random.Random(1), 0, 0
    for unit in reel.units * 20:
        before = bytes(unit.burst.buffer)
        after = mangle(unit.burst, fault("corrupt", rate=0.4), chance)
        assert after is not None
        assert bytes(unit.burst.buffer) == before, "the reel itself stays whole"
        for a, b in zip(unit.burst.packets(), after.packets(), strict=True):
            assert a[:HEADER] == b[:HEADER]
            total += 1
            changed += a != b
    assert changed / total == pytest.approx(0.4, abs=0.05)


def test_mangling_is_deterministic(reel: Reel, fault: Callable[..., Fault]) -> None:
    def run(seed: int) -> list[bytes]:
        chance = random.Random(seed)
        results = [mangle(unit.burst, fault("corrupt"), chance) for unit in reel.units]
        return [bytes(burst.buffer) for burst in results if burst]

    assert run(5) == run(5)
    assert run(5) != run(6)


def test_other_faults_leave_packets_alone(reel: Reel, fault: Callable[..., Fault]) -> None:
    assert mangle(reel.units[0].burst, fault("black"), random.Random(0)) is reel.units[0].burst
