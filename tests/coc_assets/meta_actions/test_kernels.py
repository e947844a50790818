from __future__ import annotations

import numpy as np
import pytest

from coc_assets.bench import plain
from coc_assets.meta_actions import kernels
from coc_assets.meta_actions.rules import LATERAL, LONGITUDINAL, program
from resources.settings.meta_actions import MetaActionSettings

SETTINGS = MetaActionSettings()
PROGRAMS = {axis: program(axis, SETTINGS) for axis in (LONGITUDINAL, LATERAL)}


def bit(axis, series: str, threshold: str, values: list[float]) -> list[int]:
    """How the cut at that threshold sees the values of its series."""
    rows = np.zeros((len(axis.series), len(values)))
    rows[axis.series.index(series)] = values
    which = [(cut.series, cut.threshold) for cut in axis.cuts].index((series, threshold))
    return (kernels.states(rows, len(values), PROGRAMS[axis]) >> which & 1).tolist()


@pytest.mark.parametrize(
    ("threshold", "values", "expected"),
    [
        # starts at the threshold itself, then on at 0.115 and off below 0.085
        ("cut_gentle", [0.1, 0.086, 0.0849, 0.1, 0.114, 0.1151, 0.1], [1, 1, 0, 0, 0, 1, 1]),
        ("cut_gentle", [0.0999, 0.114, 0.1151], [0, 0, 1]),
        # on at −0.085 and off below −0.115
        ("-cut_gentle", [-0.1, -0.114, -0.1151, -0.1, -0.0851, -0.0849], [1, 1, 0, 0, 0, 1]),
        ("-cut_gentle", [-0.1001, -0.09, -0.08], [0, 0, 1]),
        ("cut_strong", [1.25, 1.07, 1.06, 1.43, 1.44], [1, 1, 0, 0, 1]),
    ],
)
def test_acceleration_cuts_have_hysteresis(threshold, values, expected):
    assert bit(LONGITUDINAL, "smoothed_acceleration", threshold, values) == expected


@pytest.mark.parametrize(
    ("axis", "series", "threshold", "values", "expected"),
    [
        (LONGITUDINAL, "speed_along_heading", "cut_speed", [0.29, 0.3, 0.31, 0.29], [0, 1, 1, 0]),
        (LONGITUDINAL, "speed_along_heading", "-cut_speed", [-0.31, -0.3, 0.0], [0, 1, 1]),
        (LATERAL, "turn_rate", "-cut_turn_rate", [-0.0011, -0.001, 0.0], [0, 1, 1]),
        (LATERAL, "speed_along_heading", "-cut_backing_speed", [-0.11, -0.1], [0, 1]),
    ],
)
def test_other_cuts_are_plain_and_hold_at_the_threshold(axis, series, threshold, values, expected):
    assert bit(axis, series, threshold, values) == expected


@pytest.mark.parametrize(
    ("bits", "starts"),
    [
        ("0000000000", [0]),
        ("0001111111", [0, 3]),
        ("0000001111", [0, 6]),  # four ticks are left
        ("0000000111", [0]),  # three are too few: the segment runs on
        ("0100000000", [0, 1, 4]),  # unseen for three ticks, then the state differs from the segment's own
        ("0101000000", [0, 1, 4]),
        ("0111000000", [0, 1, 4]),
        ("0122222222", [0, 1, 4]),
        ("0111111000", [0, 1]),
    ],
)
def test_cutting_holds_three_ticks_and_leaves_the_last_three(bits, starts):
    assert kernels.cut(np.array([int(value) for value in bits]), SETTINGS.hold_ticks).tolist() == starts


def test_acceleration_is_smoothed_over_shorter_windows_at_the_edges():
    values = np.array([0.0, 5.0, 10.0, 20.0, 0.0, 0.0])
    smoothed = kernels.longitudinal_series(values, values, values, 5)[2]
    assert smoothed == pytest.approx([15 / 3, 35 / 4, 35 / 5, 35 / 5, 30 / 4, 20 / 3])


def test_turns_are_smoothed_with_reflected_edges_that_do_not_repeat():
    heading = np.concatenate([[0.0], np.cumsum([0.1, 0.2, 0.3, 0.4])])
    x = np.arange(5.0)
    steps = kernels.lateral_series(x, 0 * x, heading, x, 5, 1e-6)[0]
    reflected = np.array([0.3, 0.2, 0.1, 0.2, 0.3, 0.4, 0.3, 0.2])
    assert steps == pytest.approx([reflected[step : step + 5].mean() for step in range(4)])


def test_a_turn_across_pi_is_small():
    heading, x = np.array([np.pi - 0.01, -np.pi + 0.01]), np.array([0.0, 1.0])
    assert kernels.lateral_series(x, 0 * x, heading, x, 5, 1e-6)[0] == pytest.approx([0.02])


def test_no_turn_rate_without_distance():
    heading, x = np.array([0.0, 0.1]), np.array([0.0, 1e-6])
    assert kernels.lateral_series(x, 0 * x, heading, x, 5, 1e-6)[2].tolist() == [0.0]


@pytest.mark.parametrize(
    ("mean_along", "mean_speed", "acceleration", "change", "action"),
    [
        (-0.12, 0.0, 0.0, 0.0, "reverse"),
        (-0.119, 0.12, 0.0, 0.0, "stop"),
        (0.2, 0.121, 1.4, 0.8, "strong_acceleration"),
        (5.0, 5.0, 1.39, 0.8, "gentle_acceleration"),
        (5.0, 5.0, 0.15, 0.8, "gentle_acceleration"),
        (5.0, 5.0, 0.15, 0.79, "maintain_speed"),
        (5.0, 5.0, 0.149, 2.0, "maintain_speed"),
        (5.0, 5.0, -1.4, -0.8, "strong_deceleration"),
        (5.0, 5.0, -1.39, -0.8, "gentle_deceleration"),
        (5.0, 5.0, -0.15, -0.8, "gentle_deceleration"),
        (5.0, 5.0, -3.0, -0.79, "maintain_speed"),
        (5.0, 5.0, -0.149, -2.0, "maintain_speed"),
    ],
)
def test_longitudinal_names(mean_along, mean_speed, acceleration, change, action):
    measures = np.array([acceleration, change, mean_speed, mean_along])
    assert LONGITUDINAL.rules[kernels.name(measures, PROGRAMS[LONGITUDINAL])].action == action
    assert plain.name_longitudinal(mean_along, mean_speed, acceleration, change, SETTINGS) == action


@pytest.mark.parametrize(
    ("mean_along", "turn_rate", "heading_change", "action"),
    [
        (-0.1, -0.002, -0.2, "reverse_right"),
        (-0.1, 0.002, 0.2, "reverse_left"),
        (-0.09, 0.002, 0.2, "steer_left"),
        (-1.0, -0.0019, -0.2, "steer_right"),
        (-1.0, -0.06, -0.19, "steer_right"),
        (5.0, -0.05, -0.2, "sharp_steer_right"),
        (5.0, 0.05, 0.2, "sharp_steer_left"),
        (5.0, 0.05, 0.19, "steer_left"),
        (5.0, 0.049, 0.5, "steer_left"),
        (5.0, -0.0015, -0.015, "steer_right"),
        (5.0, 0.0015, 0.015, "steer_left"),
        (5.0, 0.0015, 0.0149, "go_straight"),
        (5.0, -0.0014, -0.5, "go_straight"),
    ],
)
def test_lateral_names(mean_along, turn_rate, heading_change, action):
    measures = np.array([heading_change, 1.0, turn_rate, mean_along])
    assert LATERAL.rules[kernels.name(measures, PROGRAMS[LATERAL])].action == action
    assert plain.name_lateral(mean_along, turn_rate, heading_change, SETTINGS) == action


NAMES = {"S": "go_straight", "L": "steer_left", "R": "steer_right"}
LETTERS = {name: letter for letter, name in NAMES.items()}


def cleaned_by_kernels(parts: list[tuple[str, int]]) -> list[tuple[str, float, float]]:
    rules = [rule.action for rule in LATERAL.rules]
    segments, start = [], 0
    for letter, ticks in parts:
        segments.append([rules.index(NAMES[letter]), start * 0.1, ticks * 0.1, 0.0, 0.0, 0.0, 0.0])
        start += ticks
    return [
        (LETTERS[rules[int(row[0])]], row[1] / 0.1, (row[1] + row[2]) / 0.1)
        for row in kernels.clean(np.array(segments), PROGRAMS[LATERAL])
    ]


def cleaned_plainly(parts: list[tuple[str, int]]) -> list[tuple[str, float, float]]:
    segments, start = [], 0
    for letter, ticks in parts:
        segments.append(plain.Segment(NAMES[letter], start * 0.1, ticks * 0.1))
        start += ticks
    cleaned = plain.clean(segments, lambda _: SETTINGS.lateral_minimum_ticks)
    return [(LETTERS[one.name], one.start / 0.1, (one.start + one.duration) / 0.1) for one in cleaned]


@pytest.mark.parametrize("clean", [cleaned_by_kernels, cleaned_plainly])
@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param([("S", 30), ("S", 5), ("L", 10)], [("S", 0, 35), ("L", 35, 45)], id="same names merge first"),
        pytest.param([("S", 30), ("L", 10)], [("S", 0, 30), ("L", 30, 40)], id="ten ticks are long enough"),
        pytest.param([("S", 30), ("L", 9), ("S", 30)], [("S", 0, 69)], id="between equals all become one"),
        pytest.param([("S", 30), ("L", 6), ("R", 30)], [("S", 0, 33), ("R", 33, 66)], id="between others it is halved"),
        pytest.param([("S", 30), ("L", 5), ("R", 30)], [("S", 0, 32.5), ("R", 32.5, 65)], id="half a tick each"),
        pytest.param([("S", 30), ("L", 5)], [("S", 0, 35)], id="the last joins its left"),
        pytest.param([("L", 5), ("S", 30)], [("S", 0, 35)], id="the first joins its right"),
        pytest.param([("L", 4), ("S", 5), ("R", 4)], [("R", 0, 13)], id="the first again and again"),
        pytest.param([("L", 5)], [("L", 0, 5)], id="alone it stays"),
        pytest.param([("S", 30), ("L", 2), ("R", 9), ("S", 30)], [("S", 0, 31), ("R", 31, 41), ("S", 41, 71)],
                     id="half a neighbour makes one long enough"),
        pytest.param([("R", 20), ("L", 4), ("S", 4), ("L", 4), ("R", 20)], [("R", 0, 52)], id="what closes up merges"),
    ],
)  # fmt: skip
def test_cleaning(clean, parts, expected):
    assert [(letter, round(start, 6), round(end, 6)) for letter, start, end in clean(parts)] == expected


def test_merging_adds_sums_weighs_means_and_takes_ratios_anew():
    straight = [rule.action for rule in LATERAL.rules].index("go_straight")
    # heading change, distance, turn rate, mean speed along heading
    segments = np.array([
        [straight, 0.0, 3.0, 0.3, 10.0, 0.03, 2.0],
        [straight, 3.0, 1.0, 0.1, 30.0, 0.01, 6.0],
    ])  # fmt: skip
    (merged,) = kernels.clean(segments, PROGRAMS[LATERAL])
    assert merged[1:] == pytest.approx([0.0, 4.0, 0.4, 40.0, 0.01, 3.0])


def test_a_halved_segment_hands_on_half_of_its_sums():
    left, straight, right = (
        [rule.action for rule in LATERAL.rules].index(f"steer_{side}" if side != "straight" else "go_straight")
        for side in ("left", "straight", "right")
    )
    segments = np.array([
        [straight, 0.0, 2.0, 0.0, 10.0, 0.0, 1.0],
        [left, 2.0, 0.4, 0.2, 4.0, 0.05, 1.0],
        [right, 2.4, 2.0, -0.5, 10.0, -0.05, 1.0],
    ])  # fmt: skip
    first, second = kernels.clean(segments, PROGRAMS[LATERAL])
    assert first[1:5] == pytest.approx([0.0, 2.2, 0.1, 12.0])
    assert second[1:6] == pytest.approx([2.2, 2.2, -0.4, 12.0, -0.4 / 12])
