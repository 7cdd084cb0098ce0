"""The handle of a behaviour model, as a pipeline or a rule holds it.

A behaviour model looks at the whole picture and remembers what it saw of each camera; its memory lies in the worker.
In YAML the handle is the model's name; the engine binds it, and an unbound one raises. Rules hold one as a field
(``model: Behaviour = Behaviour("fight")``), pipelines ask them all at once (`Pipeline.behaviours`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from streamer.errors import StreamerError
from streamer.types import Answer, Frame, Scores

Ask = Callable[[str, Frame], Awaitable[Answer]]
"""Asks a model by name about a frame."""


class Behaviour:
    """A behaviour model by name; awaiting it with a frame gives Scores (unknown ones if nobody can answer in time).

    Args:
        name: of the model.
        ask: who answers; None until the handle is bound.
    """

    __slots__ = ("_ask", "name")

    def __init__(self, name: str, ask: Ask | None = None):
        self.name = name
        self._ask = ask

    async def __call__(self, frame: Frame) -> Scores:
        """What the model says about the frame; batched with the calls for all other cameras.

        Raises:
            StreamerError: nobody bound this handle to a model, or the model of that name is a detector.
        """
        if self._ask is None:
            raise StreamerError(f"behaviour {self.name!r}: not bound to a model; call Pipeline.bind first")
        answer = await self._ask(self.name, frame)
        if not isinstance(answer, Scores):
            raise StreamerError(f"behaviour {self.name!r}: the model of that name is a detector, not a behaviour model")
        return answer

    def bound(self, ask: Ask) -> Behaviour:
        """The same behaviour, answered by `ask`."""
        return Behaviour(self.name, ask)

    def __repr__(self) -> str:
        return f"Behaviour({self.name!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Behaviour) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """In YAML a behaviour is the name of a model."""
        name = core_schema.str_schema(min_length=1)
        given = core_schema.no_info_after_validator_function(cls, name)
        return core_schema.json_or_python_schema(
            json_schema=given,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), given]),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda handle: handle.name),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """For editors: a string."""
        return {"type": "string", "description": "Name of a behaviour model."}
