"""Frames of a made-up drive, for the model to look at; needs only what both environments have."""

from __future__ import annotations

import io

WIDTH, HEIGHT, FRAMES, FPS = 480, 270, 16, 2


def frame(index, seed=0):
    """A red box that crosses a green field; another seed, other colours."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (WIDTH, HEIGHT), (90 + 8 * index, (140 + 90 * seed) % 256, 60))
    left = 20 * index
    ImageDraw.Draw(picture).rectangle((left, 150, left + 80, 220), fill=(200, 30, (30 + 120 * seed) % 256))
    return picture


def jpegs(seed=0):
    """All frames, encoded one by one."""
    encoded = [io.BytesIO() for _ in range(FRAMES)]
    for index, file in enumerate(encoded):
        frame(index, seed).save(file, "JPEG", quality=90)
    return [file.getvalue() for file in encoded]


def mp4(seed=0):
    """All frames, encoded as one video."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as video:
        stream = video.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        for index in range(FRAMES):
            video.mux(stream.encode(av.VideoFrame.from_image(frame(index, seed))))
        video.mux(stream.encode())
    return file.getvalue()
