import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamer.ingest.settings import CameraSpec
from streamer.ingest.wish import Wish
from streamer.slots import StaleSlot
from tests.sources.test_recording import write

pytestmark = pytest.mark.e2e


@pytest.fixture
def clip(tmp_path):
    return str(write(tmp_path / "clip.mp4", n=60, fps=15, size=(320, 192)))


def spec(name, url, **kwargs):
    return CameraSpec(name, url, width=160, height=160, **kwargs)


async def test_a_recording_from_file_to_frames(watching, clip):
    watcher = watching()
    watcher.readers.set_cameras([spec("demo", clip)])
    await watcher.until(lambda: len(watcher.frames["demo"]) >= 8)
    sessions, indices, shapes, captured, pts = zip(*watcher.frames["demo"], strict=True)
    assert set(shapes) == {(96, 160, 3)}
    assert (sessions[0], indices[:8]) == (1, tuple(range(8)))
    assert pts[:4] == pytest.approx((0, 0.2, 0.4, 0.6), abs=1e-6)
    # the first picture may be late itself: nobody knows until one comes that is less so
    assert np.diff(captured[1:8]) == pytest.approx(0.2, abs=0.02)
    live = next(h for h in watcher.told["demo"] if h.state == "live")
    assert (live.width, live.height, live.codec, live.transport, live.fps) == (320, 192, "h264", "file", 15)
    await watcher.until(
        lambda: watcher.metrics.value("streamer_frames_total", camera="demo", stage="decode", outcome="ok")
    )


async def test_a_recording_plays_over_and_over_in_new_sessions(watching, tmp_path):
    watcher = watching()
    watcher.readers.set_cameras([spec("demo", str(write(tmp_path / "short.mp4", n=6, fps=15)))])
    await watcher.until(lambda: any(frame[0] >= 3 for frame in watcher.frames["demo"]))


def public(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()


async def test_start_with_cameras_that_are_down(watching, clip, free_ports, tmp_path):
    watcher = watching()
    down = f"rtsp://admin:geheim@127.0.0.1:{free_ports(1)[0]}/x"
    watcher.readers.set_cameras(
        [spec("down", down), spec("gone", str(tmp_path / "none.mp4")), spec("wrong", "rtsp://"), spec("up", clip)]
    )
    await watcher.until(lambda: watcher.frames["up"] and all(watcher.told[n] for n in ("down", "gone", "wrong")))
    await watcher.until(lambda: "refused" in watcher.causes("down") and "file" in watcher.causes("gone"))
    await watcher.until(lambda: "unsupported" in watcher.causes("wrong"))
    assert "geheim" not in str(watcher.told)
    assert watcher.readers.pids()
    assert not any(b"geheim" in public(pid) for pid in watcher.readers.pids())


async def test_only_what_changed_is_touched(watching, clip):
    watcher = watching()
    a, b = spec("a", clip), spec("b", clip)
    watcher.readers.set_cameras([a, b])
    await watcher.until(lambda: watcher.frames["a"] and watcher.frames["b"])
    pools = set(watcher.readers.pools)
    watcher.readers.set_cameras([a, replace(b, analyze_fps=10.0), spec("c", clip)])
    await watcher.until(lambda: watcher.frames["c"] and watcher.told["b"][-1].session == 2)
    assert len(pools & set(watcher.readers.pools)) == 1
    assert {frame[0] for frame in watcher.frames["a"]} == {1}
    watcher.readers.set_cameras([a])
    assert len(watcher.readers.pools) == 1
    count = len(watcher.frames["c"])
    await watcher.until(lambda: len(watcher.frames["a"]) > 12)
    assert len(watcher.frames["c"]) == count


async def test_no_cameras_need_no_process(watching, clip):
    watcher = watching()
    watcher.readers.set_cameras([])
    await asyncio.sleep(0)
    assert watcher.readers.pids() == []
    watcher.readers.set_cameras([spec("a", clip)])
    await watcher.until(lambda: watcher.frames["a"])
    (pid,) = watcher.readers.pids()
    watcher.readers.set_cameras([])
    await watcher.until(lambda: not Path(f"/proc/{pid}").exists())


async def test_slots_that_are_not_given_back_run_out_and_are_counted(watching, clip):
    watcher = watching(slots=3)
    watcher.kept = []
    watcher.readers.set_cameras([spec("a", clip)])
    await watcher.until(
        lambda: watcher.metrics.value("streamer_frames_total", camera="a", stage="slot", outcome="no_slot") > 2
    )
    assert len(watcher.kept) == 3
    assert len({frame.slot.slot for frame in watcher.kept}) == 3
    for frame in watcher.kept:
        watcher.readers.release(frame)
    first = watcher.kept[0]
    await watcher.until(lambda: len(watcher.kept) >= 6)
    with pytest.raises(StaleSlot):
        watcher.readers.pools[first.slot.pool].view(first.slot.slot, first.slot.generation, 160, 96)


async def test_a_reader_that_is_killed_comes_back_with_its_cameras(watching, clip):
    watcher = watching()
    watcher.kept = []
    watcher.readers.set_cameras([spec("a", clip), spec("b", clip)])
    await watcher.until(lambda: watcher.frames["a"] and watcher.frames["b"])
    before, (pid,) = set(watcher.readers.pools), watcher.readers.pids()
    sessions = {name: watcher.frames[name][-1][0] for name in "ab"}
    os.kill(pid, signal.SIGKILL)
    await watcher.until(lambda: "reader_died" in watcher.causes("a") and "reader_died" in watcher.causes("b"))
    await watcher.until(lambda: all(watcher.frames[name][-1][0] > sessions[name] for name in "ab"))
    assert not before & set(watcher.readers.pools)
    assert watcher.kept[0].pixels.shape == (96, 160, 3)  # old frames stay readable, and releasing them does no harm
    watcher.readers.release(watcher.kept[0])
    assert watcher.metrics.value("streamer_reader_restarts_total", reason="died") == 1
    assert watcher.metrics.value("streamer_reconnects_total", camera="a", reason="reader_died") == 1


async def test_a_reader_leaves_when_the_engine_does(watching, clip):
    watcher = watching()
    watcher.readers.set_cameras([spec("a", clip)])
    await watcher.until(lambda: watcher.frames["a"])
    (pid,) = watcher.readers.pids()
    for task in asyncio.all_tasks():
        if task is not asyncio.current_task():
            task.cancel()
    await asyncio.sleep(0)
    await watcher.until(lambda: not Path(f"/proc/{pid}").exists())
    assert not watcher.readers.pools


async def test_snapshot(watching, clip, tmp_path):
    watcher = watching()
    watcher.readers.set_cameras([spec("a", clip)])
    await watcher.until(lambda: len(watcher.frames["a"]) >= 3)
    session, index = watcher.frames["a"][-1][:2]
    path = tmp_path / "a.jpg"
    assert await watcher.readers.snapshot("a", Wish(session, index, [(0.1, 0.1, 0.5, 0.5)]), path)
    assert path.read_bytes()[:2] == b"\xff\xd8"
    assert not await watcher.readers.snapshot("a", Wish(session + 50, 0), tmp_path / "b.jpg")
    assert not await watcher.readers.snapshot("nobody", Wish(1, 0), tmp_path / "c.jpg")
    assert not await watcher.readers.snapshot("a", Wish(session, index), tmp_path / "no" / "folder.jpg")
    assert sorted(p.name for p in tmp_path.glob("*.jpg")) == ["a.jpg"]


@pytest.mark.parametrize(("codec", "transport"), [("h264", "rtsp/tcp"), ("h265", "rtsp/tcp"), ("jpeg", "libav/rtsp")])
async def test_gstreamers_rtsp_server(watching, gst, codec, transport):
    url = gst(codec)
    watcher = watching(open_seconds=10, stall_seconds=10)
    watcher.readers.set_cameras([spec("ball", url)])
    await watcher.until(lambda: len(watcher.frames["ball"]) >= 12, seconds=30)
    live = next(h for h in watcher.told["ball"] if h.state == "live")
    assert (live.width, live.height, live.transport) == (320, 240, transport)
    captured = [frame[3] for frame in watcher.frames["ball"]]
    assert np.median(np.diff(captured)) == pytest.approx(0.2, abs=0.07)
