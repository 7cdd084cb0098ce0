"""The simulator as a process: `python -m streamer.simulator SPEC.json`, or `-` for one line of JSON on stdin.

It prints one JSON line when it listens (`{"ready": true, "port": ..., "urls": {...}, "cameras": {...}}`), then reads
commands, one JSON object a line, and answers each with a line:

    {"camera": "gate", "fault": "stall"}               misbehave ("camera": "*" is all of them)
    {"camera": "gate", "fault": "loss", "rate": 0.2}   with a measure of its own
    {"camera": "gate", "fault": null}                  behave again
    {"stats": true}                                    what every camera does
    {"quit": true}                                     end

It ends when stdin closes or on SIGTERM. One event loop; a thread reads stdin, two draw and encode at the start.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from streamer.errors import InputError, StreamerError
from streamer.simulator.build import build
from streamer.simulator.faults import Fault, parse_fault
from streamer.simulator.mount import Mount
from streamer.simulator.rtsp import RtspServer
from streamer.simulator.spec import SimulatorSpec, parse_spec
from streamer.simulator.variant import stand_in


def main(arguments: list[str]) -> int:
    """Run until told to end; returns the exit status (2: the specification cannot be used)."""
    if len(arguments) != 1:
        print("usage: python -m streamer.simulator SPEC.json|-", file=sys.stderr)
        return 2
    try:
        return asyncio.run(_run(arguments[0]))
    except StreamerError as error:
        _say({"ready": False, "error": str(error)})
        if arguments[0] != "-":  # else a program reads the line above
            print(error, file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1


async def _run(source: str) -> int:
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lines.put_nowait, None)
    threading.Thread(target=_read, args=(loop, lines), name="commands", daemon=True).start()
    text = await lines.get() if source == "-" else _load(Path(source))
    if text is None:
        return 0
    spec = parse_spec(text)
    server = await _serve(spec)
    try:
        while (line := await lines.get()) is not None:
            answer = await _obey(server, line)
            _say(answer)
            if answer.get("quit"):
                break
    finally:
        await server.close()
    return 0


async def _serve(spec: SimulatorSpec) -> RtspServer:
    mounts = await build(spec)
    gc.collect()
    gc.freeze()  # the reels stay; collections need not walk them again
    server = RtspServer(mounts, (spec.host, spec.port), spec.session_timeout_seconds, stand_in)
    await server.start()
    for mount in mounts:
        given = spec.camera(mount.camera.name).fault
        if given is not None:
            await server.fault(mount.camera.name, parse_fault(given))
    urls = {name: server.url(name) for name in server.mounts}
    cameras = {mount.camera.name: _identity(mount) for mount in mounts}
    _say({"ready": True, "port": server.port, "urls": urls, "cameras": cameras})
    return server


async def _obey(server: RtspServer, line: str) -> dict[str, Any]:
    """Carry out one command; a wrong one is answered, not fatal."""
    try:
        command = json.loads(line)
        if not isinstance(command, dict):
            raise InputError(f"a command is a JSON object, not {line[:80]!r}")
        if command.get("quit"):
            return {"ok": True, "quit": True}
        if command.get("stats"):
            return {"ok": True, "cpu_s": time.process_time(), "cameras": _stats(server)}
        return await _fault(server, command)
    except (StreamerError, ValueError) as error:
        return {"ok": False, "error": str(error)}


async def _fault(server: RtspServer, command: dict[str, Any]) -> dict[str, Any]:
    if "camera" not in command or "fault" not in command:
        raise InputError('a command needs "camera" and "fault", or "stats", or "quit"')
    name = command["camera"]
    kind, measures = command["fault"], {k: v for k, v in command.items() if k not in ("camera", "fault")}
    fault: Fault | None = parse_fault({"kind": kind, **measures}) if kind is not None else None
    for one in tuple(server.mounts) if name == "*" else (name,):
        await server.fault(one, fault)
    return {"ok": True, "camera": name, "fault": kind}


def _identity(mount: Mount) -> dict[str, Any]:
    reel = mount.reel
    shape = {"codec": reel.codec, "size": [reel.width, reel.height], "fps": reel.fps}
    return {**shape, "start": mount.camera.start, "frames": mount.frames}


def _stats(server: RtspServer) -> dict[str, Any]:
    return {
        name: {
            "number": mount.number,
            "index": mount.index,
            "late": mount.late,
            "clients": len(mount.watchers),
            "dropped": sum(outlet.dropped for outlet in mount.watchers),
            "fault": mount.fault.kind if mount.fault else None,
        }
        for name, mount in server.mounts.items()
    }


def _load(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise InputError(f"simulator: {path} cannot be read: {error.strerror}") from error


def _read(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[str | None]) -> None:
    """Hand every line of stdin to the loop, None at its end; raw reads, so that no lock is held when Python ends."""
    buffer = b""
    with suppress(RuntimeError):  # the loop has ended, nobody listens any more
        while chunk := os.read(0, 65536):
            *whole, buffer = (buffer + chunk).split(b"\n")
            for line in whole:
                if line.strip():
                    loop.call_soon_threadsafe(lines.put_nowait, line.decode("utf-8", "replace"))
        loop.call_soon_threadsafe(lines.put_nowait, None)


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
