"""The handle of a detector, as a pipeline holds it: a model's name, or two that are fused, and what is left out.

In YAML it is the name of a model, or ``{fuse: [DETECTOR, motion]}``. The engine binds it for each camera; an unbound
one raises.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from streamer.behaviour import Ask
from streamer.errors import StreamerError
from streamer.fusion import Fusion
from streamer.ignored import Ignored
from streamer.places import Places
from streamer.types import Detections, Frame


class Detector:
    """A detector by name; awaiting it with a frame gives Detections (unknown ones if nobody can answer in time).

    Args:
        name: of the model.
        ask: who answers; None until the handle is bound.
        motion: name of the motion model whose unexplained motion is added (see `fusion`); None: the detector alone.
        places: of the camera that it is bound for; what its masks leave out is not in the answers.
    """

    __slots__ = ("_ask", "_fusion", "_ignored", "motion", "name")

    def __init__(self, name: str, ask: Ask | None = None, motion: str | None = None, places: Places | None = None):
        self.name = name
        self.motion = motion
        self._ask = ask
        self._fusion = Fusion()
        self._ignored = Ignored(places)

    @property
    def names(self) -> list[str]:
        """Of all models that it asks."""
        return [self.name] if self.motion is None else [self.name, self.motion]

    async def __call__(self, frame: Frame) -> Detections:
        """What is seen in the frame; batched with the calls for all other cameras.

        Raises:
            StreamerError: nobody bound this handle to a model, or the model of that name is no detector.
        """
        if self.motion is None:
            return self._ignored.keep(await self._detect(self.name, frame))
        found, moving = await asyncio.gather(self._detect(self.name, frame), self._detect(self.motion, frame))
        aspect = frame.size[0] / frame.size[1]
        joined = self._fusion.join(found, self._ignored.quiet(moving), frame.session, frame.time, aspect)
        return self._ignored.keep(joined)

    async def _detect(self, model: str, frame: Frame) -> Detections:
        if self._ask is None:
            raise StreamerError(f"detector {model!r}: not bound to a model; call Pipeline.bind first")
        answer = await self._ask(model, frame)
        if not isinstance(answer, Detections):
            raise StreamerError(f"detector {model!r}: the model of that name is a behaviour model, not a detector")
        return answer

    def bound(self, ask: Ask, places: Places | None = None) -> Detector:
        """The same detector for one camera, answered by `ask`, without what the masks among its places leave out."""
        return Detector(self.name, ask, self.motion, places)

    def __repr__(self) -> str:
        return f"Detector({self.name!r})" if self.motion is None else f"Detector({self.name!r}, motion={self.motion!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """In YAML a detector is the name of a model, or ``{fuse: [DETECTOR, MOTION]}``."""
        name = core_schema.str_schema(min_length=1)
        two = core_schema.list_schema(name, min_length=2, max_length=2)
        fused = core_schema.typed_dict_schema({"fuse": core_schema.typed_dict_field(two)}, extra_behavior="forbid")
        from_name = core_schema.no_info_after_validator_function(cls, name)
        from_two = core_schema.no_info_after_validator_function(_fused, fused)
        given = core_schema.tagged_union_schema({"name": from_name, "fuse": from_two}, _form)
        return core_schema.json_or_python_schema(
            json_schema=given,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), given]),
            serialization=core_schema.plain_serializer_function_ser_schema(_plain),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """For editors: a string, or two of them."""
        two = {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}
        fused = {"type": "object", "properties": {"fuse": two}, "required": ["fuse"], "additionalProperties": False}
        words = "Name of a model, or {fuse: [DETECTOR, motion]}: also what moves and the detector does not know."
        return {"anyOf": [{"type": "string"}, fused], "description": words}


def _form(value: Any) -> str:
    return "fuse" if isinstance(value, dict) else "name"


def _fused(value: dict[str, list[str]]) -> Detector:
    name, motion = value["fuse"]
    if name == motion:
        raise ValueError(f"fuse needs two different models, a detector and `motion`, got {name!r} twice")
    return Detector(name, motion=motion)


def _plain(handle: Detector) -> Any:
    return handle.name if handle.motion is None else {"fuse": [handle.name, handle.motion]}
