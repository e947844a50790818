"""What the readers of labels made elsewhere yield: one event a label, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from coc_assets.raw_coc.records import LabelText

Form = Literal["cot_yaml", "ood_reasoning", "jsonl"]
Clock = Literal["clip", "first_sample"]
"""What an event's instant counts from: the clip's clock, or the clip's first egomotion sample."""
Reason = Literal[
    "unreadable",
    "no_clip_id",
    "no_instant",
    "further_entry",
    "not_in_the_store",
    "clip_rejected",
    "other_chunk",
    "outside_the_clip",
    "duplicate",
]

_MISSING = frozenset({"", "nan", "none", "null"})
"""Texts that stand for no text (model specification, Input records)."""
_MOST_US = 10**12  # far beyond any clip; larger figures are ids or dates, and would not fit the tables


@dataclass(frozen=True)
class ImportedEvent:
    """One label as its source has it.

    Attributes:
        place: where it stands in the source, for people: file, line, event.
        at_us: its keyframe's instant, µs, counted as `clock` says.
        text: the words as they stand there; the trace is None where there are none.
        returned: what the source keeps as the label, verbatim.
    """

    place: str
    form: Form
    clip_id: str
    at_us: int
    clock: Clock
    text: LabelText
    returned: str | None = None
    prompt_version: str | None = None
    model: str | None = None


@dataclass(frozen=True)
class LeftOut:
    """Something that a source holds and that becomes no label."""

    place: str
    reason: Reason
    detail: str


Found = Iterator[ImportedEvent | LeftOut]


def text_in(value: object) -> str | None:
    """The value as text, None where it is none or stands for none.

    Lone surrogates, which no table can hold, are joined in pairs or replaced; every other character stays.
    """
    if not isinstance(value, str) or value.strip().lower() in _MISSING:
        return None
    if value.isascii():
        return value
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def instant_in(value: object) -> int | None:
    """The value as a whole number of 0 or more, None where it is none; `True` is none."""
    if isinstance(value, str):
        stripped = value.strip()
        value = int(stripped) if stripped.isdecimal() and len(stripped) <= len(str(_MOST_US)) else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < _MOST_US else None
