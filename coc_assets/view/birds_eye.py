"""The ego's path and the boxes around it from above, at any instant of a clip.

Seen from the ego: ahead is up, left is left.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from coc_assets.raw_coc.rules.geometry import Boxes
from coc_assets.raw_coc.rules.scene import PERSON_CLASSES
from coc_assets.view.colours import AHEAD, CITED, EGO, FAINT, GRID, GROUND, INK, OTHER, PAST, PERSON, Colour, rgb
from coc_assets.view.shown import MICRO, Shown
from resources.settings.labels import BodySettings

AHEAD_M, BEHIND_M = 48.0, 14.0
_RING_M = 20.0
_LOST_US = 300_000  # between two boxes of a track that lie farther apart it is not shown
_ON_SHOW_US = 100_000  # the first and the last box of a track are shown so long before and after
_SHIFT = 4  # of cv2's fixed-point coordinates
_FINER = 2  # it is drawn so many times larger: cv2's thick lines have knots where their pieces meet
_LEAST_M = 0.8  # smaller boxes are drawn so large, or a person would be lost
_NAME_PX = 13


@dataclass(frozen=True)
class Outline:
    """A box at an instant, local frame: centre (m), heading (rad) and size (m)."""

    track_id: str
    label_class: str
    x: float
    y: float
    heading: float
    length: float
    width: float

    def corners(self) -> np.ndarray:
        """(4, 2) m, local frame."""
        half = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * np.maximum([self.length, self.width], _LEAST_M) / 2
        return np.array([self.x, self.y]) + half @ _turned(self.heading)


@dataclass(frozen=True)
class Seen:
    """The plane as the ego sees it from a pose, on a picture of so many pixels.

    Attributes:
        x, y, heading: the pose, local frame.
        bold: factor of widths of lines and heights of letters.
    """

    x: float
    y: float
    heading: float
    width: int
    height: int
    bold: float = 1.0

    @property
    def scale(self) -> float:
        """Pixels a metre."""
        return self.height / (AHEAD_M + BEHIND_M)

    def line(self, pixels: float) -> int:
        """Width of a line."""
        return max(round(pixels * self.bold), 1)

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Points of the local frame, (N, 2) m, on the picture: (N, 2), right and down."""
        return self.rig_pixels((points - [self.x, self.y]) @ _turned(self.heading).T)

    def rig_pixels(self, points: np.ndarray) -> np.ndarray:
        """As `pixels`, of points of the rig frame."""
        return np.stack([self.width / 2 - points[:, 1] * self.scale, (AHEAD_M - points[:, 0]) * self.scale], axis=1)


def pose_at(shown: Shown, t_us: int) -> tuple[float, float, float]:
    """Where the ego is at an instant, x, y (m) and heading (rad); outside the clip where it was first or last."""
    ego = shown.ego
    x, y, heading = (float(np.interp(t_us, ego.t_us, values)) for values in (ego.x, ego.y, ego.heading))
    return x, y, heading


def outlines_at(boxes: Boxes, t_us: int) -> list[Outline]:
    """The boxes that are on show at an instant, between those recorded before and after it."""
    found = []
    for number, name in enumerate(boxes.track_ids):
        rows = boxes.of(number)
        times = boxes.t_us[rows]
        after = int(np.searchsorted(times, t_us))
        before = max(after - 1, 0)
        after = min(after, len(times) - 1)
        if not _on_show(int(times[before]), int(times[after]), t_us):
            continue
        heading = np.unwrap(boxes.heading[rows][[before, after]])
        share = (t_us - times[before]) / max(times[after] - times[before], 1)
        share = min(max(float(share), 0.0), 1.0)
        x, y, length, width = (
            _between(values[rows], before, after, share) for values in (boxes.x, boxes.y, boxes.length, boxes.width)
        )
        yaw = float(heading[0] + share * (heading[1] - heading[0]))
        found.append(Outline(name, boxes.classes[number], x, y, yaw, length, width))
    return found


def draw_around(
    shown: Shown, t_us: int, width: int, height: int, cited: Collection[str], bold: float = 1.0
) -> np.ndarray:
    """The bird's-eye view at an instant, (H, W, 3) uint8 RGB.

    Args:
        cited: tracks that the label cites; they are drawn in its colour, with their names.
        bold: lines and letters are so many times as large as in a film.
    """
    import cv2

    seen = Seen(*pose_at(shown, t_us), _FINER * width, _FINER * height, _FINER * bold)
    image = _ground(seen.width, seen.height).copy()
    _draw_rings(image, seen)
    _draw_path(image, seen, shown, t_us)
    outlines = sorted(outlines_at(shown.boxes, t_us), key=lambda one: one.track_id in cited)
    for one in outlines:
        corners = seen.pixels(one.corners())
        colour = CITED if one.track_id in cited else PERSON if one.label_class in PERSON_CLASSES else OTHER
        _fill(image, corners, colour)
        if one.track_id in cited:
            _ring(image, seen, corners)
    _draw_ego(image, seen, shown.body)
    _write_names(image, seen, [one for one in outlines if one.track_id in cited])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _on_show(before_us: int, after_us: int, t_us: int) -> bool:
    if before_us <= t_us <= after_us:
        return after_us - before_us <= _LOST_US
    return min(abs(t_us - before_us), abs(t_us - after_us)) <= _ON_SHOW_US


def _between(values: np.ndarray, before: int, after: int, share: float) -> float:
    return float(values[before] + share * (values[after] - values[before]))


def _turned(heading: float) -> np.ndarray:
    """Turns rows of points by a heading when they are multiplied from the left."""
    cos, sin = np.cos(heading), np.sin(heading)
    return np.array([[cos, sin], [-sin, cos]])


def _draw_ego(image: np.ndarray, seen: Seen, body: BodySettings) -> None:
    """The ego's outline, with an arrow at its front."""
    import cv2

    left, front = body.half_width_m, body.front_m
    outline = np.array([[front, left], [front, -left], [-body.rear_m, -left], [-body.rear_m, left]])
    arrow = np.array([[front - 1.4, 0.7 * left], [front - 0.5, 0.0], [front - 1.4, -0.7 * left]])
    _fill(image, seen.rig_pixels(outline), EGO)
    cv2.polylines(image, [_fixed(seen.rig_pixels(arrow))], False, (255, 255, 255), seen.line(2), cv2.LINE_AA, _SHIFT)


@lru_cache(maxsize=4)
def _ground(width: int, height: int) -> np.ndarray:
    """An empty picture; copying it is faster than filling one."""
    return np.full((height, width, 3), rgb(GROUND), np.uint8)


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.round(np.clip(points, -1e5, 1e5) * (1 << _SHIFT)).astype(np.int32)


def _fill(image: np.ndarray, corners: np.ndarray, colour: Colour) -> None:
    import cv2

    cv2.fillConvexPoly(image, _fixed(corners), rgb(colour), cv2.LINE_AA, _SHIFT)


def _ring(image: np.ndarray, seen: Seen, corners: np.ndarray) -> None:
    """A circle around a box, which a person from above is too small for."""
    import cv2

    centre = corners.mean(axis=0)
    (x, y), far = _fixed(centre[None])[0].tolist(), round(_ring_px(seen, corners) * (1 << _SHIFT))
    cv2.circle(image, (x, y), far, rgb(CITED), seen.line(2), cv2.LINE_AA, _SHIFT)


def _ring_px(seen: Seen, corners: np.ndarray) -> float:
    return float(np.hypot(*(corners - corners.mean(axis=0)).T).max()) + 6 * seen.bold


def _draw_rings(image: np.ndarray, seen: Seen) -> None:
    import cv2

    middle = _fixed(seen.rig_pixels(np.zeros((1, 2))))[0].tolist()
    for number in range(1, 5):
        radius = round(number * _RING_M * seen.scale * (1 << _SHIFT))
        cv2.circle(image, tuple(middle), radius, rgb(GRID), 1, cv2.LINE_AA, _SHIFT)
    for ahead in (_RING_M, 2 * _RING_M):
        _write(image, seen, seen.rig_pixels(np.array([[ahead, -0.8]]))[0], f"{ahead:.0f} m", FAINT)


def _draw_path(image: np.ndarray, seen: Seen, shown: Shown, t_us: int) -> None:
    import cv2

    path = np.stack([shown.ego.x, shown.ego.y], axis=1)
    now, here = int(np.searchsorted(shown.ego.t_us, t_us)), np.array([[seen.x, seen.y]])
    parts = ((np.concatenate([path[:now], here]), PAST), (np.concatenate([here, path[now:]]), AHEAD))
    for points, colour in parts:
        part = _fixed(seen.pixels(_thinned(points)))
        cv2.polylines(image, [part], False, rgb(colour), seen.line(2), cv2.LINE_AA, _SHIFT)
    for keyframe in shown.keyframes:
        at = [np.interp(keyframe.t0_s / MICRO, shown.ego.t_us, values) for values in (shown.ego.x, shown.ego.y)]
        x, y = _fixed(seen.pixels(np.array([at])))[0].tolist()
        cv2.circle(image, (x, y), seen.line(4) << _SHIFT, rgb(INK), -1, cv2.LINE_AA, _SHIFT)


def _thinned(points: np.ndarray) -> np.ndarray:
    """A path with its points a metre apart: lines of a pixel or two each look dotted."""
    driven = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    kept = np.flatnonzero(np.diff(np.floor(driven), prepend=-1.0, append=np.inf)[:-1] > 0)
    return points[np.union1d(kept, [0, len(points) - 1])]


def _write_names(image: np.ndarray, seen: Seen, outlines: list[Outline]) -> None:
    for one in outlines:
        corners = seen.pixels(one.corners())
        text, middle = f"{one.label_class} {one.track_id}", corners.mean(axis=0)
        aside = _ring_px(seen, corners) + 4 * seen.bold
        if middle[0] < seen.width / 2:  # on the outer side, clear of the path
            aside = -aside - _lettered(text, seen.bold).shape[1]
        _write(image, seen, middle + np.array([aside, -_NAME_PX * seen.bold / 2]), text, CITED)


def _write(image: np.ndarray, seen: Seen, place: np.ndarray, text: str, colour: Colour) -> None:
    """Writes on the picture, kept inside it."""
    mask = _lettered(text, seen.bold)
    high, wide = mask.shape
    x = int(min(max(place[0], 2), image.shape[1] - wide - 2))
    y = int(min(max(place[1], 2), image.shape[0] - high - 2))
    if x < 0 or y < 0:
        return
    under = image[y : y + high, x : x + wide].astype(float)
    image[y : y + high, x : x + wide] = (under + mask[..., None] * (np.array(rgb(colour)) - under)).round()


@lru_cache(maxsize=256)
def _lettered(text: str, scale: float) -> np.ndarray:
    """How much ink each pixel of a text has, (H, W), 0 … 1."""
    from coc_assets.view.lettering import Page

    page = Page(len(text) * _NAME_PX, _NAME_PX + 4, scale=scale)
    wide = page.write(0, 0, text, size=_NAME_PX, colour="#000000")
    return 1.0 - page.pixels()[:, : int(wide * scale) + 1, 0] / 255.0
