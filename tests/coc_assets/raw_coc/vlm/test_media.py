"""Frames of a view as request parts: the right ones, in order, never beyond t0 in a history, the same bytes always."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coc_assets.clip_videos.sampling import shown_frames
from coc_assets.raw_coc.vlm import media
from coc_assets.raw_coc.vlm.media import DIVIDER, ChunkMedia, ClipMedia, Kind, scaled_size
from coc_assets.raw_coc.vlm.view import KeyframeView, ShownFrame
from coc_assets.sources.video import VideoError, decode_frames, iterate_frames
from resources.dataset import DatasetRoot
from resources.models.request import Image, Part, Text, Video
from resources.settings.labels import VlmSettings
from resources.settings.videos import VideoSettings
from tests.coc_assets.clip_videos.burnt import clip_mp4, damaged, read_number

CAMERA = VideoSettings().camera
CHUNK = "0007"
ARCHIVE = f"camera/{CAMERA}/{CAMERA}.chunk_{CHUNK}.zip"
FRAMES = 300
TIMES_US = np.arange(FRAMES) * 33_333
KINDS: tuple[Kind, ...] = ("images", "video")


def dataset(folder: Path, **clips: bytes) -> DatasetRoot:
    """A dataset with one camera archive: mp4 by clip id."""
    path = folder / ARCHIVE
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for clip_id, mp4 in clips.items():
            archive.writestr(f"{clip_id}.{CAMERA}.mp4", mp4)
    return DatasetRoot(folder)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DatasetRoot:
    """Clips `a` and `b` of 10 s; frame k shows k."""
    folder = tmp_path_factory.mktemp("media")
    return dataset(folder, a=clip_mp4(FRAMES), b=clip_mp4(FRAMES), broken=damaged(clip_mp4(FRAMES), length=4000))


def view(t0_us: int, clip_id: str = "a", settings: VideoSettings | None = None) -> KeyframeView:
    settings = settings or VideoSettings()
    shown = shown_frames(TIMES_US, t0_us, settings)
    covered = [us for us in media_asked(t0_us, settings) if us not in shown.missing_us]
    frames = [
        ShownFrame((asked - t0_us) / 1e6, int(us), int(index))
        for asked, us, index in zip(covered, shown.frame_us, shown.source_frame, strict=True)
    ]
    return KeyframeView(
        keyframe_id=f"{clip_id}-{t0_us}",
        clip_id=clip_id,
        t0_us=t0_us,
        history=tuple(frame for frame in frames if frame.asked_s <= 0),
        future=tuple(frame for frame in frames if frame.asked_s > 0),
        missing_s=tuple((us - t0_us) / 1e6 for us in shown.missing_us.tolist()),
        timeline=(),
        speeds=(),
        video="0",
    )


def media_asked(t0_us: int, settings: VideoSettings) -> list[int]:
    step = settings.sample_step_s
    before, after = round(settings.history_s / step), round(settings.future_s / step)
    return [t0_us + round(k * step * 1e6) for k in range(-before, after)]


def made(
    root: DatasetRoot, kind: Kind, *views: KeyframeView, settings: dict[str, Any] | None = None, **options: Any
) -> ClipMedia:
    with ChunkMedia(root, CHUNK, CAMERA, VlmSettings(**(settings or {})), kind, **options) as chunk:
        return chunk.clip(views)


def texts(parts: Sequence[Part]) -> list[str]:
    return [part.text for part in parts if isinstance(part, Text)]


def pixels(jpeg: bytes | None) -> np.ndarray:
    from PIL import Image as Pillow

    assert jpeg is not None
    return np.asarray(Pillow.open(io.BytesIO(jpeg)))


def numbers(parts: Sequence[Part]) -> list[int]:
    """Numbers burnt into the frames that the parts hold, in order."""
    seen: list[int] = []
    for part in parts:
        if isinstance(part, Image):
            seen.append(read_number(pixels(part.jpeg)))
        elif isinstance(part, Video):
            assert part.mp4 is not None
            seen += [read_number(image) for image in decode_frames(io.BytesIO(part.mp4), range(part.frames)).values()]
    return seen


def indices(frames: Sequence[ShownFrame]) -> list[int]:
    return [frame.source_frame for frame in frames]


@pytest.mark.parametrize("kind", KINDS)
def test_the_frames_are_those_of_the_view(root: DatasetRoot, kind: Kind) -> None:
    views = [view(2_500_000), view(3_000_000), view(1_100_000), view(8_000_000)]
    clip = made(root, kind, *views)
    for each in views:
        assert numbers(clip.parts(each, "history")) == indices(each.history)
        assert numbers(clip.parts(each, "all")) == indices(each.history + each.future)


@pytest.mark.parametrize("kind", KINDS)
def test_a_history_shows_nothing_after_t0(root: DatasetRoot, kind: Kind) -> None:
    each = view(2_500_000)
    seen = numbers(made(root, kind, each).parts(each, "history"))
    assert len(seen) == 5 and TIMES_US[seen].max() <= each.t0_us < TIMES_US[max(seen) + 1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "late", [ShownFrame(0.0, 2_500_001, 76), ShownFrame(0.5, 2_400_000, 72)], ids=["its instant", "what it stands for"]
)
def test_a_history_with_a_frame_after_t0_is_refused(root: DatasetRoot, kind: Kind, late: ShownFrame) -> None:
    each = view(2_500_000)
    clip = made(root, kind, each)
    leaking = dataclasses.replace(each, history=(*each.history, late))
    for scope in media.SCOPES:
        with pytest.raises(ValueError, match=r"history of keyframe a-2500000 holds a frame of .* after t0"):
            clip.parts(leaking, scope)
    with pytest.raises(ValueError, match="after t0"):
        made(root, kind, leaking)


def test_a_view_without_history_is_refused(root: DatasetRoot) -> None:
    each = dataclasses.replace(view(2_500_000), history=(), problem="no_history_frames: none")
    with pytest.raises(ValueError, match=r"a-2500000 has no history frame to show .no_history_frames: none"):
        made(root, "images", each)


def test_images_carry_their_instants_and_the_divider_stands_after_t0(root: DatasetRoot) -> None:
    each = view(2_500_000)
    parts = made(root, "images", each).parts(each, "all")
    instants = [f"t = {k / 2:.1f} s" for k in range(-4, 12)]
    assert texts(parts) == [*instants[:5], DIVIDER, *instants[5:]]
    kinds = "".join(type(part).__name__[0] for part in parts)
    assert kinds == "TI" * 5 + "T" + "TI" * 11
    assert texts(made(root, "images", each).parts(each, "history")) == instants[:5]


def test_the_history_is_a_prefix_of_all(root: DatasetRoot) -> None:
    each = view(2_500_000)
    clip = made(root, "images", each)
    history = clip.parts(each, "history")
    assert clip.parts(each, "all")[: len(history)] == history


def test_without_future_frames_there_is_no_divider(root: DatasetRoot) -> None:
    each = view(int(TIMES_US[-1]) - 100_000)
    assert each.future == ()
    clip = made(root, "images", each)
    assert clip.parts(each, "all") == clip.parts(each, "history")


CAPTIONS = {
    "history": ({}, "history", "Video, 2 frames a second, from t = -2.0 s to t = 0.0 s."),
    "all": (
        {},
        "all",
        "Video, 2 frames a second, from t = -2.0 s to t = 5.5 s. Frames after t = 0.0 s show the future.",
    ),
    "quarters": (
        {"settings": VideoSettings(history_s=0.75, future_s=0.5, sample_step_s=0.25)},
        "history",
        "Video, 4 frames a second, from t = -0.75 s to t = 0.0 s.",
    ),
    "late start": ({"t0_us": 1_100_000}, "history", "Video, 2 frames a second, from t = -1.0 s to t = 0.0 s."),
}


@pytest.mark.parametrize("name", CAPTIONS)
def test_a_video_is_told_by_its_instants(root: DatasetRoot, name: str) -> None:
    options, scope, caption = CAPTIONS[name]
    each = view(**{"t0_us": 2_500_000} | options)
    text, video = made(root, "video", each).parts(each, scope)
    assert text == Text(caption)
    assert isinstance(video, Video) and video.frames == len(numbers([video]))


def test_frames_missing_in_the_middle_of_a_video_are_said(root: DatasetRoot) -> None:
    whole = view(2_500_000)
    each = dataclasses.replace(
        whole, history=whole.history[:1] + whole.history[3:], missing_s=(-1.5, -1.0, 7.0), future=whole.future[:2]
    )
    clip = made(root, "video", each)
    assert texts(clip.parts(each, "history")) == [
        "Video, 2 frames a second, from t = -2.0 s to t = 0.0 s. "
        "There is no frame of t = -1.5 s, t = -1.0 s: its neighbours follow each other at once."
    ]
    assert numbers(clip.parts(each, "history")) == indices(each.history)


def test_a_frame_on_show_at_two_instants_is_shown_twice(root: DatasetRoot) -> None:
    whole = view(2_500_000)
    again = dataclasses.replace(whole.history[1], asked_s=-1.0)
    each = dataclasses.replace(whole, history=(*whole.history[:2], again, *whole.history[3:]))
    for kind in KINDS:
        clip = made(root, kind, each)
        assert numbers(clip.parts(each, "history")) == indices(each.history)


def test_a_video_runs_at_two_frames_a_second(root: DatasetRoot) -> None:
    import av

    each = view(2_500_000)
    (_, video) = made(root, "video", each).parts(each, "all")
    assert isinstance(video, Video) and video.mp4
    with av.open(io.BytesIO(video.mp4)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.average_rate, stream.frames, len(container.streams)) == (2, 16, 1)
        assert [frame.time for frame in container.decode(stream)] == [k / 2 for k in range(16)]
        assert container.duration == 8_000_000
    assert video.mp4.index(b"moov") < video.mp4.index(b"mdat")


@pytest.mark.parametrize(
    ("source", "most_high", "shown"),
    [
        ((1920, 1080), 540, (960, 540)),
        ((640, 360), 540, (640, 360)),  # never up
        ((641, 361), 540, (640, 360)),
        ((1920, 1208), 540, (858, 540)),
        ((1920, 1080), 271, (480, 270)),
    ],
)
def test_scaled_size(source: tuple[int, int], most_high: int, shown: tuple[int, int]) -> None:
    assert scaled_size(*source, most_high) == shown


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_scaled_down_and_never_up(tmp_path: Path, kind: Kind) -> None:
    root = dataset(tmp_path, a=clip_mp4(FRAMES, width=288, height=160))
    each = view(2_500_000)
    for height, size in ((80, (144, 80)), (540, (288, 160))):
        clip = made(root, kind, each, settings={"image_height": height})
        pictures = [part for part in clip.parts(each, "all") if not isinstance(part, Text)]
        assert {(picture.width, picture.height) for picture in pictures} == {size}
        assert numbers(pictures) == indices(each.history + each.future)
    if kind == "images":
        assert pixels(pictures[0].jpeg).shape == (160, 288, 3)


def test_jpegs_look_like_the_frames_and_follow_the_quality(root: DatasetRoot) -> None:
    from PIL import Image as Pillow

    each = view(2_500_000)
    images = {quality: made(root, "images", each, settings={"jpeg_quality": quality}).images for quality in (40, 95)}
    first = each.history[0].source_frame
    (exact,) = decode_frames(io.BytesIO(clip_mp4(FRAMES)), [first]).values()
    error = {quality: np.abs(pixels(shown[first].jpeg).astype(int) - exact).mean() for quality, shown in images.items()}
    assert error[95] < 12 and error[95] < error[40]  # noise in colour, at half the resolution in colour
    bar = np.s_[2:16]  # the burnt-in strip is grey: colours that are off would show here
    assert np.abs(pixels(images[95][first].jpeg)[bar].astype(int) - exact[bar]).mean() < 6
    jpeg = Pillow.open(io.BytesIO(images[95][first].jpeg or b""))
    assert jpeg.layer[0][1:3] == (2, 2) and jpeg.layer[1][1:3] == (1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_is_decoded_once(root: DatasetRoot, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[set[int]] = []

    def counting(file: Any, wanted: Any) -> Any:
        asked.append(set(wanted))
        return iterate_frames(file, wanted)

    monkeypatch.setattr(media, "iterate_frames", counting)
    views = [view(2_500_000), view(3_000_000)]
    clip = made(root, kind, *views)
    union = {index for each in views for index in indices(each.history + each.future)}
    assert asked == [union]
    if kind == "images":
        assert set(clip.images) == union and not clip.videos


@pytest.mark.parametrize("kind", KINDS)
def test_equal_frames_give_equal_bytes_from_any_thread(root: DatasetRoot, kind: Kind) -> None:
    views = {clip_id: [view(2_500_000, clip_id), view(3_100_000, clip_id)] for clip_id in "ab"}
    alone = {clip_id: made(root, kind, *views[clip_id]) for clip_id in "ab"}
    with ChunkMedia(root, CHUNK, CAMERA, VlmSettings(), kind) as chunk, ThreadPoolExecutor(4) as pool:
        together = list(pool.map(chunk.clip, [views["a"], views["b"]] * 3))
    assert together == [alone["a"], alone["b"]] * 3
    of_a, of_b = (alone[clip_id].parts(views[clip_id][0], "all") for clip_id in "ab")
    assert of_a == of_b  # the two clips show the same


# Memory that was never set reads as another value under each of these.
_POISON = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TOP_PAD_": "268435456"}
_ENCODE = f"""
import hashlib, sys
from pathlib import Path
from coc_assets.raw_coc.vlm.media import ChunkMedia
from resources.dataset import DatasetRoot
from resources.settings.labels import VlmSettings
from resources.settings.videos import VideoSettings
from tests.coc_assets.raw_coc.vlm.test_media import view
with ChunkMedia(DatasetRoot(Path(sys.argv[1])), {CHUNK!r}, {CAMERA!r}, VlmSettings(), "video") as chunk:
    clip = chunk.clip([view(100_000, settings=VideoSettings(future_s=3.5, sample_step_s=0.25))])
print(hashlib.sha256(b"".join(video.mp4 for video in clip.videos.values())).hexdigest())
"""


def test_videos_do_not_depend_on_what_memory_held(tmp_path: Path) -> None:
    root = dataset(tmp_path, a=clip_mp4(110, width=240, height=134))
    digests = {
        subprocess.run(
            [sys.executable, "-c", _ENCODE, str(root.path)],
            env=os.environ | _POISON | {"MALLOC_PERTURB_": value},
            cwd=Path(__file__).parents[4],
            capture_output=True,
            check=True,
        ).stdout
        for value in ("0", "1")
    }
    assert len(digests) == 1 and len(digests.pop()) == 65


DAMAGES = {
    "no member": ("nowhere", "video_undecodable", "nowhere.camera_front_wide_120fov.mp4: the archive has no such"),
    "damaged": ("broken", "video_undecodable", "broken.camera_front_wide_120fov.mp4: "),
    "too short": ("a", "video_shorter_than_clip", "a.camera_front_wide_120fov.mp4: frame 999 is asked for"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DAMAGES)
def test_what_cannot_be_decoded_is_named(root: DatasetRoot, kind: Kind, name: str) -> None:
    clip_id, reason, hint = DAMAGES[name]
    each = view(4_000_000, clip_id)
    if name == "too short":
        each = dataclasses.replace(each, future=(ShownFrame(0.5, 4_500_000, 999),))
    with pytest.raises(VideoError) as raised:
        made(root, kind, each)
    assert raised.value.reason == reason
    assert raised.value.hint.startswith(f"{ARCHIVE}::{hint}")


def test_one_broken_clip_leaves_the_others(root: DatasetRoot) -> None:
    with ChunkMedia(root, CHUNK, CAMERA, VlmSettings(), "images") as chunk:
        with pytest.raises(VideoError):
            chunk.clip([view(4_000_000, "broken")])
        assert len(chunk.clip([view(4_000_000, "a")]).images) == 16


def test_without_an_archive_each_clip_says_so(tmp_path: Path) -> None:
    with pytest.raises(VideoError) as raised:
        made(DatasetRoot(tmp_path), "images", view(2_500_000))
    assert raised.value.reason == "video_missing" and raised.value.hint == f"{ARCHIVE} is not on disk; mirror it."


@pytest.mark.parametrize("clip_ids", ["ab", ""])
def test_views_are_of_one_clip(root: DatasetRoot, clip_ids: str) -> None:
    with pytest.raises(ValueError, match="clip by clip"):
        made(root, "images", *(view(2_500_000, clip_id) for clip_id in clip_ids))


@pytest.mark.parametrize(("kind", "data", "suffix"), [("images", "jpeg", ".jpg"), ("video", "mp4", ".mp4")])
def test_files_hold_the_same_bytes_under_their_hash(
    root: DatasetRoot, tmp_path: Path, kind: Kind, data: str, suffix: str
) -> None:
    folder = tmp_path / "frames"
    each = view(2_500_000)
    inline = made(root, kind, each).parts(each, "all")
    filed = made(root, kind, each, transport="file_url", folder=folder).parts(each, "all")
    assert texts(filed) == texts(inline)
    for sent, kept in zip(filed, inline, strict=True):
        if isinstance(sent, Image | Video) and isinstance(kept, Image | Video):
            content = getattr(kept, data)
            path = (folder / f"{hashlib.sha256(content).hexdigest()[:32]}{suffix}").resolve()
            assert sent == dataclasses.replace(kept, path=path, **{data: None})
            assert path.read_bytes() == content


def test_files_are_written_whole_by_many_threads_and_removed_at_the_end(root: DatasetRoot, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    views = {clip_id: [view(2_500_000, clip_id)] for clip_id in "ab"}  # equal pictures: equal names
    with ChunkMedia(root, CHUNK, CAMERA, VlmSettings(), "images", "file_url", folder) as chunk:
        with ThreadPoolExecutor(4) as pool:
            clips = list(pool.map(chunk.clip, [views["a"], views["b"]] * 4))
        files = sorted(folder.iterdir())
        assert {image.path for clip in clips for image in clip.images.values()} == set(files)
        assert len(files) == 16 and all(file.stat().st_mode & 0o044 == 0o044 & ~_umask() for file in files)
        chunk.remove()
        assert not folder.exists()
        chunk.remove()


def test_without_files_nothing_is_removed(root: DatasetRoot, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("")
    with ChunkMedia(root, CHUNK, CAMERA, VlmSettings(), "images", "base64", tmp_path) as chunk:
        chunk.clip([view(2_500_000)])
        chunk.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_files_need_a_folder(root: DatasetRoot) -> None:
    with pytest.raises(ValueError, match="transport is 'file_url' and there is no folder"):
        ChunkMedia(root, CHUNK, CAMERA, VlmSettings(), "images", "file_url")


def test_pictures_stay_out_of_the_repr(root: DatasetRoot) -> None:
    assert len(repr(made(root, "images", view(2_500_000)))) < 200


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("kind", KINDS)
def test_the_future_begins_with_t0_and_shows_nothing_before_it(root: DatasetRoot, kind: Kind) -> None:
    each = view(2_500_000)
    clip = made(root, kind, each)
    seen, whole = (numbers(clip.parts(each, scope)) for scope in ("future", "all"))
    assert seen == whole[4:] and len(seen) == 12
    assert TIMES_US[seen[0]] <= each.t0_us < TIMES_US[seen[1]]


def test_videos_are_made_of_the_scopes_that_are_asked_for_alone(root: DatasetRoot) -> None:
    each = view(2_500_000)
    with ChunkMedia(root, CHUNK, CAMERA, VlmSettings(), "video", scopes=("future",)) as chunk:
        clip = chunk.clip([each])
    assert set(clip.videos) == {(each.keyframe_id, "future")}
    assert texts(clip.parts(each, "future"))[0].startswith("Video, 2 frames a second, from t = 0.0 s to t = 5.5 s.")
    with pytest.raises(KeyError):
        clip.parts(each, "history")
