"""`streamer sinks` and `outbox`: whether alerts arrive, and what became of those that did not."""

from __future__ import annotations

import argparse
import asyncio
import time
from datetime import UTC, datetime

from streamer.config import load_site
from streamer.errors import InputError
from streamer.faults import nearest
from streamer.ledger import Letter


def test_sink(given: argparse.Namespace) -> None:
    """Send a test alert to one sink."""
    from streamer.sinks import sink

    site = load_site(given.config, "sinks")
    settings = site.sinks.get(given.name)
    if settings is None:
        hint = nearest(given.name, site.sinks) or f"; there are: {', '.join(site.sinks) or 'none'}"
        raise InputError(f"{site.name} has no sink {given.name!r}{hint}")
    print(asyncio.run(sink.test_sink(settings.build(given.name, site.base_dir))))


def list_outbox(given: argparse.Namespace) -> None:
    """Print what waits and what was given up."""
    from streamer.ledger import DEAD, list_letters
    from streamer.log import secrets

    site = load_site(given.config, "replay")
    statuses = ("pending", *DEAD, *(("delivered",) if given.all else ()))
    letters = list_letters(site.storage.dir, statuses, given.limit)
    for letter in letters:
        print(secrets.scrub(describe(letter)))
    waiting = sum(letter.status == "pending" for letter in letters)
    given_up = sum(letter.status in DEAD for letter in letters)
    print(f"{waiting} waiting, {given_up} given up")


def retry_outbox(given: argparse.Namespace) -> None:
    """Put dead letters back into the queue."""
    from streamer.ledger import retry_letters

    site = load_site(given.config, "replay")
    count = retry_letters(site.storage.dir, time.time(), given.ids or None)
    if given.ids and not count:
        raise InputError("outbox retry: none of these alerts was given up; `streamer outbox list` shows their ids")
    print(f"{count} to be sent again; a running daemon begins within seconds")


def describe(letter: Letter) -> str:
    """A letter as one line for `streamer outbox list`."""
    at = datetime.fromtimestamp(letter.alert.created_at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    tail = f" ({letter.attempts} attempts; {letter.error})" if letter.error else ""
    return f"{at} {letter.status:<9} {letter.sink:<12} {letter.alert.id}: {letter.alert.text}{tail}"
