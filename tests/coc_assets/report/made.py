"""A store of two chunks whose every row is written by hand, so that each figure of the report can be counted."""

from __future__ import annotations

from pathlib import Path

from coc_assets.filtered_coc import consistency
from coc_assets.stage import Workspace
from coc_assets.stages import STAGES
from resources import schemas
from resources.journal import Entry, JournalWriter
from resources.receipts import EXPECTATIONS, ROWS_JUDGED, CheckRecord, Receipt, write_receipt
from resources.settings import Settings
from resources.store import Store

Row = dict[str, object]

HOSTILE = "<script>alert('trace')</script> & <b>bold</b>"
SECRET = "sk-of-the-tests-0123456789"
JUDGE = "gpt/evidence-1"


def made_store(root: Path) -> Store:
    """Chunk 0000: three clips (one rejected), three keyframes, labelled twice; chunk 0001: one clip, one label."""
    store = Store(root)
    write(store, schemas.CLIPS, "0000", [clip("a", has_video=True, mended=["sorted"]), clip("b", has_video=False)])
    write(store, schemas.CLIPS, "0001", [clip("d", has_video=True)])
    gone = {"clip_id": "c", "severity": "rejected", "feature": "egomotion", "reason": "gap_too_long", "hint": "fetch c"}
    dark = {"clip_id": "b", "severity": "degraded", "feature": "video", "reason": "video_missing", "hint": HOSTILE}
    whole = {"severity": "rejected", "feature": "egomotion", "reason": "zip_unreadable", "hint": "the zip"}
    rejects(store, "trajectory_cache", "0000", [gone, whole])
    rejects(store, "clip_videos", "0000", [dark])
    spans = [("longitudinal", "stop", 0, 50), ("longitudinal", "maintain_speed", 50, 200), ("lateral", "turn", 0, 200)]
    write(store, schemas.META_ACTION_SPANS, "0000", [span("a", *one) for one in spans])
    write(store, schemas.KEYFRAMES, "0000", [keyframe("a", 1), keyframe("a", 2), keyframe("b", 1, trainable=False)])
    write(store, schemas.KEYFRAMES, "0001", [keyframe("d", 1, action="stop")])
    write(store, schemas.SEGMENTS, "0000", [segment("a", 1), segment("a", 2), segment("b", 1, status="no_video")])
    write(store, schemas.SEGMENTS, "0001", [segment("d", 1)])
    _labels(store)
    _measurements(store)
    journal(store, "0000", "gpt", ("x", 0.5, "2026-01-30"), ("y", 0.25, "2026-01-31"))
    return store


def _labels(store: Store) -> None:
    labels(store, "0000", "rules", [label("r1", "a", 1), label("r2", "a", 2, trace=HOSTILE), label("r3", "b", 1)])
    labels(store, "0000", "gpt", [label("g1", "a", 1), label("g2", "a", 2, status="error")])
    labels(store, "0001", "rules", [label("r4", "d", 1, longitudinal_decision=None)])
    verdicts = [
        verdict("r1", "a", 1, "keep"),
        verdict("r2", "a", 2, "reject", "longitudinal_disagrees", "too_short"),
        verdict("r3", "b", 1, "review", "no_decision"),
        verdict("g1", "a", 1, "keep", labeler="gpt"),
    ]
    write(store, schemas.VERDICTS, "0000", verdicts)
    write(store, schemas.VERDICTS, "0001", [verdict("r4", "d", 1, "review", "no_decision")])
    write(store, schemas.SAMPLES, "0000", [sample("a", 1, "r1", "train")])


def _measurements(store: Store) -> None:
    """The motion bears r1 out, contradicts r2 on one axis, is silent on r3; an older version of it said otherwise."""
    motion = [
        ("r1", "longitudinal", 1.0),
        ("r1", "lateral", 1.0),
        ("r2", "longitudinal", 0.0),
        ("r2", "lateral", 1.0),
        ("r3", "longitudinal", None),
        ("r3", "lateral", None),
        ("g1", "lateral", 1.0),
    ]
    rows = [measured(one, consistency.INSTRUMENT, consistency.VERSION, name, value) for one, name, value in motion]
    rows.append(measured("r1", consistency.INSTRUMENT, "0", "longitudinal", 0.0))
    rows += [
        measured(one, "judged_evidence", JUDGE, "visual_evidence_score", value)
        for one, value in (("r1", 0.9), ("r2", 0.2), ("g1", None))
    ]
    write(store, schemas.MEASUREMENTS, "0000", rows)
    write(store, schemas.MEASUREMENTS, "0001", [measured("r4", consistency.INSTRUMENT, "1", "lateral", 1.0)])


def workspace(store: Store, **more: object) -> Workspace:
    return Workspace(Settings.model_validate({"store": store.root, **more}))


# ---- rows ------------------------------------------------------------------------------------------------------------


def write(store: Store, table: schemas.Table, chunk: str, rows: list[Row]) -> None:
    store.write_table(schemas.rows_to_frame(rows, table), table, store.table_path(table, chunk), chunk)


def rejects(store: Store, stage: str, chunk: str, rows: list[Row]) -> None:
    path = store.table_path(schemas.REJECTS, chunk, asset=stage)
    store.write_table(schemas.reject_rows([{"stage": stage, **row} for row in rows]), schemas.REJECTS, path, chunk)


def labels(store: Store, chunk: str, labeler: str, rows: list[Row]) -> None:
    path = store.table_path(schemas.RAW_COC, chunk, labeler=labeler)
    frame = schemas.rows_to_frame([{**row, "labeler": labeler} for row in rows], schemas.RAW_COC)
    store.write_table(frame, schemas.RAW_COC, path, chunk)


def clip(name: str, **more: object) -> Row:
    return {"clip_id": name, "frames": 201, "first_us": 0, "has_video": False, "has_tracks": True, "mended": [], **more}


def span(clip_id: str, axis: str, action: str, start: int, end: int) -> Row:
    return {"clip_id": clip_id, "axis": axis, "action": action, "start_frame": start, "end_frame": end}


def keyframe(clip_id: str, second: int, **more: object) -> Row:
    named = {"keyframe_id": f"{clip_id}-{second:08d}", "clip_id": clip_id, "frame": second * 10, "action": "steer_left"}
    return {**named, "t0_us": second * 1_000_000, "trainable": True, **more}


def segment(clip_id: str, second: int, status: str = "on_demand") -> Row:
    return {"keyframe_id": f"{clip_id}-{second:08d}", "clip_id": clip_id, "camera": "front", "status": status}


def label(label_id: str, clip_id: str, second: int, **more: object) -> Row:
    said = {
        "longitudinal_decision": "yield",
        "lateral_decision": "turn",
        "lateral_direction": "left",
        "trace": "Yield.",
    }
    named = {"label_id": label_id, "keyframe_id": f"{clip_id}-{second:08d}", "clip_id": clip_id, "status": "ok"}
    return {**named, "t0_us": second * 1_000_000, "scenario": "turn", "components": [], **said, **more}


def verdict(label_id: str, clip_id: str, second: int, said: str, *reasons: str, labeler: str = "rules") -> Row:
    named = {"label_id": label_id, "keyframe_id": f"{clip_id}-{second:08d}", "clip_id": clip_id, "labeler": labeler}
    return {**named, "verdict": said, "reasons": list(reasons), "policy_version": "unknown@0"}


def measured(label_id: str, instrument: str, version: str, name: str, value: float | None) -> Row:
    return {"label_id": label_id, "instrument": instrument, "version": version, "name": name, "value": value}


def sample(clip_id: str, second: int, label_id: str, split: str) -> Row:
    named = {"keyframe_id": f"{clip_id}-{second:08d}", "clip_id": clip_id, "label_id": label_id, "labeler": "rules"}
    return {**named, "split": split}


def journal(store: Store, chunk: str, labeler: str, *answers: tuple[str, float, str]) -> None:
    with JournalWriter.open(store.journal_path(chunk, labeler)) as lines:
        for key, cost, day in answers:
            said = {"outcome": "answered", "asked_model": labeler, "cost_usd": cost, "answered_at": f"{day}T10:00:00Z"}
            lines.append_now([Entry.model_validate({"key": key, "keyframe_id": "k", "step": "see", **said})])


def check(
    passed: bool, severity: str = "ERROR", *, blocking: bool = False, said: str = "", **figures: int
) -> CheckRecord:
    named = {"passed": passed, "severity": severity, "blocking": blocking, "description": said, "figures": figures}
    return CheckRecord.model_validate(named)


def suite(rows: int, asked: int, unmet: int = 0) -> CheckRecord:
    figures = {EXPECTATIONS: asked, ROWS_JUDGED: rows, "figure": unmet}
    return check(not unmet, said=f"{unmet} of {asked} fail", **figures)


def receipt(store: Store, stage: str, chunk: str, **more: object) -> Receipt:
    made = Receipt.model_validate({"stage": stage, "chunk": chunk, "status": "done", "data_version": "v", **more})
    write_receipt(store, made)
    return made


STAGE_NAMES = tuple(stage.name for stage in STAGES)
