"""What each process of a running daemon holds in memory, and who can see a password."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from tests import sites
from tests.running import Daemon, wait_for
from tests.servers import Receiver

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

TORCH = ("/torch/", "libtorch")
RUNTIMES = (*TORCH, "/openvino/", "/onnxruntime/")
TOKEN = "t0ken-in-the-path-of-a-hook-51c"
SECRET = "hook secret with spaces & signs"


def mapped(pid, *parts):
    """Which of these files' names are among those that a process has mapped."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    return [part for part in parts if part in maps]


def test_each_process_holds_only_what_it_needs(tmp_path, free_port, cameras):
    path = sites.write(tmp_path / "site.yaml", sites.site(free_port, {"east": cameras.url("east")}))
    with Daemon(path, free_port) as daemon:
        sites.wait_live(daemon, "east")
        (reader,), (worker,) = (daemon.children(f"streamer.{m}") for m in ("ingest.reader", "inference.worker"))
        assert mapped(reader, "/av/", "numpy") == ["/av/", "numpy"], "this test looks at the right place"
        assert mapped(daemon.pid, *RUNTIMES, "/av/") == []
        assert mapped(reader, *RUNTIMES, "/cv2/", "/aiohttp/", "pydantic_core") == []
        assert mapped(worker, *TORCH, "/av/", "/aiohttp/") == []
        assert daemon.stop() == 0


def test_no_password_is_anywhere(tmp_path, free_port, cameras):
    """Not in logs, page, metrics, arguments, alerts or the database; whatever is wrong with the camera or the hook."""
    with sites.receiving(Receiver(500)) as receiver:
        receiver.text = f"you sent {SECRET} to /{TOKEN}"
        hook = {"type": "webhook", "url": f"{receiver.url}/{TOKEN}", "allow_private": True, "secret": SECRET}
        values = sites.site(
            free_port,
            {"east": cameras.url("east"), "west": cameras.url("west"), "gone": cameras.url("east") + "-not-there"},
            sinks={"hook": hook, "log": {"type": "jsonl", "path": "alerts.jsonl"}},
        )
        path = sites.write(tmp_path / "site.yaml", values)
        seen: dict[str, str] = {}
        daemon = Daemon(path, free_port)
        daemon.command += ["--log-level", "debug"]
        with daemon:
            sites.wait_live(daemon, "east", "west")
            cameras.fault("west", "401")
            wait_for(lambda: daemon.cameras()["west"]["cause"] == "unauthorized", 20, daemon.tail)
            wait_for(lambda: daemon.cameras()["gone"]["cause"] == "not_found", 20, daemon.tail)
            wait_for(lambda: receiver.requests, 20, daemon.tail)
            for page in ("/", "/status.json", "/metrics", "/healthz", "/readyz"):
                seen[page] = str(daemon.get(page))
            for pid in sites.family(daemon):
                seen[f"arguments of {pid}"] = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
            for pid in sites.family(daemon)[1:]:
                seen[f"environment of {pid}"] = Path(f"/proc/{pid}/environ").read_text(errors="replace")
            assert daemon.stop() == 0
        seen["log"] = daemon.log.read_text()
        seen["alerts"] = (tmp_path / "alerts.jsonl").read_text()
        for file in (tmp_path / "data").glob("streamer.sqlite*"):
            seen[file.name] = file.read_bytes().decode("utf-8", "replace")
    assert "west" in seen["log"]
    for secret in (sites.PASSWORD, quote(sites.PASSWORD, safe=""), TOKEN, SECRET):
        leaks = [where for where, text in seen.items() if secret in text]
        assert not leaks, f"{secret!r} is in {', '.join(leaks)}"
