"""One compiled look over egomotion: most clips have no defect, and this says so in a fraction of the decoding time."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, error_model="numpy")
def is_sound(
    t_us: np.ndarray,
    xyz: np.ndarray,
    quaternion: np.ndarray,
    velocity: np.ndarray,
    longest_us: int,
    largest: float,
    least_norm: float,
) -> bool:
    """Whether instants ascend by no more than `longest_us`, values are numbers up to `largest` and rotations have one.

    Args:
        t_us: (N,) µs.
        xyz, quaternion, velocity: (3, N), (4, N) and (2, N), rows of components; velocity may be empty.
        least_norm: rotations must be longer than that.
    """
    faults = 0
    for row in range(1, len(t_us)):
        step = t_us[row] - t_us[row - 1]
        faults += (step <= 0) | (step > longest_us)
    for values in (xyz, quaternion, velocity):
        for component in range(values.shape[0]):
            faults += _beyond(values[component], largest)
    x, y, z, w = quaternion[0], quaternion[1], quaternion[2], quaternion[3]
    for row in range(len(w)):
        faults += not (x[row] * x[row] + y[row] * y[row] + z[row] * z[row] + w[row] * w[row] > least_norm * least_norm)
    return faults == 0


@numba.njit(cache=True, error_model="numpy")
def _beyond(values: np.ndarray, largest: float) -> int:
    """How many values are no number or too large; counted without a branch, so that it runs on vectors."""
    count = 0
    for row in range(len(values)):
        count += not (abs(values[row]) <= largest)
    return count
