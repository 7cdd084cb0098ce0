"""Alerts to people over the hundred services of Apprise: Telegram, ntfy, Slack, Pushover, e-mail and so on.

An extra (`pip install streamer[apprise]`). Apprise blocks, so each call runs in the sink's one thread. By default
people get the begin of an incident, and the end only of the system's own: that a camera is back is news, that a person
left is not. The addresses are secrets as a whole; Apprise's services are not covered by the guard of the HTTP sinks.
"""

from __future__ import annotations

import asyncio
import importlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator

from streamer import log
from streamer.errors import ConfigError, SinkError
from streamer.events import SYSTEM, Event, State
from streamer.sinks.sink import Alert, Sink, SinkSettings, reason

_TYPES = {"info": "info", "warning": "warning", "critical": "failure"}


class AppriseSettings(SinkSettings):
    """Services by their Apprise URLs, e.g. tgram://TOKEN/CHAT or ntfy://TOPIC."""

    default_states: ClassVar[tuple[State, ...]] = ("begin",)
    type: Literal["apprise"] = "apprise"
    urls: list[SecretStr] = Field(min_length=1, description="Apprise URLs; see github.com/caronc/apprise/wiki.")
    snapshot: bool = Field(True, description="Attach the picture where the service can take one.")

    @field_validator("urls")
    @classmethod
    def _known(cls, urls: list[SecretStr]) -> list[SecretStr]:
        for url in urls:
            value = url.get_secret_value()
            log.secrets.add(value)
            log.secrets.add_url(value)
            for part in value.partition("://")[2].replace("?", "/").replace("@", "/").replace(":", "/").split("/"):
                if len(part) >= 8:  # tokens are path segments here
                    log.secrets.add(part)
        return urls

    def wants(self, event: Event) -> bool:
        """See SinkSettings; a recovery of the system is told too, unless `states` says otherwise."""
        recovery = self.states is None and event.pipeline == SYSTEM and event.state == "end"
        return recovery or super().wants(event)

    def build(self, name: str, base_dir: Path) -> AppriseSink:
        """See SinkSettings."""
        try:
            library = importlib.import_module("apprise")
        except ImportError as error:
            raise ConfigError(
                [f"sink {name!r}: needs Apprise, which is not installed; run: pip install 'streamer[apprise]'"]
            ) from error
        return AppriseSink(name, self, library)


class AppriseSink(Sink):
    """Notifies each service in turn; one that has the alert is not told again when another one fails."""

    send_timeout_s: ClassVar[float] = 60.0

    def __init__(self, name: str, settings: AppriseSettings, library: Any):
        super().__init__(name, settings)
        self._options = settings
        self._library = library
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"apprise-{name}")
        self._services: list[Any] = []
        self._told: tuple[str, set[int]] = ("", set())

    async def open(self) -> None:
        """Read the URLs; Apprise connects only when it sends."""
        services = []
        for number, url in enumerate(self._options.urls, start=1):
            service = await self._in_thread(self._library.Apprise.instantiate, url.get_secret_value())
            if service is None:
                raise SinkError(f"sink {self.name!r}: url {number} of {len(self._options.urls)} is not an Apprise URL")
            services.append(service)
        self._services = services

    async def send(self, alert: Alert) -> None:
        """See Sink."""
        if self._told[0] != alert.id:
            self._told = (alert.id, set())
        failed = []
        for number, service in enumerate(self._services):
            if number not in self._told[1]:
                if await self._in_thread(self._notify, service, alert):
                    self._told[1].add(number)
                else:
                    failed.append(f"{service.service_name} (url {number + 1})")
        if failed:
            raise SinkError(f"sink {self.name!r}: not delivered by {', '.join(failed)}; Apprise's log says why")

    async def close(self) -> None:
        """See Sink."""
        self._services = []

    def _notify(self, service: Any, alert: Alert) -> bool:
        apprise = self._library.Apprise()
        apprise.add(service)
        attach = None
        if self._options.snapshot and alert.snapshot is not None and alert.snapshot.is_file():
            attach = str(alert.snapshot)
        title = f"{alert.event.kind.replace('_', ' ')} at {alert.event.camera}".removesuffix(" at ")
        kind = "success" if alert.event.state == "end" else _TYPES[alert.severity]
        return bool(apprise.notify(body=alert.text, title=title, notify_type=kind, attach=attach))

    async def _in_thread(self, function: Any, *values: Any) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function, *values)
        except SinkError:
            raise
        except Exception as error:  # a plug-in of Apprise may raise anything
            raise SinkError(f"sink {self.name!r}: {log.secrets.scrub(reason(error))}") from error
