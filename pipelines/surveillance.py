"""People where they should not be, or doing what they should not do."""

from __future__ import annotations

from collections.abc import AsyncIterator

from streamer import AbandonedObject, Camera, Detector, Event, Intrusion, Loitering, Pipeline, Reading, Tracker


class Surveillance(Pipeline):
    """Watches zones for people."""

    detector: Detector = Detector("motion")
    """Name of the model that finds people."""
    intrusion: Intrusion | None = None
    """Somebody enters a zone and stays."""
    loitering: Loitering | None = None
    """Somebody stays in a zone for long."""
    abandoned: AbandonedObject | None = None
    """Somebody leaves a thing behind."""

    async def watch(self, camera: Camera) -> AsyncIterator[Event | Reading]:
        """Follow what the detector finds, and let each rule judge every frame."""
        tracker = Tracker()
        rules = [rule.begin(camera.places) for rule in self.enabled_rules()]
        async for frame in camera.frames():  # always the freshest; gaps are explicit
            tracks = tracker.update(await self.detector(frame), frame.time)  # batched across cameras
            for rule in rules:
                for event in rule.judge(frame, tracks):
                    yield event
