"""Frames shown to a model: which instants, and which frames stand for them."""

from __future__ import annotations

import numpy as np
import pytest

from coc_assets.clip_videos.sampling import asked_instants, shown_frames
from resources.settings.videos import VideoSettings

# 601 frames over 20 s at irregular intervals, the first a little before the clip's clock starts.
TIMESTAMPS = -120_000 + np.concatenate([[0], np.cumsum(np.random.default_rng(5).integers(31_000, 36_000, 600))])


@pytest.mark.parametrize(
    ("settings", "relative_s"),
    [
        (VideoSettings(), np.arange(-4, 12) / 2),
        (VideoSettings(history_s=0.0), np.arange(12) / 2),
        (VideoSettings(history_s=1.0, future_s=1.1, sample_step_s=0.25), np.arange(-4, 5) / 4),
        (VideoSettings(history_s=0.9, future_s=0.3, sample_step_s=0.3), [-0.9, -0.6, -0.3, 0.0]),
    ],
)
def test_asked_instants(settings: VideoSettings, relative_s: np.ndarray) -> None:
    assert asked_instants(7_000_000, settings).tolist() == (7_000_000 + np.round(np.array(relative_s) * 1e6)).tolist()


def test_five_history_and_eleven_future_frames() -> None:
    asked = asked_instants(7_000_000, VideoSettings())
    assert ((asked <= 7_000_000).sum(), (asked > 7_000_000).sum()) == (5, 11)


def test_each_frame_is_the_one_at_or_just_before_its_instant() -> None:
    t0_us = int(TIMESTAMPS[200]) + 17
    shown = shown_frames(TIMESTAMPS, t0_us, VideoSettings())
    asked = asked_instants(t0_us, VideoSettings())
    assert (shown.frame_us <= asked).all()
    assert (TIMESTAMPS[shown.source_frame + 1] > asked).all()
    assert (TIMESTAMPS[shown.source_frame] == shown.frame_us).all()
    assert shown.source_frame[4] == 200  # the last of the history is the keyframe's own
    assert shown.missing_us.size == 0


@pytest.mark.parametrize(
    ("t0_us", "missing_s"),
    [
        (1_200_000, [-2.0, -1.5]),  # before the first frame, which lies at −0.12 s
        (int(TIMESTAMPS[-1]) - 5_000_000, [5.5]),
        (int(TIMESTAMPS[-1]) - 5_050_000, [5.5]),
        (int(TIMESTAMPS[-1]) - 5_450_000, []),  # the last frame is still on show
        (30_000_000, np.arange(-4, 12) / 2),
    ],
)
def test_instants_outside_the_video_are_listed(t0_us: int, missing_s: list[float]) -> None:
    shown = shown_frames(TIMESTAMPS, t0_us, VideoSettings())
    assert shown.missing_us.tolist() == [t0_us + round(s * 1e6) for s in missing_s]
    assert shown.source_frame.size == shown.frame_us.size == 16 - len(missing_s)


def test_without_a_video_all_instants_are_missing() -> None:
    shown = shown_frames(np.array([], dtype=np.int64), 5_000_000, VideoSettings())
    assert (shown.frame_us.size, shown.source_frame.size, shown.missing_us.size) == (0, 0, 16)
