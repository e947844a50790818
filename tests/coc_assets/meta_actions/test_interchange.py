from __future__ import annotations

import polars as pl
import pytest

from coc_assets.meta_actions.interchange import camel_case, final_output_text


@pytest.mark.parametrize(
    ("action", "name"), [("stop", "Stop"), ("sharp_steer_left", "SharpSteerLeft"), ("go_straight", "GoStraight")]
)
def test_names_are_camel_case(action, name):
    assert camel_case(action) == name


def test_lines_are_sorted_by_start_and_name_then_gathered_by_name():
    spans = pl.DataFrame(
        [
            ("longitudinal", "maintain_speed", 0, 40),
            ("longitudinal", "stop", 40, 90),
            ("longitudinal", "maintain_speed", 90, 200),
            ("lateral", "go_straight", 90, 200),
            ("lateral", "go_straight", 0, 40),
        ],
        schema=["axis", "action", "start_frame", "end_frame"],
        orient="row",
    )
    assert final_output_text(spans) == (
        "  GoStraight - Agent:<ego>, Start:0, End:40\n"
        "  GoStraight - Agent:<ego>, Start:90, End:200\n"
        "  MaintainSpeed - Agent:<ego>, Start:0, End:40\n"
        "  MaintainSpeed - Agent:<ego>, Start:90, End:200\n"
        "  Stop - Agent:<ego>, Start:40, End:90\n"
    )


def test_a_clip_without_spans_has_an_empty_file():
    schema = {"action": pl.String, "start_frame": pl.Int32, "end_frame": pl.Int32}
    assert final_output_text(pl.DataFrame(schema=schema)) == ""
