"""Each scene shows what its name promises, at the times that others rely on."""

from __future__ import annotations

import pytest

from streamer.errors import InputError
from streamer.simulator.library import SCENES, make_scene
from streamer.simulator.truth import Truth


def _kinds(name: str, seed: int = 0) -> dict[str, int]:
    found: dict[str, int] = {}
    for incident in Truth(make_scene(name, seed=seed)).incidents():
        found[incident.kind] = found.get(incident.kind, 0) + 1
    return found


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_yard(seed: int) -> None:
    intrusions = [i for i in Truth(make_scene("yard", seed=seed)).incidents() if i.kind == "intrusion"]
    assert [i.actor for i in intrusions] == ["intruder", "second-intruder"]
    assert intrusions[0].due < 6.0
    assert all(i.end - i.start > 3 for i in intrusions), "nothing hangs on a fraction of a second"


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_lobby(seed: int) -> None:
    incidents = Truth(make_scene("lobby", seed=seed)).incidents()
    (loitering,) = (i for i in incidents if i.kind == "loitering")
    assert loitering.actor == "loiterer"
    assert loitering.end - loitering.start > 18
    others = [i for i in incidents if i.kind == "intrusion" and i.actor != "loiterer"]
    assert len(others) == 2
    assert all(i.end - i.start < 10 for i in others)


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_street(seed: int) -> None:
    kinds = _kinds("street", seed)
    for kind in ("running", "fall", "fallen", "stopped_vehicle", "wrong_way"):
        assert kinds.get(kind) == 1, kind
    assert kinds["line_crossing"] >= 5


def test_empty() -> None:
    assert not make_scene("empty").actors
    assert not _kinds("empty")


@pytest.mark.parametrize("seconds", [20.0, 60.0, 120.0])
def test_square_fills_any_loop(seconds: float) -> None:
    scene = make_scene("square", seconds, seed=3)
    assert len(scene.actors) >= seconds / 8
    assert scene.seconds == seconds
    assert make_scene("square", seconds, seed=4).actors != scene.actors


@pytest.mark.parametrize("name", list(SCENES))
def test_everybody_comes_and_goes_within_the_loop(name: str) -> None:
    scene = make_scene(name)
    assert all(box.label == "object" for box in Truth(scene).boxes(0.0))  # some things always stood there
    assert not Truth(scene).boxes(scene.seconds - 1e-6)
    for actor in scene.actors:
        assert 0 <= actor.begin_s < actor.end_s <= scene.seconds
        assert len({a.name for a in scene.actors}) == len(scene.actors)


@pytest.mark.parametrize("name", list(SCENES))
def test_places_lie_within_the_frame(name: str) -> None:
    scene = make_scene(name)
    for place in (*scene.zones, *scene.lanes):
        assert all(0 <= c <= 1 for point in place.polygon for c in point)
    for line in scene.lines:
        assert all(0 <= c <= 1 for point in (line.start, line.end) for c in point)


def test_longer_loop_keeps_the_times() -> None:
    assert Truth(make_scene("yard", 60.0)).incidents() == Truth(make_scene("yard")).incidents()


def test_refused() -> None:
    with pytest.raises(InputError, match="at least 25"):
        make_scene("yard", 10.0)
    with pytest.raises(InputError, match="yard, lobby, street, square, plaza, empty"):
        make_scene("garden")
