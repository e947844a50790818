from __future__ import annotations

import random
import re
from pathlib import Path

import polars as pl
import pytest

from coc_assets.filtered_coc.policy import (
    BY_SEVERITY,
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
    figures = [measurements(("text", "words", words), version=version) for version, words in (("9", 0), ("10", 9))]
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
        PolicyError,
        match=r"^filtering\.policy: 'mine' is neither packaged \(default, keep-all, strict\) nor a readable.*Set it to",
    ):
        load_policy("mine")


@pytest.mark.parametrize("name", ["default", "keep-all", "strict"])
def test_packaged_policies_are_valid_and_say_what_to_do(name: str) -> None:
    assert name in packaged_policies()
    policy = load_policy(name)
    assert policy.name == name
    assert policy.about
    for rule in policy.rules:
        assert rule.hint, rule.rule


def test_strict_is_nowhere_milder_than_default_and_keep_all_nowhere_graver() -> None:
    verdicts = {name: {rule.rule: rule.verdict for rule in load_policy(name).rules} for name in packaged_policies()}
    default = verdicts["default"]
    assert all(BY_SEVERITY.index(verdicts["strict"][rule]) <= BY_SEVERITY.index(default[rule]) for rule in default)
    assert verdicts["keep-all"].items() <= default.items()
    of_people = {"people_keep", "people_disagree", "people_reject"}
    assert set(verdicts["keep-all"]) == {"empty_text", "forbidden_tokens", "keyframe_gone"} | of_people


def test_labels_of_several_chunks_are_told_apart_by_the_key() -> None:
    rows = pl.concat([labels(label(40, chunk=chunk)) for chunk in ("0000", "0001")])
    figures = pl.concat(
        [measurements(("text", "words", words)).with_columns(chunk=pl.lit(chunk))
         for chunk, words in (("0001", 9), ("0000", 0))]
    )  # fmt: skip
    key = ("chunk", "label_id")
    made = decide(figures, rows, POLICY, key=key)
    assert dict(made.select("chunk", "verdict").iter_rows()) == {"0000": "reject", "0001": "keep"}
    left_out = rejected(made, figures, rows, POLICY, key=key)
    assert left_out.select("chunk", "hint").rows() == [("0000", "no words (text.words == 0: measured 0.0; why)")]


@pytest.mark.parametrize("seed", range(4))
def test_many_labels_at_once_are_judged_as_each_alone(seed: int) -> None:
    """Verdicts and reasons as a plain loop over labels and rules reads them, whatever the order of the rows."""
    draw = random.Random(seed)
    rows = [label(frame, labeler=name) for frame in range(20, 60) for name in ("rules", "model")]
    drawn = [
        (row["label_id"], version, rule.instrument, rule.name, draw.choice([None, 0, 1, 3, 5, 7, 9]))
        for row in rows for rule in (*POLICY.rules[:1], *POLICY.rules[2:]) for version in ("b", "a")
        if draw.random() < 0.8
    ]  # fmt: skip
    draw.shuffle(drawn)
    figures = pl.concat(
        [measurements((instrument, name, value), version=version, label_id=label_id)
         for label_id, version, instrument, name, value in drawn]
    )  # fmt: skip
    made = decide(figures, labels(*rows), POLICY)
    expected = {str(row["label_id"]): _plainly(str(row["label_id"]), drawn) for row in rows}
    assert {row["label_id"]: (row["verdict"], row["reasons"]) for row in made.to_dicts()} == expected
    assert {verdict for verdict, _ in expected.values()} == {"keep", "review", "reject"}


def _plainly(label_id: str, drawn: list[tuple[object, str, str, str, float | None]]) -> tuple[str, list[str]]:
    """The policy of this module read rule by rule; the last row of a figure counts."""
    figure = {(instrument, name): value for of, _, instrument, name, value in drawn if of == label_id}
    agrees, words, future = (
        figure.get(("motion", "agrees")),
        figure.get(("text", "words")),
        figure.get(("text", "future")),
    )
    fired = {
        "empty": words is None or words == 0,
        "short": words is not None and words <= 3,
        "slow": agrees is not None and agrees < 1,
        "noted": future is not None and future > 2,
    }
    reasons = [name for name, fires in fired.items() if fires]
    verdict = "reject" if fired["empty"] or fired["short"] else "review" if fired["slow"] else "keep"
    return verdict, reasons


@pytest.mark.parametrize(
    ("fires", "verdict", "reasons"),
    [
        ({"bad": 1}, "reject", ["bad"]),
        ({"bad": 1, "kept_by_people": 1}, "keep", ["kept_by_people", "bad"]),
        ({"kept_by_people": 1, "doubted_by_people": 1, "bad": 1}, "review",
         ["doubted_by_people", "kept_by_people", "bad"]),
    ],
)  # fmt: skip
def test_a_final_rule_holds_over_the_others(fires: dict[str, int], verdict: str, reasons: list[str]) -> None:
    figure = {"instrument": "i", "op": ">=", "value": 1}
    policy = Policy.model_validate(
        {
            "name": "p",
            "rules": [
                {"rule": "bad", "name": "bad", "verdict": "reject", **figure},
                {"rule": "kept_by_people", "name": "kept_by_people", "verdict": "keep", "final": True, **figure},
                {
                    "rule": "doubted_by_people",
                    "name": "doubted_by_people",
                    "verdict": "review",
                    "final": True,
                    **figure,
                },
            ],
        }
    )
    made = decide(measurements(*(("i", name, value) for name, value in fires.items())), labels(label()), policy)
    assert made.select("verdict", "reasons").rows() == [(verdict, reasons)]
