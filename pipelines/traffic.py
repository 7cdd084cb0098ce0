"""What vehicles do on a road: how many, how fast, which way, and when they stand."""

from __future__ import annotations

from collections.abc import AsyncIterator

from streamer import (
    Camera,
    Congestion,
    Counting,
    Detector,
    Event,
    LineCrossing,
    Pipeline,
    Queue,
    Reading,
    RedLight,
    Speeding,
    StoppedVehicle,
    Tracker,
    WrongWay,
)


class Traffic(Pipeline):
    """Watches lanes for vehicles."""

    detector: Detector = Detector("person-vehicle", motion="motion")
    """Name of the model that finds vehicles; what else moves on a road is one seen too steeply."""
    counting: Counting | None = None
    """How many pass, by class, lane or movement."""
    line_crossing: LineCrossing | None = None
    """Something passes a line that it should not pass: an event each time."""
    wrong_way: WrongWay | None = None
    """A vehicle drives against its lane."""
    stopped_vehicle: StoppedVehicle | None = None
    """A vehicle stands where traffic should move."""
    speeding: Speeding | None = None
    """A vehicle is faster than allowed."""
    congestion: Congestion | None = None
    """A lane is full of slow vehicles."""
    queue: Queue | None = None
    """Vehicles wait before a stop line."""

    red_light: RedLight | None = None
    """A vehicle passes a stop line although its signal is red."""

    async def watch(self, camera: Camera) -> AsyncIterator[Event | Reading]:
        """Follow what the detector finds, and let each rule judge every frame."""
        tracker = Tracker()
        rules = [rule.begin(camera.places) for rule in self.enabled_rules()]
        async for frame in camera.frames():  # always the freshest; gaps are explicit
            tracks = tracker.update(await self.detector(frame), frame.time)  # batched across cameras
            for rule in rules:
                for told in rule.judge(frame, tracks):
                    yield told
