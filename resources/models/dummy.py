"""No model: shows that the chain holds together, at no cost. Its labels say that they are none."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from resources.models.request import ChatAnswer, ChatRequest, ModelClient, Usage

DUMMY_TEXT = "Dummy response."
Schema = Mapping[str, Any]


class Dummy(ModelClient):
    """Answers with the least that a request's schema allows, and with `DUMMY_TEXT` wherever words are free."""

    async def ask(self, request: ChatRequest, timeout_s: float) -> ChatAnswer:
        text = DUMMY_TEXT if request.schema is None else json.dumps(least_instance(request.schema))
        return ChatAnswer(text, "stop", "dummy", Usage(0, 0))

    async def close(self) -> None:
        pass


def least_instance(schema: Schema) -> Any:
    """The smallest instance of a JSON schema: null where it may be, required properties only, shortest lists."""
    return _least(schema, schema)


def _least(schema: Schema, root: Schema) -> Any:
    if "$ref" in schema:
        return _least(_pointed_at(schema["$ref"], root), root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return None if None in schema["enum"] else schema["enum"][0]
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return None if any(option.get("type") == "null" for option in options) else _least(options[0], root)
    return _KINDS[_kind(schema)](schema, root)


def _kind(schema: Schema) -> str:
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kinds, str):
        return kinds
    return "null" if "null" in kinds else kinds[0]


def _pointed_at(reference: str, root: Schema) -> Schema:
    found: Any = root
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def _object(schema: Schema, root: Schema) -> dict[str, Any]:
    return {name: _least(schema["properties"][name], root) for name in schema.get("required", ())}


def _array(schema: Schema, root: Schema) -> list[Any]:
    return [_least(schema.get("items", {}), root) for _ in range(schema.get("minItems", 0))]


def _string(schema: Schema, root: Schema) -> str:
    text = DUMMY_TEXT
    while len(text) < schema.get("minLength", 0):
        text += f" {DUMMY_TEXT}"
    return text[: schema.get("maxLength")]


def _whole(schema: Schema, root: Schema) -> int:
    lowest = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
    return int(min(lowest, schema.get("maximum", lowest)))


def _real(schema: Schema, root: Schema) -> float:
    lowest = schema.get("minimum", schema.get("exclusiveMinimum", -1.0) + 1.0)
    return float(min(lowest, schema.get("maximum", lowest)))


_KINDS: Mapping[str, Callable[[Schema, Schema], Any]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _whole,
    "number": _real,
    "boolean": lambda schema, root: False,
    "null": lambda schema, root: None,
}
