"""Evidence on order, from rings filled by hand and from simulated cameras."""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
import time
from types import SimpleNamespace

import av
import pytest

from streamer.ingest import evidence
from streamer.ingest.evidence import EvidenceDesk
from streamer.ingest.spec import CameraSpec
from streamer.ingest.wish import Wish
from streamer.simulator import Simulator
from streamer.sources.privacy import Privacy
from tests.ingest.kept import filled, film, unit
from tests.ingest.scripted import frame


class Camera:
    """A lane with what the test puts into it."""

    name = "gate"

    def __init__(self, ring=None, record=False, down=False, analyzed=None, privacy=None):
        self.ring = ring
        self.privacy = privacy
        self.recorder = object() if record else None
        self.record_down = down
        self.analyzed = analyzed

    def find(self, session, index):
        return self.analyzed


def decoded(index=7, value=200):
    return SimpleNamespace(index=index, frame=frame(size=(64, 48), value=value))


@pytest.fixture
def desk():
    """`desk(camera)` gives a desk that works, and the queue of its answers."""

    def open_desk(camera):
        answers = queue.Queue()
        made = EvidenceDesk(lambda pool: camera if pool == 1 else None, answers.put)
        made.start()
        return made, answers

    return open_desk


def snapshot(path, at=None, index=7, pool=1):
    return {
        "op": "snapshot",
        "request": 5,
        "pool": pool,
        "session": 1,
        "index": index,
        "captured_at": at,
        "boxes": [[0.2, 0.2, 0.8, 0.8]],
        "moments": [],
        "pts": None,
        "path": str(path),
    }


def clip(path, at, before=1.0, after=1.0, request=6):
    return {
        "op": "clip",
        "request": request,
        "pool": 1,
        "captured_at": at,
        "before_s": before,
        "after_s": after,
        "path": str(path),
    }


def size(path):
    with av.open(str(path)) as container:
        picture = next(container.decode(video=0))
        return picture.width, picture.height


def seconds(path):
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]


def take(desk_and_answers, order):
    made, answers = desk_and_answers
    (made.order_snapshot if order["op"] == "snapshot" else made.order_clip)(order)
    answer = answers.get(timeout=20)
    assert (answer["op"], answer["request"]) == ("evidence", order["request"])
    return answer["ok"], answer["why"]


@pytest.fixture
def past():
    """An instant so far back that nobody waits for what may still come."""
    return time.monotonic() - 60.0


class TestSnapshot:
    def test_of_what_was_decoded_anyway(self, desk, tmp_path):
        assert take(desk(Camera(analyzed=decoded())), snapshot(tmp_path / "a.jpg")) == (True, "")
        assert size(tmp_path / "a.jpg") == (64, 48)

    def test_from_the_record_stream(self, desk, tmp_path, past):
        camera = Camera(filled(film(30, start=past)), record=True, analyzed=decoded())
        assert take(desk(camera), snapshot(tmp_path / "a.jpg", past + 1.5)) == (True, "")
        assert size(tmp_path / "a.jpg") == (160, 96)

    def test_what_a_privacy_mask_hides_is_black_in_it(self, desk, tmp_path, past):
        whole = Privacy([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]])
        camera = Camera(filled(film(30, start=past)), record=True, analyzed=decoded(), privacy=whole)
        assert take(desk(camera), {**snapshot(tmp_path / "a.jpg", past + 1.5), "boxes": []}) == (True, "")
        with av.open(str(tmp_path / "a.jpg")) as container:
            picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
        assert picture.shape == (96, 160, 3)
        assert picture.max() < 24
        open_camera = Camera(filled(film(30, start=past)), record=True, analyzed=decoded())
        take(desk(open_camera), {**snapshot(tmp_path / "b.jpg", past + 1.5), "boxes": []})
        with av.open(str(tmp_path / "b.jpg")) as container:
            assert next(container.decode(video=0)).to_ndarray(format="rgb24").max() > 60, (
                "else this would prove nothing"
            )

    def test_moments_lie_side_by_side_each_with_its_own_box(self, desk, tmp_path, past):
        camera = Camera(filled(film(40, start=past)), analyzed=decoded())
        moments = [[past + at, [0.2, 0.2, 0.8, 0.8]] for at in (0.5, 1.5, 2.5)]
        assert take(desk(camera), {**snapshot(tmp_path / "a.jpg", past + 3), "moments": moments}) == (True, "")
        assert size(tmp_path / "a.jpg") == (3 * 160 + 2 * 8, 96)
        with av.open(str(tmp_path / "a.jpg")) as container:
            shown = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
        assert shown[:, 160:168].min() > 200, "a white bar between"
        for left in (0, 168, 336):
            edge = shown[19:21, left + 60 : left + 100]
            assert (edge[..., 0] - edge[..., 2]).max() > 80, "its box is red"
        panels = [shown[30:66, left + 50 : left + 110] for left in (0, 168, 336)]
        assert all(abs(one - other).max() > 20 for one, other in itertools.pairwise(panels))

    def test_of_moments_those_that_are_there_are_shown_and_the_lack_is_named(self, desk, tmp_path, past):
        camera = Camera(filled(film(20, start=past)), analyzed=decoded())
        moments = [[past - 9, [0.2, 0.2, 0.8, 0.8]], [past + 1, [0.2, 0.2, 0.8, 0.8]]]
        order = {**snapshot(tmp_path / "a.jpg", past + 1.5), "moments": moments}
        assert take(desk(camera), order) == (True, "not_kept")
        assert size(tmp_path / "a.jpg") == (160, 96)

    def test_without_any_of_the_moments_the_deciding_picture_does(self, desk, tmp_path, past):
        moments = [[past - 9, [0.2, 0.2, 0.8, 0.8]]]
        for ring in (None, filled(film(20, start=past))):
            order = {**snapshot(tmp_path / "a.jpg", None), "moments": moments}
            assert take(desk(Camera(ring, analyzed=decoded())), order)[0]
            assert size(tmp_path / "a.jpg") == (64, 48)

    def test_the_very_picture_is_found_by_its_time_where_b_frames_delay_decoding(self, desk, tmp_path, past):
        """The analysed stream's clock is half a second behind; the ring knows which picture it was."""
        units = film(40, start=past, bframes=2)
        ring = filled(units)
        truth = {}
        for strip in evidence.strips(ring.runs()):
            truth |= {unit.ticks: at for unit, at in zip(strip.units, strip.times, strict=True)}
        late = {ticks / 90000: at - 0.5 for ticks, at in truth.items()}
        pts = sorted(late)[20]
        order = snapshot(tmp_path / "a.jpg", late[pts]) | {"pts": pts, "boxes": []}
        moments = [[late[pts] + step, [0.0, 0.0, 0.0, 0.0]] for step in (-1.0, 0.0)]
        take(desk(Camera(ring)), order)
        take(desk(Camera(ring)), order | {"moments": moments, "path": str(tmp_path / "b.jpg")})
        shown = {}
        for name in ("a", "b"):
            with av.open(str(tmp_path / f"{name}.jpg")) as container:
                shown[name] = next(container.decode(video=0)).to_ndarray(format="gray").astype(int)
        reference = snapshot(tmp_path / "c.jpg", truth[round(pts * 90000)]) | {"boxes": []}
        take(desk(Camera(ring)), reference)
        with av.open(str(tmp_path / "c.jpg")) as container:
            right = next(container.decode(video=0)).to_ndarray(format="gray").astype(int)
        assert abs(shown["a"] - right).mean() < 2
        assert abs(shown["b"][:, 168:] - right).mean() < 4
        wrong = order | {"pts": None, "path": str(tmp_path / "d.jpg")}
        take(desk(Camera(ring)), wrong)
        with av.open(str(tmp_path / "d.jpg")) as container:
            other = next(container.decode(video=0)).to_ndarray(format="gray").astype(int)
        assert abs(other - right).mean() > 2, "else this would prove nothing"

    def test_a_privacy_mask_hides_moments_too(self, desk, tmp_path, past):
        whole = Privacy([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]])
        camera = Camera(filled(film(30, start=past)), analyzed=decoded(), privacy=whole)
        moments = [[past + at, [0.0, 0.0, 0.0, 0.0]] for at in (0.5, 1.5)]
        take(desk(camera), {**snapshot(tmp_path / "a.jpg", past + 2), "moments": moments})
        with av.open(str(tmp_path / "a.jpg")) as container:
            shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
        assert shown[8:90, 8:150].max() < 24

    def test_a_record_stream_that_is_down_is_named_and_the_analyzed_picture_is_taken(self, desk, tmp_path, past):
        camera = Camera(filled([]), record=True, down=True, analyzed=decoded())
        assert take(desk(camera), snapshot(tmp_path / "a.jpg", past)) == (True, "record_down")
        assert size(tmp_path / "a.jpg") == (64, 48)

    def test_a_moment_that_the_ring_does_not_show(self, desk, tmp_path, past):
        camera = Camera(filled(film(20, start=past)), record=True, analyzed=decoded())
        assert take(desk(camera), snapshot(tmp_path / "a.jpg", past - 5)) == (True, "not_kept")

    def test_what_takes_too_long_is_not_waited_for(self, desk, tmp_path, past, monkeypatch):
        monkeypatch.setattr(evidence, "_DECODE_SECONDS", -1.0)
        camera = Camera(filled(film(20, start=past)), record=True, analyzed=decoded())
        assert take(desk(camera), snapshot(tmp_path / "a.jpg", past + 1)) == (True, "too_slow")
        assert size(tmp_path / "a.jpg") == (64, 48)

    def test_rubbish_in_the_ring(self, desk, tmp_path, past):
        units = [unit(n, key=n == 0, at=past + n / 10) for n in range(20)]
        camera = Camera(filled(units), record=True, analyzed=decoded())
        assert take(desk(camera), snapshot(tmp_path / "a.jpg", past + 1)) == (True, "broken")

    def test_an_analyzed_picture_that_is_gone_is_decoded_once_more(self, desk, tmp_path, past):
        """A slow verdict: the reader keeps half a second of pictures, the ring seconds."""
        camera = Camera(filled(film(30, start=past)), analyzed=decoded(index=20))
        assert take(desk(camera), snapshot(tmp_path / "a.jpg", past + 1.0, index=7)) == (True, "")
        assert size(tmp_path / "a.jpg") == (160, 96)

    def test_nothing_at_all(self, desk, tmp_path, past):
        assert take(desk(Camera()), snapshot(tmp_path / "a.jpg", past)) == (False, "not_kept")
        assert take(desk(Camera(record=True, ring=filled([]), down=True)), snapshot(tmp_path / "a.jpg", past)) == (
            False,
            "record_down",
        )
        assert take(desk(Camera()), snapshot(tmp_path / "a.jpg", past, pool=99)) == (False, "failed")
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_is_gone(self, desk, tmp_path):
        assert take(desk(Camera(analyzed=decoded())), snapshot(tmp_path / "no" / "a.jpg")) == (False, "disk")

    def test_boxes_are_drawn_into_the_judged_picture_only(self, desk, tmp_path):
        """In another picture than the one that was judged, things are elsewhere by now."""

        def red(path):
            with av.open(str(path)) as container:
                pixels = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
            return int((pixels[..., 0] - pixels[..., 2] > 80).sum())

        take(desk(Camera(analyzed=decoded(7))), snapshot(tmp_path / "a.jpg"))
        take(desk(Camera(analyzed=decoded(9))), snapshot(tmp_path / "b.jpg"))
        assert (red(tmp_path / "a.jpg") > 50, red(tmp_path / "b.jpg")) == (True, 0)

    def test_the_record_stream_may_be_a_little_later(self, desk, tmp_path):
        at = time.monotonic()
        units = film(12, start=at - 1.0)
        ring = filled(units[:10])
        timer = threading.Timer(0.15, lambda: [ring.put(one) for one in units[10:]])
        timer.start()
        assert take(desk(Camera(ring, record=True)), snapshot(tmp_path / "a.jpg", at)) == (True, "")
        timer.join()


class TestClip:
    def test_is_refused_where_a_privacy_mask_hides_something(self, desk, tmp_path, past):
        mask = Privacy([[[0.0, 0.0], [0.2, 0.0], [0.2, 0.2]]])
        camera = Camera(filled(film(60, start=past)), privacy=mask)
        assert take(desk(camera), clip(tmp_path / "a.mp4", past + 3)) == (False, "masked")
        assert not (tmp_path / "a.mp4").exists()

    def test_the_seconds_round_it(self, desk, tmp_path, past):
        camera = Camera(filled(film(60, start=past)))
        assert take(desk(camera), clip(tmp_path / "a.mp4", past + 2.5)) == (True, "")
        times = seconds(tmp_path / "a.mp4")
        assert times[-1] == pytest.approx(2.5)  # from the keyframe at 1.0 to 3.5
        assert len(times) == 26

    def test_it_is_written_once_its_last_second_has_come(self, desk, tmp_path):
        at = time.monotonic() - 0.2
        units = film(40, start=at - 2.0)
        ring = filled(units[:22])
        made, answers = desk(Camera(ring))
        made.order_clip(clip(tmp_path / "a.mp4", at, after=1.0))
        with pytest.raises(queue.Empty):
            answers.get(timeout=0.2)
        for one in units[22:]:
            ring.put(one)
        assert answers.get(timeout=10)["why"] == ""
        assert seconds(tmp_path / "a.mp4")[-1] == pytest.approx(2.0)

    def test_one_that_lacks_seconds_says_so(self, desk, tmp_path, past):
        camera = Camera(filled(film(20, start=past)))
        assert take(desk(camera), clip(tmp_path / "a.mp4", past + 1.5, after=5.0)) == (True, "short")
        assert seconds(tmp_path / "a.mp4")[-1] == pytest.approx(1.9)
        camera = Camera(filled(film(40, start=past)))
        assert take(desk(camera), clip(tmp_path / "b.mp4", past + 1.0, before=3.0)) == (True, "short")

    def test_nothing_to_show(self, desk, tmp_path, past):
        assert take(desk(Camera(filled([]))), clip(tmp_path / "a.mp4", past)) == (False, "not_kept")
        assert take(desk(Camera(filled([]), record=True, down=True)), clip(tmp_path / "a.mp4", past)) == (
            False,
            "record_down",
        )
        assert take(desk(Camera()), clip(tmp_path / "a.mp4", past)) == (False, "failed")
        rubbish = filled([unit(n, key=n == 0, at=past + n / 10) for n in range(20)])
        assert take(desk(Camera(rubbish)), clip(tmp_path / "a.mp4", past + 1, after=0.5)) == (False, "broken")
        whole = filled(film(20, start=past))
        assert take(desk(Camera(whole)), clip(tmp_path / "no" / "a.mp4", past + 1, after=0.5)) == (False, "disk")
        assert list(tmp_path.iterdir()) == []

    def test_too_many_at_once(self, desk, tmp_path):
        made, answers = desk(Camera(filled([])))
        later = time.monotonic() + 1000
        for request in range(100):
            made.order_clip(clip(tmp_path / f"{request}.mp4", later, request=request))
        refused = [answers.get(timeout=5) for _ in range(36)]
        assert {answer["why"] for answer in refused} == {"busy"}
        assert sorted(answer["request"] for answer in refused) == list(range(64, 100))


def test_a_trouble_is_said_once_until_it_is_over(desk, tmp_path, past, caplog):
    camera = Camera(filled([]), record=True, down=True, analyzed=decoded())
    both = desk(camera)
    for _ in range(3):
        take(both, snapshot(tmp_path / "a.jpg", past))
    assert sum("record_down" in record.getMessage() for record in caplog.records) == 1
    camera.ring = filled(film(20, start=past))
    take(both, snapshot(tmp_path / "a.jpg", past + 1))
    camera.ring = filled([])
    take(both, snapshot(tmp_path / "a.jpg", past))
    assert sum("record_down" in record.getMessage() for record in caplog.records) == 2


# --- with real cameras ---


@pytest.fixture(scope="module")
def sim():
    same = {"scene": "square", "fps": 15, "gop": 15, "loop_seconds": 20.0, "burn_index": True}
    cameras = [
        {"name": "sub", "size": [320, 180], **same, "on_play": False},
        {"name": "main", "size": [640, 360], **same, "on_play": False, "port": 0},
    ]
    with Simulator(cameras) as simulator:
        yield simulator


def spec(sim, record=True):
    return CameraSpec(
        "gate",
        sim.url("sub"),
        width=160,
        height=160,
        record_url=sim.url("main") if record else None,
        ring_bytes=8_000_000,
        ring_s=10.0,
    )


@pytest.mark.e2e
async def test_main_stream_for_evidence_sub_stream_for_analysis(watching, sim, tmp_path):
    watcher = watching()
    watcher.readers.set_cameras([spec(sim)])
    await watcher.until(lambda: len(watcher.frames["gate"]) >= 12)
    session, index, _, at, _ = watcher.frames["gate"][-1]
    assert await watcher.readers.snapshot("gate", Wish(session, index, [(0.1, 0.1, 0.5, 0.5)], at), tmp_path / "a.jpg")
    assert size(tmp_path / "a.jpg") == (640, 360)
    assert await watcher.readers.clip("gate", at, 1.0, 1.0, tmp_path / "a.mp4")
    assert size(tmp_path / "a.mp4") == (640, 360)
    assert 1.9 <= seconds(tmp_path / "a.mp4")[-1] <= 3.2
    assert watcher.metrics.value("streamer_evidence_total", camera="gate", kind="snapshot", outcome="ok") == 1
    assert watcher.metrics.value("streamer_evidence_total", camera="gate", kind="clip", outcome="ok") == 1
    assert watcher.metrics.value("streamer_record_up", camera="gate") == 1
    # nothing of the record stream is decoded: 15 pictures a second, not 30
    decoded_before, began = _decoded(watcher), time.monotonic()
    await asyncio.sleep(2.0)
    assert (_decoded(watcher) - decoded_before) / (time.monotonic() - began) < 23


def _decoded(watcher):
    return watcher.metrics.value("streamer_frames_total", camera="gate", stage="decode", outcome="ok")


@pytest.mark.e2e
async def test_a_record_stream_that_fails_is_named_and_blinds_nobody(watching, sim, tmp_path):
    watcher = watching()
    sim.fault("main", "refuse")
    watcher.readers.set_cameras([spec(sim)])
    await watcher.until(lambda: any(h.record_cause == "refused" and h.state == "live" for h in watcher.told["gate"]))
    assert watcher.told["gate"][-1].cause is None
    assert watcher.metrics.value("streamer_record_up", camera="gate") == 0
    assert watcher.metrics.value("streamer_reconnects_total", camera="gate", reason="refused") == 0
    session, index, _, at, _ = watcher.frames["gate"][-1]
    assert await watcher.readers.snapshot("gate", Wish(session, index, [], at), tmp_path / "a.jpg")
    assert size(tmp_path / "a.jpg") == (320, 180)
    assert watcher.metrics.value("streamer_evidence_total", camera="gate", kind="snapshot", outcome="record_down") == 1
    assert not await watcher.readers.clip("gate", at, 1.0, 0.2, tmp_path / "a.mp4")
    sim.fault("main", None)
    await watcher.until(lambda: watcher.told["gate"][-1].record_cause is None)
    sessions = {h.session for h in watcher.told["gate"] if h.state == "live"}
    assert sessions == {1}, "the analyzed stream went on undisturbed"


@pytest.mark.e2e
async def test_the_two_streams_show_the_same_moment(watching, sim, tmp_path):
    """Each burns its frame's number into the picture, and both count from the same start."""
    from streamer.simulator.framecode import read

    watcher = watching()
    watcher.kept = []
    watcher.readers.set_cameras(
        [
            CameraSpec(
                "gate",
                sim.url("sub"),
                width=320,
                height=180,
                record_url=sim.url("main"),
                ring_bytes=8_000_000,
                ring_s=10.0,
            )
        ]
    )
    await watcher.until(lambda: len(watcher.kept) >= 6)
    last = watcher.kept[-1]
    wanted = read(last.pixels[..., 0])
    wish = Wish(last.session, last.index, [], last.captured_at)
    assert await watcher.readers.snapshot("gate", wish, tmp_path / "a.jpg")
    with av.open(str(tmp_path / "a.jpg")) as container:
        shown = read(next(container.decode(video=0)).to_ndarray(format="gray"))
    assert wanted is not None
    assert shown is not None
    assert abs(wanted - shown) <= 1
