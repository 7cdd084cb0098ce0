"""Falls of real people, by the way of replay: every one is told, and nothing where nobody falls."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import falls, footage


@pytest.fixture(scope="module")
def model(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The detector with its card."""
    return footage.detector(shared_data, tmp_path_factory.mktemp("model"))


async def test_falls_are_told_and_everyday_is_not(shared_data: Path, model: Path) -> None:
    truth = falls.segments(shared_data)
    found = await falls.told([shared_data / "falls" / name for name in truth], model)
    hits = [name for name, (_, begin) in truth.items() if falls.hit(found[name][0], begin) is not None]
    down = [name for name, (_, begin) in truth.items() if falls.hit(found[name][0], begin, "fallen") is not None]
    print(f"told: {hits}; fallen: {down}")
    assert len(hits) >= 5
    assert len(down) >= 4
    for name, (_, begin) in truth.items():
        if begin is None:
            assert found[name][0] == []
        else:
            fallen = falls.hit(found[name][0], begin, "fallen")
            assert fallen is None or fallen.time <= begin + 5.3


@pytest.mark.slow
async def test_where_nobody_falls_nothing_is_told(shared_data: Path, model: Path) -> None:
    found = await falls.told([shared_data / "cctv" / name for name in falls.QUIET], model)
    assert {name: events for name, (events, _) in found.items() if events} == {}


def test_simulated_people_who_walk_and_run_do_not_fall() -> None:
    tally = falls.Tally()
    for seed in range(2):
        tally.add(str(seed), falls.simulated(seed, False, seconds=70.0)[0], 70.0)
    assert tally.where == []


def test_a_simulated_fall_is_told_though_nobody_who_lies_is_detected() -> None:
    events, stage = falls.simulated(10_001, True, seconds=40.0)
    (fall,) = [one for one in stage.truth.incidents() if one.kind == "fall"]
    assert falls.hit(events, fall.start - 0.5) is not None
    assert [event.kind for event in events if event.state == "end"] == ["fall", "fallen"]
