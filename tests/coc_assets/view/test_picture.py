"""The picture read back: frames at keyframes, plots, and what marks them."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from coc_assets.sources.video import frames_at_or_before
from coc_assets.view.colours import CITED, SERIES, VERDICTS, of_action, rgb
from coc_assets.view.layout import PLOTS_HIGH, WIDTH, time_axis
from coc_assets.view.picture import moments_of, picture
from coc_assets.view.plots import draw_plots, lanes_of
from resources import schemas
from tests.coc_assets.clip_videos.burnt import read_number
from tests.coc_assets.clip_videos.test_build import TIMES
from tests.coc_assets.view import made
from tests.coc_assets.view.filmed import footage_of


def opened(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def has(image: np.ndarray, colour: str) -> np.ndarray:
    return np.abs(image.astype(int) - rgb(colour)).max(axis=2) < 12


def test_frames_of_the_keyframes_stand_in_columns(tmp_path: Path) -> None:
    with footage_of(tmp_path) as footage:
        image = opened(picture(made.shown(), footage, scale=1.0))
    assert image.shape[1] == WIDTH
    wide = (WIDTH - 2 * 16 - 2 * 10) // 3 // 2 * 2
    shown = [read_number(image[64:250, 16 + at * (wide + 10) : 16 + at * (wide + 10) + wide]) for at in (0, 1)]
    assert shown == frames_at_or_before(TIMES, made.T0_US).tolist()
    assert has(image, CITED).any() and has(image, VERDICTS["review"]).any()


def test_a_larger_scale_gives_a_larger_picture_of_the_same() -> None:
    small, large = (opened(picture(made.shown(), None, scale=scale)) for scale in (1.0, 2.0))
    assert large.shape[1] == 2 * small.shape[1]
    assert abs(large.shape[0] - 2 * small.shape[0]) <= 4


def test_moments_are_keyframes_or_lie_around_the_marked_one_or_are_spread() -> None:
    assert [one.t_us for one in moments_of(made.shown())] == list(made.T0_US)
    marked = made.shown(replace(made.FOUND, keyframe_id=made.KEYFRAMES[1]))
    assert [(one.caption, one.t_us) for one in moments_of(marked)] == [
        ("t0 −2 s", 400_000),
        ("t0 −1 s", 1_400_000),
        ("t0", 2_400_000),
    ]
    bare = made.shown(labels=[], keyframes=schemas.empty(schemas.KEYFRAMES))
    assert [one.t_us for one in moments_of(bare)] == [0, 1_000_000, 2_000_000, 3_000_000]
    assert opened(picture(bare, None, scale=1.0)).shape[1] == WIDTH


def test_bands_and_curves_lie_at_their_instants() -> None:
    shown, axis = made.shown(), time_axis(0.0, 3.0)
    image = draw_plots(shown, axis)
    assert image.shape == (PLOTS_HIGH, WIDTH, 3)
    lanes = {lane.name: lane for lane in lanes_of(shown, axis)}
    row = round(lanes["longitudinal"].top + 3)
    columns = np.flatnonzero(has(image, of_action("gentle_deceleration"))[row])
    assert abs(columns[0] - axis.x(1.0)) <= 2 and abs(columns[-1] - axis.x(3.0)) <= 2
    lane = lanes["speed"]
    speed = has(image, SERIES["speed"])[round(lane.top) : round(lane.top + lane.height)]
    right = speed[:, round(axis.x(2.5)) - 1 : round(axis.x(2.5)) + 2].any(axis=1)
    left = speed[:, round(axis.x(0.5)) - 1 : round(axis.x(0.5)) + 2].any(axis=1)
    assert np.flatnonzero(right).mean() < np.flatnonzero(left).mean(), "it rises"


def test_when_causes_were_seen_stands_below_their_keyframe() -> None:
    shown, axis = made.shown(), time_axis(0.0, 3.0)
    lane = lanes_of(shown, axis)[0]
    strip = draw_plots(shown, axis)[round(lane.top + lane.height * 0.75)]
    seen = np.flatnonzero((strip[:, 0] > 215) & (strip[:, 2] < 120))
    assert abs(seen[0] - axis.x(0.1)) <= 2 and abs(seen[-1] - axis.x(0.5)) <= 2
