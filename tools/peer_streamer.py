#!/usr/bin/env python3
"""streamer as one of several programs in a side-by-side of RTSP analytics, run by somebody else's bench.

The contract: the environment says NCAM cameras at rtsp://127.0.0.1:PORT/cam0...; the program makes the file READY once
every camera is analysed, and on SIGTERM leaves RESULT, an .npy array of float64 rows (camera, frame number burnt into
the picture, CLOCK_MONOTONIC instant of the result, count in the polygon, tracks). It is the daemon as `streamer run`
builds it, with the bench's pipeline. MODEL is a model file with its card; DEVICE and PRECISION as in a site file.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from streamer import log
from streamer.bench.subject import site_file
from streamer.bench.watch import COLUMNS, RECORDER
from streamer.config import load_site
from streamer.daemon import assemble


def main() -> None:
    """Run until SIGTERM."""
    log.setup(style="human", level=os.environ.get("LOG_LEVEL", "warning"))
    cameras = int(os.environ["NCAM"])
    order = {
        "urls": [f"rtsp://127.0.0.1:{os.environ.get('PORT', '8555')}/cam{i}" for i in range(cameras)],
        "analyze_fps": float(os.environ.get("ANALYZE_FPS", "5")),
        "model": os.environ["MODEL"],
        "inference": {"device": os.environ.get("DEVICE", "auto"), "precision": os.environ.get("PRECISION", "f32")},
    }

    def look() -> None:
        if len(RECORDER.seen) == cameras:
            Path(os.environ["READY"]).write_text("ready")

    RECORDER.on_camera = look
    with tempfile.TemporaryDirectory(prefix="streamer-peer-") as folder:
        asyncio.run(assemble(load_site(site_file(Path(folder), order))).run())
    columns = {name: RECORDER.rows()[:, i] for i, name in enumerate(COLUMNS)}
    # the rule tests every track against the zone and says who stays, it does not count: that column is empty
    nothing = np.full(len(columns["camera"]), np.nan)
    rows = [columns["camera"], columns["index"], columns["result_at"], nothing, columns["tracks"]]
    np.save(os.environ["RESULT"], np.stack(rows, axis=1))
    if RECORDER.unknown:
        print(f"ERROR {RECORDER.unknown} frames without an answer", file=sys.stderr)


if __name__ == "__main__":
    main()
