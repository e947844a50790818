"""The text form of meta-actions that other tools read: `final_outputs/<clip_id>.txt`."""

from __future__ import annotations

import polars as pl

_LINE = "  {name} - Agent:<ego>, Start:{start}, End:{end}\n"


def camel_case(action: str) -> str:
    """The interchange name of an action: `sharp_steer_left` is SharpSteerLeft there."""
    return "".join(word.capitalize() for word in action.split("_"))


def final_output_text(spans: pl.DataFrame) -> str:
    """One clip's spans, a line each: by start and name, then gathered by name in the order of first occurrence.

    Args:
        spans: rows of the `meta_actions` table, all of one clip.
    """
    rows = spans.select("start_frame", pl.col("action").map_elements(camel_case, pl.String), "end_frame").rows()
    by_name: dict[str, list[str]] = {}
    for start, name, end in sorted(rows):
        by_name.setdefault(name, []).append(_LINE.format(name=name, start=start, end=end))
    return "".join(line for lines in by_name.values() for line in lines)
