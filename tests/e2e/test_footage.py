"""Real footage through the real detector, tracker and rules: what `-s` prints are the figures of the documentation."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from streamer.events import Event
from streamer.replay import Report
from tests import crossings, footage

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def model(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """YOLOX-nano with its card."""
    return footage.detector(shared_data, tmp_path_factory.mktemp("models"))


WHOLE: dict[str, list[tuple[float, float]]] = {"all": [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]}
BOTH: dict[str, object] = {"intrusion": {}, "loitering": {}}


def begins(report: Report, kind: str) -> list[Event]:
    return [event for event in report.events if event.kind == kind and event.state == "begin"]


def ends(report: Report, kind: str) -> list[Event]:
    return [event for event in report.events if event.kind == kind and event.state == "end"]


@pytest.mark.slow
@pytest.mark.parametrize("analyze_fps", [5.0, 10.0])
def test_intrusion_on_the_campus(shared_data: Path, model: Path, analyze_fps: float) -> None:
    table, three, twenty = footage.campus_table(shared_data, model, analyze_fps)
    print("\n" + table)
    assert three.hits + len(three.missed) >= 20
    assert three.recall >= 0.9
    assert three.precision >= 0.9
    # zones that nobody chose, borders through where people turn round included
    assert twenty.recall >= 0.85
    assert twenty.precision >= 0.85


@pytest.mark.slow
def test_fused_with_motion_the_campus_is_no_worse(shared_data: Path, model: Path) -> None:
    _, alone, alone_twenty = footage.campus_table(shared_data, model, 5.0)
    table, three, twenty = footage.campus_table(shared_data, model, 5.0, footage.FUSED)
    print("\n" + table)
    assert three.recall >= alone.recall
    assert three.precision >= alone.precision
    assert twenty.recall >= alone_twenty.recall
    assert twenty.precision >= alone_twenty.precision - 0.01


@pytest.mark.slow
async def test_fused_with_motion_all_four_cars_from_above_are_followed(shared_data: Path, model: Path) -> None:
    video = shared_data / "cctv" / "cars_from_above.mp4"
    rule: dict[str, object] = {"intrusion": {"labels": ["motion", "car", "truck", "bus"], "min_seconds": 0.4}}
    # before (x of the lane, when it crosses the middle of the picture): by eye
    lanes = {
        "left": [(0.1, 0.3), (0.4, 0.3), (0.4, 1.0), (0.1, 1.0)],
        "right": [(0.4, 0.3), (0.7, 0.3), (0.7, 1), (0.4, 1)],
    }
    when = {"right": [6.0, 16.5], "left": [16.3, 26.5]}
    fused = await footage.play([footage.watched(video, lanes, rule, 5.0, footage.FUSED)], model)
    alone = await footage.play([footage.watched(video, lanes, rule, 5.0)], model)
    for lane, times in when.items():
        told = [event.time for event in begins(fused, "intrusion") if event.zone == lane]
        print(lane, told)
        assert told == [pytest.approx(time, abs=1.5) for time in times]
    assert len(begins(alone, "intrusion")) < 4


@pytest.mark.slow
async def test_fused_with_motion_the_visits_to_the_table_are_the_same(shared_data: Path, model: Path) -> None:
    video, zone = shared_data / "cctv" / "one_by_one.mp4", {"table": footage.TABLE}
    alone = await footage.play([footage.watched(video, zone, BOTH, 5.0)], model)
    fused = await footage.play([footage.watched(video, zone, BOTH, 5.0, footage.FUSED)], model)
    assert [(e.kind, e.state) for e in fused.events] == [(e.kind, e.state) for e in alone.events]
    for one, other in zip(fused.events, alone.events, strict=True):
        assert one.time == pytest.approx(other.time, abs=0.5)


@pytest.mark.slow
def test_crossings_and_counts_on_the_campus(shared_data: Path, model: Path) -> None:
    table, found = crossings.crossings_table(shared_data, model, 5.0)
    print("\n" + table)
    assert found.hits + len(found.missed) >= 50
    assert found.recall >= 0.9
    assert found.precision >= 0.85
    table, mean_error, within_one = crossings.counts_table(shared_data, model, 5.0)
    print("\n" + table)
    assert mean_error <= 0.3
    assert within_one >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("analyze_fps", [2.0, 5.0, 10.0])
async def test_who_stays_at_the_table_loiters_and_who_does_not_does_not(
    shared_data: Path, model: Path, analyze_fps: float
) -> None:
    video = shared_data / "cctv" / "one_by_one.mp4"
    report = await footage.play([footage.watched(video, {"table": footage.TABLE}, BOTH, analyze_fps)], model)
    visits = footage.visits()
    entered = begins(report, "intrusion")
    for visit, begun, end in zip(visits, entered, ends(report, "intrusion"), strict=True):
        print(
            f"{visit['who']:<26} {visit['enters_s']:>6} {begun.started:7.2f}   {visit['leaves_s']:>6} {end.ended:7.2f}"
        )
        assert begun.started == pytest.approx(float(visit["enters_s"]), abs=1.0)
        assert end.ended == pytest.approx(float(visit["leaves_s"]), abs=1.0)
    loiterers = [visit for visit in visits if visit["loiters"] == "yes"]
    assert len(loiterers) == 3
    for visit, begun in zip(loiterers, begins(report, "loitering"), strict=True):
        assert begun.time == pytest.approx(float(visit["enters_s"]) + 15.0, abs=1.0)


async def test_bottles_and_the_hands_that_move_them_are_silent(shared_data: Path, model: Path) -> None:
    report = await footage.play([footage.watched(shared_data / "cctv" / "bottles.mp4", WHOLE, BOTH)], model)
    assert report.frames["bottles"] == pytest.approx(200, abs=3)
    assert report.events == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "least", "most"),
    [
        ("three_people_hevc.mp4", 3, 4),
        ("shop_1080p_hevc.mp4", 6, 12),  # 6-10 customers
        ("car_park.mp4", 1, 2),
        ("aerobics.avi", 3, 4),
        ("square_crowd.mp4", 25, 55),  # 30-45 people
        ("cars_from_above.mp4", 0, 0),
    ],
)
async def test_other_footage_counts_about_the_people_that_are_there(
    shared_data: Path, model: Path, file: str, least: int, most: int
) -> None:
    recording = footage.watched(shared_data / "cctv" / file, WHOLE, BOTH)
    report = await footage.play([recording], model)
    found = begins(report, "intrusion")
    print(f"{file}: {report.frames[recording.camera]} frames, {len(found)} intrusions")
    assert least <= len(found) <= most
    assert len(ends(report, "intrusion")) == len(found)


@pytest.mark.slow
async def test_it_repeats_byte_for_byte_and_does_not_depend_on_the_batch_size(shared_data: Path, model: Path) -> None:
    files = ("car_park.mp4", "aerobics.avi", "three_people_hevc.mp4")
    recordings = [footage.watched(shared_data / "cctv" / file, WHOLE, BOTH) for file in files]
    first, again = [await footage.play(recordings, model) for _ in range(2)]
    assert list(first.lines()) == list(again.lines())
    single = await footage.play(recordings, model, max_batch_size=1)
    assert _without_confidence(first.events) == _without_confidence(single.events)
    for one, other in zip(first.events, single.events, strict=True):
        assert one.confidence == pytest.approx(other.confidence, abs=0.01)
    assert first.events


def _without_confidence(events: Sequence[Event]) -> list[tuple[object, ...]]:
    return [(e.id, e.state, e.time, e.camera, e.kind, e.zone, e.track_id) for e in events]


# --- the scales themselves: no footage needed ---


def test_a_score_matches_one_to_one_within_the_zone_and_the_tolerance() -> None:
    truth = [footage.Stay("a", 1.0, 5.0, "1"), footage.Stay("a", 1.5, 5.0, "2"), footage.Stay("b", 9.5, 10.0, "3")]
    claims = [footage.Said("a", 2.0), footage.Said("a", 2.2), footage.Said("b", 1.0), footage.Said("b", 30.0)]
    score = footage.score(truth, claims, tolerance_s=1.0, until_s=10.0)
    assert score.hits == 2
    assert score.missed == []  # the third begins within a second of the end of the truth
    assert score.false == [footage.Said("b", 1.0)]
    assert (score.recall, score.precision) == (1.0, pytest.approx(2 / 3))
    assert sorted(score.delays_s) == [pytest.approx(0.7), pytest.approx(1.0)]
    assert footage.score(truth[:1], [], 1.0, 10.0).recall == 0.0
    assert footage.score([], claims[:1], 1.0, 10.0).precision == 0.0
    assert footage.score([], [], 1.0, 10.0).recall == 1.0


def test_truth_is_cut_by_the_rules_own_words(tmp_path: Path) -> None:
    def box(number: int, x: float) -> str:
        return f"{number},7,{x * 480 - 10},{0.3 * 360},20,{0.4 * 360},1,1,1"

    inside = [*range(11, 31), *range(36, 41), *range(71, 76)]  # 1.0-2.9 s, 3.5-3.9 s, and again at 7.0-7.4 s
    rows = [box(number, 0.5 if number in inside else 0.1) for number in range(1, 101)]
    labels = tmp_path / "gt.txt"
    labels.write_text("\n".join(rows))
    zones = {"a": [(0.4, 0.5), (0.6, 0.5), (0.6, 0.9), (0.4, 0.9)]}
    (stay,) = footage.campus_truth(labels, zones)
    assert (stay.zone, stay.who, stay.begin_s, stay.end_s) == ("a", "7", pytest.approx(2.0), pytest.approx(3.9))


def test_crossings_are_derived_from_sure_samples_on_either_side(tmp_path: Path) -> None:
    start, end = crossings.CAMPUS_LINES["middle"]
    x = 480 * (start[0] + end[0]) / 2

    def box(number: int, offset: float) -> str:
        return f"{number},7,{x + offset - 10},{0.5 * 360},20,{0.1 * 360},1,1,1"

    # from left to right with a sway on the line: the arrow points down, so its left is the picture's right
    offsets = [-60, -40, -20, -2, 2, -2, 2, 20, 40, 60]
    labels = tmp_path / "gt.txt"
    labels.write_text("\n".join(box(number + 1, offset) for number, offset in enumerate(offsets)))
    (crossing,) = [one for one in crossings.campus_crossings(labels) if one.zone.startswith("middle")]
    assert (crossing.zone, crossing.begin_s) == ("middle backward", pytest.approx(0.7))
    zones = {"all": [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]}
    assert crossings.campus_counts(labels, zones)["all"].tolist() == [1] * 10 + [0] * 390


def test_the_truth_files_agree_with_themselves() -> None:
    visits = footage.visits()
    assert len(visits) == 6
    for visit in visits:
        assert (float(visit["leaves_s"]) - float(visit["enters_s"]) >= 15.0) is (visit["loiters"] == "yes")
    assert all(0 <= value <= 1 for line in crossings.CAMPUS_LINES.values() for point in line for value in point)
    assert list(footage.campus_zones()) == ["left_path", "road", "square"]
    assert len(footage.random_zones(20)) == 20
    with (footage.TRUTH / "one_by_one.csv").open() as file:
        assert next(csv.reader(file)) == ["who", "enters_s", "leaves_s", "loiters"]
