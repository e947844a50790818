from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest

from coc_assets.filtered_coc.duplicates import near_duplicates
from resources import schemas
from resources.settings.filtering import DuplicateThresholds
from resources.store import Store

THRESHOLDS = DuplicateThresholds()
TRACE = "Ease off and keep the lane because a delivery van reverses out of the yard between two hedges."
OTHERS = (
    "Come to rest at the marking because the schoolgirl with a satchel has stepped down from the kerb.",
    "Shift over within the lane because a tractor sticks out of the field entrance beyond the barn.",
)
PEDESTRIAN = (
    "Yield by slowing down to a stop and stay in the lane because the pedestrian {gap} m ahead and 5.3 m to the left "
    "of the path is moving towards the ego's path at {pace} m/s."
)


def said(*traces: str, **columns: object) -> pl.DataFrame:
    """Labels of one labeler, each of a keyframe of its own, in two chunks by turns."""
    rows = [
        {
            "chunk": f"{number % 2:04d}",
            "label_id": f"label-{number:03d}",
            "keyframe_id": f"keyframe-{number:03d}",
            "labeler": "vlm",
            "status": "ok",
            "trace": trace,
            "components": [{"rank": 1, "category": "critical_object", "phrase": trace.lower().split("because ")[-1]}],
            **columns,
        }
        for number, trace in enumerate(traces)
    ]
    return schemas.rows_to_frame(rows, schemas.RAW_COC)


def counts(labels: pl.DataFrame, thresholds: DuplicateThresholds = THRESHOLDS) -> dict[str, float]:
    return dict(near_duplicates(labels, thresholds).select("label_id", "value").iter_rows())


@pytest.mark.parametrize(
    "copy",
    [
        pytest.param(TRACE, id="the same"),
        pytest.param(TRACE.upper(), id="other case"),
        pytest.param(TRACE.replace("lane because", "lane, because").replace(".", " !"), id="other punctuation"),
        pytest.param(TRACE.replace("yard", "driveway"), id="one word"),
        pytest.param(TRACE + " Now.", id="one word more"),
        pytest.param(
            "Because a delivery van reverses out of the yard between two hedges, ease off and keep the lane.",
            id="order",
        ),
    ],
)
def test_a_copy_is_found_on_both_sides(copy: str) -> None:
    assert counts(said(TRACE, *OTHERS, copy)) == {"label-000": 1, "label-003": 1}


@pytest.mark.parametrize("position", range(len(TRACE.split())))
def test_whichever_word_was_changed(position: int) -> None:
    words = TRACE.split()
    words[position] = "otherwise"
    assert counts(said(TRACE, *OTHERS, " ".join(words))) == {"label-000": 1, "label-003": 1}


@pytest.mark.parametrize(
    ("other", "found"),
    [
        pytest.param(PEDESTRIAN.format(gap="18.9", pace="1.0"), False, id="another figure"),
        pytest.param(PEDESTRIAN.format(gap="17.6", pace="1.0").replace("left", "right"), False, id="another side"),
        pytest.param(PEDESTRIAN.format(gap="17.6", pace="1.0").replace("stop", "halt"), True, id="another word"),
    ],
)
def test_figures_and_sides_make_a_label_specific(other: str, found: bool) -> None:
    assert bool(counts(said(PEDESTRIAN.format(gap="17.6", pace="1.0"), other))) == found


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"components": []}, id="no cause is cited"),
        pytest.param({"status": "refused"}, id="no usable label"),
        pytest.param({"keyframe_id": "keyframe-000"}, id="the same keyframe"),
    ],
)
def test_who_has_no_duplicates(columns: dict[str, object]) -> None:
    assert counts(said(TRACE, TRACE)) == {"label-000": 1, "label-001": 1}
    assert counts(said(TRACE, TRACE, **columns)) == {}


def test_labels_of_few_words_are_not_compared() -> None:
    short = "Stop because a van stands there."
    assert counts(said(short, short)) == {}
    assert len(counts(said(short, short), DuplicateThresholds(least_words=5))) == 2


def test_labelers_are_told_apart() -> None:
    labels = said(TRACE, TRACE)
    assert counts(labels.with_columns(labeler=pl.Series(["vlm", "human"]))) == {}


def test_parts_count_as_words() -> None:
    parts = {"perception": "Fog lies over the field.", "planning": "Brake early and gently, then roll."}
    assert counts(pl.concat([said(TRACE), said(TRACE, label_id="x", keyframe_id="x", **parts)])) == {}


def test_the_threshold_decides() -> None:
    two_words = TRACE.replace("yard", "driveway").replace("van", "lorry")
    assert counts(said(TRACE, two_words), DuplicateThresholds(similarity=0.95)) == {}
    assert len(counts(said(TRACE, two_words), DuplicateThresholds(similarity=0.8))) == 2


def test_the_detail_names_up_to_three_of_them() -> None:
    (row, *_) = near_duplicates(said(*[TRACE] * 6), THRESHOLDS).to_dicts()
    assert (row["label_id"], row["value"]) == ("label-000", 5)
    assert row["detail"] == (
        "as label label-002 of keyframe keyframe-002, label-004 of keyframe keyframe-004, "
        "label-001 of keyframe keyframe-001"
    )


def vocabulary() -> list[str]:
    letters = random.Random(0)
    return ["".join(letters.choices("abcdefghiklmnoprstu", k=letters.randint(3, 9))) for _ in range(600)]


def test_copies_in_a_large_set_are_found_and_nothing_else_whatever_the_order() -> None:
    draw, words = random.Random(1), vocabulary()
    texts = [" ".join(draw.choices(words, k=20)) for _ in range(3000)]
    for number in range(60):
        copy = texts[number].split()
        copy[draw.randrange(20)] = "altered"
        texts[-1 - number] = " ".join(copy)
    labels = said(*texts)
    found = near_duplicates(labels, THRESHOLDS)
    expected = {f"label-{number:03d}" for copied in range(60) for number in (copied, 2999 - copied)}
    assert set(found["label_id"]) == expected
    assert set(found["value"]) == {1}
    assert near_duplicates(labels.sample(fraction=1, shuffle=True, seed=3), THRESHOLDS).equals(found)


def test_a_crowd_of_equal_and_of_nearly_equal_labels_is_counted_without_comparing_all_pairs() -> None:
    words = vocabulary()
    equal = counts(said(*[TRACE] * 20_000))
    assert set(equal.values()) == {19_999}
    crowd = [TRACE.replace("yard", one) for one in words] + [TRACE.replace("van", one) for one in words]
    assert len(counts(said(*crowd))) == len(crowd)


def test_rules_labels_of_different_moments_are_not_near(sample_store: Path) -> None:
    store = Store(sample_store)
    labels = pl.concat([store.read_labels(chunk) for chunk in store.chunks()])
    assert labels.filter(pl.col("components").list.len() > 0).height > 5
    assert counts(labels) == {}
    again = labels.with_columns(keyframe_id=pl.lit("later-") + pl.col("keyframe_id"), chunk=pl.lit("9999"))
    copied = near_duplicates(pl.concat([labels, again]), THRESHOLDS)
    specific = labels.filter((pl.col("components").list.len() > 0) & (pl.col("status") == "ok"))
    assert set(copied["label_id"]) == set(specific["label_id"])


def test_nothing_among_nothing() -> None:
    assert near_duplicates(schemas.empty(schemas.RAW_COC), THRESHOLDS).schema == schemas.SET_MEASUREMENTS.schema
    assert near_duplicates(said(TRACE), THRESHOLDS).is_empty()
