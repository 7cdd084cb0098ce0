"""The scenes that come with the simulator, by name.

Each is made for a seed (colors, texture, noise, and for `square` the people) and a loop length. The places and times
are fixed, so that a test can rely on what happens; the ground truth is computed from them. Called by `build`,
`process` and tests. Pure.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from streamer.errors import InputError
from streamer.simulator.scene import Actor, Lane, Leg, Lens, Light, Line, Scene, Zone, go, lie, stay

_COATS = ((150, 60, 55), (60, 80, 140), (70, 110, 70), (40, 40, 45), (180, 150, 70), (120, 60, 120), (200, 200, 200))
_PAINTS = ((170, 30, 35), (40, 60, 130), (215, 215, 215), (35, 35, 40), (120, 125, 130))
_SQUARE_GAP_S = 4.0
"""The square gets one walker in this time."""


def make_scene(name: str, seconds: float | None = None, seed: int = 0) -> Scene:
    """A scene of the library. Raises InputError for an unknown name or a loop that is too short for what happens."""
    if name not in SCENES:
        raise InputError(f"scene {name!r} is not one of {', '.join(SCENES)}")
    scene = SCENES[name](seconds, seed)
    latest = max((actor.end_s for actor in scene.actors), default=0.0)
    if scene.seconds < latest:
        raise InputError(f"scene {name!r} needs a loop of at least {latest:.1f} s, not {scene.seconds:g} s")
    return scene


def _yard(seconds: float | None, seed: int) -> Scene:
    """A fenced yard: one intruder soon, another later, and somebody who only passes behind it."""
    lens = Lens(horizon=0.1, height_m=4.5)
    cast = _Cast(lens, seed)
    actors = (
        cast.person(
            "intruder",
            1.0,
            (-0.06, 0.62),
            go(0.3, 0.66, 1.8),
            go(0.5, 0.75),
            stay(2),
            go(0.62, 0.84),
            go(1.08, 0.72, 2.0),
        ),
        cast.person("passer-by", 3.0, (1.05, 0.4), go(-0.05, 0.4, 1.7)),
        cast.person(
            "second-intruder", 15.0, (1.06, 0.68), go(0.66, 0.7, 1.6), go(0.5, 0.62), go(0.58, 0.8), go(1.08, 0.86, 1.8)
        ),
    )
    zone = Zone("yard", ((0.2, 0.52), (0.8, 0.52), (0.92, 0.97), (0.08, 0.97)))
    gate = Line("gate", (0.5, 0.52), (0.5, 0.97))
    light = Light(9.0, 13.0, 0.93, ramp_s=1.5)
    return Scene("yard", seconds or 26.0, lens, actors, (zone,), (gate,), lights=(light,), seed=seed)


def _lobby(seconds: float | None, seed: int) -> Scene:
    """A hall: one person paces up and down for more than 15 s, two others walk through."""
    lens = Lens(horizon=0.08, height_m=3.2)
    cast = _Cast(lens, seed)
    pacing = [leg for _ in range(4) for leg in (go(0.42, 0.74, 0.9), stay(1), go(0.6, 0.7, 0.9), stay(1))]
    actors = (
        cast.person("loiterer", 1.5, (-0.05, 0.66), go(0.4, 0.7), *pacing, go(1.06, 0.66)),
        cast.person("visitor", 4.0, (1.06, 0.52), go(0.8, 0.5), go(-0.06, 0.5)),
        cast.person("guest", 20.0, (-0.06, 0.86), go(0.5, 0.9), go(1.1, 0.86)),
    )
    zone = Zone("hall", ((0.3, 0.45), (0.75, 0.45), (0.85, 0.96), (0.2, 0.96)))
    return Scene("lobby", seconds or 40.0, lens, actors, (zone,), seed=seed)


def _street(seconds: float | None, seed: int) -> Scene:
    """Walkers, a runner, somebody who falls; cars both ways: one stops for a while, one comes the wrong way."""
    lens = Lens(horizon=0.05, height_m=5.0)
    cast = _Cast(lens, seed)
    actors = (
        cast.person("walker", 0.5, (-0.05, 0.44), go(1.05, 0.45, 1.6)),
        cast.car("car-east", 1.0, (-0.35, 0.74), go(1.35, 0.74, 8.0)),
        cast.person("runner", 4.0, (1.05, 0.93), go(-0.05, 0.92, 4.0)),
        cast.car("car-stops", 6.0, (1.3, 0.58), go(0.6, 0.58, 7.0), stay(7), go(-0.3, 0.58, 7.0)),
        cast.person("falls", 12.0, (-0.05, 0.9), go(0.3, 0.9, 1.5), lie(7), go(1.06, 0.92, 1.3)),
        cast.car("car-wrong-way", 26.0, (1.35, 0.72), go(-0.35, 0.72, 6.0)),
        cast.person("crosses", 28.0, (0.3, 0.3), go(0.3, 0.46, 1.6), go(0.34, 0.88, 1.5), go(-0.06, 0.94, 1.6)),
    )
    zones = (Zone("pavement", ((0, 0.82), (1, 0.82), (1, 1), (0, 1))),)
    lines = (Line("middle", (0.5, 0.36), (0.5, 1.0)), Line("kerb", (0.0, 0.65), (1.0, 0.65)))
    lanes = (
        Lane("west", ((0, 0.5), (1, 0.5), (1, 0.635), (0, 0.635)), (-1.0, 0.0)),
        Lane("east", ((0, 0.635), (1, 0.635), (1, 0.82), (0, 0.82)), (1.0, 0.0)),
    )
    return Scene("street", seconds or 45.0, lens, actors, zones, lines, lanes, seed=seed)


def _square(seconds: float | None, seed: int) -> Scene:
    """An open place that people cross in all directions, more or less many by the length of the loop; for load."""
    length, lens, chance = seconds or 60.0, Lens(horizon=0.05, height_m=6.0), random.Random(seed)
    cast = _Cast(lens, seed)
    actors: list[Actor] = []
    tries = 0
    while len(actors) < length / _SQUARE_GAP_S and tries < 10_000:
        tries += 1
        side = chance.random() < 0.5
        ends = [(-0.06, chance.uniform(0.4, 0.95)), (1.06, chance.uniform(0.4, 0.95))]
        middle = (chance.uniform(0.3, 0.7), chance.uniform(0.4, 0.95))
        begin, pace = chance.uniform(0, length), chance.uniform(1.1, 2.0)
        walker = cast.person(f"walker-{len(actors)}", begin, ends[side], go(*middle, pace), go(*ends[not side], pace))
        if walker.end_s <= length:
            actors.append(walker)
    zone = Zone("square", ((0.25, 0.45), (0.75, 0.45), (0.85, 0.95), (0.15, 0.95)))
    line = Line("middle", (0.5, 0.3), (0.5, 1.0))
    return Scene("square", length, lens, tuple(actors), (zone,), (line,), seed=seed)


def _plaza(seconds: float | None, seed: int) -> Scene:
    """A door and a plaza: somebody slips in behind another, five gather, one runs, and others only seem to."""
    lens = Lens(horizon=0.08, height_m=4.5)
    cast = _Cast(lens, seed)
    spots = ((0.55, 0.62), (0.68, 0.6), (0.62, 0.74), (0.76, 0.72), (0.7, 0.83))
    gathering = [
        cast.person(f"guest-{i}", 9.0 + 1.2 * i, (1.06, y), go(x, y), stay(14.5 - i), go(1.08, y, 1.6))
        for i, (x, y) in enumerate(spots)
    ]
    actors = (
        cast.person("member", 1.0, (-0.05, 0.66), go(0.34, 0.68), go(0.36, 0.36), go(-0.05, 0.34)),
        cast.person("follower", 3.3, (-0.05, 0.8), go(0.36, 0.8, 1.5), go(0.4, 0.4, 1.5), go(-0.05, 0.37, 1.5)),
        *gathering,
        cast.person("turns-back", 22.0, (-0.05, 0.75), go(0.24, 0.75), stay(2), go(-0.05, 0.75)),
        cast.person("brisk", 34.0, (1.05, 0.5), go(-0.05, 0.45, 2.1)),
        cast.person("runner", 40.0, (1.06, 0.95), go(-0.06, 0.94, 4.2)),
        cast.person("visitor", 46.0, (-0.05, 0.7), go(0.6, 0.74, 1.5), stay(3), go(-0.05, 0.82, 1.5)),
    )
    zone = Zone("plaza", ((0.45, 0.5), (0.88, 0.5), (0.93, 0.87), (0.41, 0.87)))
    door = Line("door", (0.3, 1.0), (0.3, 0.5))
    return Scene("plaza", seconds or 66.0, lens, actors, (zone,), (door,), seed=seed)


def _empty(seconds: float | None, seed: int) -> Scene:
    """Night: a strong noise, a lamp that dims now and then, and nobody."""
    lights = (Light(6.0, 8.0, 0.9, ramp_s=0.4), Light(13.0, 14.0, 1.1, ramp_s=0.3))
    zone = Zone("bay", ((0.2, 0.4), (0.8, 0.4), (0.9, 0.95), (0.1, 0.95)))
    return Scene("empty", seconds or 20.0, Lens(), (), (zone,), lights=lights, noise=5.0, seed=seed)


def _station(seconds: float | None, seed: int) -> Scene:
    """A platform: one suitcase is left behind, one put down for a moment, one carried off; and somebody waits."""
    lens = Lens(horizon=0.08, height_m=3.6)
    cast = _Cast(lens, seed)
    leaves = cast.person("leaves", 14.0, (-0.05, 0.7), go(0.36, 0.72), stay(4), go(1.06, 0.66, 1.6))
    rests = cast.person("rests", 20.0, (1.06, 0.9), go(0.72, 0.88), stay(16), go(1.08, 0.9))
    stands = cast.person("stands", 17.0, (1.05, 0.5), go(0.62, 0.5), stay(75), go(1.06, 0.5))
    passer = cast.person("passer-by", 50.0, (-0.05, 0.76), go(1.05, 0.76, 1.5))
    fetches = cast.person("fetches", 30.0, (-0.06, 0.56), go(0.2, 0.56), stay(1), go(-0.06, 0.56))
    put = leaves.begin_s + _way_s(leaves, 0)
    down = rests.begin_s + _way_s(rests, 0)
    taken = fetches.begin_s + _way_s(fetches, 0) + 0.5
    actors = (
        *(leaves, rests, stands, passer, fetches),
        cast.thing("suitcase", put + 0.8, (0.385, 0.735), 74.0, "leaves"),
        cast.thing("bag", down + 0.8, (0.745, 0.9), 14.5, "rests"),
        cast.thing("crate", 0.0, (0.215, 0.575), taken, ""),
    )
    zone = Zone("platform", ((0.0, 0.4), (1.0, 0.4), (1.0, 1.0), (0.0, 1.0)))
    return Scene("station", seconds or 115.0, lens, actors, (zone,), seed=seed)


def _way_s(actor: Actor, leg: int) -> float:
    """How long an actor takes for the legs up to one."""
    until = Actor(actor.name, actor.label, 0.0, actor.start, actor.legs[: leg + 1], actor.lens)
    return until.end_s


SCENES: dict[str, Callable[[float | None, int], Scene]] = {
    "yard": _yard,
    "lobby": _lobby,
    "street": _street,
    "square": _square,
    "plaza": _plaza,
    "empty": _empty,
    "station": _station,
}
"""Every scene, made from (seconds of the loop, None for its usual length; seed)."""


class _Cast:
    """Makes actors of one scene, each in its own colors."""

    def __init__(self, lens: Lens, seed: int):
        self._lens, self._chance = lens, random.Random(seed)

    def person(self, name: str, begin_s: float, start: tuple[float, float], *legs: Leg) -> Actor:
        """Somebody between 1.6 and 1.9 m."""
        tall, coat = self._chance.uniform(1.6, 1.9), self._chance.choice(_COATS)
        return Actor(name, "person", begin_s, start, legs, self._lens, height_m=tall, color=coat)

    def thing(
        self, name: str, begin_s: float, start: tuple[float, float], seconds: float, owner: str, tall: float = 0.65
    ) -> Actor:
        """A suitcase that stands somewhere for so long."""
        paint = self._chance.choice(_PAINTS)
        return Actor(name, "object", begin_s, start, (stay(seconds),), self._lens, tall, color=paint, owner=owner)

    def car(self, name: str, begin_s: float, start: tuple[float, float], *legs: Leg) -> Actor:
        """A passenger car."""
        long, paint = self._chance.uniform(3.9, 4.7), self._chance.choice(_PAINTS)
        return Actor(name, "vehicle", begin_s, start, legs, self._lens, height_m=1.5, length_m=long, color=paint)
