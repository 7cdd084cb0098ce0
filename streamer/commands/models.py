"""`streamer models`: the files that detectors run from."""

from __future__ import annotations

import argparse
from pathlib import Path

from streamer.models import commands


def list_models(given: argparse.Namespace) -> None:
    """Print all models that have a name."""
    print(commands.list_text())


def info(given: argparse.Namespace) -> None:
    """Print one model's card."""
    print(commands.info_text(given.name, Path()))


def import_model(given: argparse.Namespace) -> None:
    """Give a file its card."""
    extra = {name: value for name in ("labels", "license", "source", "architecture") if (value := getattr(given, name))}
    print(commands.import_text(given.file, given.family, given.out, extra))
