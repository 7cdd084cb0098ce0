"""How the daemon begins: what it refuses with one clear line, and what it waits for without a word of despair."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import onnx
import pytest

from streamer.models.importer import Origin, import_file
from streamer.simulator.process import Simulator
from tests import sites
from tests.models.tiny import LABELS, tiny_yolox
from tests.running import Daemon, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

NOWHERE = {"gate": "rtsp://127.0.0.1:9/gate"}


@dataclass(frozen=True)
class Refusal:
    """A site that cannot be run."""

    says: str
    """Pattern of the line on stderr."""
    status: int = 2
    changes: dict = field(default_factory=dict)
    """To the site's values."""
    files: dict = field(default_factory=dict)
    """Beside the site file, by name."""


def model(name, detector="people"):
    """Changes that make a model file be asked."""
    watch = {"use": "surveillance", "detector": detector, "intrusion": sites.intrusion()}
    return {"models": {"people": {"file": name}}, "pipelines": {"watch": watch}}


REFUSALS = {
    "unknown key": Refusal(r"site\.yaml:\d+:\d+ webb: unknown key; did you mean 'web'\?", changes={"webb": {}}),
    "missing model": Refusal(r"site\.yaml:\d+:\d+ models\.people.*missing\.onnx", changes=model("missing.onnx")),
    "no model": Refusal(r"text\.onnx", changes=model("text.onnx"), files={"text.onnx": b"this is no model"}),
    "empty model": Refusal(r"nil\.onnx", changes=model("nil.onnx"), files={"nil.onnx": b""}),
    "unknown model": Refusal(r"pipelines\.watch\.detector.*'pople'.*'people'", changes=model("motion", "pople")),
    "bad polygon": Refusal(
        r"cameras\.gate\.zones\.all",
        changes={"cameras": {"gate": sites.camera(NOWHERE["gate"], zones={"all": [[0, 0]]})}},
    ),
    "folder is a file": Refusal(r"storage folder .*taken/data: Not a directory", 1, files={"taken": b""}),
    "damaged database": Refusal(
        r"storage folder .*data: streamer\.sqlite is damaged .*move it away",
        1,
        files={"data/streamer.sqlite": b"x" * 9000},
    ),
    "pipeline that cannot be loaded": Refusal(
        r"pipelines\.watch\.use.*broken\.py.*SyntaxError",
        changes={"pipelines": {"watch": {"use": "broken.py"}}},
        files={"broken.py": b"def ("},
    ),
    "certificate that is missing": Refusal(
        r"sink 'home'.*ca\.pem", changes={"sinks": {"home": {"type": "mqtt", "host": "x", "tls": {"ca": "ca.pem"}}}}
    ),
}


def refused(site, status, timeout_s=40):
    """Run a site that cannot be; its stderr, which must be one line, with nobody left behind."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streamer", "run", str(site)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, said = process.communicate(timeout=timeout_s)
    finally:
        process.kill()
    assert process.returncode == status, said
    assert out == ""
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1, said
    assert in_session(process.pid) == []
    return said


def in_session(leader):
    """Process ids of a session: whoever a command has started and left behind."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(entry))
    return found


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_run_is_refused_in_one_line(tmp_path, free_port, name):
    case = REFUSALS[name]
    for file, content in case.files.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(content)
    values = sites.site(free_port, NOWHERE) | case.changes
    if name == "folder is a file":
        values["storage"] = {"dir": "taken/data"}
    said = refused(sites.write(tmp_path / "site.yaml", values), case.status)
    assert re.search(case.says, said), said
    left = {path.name for path in tmp_path.iterdir()} - {"site.yaml", *(name.split("/")[0] for name in case.files)}
    assert left == set(), "nothing may be begun before the site is known to be right"


def test_broken_yaml(tmp_path):
    (tmp_path / "site.yaml").write_text("cameras:\n  gate: {source: [}\n")
    assert re.search(r"site\.yaml:2:\d+", refused(tmp_path / "site.yaml", 2))
    assert re.search(r"no such file|cannot be read", refused(tmp_path / "none.yaml", 2))


def test_a_model_that_only_the_worker_finds_broken(tmp_path, free_port):
    """Its card is right, what is behind it is not: known once the worker has tried."""
    import_file(tiny_yolox(tmp_path / "raw.onnx"), tmp_path / "tiny.onnx", Origin("yolox", LABELS))
    model_of = onnx.load(tmp_path / "tiny.onnx")
    model_of.graph.node[0].op_type = "NoSuchOperation"
    onnx.save(model_of, tmp_path / "tiny.onnx")
    path = sites.write(tmp_path / "site.yaml", sites.site(free_port, NOWHERE) | model("tiny.onnx"))
    process = subprocess.run(
        [sys.executable, "-m", "streamer", "run", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert process.returncode == 2
    assert "Traceback" not in process.stderr
    assert "tiny.onnx" in process.stderr.splitlines()[-1]


def test_port_and_folder_of_another(tmp_path, free_ports):
    """A second daemon is told what is taken, and disturbs the first one in nothing."""
    one, two = free_ports(2)
    with Daemon(sites.write(tmp_path / "site.yaml", sites.site(one, NOWHERE)), one) as daemon:
        family = set(sites.family(daemon))
        same_port = sites.site(one, NOWHERE) | {"storage": {"dir": "other"}}
        said = refused(sites.write(tmp_path / "port.yaml", same_port), 1)
        assert re.search(rf"web: cannot listen on 127\.0\.0\.1:{one}: another program listens there", said)
        said = refused(sites.write(tmp_path / "folder.yaml", sites.site(two, NOWHERE)), 1)
        assert re.search(rf"storage folder .*data: in use by another streamer \(pid {daemon.pid}\)", said)
        assert daemon.get("/healthz")["status"] == "ok"
        assert family <= set(sites.family(daemon))
        assert daemon.stop() == 0


def test_all_cameras_are_down_and_come_later(tmp_path, free_port):
    faults = {"closed": "refuse", "locked": "401", "moved": "404", "mute": "half_open", "radio": "audio_only"}
    causes = {"closed": "refused", "locked": "unauthorized", "moved": "not_found", "mute": "no_answer"}
    specs = [
        sites.simulated(name, fault=fault, port=0 if fault == "refuse" else None) for name, fault in faults.items()
    ]
    causes |= {"radio": "no_video"}
    with Simulator(specs) as simulator:
        path = sites.write(tmp_path / "site.yaml", sites.site(free_port, simulator.urls))
        with Daemon(path, free_port) as daemon:
            # before anything is known of them it is not ready, and says which ones it waits for
            ready = wait_for(lambda: daemon.get("/readyz"), 10)
            assert ready["cameras"] == {"configured": 5, "analysed": 0}
            ready = wait_for(lambda: (now := daemon.get("/readyz"))["ready"] and now, 20, daemon.tail)
            assert {camera["name"]: camera["cause"] for camera in ready["not_analysed"]} == causes
            log = tmp_path / "alerts.jsonl"
            wait_for(lambda: len(sites.of_kind(log, "camera_offline")) == 5, 20, daemon.tail)
            told = {row["camera"]: row["detail"]["cause"] for row in sites.of_kind(log, "camera_offline")}
            assert told == causes
            simulator.fault("*", None)
            sites.wait_live(daemon, *faults, timeout_s=30)
            wait_for(lambda: len(sites.of_kind(log, "camera_offline", "end")) == 5, 20, daemon.tail)
            ready = daemon.get("/readyz")
            assert (ready["ready"], ready["cameras"]["analysed"]) == (True, 5)
            assert daemon.stop() == 0
