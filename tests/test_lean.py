"""Each process imports only what it needs; measured in fresh interpreters."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

HEAVY = (
    "torch",
    "torchvision",
    "av",
    "cv2",
    "openvino",
    "onnxruntime",
    "onnx",
    "numpy",
    "aiohttp",
    "pydantic",
    "scipy",
)
RUNTIMES = ("torch", "torchvision", "openvino", "onnxruntime")


def imported(code: str) -> set[str]:
    """The top-level packages that a fresh interpreter holds after some code."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{code}\nimport sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


HELP = """
import contextlib, io
from streamer.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main(["--help"])
"""


def test_help_imports_nothing_heavy() -> None:
    assert imported(HELP).isdisjoint(HEAVY)


def test_help_is_quick() -> None:
    def once() -> float:
        begun = time.monotonic()
        subprocess.run([sys.executable, "-m", "streamer", "--help"], capture_output=True, timeout=60, check=True)
        return time.monotonic() - begun

    assert min(once() for _ in range(3)) <= 0.5


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("streamer", HEAVY),
        ("streamer.config", (*RUNTIMES, "av", "cv2", "aiohttp", "aiomqtt", "scipy")),
        ("streamer.engine", (*RUNTIMES, "av", "cv2")),
        ("streamer.daemon", (*RUNTIMES, "av", "cv2")),
        ("pipelines.surveillance", (*RUNTIMES, "av", "aiohttp")),
        ("streamer.inference.worker", ("av", "cv2", "torch", "torchvision", "aiohttp")),
        ("streamer.ingest.reader", (*RUNTIMES, "cv2", "aiohttp", "aiomqtt", "pydantic", "prometheus_client", "onnx")),
    ],
)
def test_each_process_holds_only_what_it_needs(module: str, unwanted: tuple[str, ...]) -> None:
    found = imported(f"import {module}") & set(unwanted)
    assert not found, f"{module} imports {', '.join(sorted(found))}"
