from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl
import pytest

from checks import quality
from checks.claims import WORST_ROWS, Claim
from coc_assets.filtered_coc import self_test
from coc_assets.profile import ChunkTally, Profile, profile_of, tally
from resources import schemas
from resources.reviews import Review
from resources.settings.quality import QualitySettings
from tests.coc_assets.filtered_coc.made import keyframe_id, label, labels

POLICY = "default@0123456789ab"
LEVELS = QualitySettings(least_labels=4)
EMPTY = {table.name: schemas.empty(table) for table in schemas.DATA_TABLES}


def levels(**sections: Mapping[str, float | None]) -> QualitySettings:
    return QualitySettings.model_validate({"least_labels": 4, **sections})


def verdicts(**judged: Sequence[str]) -> pl.DataFrame:
    """Verdicts by labeler, each `verdict` or `verdict:reason`."""
    rows = [
        {
            "label_id": f"{labeler}{place}",
            "keyframe_id": keyframe_id(place),
            "labeler": labeler,
            "verdict": said.partition(":")[0],
            "reasons": [said.partition(":")[2], "another"] if ":" in said else [],
            "policy_version": POLICY,
        }
        for labeler, of_it in judged.items()
        for place, said in enumerate(of_it)
    ]
    return schemas.rows_to_frame(rows, schemas.VERDICTS)


def decided(labeler: str = "rules", **channels: Sequence[str | None]) -> pl.DataFrame:
    """Labels with the given values of columns, one a place."""
    whole = max(len(values) for values in channels.values())
    rows = [
        label(place, labeler=labeler, **{name: values[place] for name, values in channels.items()})
        for place in range(whole)
    ]
    return labels(*rows)


def keyframes(*actions: str) -> pl.DataFrame:
    rows = [{"keyframe_id": keyframe_id(place), "action": action} for place, action in enumerate(actions)]
    return schemas.rows_to_frame(rows, schemas.KEYFRAMES)


def profile(
    keyframes_: pl.DataFrame = EMPTY["keyframes"],
    labels_: pl.DataFrame = EMPTY["raw_coc"],
    verdicts_: pl.DataFrame = EMPTY["filtered_coc"],
    policy: str = POLICY,
) -> Profile:
    names = {*labels_["labeler"], *verdicts_["labeler"]}
    return profile_of(
        [ChunkTally("0000", tally(keyframes_, labels_, verdicts_), {name: [policy] for name in names}, {})]
    )


def measurements(*rows: tuple[str, str, str, float | None]) -> pl.DataFrame:
    columns = ("label_id", "instrument", "name", "value")
    return schemas.rows_to_frame([dict(zip(columns, row, strict=True)) for row in rows], schemas.MEASUREMENTS)


# ---- levels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("warn", "error", "passed", "severity", "threshold"),
    [
        pytest.param(0.5, None, True, "WARN", 0.5, id="at the level it holds"),
        pytest.param(0.6, None, False, "WARN", 0.6, id="warns"),
        pytest.param(0.6, 0.5, False, "WARN", 0.6, id="warns before the error"),
        pytest.param(0.8, 0.6, False, "ERROR", 0.6, id="error"),
        pytest.param(None, 0.6, False, "ERROR", 0.6, id="error alone"),
        pytest.param(None, 0.4, True, "WARN", 0.4, id="only an error level, and it holds"),
        pytest.param(None, None, True, "WARN", None, id="no level"),
        pytest.param(0.0, None, True, "WARN", 0.0, id="a level of zero is one"),
    ],
)
def test_two_levels(
    warn: float | None, error: float | None, passed: bool, severity: str, threshold: float | None
) -> None:
    claim = quality.enough_labels_are_kept(
        verdicts(rules=["keep", "keep", "review:a", "reject:b"]), levels(kept={"warn": warn, "error": error})
    )
    assert (claim.passed, claim.severity, claim.figure, claim.threshold) == (passed, severity, 0.5, threshold)
    set_levels = {"warn_level": warn, "error_level": error}
    numbers = {name: value for name, value in claim.further.items() if not isinstance(value, str)}
    assert numbers == {name: value for name, value in set_levels.items() if value is not None}


# ---- verdicts --------------------------------------------------------------------------------------------------------


def test_the_worst_labeler_decides_how_many_are_kept_and_shows_what_was_lost() -> None:
    judged = verdicts(
        rules=["keep"] * 9 + ["reject:a"], model=["keep", "review:c", "reject:b", "review:c"], few=["reject:a"] * 3
    )
    claim = quality.enough_labels_are_kept(judged, LEVELS)
    assert (claim.passed, claim.figure) == (False, 0.25)
    assert claim.description == (
        "25.0% of 4 labels of 'model' are kept (most often lost to c: 2); at least 50% expected."
    )
    assert claim.worst.select("label_id", "verdict", "reason").rows() == [
        ("model2", "reject", "b"), ("model1", "review", "c"), ("model3", "review", "c"),
    ]  # fmt: skip
    assert claim.worst["keyframe_id"].to_list() == [keyframe_id(place) for place in (2, 1, 3)]
    assert claim.further["look_at_them"] == (
        "coc sql \"SELECT * FROM raw_coc WHERE label_id IN ('model2', 'model1', 'model3')\""
    )
    assert claim.further["look_at_more"] == "coc review --labeler model --verdict reject,review"


def test_a_labeler_with_few_labels_is_let_be() -> None:
    claim = quality.enough_labels_are_kept(verdicts(rules=["reject:a"] * 3), LEVELS)
    assert (claim.passed, claim.figure, claim.threshold) == (True, None, None)
    assert claim.description.startswith("Fewer than 4 labels (quality.least_labels)")


@pytest.mark.parametrize(
    ("judged", "share", "reason", "passed"),
    [
        pytest.param(["keep"] * 8 + ["reject:a", "reject:b"], 0.1, "a", True, id="two reasons, neither too often"),
        pytest.param(["keep"] * 7 + ["reject:a", "reject:b", "reject:b"], 0.2, "b", True, id="at the level"),
        pytest.param(["keep"] * 7 + ["reject:b"] * 3, 0.3, "b", False, id="one too often"),
        pytest.param(["keep"] * 5 + ["review:b"] * 5, 0.0, None, True, id="a review is no reject"),
    ],
)
def test_no_reason_rejects_too_many(judged: list[str], share: float, reason: str | None, passed: bool) -> None:
    claim = quality.no_reason_rejects_too_many(verdicts(rules=judged, fine=["keep"] * 9), LEVELS)
    assert (claim.passed, claim.figure) == (passed, pytest.approx(share))
    if reason is None:
        assert claim.worst.is_empty()
    else:
        assert f"are rejected by {reason}; at most 20% expected." in claim.description
        assert set(claim.worst["reason"]) == {reason} and claim.worst.height == round(share * 10)


def test_worst_rows_are_at_most_ten() -> None:
    claim = quality.no_reason_rejects_too_many(verdicts(rules=["reject:a"] * 25), LEVELS)
    assert (claim.figure, claim.worst.height) == (1.0, WORST_ROWS)


# ---- drift -----------------------------------------------------------------------------------------------------------


def test_actions_that_are_spread_as_in_the_profile_match_it() -> None:
    same = keyframes(*["stop", "steer_left"] * 20)
    claim = quality.actions_match_the_profile(same, profile(same), LEVELS)
    assert (claim.passed, claim.figure, claim.threshold) == (True, 0.0, 0.15)


def test_actions_that_moved_are_named_with_examples() -> None:
    reference = profile(keyframes(*["stop"] * 90 + ["steer_left"] * 10))
    claim = quality.actions_match_the_profile(keyframes(*["stop"] * 50 + ["reverse"] * 50), reference, LEVELS)
    # 40 % stop less, 50 % reverse more, 10 % steer_left less: half of it moved. Sampling explains
    # 1/2 * 2 * sqrt(2 * 0.9 * 0.1 / pi * (1/100 + 1/100)).
    assert claim.further["distance"] == pytest.approx(0.5)
    assert claim.further["explained_by_sampling"] == pytest.approx(0.033851, abs=1e-6)
    assert claim.figure == pytest.approx(0.466149, abs=1e-6)
    assert claim.description == (
        "action of keyframes is 0.47 from the profile beyond sampling (reverse 50% of 100, 0% there); "
        "at most 0.15 expected."
    )
    assert claim.worst.select("category", "change", "keyframe_id").rows() == [
        ("reverse", 0.5, keyframe_id(50)), ("stop", -0.4, keyframe_id(0)), ("steer_left", -0.1, None),
    ]  # fmt: skip


def test_a_small_chunk_drifts_no_further_than_sampling_explains() -> None:
    reference = profile(keyframes(*["stop"] * 50 + ["steer_left"] * 50))
    few, many = (keyframes(*(["stop"] * 7 + ["steer_left"] * 3) * times) for times in (1, 40))
    assert quality.actions_match_the_profile(few, reference, LEVELS).figure == pytest.approx(0.0677, abs=1e-4)
    assert quality.actions_match_the_profile(many, reference, LEVELS).figure == pytest.approx(0.1554, abs=1e-4)


def test_the_worst_channel_of_the_worst_labeler_decides() -> None:
    def channels(lateral: Sequence[str], longitudinal: Sequence[str | None]) -> dict[str, Sequence[str | None]]:
        return {"lateral_decision": lateral, "longitudinal_decision": longitudinal}

    usual = channels(["turn"] * 20 + ["lane_keeping"] * 20, ["yield"] * 20 + [None] * 20)
    turned = channels(["turn"] * 40, ["yield"] * 22 + [None] * 18)
    reference = profile(labels_=pl.concat([decided("rules", **usual), decided("model", **usual)]))
    here = pl.concat([decided("rules", **usual), decided("model", **turned), decided("new", **turned)])
    claim = quality.decisions_match_the_profile(here, reference, LEVELS)
    assert not claim.passed
    assert claim.description.startswith(
        "lateral_decision of 'model' is 0.41 from the profile beyond sampling (lane_keeping 0% of "
    )
    assert claim.worst["label_id"].to_list() == [None, f"{keyframe_id(0)}/model"]  # none here keeps its lane


def test_a_side_that_is_always_the_same_is_drift() -> None:
    turns = ["turn"] * 40
    reference = profile(labels_=decided(lateral_decision=turns, lateral_direction=["left", "right"] * 20))
    here = decided(lateral_decision=turns, lateral_direction=["left"] * 40)
    assert "lateral_direction of 'rules'" in quality.decisions_match_the_profile(here, reference, LEVELS).description


def test_labels_that_cannot_be_used_do_not_count() -> None:
    usual = decided(longitudinal_decision=["yield"] * 10)
    lost = usual.with_columns(status=pl.lit("invalid"), longitudinal_decision=pl.lit(None, pl.String))
    claim = quality.decisions_match_the_profile(pl.concat([usual, lost]), profile(labels_=usual), LEVELS)
    assert claim.passed and claim.figure == 0.0


def test_verdicts_are_compared_under_the_same_policy_only() -> None:
    usual, rejected = verdicts(rules=["keep"] * 40), verdicts(rules=["keep"] * 20 + ["reject:a"] * 20)
    assert quality.verdicts_match_the_profile(usual, profile(verdicts_=usual), LEVELS).figure == 0.0
    drifted = quality.verdicts_match_the_profile(rejected, profile(verdicts_=usual), LEVELS)
    assert (drifted.passed, drifted.figure) == (False, 0.5)
    assert drifted.worst["category"].to_list() == ["keep", "reject"]
    other = quality.verdicts_match_the_profile(rejected, profile(verdicts_=usual, policy="strict@ba9876543210"), LEVELS)
    assert (other.passed, other.figure) == (True, None)
    assert f"Verdicts follow {POLICY} and the profile's strict@ba9876543210: not compared." in other.description


DriftClaim = Callable[[pl.DataFrame, Profile | None, QualitySettings], Claim]
DRIFT: dict[str, tuple[DriftClaim, pl.DataFrame]] = {
    "actions": (quality.actions_match_the_profile, keyframes(*["stop"] * 9)),
    "decisions": (quality.decisions_match_the_profile, decided(longitudinal_decision=["yield"] * 9)),
    "verdicts": (quality.verdicts_match_the_profile, verdicts(rules=["keep"] * 9)),
}


@pytest.mark.parametrize("what", DRIFT)
def test_without_a_profile_nothing_drifts_and_the_mend_is_said(what: str) -> None:
    claim, rows = DRIFT[what]
    made = claim(rows, None, LEVELS)
    assert (made.passed, made.figure) == (True, None)
    assert "coc profile --out FILE" in made.description and "quality.profile" in made.description


@pytest.mark.parametrize("what", ["decisions", "verdicts"])
def test_a_labeler_that_the_profile_does_not_know_is_said(what: str) -> None:
    claim, rows = DRIFT[what]
    others = profile(labels_=decided("model", longitudinal_decision=["yield"] * 9))
    made = claim(rows, others, LEVELS)
    assert (made.passed, made.figure) == (True, None)
    assert made.description == "The profile has no labels of rules (labelers in it: model)."


# ---- instruments -----------------------------------------------------------------------------------------------------

MOTION, BEHAVIOR = "trajectory_consistency", "judged_behavior"


def looked_at(place: int, score: float | None, *motion: float | None) -> list[tuple[str, str, str, float | None]]:
    name = label(place)["label_id"]
    axes = zip(("longitudinal", "lateral"), motion, strict=False)
    return [(name, BEHAVIOR, "behavior_match_score", score), *((name, MOTION, axis, value) for axis, value in axes)]


@pytest.mark.parametrize(
    ("score", "motion", "differs"),
    [
        pytest.param(0.9, (1.0, 1.0), False, id="both agree"),
        pytest.param(0.1, (1.0, 0.0), False, id="both see another behaviour"),
        pytest.param(0.5, (0.0, None), True, id="the judge alone agrees"),
        pytest.param(0.49, (1.0, None), True, id="the motion alone agrees"),
        pytest.param(0.1, (None, None), None, id="the motion abstains"),
        pytest.param(None, (1.0, 1.0), None, id="the judge abstains"),
    ],
)
def test_where_judge_and_motion_differ(score: float, motion: tuple[float | None, ...], differs: bool | None) -> None:
    agreeing = [row for place in range(9) for row in looked_at(place, 0.8, 1.0, 1.0)]
    rows = measurements(*agreeing, *looked_at(9, score, *motion))
    claim = quality.judge_agrees_with_the_motion(rows, labels(*map(label, range(10))), LEVELS)
    assert claim.figure == (pytest.approx(0.1) if differs else 0.0)
    assert f"{9 if differs is None else 10} labels of 'rules'" in claim.description
    assert claim.worst["label_id"].to_list() == ([label(9)["label_id"]] if differs else [])
    assert claim.passed


def test_judge_and_motion_that_often_differ_are_told() -> None:
    rows = [row for place in range(6) for row in looked_at(place, 0.1 * place, 1.0, 1.0)]
    claim = quality.judge_agrees_with_the_motion(measurements(*rows), labels(*map(label, range(6))), LEVELS)
    assert (claim.passed, claim.severity, claim.threshold) == (False, "WARN", 0.25)
    assert claim.figure == pytest.approx(5 / 6)
    assert claim.worst["score"].to_list() == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])  # the surest first


def test_of_several_versions_of_an_instrument_the_last_row_counts() -> None:
    rows = [row for place in range(4) for score in (0.1, 0.9) for row in looked_at(place, score, 1.0, 1.0)]
    claim = quality.judge_agrees_with_the_motion(measurements(*rows), labels(*map(label, range(4))), LEVELS)
    assert claim.figure == 0.0


def test_the_figure_is_one_that_the_judge_gives() -> None:
    from coc_assets.filtered_coc.model_judge.rubric import STEPS

    given = {(step.instrument, name) for step in STEPS.values() for name in step.answer.figures()}
    assert quality.JUDGED in given


def test_without_a_judge_nothing_is_claimed() -> None:
    rows = measurements(*(row for place in range(9) for row in looked_at(place, None, 1.0)[1:]))
    claim = quality.judge_agrees_with_the_motion(rows, labels(*map(label, range(9))), LEVELS)
    assert (claim.passed, claim.figure) == (True, None)
    assert claim.description == "No judging model was asked about these labels."


def test_texts_that_cannot_be_read_are_shown() -> None:
    rows = labels(*(label(place, trace="It is what it is." if place > 7 else "Stop.") for place in range(10)))
    read = [(one["label_id"], "text_consistency", "claims_read", float(place < 8)) for place, one in
            enumerate(rows.iter_rows(named=True))]  # fmt: skip
    claim = quality.text_is_read(measurements(*read), rows, LEVELS)
    assert (claim.passed, claim.figure, claim.threshold) == (False, 0.8, 0.9)
    assert claim.worst.select("label_id", "trace").rows() == [
        (label(place)["label_id"], "It is what it is.") for place in (8, 9)
    ]


def sensed(*rows: tuple[str, str, int, int, int]) -> pl.DataFrame:
    columns = ("labeler", "axis", "n", "agree", "turned")
    frame = pl.DataFrame([dict(zip(columns, row, strict=True)) for row in rows], schema=self_test.SCHEMA)
    return frame.with_columns(sensitivity=pl.col("turned") / pl.max_horizontal("agree", 1))


@pytest.mark.parametrize(
    ("rows", "figure", "passed"),
    [
        pytest.param([("rules", "lateral", 9, 8, 4), ("rules", "longitudinal", 9, 8, 8)], 0.5, True, id="noticed"),
        pytest.param([("rules", "lateral", 9, 8, 2), ("rules", "longitudinal", 9, 8, 8)], 0.25, False, id="one axis"),
        pytest.param([("rules", "lateral", 9, 8, 8), ("model", "lateral", 9, 0, 0)], 0.0, False, id="nothing agrees"),
        pytest.param([("rules", "lateral", 3, 3, 0)], None, True, id="few to turn round"),
        pytest.param([], None, True, id="none"),
    ],
)
def test_turned_motion_is_noticed(
    rows: list[tuple[str, str, int, int, int]], figure: float | None, passed: bool
) -> None:
    claim = quality.turned_motion_is_noticed(sensed(*rows), LEVELS)
    assert (claim.passed, claim.figure) == (passed, figure)


# ---- people ----------------------------------------------------------------------------------------------------------


def review(place: int, **columns: Any) -> Review:
    of = label(place)
    known = {name: of[name] for name in ("label_id", "keyframe_id", "clip_id", "labeler")}
    return Review(**{**known, "reviewer": "ann", "decision": "keep", "reviewed_at": "2026-01-31T10:00:00Z", **columns})


EDIT = {"decision": "edit", "edited": "{}", "edited_label_id": "e"}


@pytest.mark.parametrize(
    ("reviews", "lines", "lost"),
    [
        pytest.param([review(1), review(2)], 2, [], id="of labels that are here"),
        pytest.param([review(1), review(9)], 2, [9], id="of a label that is gone"),
        pytest.param([review(1)], 3, [], id="lines that cannot be read"),
        pytest.param([review(1, **EDIT)], 1, [], id="an edit, or a later one, is a label"),
        pytest.param([review(2, **EDIT)], 1, [2], id="an edit that is no label"),
        pytest.param([review(2, **EDIT), review(2)], 2, [], id="an edit taken back"),
        pytest.param([], 0, [], id="none"),
    ],
)
def test_reviews_are_of_labels_here(reviews: list[Review], lines: int, lost: list[int]) -> None:
    here = labels(label(1), label(2), label(1, labeler="human", origin="edited", label_id="f"))
    claim = quality.reviews_are_of_labels_here(reviews, lines, here)
    assert claim.figure == len(lost) + lines - len(reviews)
    assert (claim.passed, claim.severity) == (claim.figure == 0, "WARN")
    assert [row["label_id"] for row in claim.worst.to_dicts()] == [label(place)["label_id"] for place in lost]


def test_empty_tables_hold_every_claim() -> None:
    reference = profile(keyframes("stop"), decided(longitudinal_decision=["yield"]), verdicts(rules=["keep"]))
    made = [
        quality.enough_labels_are_kept(EMPTY["filtered_coc"], LEVELS),
        quality.no_reason_rejects_too_many(EMPTY["filtered_coc"], LEVELS),
        quality.actions_match_the_profile(EMPTY["keyframes"], reference, LEVELS),
        quality.decisions_match_the_profile(EMPTY["raw_coc"], reference, LEVELS),
        quality.verdicts_match_the_profile(EMPTY["filtered_coc"], reference, LEVELS),
        quality.judge_agrees_with_the_motion(EMPTY["measurements"], EMPTY["raw_coc"], LEVELS),
        quality.text_is_read(EMPTY["measurements"], EMPTY["raw_coc"], LEVELS),
        quality.turned_motion_is_noticed(pl.DataFrame(schema=self_test.SCHEMA), LEVELS),
    ]
    assert [claim.description for claim in made if not claim.passed or claim.figure is not None] == []
