"""Settings of the release section."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from resources.settings.section import Section
from resources.settings.shards import SplitName

BalancedBy = Literal["decision", "longitudinal_decision", "lateral_decision", "meta_action", "scene"]
Cap = Annotated[int, Field(ge=0)]
Weight = Annotated[float, Field(ge=0.0, le=1.0)]


class BalanceRule(Section):
    """How much of each class a release takes; which samples stay is decided by a hash of their key alone."""

    by: BalancedBy = Field(description="what a class is: the decisions of both channels or of one, meta_action, scene")
    cap: Cap | None = Field(None, description="most samples of any class")
    caps: dict[str, Cap] = Field({}, description="most samples of a class, by its name; goes before cap")
    weights: dict[str, Weight] = Field({}, description="share of a class that stays, by its name; others stay whole")
    splits: tuple[SplitName, ...] = Field(("train",), description="splits that are balanced; empty: all")

    @model_validator(mode="after")
    def _does_something(self) -> BalanceRule:
        if self.cap is None and not self.caps and not self.weights:
            raise ValueError("does nothing; give cap, caps or weights")
        return self


class ReleaseSettings(Section):
    """Which of a store's samples a release takes, and how it packs them."""

    balance: tuple[BalanceRule, ...] = Field((), description="rules that hold together, in any order")
    target_count: int | None = Field(None, ge=1, description="most samples of the release, after balancing")
    shards_multiple_of: int = Field(
        1, ge=1, description="shards of a split come in multiples of this (ranks x workers), where samples suffice"
    )
