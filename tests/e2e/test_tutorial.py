"""The tutorial, word for word: its six commands on a few made clips and a simulated camera, up to the alert."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.simulator.process import Simulator
from tests.running import Daemon, wait_for
from tests.training.clips import write_video

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

SMALL = {
    "width: 160": "width: 32",
    "height: 128": "height: 32",
    "weights: default": "weights: none",
    "batch_size: 16": "batch_size: 8",
    "epochs: 30}": "epochs: 6, warmup_epochs: 0}\noptimizer: {learning_rate: 0.003, backbone_factor: 1.0}\n"
    "freeze: {measured_batches: 4}\nema: null\nstop: {keep: last}\nmachine: {device: cpu, threads: 1}\n"
    "augment: {low_light: 0, noise: 0, blur: 0, rain: 0, shake: 0, drops: 0, reencode: 0}\ncache: {dir: cache}",
}
"""What makes the recipe small enough for a test; everything else is as on the page."""


def film(wild: bool, seed: int, frames: int) -> list[NDArray[np.uint8]]:
    """Pictures in which a large bright square stands still, or jumps about."""
    rng = np.random.default_rng(seed)
    wall = rng.integers(0, 90, (12, 16, 3)).astype(np.uint8).repeat(10, 0).repeat(10, 1)
    x, y = (int(v) for v in rng.integers(0, 60, 2))
    made = []
    for i in range(frames):
        if wild and i % 2 == 0:
            x, y = int(rng.integers(0, 100)), int(rng.integers(0, 60))
        picture = wall.copy()
        picture[y : y + 60, x : x + 60] = 235
        made.append(picture)
    return made


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs" / "tutorial.md").read_text()


def test_the_six_commands_lead_from_clips_to_an_alert(page: str, tmp_path: Path, free_port: int) -> None:
    commands = [shlex.split(line) for line in re.findall(r"^streamer .*$", page, re.MULTILINE)]
    assert [command[1] for command in commands] == ["data", "train", "evaluate", "check", "replay", "run"]
    recipe, site = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    for old, new in SMALL.items():
        assert old in recipe
        recipe = recipe.replace(old, new)
    (tmp_path / "own.yaml").write_text(recipe)
    for seed in range(12):
        for label in ("fight", "normal"):
            frames = film(label == "fight", 100 * seed + len(label), 30)
            write_video(tmp_path / "clips" / label / f"{seed:02d}.mp4", frames)
    calm, wild = film(False, 7, 40), film(True, 8, 60)
    film_file = write_video(tmp_path / "yesterday.mp4", calm + wild)
    said = [_run(command, tmp_path) for command in commands[:3]]
    assert "24 samples" in said[0]
    assert "0 samples cannot be used" in said[0]
    assert "runs/own: 6 epochs" in said[1]
    assert "auroc" in said[2].lower()
    with Simulator([{"name": "yard", "file": str(film_file)}]) as simulator:
        address = "rtsp://user:${YARD_PASSWORD}@10.0.0.5/stream1"
        assert address in site
        own = site.replace(address, simulator.urls["yard"])
        (tmp_path / "site.yaml").write_text(own + f'web: {{listen: "127.0.0.1:{free_port}"}}\n')
        _run(commands[3], tmp_path)
        assert "1 fight" in _run(commands[4], tmp_path)
        events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
        begun = [event for event in events if event["state"] == "begin"]
        assert [event["kind"] for event in begun] == ["fight"]
        assert 4.0 <= begun[0]["time"] <= 9.0  # it begins to jump at 4 s
        daemon = Daemon(tmp_path / "site.yaml", free_port)
        daemon.command = [*commands[5][1:-1], str(tmp_path / "site.yaml")]
        daemon.start()
        try:
            alerts = tmp_path / "alerts.jsonl"
            wait_for(lambda: daemon.alive and alerts.exists() and "fight" in alerts.read_text(), 60, daemon.tail)
        finally:
            daemon.stop()


def _run(command: list[str], folder: Path) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", "YARD_PASSWORD": "x"},
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout
