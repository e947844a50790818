from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from coc_assets.filtered_coc.policy import (
    Policy,
    PolicyError,
    decide,
    load_policy,
    packaged_policies,
    parse_policy,
    rejected,
)
from resources import schemas
from tests.coc_assets.filtered_coc.made import label, labels

RULES = """
name: strict
rules:
  - {rule: slow, instrument: motion, name: agrees, op: "<", value: 1, verdict: review}
  - {rule: empty, instrument: text, name: words, op: "==", value: 0, verdict: reject, missing: fire, hint: no words}
  - {rule: short, instrument: text, name: words, op: "<=", value: 3, verdict: reject}
  - {rule: noted, instrument: text, name: future, op: ">", value: 2, verdict: keep}
"""
POLICY = parse_policy(RULES, "strict.yaml")
LABEL = label()["label_id"]


def measurements(*figures: tuple[str, str, float | None], version: str = "1", label_id: object = LABEL) -> pl.DataFrame:
    rows = [
        {
            "label_id": label_id,
            "instrument": instrument,
            "version": version,
            "name": name,
            "value": value,
            "detail": "why",
        }
        for instrument, name, value in figures
    ]
    return schemas.rows_to_frame(rows, schemas.MEASUREMENTS)


@pytest.mark.parametrize(
    ("figures", "verdict", "reasons"),
    [
        pytest.param([("motion", "agrees", 1), ("text", "words", 9)], "keep", [], id="nothing fires"),
        pytest.param([("motion", "agrees", 0), ("text", "words", 9)], "review", ["slow"], id="review"),
        pytest.param([("motion", "agrees", 0), ("text", "words", 3)], "reject", ["short", "slow"], id="gravest first"),
        pytest.param([("text", "words", 0)], "reject", ["empty", "short"], id="in the policy's order"),
        pytest.param([("motion", "agrees", None), ("text", "words", 9)], "keep", [], id="null is ignored"),
        pytest.param([("motion", "agrees", 1), ("text", "words", None)], "reject", ["empty"], id="null fires"),
        pytest.param([("motion", "agrees", 1)], "reject", ["empty"], id="absent fires"),
        pytest.param([("text", "words", 9), ("text", "future", 3)], "keep", ["noted"], id="a rule may only note"),
        pytest.param([("other", "words", 0), ("text", "words", 9)], "keep", [], id="another instrument's figure"),
    ],
)
def test_verdict_and_reasons(figures: list[tuple[str, str, float | None]], verdict: str, reasons: list[str]) -> None:
    made = decide(measurements(*figures), labels(label()), POLICY)
    assert made.schema == schemas.VERDICTS.schema
    assert made.select("verdict", "reasons", "policy_version").rows() == [(verdict, reasons, POLICY.version)]


@pytest.mark.parametrize(
    ("op", "fires"),
    [("<", [True, False, False]), ("<=", [True, True, False]), ("==", [False, True, False]),
     (">=", [False, True, True]), (">", [False, False, True])],
)  # fmt: skip
def test_operators(op: str, fires: list[bool]) -> None:
    rule = {"rule": "r", "instrument": "i", "name": "n", "op": op, "value": 2, "verdict": "review"}
    policy = Policy.model_validate({"name": "p", "rules": [rule]})
    rows = [label(frame) for frame in (20, 30, 40)]
    figures = [
        measurements(("i", "n", value), label_id=row["label_id"]) for value, row in zip((1, 2, 3), rows, strict=True)
    ]
    assert (decide(pl.concat(figures), labels(*rows), policy)["verdict"] == "review").to_list() == fires


def test_only_usable_labels_are_judged_and_in_order() -> None:
    rows = [label(40, labeler="b"), label(40, labeler="a"), label(20), label(30, status="refused")]
    made = decide(measurements(), labels(*rows), Policy(name="lax", rules=()))
    assert made.select("keyframe_id", "labeler").rows() == [
        ("c-02000000", "rules"),
        ("c-04000000", "a"),
        ("c-04000000", "b"),
    ]
    assert made["verdict"].to_list() == ["keep"] * 3
    assert made["reasons"].to_list() == [[], [], []]


def test_rule_for_some_labelers() -> None:
    rule = {"rule": "r", "instrument": "i", "name": "n", "op": ">", "value": 0, "verdict": "reject", "missing": "fire"}
    policy = Policy.model_validate({"name": "p", "rules": [rule | {"labelers": ["model"]}]})
    made = decide(measurements(), labels(label(labeler="model"), label(labeler="rules")), policy)
    assert dict(made.select("labeler", "verdict").iter_rows()) == {"model": "reject", "rules": "keep"}


def test_of_several_versions_the_last_counts() -> None:
    figures = [measurements(("text", "words", words), version=version) for version, words in (("10", 9), ("9", 0))]
    assert decide(pl.concat(figures), labels(label()), POLICY)["verdict"].to_list() == ["keep"]


def test_rejects() -> None:
    rows = labels(label(20), label(30, status="error", reason="timed out"), label(40), label(50))
    given = [(20, 0), (40, None), (50, 9)]
    figures = pl.concat([measurements(("text", "words", v), label_id=label(f)["label_id"]) for f, v in given])
    made = rejected(decide(figures, rows, POLICY), figures, rows, POLICY)
    assert made.schema == schemas.REJECTS.schema
    assert made.select("keyframe_id", "reason", "hint").rows() == [
        ("c-02000000", "empty", "no words (text.words == 0: measured 0.0; why)"),
        ("c-03000000", "status_error", "the labeler gave no usable label: timed out"),
        ("c-04000000", "empty", "no words (text.words == 0: not measured)"),
    ]
    assert made.select("stage", "severity", "clip_id", "chunk").unique().rows() == [
        ("filtered_coc", "rejected", "c", "0000")
    ]
    assert made["label_id"].to_list() == [row["label_id"] for row in (label(20), label(30), label(40))]


def test_version_follows_what_the_policy_says() -> None:
    assert re.fullmatch(r"strict@[0-9a-f]{12}", POLICY.version)
    assert parse_policy("# a comment\n" + RULES.replace("value: 3", "value: 3.0"), "x").version == POLICY.version
    assert parse_policy(RULES.replace("value: 3", "value: 4"), "x").version != POLICY.version


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("name: [", "p.yaml is not valid YAML", id="no YAML"),
        pytest.param("- a", "p.yaml must hold `name` and `rules`, not list", id="no mapping"),
        pytest.param("name: p", "rules: missing; add it", id="no rules"),
        pytest.param(
            RULES.replace("value: 3", "valeu: 3"), "rule 'short' (number 3), valeu: unknown key", id="misspelt"
        ),
        pytest.param(RULES.replace('op: ">"', 'op: "!="'), "rule 'noted' (number 4), op: should be", id="operator"),
        pytest.param(RULES.replace("verdict: review", "verdict: drop"), "got 'drop'", id="verdict"),
        pytest.param(RULES.replace("rule: short", "rule: empty"), "rules named twice: ['empty']", id="twice"),
        pytest.param(RULES.replace("value: 3", "value: .nan"), "rule 'short' (number 3), value", id="not a number"),
        pytest.param("name: p\nrules: [slow]", "rule 'slow' (number 1)", id="a rule that is only a word"),
    ],
)
def test_errors_name_the_file_the_rule_and_the_mend(text: str, said: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(said)) as caught:
        parse_policy(text, "p.yaml")
    assert "filtering.policy: p.yaml" in str(caught.value)


def test_policy_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(RULES)
    assert load_policy(str(path)) == POLICY


def test_unknown_policy_names_the_packaged_ones() -> None:
    with pytest.raises(
        PolicyError, match=r"^filtering\.policy: 'mine' is neither packaged \(default\) nor a readable file.*Set it to"
    ):
        load_policy("mine")


def test_packaged_policies_are_valid_and_say_what_to_do() -> None:
    assert packaged_policies() == ["default"]
    for rule in load_policy("default").rules:
        assert rule.hint, rule.rule
