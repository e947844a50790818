"""A notebook to begin with: SQL over every table of a store, with examples, as nbformat 4 JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

_Kind = Literal["markdown", "code"]

_INTRODUCTION = """\
# SQL over a store of coc-assets

Every table is a view. `sql` takes one read-only SELECT and gives a polars frame (`.to_pandas()` a pandas one).
"""
_CONNECT = '''\
from pathlib import Path

import matplotlib.pyplot as plt

from resources.sql import query
from resources.store import Store

store = Store(Path(STORE))
assert store.root.is_dir(), f"No store at {store.root.absolute()}: correct its path, which counts from this notebook."


def sql(select):
    """The rows of one SELECT over every table, a polars frame; what was made meanwhile is among them."""
    return query(store, select)
'''
_VERDICTS = '''\
sql("""
    SELECT labeler, verdict, count(*) AS labels
    FROM filtered_coc GROUP BY ALL ORDER BY ALL
""")
'''
_LABELS = '''\
sql("""
    SELECT r.keyframe_id, r.longitudinal_decision, r.lateral_decision, r.trace
    FROM raw_coc r JOIN filtered_coc f USING (label_id)
    WHERE f.verdict = 'keep' ORDER BY r.keyframe_id, r.labeler LIMIT 10
""")
'''
_ACTIONS = '''\
actions = sql("""
    SELECT action, count(*) AS spans
    FROM meta_actions GROUP BY ALL ORDER BY spans, action
""")
plt.barh(actions["action"], actions["spans"])
plt.xlabel("spans")
plt.tight_layout()
'''
_REJECTS = '''\
sql("""
    SELECT stage, reason, severity, count(*) AS rows
    FROM rejects GROUP BY ALL ORDER BY rows DESC, stage, reason
""")
'''
_MEASUREMENTS = '''\
sql("""
    SELECT instrument, name, count(value) AS labels, round(avg(value), 3) AS mean
    FROM measurements GROUP BY ALL ORDER BY ALL
""")
'''
_CELLS: Sequence[tuple[_Kind, str]] = (
    ("markdown", _INTRODUCTION),
    ("code", _CONNECT),
    ("code", 'sql("SHOW TABLES")\n'),
    ("markdown", "## Labels and their verdicts\n"),
    ("code", _VERDICTS),
    ("code", _LABELS),
    ("markdown", "## Meta-actions\n"),
    ("code", _ACTIONS),
    ("markdown", "## What was left out, and why\n"),
    ("code", _REJECTS),
    ("markdown", "## What the instruments measured\n"),
    ("code", _MEASUREMENTS),
)


def notebook(store: str) -> dict[str, Any]:
    """The notebook, as JSON has it; equal paths give equal notebooks.

    Args:
        store: path of the store, from the folder that the notebook is to lie in.
    """
    texts = [(kind, text.replace("STORE", repr(store))) for kind, text in _CELLS]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "cells": [_cell(f"cell-{number}", kind, text) for number, (kind, text) in enumerate(texts, 1)],
    }


def _cell(name: str, kind: _Kind, text: str) -> dict[str, Any]:
    shared = {"id": name, "cell_type": kind, "metadata": {}, "source": text.rstrip("\n").splitlines(keepends=True)}
    return {**shared, "execution_count": None, "outputs": []} if kind == "code" else shared
