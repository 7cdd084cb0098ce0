"""Alerts into Prometheus Alertmanager: firing while the incident is open, resolved when it ends.

Labels are few and bounded (they identify an alert there, and group and silence it); all else is annotation. Incidents
of equal labels are one alert for Alertmanager: it is resolved when the last of them has ended. Alertmanager forgets at
a restart and resolves what is not repeated, so what is open is sent again once a minute.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from streamer import log
from streamer.clock import rfc3339
from streamer.errors import SinkError
from streamer.sinks.http import HttpSettings, Poster
from streamer.sinks.sink import Alert, Sink

logger = log.get(__name__)

PATH = "/api/v2/alerts"
_MOST_OPEN = 1000


class AlertmanagerSettings(HttpSettings):
    """An Alertmanager; `url` is its base address, e.g. http://alertmanager:9093."""

    type: Literal["alertmanager"] = "alertmanager"
    resend_seconds: float = Field(60.0, ge=5.0, description="Open incidents are repeated so often.")
    labels: dict[str, str] = Field(default_factory=dict, description="Labels that every alert carries, e.g. the site.")

    def build(self, name: str, base_dir: Path) -> AlertmanagerSink:
        """See SinkSettings."""
        return AlertmanagerSink(name, self)


class AlertmanagerSink(Sink):
    """Keeps what is open, and posts begin, repetition and end."""

    def __init__(self, name: str, settings: AlertmanagerSettings):
        super().__init__(name, settings)
        self._options = settings
        self._poster = Poster(self, settings, PATH)
        self._open: dict[str, Alert] = {}

    async def open(self) -> None:
        """See Sink."""
        await self._poster.open()

    def resume(self, alerts: Sequence[Alert]) -> None:
        """See Sink."""
        self._open = {alert.event.id: alert for alert in alerts}

    async def run(self) -> None:
        """Repeat what is open; a repetition that fails waits for the next round."""
        while True:
            await self.clock.sleep(self._options.resend_seconds)
            if self._open:
                try:
                    await self._post([self._row(alert) for alert in self._open.values()])
                except SinkError as error:
                    logger.warning("sink %s: open incidents not repeated: %s", self.name, error)

    async def send(self, alert: Alert) -> None:
        """See Sink."""
        still_open = dict(self._open)
        if alert.event.state == "end":
            still_open.pop(alert.event.id, None)
        else:
            still_open[alert.event.id] = alert
        await self._post([self._row(alert, still_open)])
        while len(still_open) > _MOST_OPEN:
            del still_open[next(iter(still_open))]
        self._open = still_open

    async def close(self) -> None:
        """See Sink."""
        await self._poster.close()

    async def _post(self, rows: list[dict[str, Any]]) -> None:
        body = json.dumps(rows, ensure_ascii=False, default=str).encode()
        await self._poster.post(body, {"Content-Type": "application/json", "User-Agent": "streamer"})

    def _row(self, alert: Alert, still_open: dict[str, Alert] | None = None) -> dict[str, Any]:
        event, labels = alert.event, self._labels(alert)
        others = [a for a in (still_open or {}).values() if a.event.id != event.id and self._labels(a) == labels]
        over = event.state == "end" and not others
        started = min([a.event.started or a.event.time for a in (alert, *others)])
        if over:
            # Alertmanager refuses an end that is not after the start, and some incidents are a moment
            ends_at = max(event.time if event.ended is None else event.ended, started + 0.001)
        else:
            ends_at = self.clock.time() + 4 * self._options.resend_seconds
        annotations = {"summary": alert.text, "incident": event.id, "confidence": f"{event.confidence:.2f}"}
        if event.detail:
            annotations["detail"] = json.dumps(event.detail, ensure_ascii=False, default=str)
        return {
            "labels": labels,
            "annotations": annotations,
            "startsAt": rfc3339(started),
            "endsAt": rfc3339(ends_at),
        }

    def _labels(self, alert: Alert) -> dict[str, str]:
        event = alert.event
        found = {
            **self._options.labels,
            "alertname": event.kind,
            "camera": event.camera,
            "pipeline": event.pipeline,
            "severity": alert.severity,
            "zone": event.zone or "",
            "line": event.line or "",
        }
        return {name: value for name, value in found.items() if value}
