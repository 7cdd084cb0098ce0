"""Real footage served over RTSP in real time: the daemon must see what replay sees, against the same truth."""

from __future__ import annotations

import asyncio

import pytest
import yaml

from streamer.config import parse_site
from streamer.daemon import assemble
from streamer.simulator.process import Simulator
from tests import footage

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]


async def watch_live(video, zones, rules, model, folder, seconds):
    """Events of a daemon that watches a file as an RTSP camera, and the capture time of its first frame."""
    events, first = [], []
    with Simulator([{"name": "camera", "file": str(video)}]) as simulator:
        site = {
            "cameras": {
                "camera": {
                    "source": simulator.url("camera"),
                    "zones": {name: [list(point) for point in polygon] for name, polygon in zones.items()},
                    "pipelines": ["watch"],
                }
            },
            "pipelines": {"watch": {"use": "surveillance", "detector": "people", **rules}},
            "models": {"people": {"file": str(model)}},
            "storage": {"dir": "data"},
            "web": {"enabled": False},
        }
        daemon = assemble(parse_site(yaml.safe_dump(site), folder), told=events.append)
        on_frame = daemon.engine.on_frame

        def note(frame):
            first.append(frame.time)
            on_frame(frame)

        daemon.engine.on_frame = note
        running = asyncio.create_task(daemon.run())
        await asyncio.wait({running}, timeout=seconds)
        daemon.stop()
        await running
    return events, first


async def test_campus_live(shared_data, tmp_path):
    zones = footage.campus_zones()
    model = footage.detector(shared_data, tmp_path)
    truth = footage.campus_truth(shared_data / "cctv" / "campus_gt_frames_1_400.txt", zones)
    rules = {"intrusion": {"zones": list(zones), "min_seconds": 1.0}}
    video = shared_data / "cctv" / "campus.mp4"
    events, frames = await watch_live(video, zones, rules, model, tmp_path, footage.CAMPUS_LABELLED_S + 8.0)
    claims = footage.said(events, zero_s=frames[0])
    score = footage.score(truth, claims, 1.0, footage.CAMPUS_LABELLED_S)
    print(f"\ncampus.mp4 over RTSP, {len(frames)} frames analyzed\n{footage.HEADER}\n{score.row('three zones')}")
    assert score.recall >= 0.9
    assert score.precision >= 0.9
