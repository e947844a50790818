"""Figures of the report against rows that were counted by hand."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from coc_assets.report.counts import Counts, by_day, count_store, funnel, label_funnel, scores_by, verdicts_by
from coc_assets.report.report import gather
from coc_assets.status import store_status, totals
from resources.store import Store
from tests.coc_assets.report.made import JUDGE, made_store, workspace
from tests.coc_assets.review.made import workspace_of

DAYS = pl.DataFrame({"chunk": ["0000", "0001"], "day": ["2026-01-30", "2026-01-31"]})


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> Counts:
    return count_store(made_store(tmp_path_factory.mktemp("counted")))


def test_clips_become_keyframes(counts: Counts) -> None:
    steps = {step.name: (step.count, step.of, step.lost) for step in funnel(counts)}
    assert steps == {
        "clips in the dataset": (4, None, 0),
        "usable clips": (3, 4, 1),
        "clips with a keyframe": (3, 3, 0),
        "keyframes": (4, None, 0),
        "keyframes with video": (3, 4, 1),
    }
    notes = {step.name: step.note for step in funnel(counts)}
    assert notes["usable clips"] == "1 of them mended" and notes["keyframes"] == "3 of them trainable"


@pytest.mark.parametrize(
    ("labeler", "expected"), [("rules", [4, 4, 1, 1]), ("gpt", [2, 1, 1, 0]), ("nobody", [0, 0, 0, 0])]
)
def test_labels_become_samples(counts: Counts, labeler: str, expected: list[int]) -> None:
    assert [step.count for step in label_funnel(counts, labeler)] == expected


def test_what_is_not_usable_or_waits_for_review_is_said(counts: Counts) -> None:
    assert label_funnel(counts, "gpt")[1].note == "1 error"
    assert label_funnel(counts, "rules")[2].note == "2 more to review"


def test_rejects_by_stage_and_reason_with_a_hint(counts: Counts) -> None:
    told = {row["reason"]: row for row in counts.rejects.iter_rows(named=True)}
    assert {reason: (row["stage"], row["rows"], row["clips"]) for reason, row in told.items()} == {
        "gap_too_long": ("trajectory_cache", 1, 1),
        "video_missing": ("clip_videos", 1, 1),
        "zip_unreadable": ("trajectory_cache", 1, 0),
    }
    assert told["gap_too_long"]["hint"] == "fetch c"


def test_meta_actions_by_axis_with_time(counts: Counts) -> None:
    rows = {(row["axis"], row["action"]): (row["spans"], row["seconds"]) for row in counts.spans.iter_rows(named=True)}
    assert rows == {
        ("lateral", "turn"): (1, 20.0),
        ("longitudinal", "stop"): (1, 5.0),
        ("longitudinal", "maintain_speed"): (1, 15.0),
    }


def test_decisions_are_counted_by_labeler_and_verdict(counts: Counts) -> None:
    rows = verdicts_by(counts, "rules", "longitudinal_decision").to_dicts()
    assert rows == [
        {"category": "yield", "keep": 1, "review": 1, "reject": 1, "other": 0, "labels": 3},
        {"category": "none", "keep": 0, "review": 1, "reject": 0, "other": 0, "labels": 1},
    ]
    assert verdicts_by(counts, "gpt", "side")["labels"].to_list() == [1], "a label that is an error has no decision"


def test_reasons_of_what_is_not_kept(counts: Counts) -> None:
    rows = {row["reason"]: (row["labels"], row["rejected"]) for row in counts.reasons.iter_rows(named=True)}
    assert rows == {"no_decision": (2, 0), "longitudinal_disagrees": (1, 1), "too_short": (1, 1)}


def test_agreement_is_of_both_axes_and_of_the_present_instrument(counts: Counts) -> None:
    rows = {(row["chunk"], row["labeler"]): row for row in counts.by_chunk.iter_rows(named=True)}
    assert {key: (row["measured"], row["agreeing"]) for key, row in rows.items()} == {
        ("0000", "rules"): (2, 1),
        ("0000", "gpt"): (1, 1),
        ("0001", "rules"): (1, 1),
    }


def test_agreement_and_kept_share_by_day(counts: Counts) -> None:
    rows = {(row["day"], row["labeler"]): row for row in by_day(counts, DAYS).iter_rows(named=True)}
    first = rows[("2026-01-30", "rules")]
    assert (first["judged"], first["agreement"], first["kept_share"]) == (3, 0.5, pytest.approx(1 / 3))
    assert rows[("2026-01-31", "rules")]["kept_share"] == 0.0


def test_scores_of_a_judge_leave_out_what_it_did_not_say(counts: Counts) -> None:
    row = scores_by(counts, DAYS, ["name", "version"]).row(0, named=True)
    assert row == {"name": "visual_evidence_score", "version": JUDGE, "labels": 2, "mean": 0.55}


def test_cost_by_labeler_and_day_ends_in_a_total(tmp_path: Path) -> None:
    report = gather(workspace(made_store(tmp_path)))
    assert {row["labeler"]: row["cost_usd"] for row in report.costs["labeler"]} == {"gpt": 0.75, "total": 0.75}
    assert [row["day"] for row in report.costs["day"]] == ["2026-01-30", "2026-01-31", "total"]
    assert report.cost_usd == report.figures["cost_usd"] == 0.75


def test_an_empty_store_gives_an_empty_report(tmp_path: Path) -> None:
    report = gather(workspace(Store(tmp_path)))
    assert report.health == "empty" and report.cost_usd is None
    assert {name: value for name, value in report.figures.items() if value} == {}


def test_a_finished_store_is_counted_as_its_receipts_count_it(sample: Path, sample_store: Path) -> None:
    look = workspace_of(sample, sample_store)
    report, summed = gather(look), totals(store_status(look))
    told = {"clips": "clips", "keyframes": "keyframes", "labels": "labels_usable", "kept": "labels_kept"}
    assert {ours: report.figures[ours] for ours in told.values()} == {ours: summed[name] for name, ours in told.items()}
    assert report.figures["samples"] == summed["samples"] > 0
    assert report.complete == report.chunks == 2 and report.health == "good"
