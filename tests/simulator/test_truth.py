"""The truth against an independent reading of the same trajectories, and against scenes whose answer is plain."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.simulator.figure import box
from streamer.simulator.library import SCENES, make_scene
from streamer.simulator.scene import Actor, Lane, Leg, Lens, Line, Point, Scene, Zone, go, lie, stay
from streamer.simulator.truth import Criteria, Incident, Truth, inside_polygon

LENS = Lens(horizon=0.1, height_m=4.0)
SQUARE = ((0.3, 0.5), (0.7, 0.5), (0.7, 0.95), (0.3, 0.95))


def _scene(*legs: Leg, label: str = "person", start: Point = (0.1, 0.75), **places: tuple[object, ...]) -> Scene:
    actor = Actor("a", label, 1.0, start, legs, LENS, height_m=1.75 if label == "person" else 1.5)
    return Scene("test", 60.0, LENS, (actor,), **places)  # type: ignore[arg-type]


def _only(scene: Scene, kind: str, criteria: Criteria | None = None) -> list[Incident]:
    return [incident for incident in Truth(scene, criteria or Criteria()).incidents() if incident.kind == kind]


@pytest.mark.parametrize("name", list(SCENES))
def test_intrusions_equal_an_independent_check(name: str) -> None:
    """OpenCV's polygon test on the drawn box, sampled another way, finds the same spans."""
    scene = make_scene(name)
    step = 0.01
    for actor in scene.actors:
        times = np.arange(actor.begin_s, actor.end_s, step)
        for zone in scene.zones:
            polygon = np.array(zone.polygon, np.float32)
            inside = np.zeros(len(times), bool)
            for k, time in enumerate(times):
                pose = actor.pose(float(time))
                assert pose is not None
                x1, _, x2, y2 = box(actor, pose, scene.lens)
                inside[k] = cv2.pointPolygonTest(polygon, ((x1 + x2) / 2, y2), False) > 0
            held = inside.sum() * step
            found = [
                i
                for i in Truth(scene).incidents()
                if (i.kind, i.place, i.actor) == ("intrusion", zone.name, actor.name)
            ]
            if actor.label != "person" or held < 0.9:
                assert not found
            elif held > 1.2:
                assert sum(i.end - i.start for i in found) == pytest.approx(held, abs=0.3)
                assert found[0].start == pytest.approx(float(times[inside][0]), abs=0.05)
                assert found[-1].end == pytest.approx(float(times[inside][-1]), abs=0.1)


@pytest.mark.parametrize("name", list(SCENES))
def test_incidents_are_well_formed(name: str) -> None:
    scene = make_scene(name)
    incidents = Truth(scene).incidents()
    assert list(incidents) == sorted(incidents, key=lambda i: i.start)
    for incident in incidents:
        assert 0 <= incident.start <= incident.due <= incident.end + 0.05 <= scene.seconds + 0.05
        assert incident.actor in {actor.name for actor in scene.actors} | {""}
    crossings = [i for i in incidents if i.kind == "line_crossing"]
    for a, b in itertools.combinations(crossings, 2):
        swaying = (b.actor, b.place) == (a.actor, a.place) and abs(a.start - b.start) < 1
        assert not swaying, "swaying legs must not cross a line to and fro"


def test_stay_decides_between_intrusion_and_loitering() -> None:
    long = _scene(go(0.5, 0.75), stay(20), go(0.9, 0.75), zones=(Zone("z", SQUARE),))
    (intrusion,), (loitering,) = _only(long, "intrusion"), _only(long, "loitering")
    assert intrusion.start == loitering.start
    assert intrusion.due == pytest.approx(intrusion.start + 1.0)
    assert loitering.due == pytest.approx(loitering.start + 15.0)
    assert intrusion.end - intrusion.start > 20
    short = _scene(go(0.5, 0.75), stay(5), go(0.9, 0.75), zones=(Zone("z", SQUARE),))
    assert _only(short, "intrusion")
    assert not _only(short, "loitering")
    outside = _scene(go(0.25, 0.75), stay(20), go(0.0, 0.75), zones=(Zone("z", SQUARE),))
    assert not Truth(outside).incidents()


def test_criteria_move_the_due_time() -> None:
    scene = _scene(go(0.5, 0.75), stay(5), go(0.9, 0.75), zones=(Zone("z", SQUARE),))
    (incident,) = _only(scene, "loitering", Criteria(loitering_seconds=4))
    assert incident.due == pytest.approx(incident.start + 4)


def test_entry_time_is_where_the_way_meets_the_edge() -> None:
    """By hand: at 1.4 m/s along y = 0.75, from x = 0.1 to the edge at 0.3."""
    scene = _scene(go(0.9, 0.75, 1.4), zones=(Zone("z", SQUARE),))
    meters = math.dist(LENS.ground((0.1, 0.75)), LENS.ground((0.3, 0.75)))
    (incident,) = _only(scene, "intrusion")
    assert incident.start == pytest.approx(1.0 + meters / 1.4, abs=0.15)


def test_running() -> None:
    assert not _only(_scene(go(0.9, 0.75, 2.0)), "running")
    (run,) = _only(_scene(go(0.3, 0.75, 1.4), go(0.9, 0.75, 4.0), go(0.1, 0.75, 1.4)), "running")
    assert run.end - run.start == pytest.approx(
        math.dist(LENS.ground((0.3, 0.75)), LENS.ground((0.9, 0.75))) / 4, abs=0.1
    )


def test_fall_and_fallen() -> None:
    scene = _scene(go(0.5, 0.75), lie(8), go(0.9, 0.75))
    (fall,), (fallen,) = _only(scene, "fall"), _only(scene, "fallen")
    assert fall.start == fallen.start
    assert 8 < fall.end - fall.start < 10
    assert not _only(_scene(go(0.5, 0.75), lie(2), go(0.9, 0.75)), "fallen")


@pytest.mark.parametrize(
    ("line", "way", "direction"),
    [
        # an arrow to the right has its left side above it: forward is downwards, as seen
        (Line("l", (0.0, 0.7), (1.0, 0.7)), [(0.5, 0.5), (0.5, 0.9)], "forward"),
        (Line("l", (0.0, 0.7), (1.0, 0.7)), [(0.5, 0.9), (0.5, 0.5)], "backward"),
        (Line("l", (1.0, 0.7), (0.0, 0.7)), [(0.5, 0.5), (0.5, 0.9)], "backward"),
        # an arrow upwards has its left side to the left
        (Line("l", (0.5, 1.0), (0.5, 0.3)), [(0.2, 0.8), (0.8, 0.8)], "forward"),
        (Line("l", (0.5, 1.0), (0.5, 0.3)), [(0.8, 0.8), (0.2, 0.8)], "backward"),
    ],
)
def test_crossing_direction(line: Line, way: Sequence[Point], direction: str) -> None:
    scene = _scene(go(*way[1]), start=way[0], lines=(line,))
    (crossing,) = _only(scene, "line_crossing")
    assert crossing.direction == direction


def test_passing_beyond_the_ends_is_no_crossing() -> None:
    line = Line("l", (0.0, 0.7), (0.3, 0.7))
    assert not _only(_scene(go(0.5, 0.9), start=(0.5, 0.5), lines=(line,)), "line_crossing")


def test_vehicles() -> None:
    lane = Lane("east", ((0, 0.6), (1, 0.6), (1, 0.9), (0, 0.9)), (2.0, 0.0))
    right = _scene(go(0.9, 0.75, 8.0), label="vehicle", lanes=(lane,))
    wrong = _scene(go(0.1, 0.75, 3.0), label="vehicle", start=(0.9, 0.75), lanes=(lane,))
    assert not _only(right, "wrong_way")
    assert [i.place for i in _only(wrong, "wrong_way")] == ["east"]
    (stopped,) = _only(_scene(go(0.5, 0.75, 8.0), stay(6), go(0.9, 0.75, 8.0), label="vehicle"), "stopped_vehicle")
    assert stopped.end - stopped.start == pytest.approx(6, abs=0.1)
    assert not _only(_scene(go(0.5, 0.75, 8.0), stay(3), label="vehicle"), "stopped_vehicle")


def test_crowd() -> None:
    def person(k: int) -> Actor:
        legs = (go(0.4 + 0.05 * k, 0.75), stay(6), go(0.9, 0.75))
        return Actor(f"p{k}", "person", float(k), (0.1, 0.75), legs, LENS)

    scene = Scene("test", 60.0, LENS, tuple(person(k) for k in range(4)), zones=(Zone("z", SQUARE),))
    four = Criteria(crowd_count=4, crowd_seconds=2)
    (crowd,) = _only(scene, "crowd", four)
    fewer = Scene("test", 60.0, LENS, scene.actors[:3], scene.zones)
    assert crowd.actor == ""
    assert not _only(fewer, "crowd", four)


def test_tailgating_is_crossing_soon_after_another() -> None:
    line = Line("door", (0.5, 1.0), (0.5, 0.4))

    def person(name: str, begin_s: float, *way: Point) -> Actor:
        return Actor(name, "person", begin_s, way[0], (go(*way[1], 1.5),), LENS)

    right, left = ((0.1, 0.75), (0.9, 0.75)), ((0.9, 0.75), (0.1, 0.75))
    actors = (person("a", 1.0, *right), person("b", 2.5, *right), person("c", 2.5, *left), person("d", 6.0, *right))
    (found,) = _only(Scene("test", 60.0, LENS, actors, lines=(line,)), "tailgating")
    assert (found.actor, found.place, found.direction) == ("b", "door", "forward")
    assert found.due - found.start == pytest.approx(1.5, abs=0.05)


def test_boxes_are_clipped_and_vanish_outside() -> None:
    scene = _scene(go(1.2, 0.75), start=(-0.2, 0.75))
    truth = Truth(scene)
    seen = [truth.boxes(t / 10) for t in range(600)]
    assert not truth.boxes(1.05), "still outside"
    shares = [boxes[0].visible for boxes in seen if boxes]
    assert min(shares) >= 0.1
    assert max(shares) == pytest.approx(1.0)
    assert any(0.1 < share < 0.9 for share in shares)
    for boxes in seen:
        for one in boxes:
            assert all(0 <= edge <= 1 for edge in one.box)


def test_lying_boxes_say_so() -> None:
    scene = _scene(go(0.5, 0.75), lie(8), go(0.9, 0.75))
    (fall,) = _only(scene, "fall")
    assert [b.lying for b in Truth(scene).boxes(fall.start + 2)] == [True]
    assert [b.lying for b in Truth(scene).boxes(fall.start - 1)] == [False]


@given(x=st.floats(0, 1), y=st.floats(0, 1), turn=st.floats(0, 6.28))
def test_inside_polygon_like_opencv(x: float, y: float, turn: float) -> None:
    corners = [
        (0.5 + r * math.cos(turn + k), 0.5 + r * math.sin(turn + k))
        for k, r in enumerate((0.4, 0.2, 0.45, 0.3, 0.4, 0.25))
    ]
    distance = cv2.pointPolygonTest(np.array(corners, np.float32), (x, y), True)
    if abs(distance) > 1e-4:
        assert inside_polygon((x, y), corners) == (distance > 0)


def test_a_thing_is_abandoned_while_its_owner_is_far_and_one_without_an_owner_never() -> None:
    truth = Truth(make_scene("station"))
    (left,) = [incident for incident in truth.incidents() if incident.kind == "abandoned_object"]
    assert (left.actor, left.place) == ("suitcase", "")
    assert left.due == pytest.approx(left.start + 30.0)
    (owner,) = [actor for actor in truth.scene.actors if actor.name == "leaves"]
    assert owner.begin_s < left.start < owner.end_s < left.due
    (thing,) = [actor for actor in truth.scene.actors if actor.name == "suitcase"]
    assert left.end == pytest.approx(thing.end_s, abs=0.1)


def test_tampering_counts_once_it_lasts() -> None:
    from dataclasses import replace

    from streamer.simulator.scene import Spoil

    spoils = (Spoil("covered", 2.0, 20.0), Spoil("moved", 21.0, 25.0))
    truth = Truth(replace(make_scene("yard"), spoils=spoils))
    told = [incident for incident in truth.incidents() if incident.kind == "camera_tampered"]
    assert [(i.actor, i.start, i.due, i.end) for i in told] == [("covered", 2.0, 17.0, 20.0)]
