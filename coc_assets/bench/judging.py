"""How long a large label set takes to be judged anew: a made-up store, its policy changed, in a temporary folder.

The labels and their measurements are drawn, not measured; files, receipts and figures a label are as a run leaves them.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from coc_assets.filtered_coc.judging import diff_policies, judge, report
from coc_assets.filtered_coc.policy import Policy, decide, load_policy, rejected
from coc_assets.filtered_coc.stage import STAGE, count_verdicts
from coc_assets.instances import open_instance
from coc_assets.stage import Made, Work, Workspace, run_stage
from resources import schemas
from resources.receipts import WHOLE, Fingerprint, Receipt, write_receipt
from resources.settings import Settings
from resources.store import Store

BEFORE, AFTER = "default", "strict"
_LABELER = "rules"
_PER_CLIP = 4
_FIRING = 0.01  # share of the labels on which one rule fires
_UNUSABLE = 0.02
_NO_RULE_LOOKS_AT = (
    ("text_structure", "words"),
    ("text_structure", "same_trace"),
    ("trajectory_consistency", "heading_change_deg"),
    ("trajectory_consistency", "offset_m"),
    ("trajectory_consistency", "speed_change_mps"),
    ("track_grounding", "cited_tracks"),
    ("track_grounding", "uncited_objects"),
)
_TRACE = "Keep the distance and stay in the lane because the lead vehicle 14 m ahead is closing at 3.1 m/s, label {}."
_DETAIL = "text claims slow_down or stopped, nothing; motion slow_down, straight, speed change -2.1 m/s, label {}"


def judge_seconds(labels: int = 100_000, chunks: int = 500, folder: Path | None = None) -> dict[str, float]:
    """Seconds to judge so many labels anew, after everything was imported.

    `unchanged`: under the policy that they were judged by. `diff`: what another policy would say, nothing written.
    `changed`: under another policy, so that every file of verdicts and every receipt is written anew, each flushed to
    disk. `reported`: telling Dagster of every partition, on top of `changed`.

    Args:
        folder: where the store is made and thrown away; the system's place for temporary files if not given.
    """
    with tempfile.TemporaryDirectory(prefix="coc-bench-", dir=folder) as made:
        workspace = Workspace(Settings(dataset=None, store=Path(made) / "store"))
        names = make_store(workspace, labels, chunks)
        with open_instance(workspace.settings.store) as instance:
            unchanged = _seconds(lambda: judge(workspace, names, BEFORE))
            diff = _seconds(lambda: diff_policies(workspace, names, BEFORE, AFTER))
            started = time.perf_counter()
            judged = judge(workspace, names, AFTER)
            changed = time.perf_counter() - started
            reported = _seconds(lambda: report(instance, judged))
    figures = {"unchanged": unchanged, "diff": diff, "changed": changed, "reported": reported}
    return {name: round(seconds, 3) for name, seconds in figures.items()}


def make_store(workspace: Workspace, labels: int, chunks: int) -> list[str]:
    """Chunks of labels that share out `labels`, with measurements, verdicts by the policy `BEFORE` and receipts."""
    policy, random = load_policy(BEFORE), np.random.default_rng(0)
    names = [f"{chunk:04d}" for chunk in range(chunks)]
    for number, chunk in enumerate(names):
        rows = labels * (number + 1) // chunks - labels * number // chunks
        _make_upstream(workspace.store, chunk, _labels(chunk, rows, random))
        run_stage(replace(STAGE, make=lambda work: _make(work, policy, random)), workspace, chunk)
    return names


def _make_upstream(store: Store, chunk: str, labels: pl.DataFrame) -> None:
    """Labels, and receipts of what filtered_coc reads; judging anew reads none of the other tables."""
    store.write_table(labels, schemas.RAW_COC, store.table_path(schemas.RAW_COC, chunk, labeler=_LABELER), chunk)
    for stage in STAGE.upstream:
        part = _LABELER if stage == "raw_coc" else WHOLE
        made_from = {part: Fingerprint(code_version="1", settings_hash="")}
        write_receipt(
            store, Receipt(stage=stage, chunk=chunk, status="done", data_version=stage, fingerprints=made_from)
        )


def _labels(chunk: str, rows: int, random: np.random.Generator) -> pl.DataFrame:
    clips = [f"{chunk}-clip-{row // _PER_CLIP:04d}" for row in range(rows)]
    t0_us = [2_000_000 + row % _PER_CLIP * 3_000_000 for row in range(rows)]
    keyframes = [f"{clip}-{t0:08d}" for clip, t0 in zip(clips, t0_us, strict=True)]
    made = {
        "label_id": [hashlib.sha256(keyframe.encode()).hexdigest()[:16] for keyframe in keyframes],
        "keyframe_id": keyframes,
        "clip_id": clips,
        "t0_us": t0_us,
        "labeler": [_LABELER] * rows,
        "status": np.where(random.random(rows) < _UNUSABLE, "error", "ok"),
        "trace": [_TRACE.format(row) for row in range(rows)],
    }
    return schemas.conform(pl.DataFrame(made), schemas.RAW_COC)


def _make(work: Work, policy: Policy, random: np.random.Generator) -> Made:
    labels = work.store.read_labels(work.chunk)
    measurements = _measurements(labels.filter(pl.col("status") == "ok")["label_id"].to_list(), policy, random)
    verdicts = decide(measurements, labels, policy)
    tables = {
        schemas.MEASUREMENTS.name: measurements,
        schemas.VERDICTS.name: verdicts,
        schemas.REJECTS.name: rejected(verdicts, measurements, labels, policy),
    }
    return Made(tables, figures=count_verdicts(verdicts))


def _measurements(label_ids: Sequence[str], policy: Policy, random: np.random.Generator) -> pl.DataFrame:
    """Every figure that the policy looks at and a few more, of each label."""
    looked_at = {(rule.instrument, rule.name): rule.op for rule in policy.rules}
    figures = sorted([*looked_at, *_NO_RULE_LOOKS_AT])
    rows = len(label_ids) * len(figures)
    below = np.tile([looked_at.get(figure) == "<" for figure in figures], len(label_ids))
    fires = random.random(rows) < _FIRING
    made = {
        "label_id": np.repeat(np.array(label_ids, dtype=object), len(figures)),
        "instrument": [instrument for instrument, _ in figures] * len(label_ids),
        "version": ["1"] * rows,
        "name": [name for _, name in figures] * len(label_ids),
        "value": np.where(below != fires, 6.0, 0.0),
        "detail": [_DETAIL.format(row) if row % 2 else None for row in range(rows)],
    }
    return schemas.conform(pl.DataFrame(made), schemas.MEASUREMENTS).sort("label_id", "instrument", "name")


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
