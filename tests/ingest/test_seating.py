from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from streamer.ingest.seating import CAMERAS_EACH, seat
from streamer.ingest.spec import CameraSpec


def specs(n, foreign=0, first=0):
    native = [CameraSpec(f"c{i}", f"rtsp://10.0.0.{i}/a") for i in range(first, first + n)]
    return native + [CameraSpec(f"f{i}", f"http://10.0.1.{i}/a") for i in range(foreign)]


def test_two_processes_on_two_cores_and_sixteen_cameras_each():
    assert set(seat(specs(2), {}, "auto", 2).values()) == {"native-0", "native-1"}
    assert set(seat(specs(3), {}, "auto", 1).values()) == {"native-0"}
    assert max(Counter(seat(specs(100), {}, "auto", 2).values()).values()) <= CAMERAS_EACH
    assert set(seat(specs(20), {}, 3, 2).values()) == {"native-0", "native-1", "native-2"}


def test_libavs_cameras_sit_apart():
    places = seat([*specs(4, 2), CameraSpec("udp", "rtsp://10.0.0.9/a", transport="udp")], {}, "auto", 2)
    assert {name: place.split("-")[0] for name, place in places.items()} == {
        **dict.fromkeys(("c0", "c1", "c2", "c3"), "native"),
        **dict.fromkeys(("f0", "f1", "udp"), "foreign"),
    }


def test_a_wrong_address_has_a_seat_too():
    assert seat([CameraSpec("x", "rtsp://")], {}, "auto", 2) == {"x": "native-0"}


@given(st.integers(0, 60), st.integers(0, 5), st.integers(0, 60), st.integers(1, 4))
def test_everyone_sits_and_nobody_moves_without_need(before, foreign, after, cpus):
    old = seat(specs(before, foreign), {}, "auto", cpus)
    new = seat(specs(after, foreign), old, "auto", cpus)
    assert set(new) == {spec.name for spec in specs(after, foreign)}
    if after >= before:
        assert {name: new[name] for name in old} == old or len(set(new.values())) > len(set(old.values()))
    loads = Counter(place for place in new.values() if place.startswith("native"))
    assert all(load <= CAMERAS_EACH + 2 for load in loads.values())
