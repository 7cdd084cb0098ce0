from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import SourceError
from streamer.ingest.session import Session
from streamer.ingest.spec import CameraSpec, Limits
from streamer.sources.source import Picture
from tests.ingest.scripted import World, frame, pictures

SPEC = CameraSpec("gate", "rtsp://10.0.0.1/a", analyze_fps=5, width=32, height=32)


def session(world, limits=None, spec=SPEC, fps=10.0):
    source = world.source([], fps=fps)
    source.open(1)
    source.waited = True
    made = Session(spec, limits or Limits(), world.memory, source, world)
    made.begin(world.now)
    return made, source


def play(made, source, shown):
    condition = None
    for picture in shown:
        source.counts.units += 1
        source.counts.decoded += 1
        condition = made.take(picture)
        made.check(picture.arrived_at)
    return condition


def test_samples_scales_and_numbers():
    world = World()
    made, source = session(world)
    condition = play(made, source, pictures(20))
    assert [p.index for p in world.delivered] == list(range(10))
    assert {p.session for p in world.delivered} == {1}
    assert world.delivered[0].pixels.shape == (24, 32, 3)
    assert [round(p.moment.captured_at, 3) for p in world.delivered[:3]] == [1000.0, 1000.2, 1000.4]
    assert world.memory.drops == {("sample", "ok"): 10, ("sample", "not_due"): 10}
    assert (condition.cause, condition.look, condition.width) == (None, "ok", 64)


def test_gaps_are_told_within_and_between_sessions():
    world = World()
    made, source = session(world)
    play(made, source, pictures(6) + pictures(6, start=1003.0, pts=3.0))
    gaps = [round(p.gap_s, 2) for p in world.delivered]
    assert gaps == [0, 0, 0, 2.6, 0, 0]
    again, source = session(world)
    play(again, source, pictures(1, start=1010.0, pts=55.0))
    assert world.delivered[-1].gap_s == pytest.approx(6.6)
    assert (world.delivered[-1].session, world.delivered[-1].index) == (2, 0)


def test_drops_are_counted_by_reason_and_take_no_index():
    world = World()
    made, source = session(world)
    world.outcome = "no_slot"
    play(made, source, pictures(4))
    world.outcome = "ok"
    play(made, source, pictures(4, start=1000.4, pts=0.4))
    assert world.memory.drops["slot", "no_slot"] == 2
    assert [p.index for p in world.delivered] == [0, 0, 0, 1]


def test_unclean_pictures_are_not_analysed():
    world = World()
    made, source = session(world)
    play(made, source, pictures(5, clean=False))
    assert world.delivered == []
    assert world.memory.drops == {("decode", "corrupt"): 5}


@pytest.mark.parametrize(("pts", "name"), [(500.0, "forward"), (-400.0, "back")])
def test_a_jump_of_the_clock_is_a_new_session_and_is_told_for_a_while(pts, name):
    world = World()
    made, source = session(world)
    play(made, source, pictures(10))
    condition = play(made, source, pictures(10, start=1001.0, pts=pts))
    assert condition.cause == "clock_jump"
    assert {p.session for p in world.delivered} == {1, 2}
    assert world.delivered[-1].moment.captured_at == pytest.approx(1001.8, abs=0.11)
    condition = play(made, source, pictures(110, start=1002.0, pts=pts + 1.0))
    assert condition.cause is None


def test_one_picture_with_a_wrong_time_is_left_out():
    world = World()
    made, source = session(world)
    shown = pictures(20)
    shown[10] = replace(shown[10], pts_s=-4.0)
    assert play(made, source, shown).cause is None
    assert {p.session for p in world.delivered} == {1}
    assert world.memory.drops["sample", "odd_time"] == 1


def test_a_camera_without_usable_times_is_read_by_arrival():
    world = World()
    made, source = session(world)
    shown = [replace(p, pts_s=7.0) for p in pictures(80)]
    condition = play(made, source, shown)
    assert condition.cause == "clock_jump"
    assert "arrival" in condition.detail
    assert 20 <= len(world.delivered) <= 30
    assert world.delivered[-1].pts_s == pytest.approx(1007.8, abs=0.2)


def test_another_size_that_lasts_is_a_new_session():
    world = World()
    made, source = session(world)
    play(made, source, pictures(10))
    condition = play(made, source, pictures(10, start=1001.0, pts=1.0, size=(128, 48)))
    assert condition.cause == "resolution_changed"
    assert "64x48 to 128x48" in condition.detail
    assert (condition.width, condition.session) == (128, 2)
    assert world.delivered[-1].pixels.shape == (12, 32, 3)


def test_another_size_for_a_moment_or_in_broken_data_is_none():
    world = World()
    made, source = session(world)
    play(made, source, pictures(10))
    play(made, source, pictures(2, start=1001.0, pts=1.0, size=(128, 48)))
    play(made, source, pictures(9, start=1001.2, pts=1.2, size=(16, 16), clean=False))
    condition = play(made, source, pictures(5, start=1002.2, pts=2.2))
    assert (condition.cause, condition.session) == (None, 1)


def test_a_stall_has_its_cause():
    world = World()
    made, source = session(world, Limits(stall_s=5))
    play(made, source, pictures(3))
    made.check(1005.1)
    with pytest.raises(SourceError, match=r"no picture for 5\.\d s; nothing came") as caught:
        made.check(1005.3)
    assert caught.value.cause == "stalled"


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"waiting": 50, "units": 50}, "no_keyframe"),
        ({"decode_errors": 40, "units": 50}, "corrupt"),
        ({"packets": 500, "packets_lost": 100}, "packet_loss"),
        ({"decoded": 50, "units": 50}, "corrupt"),
        ({"packets": 50}, "stalled"),
    ],
)
def test_darkness_has_its_cause(change, cause):
    world = World()
    made, source = session(world, Limits(stall_s=5))
    play(made, source, pictures(3))
    for name, value in change.items():
        setattr(source.counts, name, getattr(source.counts, name) + value)
    with pytest.raises(SourceError) as caught:
        made.check(1006.0)
    assert caught.value.cause == cause


def test_quality_is_told_while_live():
    world = World()
    made, source = session(world)
    play(made, source, pictures(30))
    source.counts.packets, source.counts.packets_lost = 1000, 50
    condition = play(made, source, pictures(30, start=1003.0, pts=3.0))
    assert condition.cause == "packet_loss"
    assert "50 of 1050 RTP packets (4.8 %)" in condition.detail
    assert play(made, source, pictures(60, start=1006.0, pts=6.0)).cause is None


def test_frozen_is_told_and_then_one_new_connection_is_tried():
    limits = Limits(frozen_s=3)
    world = World(limits)
    made, source = session(world, limits)
    still = [replace(p, frame=frame(5)) for p in pictures(60)]
    conditions = []
    with pytest.raises(SourceError) as caught:
        conditions.extend(made.take(picture) for picture in still)
    assert caught.value.cause == "frozen"
    assert conditions[-1].look == conditions[-1].cause == "frozen"
    again, source = session(world, limits)
    condition = play(again, source, [replace(p, arrived_at=p.arrived_at + 10) for p in still])
    assert condition.look == "frozen"  # still told, but no more reconnecting
    condition = play(again, source, pictures(30, start=1020.0, pts=10.0))
    assert (condition.look, condition.cause) == ("ok", None)


def test_black():
    limits = Limits(black_s=2)
    world = World(limits)
    made, source = session(world, limits)
    assert play(made, source, pictures(30, value=3)).look == "black"
    assert play(made, source, pictures(5, start=1003.0, pts=3.0)).look == "ok"


def test_a_runaway_ends_two_sessions_and_is_then_believed():
    world = World()
    for number in range(2):
        made, source = session(world)
        with pytest.raises(SourceError) as caught:
            play(made, source, pictures(300, fps=50, start=1000.0 + 100 * number, first=1000 * number))
        assert caught.value.cause == "runaway"
    made, source = session(world)
    condition = play(made, source, pictures(300, fps=50, start=1300.0, first=5000))
    assert (condition.look, condition.cause) == ("runaway", "runaway")
    condition = play(made, source, pictures(60, fps=10, start=1306.0, pts=6.0, first=6000))
    assert (condition.look, condition.cause) == ("ok", None)


def late(shown, by):
    return [replace(p, arrived_at=p.arrived_at + by) for p in shown]


def test_lag_that_is_ours_sheds_in_two_steps_and_recovers():
    world = World()
    made, source = session(world)
    play(made, source, pictures(10))
    source.waited = False
    play(made, source, late(pictures(5, start=1001.0, pts=1.0), 1.5))
    assert source.asked == ["nonref"]
    condition = play(made, source, late(pictures(30, start=1001.5, pts=1.5), 2.0))
    assert source.asked == ["nonref", "nonkey"]
    assert condition.cause == "overloaded"
    source.waited = True
    condition = play(made, source, pictures(5, start=1008.0, pts=8.0))
    assert source.asked[-1] == "none"
    assert condition.cause is None


def test_pictures_that_are_rationed_are_no_stall_and_say_why():
    world = World()
    made, source = session(world)
    source.ration.share = 0.3
    condition = play(made, source, pictures(10))
    assert condition.cause == "overloaded"
    source.counts.rationed += 100
    made.check(1100.0)
    with pytest.raises(SourceError, match="nothing came"):
        made.check(1100.0 + Limits().stall_s + 1)
    source.ration.share = 1.0
    assert play(made, source, pictures(10, start=1101.0, pts=101.0)).cause != "overloaded"


def test_lag_that_is_the_cameras_sheds_nothing():
    world = World()
    made, source = session(world)
    play(made, source, pictures(10))
    play(made, source, late(pictures(30, start=1001.0, pts=1.0), 3.0))
    assert source.asked == []


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(-1e5, 1e5), st.floats(0, 1), st.booleans()), max_size=60))
def test_whatever_times_come_capture_times_are_never_in_the_future_and_pictures_never_too_many(steps):
    world = World()
    made, _source = session(world)
    shown, now = frame(1), 1000.0
    for pts, step, clean in steps:
        now += step
        made.take(Picture(pts, now, shown, True, clean))
        assert all(p.moment.captured_at <= now for p in world.delivered)
    assert len(world.delivered) <= 5 * 1.1 * (now - 1000) + 5


LEFT = (((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),)


def test_a_privacy_mask_is_black_in_the_pixels_and_in_the_evidence():
    world = World()
    made, source = session(world, spec=replace(SPEC, privacy=LEFT))
    play(made, source, pictures(4, value=180))
    assert len(world.delivered) == 2
    for picture in world.delivered:
        assert picture.pixels[:, :14].max() <= 3
        assert picture.pixels[:, 19:].min() > 170
        full = picture.frame.to_ndarray(format="rgb24")
        assert full[:, :30].max() <= 6
        assert full[:, 36:].min() > 170


def test_a_camera_with_a_broken_mask_is_not_shown_at_all():
    world = World(spec=replace(SPEC, privacy=(((0.0, 0.0), (0.5, 0.0)),)))
    world.run(world.source([pictures(20)]))
    assert world.delivered == []
    assert world.story[-1] == ("lost", "unknown")
    assert "privacy mask" in world.told[-1].detail


def test_masked_areas_fool_neither_the_black_nor_the_frozen_check():
    limits = Limits(black_s=2, frozen_s=3)
    most = (((0.0, 0.0), (0.93, 0.0), (0.93, 1.0), (0.0, 1.0)),)
    world = World(limits)
    made, source = session(world, limits, replace(SPEC, privacy=most))
    assert play(made, source, pictures(60)).look == "ok"  # a strip of it is shown, and lives
    assert play(made, source, pictures(40, start=1006.0, pts=6.0, value=3)).look == "black"
    world = World(limits)
    made, source = session(world, limits, replace(SPEC, privacy=most))
    with pytest.raises(SourceError, match="same picture"):
        play(made, source, [replace(p, frame=frame(5)) for p in pictures(60)])


def test_what_is_wrong_with_the_view_is_the_cause_with_its_numbers():
    class Suspicious:
        detail = "5 % of the usual view is recognized"

        def look(self, pixels, at, shown):
            return "covered" if at >= 1002.0 else "ok"

    world = World(tamper=Suspicious())
    made, source = session(world)
    assert play(made, source, pictures(10)).look == "ok"
    condition = play(made, source, pictures(20, start=1001.0, pts=1.0))
    assert (condition.look, condition.cause, condition.detail) == ("covered", "covered", Suspicious.detail)
