"""`streamer preview`: what is drawn in a site file, on a real picture of the camera."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from streamer.config import Site, load_site
from streamer.errors import InputError
from streamer.faults import nearest

_LEARN_S = 10.0
"""The motion detector learns the background from so many seconds before the picture."""
_LIVE_LEARN_S = 5.0
"""The same where somebody waits for a live camera."""


def preview(given: argparse.Namespace) -> None:
    """Write the picture and say where."""
    from streamer.preview.canvas import FORMATS, Canvas
    from streamer.preview.picture import Wanted, from_camera, from_file
    from streamer.preview.sketch import sketch, sketch_detections, summary

    site = load_site(given.config, "check" if given.video is None else "replay")
    camera = site.cameras[_camera(site, given.camera)]
    out = given.out or Path(f"{camera.name}.png")
    if out.suffix.lower() not in FORMATS:
        raise InputError(f"preview: --out {out}: a picture ends in one of {', '.join(FORMATS)}")
    if not out.absolute().parent.is_dir():
        raise InputError(f"preview: --out {out}: no such folder {out.absolute().parent}")
    if given.video is not None and not given.video.is_file():
        raise InputError(f"preview: --video {given.video}: no such file")
    recorded = given.video is not None or camera.address.scheme == "file"
    at_s = _at(given.at, recorded, given.detections)
    learn_s = min(at_s, _LEARN_S) if given.detections else 0.0
    wanted = Wanted(at_s, camera.analyze_fps, learn_s, _box(site, camera.name))
    if given.video is None:
        look = from_camera(camera.address, camera.transport, wanted)
    else:
        look = from_file(given.video, wanted)
    canvas, words = Canvas(look.pixels), summary(camera.places)
    if given.detections:
        found = asyncio.run(_detect(site, camera.name, look.sampled))
        for detections in found.values():
            sketch_detections(canvas, detections)
        words += "".join(f"; {len(it)} found by {model}" for model, it in found.items())
    sketch(canvas, camera.places)
    canvas.save(out)
    height, width = look.pixels.shape[:2]
    print(f"wrote {out}: {camera.name} at {look.at_s:.1f} s, {width}x{height}: {words}")


def _camera(site: Site, name: str | None) -> str:
    """The camera that is meant; the only one may go unnamed."""
    if name is None:
        if len(site.cameras) > 1:
            raise InputError(f"preview: --camera is needed: {site.name} has {', '.join(site.cameras)}")
        return next(iter(site.cameras))
    if name not in site.cameras:
        hint = nearest(name, site.cameras) or f"; there are: {', '.join(site.cameras)}"
        raise InputError(f"preview: {site.name} has no camera {name!r}{hint}")
    return name


def _at(at_s: float | None, recorded: bool, detections: bool) -> float:
    """When the picture is taken, seconds after the first one."""
    if at_s is None:
        return 0.0 if recorded or not detections else _LIVE_LEARN_S
    if not 0 <= at_s <= (1e6 if recorded else 600.0):
        raise InputError(f"preview: --at must be 0 to 600 seconds for a live camera, got {at_s:g}")
    return at_s


def _models(site: Site, camera: str) -> list[str]:
    asked = (model for name in site.cameras[camera].pipelines for model in site.pipelines[name].detectors())
    return list(dict.fromkeys(asked))


def _box(site: Site, camera: str) -> tuple[int, int]:
    """What pictures are scaled into for the models of a camera, as live."""
    from streamer.inference.settings import analysis_box
    from streamer.models.registry import served_card

    asked = {model for name in site.cameras[camera].pipelines for model in site.pipelines[name].models()}
    sizes = [analysis_box(served_card(site.models[model].file).input) for model in asked]
    return max((width for width, _ in sizes), default=416), max((height for _, height in sizes), default=416)


async def _detect(site: Site, camera: str, sampled: Any) -> dict[str, Any]:
    """What the models of a camera's pipelines find in the last of some pictures, by model."""
    from streamer.inference.local import LocalModels
    from streamer.types import Frame

    names = _models(site, camera)
    found = {}
    async with LocalModels([site.models[name] for name in names], site.inference) as models:
        for name in names:
            for i, (at_s, pixels) in enumerate(sampled):
                found[name] = await models.ask(name, Frame(camera, 1, i, at_s, at_s, pixels, at_s))
    if sys.stderr.isatty() and len(sampled) < 2 and "motion" in {str(site.models[name].file) for name in names}:
        print("preview: motion needs pictures before this one to learn from: give --at SECONDS", file=sys.stderr)
    return found
