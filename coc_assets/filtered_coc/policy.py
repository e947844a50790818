"""Policies: named rules that turn measurements into verdicts, read from YAML and versioned by their content.

A changed policy makes new verdicts from the same measurements (label rules, Measurements and verdicts).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources as package_files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from resources import schemas
from resources.settings import SettingsError, describe

STAGE = "filtered_coc"
BY_SEVERITY: tuple[schemas.Verdict, ...] = ("reject", "review", "keep")
"""The gravest verdict of the rules that fire holds; a final rule goes before all others."""
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
        final: where it fires, its verdict holds over those of all rules that are not; of several the gravest.
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
    final: bool = False
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


@lru_cache(maxsize=16)
def parse_policy(text: str, source: str) -> Policy:
    """A policy from YAML text; `source` is named in errors.

    Equal texts are parsed once: whoever looks at every chunk asks for the same policy each time.

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


def decide(
    measurements: pl.DataFrame, labels: pl.DataFrame, policy: Policy, *, key: Sequence[str] = ("label_id",)
) -> pl.DataFrame:
    """One verdict a usable label.

    Args:
        measurements: rows of `measurements`; of several rows of one figure the last counts, which is the newest.
        labels: rows of `raw_coc`; only those with status ok are judged.
        key: columns that a label and its measurements share; with labels of several chunks, `chunk` is one.

    Returns:
        Rows of `filtered_coc` by keyframe, labeler and label. `reasons` are the names of the rules that fired: final
        ones first, then gravest verdict first, and in the policy's order within one.
    """
    judged = labels.filter(pl.col("status") == "ok").sort("keyframe_id", "labeler", "label_id")
    rows = _rows_looked_at(measurements, judged, policy, key)
    values = measurements["value"]
    figures = judged.select("labeler").with_columns(
        values.gather(_present(rows[:, number])).alias(_column(rule)) for number, rule in enumerate(policy.rules)
    )
    verdicts = judged.select("chunk", "label_id", "keyframe_id", "clip_id", "labeler").with_columns(
        *_in_words(figures.select("labeler", *(_fires(rule) for rule in policy.rules)), policy),
        pl.lit(policy.version).alias("policy_version"),
    )
    return schemas.conform(verdicts, schemas.VERDICTS)


def rejected(
    verdicts: pl.DataFrame,
    measurements: pl.DataFrame,
    labels: pl.DataFrame,
    policy: Policy,
    *,
    key: Sequence[str] = ("label_id",),
) -> pl.DataFrame:
    """Rows of `rejects`: one a label that the policy rejects, and one a label whose status is not ok.

    The reason is the first rule that fired, or `status_<status>`; the hint adds the figure that it fired on.
    """
    by_policy = _with_figure(
        verdicts.filter(pl.col("verdict") == "reject").with_columns(reason=pl.col("reasons").list.first()),
        measurements,
        policy,
        key,
    )
    figure = pl.format(
        " ({}: measured {}{})", "is", pl.col("value").round(3), pl.format("; {}", "detail").fill_null("")
    )
    said = by_policy.with_columns(
        hint=pl.concat_str(pl.col("said"), figure.fill_null(pl.format(" ({}: not measured)", "is")))
    )
    by_status = labels.filter(pl.col("status") != "ok").with_columns(
        hint=pl.format("the labeler gave no usable label: {}", pl.col("reason").fill_null("it left no reason")),
        reason=pl.format("status_{}", "status"),
    )
    columns = ["chunk", "clip_id", "keyframe_id", "label_id", "reason", "hint"]
    rows = pl.concat([said.select(columns), by_status.select(columns)]).sort("keyframe_id", "label_id")
    return schemas.conform(rows.with_columns(stage=pl.lit(STAGE), severity=pl.lit("rejected")), schemas.REJECTS)


def _in_words(fires: pl.DataFrame, policy: Policy) -> list[pl.Series]:
    """Verdict and reasons of each label, from whether each rule fires on it.

    However many labels there are, they fail in few ways; each way is put in words once.
    """
    gravest_first = sorted(policy.rules, key=lambda rule: (not rule.final, BY_SEVERITY.index(rule.verdict)))
    ways = fires.unique().with_columns(
        pl.coalesce(
            *(pl.when(_column(rule)).then(pl.lit(rule.verdict)) for rule in gravest_first), pl.lit("keep")
        ).alias("verdict"),
        pl.concat_list(
            *(pl.when(_column(rule)).then(pl.lit(rule.rule)) for rule in gravest_first), pl.lit(None, pl.String)
        )
        .list.drop_nulls()
        .alias("reasons"),
    )
    said = fires.join(ways, on=fires.columns, how="left", nulls_equal=True, maintain_order="left")
    return [said["verdict"], said["reasons"]]


def _with_figure(rejects: pl.DataFrame, measurements: pl.DataFrame, policy: Policy, key: Sequence[str]) -> pl.DataFrame:
    """Adds what the rule that rejects each label says, and the figure that it fired on."""
    rules = pl.DataFrame(
        [
            {"reason": rule.rule, "number": number, "said": rule.hint, "is": rule.condition}
            for number, rule in enumerate(policy.rules)
        ],
        schema={"reason": pl.String, "number": pl.Int64, "said": pl.String, "is": pl.String},
    )
    explained = rejects.join(rules, on="reason", how="left", maintain_order="left")
    rows = _rows_looked_at(measurements, explained, policy, key)
    row = _present(rows[np.arange(explained.height), explained["number"].to_numpy()])
    return explained.with_columns(measurements["value"].gather(row), measurements["detail"].gather(row))


def _rows_looked_at(
    measurements: pl.DataFrame, labels: pl.DataFrame, policy: Policy, key: Sequence[str]
) -> npt.NDArray[np.int64]:
    """Of each label (row) and rule (column) the row of `measurements` that the rule looks at, -1 where there is none.

    Of several versions of an instrument it is the last row, which was measured last.
    """
    distinct = labels.select(key).unique(maintain_order=True).with_row_index("place")
    label = _label_of_row(measurements, distinct, key)
    own = np.flatnonzero(label >= 0)
    figure, columns = _figure_of_row(measurements.select("instrument", "name")[own], policy)
    found = own[figure >= 0]
    rows = np.full((distinct.height, max(columns, default=-1) + 1), -1, np.int64)
    rows[label[found], figure[figure >= 0]] = found  # of several rows to one place the last remains
    place = labels.select(key).join(distinct, on=list(key), how="left", maintain_order="left")["place"].to_numpy()
    return rows[np.ix_(place, np.array(columns, np.int64))]


def _label_of_row(measurements: pl.DataFrame, labels: pl.DataFrame, key: Sequence[str]) -> npt.NDArray[np.int64]:
    """Place of the label that each measurement is of, -1 for none of them.

    Rows of one label lie together as a rule, so that only the first of each run is looked up.
    """
    begins = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in key)
    begins = begins | (pl.int_range(pl.len()) == 0)
    run = measurements.select(begins.alias("begins"))["begins"]
    first = measurements.filter(run).select(key).join(labels, on=list(key), how="left", maintain_order="left")
    return first["place"].cast(pl.Int64).fill_null(-1).to_numpy()[run.cum_sum().to_numpy() - 1]


def _figure_of_row(measurements: pl.DataFrame, policy: Policy) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Which of the figures that rules look at each measurement is, -1 for none, and which one each rule looks at."""
    wanted = list(dict.fromkeys((rule.instrument, rule.name) for rule in policy.rules))
    instruments = sorted({instrument for instrument, _ in wanted})
    names = sorted({name for _, name in wanted})
    numbers = np.full((len(instruments) + 1, len(names) + 1), -1, np.int64)  # the last of each is any other
    for number, (instrument, name) in enumerate(wanted):
        numbers[instruments.index(instrument), names.index(name)] = number
    figure = numbers[_codes(measurements["instrument"], instruments), _codes(measurements["name"], names)]
    return figure, [wanted.index((rule.instrument, rule.name)) for rule in policy.rules]


def _codes(texts: pl.Series, known: Sequence[str]) -> npt.NDArray[np.int64]:
    """Each text's place among the known ones, -1 for others and for null."""
    codes = texts.cast(pl.Enum(known), strict=False).to_physical().cast(pl.Int64)
    return codes.fill_null(-1).to_numpy()


def _present(rows: npt.NDArray[np.int64]) -> pl.Series:
    """Row numbers to gather, null where there is none."""
    found = pl.Series("row", rows, pl.Int64)
    return found.set(found < 0, None)


def _column(rule: Rule) -> str:
    return f"rule {rule.rule}"


def _fires(rule: Rule) -> pl.Expr:
    met = _COMPARE[rule.op](pl.col(_column(rule)), rule.value).fill_null(rule.missing == "fire")
    of_labeler = met if rule.labelers is None else met & pl.col("labeler").is_in(rule.labelers)
    return of_labeler.alias(_column(rule))


def _place(values: dict[str, Any], location: tuple[int | str, ...]) -> str:
    """Where in the policy an error is, with the rule's own name where it has one."""
    if len(location) < 2 or location[0] != "rules" or not isinstance(location[1], int):
        return ".".join(map(str, location)) or "policy"
    rule = values["rules"][location[1]]
    name = rule.get("rule", "without a name") if isinstance(rule, dict) else rule
    return f"rule {name!r} (number {location[1] + 1})" + "".join(f", {part}" for part in location[2:])
