"""Schemas of the kinds that labels need, every string, list and number bounded."""

from __future__ import annotations


def record(**properties):
    """An object with these properties, all required, and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def words(most):
    return {"type": "string", "maxLength": most}


COMPONENT = record(
    cause=words(24), track={"anyOf": [{"type": "integer", "minimum": 0, "maximum": 9999}, {"type": "null"}]}
)
SCHEMAS = {
    "flat": record(reasoning=words(60)),
    "choice": record(
        decision={"type": "string", "enum": ["stop", "yield", "keep_distance"]},
        side={"anyOf": [{"type": "string", "enum": ["left", "right"]}, {"type": "null"}]},
    ),
    "nested": record(components={"type": "array", "items": COMPONENT, "maxItems": 3}, trace=words(60)),
}
