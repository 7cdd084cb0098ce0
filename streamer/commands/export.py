"""`streamer export`: trained weights become the file that is served."""

from __future__ import annotations

import argparse
import json


def export(given: argparse.Namespace) -> None:
    """Export, and print the report."""
    from streamer.training.export import export as write

    report = write(given.file, given.to, given.out, given.int8, given.calibrate)
    print(json.dumps(report.to_json()) if given.json else report)
