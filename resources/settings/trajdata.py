"""Settings of the trajdata section."""

from __future__ import annotations

from pydantic import Field

from resources.settings.section import Section


class TrajdataSettings(Section):
    """What the optional trajdata cache holds besides the ego's motion."""

    tracks: bool = Field(True, description="obstacle tracks become agents; false leaves the ego alone in its scenes")
    max_gap_s: float = Field(0.5, gt=0, description="a track unseen for longer comes back as another agent, s")
    ego_length_m: float = Field(4.9, gt=0, description="length that the ego agent is given, m")
    ego_width_m: float = Field(2.0, gt=0, description="width that the ego agent is given, m")
    ego_height_m: float = Field(1.7, gt=0, description="height that the ego agent is given, m")
