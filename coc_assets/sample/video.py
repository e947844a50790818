"""The sample's camera clips: the frames of a scene as an H.264 mp4."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np

from coc_assets.sample.render import ScenePainter
from coc_assets.sample.world import Scene

FPS = 30
_COLOUR = "colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m"  # what OpenCV's RGB to YUV is
_X264 = {"preset": "superfast", "crf": "27", "bf": "0", "scenecut": "0", "x264-params": _COLOUR}


def encode_clip(scene: Scene, timestamps_us: np.ndarray, burn_in: bool = False) -> bytes:
    """The front camera's video of a scene, which plays in browsers from the first bytes on.

    Frame k shows the scene at `timestamps_us[k]` and has the presentation time k / 30 s: as in the published data set
    the true instants are in the timestamps file only. One encoder thread, so that equal input gives equal bytes.

    Args:
        scene: the scene.
        timestamps_us: (F,) int64 ascending instants of the clip's clock, µs.
        burn_in: burn each frame's index into the picture, for `render.read_burn_in`.

    Returns:
        mp4: H.264, yuv420p, a key frame every second.
    """
    import av
    import cv2

    painter = ScenePainter(scene)
    camera = painter.camera
    picture = np.empty((camera.height, camera.width, 3), np.uint8)
    planes = np.empty((camera.height * 3 // 2, camera.width), np.uint8)
    with tempfile.TemporaryDirectory() as folder:  # faststart rewrites the file, which needs a path
        path = Path(folder) / "clip.mp4"
        options = {"movflags": "+faststart", "fflags": "+bitexact"}
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream("libx264", rate=FPS, options=_X264)
            stream.width, stream.height, stream.pix_fmt = camera.width, camera.height, "yuv420p"
            stream.codec_context.thread_count = 1
            stream.codec_context.gop_size = FPS
            stream.time_base = stream.codec_context.time_base = Fraction(1, FPS)
            for index, t_us in enumerate(np.asarray(timestamps_us).tolist()):
                painter.paint(t_us, index if burn_in else None, out=picture)
                cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420, dst=planes)
                frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
                frame.pts, frame.time_base = index, Fraction(1, FPS)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path.read_bytes()
