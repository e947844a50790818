from __future__ import annotations

import numpy as np
import pytest

from coc_assets.meta_actions.rules import AXES, LATERAL, LONGITUDINAL, Cut, cut_thresholds, program, threshold
from resources.schemas import LATERAL_ACTIONS, LONGITUDINAL_ACTIONS
from resources.settings.meta_actions import MetaActionSettings

SETTINGS = MetaActionSettings()


@pytest.mark.parametrize(("axis", "actions"), [(LONGITUDINAL, LONGITUDINAL_ACTIONS), (LATERAL, LATERAL_ACTIONS)])
def test_every_action_has_one_rule_and_the_last_always_holds(axis, actions):
    assert sorted(rule.action for rule in axis.rules) == sorted(actions)
    assert axis.rules[-1].conditions == ()


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.axis)
def test_tables_name_only_what_there_is(axis):
    measures = {measure.name for measure in axis.measures}
    assert {cut.series for cut in axis.cuts} <= set(axis.series)
    assert {condition.measure for rule in axis.rules for condition in rule.conditions} <= measures
    names = [cut.threshold for cut in axis.cuts] + [rule.minimum for rule in axis.rules]
    names += [condition.threshold for rule in axis.rules for condition in rule.conditions]
    assert {name.removeprefix("-") for name in names} <= set(MetaActionSettings.model_fields)


def test_axes_have_as_many_measures_as_each_other():
    assert len({len(axis.measures) for axis in AXES}) == 1


def test_every_threshold_is_used_by_a_table_or_the_scan():
    used = {cut.threshold for axis in AXES for cut in axis.cuts}
    used |= {cut.hysteresis or "" for axis in AXES for cut in axis.cuts}
    used |= {rule.minimum for axis in AXES for rule in axis.rules}
    used |= {measure.least or "" for axis in AXES for measure in axis.measures}
    used |= {condition.threshold for axis in AXES for rule in axis.rules for condition in rule.conditions}
    of_the_scan = {"hold_ticks", "smoothing_ticks"}
    assert {name.removeprefix("-") for name in used} - {""} | of_the_scan == set(MetaActionSettings.model_fields)


def test_a_leading_minus_negates_a_threshold():
    assert (threshold(SETTINGS, "stop_speed"), threshold(SETTINGS, "-stop_speed")) == (0.12, -0.12)


@pytest.mark.parametrize(
    ("cut", "first_on_off"),
    [
        (Cut("speed", "cut_speed"), (0.3, 0.3, 0.3)),
        (Cut("speed", "-cut_speed"), (-0.3, -0.3, -0.3)),
        (Cut("speed", "cut_strong", "cut_hysteresis"), (1.25, 1.15 * 1.25, 0.85 * 1.25)),
        (Cut("speed", "-cut_strong", "cut_hysteresis"), (-1.25, 0.85 * -1.25, 1.15 * -1.25)),
    ],
)
def test_hysteresis_widens_a_cut_on_both_sides_of_zero(cut, first_on_off):
    assert cut_thresholds(cut, SETTINGS) == first_on_off


def test_program_follows_the_settings():
    stricter = program(LONGITUDINAL, MetaActionSettings(strong_acceleration=2.0, longitudinal_minimum_ticks=20))
    assert 2.0 in stricter.condition_threshold
    assert 2.0 not in program(LONGITUDINAL, SETTINGS).condition_threshold
    assert np.allclose(stricter.minimum_s, [2.0] * 6 + [1.2])
