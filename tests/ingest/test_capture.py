import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import SourceError
from streamer.ingest.spec import CameraSpec, Limits
from tests.ingest.scripted import World, pictures

REFUSED = SourceError("refused", "10.0.0.1:554")


def test_the_life_of_a_camera():
    world = World()
    first = world.source([*pictures(5), SourceError("ended", "closed")])
    world.run(REFUSED, first)
    assert world.story == [
        ("connecting", None),
        ("lost", "refused"),
        ("connecting", "refused"),
        ("live", None),
        ("lost", "ended"),
    ]
    assert first.closed
    assert len(world.delivered) == 3
    live = world.told[3]
    assert (live.session, live.width, live.height, live.fps, live.codec) == (1, 64, 48, 10.0, "h264")
    lost = world.told[1]
    assert lost.retry_at == lost.at + world.pauses[0]


def test_the_backoff_grows_to_its_end_and_never_ends():
    world = World()
    world.run(*[REFUSED] * 9)
    assert world.pauses == [1, 2, 5, 10, 30, 60, 60, 60, 60]


def test_jitter_is_a_fifth():
    for chance, pause in ((0.0, 0.8), (1.0, 1.2)):
        world = World()
        world.capture._around = type(world.capture._around)(
            lambda world=world: world.now, world.connect, lambda chance=chance: chance, world.pause
        )
        world.run(REFUSED)
        assert world.pauses == [pytest.approx(pause)]


def test_only_a_healthy_session_starts_the_backoff_anew():
    world = World(Limits(healthy_s=30, stall_s=1000))
    short = world.source(pictures(20))
    long = world.source([lambda source: pictures(1, start=world.now), *[10.0] * 4])
    world.run(REFUSED, REFUSED, short, long, REFUSED)
    assert world.pauses == [1, 2, 5, 1, 2]


def test_a_session_that_lasts_without_a_picture_is_not_healthy():
    world = World(Limits(stall_s=40))
    silent = world.source([5.0] * 20)
    world.run(REFUSED, silent, REFUSED)
    assert world.pauses == [1, 2, 5]
    assert world.story[-3] == ("lost", "stalled")


def test_refused_passwords_are_asked_again_slowly():
    world = World()
    world.run(*[SourceError("unauthorized", "401")] * 3)
    assert world.pauses == [10, 30, 60]


def test_a_stall_is_noticed_without_any_watchdog():
    world = World(Limits(stall_s=5))
    source = world.source([*pictures(3), *[1.0] * 20])
    world.run(source)
    assert world.story[-1] == ("lost", "stalled")
    assert len(source.script) > 10


def test_a_session_that_the_watchdog_shook_says_why():
    world = World(Limits(stall_s=5))

    def hang(source):
        world.now += 30
        world.capture.abort()
        assert source.aborted
        return SourceError("ended", "shut down")

    world.run(world.source([*pictures(3), hang]))
    assert world.story[-1] == ("lost", "stalled")


def test_an_unknown_error_is_counted_as_such_and_survived(caplog):
    world = World()
    world.run(world.source([*pictures(1), ZeroDivisionError("odd")]), world.source(pictures(1)))
    assert ("lost", "unknown") in world.story
    assert world.story[-1] == ("lost", "ended")
    assert "session failed" in caplog.text


def test_session_numbers_go_on():
    world = World(session=7)
    world.run(world.source(pictures(3)), world.source(pictures(3)))
    assert [p.session for p in world.delivered] == [8, 8, 9, 9]


def test_counts_go_on_over_connections():
    world = World()
    world.run(world.source(pictures(3)), world.source(pictures(4)))
    assert world.capture.counts.decoded == 7


def test_health_is_told_at_changes_only():
    world = World()
    world.run(world.source(pictures(300)))
    assert world.story == [("connecting", None), ("live", None), ("lost", "ended")]


def test_a_recording_that_is_over_plays_again_at_once():
    world = World(spec=CameraSpec("demo", "clip.mp4"))
    first = world.source(pictures(3))
    first.open = lambda timeout_s: setattr(first, "info", type(first).open(first, 1) or _file_info())
    world.run(first)
    assert world.pauses == [0.05]


def _file_info():
    from streamer.sources.source import StreamInfo

    return StreamInfo("h264", "file", 10.0)


def test_an_address_without_a_host_says_so():
    world = World(spec=CameraSpec("gate", "rtsp://"))
    world.connections = []
    world.capture.run()
    assert world.story[-1] == ("lost", "unsupported")


@settings(max_examples=40)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=3))
def test_no_password_is_told_or_logged_whatever_an_error_says(caplog_text, password):
    spec = CameraSpec("gate", f"rtsp://admin:{password}@10.0.0.1/a")
    world = World(spec=spec)
    world.run(SourceError("unknown", f"cannot open rtsp://admin:{password}@10.0.0.1/a ({password!r})"))
    told = " ".join(str(health) for health in world.told)
    assert f":{password}@" not in told
    assert "rtsp" not in repr(spec)


@pytest.fixture(scope="module")
def caplog_text():
    logging.getLogger("streamer.ingest.capture").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("streamer.ingest.capture").setLevel(logging.NOTSET)
