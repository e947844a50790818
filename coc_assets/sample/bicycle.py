"""How the ego drives: speed changes and steering, integrated by a kinematic bicycle model at 100 Hz."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coc_assets.sample.world import Path2D

STEP_US = 10_000
SPAN_US = (-500_000, 20_700_000)
_GRID_M = 0.1


@dataclass(frozen=True)
class Body:
    """The ego vehicle: m and rad; the rig origin lies on the ground under the centre of the rear axle."""

    length: float = 4.85
    width: float = 1.90
    height: float = 1.65
    wheelbase: float = 2.90
    rear_overhang: float = 1.00
    max_steer: float = 0.61

    @property
    def front(self) -> float:
        """Rig origin to front bumper."""
        return self.length - self.rear_overhang

    @property
    def centre(self) -> float:
        """Rig origin to the middle of the box."""
        return self.length / 2 - self.rear_overhang


EGO = Body()


@dataclass(frozen=True)
class SpeedChange:
    """A change of speed at constant acceleration, ramped in and out with constant jerk.

    Attributes:
        start_s: onset, s on the clip's clock.
        delta: speed gained, m/s; negative for braking.
        peak: magnitude of the acceleration between the ramps, m/s².
        ramp_s, release_s: length of the ramp at the beginning and at the end, s.
    """

    start_s: float
    delta: float
    peak: float
    ramp_s: float = 0.5
    release_s: float = 1.0

    @property
    def duration_s(self) -> float:
        return abs(self.delta) / self.peak + (self.ramp_s + self.release_s) / 2

    @property
    def end_s(self) -> float:
        return self.start_s + self.duration_s


@dataclass(frozen=True)
class Shift:
    """A move to a parallel line: `offset` m to the left over `length` m of straight road from `start` m on."""

    start: float
    length: float
    offset: float


@dataclass(frozen=True)
class Bend:
    """A bend of `angle` rad (left positive) over `length` m from `start` m on; either clothoid takes `ramp` of it."""

    start: float
    length: float
    angle: float
    ramp: float = 0.35


@dataclass(frozen=True)
class Steering:
    """Curvature of the rear axle's path, 1/m, over the distance since the clip's time 0, m; straight outside."""

    travelled: np.ndarray
    curvature: np.ndarray

    def at(self, travelled: np.ndarray) -> np.ndarray:
        return np.interp(travelled, self.travelled, self.curvature, left=0.0, right=0.0)


STRAIGHT = Steering(np.array([0.0, 1.0]), np.zeros(2))


def scene_clock() -> np.ndarray:
    """(N,) int64 instants at 100 Hz, µs; they reach past either end of a clip, where cameras and egomotion begin."""
    return np.arange(SPAN_US[0], SPAN_US[1] + 1, STEP_US, dtype=np.int64)


def trapezoid(u: np.ndarray, rise: float, fall: float) -> np.ndarray:
    """A unit-area trapezoid on [0, 1] whose ramps take the shares `rise` and `fall`, together at most 1."""
    inside = np.minimum(np.minimum(u / rise, (1 - u) / fall), 1.0)
    return np.clip(inside, 0.0, None) / (1 - (rise + fall) / 2)


def trapezoid_integral(u: np.ndarray, rise: float, fall: float) -> np.ndarray:
    """Integral of `trapezoid` from 0 to u: exactly 0 before and 1 after."""
    u = np.clip(u, 0.0, 1.0)
    whole = 1 - (rise + fall) / 2
    falling = whole - (1 - u) ** 2 / (2 * fall)
    area = np.where(u < rise, u**2 / (2 * rise), np.where(u <= 1 - fall, u - rise / 2, falling))
    return area / whole


def blend(u: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The quintic from 0 to 1 that starts and ends at rest, with its first and second derivative."""
    u = np.clip(u, 0.0, 1.0)
    value = u**3 * (10 - 15 * u + 6 * u**2)
    return value, 30 * u**2 * (1 - u) ** 2, 60 * u * (1 - u) * (1 - 2 * u)


def speed_profile(t_us: np.ndarray, initial: float, changes: Sequence[SpeedChange] = ()) -> np.ndarray:
    """(N,) speed along the heading, m/s.

    Raises:
        ValueError: a change is too small to reach its peak between its ramps.
    """
    speed = np.full(len(t_us), float(initial))
    for change in changes:
        if abs(change.delta) < change.peak * (change.ramp_s + change.release_s) / 2:
            raise ValueError(f"{change} never reaches its peak: lower peak, ramp_s or release_s.")
        whole = change.duration_s
        u = (t_us / 1e6 - change.start_s) / whole
        speed += change.delta * trapezoid_integral(u, change.ramp_s / whole, change.release_s / whole)
    return np.where(np.abs(speed) < 1e-9, 0.0, speed)


def integral(t_us: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """(N,) integral of a rate (per second) by the trapezoidal rule, zero at the clip's time 0."""
    steps = (rate[1:] + rate[:-1]) / 2 * (np.diff(t_us) / 1e6)
    total = np.concatenate([[0.0], np.cumsum(steps)])
    return total - np.interp(0.0, t_us, total)


def shifts(moves: Sequence[Shift]) -> Steering:
    """The steering that carries out lateral moves on a straight road."""
    reach = max(move.start + move.length for move in moves)
    x = np.arange(0.0, reach + _GRID_M, _GRID_M)
    slope, bow = np.zeros_like(x), np.zeros_like(x)
    for move in moves:
        _, first, second = blend((x - move.start) / move.length)
        slope += move.offset / move.length * first
        bow += move.offset / move.length**2 * second
    stretch = np.hypot(1.0, slope)
    travelled = np.concatenate([[0.0], np.cumsum((stretch[1:] + stretch[:-1]) / 2 * _GRID_M)])
    return Steering(travelled, bow / stretch**3)


def bends(turns: Sequence[Bend]) -> Steering:
    """The steering that follows a road of bends."""
    reach = max(turn.start + turn.length for turn in turns)
    travelled = np.arange(0.0, reach + _GRID_M, _GRID_M)
    curvature = np.zeros_like(travelled)
    for turn in turns:
        curvature += turn.angle / turn.length * trapezoid((travelled - turn.start) / turn.length, turn.ramp, turn.ramp)
    return Steering(travelled, curvature)


def drive(t_us: np.ndarray, speed: np.ndarray, steering: Steering = STRAIGHT) -> Path2D:
    """The rear axle's path: at the clip's time 0 it is at the origin, heading along +x.

    Args:
        t_us: (N,) instants, µs.
        speed: (N,) speed along the heading, m/s; negative reverses.
        steering: curvature over the distance travelled, whichever the direction.

    Raises:
        ValueError: the steering asks for more than the front wheels can turn.
    """
    curvature = steering.at(integral(t_us, np.abs(speed)))
    sharpest = float(np.abs(np.arctan(EGO.wheelbase * curvature)).max())
    if sharpest > EGO.max_steer:
        raise ValueError(f"Steering angle {sharpest:.2f} rad is over {EGO.max_steer} rad: widen the bend.")
    heading = integral(t_us, speed * curvature)
    x = integral(t_us, speed * np.cos(heading))
    y = integral(t_us, speed * np.sin(heading))
    return Path2D(t_us, x, y, heading, speed, curvature)
