"""Eight healthy cameras beside one of each misbehaviour: the healthy lose nothing, the sick are named, all return."""

from __future__ import annotations

import time

import pytest

from streamer.simulator.process import Simulator
from tests.running import Daemon, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

HEALTHY = [f"healthy{i}" for i in range(8)]
SICK = {
    "refuse": "refused",
    "401": "unauthorized",
    "404": "not_found",
    "half_open": "no_answer",
    "audio_only": "no_video",
    "stall": "stalled",
    "frozen": "frozen",
    "black": "black",
    "pts_jump": "clock_jump",
    "pts_reset": "clock_jump",
    "resolution": "resolution_changed",
    "corrupt": "corrupt",
    "loss": "packet_loss",
    "flood": "runaway",
}
"""What the simulator does, and the cause that must be named for it."""
HARMLESS = ("keyframe_pause", "slow_start")
"""What a camera may do without being sick."""

SITE = """
cameras:
{cameras}
pipelines:
  watch: {{use: surveillance, detector: motion, intrusion: {{zones: [all]}}}}
ingest:
  open_seconds: 3
  stall_seconds: 3
  frozen_seconds: 4
  black_seconds: 4
  runaway_seconds: 2
  backoff_seconds: [0.5, 1]
storage: {{dir: data}}
web: {{listen: "127.0.0.1:{port}"}}
"""
CAMERA = '  {name}: {{source: "{url}", zones: {{all: [[0, 0], [1, 0], [1, 1], [0, 1]]}}, pipelines: [watch]}}'


def spec(name, **more):
    common = {"scene": "square", "size": "320x180", "fps": 10, "gop": 10, "loop_seconds": 20}
    return {"name": name, "user": "watch", "password": "p@ss:w/rd", "auth": "digest", **common, **more}


def served(daemon):
    """Analysed frames of each camera so far."""
    total = "streamer_frames_total"
    return {name: daemon.metric(total, camera=name, stage="analyze", outcome="ok") for name in HEALTHY}


def rates(daemon, seconds):
    """Analysed frames a second of each healthy camera over some seconds."""
    before, at = served(daemon), time.monotonic()
    time.sleep(seconds)  # a span of real time is what is measured
    after, span = served(daemon), time.monotonic() - at
    return {name: (after[name] - before[name]) / span for name in HEALTHY}


def test_the_healthy_lose_nothing_and_the_sick_are_named(tmp_path, free_port):
    specs = [spec(name) for name in HEALTHY]
    specs += [spec(f"sick-{fault}", port=0 if fault == "refuse" else None) for fault in (*SICK, *HARMLESS)]
    with Simulator(specs) as simulator:
        cameras = "\n".join(CAMERA.format(name=name, url=url) for name, url in simulator.urls.items())
        site = tmp_path / "site.yaml"
        site.write_text(SITE.format(cameras=cameras, port=free_port))
        with Daemon(site, free_port) as daemon:
            wait_for(lambda: analysed(daemon) == len(specs), 40, lambda: f"{states(daemon)}\n{daemon.tail()}")
            alone = rates(daemon, 6)
            for fault in (*SICK, *HARMLESS):
                simulator.fault(f"sick-{fault}", fault)
            named: dict[str, set[str]] = {f"sick-{fault}": set() for fault in SICK}
            beside = rates(daemon, 8)
            wait_for(lambda: all_named(daemon, named), 30, lambda: f"{missing(named)}\n{daemon.tail()}")
            simulator.fault("*", None)
            wait_for(lambda: analysed(daemon) == len(specs), 40, lambda: f"{states(daemon)}\n{daemon.tail()}")
            wait_for(lambda: not any(sick(daemon)), 20, lambda: f"{sick(daemon)}")
        assert "p@ss" not in daemon.log.read_text()
        assert "p%40ss" not in daemon.log.read_text()
    print(f"\nanalyzed frames a second, alone {min(alone.values()):.2f}, beside the sick {min(beside.values()):.2f}")
    assert min(alone.values()) >= 4.5, "this machine cannot carry so many cameras"
    assert min(beside.values()) >= min(4.75, *alone.values())


def analysed(daemon):
    """How many cameras have had a frame analysed in the last two seconds."""
    ages = [camera["last_frame_age_s"] for camera in daemon.cameras().values()] if daemon.alive else []
    return sum(age is not None and age < 2.0 for age in ages)


def states(daemon):
    return {name: (camera["state"], camera["cause"]) for name, camera in daemon.cameras().items()}


def sick(daemon):
    """Cameras that are not live, or have something wrong with them."""
    return {name: state for name, state in states(daemon).items() if state[0] != "live"}


def all_named(daemon, named):
    """Collect the causes that the page and the counters name; whether each sick camera has its true one."""
    for name, (_, cause) in states(daemon).items():
        if cause is not None and name in named:
            named[name].add(cause)
    for name, causes in named.items():
        causes.update(
            cause for cause in SICK.values() if daemon.metric("streamer_reconnects_total", camera=name, reason=cause)
        )
    return not missing(named)


def missing(named):
    return {
        f"{fault}: wants {cause}": named[f"sick-{fault}"]
        for fault, cause in SICK.items()
        if cause not in named[f"sick-{fault}"]
    }
