"""The autolabeler's tree: one `cot_<timestamp>.yaml` a label, below a folder a clip.

A document is a flat mapping, or has it under `results`, alone or in a list. Timestamps count from the clip's first
egomotion sample. Source: training exports, Also; model specification, Input records.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from coc_assets.raw_coc.imported.events import Found, ImportedEvent, LeftOut, instant_in, text_in
from coc_assets.raw_coc.records import LabelText

PATTERN = "cot_*.yaml"
_LABEL = "effect_on_ego_behavior"
_INSTANT = "event_start_timestamp"
_RANGE_START = "keyframe_range_start_timestamp"
_IN_NAME = re.compile(r"cot_(\d+)")
_FAST_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # saved prompts are long
_OPENERS = (b"[", b"{", b"- ", b"? ")  # what nests without indentation
_MOST_OPENERS = 4_000  # libyaml runs out of stack, and ends the process, where tens of thousands are open

Entry = Mapping[str, Any]


def read_tree(folder: Path) -> Found:
    """The labels of every `cot_*.yaml` anywhere below a folder, by path."""
    for path in sorted(folder.rglob(PATTERN)):
        yield from read_file(path, path.relative_to(folder).as_posix())


def read_file(path: Path, place: str) -> Found:
    """The label of one file.

    Of several entries the first with a label is taken, as the published validator does; others with one are named.

    Args:
        place: what the file is called in what is left out.
    """
    try:
        entries = _entries(_document(path.read_bytes()))
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        yield LeftOut(place, "unreadable", " ".join(str(error).split()) or type(error).__name__)
        return
    if not entries:
        yield LeftOut(place, "unreadable", "it holds no mapping")
        return
    labelled = [entry for entry in entries if _label(entry) is not None]
    yield _event(labelled[0] if labelled else entries[0], path, place)
    for _ in labelled[1:]:
        yield LeftOut(place, "further_entry", "one file is one label; give this one a file of its own")


def _document(content: bytes) -> object:
    if sum(map(content.count, _OPENERS)) > _MOST_OPENERS:
        return yaml.safe_load(content)
    try:
        return yaml.load(content, Loader=_FAST_LOADER)
    except yaml.YAMLError:
        return yaml.safe_load(content)  # takes escaped surrogates, which libyaml does not


def _entries(document: object) -> list[Entry]:
    if isinstance(document, Mapping) and isinstance(document.get("results"), (Mapping, list)):
        document = document["results"]
    candidates = document if isinstance(document, list) else [document]
    return [entry for entry in candidates if isinstance(entry, Mapping) and entry]


def _event(entry: Entry, path: Path, place: str) -> ImportedEvent | LeftOut:
    clip_id = text_in(entry.get("clip_id")) or path.absolute().parent.name
    at_us = _instant(entry, path)
    if at_us is None:
        return LeftOut(place, "no_instant", f"neither {_INSTANT} nor the file's name gives one")
    label = _label(entry)
    return ImportedEvent(
        place=place,
        form="cot_yaml",
        clip_id=clip_id,
        at_us=at_us,
        clock="first_sample",
        text=LabelText(trace=label),
        returned=label,
        prompt_version=text_in(entry.get("coc_prompt_version")),
        model=text_in(entry.get("model")),
    )


def _levels(entry: Entry) -> tuple[Entry, Entry, Entry]:
    """Entry, its final content and the schema in that; empty where there is none."""
    content = _mapping(entry.get("final_content"))
    return entry, content, _mapping(content.get("ego_behavior_schema"))


def _label(entry: Entry) -> str | None:
    """The innermost level that has a label; a refused request leaves bare text as the content itself."""
    outer, content, inner = _levels(entry)
    found = (*(text_in(level.get(_LABEL)) for level in (inner, content, outer)), text_in(entry.get("final_content")))
    return next((text for text in found if text is not None), None)


def _instant(entry: Entry, path: Path) -> int | None:
    named = _IN_NAME.match(path.stem)
    levels = _levels(entry)
    candidates = [level.get(_INSTANT) for level in levels]
    candidates += [named[1] if named else None, *(level.get(_RANGE_START) for level in reversed(levels))]
    return next((at for value in candidates if (at := instant_in(value)) is not None), None)


def _mapping(value: object) -> Entry:
    return value if isinstance(value, Mapping) else {}
