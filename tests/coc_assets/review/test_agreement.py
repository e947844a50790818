from __future__ import annotations

import polars as pl
import pytest

from coc_assets.filtered_coc.policy import Policy, Rule
from coc_assets.review.agreement import (
    ANY_RULE,
    between_reviewers,
    by_reviewer,
    cohens_kappa,
    majorities,
    of_figures,
    of_rules,
)
from resources import schemas
from tests.coc_assets.filtered_coc.made import label, labels
from tests.coc_assets.review.made import review

PEOPLE = pl.DataFrame({"chunk": ["0000"] * 4, "label_id": ["a", "b", "c", "d"], "kept": [True, True, False, False]})
LABELS = labels(*(label(label_id=name) for name in "abcd"))


def figures(**values: float | None) -> pl.DataFrame:
    rows = [
        {"chunk": "0000", "label_id": name, "instrument": "judge", "version": "1", "name": "score", "value": value}
        for name, value in values.items()
    ]
    return schemas.rows_to_frame(rows, schemas.MEASUREMENTS)  # type: ignore[arg-type]


def policy(**rule: object) -> Policy:
    named = {"rule": "low", "instrument": "judge", "name": "score", "op": "<", "value": 0.5, "verdict": "review"}
    people = Rule(
        rule="people", instrument="human_review", name="majority", op="==", value=0, verdict="reject", final=True
    )
    return Policy(name="p", rules=(people, Rule.model_validate(named | rule)))


def test_kappa_of_a_table_worked_out_by_hand() -> None:
    a = pl.Series(["yes"] * 25 + ["no"] * 25)
    b = pl.Series(["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15)
    agreement, kappa = cohens_kappa(a, b)
    assert (agreement, kappa) == (pytest.approx(0.7), pytest.approx(0.4))


def test_kappa_says_nothing_where_both_always_say_the_same() -> None:
    assert cohens_kappa(pl.Series([True, True]), pl.Series([True, True])) == (1.0, None)


def test_reviewers_are_counted_by_decision_with_their_median_time() -> None:
    lines = [review("a", seconds=4.0), review("b", decision="reject", seconds=10.0), review("c"), review("a", "bob")]
    assert by_reviewer(lines).rows() == [("ann", 3, 2, 1, 0, 7.0), ("bob", 1, 1, 0, 0, None)]


def test_two_reviewers_are_compared_on_what_both_answered() -> None:
    ann = [review("a", minimality=True), review("b", decision="reject", minimality=False), review("c")]
    bob = [review("a", "bob", minimality=True), review("b", "bob", "edit", edited="{}"), review("d", "bob")]
    rows = between_reviewers([*ann, *bob])
    assert rows.select("question", "reviewer_a", "reviewer_b", "labels", "agreement").rows() == [
        ("decision", "ann", "bob", 2, 0.5),
        ("minimality", "ann", "bob", 1, 1.0),
    ]


def test_people_are_heard_by_their_majority_and_not_where_they_are_even() -> None:
    lines = [review("a"), review("b", decision="reject"), review("c"), review("c", "bob", "reject")]
    assert majorities(LABELS, lines).rows() == [("0000", "a", True), ("0000", "b", False)]


def test_a_rule_is_held_against_people_who_do_not_keep() -> None:
    found = of_rules(PEOPLE, LABELS, figures(a=0.9, b=0.1, c=0.2, d=0.8), policy())
    columns = ("rule", "labels", "fired", "not_kept", "both", "precision", "recall", "agreement", "kappa")
    assert found.select(columns).rows() == [
        (ANY_RULE, 4, 2, 2, 1, 0.5, 0.5, 0.5, 0.0),
        ("low", 4, 2, 2, 1, 0.5, 0.5, 0.5, 0.0),
    ]


def test_labels_without_a_figure_do_not_count_unless_the_rule_fires_on_them() -> None:
    measured = figures(a=0.9, c=0.2, d=None)
    assert of_rules(PEOPLE, LABELS, measured, policy()).row(1)[2:5] == (2, 1, 1)
    assert of_rules(PEOPLE, LABELS, measured, policy(missing="fire")).row(1)[2:5] == (4, 3, 2)


def test_the_newest_of_several_versions_counts() -> None:
    older = figures(a=0.1, b=0.1, c=0.9, d=0.9)
    newer = figures(a=0.9, b=0.8, c=0.1, d=0.2).with_columns(version=pl.lit("2"))
    assert of_figures(PEOPLE, pl.concat([older, newer])).select("figure", "auc").rows() == [("judge.score", 1.0)]


@pytest.mark.parametrize(
    ("values", "auc"),
    [
        ((0.9, 0.8, 0.2, 0.1), 1.0),
        ((0.1, 0.2, 0.8, 0.9), 0.0),
        ((0.9, 0.1, 0.9, 0.1), 0.5),
        ((0.9, 0.3, 0.5, 0.1), 0.75),
    ],
)
def test_auc_is_the_share_of_pairs_that_a_figure_puts_in_order(values: tuple[float, ...], auc: float) -> None:
    found = of_figures(PEOPLE, figures(**dict(zip("abcd", values, strict=True))))
    assert found.select("kept", "not_kept", "auc").row(0) == (2, 2, pytest.approx(auc))


def test_a_figure_that_never_varies_tells_nothing() -> None:
    assert of_figures(PEOPLE, figures(a=1.0, b=1.0, c=1.0, d=1.0)).height == 0
