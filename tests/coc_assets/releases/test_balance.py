from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coc_assets.releases.balance import LEFT_OUT, Balanced, BalanceError, balance, classes, place
from resources.settings.release import BalanceRule, ReleaseSettings

SPLITS = ("train", "val")
LONGITUDINAL = ("yield", "speed_adaptation", None)
SCENES = ("free_driving", "turn", None)


def rows(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Samples whose class and split follow from their number."""
    return [
        {
            "chunk": f"{number % 3:04d}",
            "key": f"clip{number}-03000000",
            "clip_id": f"clip{number}",
            "split": SPLITS[number % 5 == 0],
            "longitudinal_decision": LONGITUDINAL[number % 7 % 3],
            "lateral_decision": "lane_keeping",
            "action": "stop",
            "scenario": SCENES[number % 4 % 3],
        }
        for number in range(first, first + count)
    ]


SCHEMA = dict.fromkeys(rows(1)[0], pl.String)


def frame(samples: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(samples, schema=SCHEMA)


def balanced(samples: pl.DataFrame, *rules: BalanceRule, target_count: int | None = None) -> Balanced:
    return balance(samples, ReleaseSettings(balance=rules, target_count=target_count))


subsets = st.sets(st.integers(0, 199), min_size=1).map(lambda numbers: [rows(1, first=n)[0] for n in sorted(numbers)])
weights = st.dictionaries(st.sampled_from(["yield", "speed_adaptation", "none"]), st.floats(0, 1), min_size=1)


def test_places_are_evenly_spread_and_stay_as_they_are() -> None:
    places = [place("weight", f"clip{number}-03000000") for number in range(4000)]
    assert all(0 <= one < 1 for one in places)
    tenths = Counter(int(one * 10) for one in places)
    assert all(320 < tenths[tenth] < 480 for tenth in range(10))
    assert place("weight", "a-00000001") == 0.8312791563719891


def test_a_class_names_both_channels_and_what_is_not_there() -> None:
    samples = frame([rows(1)[0] | {"longitudinal_decision": None}])
    assert classes(samples, "decision").to_list() == ["none + lane_keeping"]
    assert classes(samples, "longitudinal_decision").to_list() == ["none"]
    assert classes(samples, "meta_action").to_list() == ["stop"]
    assert classes(samples, "scene").to_list() == ["free_driving"]


def test_without_rules_everything_stays_in_its_order() -> None:
    samples = frame(rows(50)).reverse()
    result = balanced(samples)
    assert result.kept.equals(samples)
    assert result.left_out.schema == LEFT_OUT
    assert result.left_out.is_empty()


@given(chosen=subsets, more=subsets, shares=weights)
def test_a_weight_keeps_a_sample_whatever_others_there_are(
    chosen: list[dict[str, Any]], more: list[dict[str, Any]], shares: dict[str, float]
) -> None:
    rule = BalanceRule(by="longitudinal_decision", weights=shares)
    alone, together = frame(chosen), frame([*chosen, *(row for row in more if row not in chosen)])
    kept = set(balanced(alone, rule).kept["key"])
    assert kept == set(balanced(together, rule).kept["key"]) & set(alone["key"])


@given(chosen=subsets, cap=st.integers(0, 20), target=st.integers(1, 150))
def test_every_sample_is_kept_or_left_out_once_and_keeps_its_split(
    chosen: list[dict[str, Any]], cap: int, target: int
) -> None:
    samples = frame(chosen)
    result = balanced(samples, BalanceRule(by="scene", cap=cap, splits=()), target_count=target)
    assert sorted([*result.kept["key"], *result.left_out["key"]]) == sorted(samples["key"])
    split_of = dict(samples.select("key", "split").iter_rows())
    assert all(split_of[key] == split for key, split in result.kept.select("key", "split").iter_rows())
    assert result.kept.height <= target


@given(chosen=subsets, cap=st.integers(0, 20))
def test_a_cap_keeps_the_lowest_places_of_each_class_of_the_splits_it_names(
    chosen: list[dict[str, Any]], cap: int
) -> None:
    samples = frame(chosen)
    kept = set(balanced(samples, BalanceRule(by="scene", cap=cap)).kept["key"])
    assert set(samples.filter(pl.col("split") == "val")["key"]) <= kept
    trained = samples.filter(pl.col("split") == "train").with_columns(of=classes(samples, "scene").filter(
        samples["split"] == "train"
    ))  # fmt: skip
    for _, of_class in trained.group_by("of"):
        by_place = sorted(of_class["key"], key=lambda key: place("cap", key))
        assert [key in kept for key in by_place] == [at < cap for at in range(len(by_place))]


def test_rules_hold_together_in_any_order() -> None:
    samples = frame(rows(200))
    rules = [
        BalanceRule(by="scene", cap=12),
        BalanceRule(by="longitudinal_decision", cap=20, caps={"yield": 5}),
        BalanceRule(by="lateral_decision", weights={"lane_keeping": 0.8}, splits=()),
    ]
    result = balanced(samples, *rules)
    assert result.kept.equals(balanced(samples, *rules[::-1]).kept)
    train = result.kept.filter(pl.col("split") == "train")
    assert max(Counter(classes(train, "scene")).values()) <= 12
    assert Counter(classes(train, "longitudinal_decision"))["yield"] == 5


def test_a_target_takes_of_a_weighted_class_as_large_a_part_as_of_the_others() -> None:
    samples = frame(rows(4000))
    rule = BalanceRule(by="longitudinal_decision", weights={"yield": 0.25}, splits=())
    weighted = balanced(samples, rule).kept
    halved = balanced(samples, rule, target_count=weighted.height // 2).kept
    shares = [Counter(classes(part, "longitudinal_decision"))["yield"] / part.height for part in (weighted, halved)]
    assert shares[0] == pytest.approx(shares[1], abs=0.02)


def test_what_is_left_out_says_why() -> None:
    samples = frame(rows(200))
    rules = (BalanceRule(by="scene", weights={"turn": 0.0}), BalanceRule(by="longitudinal_decision", cap=10))
    left_out = balanced(samples, *rules, target_count=40).left_out
    why = set(left_out.select("reason", "by", "of_class").rows())
    assert ("weight", "scene", "turn") in why
    assert ("over_cap", "longitudinal_decision", "yield") in why
    assert ("over_target", None, None) in why
    assert left_out["key"].to_list() == [key for key in samples["key"] if key in set(left_out["key"])]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (BalanceRule(by="longitudinal_decision", caps={"yeild": 3}), "names 'yeild', which is no class. The samples "
         "have: none, speed_adaptation, yield"),
        (BalanceRule(by="decision", weights={"yield": 0.5}), "names 'yield', which is no class. The samples have: "
         "none . lane_keeping, speed_adaptation . lane_keeping, yield . lane_keeping"),
        (BalanceRule(by="scene", caps={"stop": 3}), "names 'stop'"),
        (BalanceRule(by="meta_action", caps={"stopp": 3}), "names 'stopp', which is no class. The samples have: stop"),
    ],
)  # fmt: skip
def test_a_class_that_there_is_not_is_an_error(rule: BalanceRule, message: str) -> None:
    with pytest.raises(BalanceError, match=message):
        balanced(frame(rows(20)), rule)


def test_a_class_that_no_sample_has_just_now_is_none() -> None:
    rule = BalanceRule(by="decision", caps={"gap_searching + turn": 3, "none + none": 1})
    assert balanced(frame(rows(20)), rule).kept.height == 20
