"""How often a fight is told where nobody fights, and in clips of fights; `python -m tests.fights` prints the tables.

Everything goes the way of replay: the shipped detector, the tracker, the shipped fight model, the rule as it
is. None of
the everyday recordings was trained on. A clip of the fight data set lasts two seconds: it is played as it is, and the
rule needs most of that to be sure, so recall here is a lower bound; the accuracy of clips is `streamer evaluate`'s, and
for clips that were trained on it says that the model learned, not that it generalises (that is `folds.json`).
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

from pipelines.surveillance import Surveillance
from streamer.alerts import AlertPolicy, AlertSettings
from streamer.events import Event
from streamer.inference.local import LocalModels
from streamer.inference.settings import InferenceSettings, ModelSpec
from streamer.models.registry import resolve
from streamer.places import Places
from streamer.replay import Recording, replay
from tests import footage

QUIET = ("three_people_hevc.mp4", "aerobics.avi", "campus.mp4", "one_by_one.mp4", "bottles.mp4")
"""Where nobody fights, by what was asked."""
OTHERS = ("square_crowd.mp4", "shop_1080p_hevc.mp4", "car_park.mp4", "cars_from_above.mp4")
ANALYZE_FPS = 10.0
"""The model's own grid."""


async def told(
    videos: Sequence[Path], fight: str = "fight", analyze_fps: float = ANALYZE_FPS
) -> dict[str, tuple[list[Event], float]]:
    """By name of the video: what is told of fights, and how long it is in seconds."""
    found: dict[str, tuple[list[Event], float]] = {}
    specs = [ModelSpec(name, Path(resolve(name, Path()))) for name in ("person-vehicle", fight)]
    settings = {"fight": {"model": fight}}
    async with LocalModels(specs, InferenceSettings(max_batch_size=1)) as models:
        for video in videos:
            pipeline = Surveillance.model_validate(settings)
            one = Recording(video.name, video, analyze_fps, footage.ANALYSIS_BOX, Places(), {"surveillance": pipeline})
            report = await replay([one], models, AlertPolicy(AlertSettings(cooldown_seconds=0)))
            events = [event for event in report.events if event.kind == "fight" and event.state == "begin"]
            found[video.name] = events, report.seconds[one.camera] + 1 / analyze_fps
    return found


def rows(name: str, found: dict[str, tuple[list[Event], float]]) -> str:
    """One line of a table; the bound is the exact one of a Poisson count, one-sided."""
    from scipy.stats import chi2

    alarms = sum(len(events) for events, _ in found.values())
    seconds = sum(length for _, length in found.values())
    bound = float(chi2.ppf(0.95, 2 * (alarms + 1))) / 2 / (seconds / 3600)
    where = ", ".join(f"{video} at {event.time:.1f} s" for video, (events, _) in found.items() for event in events)
    return f"{name:<26}{alarms:>7}{seconds / 60:>10.1f}{bound:>14.1f}   {where}"


async def tables(data: Path, fight: str) -> None:
    """Print them."""
    for fps in (ANALYZE_FPS, 5.0):
        print(f"\nat {fps:g} fps\n{'nobody fights':<26}{'alarms':>7}{'minutes':>10}{'95 % below/h':>14}", flush=True)
        sets = {name: [data / "cctv" / name] for name in QUIET} | {
            "other cctv": [data / "cctv" / name for name in OTHERS],
            "falls and daily life": sorted((data / "falls").glob("*.mp4")),
        }
        everything: dict[str, tuple[list[Event], float]] = {}
        for name, videos in sets.items():
            found = await told(videos, fight, fps)
            everything |= found
            print(rows(name, found), flush=True)
        print(rows("all", everything), flush=True)
    for label in ("fight", "normal"):
        clips = await told(sorted((data / "fights" / label).glob("*.mp4")), fight)
        count = sum(bool(events) for events, _ in clips.values())
        print(f"clips of {label}, all trained on: told in {count} of {len(clips)}")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of real footage")
    parser.add_argument("--model", default="fight", help="name or file of the fight model")
    asked = parser.parse_args()
    asyncio.run(tables(asked.data, asked.model))


if __name__ == "__main__":
    main()
