"""False alarms of `camera_tampered` on footage of cameras that nobody touched; `python -m tests.tampering` prints them.

Every file is watched as one camera, over and over for at least five minutes; cuts between two runs of it are its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from streamer.ingest.tamper import TamperCheck
from streamer.sources.file import FileSource

LEAST_S = 300.0
FPS = 2.0


def footage(data: Path) -> list[Path]:
    """All files from fixed cameras."""
    found = [
        *data.glob("cctv/*.mp4"),
        *data.glob("cctv/*.avi"),
        *data.glob("cctv/gif/*.gif"),
        *data.glob("traffic/*.avi"),
    ]
    return sorted(found)


def alarms(video: Path, least_s: float = LEAST_S) -> tuple[float, list[tuple[float, str, str]]]:
    """Seconds watched, and (time, what, why) of every alarm."""
    check, said, before = TamperCheck(15.0), [], "ok"
    base = last = 0.0
    while base < least_s:
        for _, pts_s, pixels in FileSource(video, FPS, 416, 416):
            last = base + pts_s
            look = check.look(pixels, last)
            if look != before and before == "ok":
                said.append((last, look, check.detail))
            before = look
        base = last + 1 / FPS
    return base, said


def report(data: Path) -> Iterator[str]:
    """The table, line by line."""
    total_s, count = 0.0, 0
    for video in footage(data):
        seconds, said = alarms(video)
        total_s, count = total_s + seconds, count + len(said)
        yield f"{video.name:<40}{seconds / 60:>7.1f} min{len(said):>4} alarms"
        yield from (f"    {time:7.1f} s {look}: {why}" for time, look, why in said)
    yield f"{'all':<40}{total_s / 60:>7.1f} min{count:>4} alarms"


def main() -> None:
    """Print the table."""
    named = os.environ.get("STREAMER_TEST_DATA")
    data = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not data.is_dir():
        sys.exit(f"tests.tampering: no folder {data}; set STREAMER_TEST_DATA to the test footage")
    for line in report(data):
        print(line, flush=True)


if __name__ == "__main__":
    main()
