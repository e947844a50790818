"""The sample's camera: what is where in the picture, and that frame numbers can be read back."""

from __future__ import annotations

import numpy as np
import pytest

from coc_assets.sample.render import (
    BURN_IN_LIMIT,
    DASH_M,
    DASH_PERIOD_M,
    NEAR_M,
    Camera,
    ScenePainter,
    _farthest_first,
    clip_polygon,
    read_burn_in,
    render,
)
from coc_assets.sample.world import Actor, Line, Path2D, Road, Scene

MAGENTA, CYAN = (225, 20, 215), (20, 215, 225)


def straight_path(x: float, y: float, speed: float = 0.0, heading: float = 0.0, until_us: int = 10_000_000) -> Path2D:
    """A path along `heading` at constant speed, with only two instants, so that everything between is interpolated."""
    t_us = np.array([0, until_us])
    travelled = speed * t_us * 1e-6
    return Path2D(
        t_us,
        x + travelled * np.cos(heading),
        y + travelled * np.sin(heading),
        np.full(2, heading),
        np.full(2, speed),
        np.zeros(2),
    )


def braking_path(x: float, deceleration: float) -> Path2D:
    t_us = np.arange(0, 3_000_001, 100_000)
    seconds = t_us * 1e-6
    speed = 15 - deceleration * seconds
    along = x + 15 * seconds - 0.5 * deceleration * seconds**2
    return Path2D(t_us, along, *np.zeros((2, len(t_us))), speed, np.zeros(len(t_us)))


def box(path: Path2D, colour: tuple[int, int, int] = MAGENTA, label_class: str = "crate", **size: float) -> Actor:
    length, width, height = (size.get(name, value) for name, value in (("length", 4), ("width", 2), ("height", 1.6)))
    return Actor("1", label_class, length, width, height, path, colour)


def scene_with(*actors: Actor, ego: Path2D | None = None, lines: list[Line] | None = None) -> Scene:
    """A straight road along the x axis, 8 m wide, with a dashed line in its middle."""
    surface = np.array([[-100.0, -4.0], [300.0, -4.0], [300.0, 4.0], [-100.0, 4.0]])
    middle = Line(np.array([[-90.0, 0.0], [300.0, 0.0]]), "dashed", width=0.3)
    road = Road([surface], [middle] if lines is None else lines)
    return Scene("3d1a0000-0000-4000-8000-000000000000", road, ego or straight_path(0.0, 0.0), list(actors))


def shows(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """(H, W) where the picture has the hue of a colour, in light or shade."""
    pixels = image.astype(float)
    norms = np.linalg.norm(pixels, axis=2) * np.linalg.norm(colour)
    return (pixels @ np.array(colour, float) > 0.975 * norms) & (norms > 0)


def extent(mask: np.ndarray) -> list[int]:
    """Left, top, right and bottom of a mask."""
    rows, columns = np.nonzero(mask)
    return [columns.min(), rows.min(), columns.max(), rows.max()]


# ---- projection


@pytest.mark.parametrize(
    ("point", "pixel"),
    [
        ((11.5, 0.0, 1.5), (319.5, 179.5)),  # straight ahead of a camera at x = 1.5 m, z = 1.5 m
        ((11.5, -10 * np.tan(np.radians(50)), 1.5), (639.5, 179.5)),  # half the field of view to the right
        ((11.5, 10 * np.tan(np.radians(50)), 1.5), (-0.5, 179.5)),
        ((11.5, 0.0, 0.0), (319.5, 179.5 + 0.15 * 320 / np.tan(np.radians(50)))),
    ],
)
@pytest.mark.parametrize("pose", [(0.0, 0.0, 0.0), (40.0, -7.0, 2.1)])
def test_a_point_given_in_the_rig_lands_on_its_pixel(point, pixel, pose):
    x, y, heading = pose
    turn = np.array([[np.cos(heading), -np.sin(heading)], [np.sin(heading), np.cos(heading)]])
    in_scene = np.append(turn @ point[:2] + [x, y], point[2])
    np.testing.assert_allclose(Camera(pitch_deg=0.0).view(*pose).project(in_scene), pixel, atol=1e-9)


def test_pitch_moves_the_horizon_to_where_distant_ground_is():
    camera = Camera(pitch_deg=4.0)
    row = camera.view(0.0, 0.0, 0.0).project(np.array([1e7, 0.0, 0.0]))[1]
    assert row == pytest.approx(camera.horizon, abs=1e-3)
    assert camera.horizon == pytest.approx(179.5 - 320 / np.tan(np.radians(50)) * np.tan(np.radians(4.0)))


def test_ground_distance_inverts_the_projection():
    camera = Camera()
    row = camera.view(0.0, 0.0, 0.0).project(np.array([1.5 + 17.0, 0.0, 0.0]))[1]
    assert camera.ground_distance(np.array([row]))[0] == pytest.approx(17.0)


def test_what_is_behind_the_near_plane_has_no_pixel():
    view = Camera(pitch_deg=0.0).view(0.0, 0.0, 0.0)
    assert np.isnan(view.project(np.array([[1.5 + 0.9 * NEAR_M, 0, 0], [-5, 0, 0]]))).all()
    assert np.isfinite(view.project(np.array([1.5 + 1.1 * NEAR_M, 0, 0]))).all()


# ---- clipping


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ([1, 1, 1, 1], [[0, 0], [2, 0], [2, 2], [0, 2]]),
        ([-1, -1, -1, -1], []),
        ([-1, 1, 1, -1], [[1, 0], [2, 0], [2, 2], [1, 2]]),
        ([1, -3, 1, 1], [[0, 0], [0.5, 0], [2, 1.5], [2, 2], [0, 2]]),
    ],
)
def test_clip_polygon_keeps_the_part_where_the_function_is_positive(inside, expected):
    square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
    np.testing.assert_allclose(clip_polygon(square, np.array(inside, float)), np.reshape(expected, (-1, 2)))


def test_road_that_reaches_behind_the_camera_fills_the_ground_ahead_and_nothing_above():
    image = render(scene_with(lines=[]), 0).astype(int)
    grey = np.ptp(image, axis=2) < 12
    assert grey[-60:, 260:380].all()
    assert not grey[: int(Camera().horizon) - 40].any()


@pytest.mark.parametrize(
    ("y", "side", "other"), [(2.6, slice(0, 320), slice(320, 640)), (-2.6, slice(320, 640), slice(0, 320))]
)
def test_a_box_partly_behind_the_camera_stays_on_its_side_of_the_picture(y, side, other):
    image = render(scene_with(box(straight_path(2.0, y), length=6)), 0)
    assert shows(image[:, side], MAGENTA).sum() > 2000
    assert not shows(image[:, other], MAGENTA).any()


@pytest.mark.parametrize("start", [-6.0, -4.0, -2.5, -1.0, 0.0, 0.5, 1.0, 1.6, 1.9, 2.4, 5.0, 5.5, 6.5])
def test_a_yard_that_begins_around_the_ego_reaches_the_lower_edge_or_leaves_meadow_before_it(start):
    near, far = np.array([[start, -30.0], [start, 30.0]]), np.array([[40.0, 30.0], [40.0, -30.0]])
    yard = Road([np.concatenate([near, far])], [Line(near, "dashed", width=0.5)])
    image = render(Scene("yard", yard, straight_path(0.0, 0.0), []), 0).astype(int)
    lowest_shown = 1.5 + Camera().ground_distance(np.array([359]))[0]
    is_grey = np.ptp(image[[359, 230], 320], axis=1) < 12
    assert is_grey.tolist() == [start < lowest_shown, True]


def test_a_box_behind_the_ego_is_not_seen():
    assert not shows(render(scene_with(box(straight_path(-4.0, 0.0))), 0), MAGENTA).any()


def test_a_box_around_the_camera_draws_no_outside():
    assert not shows(render(scene_with(box(straight_path(1.5, 0.0), length=4, width=4, height=3)), 0), MAGENTA).any()


# ---- actors


@pytest.mark.parametrize("t_us", [0, 2_500_000, 5_000_000])
def test_an_actor_ahead_appears_in_its_colour_where_its_box_projects(t_us):
    image = render(scene_with(box(straight_path(14.0, 1.0, 9.0)), ego=straight_path(0.0, 0.0, 8.0)), t_us)
    ego_x, actor_x = 8e-6 * t_us, 14 + 9e-6 * t_us
    rear = np.array([[actor_x - 2, y, z] for y in (0.0, 2.0) for z in (0.0, 1.6)])
    pixels = Camera().view(ego_x, 0.0, 0.0).project(rear)
    left, top, right, bottom = extent(shows(image, MAGENTA))
    assert [left, bottom] == pytest.approx([pixels[:, 0].min(), pixels[:, 1].max()], abs=1.5)
    assert right == pytest.approx(pixels[:, 0].max(), abs=3.5)  # its right flank shows a little
    assert top == pytest.approx(pixels[:, 1].min(), abs=1.5)


@pytest.mark.parametrize(("y", "heading", "is_left"), [(3.0, 0.0, True), (-3.0, 0.0, False), (0.0, 0.2, False)])
def test_left_of_the_ego_is_left_in_the_picture(y, heading, is_left):
    scene = scene_with(box(straight_path(20.0, y)), ego=straight_path(0.0, 0.0, heading=heading))
    columns = np.nonzero(shows(render(scene, 0), MAGENTA))[1]
    assert (columns.mean() < 319.5) == is_left
    assert abs(columns.mean() - 319.5) > 10


@pytest.mark.parametrize("label_class", ["automobile", "other_vehicle", "trailer", "person", "rider", "animal"])
@pytest.mark.parametrize("heading", [0.0, np.pi / 2, np.pi])
def test_every_class_shows_its_colour_inside_its_box(label_class, heading):
    actor = box(straight_path(12.0, 0.0, heading=heading), label_class=label_class, length=2, width=1.5, height=1.8)
    mask = shows(render(scene_with(actor), 0), MAGENTA)
    corners = np.array([[12 + x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (0, 1.8)])
    pixels = Camera().view(0.0, 0.0, 0.0).project(corners)
    left, top, right, bottom = extent(mask)
    assert mask.sum() > 100
    assert left >= pixels[:, 0].min() - 2
    assert right <= pixels[:, 0].max() + 2
    assert top >= pixels[:, 1].min() - 2
    assert bottom <= pixels[:, 1].max() + 2


@pytest.mark.parametrize(("t_us", "seen"), [(999_999, False), (1_000_000, True), (2_000_000, True), (2_000_001, False)])
def test_actors_exist_only_within_the_span_of_their_path(t_us, seen):
    path = straight_path(15.0, 0.0)
    path = Path2D(np.array([1_000_000, 2_000_000]), path.x, path.y, path.heading, path.speed, path.curvature)
    assert shows(render(scene_with(box(path)), t_us), MAGENTA).any() == seen


@pytest.mark.parametrize(("deceleration", "lit"), [(0.0, False), (0.6, False), (1.0, True), (4.0, True), (-2.0, False)])
def test_brake_lights_come_on_above_the_threshold(deceleration, lit):
    lead = box(braking_path(12.0, deceleration), (40, 60, 160), "automobile")
    ego = straight_path(0.0, 0.0, 15.0)
    image = render(scene_with(lead, ego=ego), 1_000_000).astype(int)
    bright_red = (image[..., 0] > 200) & (image[..., 1] < 90) & (image[..., 2] < 90)
    assert bright_red.any() == lit


def test_the_nearer_actor_hides_the_farther_one():
    scene = scene_with(box(straight_path(12.0, 0.0), CYAN), box(straight_path(24.0, 0.0), MAGENTA))
    image = render(scene, 0)
    assert shows(image, CYAN).any()
    assert not shows(image, MAGENTA).any()


def rectangle(x: float, y: float, length: float, width: float) -> np.ndarray:
    half = 0.5 * np.array([length, width])
    return np.array([x, y]) + half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])


@pytest.mark.parametrize(
    ("boxes", "order"),
    [
        ([(10, 0, 4, 2), (20, 0, 4, 2), (15, 0, 4, 2)], [1, 2, 0]),
        ([(15, -3, 11, 2.5), (12, 3, 4, 2)], [0, 1]),  # neither hides the other: by distance
        ([(15, 3, 11, 2.5), (12, 6.5, 4, 2)], [1, 0]),  # a car beyond a lorry, though its centre is nearer
        ([(8, -3.5, 11, 2.5), (8.5, -1.5, 0.6, 0.6)], [0, 1]),  # a person between the lorry and the viewer
        ([(10, 0, 4, 2), (10, 0.5, 4, 2)], [1, 0]),  # boxes that overlap: by distance
    ],
)
def test_boxes_are_drawn_behind_what_hides_them(boxes, order):
    feet = np.array([rectangle(*values) for values in boxes])
    distance = np.hypot(*feet.mean(axis=1).T)
    assert _farthest_first(feet, np.zeros(2), distance) == order


# ---- the ground


@pytest.mark.parametrize("ego_x", [0.0, 4.0, 31.5])
def test_dashes_keep_their_places_in_the_world(ego_x):
    image = render(scene_with(ego=straight_path(ego_x, -1.5)), 0).astype(int)
    first = np.ceil((ego_x + 5 + 90) / DASH_PERIOD_M) * DASH_PERIOD_M - 90  # the line begins at x = -90 m
    into_dash = np.array([0.3, 0.5 * DASH_M, DASH_M - 0.3, -0.3, DASH_M + 0.3, 0.5 * (DASH_M + DASH_PERIOD_M)])
    points = np.stack([first + into_dash, np.zeros(6), np.zeros(6)], axis=1)
    pixels = np.rint(Camera().view(ego_x, -1.5, 0.0).project(points)).astype(int)
    brightness = image[pixels[:, 1], pixels[:, 0]].mean(axis=1)
    assert brightness[:3].min() > 180
    assert brightness[3:].max() < 130


def test_solid_lines_have_no_gaps_near_the_ego():
    line = Line(np.array([[-50.0, 0.0], [100.0, 0.0]]), "solid", width=0.3)
    image = render(scene_with(lines=[line], ego=straight_path(0.0, -1.5)), 0)
    along = np.stack([np.arange(5.0, 25.0, 0.25), np.zeros(80), np.zeros(80)], axis=1)
    pixels = np.rint(Camera().view(0.0, -1.5, 0.0).project(along)).astype(int)
    assert image[pixels[:, 1], pixels[:, 0]].min() > 160


def test_driving_on_an_empty_road_without_paint_shows_motion():
    painter = ScenePainter(scene_with(lines=[], ego=straight_path(0.0, 0.0, 10.0)))
    before, after = painter.paint(0).astype(int), painter.paint(100_000).astype(int)
    ground = slice(int(Camera().horizon) + 40, None)
    assert np.abs(after - before)[ground].mean() > 1.5


def test_a_turn_moves_the_hills():
    skylines = []
    for heading in (0.0, 0.3):
        painter = ScenePainter(scene_with(lines=[], ego=straight_path(0.0, 0.0, heading=heading)))
        painter._trees = painter._trees[:0]
        skylines.append(painter.paint(0)[int(Camera().horizon) - 30 : int(Camera().horizon) - 2].astype(int))
    assert np.abs(skylines[0] - skylines[1]).mean() > 2


def test_a_scene_without_road_lines_and_actors_is_a_meadow_under_the_sky():
    empty = Scene("empty", Road([], []), straight_path(0.0, 0.0), [])
    image = render(empty, 0).astype(int)
    assert image.shape == (360, 640, 3)
    assert np.argmax(image[:40].mean(axis=(0, 1))) == 2
    assert np.argmax(image[-40:].mean(axis=(0, 1))) == 1


def test_equal_scenes_give_equal_pictures():
    first = render(scene_with(box(straight_path(15.0, 0.0))), 400_000)
    painter = ScenePainter(scene_with(box(straight_path(15.0, 0.0))))
    reused = np.full_like(first, 77)
    painter.paint(0, out=reused)
    assert painter.paint(400_000, out=reused) is reused
    np.testing.assert_array_equal(first, reused)


# ---- burnt-in numbers


@pytest.mark.parametrize("width", [320, 480, 640, 960, 1920])
@pytest.mark.parametrize("number", [0, 1, 599, 0b1010101010101010, BURN_IN_LIMIT - 1])
def test_a_burnt_in_number_is_read_back_at_any_size(number, width):
    import cv2

    image = render(scene_with(), 0, burn_in=number)
    assert read_burn_in(cv2.resize(image, (width, width * 9 // 16), interpolation=cv2.INTER_AREA)) == number


def test_burning_in_touches_only_the_corner():
    plain, burnt = render(scene_with(), 0), render(scene_with(), 0, burn_in=7)
    changed = extent((plain != burnt).any(axis=2))
    assert changed[2] < 320
    assert changed[3] < 60


def test_no_number_is_read_where_none_was_burnt_in():
    with pytest.raises(ValueError, match="no burnt-in number"):
        read_burn_in(render(scene_with(), 0))


def test_a_damaged_number_is_refused_not_misread():
    image = render(scene_with(), 0, burn_in=5)
    image[8:20, 8 + 12 * 10 : 8 + 12 * 11] ^= 255
    with pytest.raises(ValueError, match="no burnt-in number"):
        read_burn_in(image)


@pytest.mark.parametrize("number", [-1, BURN_IN_LIMIT])
def test_numbers_that_do_not_fit_are_refused(number):
    with pytest.raises(ValueError, match=str(number)):
        render(scene_with(), 0, burn_in=number)
