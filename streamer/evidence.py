"""The evidence of an alert: ordered from the camera's reader, attached in the outbox when it is there.

The alert waits a moment for its snapshot (see `outbox.SNAPSHOT_WAIT_S`) and never for its clip, whose last second is
still to come when the alert goes out. Called by the engine, a task an alert; on its loop.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamer.alerts import Alert, ClipSettings
from streamer.events import Event
from streamer.explaining import Explainer
from streamer.ingest.readers import Readers
from streamer.ingest.wish import Wish
from streamer.outbox import Outbox
from streamer.store import Store


def _wish(event: Event) -> Wish:
    """What an event's picture shows. Its moments are of its own session, in which both clocks run alike."""
    at = event.captured_at
    moments = [] if at is None else [(at - (event.time - moment.time), moment.box) for moment in event.moments]
    boxes = [] if event.box is None else [event.box]
    return Wish(event.session or 0, event.frame_index or 0, boxes, at, moments, event.pts)


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Where evidence comes from, and where it goes."""

    readers: Readers
    outbox: Outbox
    store: Store
    explainer: Explainer

    async def attach_snapshot(self, alert_id: str, event: Event) -> None:
        """Have the picture of the deciding frame written; without one the alert goes as it is."""
        path = self.store.snapshot_path(alert_id)
        taken = event.frame_index is not None and await self.readers.snapshot(event.camera, _wish(event), path)
        await self.outbox.attach(alert_id, path if taken else None)

    async def attach_clip(self, alert: Alert, clip: ClipSettings) -> None:
        """Have the seconds round the deciding frame written, if the alert expects them."""
        event = alert.event
        if alert.clip is None or event.captured_at is None:
            return
        there = await self.readers.clip(
            event.camera, event.captured_at, clip.before_seconds, clip.after_seconds, alert.clip
        )
        await self.outbox.attach_clip(alert.id, there)
        if there and clip.explain:
            await self.explainer.explain(alert)
