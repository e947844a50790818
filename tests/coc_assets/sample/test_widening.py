"""Scenes beyond a script's ranges: every parameter lies outside, and the scenes still hold together."""

from __future__ import annotations

import json
from functools import cache
from itertools import combinations

import numpy as np
import polars as pl
import pytest

from coc_assets.sample.boxes import box_of, ego_box, ever_overlap
from coc_assets.sample.generate import SampleError, generate
from coc_assets.sample.scenes import SCRIPTS, build
from coc_assets.sample.staging import Draw
from coc_assets.sample.widening import ONSETS_APART_S, drawn_until_sound, fault
from coc_assets.sample.world import Scene

EVERY = pytest.mark.parametrize("script", SCRIPTS)
WIDEN = 0.5


class Watched(Draw):
    """Remembers the range of each parameter beside the value."""

    def __init__(self, rng: np.random.Generator, widen: float) -> None:
        super().__init__(rng, widen)
        self.ranges: dict[str, tuple[float, float]] = {}

    def __call__(self, name: str, low: float, high: float) -> float:
        self.ranges[name] = (low, high)
        return super().__call__(name, low, high)


@cache
def widened(script: str) -> list[Scene]:
    return [build(script, "clip", np.random.default_rng([seed, 23]), -50_000, WIDEN) for seed in range(4)]


@EVERY
def test_every_parameter_lies_outside_its_range_and_within_reach(script):
    draw = Watched(np.random.default_rng(3), WIDEN)
    SCRIPTS[script](draw)
    assert draw.ranges
    for name, (low, high) in draw.ranges.items():
        value, reach = float(draw.drawn[name]), WIDEN * (high - low) + 1e-9
        assert low - reach <= value < low or high < value <= high + reach, f"{name}: {value} of {low} … {high}"


def test_both_sides_of_a_range_are_drawn():
    draw = Draw(np.random.default_rng(0), 0.25)
    values = np.array([draw("speed_mps", 8.0, 12.0) for _ in range(400)])
    assert 120 < (values < 8.0).sum() < 280 and values.min() < 7.1 and values.max() > 12.9


@EVERY
def test_widened_scenes_hold_together(script):
    for scene in widened(script):
        assert not fault(scene)
        boxes = [ego_box(scene.ego, 0.1), *(box_of(actor) for actor in scene.actors)]
        assert not any(ever_overlap(one, other) for one, other in combinations(boxes, 2))
        onsets = [truth.onset_us / 1e6 for truth in scene.truth if truth.onset_us is not None]
        assert all(2.5 < onset <= 14.0 for onset in onsets) and (np.diff(onsets) >= ONSETS_APART_S).all()
        known = {actor.track_id for actor in scene.actors}
        assert all(truth.cause_track_id in known | {None} for truth in scene.truth)


@EVERY
def test_widened_scenes_tell_the_same_story(script):
    own = [
        (truth.cause, truth.trackable, truth.cause_track_id is None)
        for truth in build(script, "clip", np.random.default_rng(1), 0).truth
    ]
    for scene in widened(script):
        told = [(truth.cause, truth.trackable, truth.cause_track_id is None) for truth in scene.truth]
        assert told[0] == own[0] and set(told) <= {*own, (None, True, True)}


def test_a_nudge_still_leaves_its_lane():
    for scene in widened("parked_blocker_nudge"):
        offset, width = (float(scene.parameters[name]) for name in ("offset_m", "lane_width_m"))
        assert offset > (width - 1.9) / 2


def test_scenes_that_fall_apart_are_drawn_again():
    drawn: list[float] = []

    def script(draw: Draw) -> Scene:
        drawn.append(draw("onset_s", 4.0, 5.0))
        if len(drawn) < 3:
            raise ValueError("too tight a bend")
        return SCRIPTS["free_driving"](draw)

    assert drawn_until_sound(script, np.random.default_rng(0), 0.2).truth
    assert len(drawn) == 3 and len(set(drawn)) == 3


def test_scripts_that_never_hold_together_are_one_error():
    def script(draw: Draw) -> Scene:
        raise ValueError("too tight a bend")

    with pytest.raises(SampleError, match=r"No scene of script holds together at widen=0\.2: too tight a bend"):
        drawn_until_sound(script, np.random.default_rng(0), 0.2)


def test_a_widened_dataset_says_what_was_drawn(tmp_path):
    made = [
        generate(tmp_path / name, chunks=1, clips=11, seed=5, video=False, defects=False, widen=widen)
        for name, widen in (("own", 0.0), ("wide", 0.3), ("again", 0.3))
    ]
    own, wide, again = ((one.root / "truth.parquet").read_bytes() for one in made)
    assert wide == again != own
    assert json.loads((made[1].root / "sample.json").read_text())["arguments"]["widen"] == 0.3
    assert "widen" not in json.loads((made[0].root / "sample.json").read_text())["arguments"]
    truth = pl.read_parquet(made[1].root / "truth.parquet").filter(scene="free_driving")
    speed = json.loads(truth["parameters"][0])["speed_mps"]
    assert 5.9 <= speed < 8.0 or 15.0 < speed <= 17.1


@pytest.mark.parametrize("widen", [-0.1, 1.5])
def test_shares_outside_0_to_1_are_refused(tmp_path, widen):
    with pytest.raises(SampleError, match="widen takes a share of 0 to 1"):
        generate(tmp_path / "no", chunks=1, clips=1, video=False, widen=widen)
