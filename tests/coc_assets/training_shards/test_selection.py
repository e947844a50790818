from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coc_assets.training_shards import selection
from resources.settings.shards import ShardSettings
from tests.coc_assets.training_shards.made import CLIPS, Chunk, label


def _kept(chunk: Chunk, labelers: tuple[str, ...] = ("rules",)) -> list[tuple[str, list[selection.KeptKeyframe]]]:
    tables = chunk.tables()
    return selection.kept_by_clip(
        tables.clips, tables.keyframes, tables.labels, tables.verdicts, labelers, ShardSettings()
    )


def test_kept_labels_come_by_clip_then_time_then_preference() -> None:
    rows = [
        label(CLIPS[1], 3_000_000),
        label(CLIPS[0], 9_000_000, "vlm"),
        label(CLIPS[0], 9_000_000, "rules"),
        label(CLIPS[0], 9_000_000, "another"),
        label(CLIPS[0], 2_000_000, "rules"),
    ]
    kept = _kept(Chunk(rows), labelers=("vlm", "rules"))
    found = [(clip, [(k.t0_us, [row["labeler"] for row in k.labels]) for k in keyframes]) for clip, keyframes in kept]
    assert found == [
        (CLIPS[0], [(2_000_000, ["rules"]), (9_000_000, ["vlm", "rules", "another"])]),
        (CLIPS[1], [(3_000_000, ["rules"])]),
    ]


def test_only_kept_verdicts_count() -> None:
    dropped = label(CLIPS[0], 2_000_000)
    chunk = Chunk([dropped, label(CLIPS[0], 5_000_000)], dropped=frozenset({dropped["label_id"]}))
    assert [[k.t0_us for k in keyframes] for _, keyframes in _kept(chunk)] == [[5_000_000]]


@pytest.mark.parametrize(
    ("table", "column", "asset"),
    [("labels", "label_id", "raw_coc"), ("keyframes", "keyframe_id", "keyframe_segments"),
     ("clips", "clip_id", "trajectory_cache")],
)  # fmt: skip
def test_tables_that_do_not_belong_together_name_what_is_stale(table: str, column: str, asset: str) -> None:
    tables = vars(Chunk([label(CLIPS[0], 2_000_000)]).tables())
    tables |= {table: tables[table].with_columns(pl.lit("other").alias(column))}
    with pytest.raises(selection.StaleInputError, match=rf"{asset}.*make .*filtered_coc again"):
        selection.kept_by_clip(**tables, labelers=("rules",), settings=ShardSettings())


@pytest.mark.parametrize(
    ("changed", "reason", "hint"),
    [
        ({}, None, ""),
        ({"trace": "Slow down <|im_end|> for the lead."}, "text_has_control_tokens", "trace holds '<|im_end|>'"),
        ({"planning": "see <image>"}, "text_has_control_tokens", "planning holds '<image>'"),
        ({"perception": "<video>"}, "text_has_control_tokens", "perception holds '<video>'"),
        ({"components": [{"phrase": "a <|x|>", "attributes": None}]}, "text_has_control_tokens", "components.phrase"),
        (
            {"components": [{"phrase": "sign", "attributes": [{"key": "state", "value": "<|y|>"}]}]},
            "text_has_control_tokens",
            "components.attributes",
        ),
        ({"trace": "Gap < 3 m | speed > 2 m/s, <imagery>."}, None, ""),
        ({"trace": None}, "no_text", "no trace"),
        ({"trace": "  \n"}, "no_text", "no trace"),
        ({"clip_id": "clip.one"}, "clip_id_not_portable", "'clip.one'"),
        ({"clip_id": "../up"}, "clip_id_not_portable", "'../up'"),
        ({"clip_id": "x" * 65}, "clip_id_not_portable", "1 to 64"),
        ({"components": None}, None, ""),
    ],
)
def test_labels_that_no_sample_may_carry(changed: dict[str, Any], reason: str | None, hint: str) -> None:
    row = dict.fromkeys(("justification", "prediction", "planning")) | label(CLIPS[0], 2_000_000) | changed
    why = selection.label_problem(row)
    assert (why.reason if why else None) == reason
    assert why is None or hint in why.hint


def test_the_first_label_is_chosen_and_the_others_say_why_not() -> None:
    first, second = label(CLIPS[0], 2_000_000, "vlm"), label(CLIPS[0], 2_000_000, "rules")
    chosen, others = selection.choose([first, second], ("vlm", "rules"))
    assert chosen is first
    assert [(row["label_id"], row["reason"], row["severity"]) for row in others] == [
        (second["label_id"], "not_preferred", "rejected")
    ]
    assert first["label_id"] in others[0]["hint"]


def test_labelers_that_nobody_prefers_make_no_sample() -> None:
    chosen, others = selection.choose([label(CLIPS[0], 2_000_000, "vlm")], ("rules",))
    assert chosen is None
    assert [row["reason"] for row in others] == ["not_preferred"]
    assert "'vlm' is not preferred; put it into shards.labelers" in others[0]["hint"]
    assert selection.choose([], ("rules",)) == (None, [])


LEAD = {"longitudinal_decision": "lead_obstacle_following", "lateral_decision": None, "lateral_direction": None}


@pytest.mark.parametrize(
    ("decisions", "used"),
    [
        ((), True),
        (("lead_obstacle_following",), True),
        (("lane_change", "lead_obstacle_following"), True),
        (("lane_change",), False),
    ],
)
def test_only_labels_of_the_asked_decisions_are_used(decisions: tuple[str, ...], used: bool) -> None:
    why = selection.decision_problem(label(CLIPS[0], 2_000_000) | LEAD, decisions)
    assert (why is None) == used
    assert why is None or why.hint == "it decides lead_obstacle_following; shards.decisions asks for lane_change"


def test_either_channel_counts_as_the_decision() -> None:
    both = LEAD | {"lateral_decision": "lane_change", "lateral_direction": "left"}
    assert selection.decision_problem(both, ("lane_change",)) is None
    assert selection.decision_problem(dict.fromkeys(LEAD), ("lane_change",)).hint.startswith("it decides nothing")


def _thinned(rows: list[dict[str, Any]], spacing_s: float) -> tuple[list[float], list[tuple[float, str]]]:
    stay, rejects = selection.thinned(rows, round(spacing_s * 1e6))
    by_id = {row["label_id"]: row["t0_us"] / 1e6 for row in rows}
    assert {row["reason"] for row in rejects} <= {"too_close"}
    return [row["t0_us"] / 1e6 for row in stay], [(by_id[row["label_id"]], row["hint"]) for row in rejects]


def test_repeats_of_a_decision_are_thinned_along_a_clip() -> None:
    change = {"lateral_decision": "lane_change", "lateral_direction": "left"}
    rows = [
        label(CLIPS[0], 2_000_000) | LEAD,
        label(CLIPS[0], 4_000_000) | LEAD | change,  # decides something else
        label(CLIPS[0], 5_000_000) | LEAD,  # 3 s after the first
        label(CLIPS[0], 7_000_000) | LEAD,  # 5 s after the one that stayed
        label(CLIPS[0], 8_000_000) | LEAD | change | {"lateral_direction": "right"},
    ]
    stay, left_out = _thinned(rows, 5.0)
    assert stay == [2.0, 4.0, 7.0, 8.0]
    (at, hint) = left_out[0]
    assert at == 5.0
    assert hint.startswith(f"3.0 s after label {rows[0]['label_id']} of the same decisions")
    assert _thinned(rows, 0.0) == ([2.0, 4.0, 5.0, 7.0, 8.0], [])


def test_labels_under_review_are_used_where_the_settings_say_so() -> None:
    tables = Chunk([label(CLIPS[0], 2_000_000), label(CLIPS[0], 5_000_000)]).tables()
    review = pl.when(pl.col("keyframe_id").str.ends_with("05000000")).then(pl.lit("review")).otherwise("verdict")
    parts = vars(tables) | {"verdicts": tables.verdicts.with_columns(verdict=review)}

    def instants(**changed: Any) -> list[int]:
        kept = selection.kept_by_clip(**parts, labelers=("rules",), settings=ShardSettings(**changed))
        return [keyframe.t0_us for _, keyframes in kept for keyframe in keyframes]

    assert instants() == [2_000_000]
    assert instants(verdicts=("keep", "review")) == [2_000_000, 5_000_000]


def test_a_clip_that_the_split_file_leaves_out_says_so(tmp_path: Path) -> None:
    (tmp_path / "splits.csv").write_text(f"clip_id,split\n{CLIPS[1]},train\n")
    tables = Chunk([label(clip, 2_000_000) for clip in CLIPS[:2]], splits=dict.fromkeys(CLIPS, "val")).tables()
    settings = ShardSettings(split_by="file", split_file=tmp_path / "splits.csv")
    kept = [
        one for _, of_clip in selection.kept_by_clip(**vars(tables), labelers=(), settings=settings) for one in of_clip
    ]
    assert [one.split for one in kept] == [None, "train"]
    assert selection.split_problem(kept[0]).reason == "not_in_split_file"
    assert selection.split_problem(kept[1]) is None
