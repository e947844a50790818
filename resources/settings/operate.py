"""Settings of the operate section."""

from __future__ import annotations

from pydantic import Field

from resources.settings.section import Section


class OperateSettings(Section):
    """What runs by itself day by day, and how long its traces are kept."""

    nightly: str = Field("0 2 * * *", description="when what is missing or stale is made, as a cron line")
