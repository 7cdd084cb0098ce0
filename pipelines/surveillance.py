"""People where they should not be, or doing what they should not do."""

from __future__ import annotations

from collections.abc import AsyncIterator

from streamer import (
    AbandonedObject,
    Camera,
    Crowd,
    Detector,
    Event,
    Fall,
    Fight,
    Intrusion,
    LineCrossing,
    Loitering,
    Occupancy,
    Pipeline,
    Reading,
    Running,
    Tailgating,
    Tracker,
)


class Surveillance(Pipeline):
    """Watches zones and lines for people."""

    detector: Detector = Detector("person-vehicle")
    """Name of the model that finds people."""
    intrusion: Intrusion | None = None
    """Somebody enters a zone and stays."""
    loitering: Loitering | None = None
    """Somebody stays in a zone for long."""
    running: Running | None = None
    """Somebody runs."""
    crowd: Crowd | None = None
    """Many people gather."""
    line_crossing: LineCrossing | None = None
    """Somebody or something crosses a line; counted by class and direction."""
    tailgating: Tailgating | None = None
    """Somebody slips through close behind another."""
    occupancy: Occupancy | None = None
    """How many are in a zone, who comes and goes, and whether there are too many."""
    abandoned: AbandonedObject | None = None
    """Somebody leaves a thing behind."""
    fight: Fight | None = None
    """People fight."""
    fall: Fall | None = None
    """Somebody falls; and is still down a while later."""

    async def watch(self, camera: Camera) -> AsyncIterator[Event | Reading]:
        """Follow what the detector finds, and let each rule judge every frame."""
        tracker = Tracker()
        rules = [rule.begin(camera.places) for rule in self.enabled_rules()]
        async for frame in camera.frames():  # always the freshest; gaps are explicit
            found, scores = await self.look(frame, self.detector)  # batched across cameras
            tracks = tracker.update(found, frame.time)
            for rule in rules:
                for event in rule.judge(frame, tracks, scores):
                    yield event
