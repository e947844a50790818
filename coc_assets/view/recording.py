"""A clip as a Rerun recording: video, motion, surroundings, keyframes and labels on one timeline, the clip's clock.

The world is the clip's local frame. Boxes are carried into it through the ego's pose at their own instants.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import polars as pl

from coc_assets.raw_coc.rules.scene import PERSON_CLASSES
from coc_assets.view.colours import AHEAD, CITED, EGO, OTHER, PERSON, SERIES, of_action, rgb, said
from coc_assets.view.footage import Footage
from coc_assets.view.lettering import cause_of, decision_of, verdict_of
from coc_assets.view.plots import curves_of
from coc_assets.view.shown import MICRO, Keyframe, Label, Shown, cited_tracks
from resources import schemas

if TYPE_CHECKING:
    import rerun as rr
    import rerun.blueprint as rrb

TIMELINE = "clip_time"
APPLICATION = "coc-view"
CAMERA, EGO_PATH, WORLD = "camera", "world/ego_path", "world"
EGO_POSE, TRACKS, MOTION, META_ACTIONS = "world/ego", "world/tracks", "motion", "meta_actions"
KEYFRAMES, LABELS, LABEL_NOW = "keyframes", "labels", "label_now"
INSTALL = "pip install 'coc-assets[rerun]'"

_EGO_HIGH_M = 1.6
_EYE_M, _LOOKS_AT_M = (-22.0, 0.0, 14.0), (14.0, 0.0, 0.0)  # of the 3D view, which rides along with the ego, rig frame
_LOST_US = 100_000  # after its last box a track is gone
_LEVELS: dict[str | None, str] = {"reject": "ERROR", "review": "WARN"}


def is_installed() -> bool:
    """Whether recordings can be written here."""
    return importlib.util.find_spec("rerun") is not None


def write_recording(shown: Shown, footage: Footage | None, path: Path) -> None:
    """Writes the recording, with a blueprint that arranges it.

    Raises:
        VideoError: the video cannot be read from the archive.
    """
    import rerun as rr

    recording = rr.RecordingStream(APPLICATION, recording_id=shown.found.name, send_properties=False)
    recording.save(path, default_blueprint=blueprint(bool(footage)))
    if footage:
        _log_video(recording, footage)
    _log_ego(recording, shown)
    _log_tracks(recording, shown)
    _log_motion(recording, shown)
    _log_actions(recording, shown)
    _log_keyframes(recording, shown)
    recording.flush()
    recording.disconnect()


def blueprint(with_video: bool) -> rrb.Blueprint:
    """Video and what is around the ego on the left; curves, meta-actions and labels on the right."""
    import rerun.blueprint as rrb

    left: list[rrb.View] = [rrb.Spatial2DView(origin=CAMERA, name="camera")] if with_video else []
    behind = rrb.EyeControls3D(position=_EYE_M, look_target=_LOOKS_AT_M)
    left.append(rrb.Spatial3DView(origin=EGO_POSE, contents=f"/{WORLD}/**", name="around", eye_controls=behind))
    curves = [rrb.TimeSeriesView(origin=f"{MOTION}/{name}", name=name) for name in SERIES]
    logs = rrb.Tabs(
        rrb.TextDocumentView(origin=LABEL_NOW, name="label"),
        rrb.TextLogView(origin="/", contents=[f"{KEYFRAMES}/**", f"{LABELS}/**"], name="log"),
    )
    right: list[rrb.View | rrb.Container] = [
        *curves,
        rrb.StateTimelineView(origin=META_ACTIONS, name="meta-actions"),
        logs,
    ]
    return rrb.Blueprint(
        rrb.Horizontal(rrb.Vertical(*left), rrb.Vertical(*right)),
        rrb.TimePanel(timeline=TIMELINE, state="collapsed"),
        collapse_panels=True,
    )


def boxes_in_world(shown: Shown) -> pl.DataFrame:
    """Every box in the local frame: track_id, label_class, t_us, x, y, z (m), heading (rad) and size (m)."""
    boxes = shown.boxes
    ids, classes = (pl.Series(names, dtype=pl.String) for names in (boxes.track_ids, boxes.classes))
    placed = pl.DataFrame(
        {
            "track_id": ids.gather(boxes.track.astype(np.uint32)),
            "class": classes.gather(boxes.track.astype(np.uint32)),
            "t_us": boxes.t_us,
            "x": boxes.x,
            "y": boxes.y,
            "heading": boxes.heading,
            "ego_z": np.interp(boxes.t_us, shown.ego.t_us, _heights(shown)),
        }
    )
    upright = shown.tracks.select("track_id", "t_us", "z_m", "length_m", "width_m", "height_m")
    joined = placed.join(upright, on=["track_id", "t_us"], how="left", maintain_order="left")
    return joined.with_columns(z=pl.col("ego_z") + pl.col("z_m")).drop("ego_z", "z_m")


def entity(name: str) -> str:
    """An id as one part of an entity's path."""
    import rerun as rr

    return str(rr.escape_entity_path_part(name))


def _heights(shown: Shown) -> np.ndarray:
    return shown.trajectory["z_m"].to_numpy()


def _times(instants_us: np.ndarray) -> Any:
    import rerun as rr

    return [rr.TimeColumn(TIMELINE, duration=instants_us * MICRO)]


def _log_video(recording: rr.RecordingStream, footage: Footage) -> None:
    """The video as it is, and which of its frames is on show from which instant on."""
    import rerun as rr

    video = rr.AssetVideo(contents=footage.mp4(), media_type="video/mp4")
    recording.log(CAMERA, video, static=True)
    own = video.read_frame_timestamps_nanos()[: footage.times_us.size]
    columns = rr.VideoFrameReference.columns_nanos(own)
    recording.send_columns(CAMERA, _times(footage.times_us[: own.size]), columns)


def _log_ego(recording: rr.RecordingStream, shown: Shown) -> None:
    import rerun as rr

    ego = shown.ego
    path = np.stack([ego.x, ego.y, _heights(shown)], axis=1)
    recording.log(WORLD, rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    recording.log(EGO_PATH, rr.LineStrips3D([path], colors=[rgb(AHEAD)], radii=0.08), static=True)
    quaternions = _about_z(ego.heading)
    recording.send_columns(EGO_POSE, _times(ego.t_us), rr.Transform3D.columns(translation=path, quaternion=quaternions))
    body = shown.body
    length, centre = body.front_m + body.rear_m, (body.front_m - body.rear_m) / 2
    outline = rr.Boxes3D(
        centers=[[centre, 0, _EGO_HIGH_M / 2]], sizes=[[length, body.width_m, _EGO_HIGH_M]], colors=[rgb(EGO)],
        fill_mode="solid",
    )  # fmt: skip
    recording.log(f"{EGO_POSE}/body", outline, static=True)


def _log_tracks(recording: rr.RecordingStream, shown: Shown) -> None:
    """An entity a track, as tracks have instants of their own; gone after its last box."""
    import rerun as rr

    cited = cited_tracks([keyframe.label for keyframe in shown.keyframes if keyframe.label])
    for (track_id,), rows in boxes_in_world(shown).partition_by("track_id", as_dict=True, maintain_order=True).items():
        path, name = f"{TRACKS}/{entity(str(track_id))}", rows["class"][0]
        colour = CITED if track_id in cited else PERSON if name in PERSON_CLASSES else OTHER
        shows = f"{name} {track_id}"
        recording.log(path, rr.Boxes3D.from_fields(colors=[rgb(colour)], labels=[shows],
                                                   show_labels=track_id in cited), static=True)  # fmt: skip
        columns = rr.Boxes3D.columns(
            centers=rows.select("x", "y", "z").to_numpy(),
            half_sizes=rows.select("length_m", "width_m", "height_m").to_numpy() / 2,
            quaternions=_about_z(rows["heading"].to_numpy()),
        )
        times = np.append(rows["t_us"].to_numpy(), rows["t_us"][-1] + _LOST_US)
        recording.send_columns(path, _times(times), columns.partition([1] * rows.height + [0]))


def _log_motion(recording: rr.RecordingStream, shown: Shown) -> None:
    import rerun as rr

    for name, values in curves_of(shown).items():
        path, known = f"{MOTION}/{name}", np.isfinite(values)
        recording.log(path, rr.SeriesLines(colors=[rgb(SERIES[name])], names=[name]), static=True)
        recording.send_columns(path, _times(shown.ego.t_us[known]), rr.Scalars.columns(scalars=values[known]))


def _log_actions(recording: rr.RecordingStream, shown: Shown) -> None:
    """A lane an axis of meta-actions; where none is in force it has a gap."""
    import rerun as rr

    for axis in get_args(schemas.Axis):
        spans = [span for span in shown.spans if span.axis == axis]
        if not spans:
            continue
        path, names = f"{META_ACTIONS}/{axis}", sorted({span.action for span in spans})
        style = rr.StateConfiguration(
            values=names, labels=[said(name) for name in names], colors=[rgb(of_action(name)) for name in names]
        )
        recording.log(path, style, static=True)
        begun = {span.to_s: "" for span in spans} | {span.from_s: span.action for span in spans}
        times = np.array(sorted(begun)) / MICRO
        recording.send_columns(path, _times(times), rr.StateChange.columns(state=[begun[t_s] for t_s in sorted(begun)]))


def _log_keyframes(recording: rr.RecordingStream, shown: Shown) -> None:
    """Keyframes and labels as lines of a log, and each keyframe's labels in full from its instant on."""
    import rerun as rr

    if not shown.keyframes:
        return
    times = _instants(shown.keyframes)
    count = len(shown.keyframes)
    logged = rr.TextLog.columns(text=[_line_of(one, count) for one in shown.keyframes], level=["INFO"] * count)
    recording.send_columns(KEYFRAMES, times, logged)
    in_full = [markdown_of(one) for one in shown.keyframes]
    kinds = [rr.MediaType.MARKDOWN] * count
    recording.send_columns(LABEL_NOW, times, rr.TextDocument.columns(text=in_full, media_type=kinds))
    for labeler in sorted({label.row["labeler"] for one in shown.keyframes for label in one.labels}):
        pairs = [(one, label) for one in shown.keyframes for label in one.labels if label.row["labeler"] == labeler]
        logged = rr.TextLog.columns(
            text=[_line_of_label(label) for _, label in pairs],
            level=[_LEVELS.get(label.verdict, "INFO") for _, label in pairs],
        )
        recording.send_columns(f"{LABELS}/{entity(labeler)}", _instants([one for one, _ in pairs]), logged)


def _instants(keyframes: Sequence[Keyframe]) -> Any:
    return _times(np.array([keyframe.t0_s for keyframe in keyframes]) / MICRO)


def _line_of(keyframe: Keyframe, of: int) -> str:
    about = [said(keyframe.row[name]) for name in ("action", "scenario") if keyframe.row[name]]
    return f"keyframe {keyframe.number}/{of}: {' · '.join([keyframe.keyframe_id, *about])}"


def _line_of_label(label: Label) -> str:
    return f"{decision_of(label)} — {verdict_of(label)} · {label.row['trace'] or label.row['reason'] or 'no text'}"


def markdown_of(keyframe: Keyframe) -> str:
    """A keyframe's labels in full."""
    parts = [f"## Keyframe {keyframe.number}, t0 {keyframe.t0_s:.2f} s", f"`{keyframe.keyframe_id}`"]
    for label in keyframe.labels:
        parts += [f"### {label.row['labeler']}: {decision_of(label)}", f"**{verdict_of(label)}**"]
        parts += [label.row["trace"] or label.row["reason"] or "no text"]
        parts += ["\n".join(f"- {cause_of(one)}" for one in label.causes)]
        parts += [
            f"*{name}*: {label.row[name]}"
            for name in ("perception", "prediction", "planning", "justification")
            if label.row[name]
        ]
    if not keyframe.labels:
        parts.append("not labelled")
    return "\n\n".join(part for part in parts if part)


def _about_z(heading: np.ndarray) -> np.ndarray:
    """Quaternions (x, y, z, w) of headings, (N, 4)."""
    zero = np.zeros_like(heading)
    return np.stack([zero, zero, np.sin(heading / 2), np.cos(heading / 2)], axis=1)
