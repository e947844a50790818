from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from coc_assets.sources.egomotion import Egomotion
from coc_assets.training_shards import CoCShardDataset, MirroredCoCShardDataset, mirrored, sample
from coc_assets.training_shards.dataset import Sample
from coc_assets.training_shards.frames import CameraFrames, Seen, to_jpeg
from coc_assets.training_shards.mirroring import mirrored_about, mirrored_positions, mirrored_rotations
from resources.settings.shards import ShardSettings
from tests.coc_assets.training_shards.made import CLIPS, Chunk, built, driven, label, picture

T0_US = 7_100_000
MIRROR = np.diag([1.0, -1.0, 1.0])
CAMERAS = (0, 1, 2, 5, 6)
COMPONENT = {
    "rank": 1, "category": "critical_object", "phrase": "van 4 m to the left", "track_id": "7",
    "attributes": [{"key": "pose", "value": "left"}, {"key": "gap_m", "value": "4.0"}],
    "seen_from_us": T0_US - 900_000, "seen_to_us": T0_US,
}  # fmt: skip
LABEL = label(
    CLIPS[0],
    T0_US,
    lateral_decision="out_of_lane_nudge",
    lateral_direction="right",
    components=[COMPONENT],
    trace="Nudge right because the van on the left has left no room; yield the right of way.",
    perception="A van on the left.",
    planning="Nudge to the right.",
)


def _ramp(frame_us: int, camera: int) -> np.ndarray:
    """A picture that is brighter on its right, and tells its camera."""
    shown = picture(frame_us).astype(int)
    shown[..., 1] += np.arange(shown.shape[1]) * 2
    shown[..., 2] = 30 * camera
    return np.clip(shown, 0, 255).astype(np.uint8)


def _five_cameras(_: str, asked_us: np.ndarray) -> list[Seen]:
    def of_camera(camera: int, shown_us: np.ndarray) -> CameraFrames:
        jpegs = [to_jpeg(_ramp(int(at), camera), ShardSettings(jpeg_quality=95)) for at in shown_us]
        return CameraFrames(camera, shown_us - 1_000 * camera, jpegs)

    return [Seen([of_camera(camera, shown_us) for camera in CAMERAS], []) for shown_us in asked_us]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mirror")
    built(folder, Chunk([LABEL], splits={CLIPS[0]: "train"}), frames=_five_cameras)
    return folder


def _equal(one: Sample, other: Sample) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, torch.Tensor):
            assert (value.dtype, value.shape) == (other[name].dtype, other[name].shape)
            assert value.contiguous().numpy().tobytes() == other[name].contiguous().numpy().tobytes(), name
        else:
            assert value == other[name]


def _mirrored_drive(ego: Egomotion) -> Egomotion:
    rotations = MIRROR @ Rotation.from_quat(ego.quaternion).as_matrix() @ MIRROR
    return dataclasses.replace(ego, xyz=ego.xyz @ MIRROR, quaternion=Rotation.from_matrix(rotations).as_quat())


@pytest.mark.parametrize("turn_rate", [0.15, -0.4, 0.0])
def test_the_motion_is_that_of_a_drive_in_the_mirror(turn_rate: float) -> None:
    ego = driven(turn_rate)
    here, there = sample.ego_arrays(ego, T0_US), sample.ego_arrays(_mirrored_drive(ego), T0_US)
    for part in ("history", "future"):
        xyz = mirrored_positions(torch.from_numpy(here[f"ego_{part}_xyz"]))
        rot = mirrored_rotations(torch.from_numpy(here[f"ego_{part}_rot"]))
        np.testing.assert_allclose(xyz.numpy(), there[f"ego_{part}_xyz"], atol=1e-5)
        np.testing.assert_allclose(rot.numpy(), there[f"ego_{part}_rot"], atol=1e-6)


def test_the_pose_at_t0_stays_exactly_zero_and_identity(folder: Path) -> None:
    item = MirroredCoCShardDataset(folder)[0]
    assert item["ego_history_xyz"][0, -1].numpy().tobytes() == np.zeros(3, np.float32).tobytes()
    assert item["ego_history_rot"][0, -1].numpy().tobytes() == np.eye(3, dtype=np.float32).tobytes()


def test_cameras_of_the_sides_change_places_with_all_that_is_theirs(folder: Path) -> None:
    here, there = CoCShardDataset(folder)[0], MirroredCoCShardDataset(folder)[0]
    assert here["camera_indices"].tolist() == [0, 1, 2, 5, 6]
    assert there["camera_indices"].tolist() == [0, 1, 2, 3, 6]
    for at, source in enumerate([2, 1, 0, 3, 4]):
        torch.testing.assert_close(there["absolute_timestamps"][at], here["absolute_timestamps"][source])
        torch.testing.assert_close(there["relative_timestamps"][at], here["relative_timestamps"][source])
        np.testing.assert_array_equal(
            there["image_frames"][at].numpy(), here["image_frames"][source].numpy()[..., ::-1]
        )
    brightness = there["image_frames"][1, 3, 1].float().mean(0)
    assert brightness[0] > brightness[-1]


def test_words_and_decisions_are_mirrored_and_what_they_come_from_stays(folder: Path) -> None:
    dataset = MirroredCoCShardDataset(folder)
    expected = "Nudge left because the van on the right has left no room; yield the right of way."
    assert dataset[0]["cot"] == expected
    here, there = CoCShardDataset(folder).about(0), dataset.about(0)
    assert there["decisions"] == {**here["decisions"], "lateral_direction": "left"}
    assert there["decisions"]["lateral"] == "out_of_lane_nudge"
    assert there["components"][0]["phrase"] == "van 4 m to the right"
    assert there["components"][0]["attributes"] == [{"key": "pose", "value": "right"}, {"key": "gap_m", "value": "4.0"}]
    assert (there["text"]["perception"], there["text"]["planning"]) == ("A van on the right.", "Nudge to the left.")
    assert there["camera_indices"] == [0, 1, 2, 3, 6]
    unchanged = here.keys() - {"decisions", "components", "text", "camera_indices"}
    assert {name: here[name] for name in unchanged} == {name: there[name] for name in unchanged}


@pytest.mark.parametrize("action", ["steer_left", "left_lane_change", "slightly_shift_left", "follow_curve_left"])
def test_actions_get_the_name_of_the_other_side(folder: Path, action: str) -> None:
    about = {**CoCShardDataset(folder).about(0), "action": action}
    assert mirrored_about(about)["action"] == action.replace("left", "right")
    assert mirrored_about({**about, "action": None})["action"] is None


def test_mirrored_twice_is_the_sample_bit_for_bit(folder: Path) -> None:
    item, about = CoCShardDataset(folder)[0], CoCShardDataset(folder).about(0)
    item["ego_future_xyz"][0, 0] = torch.tensor([1.0, -0.0, 0.0])
    item["ego_future_xyz"][0, 1] = torch.tensor([1.0, float("nan"), 0.0])
    _equal(mirrored(mirrored(item)), item)
    assert mirrored_about(mirrored_about(about)) == about


def test_a_sample_is_not_changed_by_mirroring_it(folder: Path) -> None:
    item = CoCShardDataset(folder)[0]
    mirrored(item)
    _equal(item, CoCShardDataset(folder)[0])


def test_a_sample_without_video_is_mirrored_too(tmp_path: Path) -> None:
    built(tmp_path, Chunk([LABEL], splits={CLIPS[0]: "train"}), frames=lambda _, asked_us: [Seen([], [])])
    item = MirroredCoCShardDataset(tmp_path, split="train")[0]
    assert item["image_frames"].shape == (0, 4, 3, 0, 0)
    assert item["camera_indices"].shape == (0,)
    _equal(mirrored(item), CoCShardDataset(tmp_path)[0])


def test_texts_of_a_store_come_back(sample_store: Path) -> None:
    dataset = CoCShardDataset(sample_store)
    turned = 0
    for position in range(len(dataset)):
        about, item = dataset.about(position), dataset[position]
        _equal(mirrored(mirrored(item)), item)
        assert mirrored_about(mirrored_about(about)) == about
        turned += about["decisions"]["lateral_direction"] not in (
            None,
            mirrored_about(about)["decisions"]["lateral_direction"],
        )
    assert turned
