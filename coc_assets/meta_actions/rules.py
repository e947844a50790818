"""The meta-action rules as tables, and their translation into the arrays that the compiled kernels run.

The tables say everything: which series cut a timeline, which figures a segment gets, and the first action whose
conditions all hold names it. A threshold is the name of a field of `MetaActionSettings`; a leading minus negates it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np

from coc_assets.sources.egomotion import FRAME_S
from resources.settings.meta_actions import MetaActionSettings

DURATION = "duration"

Comparison = Literal[">=", "<="]
How = Literal["change", "sum", "mean", "ratio"]


class Cut(NamedTuple):
    """A series that cuts the timeline where it crosses the threshold.

    Without hysteresis it is up while `series >= threshold`; with it, it goes up and down that part of the threshold
    above and below it.
    """

    series: str
    threshold: str
    hysteresis: str | None = None


class Measure(NamedTuple):
    """A figure of a segment `[s, e)`.

    `change`: series[e] − series[s], for series that reach tick e, as the longitudinal ones do. `sum` and `mean`: over
    the series. `ratio`: one measure over another, or over the duration; 0 unless the divisor exceeds `least`. Merging
    adds changes and sums, weighs means by duration and takes ratios anew.
    """

    name: str
    how: How
    of: str
    over: str = DURATION
    least: str | None = None


class Condition(NamedTuple):
    measure: str
    comparison: Comparison
    threshold: str


class Rule(NamedTuple):
    """An action, what must hold for it, and how many ticks it lasts at least."""

    action: str
    minimum: str
    conditions: tuple[Condition, ...]


class AxisRules(NamedTuple):
    """All rules of one axis; `series` lists what the kernels compute for it, in their order."""

    axis: Literal["longitudinal", "lateral"]
    series: tuple[str, ...]
    cuts: tuple[Cut, ...]
    measures: tuple[Measure, ...]
    rules: tuple[Rule, ...]


def _all(*conditions: tuple[str, Comparison, str]) -> tuple[Condition, ...]:
    return tuple(Condition(*condition) for condition in conditions)


LONGITUDINAL = AxisRules(
    axis="longitudinal",
    series=("speed", "speed_along_heading", "smoothed_acceleration"),
    cuts=(
        Cut("speed_along_heading", "cut_speed"),
        Cut("speed_along_heading", "-cut_speed"),
        Cut("smoothed_acceleration", "cut_gentle", "cut_hysteresis"),
        Cut("smoothed_acceleration", "-cut_gentle", "cut_hysteresis"),
        Cut("smoothed_acceleration", "cut_strong", "cut_hysteresis"),
        Cut("smoothed_acceleration", "-cut_strong", "cut_hysteresis"),
    ),
    measures=(
        Measure("average_acceleration", "ratio", "delta_velocity"),
        Measure("delta_velocity", "change", "speed"),
        Measure("average_speed", "mean", "speed"),
        Measure("average_speed_along_heading", "mean", "speed_along_heading"),
    ),
    rules=(
        Rule("reverse", "longitudinal_minimum_ticks",
             _all(("average_speed_along_heading", "<=", "-reverse_speed"))),
        Rule("stop", "longitudinal_minimum_ticks",
             _all(("average_speed", "<=", "stop_speed"))),
        Rule("strong_acceleration", "longitudinal_minimum_ticks",
             _all(("average_acceleration", ">=", "strong_acceleration"),
                  ("delta_velocity", ">=", "speed_change"))),
        Rule("gentle_acceleration", "longitudinal_minimum_ticks",
             _all(("average_acceleration", ">=", "gentle_acceleration"),
                  ("average_acceleration", "<=", "strong_acceleration"),
                  ("delta_velocity", ">=", "speed_change"))),
        Rule("strong_deceleration", "longitudinal_minimum_ticks",
             _all(("average_acceleration", "<=", "-strong_acceleration"),
                  ("delta_velocity", "<=", "-speed_change"))),
        Rule("gentle_deceleration", "longitudinal_minimum_ticks",
             _all(("average_acceleration", ">=", "-strong_acceleration"),
                  ("average_acceleration", "<=", "-gentle_acceleration"),
                  ("delta_velocity", "<=", "-speed_change"))),
        Rule("maintain_speed", "maintain_speed_minimum_ticks", ()),
    ),
)  # fmt: skip

LATERAL = AxisRules(
    axis="lateral",
    series=("heading_step", "distance_step", "turn_rate", "speed_along_heading"),
    cuts=(
        Cut("speed_along_heading", "-cut_backing_speed"),
        Cut("turn_rate", "cut_turn_rate"),
        Cut("turn_rate", "-cut_turn_rate"),
        Cut("turn_rate", "cut_sharp_turn_rate"),
        Cut("turn_rate", "-cut_sharp_turn_rate"),
    ),
    measures=(
        Measure("heading_change", "sum", "heading_step"),
        Measure("distance", "sum", "distance_step"),
        Measure("turn_rate", "ratio", "heading_change", over="distance", least="negligible_distance"),
        Measure("average_speed_along_heading", "mean", "speed_along_heading"),
    ),
    rules=(
        Rule("reverse_right", "lateral_minimum_ticks",
             _all(("average_speed_along_heading", "<=", "-backing_speed"),
                  ("turn_rate", "<=", "-reverse_turn_rate"),
                  ("heading_change", "<=", "-sharp_heading_change"))),
        Rule("reverse_left", "lateral_minimum_ticks",
             _all(("average_speed_along_heading", "<=", "-backing_speed"),
                  ("turn_rate", ">=", "reverse_turn_rate"),
                  ("heading_change", ">=", "sharp_heading_change"))),
        Rule("sharp_steer_right", "lateral_minimum_ticks",
             _all(("turn_rate", "<=", "-sharp_turn_rate"),
                  ("heading_change", "<=", "-sharp_heading_change"))),
        Rule("sharp_steer_left", "lateral_minimum_ticks",
             _all(("turn_rate", ">=", "sharp_turn_rate"),
                  ("heading_change", ">=", "sharp_heading_change"))),
        Rule("steer_right", "lateral_minimum_ticks",
             _all(("turn_rate", "<=", "-steer_turn_rate"),
                  ("heading_change", "<=", "-steer_heading_change"))),
        Rule("steer_left", "lateral_minimum_ticks",
             _all(("turn_rate", ">=", "steer_turn_rate"),
                  ("heading_change", ">=", "steer_heading_change"))),
        Rule("go_straight", "lateral_minimum_ticks", ()),
    ),
)  # fmt: skip

AXES = (LONGITUDINAL, LATERAL)
"""In the order of the table's rows; both have the same number of measures."""

CUTTING_ACTION = "stop"
"""Lateral spans lose what overlaps a span of this action."""

# Compiled into the kernels, whose cache looks at kernels.py alone: change both files together.
HOWS: tuple[How, ...] = ("change", "sum", "mean", "ratio")
OVER_DURATION = -1


class Program(NamedTuple):
    """One axis's rules as arrays, indices in the order of its tables.

    Attributes:
        cut_series, cut_first, cut_on, cut_off: (cuts,) series, and the thresholds at the first tick, to go up, to go
            down.
        measure_how, measure_of, measure_over, measure_least: (measures,) index into `HOWS`; series, or measure for a
            ratio; divisor's measure or `OVER_DURATION`; least divisor.
        rule_conditions: (rules + 1,) where each rule's conditions begin in the arrays below, and their end.
        condition_measure, condition_sign, condition_threshold: it holds when sign · measure >= sign · threshold.
        minimum_s: (rules,) shortest duration, s.
    """

    cut_series: np.ndarray
    cut_first: np.ndarray
    cut_on: np.ndarray
    cut_off: np.ndarray
    measure_how: np.ndarray
    measure_of: np.ndarray
    measure_over: np.ndarray
    measure_least: np.ndarray
    rule_conditions: np.ndarray
    condition_measure: np.ndarray
    condition_sign: np.ndarray
    condition_threshold: np.ndarray
    minimum_s: np.ndarray


def threshold(settings: MetaActionSettings, name: str) -> float:
    """The setting of that name, negated where the name begins with a minus."""
    value = float(getattr(settings, name.removeprefix("-")))
    return -value if name.startswith("-") else value


def cut_thresholds(cut: Cut, settings: MetaActionSettings) -> tuple[float, float, float]:
    """Where a cut is up at the first tick, where it goes up later, and below what it goes down."""
    first = threshold(settings, cut.threshold)
    width = threshold(settings, cut.hysteresis) if cut.hysteresis else 0.0
    outer, inner = (1 + width) * first, (1 - width) * first
    return (first, outer, inner) if first >= 0 else (first, inner, outer)


def program(axis: AxisRules, settings: MetaActionSettings) -> Program:
    """The axis's tables with the settings' thresholds, as arrays for the kernels."""
    cuts = [cut_thresholds(cut, settings) for cut in axis.cuts]
    names = [measure.name for measure in axis.measures]
    conditions = [condition for rule in axis.rules for condition in rule.conditions]
    return Program(
        cut_series=_ints(axis.series.index(cut.series) for cut in axis.cuts),
        cut_first=_reals(first for first, _, _ in cuts),
        cut_on=_reals(on for _, on, _ in cuts),
        cut_off=_reals(off for _, _, off in cuts),
        measure_how=_ints(HOWS.index(measure.how) for measure in axis.measures),
        measure_of=_ints((names if m.how == "ratio" else axis.series).index(m.of) for m in axis.measures),
        measure_over=_ints(OVER_DURATION if m.over == DURATION else names.index(m.over) for m in axis.measures),
        measure_least=_reals(threshold(settings, m.least) if m.least else 0.0 for m in axis.measures),
        rule_conditions=np.cumsum([0, *(len(rule.conditions) for rule in axis.rules)]),
        condition_measure=_ints(names.index(condition.measure) for condition in conditions),
        condition_sign=_reals(1.0 if condition.comparison == ">=" else -1.0 for condition in conditions),
        condition_threshold=_reals(threshold(settings, condition.threshold) for condition in conditions),
        minimum_s=_reals(threshold(settings, rule.minimum) * FRAME_S for rule in axis.rules),
    )


def _ints(values: Iterable[int]) -> np.ndarray:
    return np.array(list(values), np.int64)


def _reals(values: Iterable[float]) -> np.ndarray:
    return np.array(list(values), np.float64)
