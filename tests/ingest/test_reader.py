import json
import os
import subprocess
import sys

import numpy as np
import pytest

from streamer import channel
from streamer.ingest.handover import Handover
from streamer.ingest.spec import HUNG_STATUS, CameraSpec, Limits
from streamer.slots import SlotPool
from tests.sources.test_recording import write

FORBIDDEN = (
    "torch",
    "cv2",
    "pydantic",
    "aiohttp",
    "prometheus_client",
    "onnxruntime",
    "openvino",
    "PIL",
    "asyncio.events",
)


@pytest.fixture
def reader():
    """A reader process without an engine: (channel, process)."""
    ours, theirs = channel.pair()
    process = subprocess.Popen(
        [sys.executable, "-m", "streamer.ingest.reader", str(theirs.fileno())], pass_fds=[theirs.fileno()]
    )
    theirs.close()
    yield ours, process
    ours.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def hello(ours, **limits):
    ours.send({"op": "hello", "limits": Limits(**limits).header(), "log": {"style": "human", "level": "error"}})


def add(ours, pool, url, **kwargs):
    shape = {"id": pool.pool_id, "slots": pool.slots, "slot_bytes": pool.slot_bytes}
    spec = CameraSpec("gate", url, width=80, height=48, **kwargs).header()
    ours.send({"op": "add", "spec": spec, "session": 4, "pool": shape}, fds=[pool.fd])


def test_what_a_reader_carries():
    code = "import sys, json, streamer.ingest.reader; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    modules = set(json.loads(done.stdout))
    loaded = [name for name in FORBIDDEN if name in modules]
    assert [name for name in loaded if name != "asyncio.events"] == []
    assert "av" in modules


@pytest.mark.e2e
def test_frames_free_and_the_end(reader, tmp_path):
    ours, process = reader
    hello(ours)
    pool = SlotPool.create(9, 2, 80 * 48 * 3)
    add(ours, pool, str(write(tmp_path / "a.mp4", n=60, fps=30)), analyze_fps=10.0)
    told, frames = [], []
    while len(frames) < 6:
        message = ours.receive(20)
        if message.header["op"] == "frame":
            frame = Handover.unpack(message.body)
            frames.append(frame)
            pixels = pool.view(frame.slot, frame.generation, frame.width, frame.height)
            assert pixels.shape == (48, 80, 3)
            assert np.ptp(pixels) > 50
            ours.send({"op": "free", "pool": 9, "slot": frame.slot})
        elif message.header["op"] == "health":
            told.append(message.header["health"]["state"])
    assert told == ["connecting", "live"]
    assert [frame.frame_index for frame in frames] == list(range(6))
    assert {frame.session for frame in frames} == {5}
    ours.send({"op": "nonsense"})
    ours.send({"op": "remove", "pool": 9})
    ours.send({"op": "remove", "pool": 9})
    ours.close()
    assert process.wait(10) == 0
    pool.close()


@pytest.mark.e2e
def test_a_hung_library_ends_the_process_with_its_status(tmp_path):
    code = """
import os, sys, time
from streamer.ingest import reader, lane
from streamer.sources import clip
from streamer import child
clip.ClipSource.read = lambda self: time.sleep(3600)  # a library that hangs, and cannot be aborted
clip.ClipSource.abort = lambda self: None
real = time.monotonic
start = real()
time.monotonic = lambda: start + (real() - start) * 60
reader.main()
"""
    ours, theirs = channel.pair()
    process = subprocess.Popen([sys.executable, "-c", code, str(theirs.fileno())], pass_fds=[theirs.fileno()])
    theirs.close()
    hello(ours)
    pool = SlotPool.create(9, 2, 80 * 48 * 3)
    add(ours, pool, str(write(tmp_path / "a.mp4")))
    try:
        assert process.wait(30) == HUNG_STATUS
        ops = []
        while (message := ours.receive(1)) is not None:
            ops.append(message.header)
        assert ops[-1] == {"op": "hung", "camera": "gate"}
    finally:
        process.kill()
        process.wait()
        ours.close()
        pool.close()


@pytest.mark.e2e
def test_memory_of_an_idle_reader(reader):
    ours, process = reader
    hello(ours)
    order = {"op": "snapshot", "request": 1, "pool": 3, "session": 1, "index": 1, "captured_at": None}
    ours.send({**order, "boxes": [], "path": "/nowhere"})
    assert ours.receive(20).header == {"op": "evidence", "request": 1, "ok": False, "why": "failed"}
    with open(f"/proc/{process.pid}/smaps_rollup") as file:
        pss = next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    assert pss < 70 * 1024, f"{pss / 1024:.0f} MB before the first camera"
    assert os.path.exists(f"/proc/{process.pid}")
