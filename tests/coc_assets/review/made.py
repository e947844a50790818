"""Reviews, judged labels and a store of its own for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl

from coc_assets.review.desk import Desk, Drawn
from coc_assets.review.sampling import chosen, draw, judged_labels
from coc_assets.stage import Workspace
from resources.reviews import Review
from resources.settings import load_settings

AT = "2026-01-31T10:00:00.000Z"


def review(label_id: str = "a", reviewer: str = "ann", decision: str = "keep", **more: object) -> Review:
    named = {"keyframe_id": "c-04000000", "clip_id": "c", "labeler": "rules", "reviewed_at": AT}
    return Review.model_validate({"label_id": label_id, "reviewer": reviewer, "decision": decision, **named, **more})


def judged(**cells: int) -> pl.DataFrame:
    """As `judged_labels` gives it: so many labels of each stratum."""
    rows = [
        {"chunk": "0000", "label_id": f"{cell}-{number}", "labeler": "rules", "verdict": "keep", "cell": cell}
        for cell, count in cells.items()
        for number in range(count)
    ]
    return pl.DataFrame(rows)


def copied(store: Path, folder: Path) -> Path:
    shutil.copytree(store, folder / "store")
    return folder / "store"


def workspace_of(dataset: Path | None, store: Path) -> Workspace:
    return Workspace(load_settings(dataset=dataset, store=store))


def desk_of(workspace: Workspace, reviewer: str = "ann", labels: int = 1000) -> Desk:
    """A desk with a sample of the store's labels; by default all."""
    eligible = chosen(judged_labels(workspace.store, workspace.settings), None, None)
    drawn = draw(eligible, labels, 0.1, 0)
    return Desk(workspace, reviewer, [Drawn(*row) for row in drawn.iter_rows()], clock=lambda: AT)
