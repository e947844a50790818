"""Compiled passes over the ego states of all clips of a chunk; what they decide by comes in as a `Program`.

Steps, per clip and axis, in the order of the meta-action rules: the series, cutting, measuring and naming, cleaning,
frames; at last the longitudinal stops cut the lateral spans.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from coc_assets.meta_actions.rules import AXES, HOWS, LATERAL, LONGITUDINAL, OVER_DURATION, Program
from coc_assets.sources.egomotion import FRAME_S

_CHANGE, _SUM, _MEAN, _RATIO = (HOWS.index(how) for how in ("change", "sum", "mean", "ratio"))

# A segment is one row of reals: its rule, start and duration in seconds, then its measures.
_RULE, _START, _DURATION, _MEASURES = 0, 1, 2, 3
# A span is one row of integers.
_SPAN_CLIP, _SPAN_AXIS, _SPAN_RULE, _SPAN_START, _SPAN_END = 0, 1, 2, 3, 4

LONGITUDINAL_CODE, LATERAL_CODE = AXES.index(LONGITUDINAL), AXES.index(LATERAL)


@numba.njit(cache=True, error_model="numpy")
def label_clips(
    offsets: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    heading: np.ndarray,
    speed: np.ndarray,
    along: np.ndarray,
    acceleration: np.ndarray,
    longitudinal: Program,
    lateral: Program,
    cutting_rule: int,
    hold: int,
    smoothing: int,
    negligible: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Spans of all clips.

    Args:
        offsets: (C + 1,) where each clip's ticks begin in the six (F,) series that follow, and their end.
        longitudinal, lateral: the axes' programs.
        cutting_rule: longitudinal rule whose spans cut the lateral ones.
        hold, smoothing, negligible: settings `hold_ticks`, `smoothing_ticks` and `negligible_distance`.

    Returns:
        (S, 5) int64 clip, axis code, rule, start and end frame; (S, M) float64 measures.
    """
    measures = max(len(longitudinal.measure_how), len(lateral.measure_how))
    room = 0
    for clip in range(len(offsets) - 1):
        room += 3 * ((offsets[clip + 1] - offsets[clip]) // hold + 2)
    spans, figures, count = np.empty((room, 5), np.int64), np.full((room, measures), np.nan), 0
    for clip in range(len(offsets) - 1):
        lo, hi = offsets[clip], offsets[clip + 1]
        if hi - lo < 2:
            continue
        series = longitudinal_series(speed[lo:hi], along[lo:hi], acceleration[lo:hi], smoothing)
        segments = _segments(series, hi - lo, hi - lo - 1, hold, longitudinal)
        longitudinal_first = count
        count = _write(segments, clip, LONGITUDINAL_CODE, spans, figures, count)
        series = lateral_series(x[lo:hi], y[lo:hi], heading[lo:hi], along[lo:hi], smoothing, negligible)
        segments = _segments(series, hi - lo - 1, hi - lo - 1, hold, lateral)
        first = count
        count = _write(segments, clip, LATERAL_CODE, spans, figures, count)
        for row in range(longitudinal_first, first):
            if spans[row, _SPAN_RULE] == cutting_rule:
                count = _cut_out(row, spans, figures, first, count)
    return spans[:count], figures[:count]


@numba.njit(cache=True, error_model="numpy")
def longitudinal_series(speed: np.ndarray, along: np.ndarray, acceleration: np.ndarray, smoothing: int) -> np.ndarray:
    """(3, T): speed, speed along heading, and the acceleration's centred mean with shorter windows at the edges."""
    ticks = len(speed)
    series = np.empty((3, ticks))
    for tick in range(ticks):
        series[0, tick], series[1, tick] = speed[tick], along[tick]
        lo, hi = max(tick - smoothing // 2, 0), min(tick + smoothing // 2 + 1, ticks)
        series[2, tick] = _sum(acceleration, lo, hi) / (hi - lo)
    return series


@numba.njit(cache=True, error_model="numpy")
def lateral_series(
    x: np.ndarray, y: np.ndarray, heading: np.ndarray, along: np.ndarray, smoothing: int, negligible: float
) -> np.ndarray:
    """(4, T − 1): smoothed heading step, distance step, turn rate, and speed along heading of each step."""
    steps = len(x) - 1
    series, turn = np.empty((4, steps)), np.empty(steps)
    for step in range(steps):
        turn[step] = (heading[step + 1] - heading[step] + math.pi) % (2 * math.pi) - math.pi
        series[1, step] = math.hypot(x[step + 1] - x[step], y[step + 1] - y[step])
        series[3, step] = along[step]
    for step in range(steps):
        total = 0.0
        for tap in range(step - smoothing // 2, step + smoothing // 2 + 1):
            total += turn[_reflected(tap, steps)]
        series[0, step] = total / smoothing
        series[2, step] = series[0, step] / series[1, step] if series[1, step] > negligible else 0.0
    return series


@numba.njit(cache=True, error_model="numpy")
def _reflected(index: int, size: int) -> int:
    """The index mirrored at both edges, edge sample not repeated."""
    if 0 <= index < size:
        return index
    if size == 1:
        return 0
    index = abs(index) % (2 * (size - 1))
    return min(index, 2 * (size - 1) - index)


@numba.njit(cache=True, error_model="numpy")
def _sum(values: np.ndarray, lo: int, hi: int) -> float:
    total = 0.0
    for index in range(lo, hi):
        total += values[index]
    return total


@numba.njit(cache=True, error_model="numpy")
def states(series: np.ndarray, ticks: int, program: Program) -> np.ndarray:
    """(ticks,) one bit a cut: whether its series is up at that tick."""
    bits = np.zeros(ticks, np.int64)
    for cut in range(len(program.cut_series)):
        values = series[program.cut_series[cut]]
        up = values[0] >= program.cut_first[cut]
        for tick in range(ticks):
            if tick > 0:
                up = values[tick] >= (program.cut_off[cut] if up else program.cut_on[cut])
            bits[tick] |= np.int64(up) << cut
    return bits


@numba.njit(cache=True, error_model="numpy")
def cut(bits: np.ndarray, hold: int) -> np.ndarray:
    """Ticks at which segments begin, tick 0 included.

    A new segment holds its first tick's state for `hold` ticks unseen, and none begins within the last `hold` ticks.
    """
    starts, count, tick = np.zeros(len(bits), np.int64), 1, 1
    while tick < len(bits):
        if bits[tick] == bits[starts[count - 1]]:
            tick += 1
            continue
        if len(bits) - tick <= hold:
            break
        starts[count] = tick
        count += 1
        tick += hold
    return starts[:count]


@numba.njit(cache=True, error_model="numpy")
def _segments(series: np.ndarray, ticks: int, end: int, hold: int, program: Program) -> np.ndarray:
    """One axis's cleaned segments of one clip, (n, 3 + M)."""
    starts = cut(states(series, ticks, program), hold)
    segments = np.empty((len(starts), _MEASURES + len(program.measure_how)))
    for index in range(len(starts)):
        stop = starts[index + 1] if index + 1 < len(starts) else end
        _measure(segments[index], series, starts[index], stop, program)
        segments[index, _RULE] = name(segments[index, _MEASURES:], program)
    return clean(segments, program)


@numba.njit(cache=True, error_model="numpy")
def _measure(segment: np.ndarray, series: np.ndarray, start: int, end: int, program: Program) -> None:
    segment[_START], segment[_DURATION] = start * FRAME_S, (end - start) * FRAME_S
    for measure in range(len(program.measure_how)):
        how, of = program.measure_how[measure], program.measure_of[measure]
        if how == _CHANGE:
            segment[_MEASURES + measure] = series[of, end] - series[of, start]
        elif how == _SUM:
            segment[_MEASURES + measure] = _sum(series[of], start, end)
        elif how == _MEAN:
            segment[_MEASURES + measure] = _sum(series[of], start, end) / (end - start)
    _take_ratios(segment, program)


@numba.njit(cache=True, error_model="numpy")
def _take_ratios(segment: np.ndarray, program: Program) -> None:
    for measure in range(len(program.measure_how)):
        if program.measure_how[measure] == _RATIO:
            over = program.measure_over[measure]
            divisor = segment[_DURATION] if over == OVER_DURATION else segment[_MEASURES + over]
            dividend = segment[_MEASURES + program.measure_of[measure]]
            segment[_MEASURES + measure] = dividend / divisor if divisor > program.measure_least[measure] else 0.0


@numba.njit(cache=True, error_model="numpy")
def name(measures: np.ndarray, program: Program) -> int:
    """The first rule whose conditions all hold."""
    for rule in range(len(program.minimum_s)):
        holds = True
        for condition in range(program.rule_conditions[rule], program.rule_conditions[rule + 1]):
            sign = program.condition_sign[condition]
            value = measures[program.condition_measure[condition]]
            holds = holds and sign * value >= sign * program.condition_threshold[condition]
        if holds:
            return rule
    return len(program.minimum_s) - 1


@numba.njit(cache=True, error_model="numpy")
def clean(segments: np.ndarray, program: Program) -> np.ndarray:
    """Merges neighbours of one name and hands out what is too short; works on `segments` in place.

    Returns:
        The rows that are left, a view of `segments`.
    """
    count = _merge_same(segments, len(segments), program)
    at = 0
    while at < count:
        this = segments[at]
        if count == 1 or this[_DURATION] >= program.minimum_s[int(this[_RULE])]:
            at += 1
        elif at == 0:
            segments[1, _START] = this[_START]
            _absorb(segments[1], this, 1.0, program)
            count = _remove(segments, 0, count)
        elif at == count - 1:
            _absorb(segments[at - 1], this, 1.0, program)
            count = _remove(segments, at, count)
        elif segments[at - 1, _RULE] == segments[at + 1, _RULE]:
            _absorb(segments[at - 1], this, 1.0, program)
            _absorb(segments[at - 1], segments[at + 1], 1.0, program)
            count = _remove(segments, at + 1, count)
            count = _remove(segments, at, count)
            at -= 1
        else:
            _absorb(segments[at - 1], this, 0.5, program)
            segments[at + 1, _START] -= 0.5 * this[_DURATION]
            _absorb(segments[at + 1], this, 0.5, program)
            count = _remove(segments, at, count)
    return segments[: _merge_same(segments, count, program)]


@numba.njit(cache=True, error_model="numpy")
def _merge_same(segments: np.ndarray, count: int, program: Program) -> int:
    kept = 0
    for at in range(1, count):
        if segments[at, _RULE] == segments[kept, _RULE]:
            _absorb(segments[kept], segments[at], 1.0, program)
        else:
            kept += 1
            _copy(segments, at, segments, kept)
    return kept + 1


@numba.njit(cache=True, error_model="numpy")
def _copy(source: np.ndarray, at: int, target: np.ndarray, to: int) -> None:
    """One row, value by value: numba compiles row assignment ten times as long."""
    for column in range(source.shape[1]):
        target[to, column] = source[at, column]


@numba.njit(cache=True, error_model="numpy")
def _remove(segments: np.ndarray, at: int, count: int) -> int:
    for row in range(at, count - 1):
        _copy(segments, row + 1, segments, row)
    return count - 1


@numba.njit(cache=True, error_model="numpy")
def _absorb(segment: np.ndarray, other: np.ndarray, share: float, program: Program) -> None:
    """Adds a share of another segment's duration and measures to a segment."""
    duration, added = segment[_DURATION], share * other[_DURATION]
    segment[_DURATION] = duration + added
    for measure in range(len(program.measure_how)):
        how, value = program.measure_how[measure], other[_MEASURES + measure]
        if how == _MEAN:
            weighed = segment[_MEASURES + measure] * duration + value * added
            segment[_MEASURES + measure] = weighed / segment[_DURATION]
        elif how != _RATIO:
            segment[_MEASURES + measure] += share * value
    _take_ratios(segment, program)


@numba.njit(cache=True, error_model="numpy")
def _write(segments: np.ndarray, clip: int, axis: int, spans: np.ndarray, figures: np.ndarray, count: int) -> int:
    """Appends the segments in frames, halves rounded to even; returns the new count."""
    for row in range(len(segments)):
        start = int(np.rint(segments[row, _START] / FRAME_S))
        end = int(np.rint((segments[row, _START] + segments[row, _DURATION]) / FRAME_S))
        if end > start:
            spans[count, _SPAN_CLIP], spans[count, _SPAN_AXIS] = clip, axis
            spans[count, _SPAN_RULE] = int(segments[row, _RULE])
            spans[count, _SPAN_START], spans[count, _SPAN_END] = start, end
            for measure in range(segments.shape[1] - _MEASURES):
                figures[count, measure] = segments[row, _MEASURES + measure]
            count += 1
    return count


@numba.njit(cache=True, error_model="numpy")
def _cut_out(stop: int, spans: np.ndarray, figures: np.ndarray, first: int, count: int) -> int:
    """Takes one stop out of the spans from `first` on; what is left on either side stays; returns the new count."""
    end = count
    for row in range(first, count):
        after = max(spans[row, _SPAN_START], spans[stop, _SPAN_END])
        before = min(spans[row, _SPAN_END], spans[stop, _SPAN_START])
        if spans[row, _SPAN_START] < before and after < spans[row, _SPAN_END]:
            _copy(spans, row, spans, end)
            _copy(figures, row, figures, end)
            spans[end, _SPAN_START] = after
            end += 1
        if spans[row, _SPAN_START] < before:
            spans[row, _SPAN_END] = before
        else:
            spans[row, _SPAN_START] = after
    return _drop_empty(spans, figures, first, end)


@numba.njit(cache=True, error_model="numpy")
def _drop_empty(spans: np.ndarray, figures: np.ndarray, first: int, count: int) -> int:
    kept = first
    for row in range(first, count):
        if spans[row, _SPAN_START] < spans[row, _SPAN_END]:
            _copy(spans, row, spans, kept)
            _copy(figures, row, figures, kept)
            kept += 1
    return kept
