"""The Rerun recording read back by Rerun's own reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coc_assets.view.recording import TIMELINE, boxes_in_world, write_recording
from resources import schemas
from tests.coc_assets.clip_videos.test_build import TIMES
from tests.coc_assets.view import made
from tests.coc_assets.view.filmed import footage_of

pytest.importorskip("rerun", reason="the optional extra rerun is not installed")

Rows = list[dict[str, Any]]


def read_back(path: Path) -> dict[str, Rows]:
    """Rows by entity, timeless ones too, by time."""
    from rerun.chunk import RrdReader

    reader = RrdReader(path)
    assert [entry.application_id for entry in reader.recordings()] == ["coc-view"]
    assert len(reader.blueprints()) == 1
    found: dict[str, Rows] = {}
    for chunk in reader.stream().to_chunks():
        assert set(chunk.timeline_names) <= {TIMELINE}
        found.setdefault(chunk.entity_path, []).extend(chunk.to_record_batch().to_pylist())
    return found


def at(rows: Rows, t_s: float, component: str) -> Any:
    """A component's value at an instant: what was logged last."""
    logged = [(row[TIMELINE].total_seconds(), row[component]) for row in rows if row.get(component) is not None
              and row.get(TIMELINE) is not None]  # fmt: skip
    return max((pair for pair in logged if pair[0] <= t_s + 1e-9), key=lambda pair: pair[0])[1]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rows]:
    folder = tmp_path_factory.mktemp("rrd")
    with footage_of(folder) as footage:
        write_recording(made.shown(), footage, folder / "a.rrd")
    return read_back(folder / "a.rrd")


def test_everything_has_its_entity(recorded: dict[str, Rows]) -> None:
    assert set(recorded) == {
        "/camera", "/keyframes", "/label_now", "/labels/rules", "/meta_actions/lateral", "/meta_actions/longitudinal",
        "/motion/acceleration", "/motion/curvature", "/motion/speed", "/world", "/world/ego", "/world/ego/body",
        "/world/ego_path", "/world/tracks/lead", "/world/tracks/walker",
    }  # fmt: skip


def test_curves_are_the_tables_figures(recorded: dict[str, Rows]) -> None:
    table = made.tables().trajectories
    for frame in (0, 7, 30):
        t_s = table["t_us"][frame] * 1e-6
        assert at(recorded["/motion/speed"], t_s, "Scalars:scalars") == [table["speed_along_heading_mps"][frame]]
        assert at(recorded["/motion/acceleration"], t_s, "Scalars:scalars") == [made.ACCELERATION]


def test_frames_of_the_video_are_on_show_at_their_instants(recorded: dict[str, Rows]) -> None:
    rows = [row for row in recorded["/camera"] if row.get("VideoFrameReference:timestamp")]
    assert [round(row[TIMELINE].total_seconds() * 1e6) for row in rows] == TIMES.tolist()
    shown_ns = [row["VideoFrameReference:timestamp"][0] for row in rows]
    assert shown_ns == pytest.approx([k * 1e9 / 30 for k in range(90)], abs=1e5)
    assert sum(row.get("AssetVideo:blob") is not None for row in recorded["/camera"]) == 1


def test_ego_and_boxes_lie_in_the_world(recorded: dict[str, Rows]) -> None:
    assert at(recorded["/world/ego"], 1.5, "Transform3D:translation") == [pytest.approx([15.0, 0.0, 1.0])]
    centre = at(recorded["/world/tracks/lead"], 1.03, "Boxes3D:centers")[0]
    assert centre == pytest.approx([10.3 + made.LEAD_M, 0.0, 1.75], abs=1e-4)
    assert at(recorded["/world/tracks/lead"], 1.03, "Boxes3D:half_sizes")[0] == pytest.approx([2.0, 1.0, 0.75])
    assert at(recorded["/world/tracks/lead"], 2.9, "Boxes3D:centers") == [], "it is gone after its last box"


def test_meta_actions_change_and_end(recorded: dict[str, Rows]) -> None:
    states = [at(recorded["/meta_actions/longitudinal"], t_s, "StateChange:state") for t_s in (0.5, 1.5, 3.0)]
    assert states == [["maintain_speed"], ["gentle_deceleration"], [""]]


def test_keyframes_and_labels_are_told_at_their_instants(recorded: dict[str, Rows]) -> None:
    assert made.KEYFRAMES[0] in at(recorded["/keyframes"], 0.6, "TextLog:text")[0]
    assert at(recorded["/labels/rules"], 0.6, "TextLog:level") == ["WARN"], "its verdict is review"
    document = at(recorded["/label_now"], 0.7, "TextDocument:text")[0]
    assert "review (no_decision)" in document and "track lead" in document


def test_a_clip_with_nothing_but_motion_can_be_recorded(tmp_path: Path) -> None:
    none = schemas.empty
    shown = made.shown(labels=[], keyframes=none(schemas.KEYFRAMES), tracks=none(schemas.TRACKS),
                       spans=none(schemas.META_ACTION_SPANS))  # fmt: skip
    write_recording(shown, None, tmp_path / "a.rrd")
    assert {"/motion/speed", "/world/ego"} <= set(read_back(tmp_path / "a.rrd"))
    assert boxes_in_world(shown).height == 0


def test_boxes_keep_their_own_instants() -> None:
    boxes = boxes_in_world(made.shown())
    lead = boxes.filter(track_id="lead")
    assert lead["t_us"].to_list() == list(range(30_000, 2_000_000, 100_000))
    np.testing.assert_allclose(lead["x"].to_numpy() - made.SPEED * lead["t_us"].to_numpy() * 1e-6, made.LEAD_M)
