"""Pictures that explain alerts: made by another process, one at a time, and never at an alert's cost."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from streamer import explaining
from streamer.alerts import Alert
from streamer.events import Event
from streamer.explaining import WAITING, Explainer
from streamer.store import why_path

SCRIPT = """
import json, os, pathlib, sys, time
arguments = sys.argv[1:]
out = pathlib.Path(arguments[arguments.index("--out") + 1])
folder = out.parent
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(arguments) + "\\n")
if (folder / "fail").exists():
    print("explain: no such thing", file=sys.stderr)
    sys.exit(2)
running = folder / "running"
running.touch(exist_ok=False); running.write_text(str(os.getpid()))  # two at a time would fail
while (folder / "hang").exists():
    time.sleep(0.01)
out.write_bytes(b"picture " + str(os.nice(0)).encode())
running.unlink()
"""


@pytest.fixture
def command(tmp_path: Path) -> tuple[str, ...]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    return (sys.executable, "-I", str(script))


def alert(folder: Path, name: str = "a", **detail: Any) -> Alert:
    event = Event("fight", "begin", 10.0, camera="yard", pipeline="p", id=name, detail=detail)
    return Alert(name, event, "warning", ("log",), "a fight", 0.0, clip=folder / f"{name}.mp4", clip_ready=True)


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines() if (folder / "calls").exists() else []


async def test_the_picture_lies_beside_the_clip(tmp_path: Path, command: tuple[str, ...]) -> None:
    explainer = Explainer({"fight": Path("/models/fight.onnx")}.get, command)
    assert await explainer.explain(alert(tmp_path, model="fight", label="fight"))
    picture = why_path(tmp_path / "a.mp4")
    assert picture == tmp_path / "a-why.png"
    assert picture.read_bytes() == b"picture 19"  # at the lowest priority
    (call,) = calls(tmp_path)
    for part in ("explain", "/models/fight.onnx", str(tmp_path / "a.mp4"), '"--label", "fight"'):
        assert part in call


async def test_alerts_of_other_rules_have_none(tmp_path: Path, command: tuple[str, ...]) -> None:
    explainer = Explainer({"fight": Path("f.onnx")}.get, command)
    assert not await explainer.explain(alert(tmp_path))
    assert not await explainer.explain(alert(tmp_path, model="other"))
    assert calls(tmp_path) == []


async def test_one_at_a_time_and_not_without_end(tmp_path: Path, command: tuple[str, ...]) -> None:
    explainer = Explainer({"fight": Path("f.onnx")}.get, command)
    found = await asyncio.gather(
        *(explainer.explain(alert(tmp_path, f"a{i}", model="fight")) for i in range(WAITING + 3))
    )
    assert found == [True] * WAITING + [False] * 3
    assert len(calls(tmp_path)) == WAITING
    assert await explainer.explain(alert(tmp_path, "later", model="fight"))


async def test_what_fails_is_said(tmp_path: Path, command: tuple[str, ...], caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "fail").touch()
    assert not await Explainer({"fight": Path("f.onnx")}.get, command).explain(alert(tmp_path, model="fight"))
    assert "alert a is not explained: explain: no such thing" in caplog.text


async def test_what_takes_too_long_is_ended(
    tmp_path: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(explaining, "LONGEST_S", 0.2)
    (tmp_path / "hang").touch()
    assert not await Explainer({"fight": Path("f.onnx")}.get, command).explain(alert(tmp_path, model="fight"))
    assert "took more than 0.2 s" in caplog.text


async def test_a_daemon_that_stops_leaves_no_process(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "hang").touch()
    explainer = Explainer({"fight": Path("f.onnx")}.get, command)
    task = asyncio.create_task(explainer.explain(alert(tmp_path, model="fight")))
    process = await asyncio.to_thread(started, tmp_path / "running")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def started(running: Path) -> int:
    """The process, once it runs."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if running.exists() and (text := running.read_text()):
            return int(text)
        time.sleep(0.01)
    raise AssertionError("it never ran")
