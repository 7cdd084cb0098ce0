"""What masks leave out of a detector's answer."""

from __future__ import annotations

from streamer.ignored import Ignored
from streamer.places import MaskSettings, Places
from tests.acting import person, seen

TREE = [(0.0, 0.0), (0.3, 0.0), (0.3, 1.0), (0.0, 1.0)]


def ignored(*what: str) -> Ignored:
    mask = MaskSettings.model_validate({"polygon": TREE, "ignore": what} if what else {"polygon": TREE, "privacy": 1})
    return Ignored(Places.build(masks={"tree": mask}))


def test_nothing_is_left_out_without_masks() -> None:
    found = seen(person(0.1, 0.9))
    assert Ignored().keep(found) is found
    assert Ignored(Places()).quiet(found) is found
    assert ignored().keep(found) is found  # privacy alone ignores nothing


def test_detections_are_dropped_by_their_foot_point_whatever_they_are() -> None:
    inside, leaning = person(0.1, 0.9), (0.2, 0.5, 0.5, 0.9)
    assert len(ignored("detections").keep(seen(inside, leaning))) == 1
    assert len(ignored("detections").keep(seen(inside, label="motion"))) == 0
    assert len(ignored("detections").keep(seen(inside, label="car"))) == 0


def test_motion_is_dropped_and_people_are_not() -> None:
    assert len(ignored("motion").keep(seen(person(0.1, 0.9)))) == 1
    assert len(ignored("motion").keep(seen(person(0.1, 0.9), label="motion"))) == 0
    # most of a tree that waves lies in the mask, its foot point does not
    assert len(ignored("motion").keep(seen((0.0, 0.1, 0.59, 0.9), label="motion"))) == 1 - 1
    assert len(ignored("motion").keep(seen((0.2, 0.1, 0.59, 0.9), label="motion"))) == 1


def test_before_fusing_only_masks_for_motion_count() -> None:
    moving = seen(person(0.1, 0.9), label="motion")
    assert len(ignored("motion").quiet(moving)) == 0
    assert len(ignored("detections").quiet(moving)) == 1


def test_an_unknown_answer_stays_unknown() -> None:
    from streamer.types import Detections

    assert not ignored("motion", "detections").keep(Detections.unknown(("person",))).known
