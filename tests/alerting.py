"""Events and alerts for the tests of policy, outbox and sinks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from streamer.errors import SinkError
from streamer.events import Event
from streamer.sinks.sink import Alert, Sink, SinkSettings

EPOCH = 1_800_000_000.0


def event(
    incident: str = "gate-surveillance-intrusion-1", state: Any = "begin", time: float = EPOCH, **more: Any
) -> Event:
    values: dict[str, Any] = {
        "kind": "intrusion",
        "camera": "gate",
        "pipeline": "surveillance",
        "started": EPOCH - 1.2,
        "key": ("yard", 7),
        "confidence": 0.83,
        "track_id": 7,
        "zone": "yard",
        "label": "person",
        "box": (0.1, 0.2, 0.3, 0.4),
        "detail": {"dwell_s": 1.2, "min_seconds": 1.0},
    }
    return Event(state=state, time=time, id=incident, **{**values, **more})


def alert(
    incident: str = "gate-surveillance-intrusion-1",
    state: Any = "begin",
    sinks: tuple[str, ...] = ("list",),
    **more: Any,
) -> Alert:
    cooldown_s = more.pop("cooldown_s", 0.0)
    text = more.pop("text", "intrusion at gate")
    happened = event(incident, state, **more)
    suffix = f":{round(happened.time * 1000)}" if state == "update" else ""
    return Alert(
        f"{incident}:{state}{suffix}", happened, happened.severity, sinks, text, happened.time, None, sinks, cooldown_s
    )


class ListSink(Sink):
    """Keeps what it is sent; fails as `fault` says: called with the alert, it may raise."""

    def __init__(self, name: str = "list", settings: SinkSettings | None = None):
        super().__init__(name, settings or SinkSettings(type="list"))
        self.sent: list[Alert] = []
        self.tried: list[str] = []
        self.opened = 0
        self.closed = 0
        self.resumed: list[Alert] = []
        self.states: dict[str, bool] = {}
        self.cameras: dict[str, Any] = {}
        self.fault: Callable[[Alert], None] = lambda alert: None
        self.open_fault: Callable[[], None] = lambda: None

    async def open(self) -> None:
        self.open_fault()
        self.opened += 1

    async def send(self, alert: Alert) -> None:
        self.tried.append(alert.id)
        await asyncio.sleep(0)
        self.fault(alert)
        self.sent.append(alert)

    async def close(self) -> None:
        self.closed += 1

    def announce(self, cameras: Any) -> None:
        self.cameras = dict(cameras)

    def state(self, camera: str, online: bool) -> None:
        self.states[camera] = online

    def resume(self, alerts: Any) -> None:
        self.resumed = list(alerts)

    @property
    def ids(self) -> list[str]:
        return [alert.id for alert in self.sent]


def down(alert: Any = None) -> None:
    """A fault: not now."""
    raise SinkError("the receiver is down")
