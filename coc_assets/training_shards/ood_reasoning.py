"""`ood_reasoning.parquet`: one row a clip, its labels as events. Source: training exports, A."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from coc_assets.training_shards.sample import is_trainable
from coc_assets.training_shards.selection import Reason, Row, label_problem

COLUMNS = ("split", "feature", "event_cluster", "events")
FEATURE = "reasoning"
"""What every row says it is about; consumers do not read it."""


@dataclass(frozen=True)
class OodReasoning:
    """The rows (`clip_id` and `COLUMNS`), how many events they hold, and what was left out by reason."""

    rows: Sequence[Row]
    events: int
    left_out: Counter[str]


def ood_reasoning(labels: Iterable[Row], rarest_first: Sequence[str]) -> OodReasoning:
    """The events of each clip, the best first, for trainers take the first: the rarest action, then the most causes.

    Args:
        labels: rows of `raw_coc`, those of a clip together, with `split` of their clip and `frame` and `action` of
            their keyframe.
        rarest_first: actions; those it lacks are commoner.
    """
    ranks = {action: rank for rank, action in enumerate(rarest_first)}

    def worth(label: Row) -> tuple[int, int, int]:
        return ranks.get(label["action"], len(ranks)), -len(label["components"] or []), label["t0_us"]

    rows: list[Row] = []
    left_out: Counter[str] = Counter()
    events = 0
    for _, of_clip in groupby(labels, key=lambda label: label["clip_id"]):
        told = [(label, why_no_event(label)) for label in of_clip]
        left_out.update(why for _, why in told if why)
        usable = sorted((label for label, why in told if why is None), key=worth)
        events += len(usable)
        rows += [_row(usable)] if usable else []
    return OodReasoning(rows, events, left_out)


def why_no_event(label: Row) -> Reason | str | None:
    """Why trainers cannot use a label: its instant, no text, or tokens that they read as commands; None where they can.

    A label without a place in the training window counts as that, whatever else is wrong with it.
    """
    if not is_trainable(label["t0_us"]):
        return "outside_training_window"
    problem = label_problem(label)
    return problem.reason if problem else None


def write_ood_reasoning(rows: Sequence[Row], path: Path) -> None:
    """Writes the rows with `clip_id` as the index: as a column it silently yields no samples."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=["clip_id", *COLUMNS], dtype="str").set_index("clip_id")
    frame.to_parquet(path)


def _row(labels: Sequence[Row]) -> Row:
    return {
        "clip_id": labels[0]["clip_id"],
        "split": labels[0]["split"],
        "feature": FEATURE,
        "event_cluster": labels[0]["scenario"],
        "events": json.dumps([_event(label) for label in labels], ensure_ascii=False),
    }


def _event(label: Row) -> Row:
    # Readers in use disagree on the name of the text, and the wrong one yields an empty label without an error.
    return {
        "event_start_frame": label["frame"],
        "event_start_timestamp": label["t0_us"],
        "cot": label["trace"],
        "coc": label["trace"],
    }
