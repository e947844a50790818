"""Settings of the trajectory section."""

from __future__ import annotations

from pydantic import Field

from resources.settings.section import Section


class TrajectorySettings(Section):
    """What makes a clip's egomotion usable, and how much of it is labelled; frames are always 0.1 s apart."""

    min_frames: int = Field(10, ge=2, description="a clip with fewer 10 Hz frames is rejected")
    max_frames: int = Field(201, ge=2, le=201, description="frames after these are left out; 201 is the rules' 0 … 200")
    max_gap_s: float = Field(0.5, gt=0, description="a longer stretch without a usable sample rejects the clip, s")
