"""The frames of a view as parts of a request: JPEG pictures with their instants, or one small mp4.

A clip is decoded once, whatever its keyframes share. Equal frames give equal bytes, so a request that is made again is
the same request.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from coc_assets.clip_videos.build import CameraChunk
from coc_assets.raw_coc.vlm.view import SCOPES, KeyframeView, Scope, ShownFrame, frames_of
from coc_assets.sources.video import VideoError, exact_scaling, iterate_frames
from resources.dataset import DatasetRoot
from resources.models.request import Image, Part, Text, Video
from resources.settings.labels import VlmSettings

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Kind = Literal["images", "video"]
Transport = Literal["base64", "file_url"]

DIVIDER = "History ends here. The frames below show the future."

_USUAL_STEP_S = 0.5
_PRESET = "veryfast"
_CHROMA_420 = 2  # Pillow's number for 4:2:0
_LIMITED_RANGE = 1  # FFmpeg's AVCOL_RANGE_MPEG, what readers take yuv420p for
# Room kept at the file's head for the index, so that it can be read as a stream.
_HEADER_BYTES = 4096
_NAME_DIGITS = 32


@dataclass(frozen=True)
class ClipMedia:
    """The encoded frames of one clip's keyframes; dropping it frees them.

    Attributes:
        images: by index in the clip's video; empty where frames go as video.
        videos: by keyframe and scope; empty where frames go as images.
    """

    clip_id: str
    images: Mapping[int, Image] = field(default_factory=dict, repr=False)
    videos: Mapping[tuple[str, Scope], Video] = field(default_factory=dict, repr=False)

    def parts(self, view: KeyframeView, scope: Scope) -> tuple[Part, ...]:
        """The view's frames, each with its instant; `history` holds none after t0, `future` none before it.

        Raises:
            ValueError: the view has no history frames, or one that lies after t0.
            KeyError: the view or the scope was not among those that this was made for.
        """
        shown = frames_of(view, scope)
        if self.videos:
            return (Text(_video_caption(view, shown)), self.videos[view.keyframe_id, scope])
        history = [frame for frame in shown if frame.asked_s <= 0]
        future = shown[len(history) :]
        divider = (Text(DIVIDER),) if future else ()
        return (*self._captioned(history), *divider, *self._captioned(future))

    def _captioned(self, frames: Iterable[ShownFrame]) -> Iterator[Part]:
        for frame in frames:
            yield Text(_at(frame.asked_s))
            yield self.images[frame.source_frame]


class ChunkMedia:
    """Makes the media of a chunk's clips; to be entered before use.

    `clip` may be called from several threads. Without the camera's archive every clip is `video_missing`.

    Args:
        kind: each frame as an image, or a view's frames as one video.
        transport: bytes in the request, or files that the server opens.
        folder: where those files go, a folder of this object's own; `remove` deletes it.
        scopes: those that will be asked for.
    """

    def __init__(
        self,
        root: DatasetRoot,
        chunk: str,
        camera: str,
        settings: VlmSettings,
        kind: Kind,
        transport: Transport = "base64",
        folder: Path | None = None,
        scopes: Collection[Scope] = SCOPES,
    ) -> None:
        if transport == "file_url" and folder is None:
            raise ValueError("transport is 'file_url' and there is no folder for the files. Name one, or set 'base64'.")
        self._root, self._chunk, self._camera = root, chunk, camera
        self._settings, self._kind, self._scopes = settings, kind, scopes
        self._folder = folder.resolve() if folder and transport == "file_url" else None
        self._open = ExitStack()
        self._source: CameraChunk | None = None

    def __enter__(self) -> Self:
        if self._root.archive_path(self._camera, self._chunk).is_file():
            self._source = self._open.enter_context(CameraChunk.opened(self._root, self._chunk, self._camera))
        return self

    def __exit__(self, *_: object) -> None:
        self._source = None
        self._open.close()

    def clip(self, views: Sequence[KeyframeView]) -> ClipMedia:
        """Media of some keyframes of one clip, in one pass over its video.

        Raises:
            VideoError: a frame cannot be had; the hint names the file.
            ValueError: the views are not of one clip, or a history holds a frame after t0.
        """
        clip_id = _only_clip(views)
        shown = [frames_of(view, scope) for view in views for scope in self._scopes]
        wanted = {frame.source_frame for frames in shown for frame in frames}
        with self._archive().video(clip_id) as file:
            frames = iterate_frames(file, wanted)
            if self._kind == "images":
                return ClipMedia(clip_id, images=self._images(frames))
            return ClipMedia(clip_id, videos=self._videos(frames, views))

    def remove(self) -> None:
        """Deletes the files, once no request needs them any more."""
        if self._folder and self._folder.is_dir():
            shutil.rmtree(self._folder)

    def _archive(self) -> CameraChunk:
        if self._source is None:
            name = self._root.relative(self._root.archive_path(self._camera, self._chunk))
            raise VideoError("video_missing", f"{name} is not on disk; mirror it.")
        return self._source

    def _images(self, frames: Iterable[tuple[int, VideoFrame]]) -> dict[int, Image]:
        images = {}
        size: tuple[int, int] | None = None
        for index, frame in frames:
            size = size or scaled_size(frame.width, frame.height, self._settings.image_height)
            jpeg = _jpeg(frame, size, self._settings.jpeg_quality)
            path = self._file(jpeg, ".jpg")
            images[index] = Image(*size, jpeg=None if path else jpeg, path=path)
        return images

    def _videos(
        self, frames: Iterable[tuple[int, VideoFrame]], views: Iterable[KeyframeView]
    ) -> dict[tuple[str, Scope], Video]:
        asked = {(view.keyframe_id, scope): (view, scope) for view in views for scope in self._scopes}
        waiting = {key: of for key, of in asked.items() if frames_of(*of)}
        encoders: dict[tuple[str, Scope], _Encoder] = {}
        videos: dict[tuple[str, Scope], Video] = {}
        size: tuple[int, int] | None = None
        for index, frame in frames:
            size = size or scaled_size(frame.width, frame.height, self._settings.image_height)
            starting = [key for key, of in waiting.items() if frames_of(*of)[0].source_frame == index]
            for key in starting:
                encoders[key] = _Encoder(*waiting.pop(key), frame, size, self._settings.video_crf)
            picture = _scaled(frame, size, "yuv420p")
            for key in [key for key, encoder in encoders.items() if encoder.add(index, picture)]:
                videos[key] = self._video(encoders.pop(key), size)
        return videos

    def _video(self, encoder: _Encoder, size: tuple[int, int]) -> Video:
        mp4 = encoder.bytes()
        path = self._file(mp4, ".mp4")
        return Video(*size, frames=encoder.frames, mp4=None if path else mp4, path=path)

    def _file(self, data: bytes, suffix: str) -> Path | None:
        """The file that holds the data, named after them; None where they go in the request."""
        if self._folder is None:
            return None
        path = self._folder / f"{hashlib.sha256(data).hexdigest()[:_NAME_DIGITS]}{suffix}"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            # Threads may write equal pictures at once, each under a name of its own.
            temporary = path.with_name(f".tmp-{os.getpid()}-{threading.get_ident()}-{path.name}")
            try:
                temporary.write_bytes(data)
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
        return path


def scaled_size(width: int, height: int, most_high: int) -> tuple[int, int]:
    """Width and height in which a frame is shown: at most so high, both even, never larger, in proportion."""
    high = min(height, most_high)
    return _even(width * high / height), _even(high)


class _Encoder:
    """A view's frames on their way into an mp4 in memory: one step apart, none stored out of order."""

    def __init__(self, view: KeyframeView, scope: Scope, first: VideoFrame, size: tuple[int, int], crf: int) -> None:
        import av
        from av.codec.context import Flags

        shown = frames_of(view, scope)
        self.frames = len(shown)
        self._times = Counter(frame.source_frame for frame in shown)  # a frame stands for two instants over a gap
        self._encoded = 0
        self._step = _step(view)
        self._buffer = io.BytesIO()
        options = {"fflags": "+bitexact", "moov_size": str(_HEADER_BYTES)}
        self._container = av.open(self._buffer, "w", format="mp4", container_options=options)
        self._stream = self._container.add_stream("libx264", rate=1 / self._step)
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = self._step
        context = self._stream.codec_context
        context.time_base = self._step
        context.thread_count = 1
        context.flags |= Flags.frame_duration
        context.max_b_frames = 0
        context.color_primaries, context.color_trc = first.color_primaries, first.color_trc
        context.colorspace, context.color_range = first.colorspace, _LIMITED_RANGE
        # x264's macroblock tree reads memory that it never set, so equal frames would not give equal bytes.
        context.options = {"crf": str(crf), "preset": _PRESET, "profile": "main", "mbtree": "0"}

    def add(self, index: int, picture: VideoFrame) -> bool:
        """Encodes a frame as often as it is shown; True once the last is in."""
        for _ in range(self._times[index]):
            picture.pts, picture.time_base, picture.duration = self._encoded, self._step, 1
            picture.pict_type = 0  # the source's frame types do not bind the encoder
            self._container.mux(self._stream.encode(picture))
            self._encoded += 1
        return self._encoded == self.frames

    def bytes(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._buffer.getvalue()


def _only_clip(views: Sequence[KeyframeView]) -> str:
    clip_ids = sorted({view.clip_id for view in views})
    if len(clip_ids) != 1:
        raise ValueError(f"Media are made clip by clip; these views are of {clip_ids or 'none'}.")
    return clip_ids[0]


def _scaled(frame: VideoFrame, size: tuple[int, int], pixels: str) -> VideoFrame:
    limited = "MPEG" if pixels == "yuv420p" else "JPEG"
    return frame.reformat(*size, format=pixels, interpolation=exact_scaling(), dst_color_range=limited, threads=1)


def _jpeg(frame: VideoFrame, size: tuple[int, int], quality: int) -> bytes:
    from PIL import Image as Pillow

    picture = Pillow.fromarray(_scaled(frame, size, "rgb24").to_ndarray())
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality, subsampling=_CHROMA_420)
    return out.getvalue()


def _video_caption(view: KeyframeView, shown: Sequence[ShownFrame]) -> str:
    """Which instants a video holds; it has no captions of its own."""
    first, last = shown[0].asked_s, shown[-1].asked_s
    rate = f"{float(1 / _step(view)):g} frames a second"
    words = [f"Video, {rate}, from {_at(first)} to {_at(last)}."]
    if lost := [_at(s) for s in view.missing_s if first < s < last]:
        words.append(f"There is no frame of {', '.join(lost)}: its neighbours follow each other at once.")
    if last > 0:
        words.append("Frames after t = 0.0 s show the future.")
    return " ".join(words)


def _step(view: KeyframeView) -> Fraction:
    """Time between two asked instants, s."""
    asked = sorted({*view.missing_s, *(frame.asked_s for frame in view.history + view.future)})
    step_s = asked[1] - asked[0] if len(asked) > 1 else _USUAL_STEP_S
    return Fraction(round(step_s * 1e6), 1_000_000)


def _at(instant_s: float) -> str:
    """`t = -1.5 s`; one decimal, more where it needs them."""
    digits = f"{instant_s:.3f}".rstrip("0")
    return f"t = {digits}0 s" if digits.endswith(".") else f"t = {digits} s"


def _even(pixels: float) -> int:
    return max(int(pixels) // 2 * 2, 2)
