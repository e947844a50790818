"""Settings of the operate section."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from resources.settings.section import Section


class StageRetrySettings(Section):
    """A stage that fails by a fault of disk, mount or network is tried again; one with bad data never is."""

    most: NonNegativeInt = Field(3, description="further attempts; 0: none")
    wait_s: NonNegativeFloat = Field(
        10.0, description="wait before the first of them, on average, s; twice as long before each next"
    )


class PoolSettings(Section):
    """How many chunks a stage may work on at a time, over all runs of a Dagster instance together."""

    clip_videos: PositiveInt | None = Field(None, description="cutting and decoding video; unset: as many as run")
    training_shards: PositiveInt | None = Field(None, description="packing shards; unset: as many as run")
    models: PositiveInt | None = Field(
        None, description="asking models, the pool `models.pool`; unset: as the instance has it (2 until set)"
    )


class OperateSettings(Section):
    """What runs by itself day by day, and how long its traces are kept."""

    retries: StageRetrySettings = StageRetrySettings()
    pools: PoolSettings = PoolSettings()
    plots: bool = Field(True, description="materialisations carry pictures: distributions, and frames with labels")
    nightly: str = Field("0 2 * * *", description="when what is missing or stale is made, as a cron line")
    keep_runs_days: int = Field(30, ge=1, description="days that `coc gc` keeps runs and logs that nothing rests on")
    log: Literal["off", "text", "json"] = Field("off", description="one line an event on stderr (docs/deploy.md)")
    log_file: bool = Field(False, description="the same as JSON lines in `<store>/logs`, a file a day")
