"""How long a large label set takes to be judged anew: a made-up store, its policy changed, in a temporary folder.

The labels and their measurements are drawn, not measured; files, receipts and figures a label are as a run leaves them.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from coc_assets.filtered_coc import duplicates, human_review
from coc_assets.filtered_coc.judging import WRITERS, diff_policies, judge, report
from coc_assets.filtered_coc.late import duplicates_of_set
from coc_assets.filtered_coc.policy import Policy, decide, load_policy, rejected
from coc_assets.filtered_coc.stage import STAGE, count_verdicts
from coc_assets.instances import open_instance
from coc_assets.stage import Made, Work, Workspace, run_stage
from resources import schemas
from resources.receipts import WHOLE, Fingerprint, Receipt, write_receipt
from resources.reviews import Review, append_reviews
from resources.settings import Settings
from resources.store import RECEIPT, Store

if TYPE_CHECKING:
    from rich.table import Table

BEFORE, AFTER = "default", "strict"
LABELS_OF_A_CHUNK = 200
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
_LATE = (human_review.INSTRUMENT, duplicates.INSTRUMENT)  # instruments that judging takes up itself
_BY_MODELS = "judged_"
_WRITTEN = ("filtered_coc.parquet", "set_measurements.parquet", "rejects.parquet", RECEIPT)
_COPIED = 0.02  # share of the labels that say what an earlier one said
_REVIEWED_CHUNKS = 10  # every so many
_REVIEWED_LABELS = 20
_TEXTS = {
    "trace": "Keep a safe gap by slowing down and stay in the lane because the {who} {gap:.1f} m ahead is {does}, "
    "closing at {closing:.1f} m/s.",
    "perception": "The ego drives at {speed:.1f} m/s. The {who} {gap:.1f} m ahead is {does}, closing at "
    "{closing:.1f} m/s. {others} objects are tracked around it.",
    "prediction": "At the present speeds the gap to the {who} closes in {time:.1f} s.",
    "planning": "Slow from {speed:.1f} to {slower:.1f} m/s within {within:.1f} s and keep the lane.",
    "justification": "The {who} is {closing:.1f} m/s slower and {gap:.1f} m, a headway of {headway:.1f} s, ahead.",
}
_WHO = ("lead vehicle", "lead truck", "pedestrian", "cyclist", "vehicle that cuts in")
_DOES = ("slowing down", "braking", "standing", "crossing the ego's path", "moving towards the ego's path")
_DETAIL = "text claims slow_down or stopped, nothing; motion slow_down, straight, speed change -2.1 m/s, label {}"


def run_judge_bench(labels: int = 100_000, chunks: int = 500, folder: Path | None = None) -> dict[str, float]:
    """Seconds to judge so many labels anew, after everything was imported, and what it comes to beside reading alone.

    Args:
        folder: where the store is made and thrown away; the system's place for temporary files if not given.

    Returns:
        By name, seconds and counts:

        changed_s: under another policy: near-duplicates looked for, reviews taken up, every verdict and receipt written
            anew, each flushed to disk. changed_cpu_s: processor time of it, all threads.
        unchanged_s: once more under the same policy; nothing is written.
        back_s: under the first policy again; labels have not changed, so near-duplicates are known.
        diff_s: what another policy would say, nothing written.
        reported_s: telling Dagster of every partition, on top of `changed_s`.
        duplicates_s: the search for near-duplicates alone, reading included.
        plain_s: reading every byte of the files that judging reads, and writing those that it writes somewhere else,
            flushed, with as many threads. ratio: `changed_s` to it.
        labels, chunks, near_duplicates, reviewed: how many there were.
    """
    with tempfile.TemporaryDirectory(prefix="coc-bench-", dir=folder) as made:
        workspace = Workspace(Settings(dataset=None, store=Path(made) / "store"))
        names = make_store(workspace, labels, chunks, copied=_COPIED, reviewed=True)
        with open_instance(workspace.settings.store) as instance:
            seconds = {"plain_s": _seconds(lambda: _read_and_write(workspace.store, Path(made) / "plain", names))}
            seconds["duplicates_s"] = _seconds(lambda: duplicates_of_set(workspace, {}, keep=False))
            seconds["diff_s"] = _seconds(lambda: diff_policies(workspace, names, BEFORE, AFTER))
            started, busy = time.perf_counter(), time.process_time()
            judged = judge(workspace, names, AFTER)
            seconds["changed_s"] = time.perf_counter() - started
            seconds["changed_cpu_s"] = time.process_time() - busy
            seconds["reported_s"] = _seconds(lambda: report(instance, judged))
            seconds["unchanged_s"] = _seconds(lambda: judge(workspace, names, AFTER))
            seconds["back_s"] = _seconds(lambda: judge(workspace, names, BEFORE))
    return {
        "labels": labels,
        "chunks": len(judged.changed),
        "near_duplicates": judged.duplicates,
        "reviewed": judged.reviewed,
        **{name: round(value, 3) for name, value in seconds.items()},
        "ratio": round(seconds["changed_s"] / seconds["plain_s"], 2),
    }


def make_store(
    workspace: Workspace, labels: int, chunks: int, *, copied: float = 0.0, reviewed: bool = False
) -> list[str]:
    """Chunks of labels that share out `labels`, with measurements, verdicts by the policy `BEFORE` and receipts.

    Args:
        copied: share of the labels that say what a label of another chunk says, but for one word.
        reviewed: people have looked at some labels of some chunks since.
    """
    policy, random = load_policy(BEFORE), np.random.default_rng(0)
    names = [f"{chunk:04d}" for chunk in range(chunks)]
    texts = _texts(labels, copied, random)
    for number, chunk in enumerate(names):
        some = slice(labels * number // chunks, labels * (number + 1) // chunks)
        made = _labels(chunk, texts[some], random)
        _make_upstream(workspace.store, chunk, made)
        run_stage(replace(STAGE, make=lambda work: _make(work, policy, random)), workspace, chunk)
        if reviewed and number % _REVIEWED_CHUNKS == 0:
            append_reviews(workspace.store.reviews_path(chunk), _reviews(made))
    return names


def _texts(labels: int, copied: float, random: np.random.Generator) -> list[dict[str, str]]:
    """Texts of labels by column; the last ones say what the first ones say, but for one word."""
    texts = [_text(random) for _ in range(labels)]
    copies = int(copied * labels)
    for text, original in zip(texts[labels - copies :], texts[:copies], strict=True):
        text.update({column: said.replace("safe", "good") for column, said in original.items()})
    return texts


def _text(random: np.random.Generator) -> dict[str, str]:
    gap, closing, speed, slower, within = random.uniform((4, 0.3, 4, 0, 1), (60, 6, 25, 4, 6))
    figures = {"gap": gap, "closing": closing, "speed": speed, "slower": slower, "within": within}
    figures |= {"time": gap / closing, "headway": gap / speed, "others": int(random.integers(9))}
    who, does = _WHO[random.integers(len(_WHO))], _DOES[random.integers(len(_DOES))]
    return {column: text.format(**figures, who=who, does=does) for column, text in _TEXTS.items()}


def _reviews(labels: pl.DataFrame) -> list[Review]:
    usable = labels.filter(pl.col("status") == "ok").head(_REVIEWED_LABELS)
    return [
        Review(**row, reviewer="bench", decision="reject" if number % 2 else "keep", reviewed_at="2025-01-01T00:00:00Z")
        for number, row in enumerate(
            usable.select("label_id", "keyframe_id", "clip_id", "labeler").iter_rows(named=True)
        )
    ]


def _read_and_write(store: Store, beside: Path, chunks: Sequence[str]) -> None:
    """Reads labels and all of filtered_coc as bytes, and writes what judging writes under another folder."""

    def copy(chunk: str) -> None:
        for path in (*store.partition("raw_coc", chunk).iterdir(), *store.partition(STAGE.name, chunk).iterdir()):
            content = path.read_bytes()
            if path.parent.parent.name == STAGE.name and path.name in _WRITTEN:
                Store(beside).write_bytes(beside / chunk / path.name, content)

    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(copy, chunks))


def judge_table(figures: Mapping[str, float]) -> Table:
    """The figures, one a row."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("figure")
    table.add_column("measured", justify="right")
    for name, value in figures.items():
        table.add_row(name, f"{value:,}")
    return table


def _make_upstream(store: Store, chunk: str, labels: pl.DataFrame) -> None:
    """Labels, and receipts of what filtered_coc reads; judging anew reads none of the other tables."""
    store.write_table(labels, schemas.RAW_COC, store.table_path(schemas.RAW_COC, chunk, labeler=_LABELER), chunk)
    for stage in STAGE.upstream:
        part = _LABELER if stage == "raw_coc" else WHOLE
        made_from = {part: Fingerprint(code_version="1", settings_hash="")}
        write_receipt(
            store, Receipt(stage=stage, chunk=chunk, status="done", data_version=stage, fingerprints=made_from)
        )


def _labels(chunk: str, texts: Sequence[Mapping[str, str]], random: np.random.Generator) -> pl.DataFrame:
    rows = len(texts)
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
        "components": [[{"rank": 1, "category": "critical_object", "phrase": _cause(text)}] for text in texts],
        **{column: [text[column] for text in texts] for column in _TEXTS},
    }
    return schemas.conform(
        pl.DataFrame(made, schema_overrides={"components": pl.List(schemas.COMPONENT)}), schemas.RAW_COC
    )


def _cause(text: Mapping[str, str]) -> str:
    return text["trace"].partition("because ")[2].removesuffix(".")


def _make(work: Work, policy: Policy, random: np.random.Generator) -> Made:
    labels = work.store.read_labels(work.chunk)
    measurements = _measurements(labels.filter(pl.col("status") == "ok")["label_id"].to_list(), policy, random)
    verdicts = decide(measurements, labels, policy)
    tables = {
        schemas.MEASUREMENTS.name: measurements,
        schemas.SET_MEASUREMENTS.name: schemas.empty(schemas.SET_MEASUREMENTS),
        schemas.VERDICTS.name: verdicts,
        schemas.REJECTS.name: rejected(verdicts, measurements, labels, policy),
    }
    return Made(tables, figures=count_verdicts(verdicts))


def _measurements(label_ids: Sequence[str], policy: Policy, random: np.random.Generator) -> pl.DataFrame:
    """Every figure of a label alone that the policy looks at, and a few more, of each label."""
    looked_at = {
        (rule.instrument, rule.name): rule.op
        for rule in policy.rules
        if rule.instrument not in _LATE and not rule.instrument.startswith(_BY_MODELS)
    }
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
