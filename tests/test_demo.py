"""Tests of streamer.demo and of `streamer run URL`: what somebody sees who has nothing but the package."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from streamer import demo
from streamer.errors import InputError
from streamer.firstlook import free_port
from streamer.simulator.process import Simulator
from tests import sites


def start(folder, *arguments):
    """A command in a session of its own, with its output in files."""
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "streamer", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
        )


def until(process, folder, pattern, timeout_s=40.0):
    """Wait until its output has something; the match."""
    deadline = time.monotonic() + timeout_s
    while True:
        said = (folder / "out").read_text()
        if match := re.search(pattern, said, re.MULTILINE):
            return match
        assert process.poll() is None, (folder / "err").read_text()
        assert time.monotonic() < deadline, f"no {pattern!r} in:\n{said}\n{(folder / 'err').read_text()}"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.e2e
def test_the_demo_shows_alerts_and_leaves_nothing_behind(tmp_path):
    process = start(tmp_path, "demo", "--seconds", "14", "--port", "0", "--folder", "here")
    try:
        first = until(process, tmp_path, r"^first frame analyzed ([\d.]+) s after the start$")
        assert float(first[1]) <= 40.0  # the figure itself is `streamer bench --with-demo`; this machine may be busy
        pids = [process.pid, *sites.children(process.pid)]
        assert len(pids) >= 5, "the daemon, the simulator, readers and the worker"
        assert until(process, tmp_path, r"^page       (http://127\.0\.0\.1:\d+/)$")
        until(process, tmp_path, r"^\d\d:\d\d:\d\d ▶ intrusion +yard ")
        assert process.wait(40) == 0
    finally:
        process.kill()
        process.wait()
    assert sites.gone(pids)
    said = (tmp_path / "out").read_text()
    assert re.search(r"^incidents: .*[1-9]\d* intrusion", said, re.MULTILINE)
    assert (tmp_path / "err").read_text() == ""
    assert sites.of_kind(tmp_path / "here" / "alerts.jsonl", "intrusion")
    # the file is one that somebody may run, and its password is for nobody else's eyes
    path = tmp_path / "here" / "site.yaml"
    assert path.stat().st_mode & 0o777 == 0o600
    (password,) = set(re.findall(r"rtsp://demo:([^@]+)@", path.read_text()))
    assert password not in said


@pytest.mark.e2e
def test_ctrl_c_ends_the_demo(tmp_path):
    process = start(tmp_path, "demo", "--port", "0")
    try:
        until(process, tmp_path, "^first frame analyzed")
        pids = [process.pid, *sites.children(process.pid)]
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    assert sites.gone(pids)
    assert (tmp_path / "err").read_text() == ""
    assert "incidents: " in (tmp_path / "out").read_text()


@pytest.mark.e2e
def test_a_port_that_was_asked_for_and_is_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = start(tmp_path, "demo", "--port", str(port))
        assert process.wait(40) == 1
    (line,) = (tmp_path / "err").read_text().splitlines()
    assert f"cannot listen on 127.0.0.1:{port}" in line


def test_the_usual_port_is_no_obstacle():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert free_port(port) == 0
    assert free_port(port) == port


def test_a_site_file_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "site.yaml").write_text("cameras: {}\n")
    with pytest.raises(InputError, match=r"site\.yaml is not the demo's and is left alone; give another --folder"):
        demo.run(tmp_path)
    assert (tmp_path / "site.yaml").read_text() == "cameras: {}\n"
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"folder .*: File exists; give another"):
        demo.run(tmp_path / "file")


@pytest.mark.e2e
def test_run_with_an_address_prints_its_site_and_what_happens(tmp_path):
    with Simulator([sites.simulated("hall")]) as simulator:
        process = start(tmp_path, "run", simulator.url("hall"))
        try:
            until(process, tmp_path, r"^\d\d:\d\d:\d\d ▶ intrusion +127-0-0-1 +person in everywhere for 1\.\d s$")
            pids = sites.children(process.pid)
            seen = [Path(f"/proc/{pid}/cmdline").read_text() for pid in pids]
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
    said = (tmp_path / "out").read_text() + (tmp_path / "err").read_text()
    printed = yaml.safe_load((tmp_path / "out").read_text().partition("\n\n")[0])
    assert printed["cameras"]["127-0-0-1"]["source"].startswith("rtsp://watch:${CAMERA_127_0_0_1_PASSWORD}@127.0.0.1:")
    assert re.search(r"watching 1 camera; page http://127\.0\.0\.1:\d+/$", (tmp_path / "err").read_text(), re.MULTILINE)
    secret = simulator.url("hall").split(":")[2].rpartition("@")[0]
    assert len(secret) > 10
    for text in (said, *seen):
        assert secret not in text
        assert sites.PASSWORD not in text
