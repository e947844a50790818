"""How the ego moves in the samples of a set: speeds at t0, and where it drives afterwards."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from coc_assets.training_shards.sample import FUTURE_STEPS

_SERIES = ("t_us", "x_m", "y_m", "heading_rad", "speed_mps")


@dataclass
class Motion:
    """Figures that a dataset card shows.

    Attributes:
        speed_mps: at t0, by the sample's key.
        paths: by key, (steps, 2) metres ahead and to the left of the ego at t0, 10 Hz from t0 on.
    """

    speed_mps: dict[str, float] = field(default_factory=dict)
    paths: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, samples: pl.DataFrame, trajectories: pl.DataFrame, drawn: Collection[str]) -> None:
        """Takes up samples of one chunk.

        Args:
            samples: `key`, `clip_id`, `t0_us`.
            trajectories: the chunk's.
            drawn: keys of which the path is kept.
        """
        driven = _by_clip(trajectories, samples["clip_id"].unique().to_list())
        for key, clip_id, t0_us in samples.select("key", "clip_id", "t0_us").iter_rows():
            if clip_id not in driven:
                continue
            clip = driven[clip_id]
            now = int(np.abs(clip["t_us"] - t0_us).argmin())
            self.speed_mps[key] = float(clip["speed_mps"][now])
            if key in drawn:
                self.paths[key] = _path(clip, now)


def _by_clip(trajectories: pl.DataFrame, clip_ids: list[str]) -> dict[str, Mapping[str, np.ndarray]]:
    wanted = trajectories.filter(pl.col("clip_id").is_in(clip_ids)).sort("clip_id", "frame")
    return {
        str(clip_id): {name: of_clip[name].to_numpy() for name in _SERIES}
        for (clip_id,), of_clip in wanted.group_by("clip_id", maintain_order=True)
    }


def _path(clip: Mapping[str, np.ndarray], now: int) -> np.ndarray:
    until = now + FUTURE_STEPS + 1
    x, y = clip["x_m"][now:until] - clip["x_m"][now], clip["y_m"][now:until] - clip["y_m"][now]
    cos, sin = np.cos(clip["heading_rad"][now]), np.sin(clip["heading_rad"][now])
    return np.stack([cos * x + sin * y, cos * y - sin * x], axis=1)
