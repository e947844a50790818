"""The front camera of the generated sample: a `Scene` at an instant becomes a picture of a road.

A plain pinhole camera, wide enough that neighbouring lanes, crossing people and parked blockers stay in the picture.
Everything that stands still is prepared once a clip (`ScenePainter`); a frame only projects, clips and fills polygons.
Texture, dashes, posts and trees are tied to world coordinates, so that the ego's motion shows even on an empty road.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from coc_assets.sample.world import Actor, Line, Path2D, Scene

Colour = tuple[int, int, int]
Pose = tuple[float, float, float]  # x, y (m), heading (rad)

NEAR_M = 0.3  # nothing closer than this along the optical axis is drawn
GUARD_SLOPE = 4.0  # surfaces are cut at |x| = slope * depth, well outside the picture, to keep pixels in integer range
BRAKE_LIGHT_DECELERATION = 0.8  # m/s²
BRAKE_LIGHT_WINDOW_US = 200_000
DASH_M, DASH_PERIOD_M = 3.0, 9.0

_SHIFT = 4  # fractional bits of the pixel coordinates handed to OpenCV
_PAINT_RANGE_M, _TREE_RANGE_M, _HAZE_RANGE_M = 150.0, 120.0, 260.0
_THIN_PX = 1.2  # narrower paint fades instead of filling whole pixels
_ASPHALT = np.array([92.0, 94.0, 98.0])
_SHOULDER, _SHOULDER_WIDTH_M = (128, 120, 104), 1.6
_SHADOWS: tuple[tuple[float, Colour], ...] = ((0.35, (76, 78, 80)), (0.1, (48, 49, 52)))  # margin around a car, m
_SUN = np.array([-0.42, 0.48, 0.77])
_TEXEL_M, _TEXTURE_SIDE = 0.2, 512


@dataclass(frozen=True)
class Camera:
    """The sample's front wide camera: a pinhole on the ego rig that looks along the heading and slightly down.

    Attributes:
        width, height: picture size, px.
        hfov_deg: horizontal field of view.
        forward_m, up_m: position in the rig frame (origin at the centre of the rear axle, on the ground), m.
        pitch_deg: angle below the horizontal.
    """

    width: int = 640
    height: int = 360
    hfov_deg: float = 100.0
    forward_m: float = 1.5
    up_m: float = 1.5
    pitch_deg: float = 2.5

    @cached_property
    def focal(self) -> float:
        return 0.5 * self.width / float(np.tan(np.radians(self.hfov_deg) / 2))

    @cached_property
    def horizon(self) -> float:
        """The row in which the ground meets the sky."""
        return (self.height - 1) / 2 - self.focal * float(np.tan(np.radians(self.pitch_deg)))

    def view(self, x: float, y: float, heading: float) -> View:
        """The camera of an ego whose rig origin is at (x, y), in the scene's frame."""
        c, s = np.cos(heading), np.sin(heading)
        cp, sp = np.cos(np.radians(self.pitch_deg)), np.sin(np.radians(self.pitch_deg))
        rotation = np.array([[s, -c, 0.0], [-c * sp, -s * sp, -cp], [c * cp, s * cp, -sp]])
        return View(self, np.array([x + c * self.forward_m, y + s * self.forward_m, self.up_m]), rotation, heading)

    def ground_distance(self, rows: np.ndarray) -> np.ndarray:
        """Distance along the ground to what a row below the horizon shows in the middle of the picture, m."""
        below = np.arctan((rows - (self.height - 1) / 2) / self.focal) + np.radians(self.pitch_deg)
        return self.up_m / np.tan(np.maximum(below, 1e-4))


@dataclass(frozen=True)
class View:
    """A camera at an instant.

    Attributes:
        position: (3,) in the scene's frame, m.
        rotation: (3, 3) from scene axes to camera axes: x right, y down, z along the optical axis.
        heading: of the ego, rad.
    """

    camera: Camera
    position: np.ndarray
    rotation: np.ndarray
    heading: float

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) scene points in camera axes, m."""
        return (points - self.position) @ self.rotation.T

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) camera points of positive depth as (..., 2) pixels; whole numbers are pixel centres."""
        centre = np.array([(self.camera.width - 1) / 2, (self.camera.height - 1) / 2])
        return centre + self.camera.focal * points[..., :2] / points[..., 2:]

    def project(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) scene points as (..., 2) pixels; NaN where a point lies nearer than the near plane."""
        local = self.to_camera(np.asarray(points, float))
        return self.to_pixels(np.where(local[..., 2:] >= NEAR_M, local, np.nan))

    def may_show(self, points: np.ndarray, reach: np.ndarray | float) -> np.ndarray:
        """Whether spheres of a radius around (..., 3) camera points can touch what the picture shows sideways."""
        slope = 0.5 * self.camera.width / self.camera.focal
        return np.abs(points[..., 0]) < slope * points[..., 2] + (1 + slope) * reach

    def ground_map(self, metres_per_unit: float) -> np.ndarray:
        """(3, 3) homography from pixels to ground coordinates, shifted by whole texture periods to stay small."""
        camera, axes = self.camera, self.rotation.T
        inverse = np.array([[1, 0, -(camera.width - 1) / 2], [0, 1, -(camera.height - 1) / 2], [0, 0, camera.focal]])
        period = metres_per_unit * _TEXTURE_SIDE
        here = np.append(np.mod(self.position[:2], period), self.position[2])
        rays = axes @ inverse
        return np.stack(
            [
                (here[0] * rays[2] - here[2] * rays[0]) / metres_per_unit,
                (here[1] * rays[2] - here[2] * rays[1]) / metres_per_unit,
                rays[2],
            ]
        )


def clip_polygon(points: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The part of a polygon where a linear function of position is not negative.

    Args:
        points: (P, D) corners in order.
        inside: (P,) the function at the corners.

    Returns:
        (Q, D) corners, Q = 0 where nothing is left.
    """
    keep = inside >= 0
    if keep.all():
        return points
    following = np.arange(1, len(points) + 1) % len(points)
    after, inside_after = points[following], inside[following]
    crosses = keep != keep[following]
    share = np.divide(inside, inside - inside_after, out=np.zeros_like(inside), where=crosses)
    cut = points + share[:, None] * (after - points)
    return np.stack([points, cut], axis=1)[np.stack([keep, crosses], axis=1)]


def _fixed(pixels: np.ndarray) -> np.ndarray:
    return np.rint(pixels * (1 << _SHIFT)).astype(np.int32)


def _visible(points: np.ndarray, view: View) -> list[np.ndarray]:
    """K polygons in camera axes, (K, P, 3), as OpenCV's pixels, cut at the near plane; empty where nothing is left."""
    pixels = list(_fixed(view.to_pixels(np.maximum(points, [-np.inf, -np.inf, NEAR_M]))))
    for k in np.flatnonzero(points[..., 2].min(axis=1, initial=np.inf) < NEAR_M):
        pixels[k] = _fixed(view.to_pixels(clip_polygon(points[k], points[k, :, 2] - NEAR_M)))
    return pixels


def _pose(path: Path2D, t_us: int) -> Pose:
    x, y, heading = (float(np.interp(t_us, path.t_us, column)) for column in (path.x, path.y, path.heading))
    return x, y, heading


def _random(scene: Scene, purpose: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(f"{scene.clip_id} {purpose}".encode()))


# ---- paint: lines, dashes and shoulders as pieces of ribbon on the ground -------------------------------------------


@dataclass(frozen=True)
class _Paint:
    """Painted lines, cut into Q short quads.

    Attributes:
        quads: (Q, 4, 3) corners on the ground, the left side first, m.
        line: (Q,) index of the line, ascending.
        width, duty: (Q,) the line's width, m, and painted share of its length.
        colours: (lines, 3).
    """

    quads: np.ndarray
    line: np.ndarray
    width: np.ndarray
    duty: np.ndarray
    colours: np.ndarray

    @cached_property
    def centres(self) -> np.ndarray:
        return self.quads.mean(axis=1)

    @cached_property
    def reach(self) -> np.ndarray:
        """(Q,) the farthest corner from the centre, m."""
        return np.linalg.norm(self.quads - self.centres[:, None], axis=2).max(axis=1)


def _arc_length(points: np.ndarray) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])


def _left_normals(points: np.ndarray) -> np.ndarray:
    along = np.gradient(points, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    return np.stack([-along[:, 1], along[:, 0]], axis=1)


def _cuts(points: np.ndarray, arc: np.ndarray, dashed: bool, piece_m: float) -> np.ndarray:
    """Arc lengths at which a line is cut: its ends, its bends, both ends of each dash and some between."""
    heading = np.unwrap(np.arctan2(*np.diff(points, axis=0).T[::-1]))
    bends = arc[1:-1][np.abs(np.diff(heading)) > 0.04]
    starts = np.arange(0.0, arc[-1], DASH_PERIOD_M) if dashed else np.zeros(0)
    cuts = np.concatenate([[0.0], np.arange(0.0, arc[-1], piece_m), bends, starts, starts + DASH_M])
    return np.append(np.unique(cuts[cuts < arc[-1] - 1e-3]), arc[-1])


def _quads(line: Line, piece_m: float) -> np.ndarray:
    """(Q, 4, 3) the painted pieces; dashes start at the line's first point and keep their places in the world."""
    points = np.asarray(line.points, float)
    points = points[np.concatenate([[True], np.hypot(*np.diff(points, axis=0).T) > 1e-6])]
    if len(points) < 2:
        return np.zeros((0, 4, 3))
    arc = _arc_length(points)
    cuts = _cuts(points, arc, line.style == "dashed", piece_m)
    middle = np.stack([np.interp(cuts, arc, points[:, 0]), np.interp(cuts, arc, points[:, 1])], axis=1)
    offset = 0.5 * line.width * _left_normals(middle)
    left, right = middle + offset, middle - offset
    flat = np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=1)
    if line.style == "dashed":
        flat = flat[np.mod(0.5 * (cuts[:-1] + cuts[1:]), DASH_PERIOD_M) < DASH_M]
    return np.concatenate([flat, np.zeros((len(flat), 4, 1))], axis=2)


def _paint(lines: list[Line], piece_m: float) -> _Paint:
    pieces = [_quads(line, piece_m) for line in lines]
    counts = [len(quads) for quads in pieces]
    return _Paint(
        np.concatenate([np.zeros((0, 4, 3)), *pieces]),
        np.repeat(np.arange(len(lines)), counts),
        np.repeat([line.width for line in lines], counts),
        np.repeat([DASH_M / DASH_PERIOD_M if line.style == "dashed" else 1.0 for line in lines], counts),
        np.array([line.colour for line in lines], float).reshape(-1, 3),
    )


def _shoulders(surfaces: list[np.ndarray]) -> _Paint:
    """A gravel band along every surface's outline; the surfaces themselves then cover its inner half."""
    outlines = [np.concatenate([surface, surface[:1]]) for surface in surfaces]
    return _paint([Line(outline, "solid", _SHOULDER_WIDTH_M, _SHOULDER) for outline in outlines], 6.0)


def _draw_paint(image: np.ndarray, view: View, paint: _Paint, beneath: np.ndarray) -> None:
    """Fill the pieces that are wide enough in the picture, draw the others as lines, fainter the thinner they are."""
    centres = view.to_camera(paint.centres)
    closest = 0.8 * view.camera.ground_distance(np.array([view.camera.height - 1]))[0] - paint.reach
    in_range = (centres[:, 2] > closest) & (centres[:, 2] < _PAINT_RANGE_M)
    seen = np.flatnonzero(in_range & view.may_show(centres, paint.reach))
    local = view.to_camera(paint.quads[seen])
    in_front = local[..., 2].max(axis=1) > NEAR_M
    seen, local = seen[in_front], local[in_front]
    thin = _apparent_width(view, paint, seen, local) < _THIN_PX
    _draw_thin(image, view, paint, seen[thin], local[thin], beneath)
    _draw_wide(image, view, paint, seen[~thin], local[~thin])


def _apparent_width(view: View, paint: _Paint, index: np.ndarray, local: np.ndarray) -> np.ndarray:
    return view.camera.focal * paint.width[index] / np.maximum(local[..., 2].mean(axis=1), NEAR_M)


def _draw_wide(image: np.ndarray, view: View, paint: _Paint, index: np.ndarray, local: np.ndarray) -> None:
    import cv2

    pixels = _visible(local, view)
    starts = np.append(np.flatnonzero(np.diff(paint.line[index], prepend=-1)), len(index))
    for first, last in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        colour = paint.colours[paint.line[index[first]]].tolist()
        cv2.fillPoly(image, pixels[first:last], colour, cv2.LINE_AA, _SHIFT)


def _draw_thin(
    image: np.ndarray, view: View, paint: _Paint, index: np.ndarray, local: np.ndarray, beneath: np.ndarray
) -> None:
    import cv2

    pixels = view.to_pixels(0.5 * (local[:, :2] + local[:, 3:1:-1]))
    length = np.abs(pixels[:, 1] - pixels[:, 0]).max(axis=1, initial=0.0)
    share = _apparent_width(view, paint, index, local) / _THIN_PX
    steps = np.ceil(8 * share * np.clip(length / 2, paint.duty[index], 1.0)).astype(int)
    colours = beneath + (paint.colours[paint.line[index]] - beneath) * steps[:, None] / 8
    ends, kinds = _fixed(pixels), 16 * paint.line[index] + steps
    for kind in np.unique(kinds).tolist():
        same = np.flatnonzero(kinds == kind)
        cv2.polylines(image, list(ends[same]), False, colours[same[0]].tolist(), 1, cv2.LINE_AA, _SHIFT)


# ---- actors: polygons on boxes in the actor's own frame -------------------------------------------------------------


@dataclass(frozen=True)
class _Block:
    """A box with a narrower top, as fractions of the actor's length (x), width (half of it) and height (z)."""

    bottom: tuple[float, float, float]  # x from, x to, half width
    top: tuple[float, float, float]
    z: tuple[float, float]
    sides: str = "paint"
    lid: str = "paint"


@dataclass(frozen=True)
class _Shape:
    blocks: tuple[_Block, ...]
    wheels_at: tuple[float, ...] = ()
    wheel_m: float = 0.0
    wheel_side: float = 1.01  # in half widths
    lamps: bool = False


_MATERIALS: dict[str, Colour] = {
    "glass": (44, 54, 66),
    "dark": (34, 34, 38),
    "hair": (62, 48, 40),
    "skin": (214, 168, 138),
    "trousers": (58, 62, 82),
    "head lamp": (250, 246, 224),
    "tail lamp": (122, 22, 22),
    "plate": (222, 222, 210),
}
_BRAKE_LIGHT: Colour = (255, 36, 24)
_PLAIN = _Shape((_Block((-0.5, 0.5, 0.5), (-0.46, 0.46, 0.46), (0.0, 1.0)),))
_LORRY = _Shape(
    (_Block((-0.5, 0.5, 0.5), (-0.5, 0.5, 0.5), (0.12, 1.0)),), wheels_at=(-0.32, 0.32), wheel_m=0.48, lamps=True
)
_SHAPES: dict[str, _Shape] = {
    "automobile": _Shape(
        (
            _Block((-0.5, 0.5, 0.48), (-0.49, 0.48, 0.5), (0.14, 0.44)),
            _Block((-0.49, 0.48, 0.5), (-0.46, 0.44, 0.45), (0.44, 0.58)),
            _Block((-0.45, 0.27, 0.45), (-0.35, 0.09, 0.36), (0.58, 0.97), sides="glass"),
            _Block((-0.35, 0.09, 0.36), (-0.33, 0.07, 0.34), (0.97, 1.0)),
        ),
        wheels_at=(-0.31, 0.31),
        wheel_m=0.32,
        lamps=True,
    ),
    "other_vehicle": _LORRY,
    "trailer": _LORRY,
    "person": _Shape(
        (
            _Block((-0.3, 0.3, 0.28), (-0.3, 0.3, 0.34), (0.0, 0.5), sides="trousers"),
            _Block((-0.32, 0.32, 0.38), (-0.28, 0.28, 0.46), (0.48, 0.84)),
            _Block((-0.13, 0.13, 0.13), (-0.19, 0.19, 0.19), (0.84, 0.93), sides="skin", lid="skin"),
            _Block((-0.19, 0.19, 0.19), (-0.13, 0.13, 0.13), (0.93, 1.0), sides="hair", lid="hair"),
        )
    ),
    "rider": _Shape(
        (
            _Block((-0.4, 0.4, 0.08), (-0.2, 0.38, 0.08), (0.0, 0.52), sides="dark", lid="dark"),
            _Block((-0.12, 0.06, 0.3), (-0.12, 0.06, 0.3), (0.22, 0.52), sides="trousers"),
            _Block((-0.14, 0.06, 0.36), (-0.04, 0.18, 0.42), (0.5, 0.84)),
            _Block((0.06, 0.16, 0.13), (0.04, 0.18, 0.18), (0.84, 0.92), sides="skin", lid="skin"),
            _Block((0.03, 0.19, 0.2), (0.06, 0.16, 0.14), (0.92, 1.0)),  # a helmet in the colour of the shirt
        ),
        wheels_at=(-0.34, 0.34),
        wheel_m=0.32,
        wheel_side=0.09,
    ),
}


@dataclass(frozen=True)
class _Models:
    """The polygons of all A actors, each in its actor's frame (x forward, y left, z up, origin on the ground).

    Attributes:
        corners: (K, 8, 3) in drawing order, m; polygons of fewer corners repeat their last one.
        normals: (K, 3) outward.
        colours: (K, 3).
        glows, tail: (K,) lamps, which no shade darkens, and those among them that show braking.
        owner: (K,) index of the actor, ascending.
        feet: (A, 4, 3) the box on the ground, counter-clockwise, m.
        shadows: (A, S, 4, 3) the ground beneath, widened by each of the shadows' margins, m.
        reach: (A,) no corner is farther from the origin, m.
    """

    corners: np.ndarray
    normals: np.ndarray
    colours: np.ndarray
    glows: np.ndarray
    tail: np.ndarray
    owner: np.ndarray
    feet: np.ndarray
    shadows: np.ndarray
    reach: np.ndarray


def _block_faces(block: _Block, size: np.ndarray) -> list[tuple[np.ndarray, str]]:
    """The five faces that can be seen of a block (nothing looks at it from below), counter-clockwise from outside."""
    (a, b, w), (c, d, v), (low, high) = block.bottom, block.top, block.z
    below = [[a, -w, low], [b, -w, low], [b, w, low], [a, w, low]]
    above = [[c, -v, high], [d, -v, high], [d, v, high], [c, v, high]]
    p = np.array(below + above) * size
    sides = [[3, 0, 4, 7], [1, 2, 6, 5], [0, 1, 5, 4], [2, 3, 7, 6]]
    return [(p[side], block.sides) for side in sides] + [(p[4:], block.lid)]


def _wheels(shape: _Shape, size: np.ndarray) -> list[tuple[np.ndarray, str]]:
    angle = np.arange(8) * np.pi / 4 + np.pi / 8
    faces = []
    for at in shape.wheels_at:
        for side in (-1.0, 1.0):
            x = at * size[0] - side * shape.wheel_m * np.cos(angle)
            y = np.full(8, side * 0.5 * shape.wheel_side * size[1])
            faces.append((np.stack([x, y, shape.wheel_m * (1 + np.sin(angle))], axis=1), "dark"))
    return faces


def _upright(x: float, y: tuple[float, float], z: tuple[float, float]) -> np.ndarray:
    """A rectangle across the actor's length that faces backwards where x < 0, forwards otherwise."""
    (a, b), (low, high) = y if x > 0 else y[::-1], z
    return np.array([[x, a, low], [x, b, low], [x, b, high], [x, a, high]])


def _lamps(size: np.ndarray, block: _Block) -> list[tuple[np.ndarray, str]]:
    half, low = 0.5 * size[1], block.z[0] * size[2]
    z = (low + 0.28, low + 0.50)
    faces = [(_upright(-0.502 * size[0], (-0.2, 0.2), (low + 0.12, low + 0.24)), "plate")]
    for inner, outer in ((0.6 * half, 0.96 * half), (-0.96 * half, -0.6 * half)):
        faces.append((_upright(-0.502 * size[0], (inner, outer), z), "tail lamp"))
        faces.append((_upright(0.502 * size[0], (inner, outer), z), "head lamp"))
    return faces


def _faces(actor: Actor) -> list[tuple[np.ndarray, str]]:
    shape, size = _SHAPES.get(actor.label_class, _PLAIN), np.array([actor.length, actor.width, actor.height])
    faces = _block_faces(shape.blocks[0], size) + _wheels(shape, size)
    faces += _lamps(size, shape.blocks[0]) if shape.lamps else []
    return faces + [face for block in shape.blocks[1:] for face in _block_faces(block, size)]


def _feet(actor: Actor, margin_m: float = 0.0) -> np.ndarray:
    """(4, 3) the actor's box on the ground, widened on all sides, counter-clockwise."""
    half = np.array([0.5 * actor.length + margin_m, 0.5 * actor.width + margin_m, 0.0])
    return half * np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])


def _shadows(actor: Actor) -> list[np.ndarray]:
    return [_feet(actor, margin * min(1.0, 0.5 * actor.width)) for margin, _ in _SHADOWS]


def _models(actors: list[Actor]) -> _Models:
    faces = [(owner, *face) for owner, actor in enumerate(actors) for face in _faces(actor)]
    padded = [np.concatenate([p, np.repeat(p[-1:], 8 - len(p), axis=0)]) for _, p, _ in faces]
    corners = np.reshape(padded, (-1, 8, 3))
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 1])
    return _Models(
        corners,
        normals / np.linalg.norm(normals, axis=1, keepdims=True),
        np.array([_MATERIALS.get(name, actors[owner].colour) for owner, _, name in faces], float).reshape(-1, 3),
        np.array([name.endswith("lamp") for *_, name in faces], bool),
        np.array([name == "tail lamp" for *_, name in faces], bool),
        np.array([owner for owner, *_ in faces], int),
        np.reshape([_feet(actor) for actor in actors], (-1, 4, 3)),
        np.reshape([_shadows(actor) for actor in actors], (-1, len(_SHADOWS), 4, 3)),
        np.array([actor.length + actor.width + actor.height for actor in actors], float),
    )


def _placed(points: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """(N, ..., 3) vectors of actors' frames in scene axes, not moved, given the actors' (N, 3) poses."""
    heading = poses[:, 2].reshape(-1, *(1,) * (points.ndim - 2))
    c, s = np.cos(heading), np.sin(heading)
    x, y = points[..., 0], points[..., 1]
    return np.stack([c * x - s * y, s * x + c * y, points[..., 2]], axis=-1)


def _origins(poses: np.ndarray) -> np.ndarray:
    return poses * [1.0, 1.0, 0.0]


def _brakes(path: Path2D, t_us: int) -> bool:
    """Whether the path has been slowing down by more than the threshold over the last moment."""
    before = max(t_us - BRAKE_LIGHT_WINDOW_US, int(path.t_us[0]))
    was, now = np.abs(np.interp([before, t_us], path.t_us, path.speed))
    return t_us > before and (was - now) / ((t_us - before) * 1e-6) > BRAKE_LIGHT_DECELERATION


# ---- roadside: trees and marker posts, where no road and no path is -------------------------------------------------


def _distance_to_roads(scene: Scene, points: np.ndarray) -> np.ndarray:
    """(N,) metres from the nearest surface's edge, negative on a surface."""
    import cv2

    surfaces = [np.asarray(surface, np.float32).reshape(-1, 1, 2) for surface in scene.road.surfaces]
    tests = [[-cv2.pointPolygonTest(surface, (float(x), float(y)), True) for surface in surfaces] for x, y in points]
    return np.min(np.reshape(tests, (len(points), len(surfaces))), axis=1, initial=1e6)


def _distance_to(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    if not len(targets):
        return np.full(len(points), np.inf)
    return np.sqrt(((points[:, None] - targets[None]) ** 2).sum(axis=2).min(axis=1))


def _travelled(scene: Scene) -> np.ndarray:
    """(N, 2) places where the ego or an actor comes by, thinned out; trees and posts keep clear of them."""
    paths = [scene.ego, *(actor.path for actor in scene.actors)]
    thinned = [np.linspace(0, len(path.t_us) - 1, 120).astype(int) for path in paths]
    return np.concatenate([np.stack([p.x[i], p.y[i]], axis=1) for p, i in zip(paths, thinned, strict=True)])


def _corridor(scene: Scene) -> np.ndarray:
    """(N, 2) the ego's way, continued straight on as far as trees are seen."""
    every = np.unique(np.linspace(0, len(scene.ego.t_us) - 1, 120).astype(int))
    way = np.stack([scene.ego.x[every], scene.ego.y[every]], axis=1)
    heading = scene.ego.heading[-1]
    on = np.arange(5.0, _TREE_RANGE_M, 5.0)[:, None] * [np.cos(heading), np.sin(heading)]
    return np.concatenate([way, way[-1] + on])


def _trees(scene: Scene, cell_m: float = 13.0, breadth_m: float = 60.0) -> np.ndarray:
    """(N, 4) x, y, height and tint of the trees, on a jittered world grid along the ego's way."""
    way, random = _corridor(scene), _random(scene, "trees")
    low, high = way.min(axis=0) - breadth_m, way.max(axis=0) + breadth_m
    grid = np.stack(np.meshgrid(*(np.arange(a, b, cell_m) for a, b in zip(low, high, strict=True))), axis=-1)
    spots = grid.reshape(-1, 2) + random.uniform(0, cell_m, (grid.size // 2, 2))
    looks = np.stack([random.uniform(2.2, 8.0, len(spots)), random.uniform(-1, 1, len(spots))], axis=1)
    near = _distance_to(spots, way) < breadth_m
    spots, looks = spots[near], looks[near]
    free = (_distance_to(spots, _travelled(scene)) > 7.0) & (_distance_to_roads(scene, spots) > 6.0)
    return np.concatenate([spots, looks], axis=1)[free]


def _posts(scene: Scene, spacing_m: float = 25.0, beside_m: float = 1.2) -> np.ndarray:
    """(N, 2) marker posts along the outer edges of the road."""
    spots = [np.zeros((0, 2))]
    for surface in scene.road.surfaces:
        edge = np.concatenate([surface, surface[:1]]).astype(float)
        arc = _arc_length(edge)
        at = np.arange(0.5 * spacing_m, arc[-1], spacing_m)
        middle, further = (np.stack([np.interp(s, arc, edge[:, k]) for k in (0, 1)], axis=1) for s in (at, at + 0.1))
        along = (further - middle) / 0.1
        beside = beside_m * np.stack([-along[:, 1], along[:, 0]], axis=1)
        spots += [middle + beside, middle - beside]
    posts = np.concatenate(spots)
    free = (_distance_to_roads(scene, posts) > 0.8 * beside_m) & (_distance_to(posts, _travelled(scene)) > 2.0)
    return posts[free & (_distance_to(posts, _corridor(scene)) < _PAINT_RANGE_M)]


# ---- sprites: everything that stands up, as convex polygons in drawing order ----------------------------------------


@dataclass(frozen=True)
class _Sprite:
    """Something that hides what is farther away: polygons of OpenCV pixels with a colour each."""

    distance: float
    polygons: list[np.ndarray]
    colours: list[list[float]]


def _hazed(colours: np.ndarray, distance: np.ndarray | float, haze: np.ndarray) -> np.ndarray:
    share = 0.55 * (1 - np.exp(-np.asarray(distance)[..., None] / _HAZE_RANGE_M))
    return np.minimum(colours + (haze - colours) * share, 255.0)


def _farthest_first(feet: np.ndarray, here: np.ndarray, distance: np.ndarray) -> list[int]:
    """The order in which to draw boxes so that none covers one that hides it.

    A side of one box that has the whole of another box outside it tells which of the two can hide the other: the one
    on the viewer's side of that line. Distance alone fails beside long vehicles; it decides where no side tells.

    Args:
        feet: (A, 4, 2) boxes on the ground, counter-clockwise.
        here: (2,) the viewer.
        distance: (A,) from the viewer to the centres.
    """
    along = np.roll(feet, -1, axis=1) - feet
    outward = np.stack([along[..., 1], -along[..., 0]], axis=-1)
    bound = (outward * feet).sum(axis=2)
    parted = (np.einsum("aed,bcd->aebc", outward, feet) >= bound[..., None, None]).all(axis=3)
    outside = ((outward @ here) >= bound)[..., None]
    before = (parted & outside).any(axis=1) | (parted & ~outside).any(axis=1).T
    before &= ~before.T
    waiting, order = np.argsort(-distance, kind="stable").tolist(), []
    while waiting:
        free = ~before[np.ix_(waiting, waiting)].any(axis=0)
        order.append(waiting.pop(int(np.argmax(free))))
    return order


def _actor_sprites(
    view: View, models: _Models, poses: np.ndarray, shown: np.ndarray, braking: np.ndarray, haze: np.ndarray
) -> list[_Sprite]:
    """Sprites of the actors whose (A,) `shown` is set; of the poses (A, 3) only theirs are read."""
    rows = np.flatnonzero(shown[models.owner])
    owner = models.owner[rows]
    normals = _placed(models.normals[rows], poses[owner])
    corners = _placed(models.corners[rows], poses[owner]) + _origins(poses[owner])[:, None]
    local = view.to_camera(corners)
    facing = ((view.position - corners[:, 0]) * normals).sum(axis=1) > 0
    seen = facing & (local[..., 2].max(axis=1) > NEAR_M)
    rows, owner, local, normals = rows[seen], owner[seen], local[seen], normals[seen]
    light = np.where(models.glows[rows], 1.0, 0.74 + 0.34 * np.maximum(normals @ _SUN, 0))
    lit = (models.tail[rows] & braking[owner])[:, None]
    distance = np.hypot(*(poses[:, :2] - view.position[:2]).T)
    colours = _hazed(np.where(lit, _BRAKE_LIGHT, models.colours[rows] * light[:, None]), distance[owner], haze).tolist()
    polygons = _visible(local, view)
    ends = np.searchsorted(owner, np.arange(len(poses) + 1)).tolist()
    index = np.flatnonzero(shown)
    feet = (_placed(models.feet[index], poses[index]) + _origins(poses[index])[:, None])[..., :2]
    order = index[_farthest_first(feet, view.position[:2], distance[index])].tolist()
    return [
        _Sprite(slot, polygons[ends[k] : ends[k + 1]], colours[ends[k] : ends[k + 1]])
        for slot, k in zip(sorted(distance[index].tolist(), reverse=True), order, strict=True)
    ]


def _standing(view: View, spots: np.ndarray, closest_m: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Which of (N, 2+) spots are in the picture: their indices, distances (m), feet (px) and scales (px/m)."""
    local = view.to_camera(np.concatenate([spots[:, :2], np.zeros((len(spots), 1))], axis=1))
    depth = local[:, 2]
    seen = (depth > closest_m) & (depth < _TREE_RANGE_M) & view.may_show(local, 3.0)
    index = np.flatnonzero(seen)
    distance = np.hypot(*(spots[index, :2] - view.position[:2]).T)
    return index, distance, view.to_pixels(local[index]), view.camera.focal / depth[index]


_CIRCLE = np.stack([np.cos(np.arange(16) * np.pi / 8), np.sin(np.arange(16) * np.pi / 8)], axis=1)
# Right, below (in crown radii), radius, brightness: a dark crown that is lighter towards the sun.
_CROWN = np.array([[0, 0, 1, 0.86], [0.42, 0.5, 0.6, 0.78], [-0.28, -0.22, 0.66, 1.06], [-0.36, -0.36, 0.36, 1.22]])
_TRUNK = np.array([[-0.03, 0.0], [0.03, 0.0], [0.02, -0.6], [-0.02, -0.6]])


def _tree_sprites(view: View, trees: np.ndarray, ground: np.ndarray, haze: np.ndarray) -> list[_Sprite]:
    index, distance, feet, scale = _standing(view, trees, closest_m=2.0)
    height, tint = trees[index, 2] * scale, trees[index, 3]
    trunks = _fixed(feet[:, None] + height[:, None, None] * _TRUNK)
    radius = 0.34 * height
    crowns = np.stack([feet[:, 0], feet[:, 1] - height + radius], axis=1)
    centres = crowns[:, None] + radius[:, None, None] * _CROWN[:, :2]
    blobs = _fixed(centres[:, :, None] + radius[:, None, None, None] * _CROWN[:, 2, None, None] * _CIRCLE)
    leaves = ground * [0.50, 0.68, 0.48] + tint[:, None] * [8.0, 10.0, 3.0]
    shades = _hazed(leaves[:, None] * _CROWN[:, 3, None], distance[:, None], haze).tolist()
    bark = _hazed(np.array([82.0, 66.0, 52.0]), distance, haze).tolist()
    counts = np.where(radius > 5, len(_CROWN), 1).tolist()
    return [
        _Sprite(float(distance[k]), [trunks[k], *blobs[k, :count]], [bark[k], *shades[k][:count]])
        for k, count in enumerate(counts)
    ]


def _post_sprites(view: View, posts: np.ndarray, haze: np.ndarray) -> list[_Sprite]:
    index, distance, feet, scale = _standing(view, posts, closest_m=1.0)
    bands = [[[-0.06, -a], [0.06, -a], [0.06, -b], [-0.06, -b]] for a, b in ((0.0, 0.62), (0.62, 0.82), (0.82, 1.0))]
    quads = _fixed(feet[:, None, None] + scale[:, None, None, None] * np.array(bands))
    paint = np.array([[228.0, 228.0, 224.0], [40.0, 40.0, 42.0], [228.0, 228.0, 224.0]])
    colours = _hazed(paint, distance[:, None], haze).tolist()
    return [_Sprite(float(distance[k]), list(quads[k]), colours[k]) for k in range(len(index))]


# ---- the picture ----------------------------------------------------------------------------------------------------


def _texture(scene: Scene) -> np.ndarray:
    """(S, S) uint8 of soft noise around 128 that repeats without a seam: fine grain on broader patches."""
    random, side = _random(scene, "texture"), _TEXTURE_SIDE
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    noise = np.zeros((side, side))
    for size_m, strength in ((0.4, 5.0), (1.5, 6.0), (6.0, 7.0)):
        smooth = np.exp(-2 * (np.pi * frequency * size_m / _TEXEL_M / 2) ** 2)
        layer = np.fft.irfft2(np.fft.rfft2(random.standard_normal((side, side))) * smooth, (side, side))
        noise += strength * layer / layer.std()
    return np.clip(np.round(128 + noise), 90, 166).astype(np.uint8)


def _skyline(scene: Scene, name: str, harmonics: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whole numbers of waves around the full circle with their phases and strengths, so that the skyline closes."""
    random = _random(scene, name)
    waves = np.array(harmonics, float)
    return waves, random.uniform(0, 2 * np.pi, len(waves)), random.uniform(0.5, 1.0, len(waves)) / len(waves)


class ScenePainter:
    """Draws the frames of one scene; what stands still is prepared here, once."""

    def __init__(self, scene: Scene, camera: Camera | None = None) -> None:
        self.scene, self.camera = scene, camera or Camera()
        surfaces = [np.asarray(surface, float) for surface in scene.road.surfaces]
        self._ground = np.array(scene.ground, float)
        self._haze = 0.45 * np.array(scene.sky, float) + 0.55 * np.array([226.0, 228.0, 226.0])
        self._surfaces = [np.concatenate([surface, np.zeros((len(surface), 1))], axis=1) for surface in surfaces]
        self._shoulders, self._lines = _shoulders(surfaces), _paint(scene.road.lines, 2.0)
        self._models = _models(scene.actors)
        self._trees, self._posts = _trees(scene), _posts(scene)
        self._texture = _texture(scene)
        self._hills = _skyline(scene, "hills", (3, 5, 8, 13, 21))
        self._woods = _skyline(scene, "woods", (11, 29, 47, 83, 131))
        self._backdrop = self._paint_backdrop()

    def paint(self, t_us: int, burn_in: int | None = None, out: np.ndarray | None = None) -> np.ndarray:
        """The (height, width, 3) uint8 RGB frame at an instant of the clip's clock, optionally with a frame number.

        `out`, where given, is painted over and returned: fresh pictures cost a quarter of the time in page faults.
        """
        import cv2

        view = self.camera.view(*_pose(self.scene.ego, t_us))
        image = np.empty_like(self._backdrop) if out is None else out
        np.copyto(image, self._backdrop)
        present = np.array([a.path.t_us[0] <= t_us <= a.path.t_us[-1] for a in self.scene.actors], bool)
        poses = np.reshape([_pose(actor.path, t_us) for actor in self.scene.actors], (-1, 3))
        self._draw_skyline(image, view)
        self._draw_road(image, view)
        self._draw_shadows(image, view, poses[present], self._models.shadows[present])
        self._weather_ground(image, view)
        for sprite in sorted(self._sprites(view, poses, present, t_us), key=lambda sprite: -sprite.distance):
            for polygon, colour in zip(sprite.polygons, sprite.colours, strict=True):
                cv2.fillConvexPoly(image, polygon, colour, cv2.LINE_AA, _SHIFT)
        if burn_in is not None:
            _burn(image, burn_in)
        return image

    def _paint_backdrop(self) -> np.ndarray:
        camera = self.camera
        rows = np.arange(camera.height)
        high = np.clip((camera.horizon - rows) / camera.horizon, 0, 1)[:, None] ** 0.7
        top = np.array(self.scene.sky, float) * [0.74, 0.84, 0.97]
        sky = self._haze + (top - self._haze) * high
        colours = np.where(rows[:, None] <= camera.horizon, sky, self._ground)
        return np.repeat(np.rint(colours).astype(np.uint8)[:, None], camera.width, axis=1)

    def _draw_skyline(self, image: np.ndarray, view: View) -> None:
        """Hills and a far wood, fixed to compass directions: they slide sideways as the ego turns."""
        import cv2

        camera = self.camera
        columns = np.arange(-8, camera.width + 9, 4)
        azimuth = view.heading - np.arctan((columns - (camera.width - 1) / 2) / camera.focal)
        hill = 0.72 * self._haze + 0.28 * self._ground * [0.75, 0.95, 1.15]
        wood = 0.4 * self._haze + 0.6 * self._ground * [0.55, 0.72, 0.6]
        for (waves, phases, parts), base, swing, colour in ((self._hills, 17, 24, hill), (self._woods, 6, 8, wood)):
            height = base + swing * (parts * np.sin(azimuth[:, None] * waves + phases)).sum(axis=1)
            crest = np.stack([columns, camera.horizon - np.maximum(height, 0.5)], axis=1)
            foot = [[columns[-1], camera.horizon + 1], [columns[0], camera.horizon + 1]]
            cv2.fillPoly(image, [_fixed(np.concatenate([crest, foot]))], colour.tolist(), cv2.LINE_AA, _SHIFT)

    def _draw_road(self, image: np.ndarray, view: View) -> None:
        import cv2

        _draw_paint(image, view, self._shoulders, self._ground)
        for surface in self._surfaces:
            local = view.to_camera(surface)
            for plane in ((0, 0, 1, -NEAR_M), (1, 0, GUARD_SLOPE, 0), (-1, 0, GUARD_SLOPE, 0)):
                local = clip_polygon(local, local @ np.array(plane[:3]) + plane[3])
            if len(local) >= 3:
                cv2.fillPoly(image, [_fixed(view.to_pixels(local))], _ASPHALT.tolist(), cv2.LINE_AA, _SHIFT)
        _draw_paint(image, view, self._lines, _ASPHALT)

    def _draw_shadows(self, image: np.ndarray, view: View, poses: np.ndarray, shadows: np.ndarray) -> None:
        import cv2

        local = view.to_camera(_placed(shadows, poses) + _origins(poses)[:, None, None])
        local = local[local[..., 2].max(axis=(1, 2), initial=0.0) > 1.0]
        for layer, (_, colour) in enumerate(_SHADOWS):
            for polygon in _visible(local[:, layer], view):
                cv2.fillConvexPoly(image, polygon, colour, cv2.LINE_AA, _SHIFT)

    def _sprites(self, view: View, poses: np.ndarray, present: np.ndarray, t_us: int) -> list[_Sprite]:
        centres, reach = view.to_camera(_origins(poses)), self._models.reach
        shown = present & (centres[:, 2] > -reach) & view.may_show(centres, reach)
        braking = np.array([_brakes(actor.path, t_us) for actor in self.scene.actors], bool)
        sprites = _tree_sprites(view, self._trees, self._ground, self._haze)
        sprites += _post_sprites(view, self._posts, self._haze)
        return sprites + _actor_sprites(view, self._models, poses, shown, braking, self._haze)

    @cached_property
    def _grain_rows(self) -> tuple[int, np.ndarray]:
        """The first row that carries texture and, for every second row from there, its strength in 1/256.

        The texture fades out before the grain gets finer than a row.
        """
        rows = np.arange(self.camera.height)
        strength = np.clip((45.0 - self.camera.ground_distance(rows)) / 38.0, 0, 1)
        first = int(np.argmax(strength > 0)) // 2 * 2
        return first, np.rint(256 * strength[first::2, None]).astype(np.int16)

    @cached_property
    def _haze_rows(self) -> tuple[slice, np.ndarray]:
        first = int(np.floor(self.camera.horizon)) + 1
        distance = self.camera.ground_distance(np.arange(first, self.camera.height))
        share = 0.45 * (1 - np.exp(-np.maximum(distance - 20.0, 0) / _HAZE_RANGE_M))
        return slice(first, first + int(np.sum(share > 0.01))), share[share > 0.01][:, None, None]

    def _weather_ground(self, image: np.ndarray, view: View) -> None:
        """Lay grain over the near ground and haze over the far one."""
        import cv2

        first, strength = self._grain_rows
        ground = image[first:]
        halved = np.array([[2, 0, 0.5], [0, 2, first + 0.5], [0, 0, 1.0]])  # half the pixels: the grain is soft anyway
        to_texture, size = view.ground_map(_TEXEL_M) @ halved, (self.camera.width // 2, len(strength))
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        grain = cv2.warpPerspective(self._texture, to_texture, size, flags=flags, borderMode=cv2.BORDER_WRAP)
        shade = (128 + ((grain.astype(np.int16) - 128) * strength >> 8)).astype(np.uint8)
        shade = cv2.resize(shade, (self.camera.width, len(ground)), interpolation=cv2.INTER_LINEAR)
        cv2.multiply(ground, cv2.cvtColor(shade, cv2.COLOR_GRAY2RGB), dst=ground, scale=1 / 128)
        far, share = self._haze_rows
        image[far] = np.rint(image[far] + (self._haze - image[far]) * share).astype(np.uint8)


def render(scene: Scene, t_us: int, burn_in: int | None = None) -> np.ndarray:
    """What the front camera sees at an instant; to draw many frames of one scene keep a `ScenePainter`.

    Args:
        scene: the scene; actors appear only within the time span of their paths, the ego's pose is held at its ends.
        t_us: the clip's clock, µs.
        burn_in: a number to burn into the picture, see `read_burn_in`.

    Returns:
        (360, 640, 3) uint8 RGB.
    """
    return ScenePainter(scene).paint(t_us, burn_in)


# ---- burnt-in frame numbers -----------------------------------------------------------------------------------------

BURN_IN_LIMIT = 1 << 16
_BLOCK_PX, _CODE_AT = 12, (8, 8)  # column and row of the strip's corner in a picture 640 px wide
_MARKS = (1, 0)  # white, black: tells a strip from scenery


def _code(number: int) -> np.ndarray:
    """(24,) bits: two marks, sixteen of the number, four of a checksum, the marks again."""
    checksum = sum(number >> shift & 15 for shift in (0, 4, 8, 12)) % 15
    bits = [number >> k & 1 for k in range(15, -1, -1)] + [checksum >> k & 1 for k in range(3, -1, -1)]
    return np.array([*_MARKS, *bits, *_MARKS], bool)


def _burn(image: np.ndarray, number: int) -> None:
    import cv2

    if not 0 <= number < BURN_IN_LIMIT:
        raise ValueError(f"burn_in must lie in 0 … {BURN_IN_LIMIT - 1}, got {number}")
    (left, top), side, bits = _CODE_AT, _BLOCK_PX, _code(number)
    strip = np.repeat(bits, side).astype(np.uint8) * 255
    image[top - 2 : top + side + 2, left - 2 : left + len(strip) + 2] = 0
    image[top : top + side, left : left + len(strip)] = strip[None, :, None]
    cv2.rectangle(image, (left - 2, top + side + 2), (left + 94, top + side + 30), (0, 0, 0), -1)
    cv2.putText(image, f"{number:05d}", (left, top + side + 24), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2)


def read_burn_in(frame: np.ndarray) -> int:
    """The frame number that `render(..., burn_in=...)` left in a picture, also after encoding and resizing.

    Args:
        frame: (H, W, 3) or (H, W) uint8 of the whole picture at any scale, at least some 320 px wide.

    Raises:
        ValueError: there is no readable number in the picture.
    """
    (left, top), side = _CODE_AT, _BLOCK_PX
    scale, count = frame.shape[1] / Camera().width, len(_code(0))
    rows = slice(round(scale * (top + 0.25 * side)), max(round(scale * (top + 0.75 * side)), 1))
    edges = scale * (left + side * (np.arange(count)[:, None] + [0.25, 0.75]))
    levels = [float(frame[rows, round(a) : round(b)].mean()) for a, b in edges]
    bits = np.array(levels) > 128
    number = int("".join("01"[int(bit)] for bit in bits[2:18]), 2)
    if not np.array_equal(bits, _code(number)):
        raise ValueError(
            f"no burnt-in number in this {frame.shape} frame (block levels {np.round(levels).astype(int).tolist()}); "
            "render or encode it with burn_in"
        )
    return number
