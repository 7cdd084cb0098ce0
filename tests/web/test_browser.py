"""The page in a real browser: it renews itself, admits when it is old, and breaks none of its own policy."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.metrics import Metrics
from streamer.web.app import Web
from streamer.web.settings import WebSettings
from streamer.web.status import Status

pytestmark = pytest.mark.e2e


class Changing:
    """A page whose verdict changes after it was first shown."""

    def __init__(self, first: Status, then: Status) -> None:
        self.first, self.then, self.shown = first, then, 0
        self.web = Web(WebSettings(listen="127.0.0.1:0", refresh_seconds=1), self._status, Metrics())

    def _status(self) -> Status:
        self.shown += 1
        return self.first if self.shown == 1 else self.then


@pytest.fixture
async def changing(quiet: Status, troubled: Status) -> AsyncIterator[Changing]:
    changing = Changing(quiet, troubled)
    await changing.web.start()
    yield changing
    await changing.web.stop()


async def browse(url: str, profile: Path, milliseconds: int) -> tuple[str, str]:
    """The page's markup after that much time of the browser's own clock, and what its console said."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs a browser (Debian package chromium)")
    quiet = ("disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update")
    process = await asyncio.create_subprocess_exec(
        *(chromium, "--headless", "--no-sandbox", "--disable-sync", "--enable-logging=stderr", "--v=0"),
        *(f"--{flag}" for flag in quiet),
        *(f"--user-data-dir={profile}", f"--virtual-time-budget={milliseconds}", "--dump-dom", url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 90)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return out.decode(), "\n".join(line for line in err.decode().splitlines() if "CONSOLE" in line)


async def test_the_page_renews_itself_within_its_policy(changing: Changing, tmp_path: Path) -> None:
    page, console = await browse(changing.web.url, tmp_path, 2500)
    assert changing.shown >= 2
    assert "12 of 16 cameras analysed" in page
    assert "all analysed" not in page
    assert "<title>12/16 cameras · streamer</title>" in page
    assert 'id="stale" role="alert" hidden' in page
    assert console == ""


async def test_an_old_page_does_not_look_healthy(changing: Changing, tmp_path: Path) -> None:
    def broken() -> Status:
        raise RuntimeError("no status")

    first = replace(changing.first)
    answers = iter([first])
    changing.web._status = lambda: next(answers, None) or broken()
    page, _ = await browse(changing.web.url, tmp_path, 2500)
    assert "What you see is old." in page
    assert '<body class="stale">' in page
    assert "3 cameras, all analysed" in page
