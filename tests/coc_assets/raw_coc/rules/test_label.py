from __future__ import annotations

import polars as pl
import pytest

from coc_assets.filtered_coc.consistency import LONGITUDINAL_AGREEMENT
from coc_assets.raw_coc.rules.geometry import ego_of
from coc_assets.raw_coc.rules.label import RULES_VERSION, label_keyframes, parameters_of
from coc_assets.raw_coc.rules.motion import motion_at, window_at
from resources import schemas
from resources.settings.labels import LeadSettings, RulesSettings
from tests.coc_assets.raw_coc.rules.cases import CASES, FRAME, Case
from tests.coc_assets.raw_coc.rules.scenes import clips, keyframes, label, tracks, trajectory

SETTINGS = RulesSettings()
NO_SPANS = schemas.empty(schemas.META_ACTION_SPANS)
BRAKES = next(case for case in CASES if case.name == "lead brakes")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_decisions_and_causes(case: Case) -> None:
    row = label(case.drive, case.boxes, case.frame)
    assert row["status"] == "ok", row["reason"]
    assert (row["longitudinal_decision"], row["lateral_decision"]) == (case.longitudinal, case.lateral)
    assert row["lateral_direction"] == case.direction
    assert row["scenario"] == case.scenario
    tracks_cited = [component["track_id"] for component in row["components"] if component["track_id"]]
    assert tracks_cited[:1] == ([case.cause] if case.cause else [])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_decisions_agree_with_the_motion(case: Case) -> None:
    ego = ego_of(trajectory(case.drive))
    bucket = motion_at(window_at(case.frame, ego, SETTINGS), ego, SETTINGS).bucket
    decision = label(case.drive, case.boxes, case.frame)["longitudinal_decision"]
    assert decision is None or bucket in LONGITUDINAL_AGREEMENT[decision]


def chunk_of(*parts: tuple[str, Case]) -> dict[str, pl.DataFrame]:
    return {
        "clips": clips([clip_id for clip_id, _ in parts]),
        "trajectories": pl.concat(trajectory(case.drive, clip_id) for clip_id, case in parts),
        "tracks": pl.concat(tracks(case.drive, case.boxes, clip_id) for clip_id, case in parts),
        "keyframes": pl.concat(keyframes([FRAME, 80], clip_id) for clip_id, _ in parts),
        "spans": NO_SPANS,
    }


def test_every_keyframe_has_one_row_in_order_and_by_its_own_clip() -> None:
    chunk = chunk_of(*((f"clip-{index}", case) for index, case in enumerate(CASES[:8])))
    shuffled = chunk["keyframes"].sample(fraction=1.0, shuffle=True, seed=3)
    labels = label_keyframes(**(chunk | {"keyframes": shuffled}), settings=SETTINGS)
    assert labels.schema == schemas.RAW_COC.schema
    assert labels["keyframe_id"].to_list() == shuffled["keyframe_id"].to_list()
    assert labels["label_id"].n_unique() == labels.height
    alone = label_keyframes(**chunk_of(("clip-4", CASES[4])), settings=SETTINGS)
    assert labels.filter(pl.col("clip_id") == "clip-4").sort("t0_us").equals(alone)


def test_the_same_input_gives_the_same_rows() -> None:
    chunk = chunk_of(("a", BRAKES))
    first, second = (label_keyframes(**chunk, settings=SETTINGS) for _ in range(2))
    assert first.equals(second)
    mixed = {name: frame.sample(fraction=1.0, shuffle=True, seed=1) for name, frame in chunk.items()} | {
        "keyframes": chunk["keyframes"]
    }
    assert label_keyframes(**mixed, settings=SETTINGS).equals(first)


def test_what_only_a_model_has_is_null() -> None:
    row = label(BRAKES.drive, BRAKES.boxes, FRAME)
    model_only = ("model", "attempts", "prompt_tokens", "completion_tokens", "cost_usd", "latency_s", "answered_at")
    assert [row[name] for name in (*model_only, "raw_response")] == [None] * 8
    assert (row["labeler"], row["prompt_version"], row["parameters"]) == (
        "rules",
        RULES_VERSION,
        parameters_of(SETTINGS),
    )


def test_a_threshold_that_changes_makes_other_labels() -> None:
    stricter = RulesSettings(lead=LeadSettings(range_m=3.0, min_range_m=3.0))
    before, after = (label(BRAKES.drive, BRAKES.boxes, FRAME, settings) for settings in (SETTINGS, stricter))
    assert before["label_id"] != after["label_id"]
    assert (before["longitudinal_decision"], after["longitudinal_decision"]) == (
        "lead_obstacle_following",
        "speed_adaptation",
    )


@pytest.mark.parametrize(
    ("broken", "status", "reason"),
    [
        (pl.lit(None), "error", "labeler_failed: clip b: ValueError: the trajectory has no usable state at frame 90"),
        (None, "error", "no_trajectory: clip b has keyframes but no trajectory"),
    ],
)
def test_a_broken_clip_takes_no_other_with_it(broken: pl.Expr | None, status: str, reason: str) -> None:
    chunk = chunk_of(("a", BRAKES), ("b", BRAKES))
    mine = pl.col("clip_id") == "b"
    if broken is None:
        damaged = chunk["trajectories"].filter(~mine)
    else:
        damaged = chunk["trajectories"].with_columns(
            speed_mps=pl.when(mine & (pl.col("frame") == 90)).then(broken).otherwise("speed_mps")
        )
    labels = label_keyframes(**(chunk | {"trajectories": damaged}), settings=SETTINGS)
    assert labels["status"].to_list() == ["ok", "ok", status, status]
    assert labels["reason"][2].startswith(reason)
    assert labels["trace"].is_null().to_list() == [False, False, True, True]


@pytest.mark.parametrize(("frame", "status"), [(180, "ok"), (181, "invalid"), (200, "invalid"), (250, "invalid")])
def test_too_little_motion_decides_nothing(frame: int, status: str) -> None:
    row = label(BRAKES.drive, BRAKES.boxes, frame)
    assert row["status"] == status
    assert status == "ok" or str(row["reason"]).startswith("future_too_short: keyframe clip-")


def test_a_clip_without_tracks_claims_no_object() -> None:
    row = label(BRAKES.drive, BRAKES.boxes, FRAME, has_tracks=False)
    assert (row["longitudinal_decision"], row["scenario"], row["components"]) == ("speed_adaptation", "unobserved", [])
    assert row["trace"] == "Adapt the speed by slowing down and stay in the lane for an unobserved cause."


def test_no_keyframes_give_an_empty_table() -> None:
    chunk = chunk_of(("a", BRAKES)) | {"keyframes": schemas.empty(schemas.KEYFRAMES)}
    assert label_keyframes(**chunk, settings=SETTINGS).schema == schemas.RAW_COC.schema
