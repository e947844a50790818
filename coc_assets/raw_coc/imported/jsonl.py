"""JSON Lines: one four-part label a line, instants on the clip's clock. Source: training exports, Also."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from coc_assets.raw_coc.imported.events import Found, ImportedEvent, LeftOut, instant_in, text_in
from coc_assets.raw_coc.records import LabelText

_PARTS = ("perception", "prediction", "planning", "justification")
_TRACES = ("trace", "cot", "coc")
_CONNECTED = re.compile(r"(?:because|since|as|due|given|owing|so|to)\b", re.IGNORECASE)


def read_file(path: Path) -> Found:
    """The labels of every line that is not blank."""
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _event(line, f"{path.name} line {number}")
    except OSError as error:
        yield LeftOut(path.name, "unreadable", str(error))


def _event(line: bytes, place: str) -> ImportedEvent | LeftOut:
    try:
        said = line.decode("utf-8-sig")
        label = json.loads(said, strict=False)
    except (ValueError, RecursionError) as error:
        return LeftOut(place, "unreadable", f"no JSON: {error}")
    if not isinstance(label, dict):
        return LeftOut(place, "unreadable", "the line is no object")
    clip_id, at_us = text_in(label.get("clip_id")), instant_in(label.get("t0_us"))
    if clip_id is None:
        return LeftOut(place, "no_clip_id", "the line names no clip_id")
    if at_us is None:
        return LeftOut(place, "no_instant", f"t0_us is {label.get('t0_us')!r}, not a whole number of µs")
    return ImportedEvent(
        place=place,
        form="jsonl",
        clip_id=clip_id,
        at_us=at_us,
        clock="clip",
        text=_text(label),
        returned=said.strip(),
        prompt_version=text_in(label.get("coc_prompt_version")) or text_in(label.get("prompt_version")),
        model=text_in(label.get("model")),
    )


def _text(label: dict[str, Any]) -> LabelText:
    parts = {name: text_in(label.get(name)) for name in _PARTS}
    named = next((text for name in _TRACES if (text := text_in(label.get(name))) is not None), None)
    return LabelText(trace=named or _composed(parts["planning"], parts["justification"]), **parts)


def _composed(planning: str | None, justification: str | None) -> str | None:
    """The one sentence that a line without a trace stands for: what the ego does because of what."""
    if planning is None or justification is None:
        return planning or justification
    does, why = planning.strip().rstrip("."), justification.strip()
    if _CONNECTED.match(why):
        return f"{does} {why[0].lower()}{why[1:]}"
    return f"{does} because {why[0].lower() if why[1:2].islower() else why[0]}{why[1:]}"
