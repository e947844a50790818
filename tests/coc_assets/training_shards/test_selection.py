from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from coc_assets.training_shards import selection
from tests.coc_assets.training_shards.made import CLIPS, Chunk, label

RATIOS = {"train": 0.9, "val": 0.05, "test": 0.05}


def _kept(chunk: Chunk, labelers: tuple[str, ...] = ("rules",)) -> list[tuple[str, list[selection.KeptKeyframe]]]:
    return selection.kept_by_clip(**chunk.tables(), labelers=labelers, ratios=RATIOS)


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
    tables = Chunk([label(CLIPS[0], 2_000_000)]).tables()
    tables[table] = tables[table].with_columns(pl.lit("other").alias(column))
    with pytest.raises(selection.StaleInputError, match=rf"{asset}.*make .*filtered_coc again"):
        selection.kept_by_clip(**tables, labelers=("rules",), ratios=RATIOS)


@pytest.mark.parametrize(
    ("named", "split"),
    [("train", "train"), ("val", "val"), ("Test", "test"), ("my/own split", "my_own_split")],
)
def test_the_datasets_own_split_is_taken_as_a_portable_name(named: str, split: str) -> None:
    assert selection.split_of(CLIPS[0], named, RATIOS) == split


@pytest.mark.parametrize("named", [None, ""])
def test_without_one_the_clip_id_alone_decides(named: str | None) -> None:
    splits = [selection.split_of(clip, named, RATIOS) for clip in CLIPS]
    assert set(splits) <= set(RATIOS)
    assert len(set(splits)) > 1
    # The order in which the shares are written down must not matter.
    assert splits == [selection.split_of(clip, named, dict(reversed(RATIOS.items()))) for clip in CLIPS]


def test_hashed_splits_have_their_shares() -> None:
    splits = [selection.split_of(f"clip-{number}", None, RATIOS) for number in range(4000)]
    assert splits.count("train") / 4000 == pytest.approx(0.9, abs=0.02)
    assert splits.count("val") / 4000 == pytest.approx(0.05, abs=0.015)
    assert splits.count("test") / 4000 == pytest.approx(0.05, abs=0.015)


def test_a_hashed_split_never_moves() -> None:
    names = ("clip-0", "clip-1", "clip-2", "clip-3", "clip-4", "clip-5")
    assert [selection.split_of(name, None, {"a": 0.5, "b": 0.5}) for name in names] == ["a", "a", "a", "a", "b", "b"]


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
