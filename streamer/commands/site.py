"""`streamer init`, `run`, `check` and `demo`: from a configuration file to a watching daemon."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from streamer import firstlook, log
from streamer.config import Site, load_site, parse_site
from streamer.errors import InputError

logger = log.get(__name__)

STARTER = Path(__file__).parent.parent / "starter.yaml"
"""What `init` writes."""


def init(given: argparse.Namespace) -> None:
    """Write the starter file, unless something is there already."""
    try:
        with given.file.open("x", encoding="utf-8") as file:
            file.write(STARTER.read_text(encoding="utf-8"))
    except FileExistsError:
        raise InputError(f"{given.file}: exists already and is left alone; give another name") from None
    except OSError as error:
        raise InputError(f"{given.file}: cannot be written: {error.strerror}") from error
    print(f"wrote {given.file}: put in your camera, then: streamer check {given.file}; streamer run {given.file}")


def check(given: argparse.Namespace) -> None:
    """Say whether a site file is right, and what it says."""
    site = load_site(given.config, "check")
    site.build_sinks()
    print(site.text() if given.show else f"{site.summary()}\n{given.config}: ok")


def run(given: argparse.Namespace) -> None:
    """Watch until SIGTERM, SIGINT or Ctrl-C."""
    site, load = _site(given.what or ["site.yaml"])
    from streamer.console import line
    from streamer.daemon import Daemon, assemble
    from streamer.events import Event

    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    show = load is None or sys.stdout.isatty()

    def told(event: Event) -> None:
        if show:
            print(log.secrets.scrub(line(event, color)), flush=True)

    def ready(daemon: Daemon) -> None:
        page = f"; page {daemon.web.url}" if site.web.enabled else ""
        logger.info("watching %d camera%s%s", len(site.cameras), "s" if len(site.cameras) > 1 else "", page)

    asyncio.run(assemble(site, load, told).run(ready))


def demo(given: argparse.Namespace) -> None:
    """Run the demo."""
    from streamer import demo

    demo.run(given.folder, given.seconds, given.port)


def _site(what: list[str]) -> tuple[Site, Callable[[], Site] | None]:
    """The site that the arguments of `run` mean, and how to read it again."""
    if len(what) == 1 and firstlook.is_config(what[0]):
        path = Path(what[0])
        return load_site(path), lambda: load_site(path)
    configs = [text for text in what if firstlook.is_config(text)]
    if configs:
        raise InputError(f"run: {configs[0]}: give one configuration file, or only streams and files")
    text, variables = firstlook.site_text(what, firstlook.free_port())
    print(f"# what this stands for; save it as site.yaml and change it at will\n{text}", flush=True)
    return parse_site(text, Path(), variables=variables, name="streamer run"), None
