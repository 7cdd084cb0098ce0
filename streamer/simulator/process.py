"""A simulator in a process of its own, for whoever is not asyncio: tests, the bench, the demo.

    with Simulator([{"name": "gate", "scene": "yard", "user": "admin", "password": "x", "auth": "digest"}]) as sim:
        watch(sim.url("gate"))
        sim.fault("gate", "stall")

The specification travels through the child's stdin, so that no password is in anybody's argument list, and the child
ends when this process does, however it ends. Not thread-safe.
"""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from streamer.errors import InputError, StreamerError
from streamer.simulator.library import make_scene
from streamer.simulator.spec import CameraSpec, SimulatorSpec, parse_spec
from streamer.simulator.truth import Truth

_ANSWER_SECONDS = 30.0
_END_SECONDS = 5.0


class Simulator:
    """A running simulator."""

    def __init__(self, spec: SimulatorSpec | Sequence[CameraSpec | Mapping[str, Any]], ready_timeout_s: float = 120.0):
        """Start it and wait until it listens; drawing and encoding take about a second for 150 frames of 720p.

        `spec` is a whole specification, or just its cameras. Raises InputError for one that cannot be used and
        StreamerError when the simulator does not get ready in time.
        """
        self.spec = spec if isinstance(spec, SimulatorSpec) else parse_spec({"cameras": [_plain(c) for c in spec]})
        self._buffer = b""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streamer.simulator", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the parent, which ends us in its own time
        )
        try:
            self._send(self.spec.model_dump_json())
            ready = self._answer(ready_timeout_s)
            if not ready.get("ready"):
                raise InputError(str(ready.get("error")))
        except BaseException:
            self.close()
            raise
        self.port = int(ready["port"])
        self._urls: dict[str, str] = ready["urls"]
        self.cameras: dict[str, dict[str, Any]] = ready["cameras"]
        """Of each camera: codec, size, fps, start (index of its first frame), frames (in its loop)."""

    @property
    def pid(self) -> int:
        """Of the child, for those who measure it."""
        return self._process.pid

    @property
    def urls(self) -> dict[str, str]:
        """Every camera's address, with its credentials: not for logs."""
        return {name: self.url(name) for name in self._urls}

    @property
    def loops(self) -> dict[str, tuple[int, int]]:
        """Of each camera, in order, (index of its first frame, frames in its loop), as `SentTimes` wants it."""
        return {name: (camera["start"], camera["frames"]) for name, camera in self.cameras.items()}

    def url(self, name: str) -> str:
        """A camera's address, with its credentials: not for logs."""
        spec = self.spec.camera(name)
        if not spec.user:
            return self._urls[name]
        credentials = f"{quote(spec.user, safe='')}:{quote(spec.password, safe='')}@"
        return self._urls[name].replace("rtsp://", f"rtsp://{credentials}", 1)

    def fault(self, name: str, fault: str | None, **measures: float) -> None:
        """Let a camera (or "*", all of them) misbehave, or behave again with None. Raises InputError.

        Returns when it is in force; a new picture (black, frozen, resolution) is in the stream within a keyframe
        interval.
        """
        self._ask({"camera": name, "fault": fault, **measures})

    def stats(self) -> dict[str, Any]:
        """CPU seconds of the child (`cpu_s`); of each of `cameras`: number, index, late, clients, dropped, fault."""
        return self._ask({"stats": True})

    def truth(self, name: str) -> Truth:
        """What really happens before a camera. Raises InputError when it shows a file, of which nothing is known."""
        spec = self.spec.camera(name)
        if spec.scene is None:
            raise InputError(f"camera {name!r} shows the file {spec.file}: its truth is not known to the simulator")
        return Truth(make_scene(spec.scene, spec.loop_seconds, spec.seed))

    def close(self) -> None:
        """End the child; does nothing when it has ended."""
        if self._process.stdin and not self._process.stdin.closed:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        self._send(json.dumps(command))
        answer = self._answer(_ANSWER_SECONDS)
        if not answer.get("ok"):
            raise InputError(f"simulator: {answer.get('error')}")
        return answer

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise StreamerError(f"simulator: process {self.pid} has ended; start another") from error

    def _answer(self, timeout_s: float) -> dict[str, Any]:
        """The next line that the child prints."""
        assert self._process.stdout is not None
        until = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(0.0, until - time.monotonic())):
                    raise StreamerError(f"simulator: process {self.pid} gave no answer for {timeout_s:g} s")
                chunk = self._process.stdout.read1(65536)  # type: ignore[attr-defined]
                if not chunk:
                    status = self._process.wait(_END_SECONDS)
                    raise StreamerError(f"simulator: process {self.pid} ended with status {status}")
                self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _plain(camera: CameraSpec | Mapping[str, Any]) -> Mapping[str, Any]:
    return camera.model_dump() if isinstance(camera, CameraSpec) else camera
