"""Where each column comes from: the columns of upstream assets, and of the dataset, that its values are made of.

What only decides whether a row is there is not named, nor what settings say. A label's columns name what either kind of
labeler reads. Columns are `<table>.<column>`.
"""

from __future__ import annotations

from collections.abc import Mapping

from coc_assets.stages import ALL_STAGES_BY_NAME
from resources import schemas

DATASET = "dataset_files"
"""The asset that stands for the dataset."""

DATASET_COLUMNS: Mapping[str, str] = {
    "clip_index.clip_id": "clip, of clip_index.parquet",
    "clip_index.chunk": "the clip's chunk",
    "clip_index.split": "train, val or test",
    "clip_index.clip_is_valid": "false for clips that are not to be used",
    "egomotion.timestamp": "instant, clip clock, µs",
    "egomotion.x": "position in the clip's local world, m",
    "egomotion.y": "position in the clip's local world, m",
    "egomotion.z": "position in the clip's local world, m",
    "egomotion.qx": "rotation of the rig in the local world",
    "egomotion.qy": "rotation of the rig in the local world",
    "egomotion.qz": "rotation of the rig in the local world",
    "egomotion.qw": "rotation of the rig in the local world",
    "egomotion.vx": "velocity in the local world, m/s; optional",
    "egomotion.vy": "velocity in the local world, m/s; optional",
    "obstacle.timestamp_us": "instant of the box, clip clock, µs",
    "obstacle.track_id": "actor",
    "obstacle.label_class": "its class",
    "obstacle.center_x": "box centre, rig frame, forward, m",
    "obstacle.center_y": "box centre, rig frame, left, m",
    "obstacle.center_z": "box centre, rig frame, up, m",
    "obstacle.size_x": "box size along its heading, m",
    "obstacle.size_y": "box size across its heading, m",
    "obstacle.size_z": "box size upwards, m",
    "obstacle.orientation_x": "rotation of the box in the rig frame",
    "obstacle.orientation_y": "rotation of the box in the rig frame",
    "obstacle.orientation_z": "rotation of the box in the rig frame",
    "obstacle.orientation_w": "rotation of the box in the rig frame",
    "camera.timestamp": "instant of each frame, clip clock, µs",
    "camera.mp4": "the clip's video",
}
"""What is read of the dataset's files, with the units that they have there."""

_ROTATION = "egomotion.timestamp egomotion.qx egomotion.qy egomotion.qz egomotion.qw"
_VELOCITY = "egomotion.timestamp egomotion.vx egomotion.vy egomotion.x egomotion.y"  # positions where there is none
_BOX = (
    "tracks.track_id tracks.label_class tracks.t_us tracks.x_m tracks.y_m tracks.length_m tracks.width_m "
    "tracks.heading_rad"
)
_MOTION = (
    "trajectories.x_m trajectories.y_m trajectories.heading_rad trajectories.speed_mps "
    "trajectories.speed_along_heading_mps"
)
_T0 = "clips.first_us meta_actions.start_frame"
_SCENE = f"keyframes.frame {_MOTION} {_BOX} meta_actions.action segments.source_frame"
_SHOWN = "keyframes.t0_us camera.timestamp camera.mp4"
_DECISIONS = "raw_coc.longitudinal_decision raw_coc.lateral_decision raw_coc.lateral_direction"
_TEXT = "raw_coc.trace raw_coc.perception raw_coc.prediction raw_coc.planning raw_coc.justification"
_LABEL = f"raw_coc.status {_DECISIONS} raw_coc.components {_TEXT}"
_JUDGED = f"{_LABEL} keyframes.frame {_MOTION} {_BOX}"
_OF_KEYFRAME = {"keyframe_id": "keyframes.keyframe_id", "clip_id": "keyframes.clip_id", "t0_us": "keyframes.t0_us"}
_FIGURES_OF_LABELS = {
    "label_id": "raw_coc.label_id",
    "value": _JUDGED,
    "detail": _JUDGED,
}
_SAMPLE = f"egomotion.timestamp egomotion.x camera.mp4 camera.timestamp {_LABEL} keyframes.t0_us"

SOURCES: Mapping[str, Mapping[str, str]] = {
    "clips": {
        "chunk": "clip_index.chunk",
        "clip_id": "clip_index.clip_id",
        "split": "clip_index.split",
        "frames first_us duration_s mended": "egomotion.timestamp",
        "distance_m": "egomotion.timestamp egomotion.x egomotion.y",
        "mean_speed_mps": _VELOCITY,
        "has_video": "camera.mp4 camera.timestamp",
        "has_tracks": "obstacle.timestamp_us",
    },
    "trajectories": {
        "chunk": "clip_index.chunk",
        "clip_id": "clip_index.clip_id",
        "frame t_us": "egomotion.timestamp",
        "x_m": "egomotion.timestamp egomotion.x",
        "y_m": "egomotion.timestamp egomotion.y",
        "z_m": "egomotion.timestamp egomotion.z",
        "heading_rad": _ROTATION,
        "vx_mps": "egomotion.timestamp egomotion.vx egomotion.x",
        "vy_mps": "egomotion.timestamp egomotion.vy egomotion.y",
        "speed_mps acceleration_mps2": _VELOCITY,
        "speed_along_heading_mps": f"{_VELOCITY} {_ROTATION}",
    },
    "tracks": {
        "chunk": "clip_index.chunk",
        "clip_id": "clip_index.clip_id",
        "track_id": "obstacle.track_id",
        "label_class": "obstacle.label_class",
        "t_us": "obstacle.timestamp_us",
        "x_m": "obstacle.center_x",
        "y_m": "obstacle.center_y",
        "z_m": "obstacle.center_z",
        "length_m": "obstacle.size_x",
        "width_m": "obstacle.size_y",
        "height_m": "obstacle.size_z",
        "heading_rad": "obstacle.orientation_x obstacle.orientation_y obstacle.orientation_z obstacle.orientation_w",
    },
    "meta_actions": {
        "chunk": "trajectories.chunk",
        "clip_id": "trajectories.clip_id",
        "axis action start_frame end_frame measures": (f"trajectories.frame {_MOTION} trajectories.acceleration_mps2"),
    },
    "keyframes": {
        "chunk": "clips.chunk",
        "keyframe_id": f"clips.clip_id {_T0}",
        "clip_id": "clips.clip_id",
        "t0_us trainable": _T0,
        "frame event_start_frame": "meta_actions.start_frame",
        "event_end_frame": "meta_actions.end_frame",
        "action actions scenario": "meta_actions.action meta_actions.start_frame",
        "axis": "meta_actions.axis",
    },
    "segments": {
        "chunk": "keyframes.chunk",
        "keyframe_id": "keyframes.keyframe_id",
        "clip_id": "keyframes.clip_id",
        "path status": _SHOWN,
        "first_us last_us frame_us source_frame missing_us": "keyframes.t0_us camera.timestamp",
    },
    "videos": {
        "chunk": "clips.chunk",
        "clip_id": "clips.clip_id",
        "path width height": "camera.mp4",
        "frames": "camera.mp4 camera.timestamp",
        "fps first_us last_us": "camera.timestamp",
    },
    "raw_coc": {
        **_OF_KEYFRAME,
        "chunk": "keyframes.chunk",
        "label_id": "keyframes.keyframe_id",
        (
            "status reason scenario longitudinal_decision lateral_decision lateral_direction components trace "
            "perception prediction planning justification raw_response responses repair"
        ): _SCENE,
    },
    "measurements": {"chunk": "raw_coc.chunk", **_FIGURES_OF_LABELS},
    "set_measurements": {"chunk": "raw_coc.chunk", **_FIGURES_OF_LABELS},
    "filtered_coc": {
        "chunk": "raw_coc.chunk",
        "label_id": "raw_coc.label_id",
        "keyframe_id": "raw_coc.keyframe_id",
        "clip_id": "raw_coc.clip_id",
        "labeler": "raw_coc.labeler",
        "verdict reasons": _JUDGED,
    },
    "samples": {
        **_OF_KEYFRAME,
        "chunk": "keyframes.chunk",
        "label_id": "filtered_coc.label_id filtered_coc.verdict",
        "labeler": "raw_coc.labeler",
        "split": "clips.split clips.clip_id",
        "shard member": "clips.split clips.clip_id keyframes.t0_us",
        "offset size": _SAMPLE,
        "action": "keyframes.action",
        "scenario": "raw_coc.scenario",
        "longitudinal_decision": "raw_coc.longitudinal_decision",
        "lateral_decision": "raw_coc.lateral_decision",
        "lateral_direction": "raw_coc.lateral_direction",
    },
    "trajdata_scenes": {
        "chunk": "clips.chunk",
        "clip_id scene": "clips.clip_id",
        "split": "clips.split",
        "frames": "clips.frames",
        "agents": "tracks.track_id",
    },
}
"""By table: columns, and the columns that they are made of. Columns that are not named come from settings, from models
or from how the table was made."""

_TABLES = {table.name: table for table in (*schemas.DATA_TABLES, schemas.SET_MEASUREMENTS)}
_MAIN = {stage.name: stage.tables[0].name for stage in ALL_STAGES_BY_NAME.values()}


def column_sources(table: schemas.Table) -> dict[str, list[tuple[str, str]]]:
    """Asset and column name, as Dagster knows it, of what each column of a table is made of."""
    return {
        column: [_place(source) for source in dict.fromkeys(sources.split())]
        for columns, sources in SOURCES.get(table.name, {}).items()
        for column in columns.split()
    }


def column_name(table: str, column: str, main: str) -> str:
    """Columns of an asset's main table go by their names, those of its other tables have the table's in front."""
    return column if table == main else f"{table}.{column}"


def _place(source: str) -> tuple[str, str]:
    if source in DATASET_COLUMNS:
        return DATASET, source
    table, column = source.split(".")
    asset = _TABLES[table].asset
    return asset, column_name(table, column, _MAIN[asset])
