"""Settings of the arrivals section."""

from __future__ import annotations

from pydantic import Field

from resources.settings.section import Section


class ArrivalSettings(Section):
    """When the files of a chunk count as arrived, and how many runs are asked for at a time."""

    url: str | None = Field(
        None, description="where chunk files come from, any fsspec URL (s3://…); a run fetches its chunk's to `dataset`"
    )
    settle_s: float = Field(30.0, ge=0, description="seconds that a file's size and time must stand before it counts")
    runs_a_tick: int = Field(200, ge=1, description="most runs that a sensor or schedule asks for at a time")
