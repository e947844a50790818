"""Policies: named rules that turn measurements into verdicts, read from YAML and versioned by their content.

A changed policy makes new verdicts from the same measurements (label rules, Measurements and verdicts).
"""

from __future__ import annotations

import hashlib
import json
from importlib import resources as package_files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from resources import schemas
from resources.settings import SettingsError, describe

STAGE = "filtered_coc"
BY_SEVERITY: tuple[schemas.Verdict, ...] = ("reject", "review", "keep")
"""The gravest verdict of the rules that fire holds."""
_VERSION_DIGITS = 12
_PACKAGED = package_files.files("coc_assets.filtered_coc") / "policies"
_COMPARE = {"<": pl.Expr.lt, "<=": pl.Expr.le, "==": pl.Expr.eq, ">=": pl.Expr.ge, ">": pl.Expr.gt}

Operator = Literal["<", "<=", "==", ">=", ">"]
RuleName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class PolicyError(SettingsError):
    """`filtering.policy` cannot be used; the message names the file, the rule and the mend."""


class Rule(BaseModel):
    """One condition on one measurement, and what it says of a label.

    Attributes:
        rule: the rule's own name; becomes a reason.
        instrument, name: the measurement.
        op, value: fires where the measurement compares true with the value.
        verdict: what a label is where the rule fires and no graver one does.
        missing: what to do where the measurement is null or absent.
        labelers: judges only these labelers; null is all.
        hint: what is wrong and the mend, for whoever reads the reject.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: RuleName
    instrument: str
    name: str
    op: Operator
    value: FiniteFloat
    verdict: schemas.Verdict
    missing: Literal["ignore", "fire"] = "ignore"
    labelers: tuple[str, ...] | None = None
    hint: str = ""

    @property
    def condition(self) -> str:
        return f"{self.instrument}.{self.name} {self.op} {self.value:g}"


class Policy(BaseModel):
    """Rules in the order in which their reasons are listed.

    Attributes:
        name: becomes part of the version.
        about: what the policy is for.
        rules: each with a name of its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    about: str = ""
    rules: tuple[Rule, ...]

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [rule.rule for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"rules named twice: {twice}; give each rule a name of its own")
        return self

    @property
    def version(self) -> str:
        """`<name>@<12 hex>`: the hash changes with anything the policy says, and not with comments or layout."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return f"{self.name}@{hashlib.sha256(content.encode()).hexdigest()[:_VERSION_DIGITS]}"


def load_policy(name_or_path: str) -> Policy:
    """A packaged policy by its name, or any other by the path of its YAML file.

    Raises:
        PolicyError: there is no such policy, or it is not valid.
    """
    packaged = _PACKAGED / f"{name_or_path}.yaml"
    path = packaged if name_or_path in packaged_policies() else Path(name_or_path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(
            f"filtering.policy: {name_or_path!r} is neither packaged ({', '.join(packaged_policies())}) nor a readable "
            f"file ({error.__class__.__name__}). Set it to a packaged policy or to the path of a policy's YAML file."
        ) from None
    return parse_policy(text, str(path))


def packaged_policies() -> list[str]:
    """Names of the policies that come with the package."""
    return sorted(file.name.removesuffix(".yaml") for file in _PACKAGED.iterdir() if file.name.endswith(".yaml"))


def parse_policy(text: str, source: str) -> Policy:
    """A policy from YAML text; `source` is named in errors.

    Raises:
        PolicyError: not YAML, or not a policy.
    """
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PolicyError(f"filtering.policy: {source} is not valid YAML: {error}. Correct it there.") from None
    if not isinstance(values, dict):
        raise PolicyError(f"filtering.policy: {source} must hold `name` and `rules`, not {type(values).__name__}.")
    try:
        return Policy.model_validate(values)
    except ValidationError as error:
        lines = [f"  {_place(values, item['loc'])}: {describe(item)}" for item in error.errors()]
        raise PolicyError("\n".join([f"filtering.policy: {source} is not usable:", *lines])) from None


def decide(measurements: pl.DataFrame, labels: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """One verdict a usable label.

    Args:
        measurements: rows of `measurements`; of several versions of an instrument the last counts.
        labels: rows of `raw_coc`; only those with status ok are judged.

    Returns:
        Rows of `filtered_coc` by keyframe, labeler and label. `reasons` are the names of the rules that fired, gravest
        verdict first and in the policy's order within one.
    """
    judged = labels.filter(pl.col("status") == "ok").join(
        _values(measurements, policy), on="label_id", how="left", maintain_order="left"
    )
    gravest_first = sorted(policy.rules, key=lambda rule: BY_SEVERITY.index(rule.verdict))
    fires = [(rule, _fires(rule)) for rule in gravest_first]
    verdicts = judged.sort("keyframe_id", "labeler", "label_id").select(
        "chunk",
        "label_id",
        "keyframe_id",
        "clip_id",
        "labeler",
        pl.coalesce(*(pl.when(met).then(pl.lit(rule.verdict)) for rule, met in fires), pl.lit("keep")).alias("verdict"),
        pl.concat_list(*(pl.when(met).then(pl.lit(rule.rule)) for rule, met in fires), pl.lit(None, pl.String))
        .list.drop_nulls()
        .alias("reasons"),
        pl.lit(policy.version).alias("policy_version"),
    )
    return schemas.conform(verdicts, schemas.VERDICTS)


def rejected(verdicts: pl.DataFrame, measurements: pl.DataFrame, labels: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Rows of `rejects`: one a label that the policy rejects, and one a label whose status is not ok.

    The reason is the first rule that fired, or `status_<status>`; the hint adds the figure that it fired on.
    """
    rules = pl.DataFrame(
        [
            {"reason": r.rule, "instrument": r.instrument, "name": r.name, "said": r.hint, "is": r.condition}
            for r in policy.rules
        ],
        schema=dict.fromkeys(("reason", "instrument", "name", "said", "is"), pl.String),
    )
    figure = pl.format(
        " ({}: measured {}{})", "is", pl.col("value").round(3), pl.format("; {}", "detail").fill_null("")
    )
    by_policy = (
        verdicts.filter(pl.col("verdict") == "reject")
        .with_columns(pl.col("reasons").list.first().alias("reason"))
        .join(rules, on="reason", how="left", maintain_order="left")
        .join(_latest(measurements), on=["label_id", "instrument", "name"], how="left", maintain_order="left")
        .with_columns(hint=pl.concat_str(pl.col("said"), figure.fill_null(pl.format(" ({}: not measured)", "is"))))
    )
    by_status = labels.filter(pl.col("status") != "ok").with_columns(
        hint=pl.format("the labeler gave no usable label: {}", pl.col("reason").fill_null("it left no reason")),
        reason=pl.format("status_{}", "status"),
    )
    columns = ["chunk", "clip_id", "keyframe_id", "label_id", "reason", "hint"]
    rows = pl.concat([by_policy.select(columns), by_status.select(columns)]).sort("keyframe_id", "label_id")
    return schemas.conform(rows.with_columns(stage=pl.lit(STAGE), severity=pl.lit("rejected")), schemas.REJECTS)


def _latest(measurements: pl.DataFrame) -> pl.DataFrame:
    """Of several versions of an instrument, the figures of the last."""
    newest_last = measurements.sort(pl.col("version").str.len_chars(), "version", maintain_order=True)
    return newest_last.unique(["label_id", "instrument", "name"], keep="last", maintain_order=True)


def _values(measurements: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """A row a label and a column a rule: the figure that the rule looks at."""
    wanted = pl.DataFrame(
        [{"instrument": rule.instrument, "name": rule.name, "rule": rule.rule} for rule in policy.rules],
        schema=dict.fromkeys(("instrument", "name", "rule"), pl.String),
    )
    named = _latest(measurements).join(wanted, on=["instrument", "name"])
    wide = named.pivot("rule", index="label_id", values="value")
    absent = [rule.rule for rule in policy.rules if rule.rule not in wide.columns]
    return wide.select(
        "label_id",
        *(
            (pl.lit(None, pl.Float64) if rule.rule in absent else pl.col(rule.rule)).alias(_column(rule))
            for rule in policy.rules
        ),
    )


def _column(rule: Rule) -> str:
    return f"figure of {rule.rule}"


def _fires(rule: Rule) -> pl.Expr:
    met = _COMPARE[rule.op](pl.col(_column(rule)), rule.value).fill_null(rule.missing == "fire")
    return met if rule.labelers is None else met & pl.col("labeler").is_in(rule.labelers)


def _place(values: dict[str, Any], location: tuple[int | str, ...]) -> str:
    """Where in the policy an error is, with the rule's own name where it has one."""
    if len(location) < 2 or location[0] != "rules" or not isinstance(location[1], int):
        return ".".join(map(str, location)) or "policy"
    rule = values["rules"][location[1]]
    name = rule.get("rule", "without a name") if isinstance(rule, dict) else rule
    return f"rule {name!r} (number {location[1] + 1})" + "".join(f", {part}" for part in location[2:])
