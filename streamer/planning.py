"""From a site to what the engine does with each camera; called by the daemon at start and at each reload."""

from __future__ import annotations

from collections.abc import Mapping

from streamer import log
from streamer.engine import CameraPlan
from streamer.inference.client import Models
from streamer.ingest.spec import CameraSpec
from streamer.site import Site

logger = log.get(__name__)


def plans(
    site: Site, models: Models, old: Site | None = None, running: Mapping[str, CameraPlan] | None = None
) -> list[CameraPlan]:
    """What the engine does with each camera; a camera that did not change keeps its very plan."""
    for note in site.notes():
        logger.warning("%s", note)
    found = []
    for name, camera in site.cameras.items():
        if old is not None and running and name in running and site.same_camera(old, name):
            found.append(running[name])
            continue
        pipelines = {pipeline: site.pipelines[pipeline] for pipeline in camera.pipelines}
        sizes = [models.input_size(model) for pipeline in pipelines.values() for model in pipeline.models()]
        width = max((w for w, _ in sizes), default=416)
        height = max((h for _, h in sizes), default=416)
        spec = CameraSpec(
            *(name, camera.url, camera.transport, camera.analyze_fps, width, height),
            record_url=camera.record_url,
            privacy=camera.places.hidden(),
            tamper=camera.tamper,
            **site.kept(name),
        )
        found.append(CameraPlan(spec, camera.places, pipelines, site.clip(name)))
    return found
