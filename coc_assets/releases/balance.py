"""Which samples a release takes: shares and ceilings by class, and a count in all.

Every choice goes by a hash of the sample's key alone. So a share keeps the same samples whatever other chunks there
are, and no choice moves a sample to another split: splits belong to clips and are taken as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from resources import schemas
from resources.settings import SettingsError
from resources.settings.release import BalancedBy, BalanceRule, ReleaseSettings
from resources.stable_hash import place_of

Step = Literal["weight", "cap", "target", "order"]
"""What a hash is drawn for. Each step has its own: were they one, the samples that a weight left would all be among
the first that a cap or a target takes, and the weight would be undone."""
Reason = Literal["weight", "over_cap", "over_target"]

NONE = "none"
"""Class of what names no decision, action or scene."""
BETWEEN = " + "
"""Between the two channels in the name of a class of `decision`."""
LEFT_OUT = pl.Schema({"chunk": pl.String, "key": pl.String, "clip_id": pl.String, "split": pl.String,
                      "reason": pl.String, "by": pl.String, "of_class": pl.String})  # fmt: skip

_COLUMNS: Mapping[BalancedBy, tuple[str, ...]] = {
    "decision": ("longitudinal_decision", "lateral_decision"),
    "longitudinal_decision": ("longitudinal_decision",),
    "lateral_decision": ("lateral_decision",),
    "meta_action": ("action",),
    "scene": ("scenario",),
}
_NAMES: Mapping[str, Sequence[str]] = {
    "longitudinal_decision": schemas.LONGITUDINAL_DECISIONS,
    "lateral_decision": schemas.LATERAL_DECISIONS,
    "action": schemas.META_ACTIONS,
    "scenario": schemas.SCENARIOS,
}


class BalanceError(SettingsError):
    """`release.balance` names a class that there is not; the message lists those that there are."""


@dataclass(frozen=True)
class Balanced:
    """The samples that stay, and those that do not with the rule and class that left them out (`LEFT_OUT`)."""

    kept: pl.DataFrame
    left_out: pl.DataFrame


def place(step: Step, key: str) -> float:
    """Where a sample stands among all that there could be, in [0, 1), for one step of the choice."""
    return place_of(f"{step}:{key}")


def classes(samples: pl.DataFrame, by: BalancedBy) -> pl.Series:
    """The class of each sample, `none` where it has none; of `decision`, `<longitudinal> + <lateral>`."""
    named = [pl.col(column).fill_null(NONE) for column in _COLUMNS[by]]
    return samples.select(of_class=pl.concat_str(named, separator=BETWEEN))["of_class"]


def balance(samples: pl.DataFrame, settings: ReleaseSettings) -> Balanced:
    """The samples that the rules and the target leave, weights before caps before the target.

    Args:
        samples: `chunk`, `key`, `clip_id`, `split`, `longitudinal_decision`, `lateral_decision`, `action`, `scenario`.

    Returns:
        Both frames in the order of `samples`; those kept with its columns.

    Raises:
        BalanceError: a rule names a class that there is not.
    """
    for rule in settings.balance:
        _require_classes(samples, rule)
    kept, left_out = samples, []
    for leave_out in (_over_weight, _over_cap, _over_target):
        gone = leave_out(kept, settings)
        left_out.append(_left_out_rows(kept, gone))
        kept = kept.filter(~pl.col("key").is_in(list(gone)))
    order = samples.select("key").with_row_index("at")
    ordered = pl.concat(left_out).join(order, on="key").sort("at").select(LEFT_OUT.names())
    return Balanced(kept, ordered)


@dataclass(frozen=True)
class _Why:
    reason: Reason
    by: str | None = None
    of_class: str | None = None


def _over_weight(samples: pl.DataFrame, settings: ReleaseSettings) -> dict[str, _Why]:
    """Samples outside the share of one of their classes: those whose place lies at or above its weight."""
    gone: dict[str, _Why] = {}
    for rule in settings.balance:
        for key, of_class in _members(samples, rule):
            if place("weight", key) >= rule.weights.get(of_class, 1.0):
                gone.setdefault(key, _Why("weight", rule.by, of_class))
    return gone


def _over_cap(samples: pl.DataFrame, settings: ReleaseSettings) -> dict[str, _Why]:
    """Samples that find one of their classes full, within a split, when all are taken in the order of their places."""
    rules = [rule for rule in settings.balance if rule.cap is not None or rule.caps]
    class_of = [dict(_members(samples, rule)) for rule in rules]
    taken: Counter[tuple[int, str, str]] = Counter()
    gone: dict[str, _Why] = {}
    for split, key in sorted(samples.select("split", "key").iter_rows(), key=lambda row: place("cap", row[1])):
        held = [(at, split, class_of[at][key]) for at in range(len(rules)) if key in class_of[at]]
        full = [slot for slot in held if taken[slot] >= _cap(rules[slot[0]], slot[2])]
        if full:
            at, _, of_class = full[0]
            gone[key] = _Why("over_cap", rules[at].by, of_class)
        else:
            taken.update(held)
    return gone


def _over_target(samples: pl.DataFrame, settings: ReleaseSettings) -> dict[str, _Why]:
    """Samples beyond the count that is wanted of all splits together."""
    if settings.target_count is None or samples.height <= settings.target_count:
        return {}
    ordered = sorted(samples["key"], key=lambda key: place("target", key))
    return dict.fromkeys(ordered[settings.target_count :], _Why("over_target"))


def _members(samples: pl.DataFrame, rule: BalanceRule) -> list[tuple[str, str]]:
    """Key and class of each sample that a rule speaks of."""
    spoken_of = samples.filter(pl.col("split").is_in(rule.splits)) if rule.splits else samples
    return list(zip(spoken_of["key"].to_list(), classes(spoken_of, rule.by).to_list(), strict=True))


def _cap(rule: BalanceRule, of_class: str) -> float:
    cap = rule.caps.get(of_class, rule.cap)
    return float("inf") if cap is None else cap


def _left_out_rows(samples: pl.DataFrame, gone: Mapping[str, _Why]) -> pl.DataFrame:
    why = pl.DataFrame(
        [(key, one.reason, one.by, one.of_class) for key, one in gone.items()],
        schema={name: LEFT_OUT[name] for name in ("key", "reason", "by", "of_class")},
        orient="row",
    )
    return samples.select("chunk", "key", "clip_id", "split").join(why, on="key").select(LEFT_OUT.names())


def _require_classes(samples: pl.DataFrame, rule: BalanceRule) -> None:
    present = set(classes(samples, rule.by))
    unknown = sorted(name for name in {*rule.caps, *rule.weights} - present if not _is_class(name, rule.by))
    if unknown:
        raise BalanceError(
            f"release.balance by {rule.by} names {', '.join(map(repr, unknown))}, which is no class. The samples have: "
            f"{', '.join(sorted(present)) or 'none at all'}."
        )


def _is_class(name: str, by: BalancedBy) -> bool:
    """Whether a sample could be of this class, though none is just now."""
    parts, columns = name.split(BETWEEN), _COLUMNS[by]
    return len(parts) == len(columns) and all(
        part == NONE or part in _NAMES[column] for part, column in zip(parts, columns, strict=True)
    )
