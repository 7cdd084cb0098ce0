"""`streamer models`: the files that detectors and behaviours run from."""

from __future__ import annotations

import argparse
from pathlib import Path

from streamer.commands.telling import progress
from streamer.models import commands


def list_models(given: argparse.Namespace) -> None:
    """Print all models that have a name."""
    print(commands.list_text())
    if given.all or given.registry is not None:
        print(f"\n{commands.catalog_text(given.registry)}")
    else:
        print("`streamer models list --all` tells what can be pulled, too")


def pull(given: argparse.Namespace) -> None:
    """Download, verify and import a model of the registry."""
    from streamer.models import catalog
    from streamer.models.pull import pull as bring

    entry = catalog.entry_of(given.name, given.registry)
    with progress(f"pull {entry.name}", of_bytes=True) as advance:
        pulled = bring(entry, given.accept_license, given.allow_http, advance)
    sum_of = "SHA-256" if entry.sha256 else f"first {len(entry.sha256_prefix)} digits of the SHA-256"
    known = "" if entry.verified else f"; the sum is quoted: {entry.checksum}"
    print(f"{pulled.file}: {pulled.note}; {entry.license}; {sum_of} as expected{known}")


def info(given: argparse.Namespace) -> None:
    """Print one model's card."""
    print(commands.info_text(given.name, Path()))


def import_model(given: argparse.Namespace) -> None:
    """Give a file its card."""
    extra = {name: value for name in ("labels", "license", "source", "architecture") if (value := getattr(given, name))}
    print(commands.import_text(given.file, given.family, given.out, extra))
