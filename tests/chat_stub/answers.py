"""What the stub says: instances of JSON schemas, and the tokens that it charges for them."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class StubAnswer:
    """What the stub's model says; None leaves tokens to be counted from the texts."""

    text: str | None
    finish_reason: str = "stop"
    refusal: str | None = None
    usage: Json | None = None
    model: str | None = None


Answer = Callable[[Json], "str | StubAnswer"]
_PHRASES = ("the ego vehicle", "slows down", "for a red car", "ahead in its lane", "and keeps clear", "of people")


def instance_of(schema: Mapping[str, Any], seed: str = "") -> Any:
    """A small instance of a JSON schema, the same for the same seed: required properties only, shortest lists."""
    return _instance(schema, schema, random.Random(seed))


def schema_of(body: Json) -> Json | None:
    """The JSON schema that a chat request asks its answer to follow."""
    asked = body.get("response_format") or {}
    return asked["json_schema"]["schema"] if asked.get("type") == "json_schema" else None


def schema_name_of(body: Json) -> str:
    return ((body.get("response_format") or {}).get("json_schema") or {}).get("name", "")


def _instance(schema: Mapping[str, Any], root: Mapping[str, Any], dice: random.Random) -> Any:
    if "$ref" in schema:
        return _instance(_resolve(schema["$ref"], root), root, dice)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return dice.choice(schema["enum"])
    for options in ("anyOf", "oneOf"):
        if options in schema:
            return _instance(dice.choice(schema[options]), root, dice)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return _KINDS[dice.choice(kind) if isinstance(kind, list) else kind](schema, root, dice)


def _resolve(pointer: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = root
    for step in pointer.removeprefix("#").strip("/").split("/"):
        found = found[step] if step else found
    return found


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], dice: random.Random) -> Json:
    return {name: _instance(schema["properties"][name], root, dice) for name in schema.get("required", ())}


def _array(schema: Mapping[str, Any], root: Mapping[str, Any], dice: random.Random) -> list[Any]:
    return [_instance(schema.get("items", {}), root, dice) for _ in range(schema.get("minItems", 0))]


def _string(schema: Mapping[str, Any], root: Mapping[str, Any], dice: random.Random) -> str:
    words = [dice.choice(_PHRASES) for _ in range(dice.randint(2, 4))]
    while len(" ".join(words)) < schema.get("minLength", 0):
        words.append(dice.choice(_PHRASES))
    return " ".join(words)[: schema.get("maxLength")]


def _number(schema: Mapping[str, Any], root: Mapping[str, Any], dice: random.Random) -> float:
    step = 1 if schema["type"] == "integer" or "integer" in schema["type"] else 0.5
    if "exclusiveMinimum" in schema:
        return schema["exclusiveMinimum"] + step
    top = schema.get("maximum", schema.get("exclusiveMaximum", 1) - (step if "exclusiveMaximum" in schema else 0))
    return schema.get("minimum", min(0, top))


_KINDS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any], random.Random], Any]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _number,
    "number": _number,
    "boolean": lambda schema, root, dice: dice.random() < 0.5,
    "null": lambda schema, root, dice: None,
}


def default_answer(body: Json) -> str:
    """An instance of the request's schema, or a sentence where it has none."""
    seed = _fingerprint(body)
    schema = schema_of(body)
    return instance_of({"type": "string"}, seed) + "." if schema is None else json.dumps(instance_of(schema, seed))


def _fingerprint(body: Json) -> str:
    """Names a request by its texts and the ends of its media, which is quicker than by all of its bytes."""
    parts = [_gist(part) for message in body.get("messages", ()) for part in _parts(message)]
    return hashlib.sha256(json.dumps([parts, body.get("response_format")]).encode()).hexdigest()


def _gist(part: Json) -> str:
    return part["text"] if part["type"] == "text" else part[part["type"]]["url"][-200:]


def counted(body: Json, text: str, cached_tokens: int) -> Json:
    """Usage by length of the texts, 100 tokens a picture and 800 a video."""
    prompt = sum(_part_tokens(part) for message in body.get("messages", ()) for part in _parts(message))
    completion = max(1, len(text) // 4)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": min(cached_tokens, prompt)},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _parts(message: Json) -> list[Json]:
    content = message.get("content") or ""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _part_tokens(part: Json) -> int:
    return {"image_url": 100, "video_url": 800}.get(part["type"]) or 1 + len(part.get("text", "")) // 4
