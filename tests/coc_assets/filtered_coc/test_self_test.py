from __future__ import annotations

import polars as pl
import pytest

from coc_assets.filtered_coc import text_claims
from coc_assets.filtered_coc.motion import SCHEMA
from coc_assets.filtered_coc.self_test import sensitivity, turned_round
from resources.settings.filtering import AgreementThresholds
from tests.coc_assets.filtered_coc.made import keyframe_id, label, labels
from tests.coc_assets.filtered_coc.test_consistency import STEADY

THRESHOLDS = AgreementThresholds()
SLOWS = {"longitudinal": "slow_down", "speed_change_mps": -4.0, "slowed_or_stood": True}
SPEEDS_UP = {"longitudinal": "speed_up", "speed_change_mps": 3.0}
TO_THE_LEFT = {"lateral": "left", "nudge_side": "left", "heading_left_deg": 40.0, "heading_right_deg": 0.0}
DRIVEN = [
    ("Slow down because the lead vehicle brakes", SLOWS),
    ("Speed up because the road is free", SPEEDS_UP),
    ("Follow the lead vehicle", SLOWS),
    ("Turn left at the junction", TO_THE_LEFT),
    ("Turn right at the junction", TO_THE_LEFT),
    ("Stay in the lane", TO_THE_LEFT),
    ("Keep the speed", {}),
]


def driven(*pairs: tuple[str, dict[str, object]], labeler: str = "rules") -> tuple[pl.DataFrame, pl.DataFrame]:
    """Labels and motion of texts and what the ego does."""
    frames = range(20, 20 + len(pairs))
    rows = [label(frame, trace=text, labeler=labeler) for frame, (text, _) in zip(frames, pairs, strict=True)]
    moves = [
        STEADY | {"keyframe_id": keyframe_id(frame)} | move for frame, (_, move) in zip(frames, pairs, strict=True)
    ]
    return labels(*rows), pl.DataFrame(moves, schema=SCHEMA)


def as_rows(found: pl.DataFrame) -> dict[tuple[str, str], tuple[int, int, int, float | None]]:
    return {(row[0], row[1]): row[2:] for row in found.rows()}


def test_agreements_turn_where_the_words_name_the_way() -> None:
    """Following fits any speed, so it does not turn; keeping the lane names no side, so it is not asked."""
    assert as_rows(sensitivity(*driven(*DRIVEN), THRESHOLDS)) == {
        ("rules", "longitudinal"): (3, 3, 2, pytest.approx(2 / 3)),
        ("rules", "lateral"): (2, 1, 1, 1.0),
    }


@pytest.mark.parametrize("value", [1.0, None, 0.0], ids=["passes everything", "abstains always", "flags everything"])
def test_an_instrument_that_reads_nothing_scores_nothing(value: float | None) -> None:
    def vacuous(rows: pl.DataFrame, motion: pl.DataFrame, thresholds: AgreementThresholds) -> pl.DataFrame:
        return text_claims.measure(rows, motion, thresholds).with_columns(value=pl.lit(value, pl.Float64))

    found = sensitivity(*driven(*DRIVEN), THRESHOLDS, vacuous)
    assert found["sensitivity"].to_list() == [0.0, 0.0]
    assert found["n"].to_list() == [2, 3]


def test_nothing_to_turn_is_no_score() -> None:
    found = sensitivity(*driven(("Keep the speed", {})), THRESHOLDS)
    assert found["n"].to_list() == [0, 0]
    assert found["sensitivity"].to_list() == [None, None]


def test_labelers_are_told_apart() -> None:
    rows, motion = driven(DRIVEN[0])
    other, _ = driven(("The weather is nice today", {}), labeler="other")
    found = as_rows(sensitivity(pl.concat([rows, other]), motion, THRESHOLDS))
    assert found["rules", "longitudinal"] == (1, 1, 1, 1.0)
    assert found["other", "longitudinal"] == (1, 0, 0, 0.0)


def test_turned_round_twice_is_as_driven_but_for_stops() -> None:
    _, motion = driven(*DRIVEN)
    assert turned_round(turned_round(motion)).equals(motion)
    stop = pl.DataFrame([STEADY | {"longitudinal": "stopped", "speed_change_mps": -9.0}], schema=SCHEMA)
    assert turned_round(stop).select("longitudinal", "speed_change_mps").row(0) == ("speed_up", 9.0)


def test_a_label_without_motion_is_not_counted() -> None:
    rows, motion = driven(DRIVEN[0])
    assert sensitivity(rows, motion.clear(), THRESHOLDS)["n"].to_list() == [0, 0]
