"""Colours and short names of what is drawn, the same in film, picture and recording."""

from __future__ import annotations

Colour = str

INK, FAINT, PAPER, GRID = "#222222", "#777777", "#ffffff", "#dddddd"
DARK = "#20242b"
CURSOR = "#e6007e"
EGO, CITED, PERSON, OTHER = "#1f77b4", "#e8590c", "#9c36b5", "#8a929e"
PAST, AHEAD, GROUND = "#b8c0cc", "#1f77b4", "#f4f5f7"

VERDICTS: dict[str | None, Colour] = {"keep": "#2b8a3e", "review": "#b08900", "reject": "#c92a2a", None: FAINT}
SERIES = {"speed": "#1f77b4", "acceleration": "#b35900", "curvature": "#2b8a3e"}

_SAME, _SLOWER, _FASTER, _STANDS, _BACK = "#e3e6ea", "#f4a3a3", "#a8d8a8", "#9aa3b0", "#cdb4e6"
_LEFT, _RIGHT = "#a5cdf0", "#f5d590"
ACTIONS: dict[str, Colour] = {
    "maintain_speed": _SAME,
    "gentle_acceleration": _FASTER,
    "strong_acceleration": "#5cb85c",
    "gentle_deceleration": _SLOWER,
    "strong_deceleration": "#e06666",
    "stop": _STANDS,
    "reverse": _BACK,
    "go_straight": _SAME,
    "keep_lane": _SAME,
}
"""Colours of meta-actions that have one of their own; the others are coloured by their side."""


def of_action(action: str) -> Colour:
    """The colour of a meta-action's band."""
    if action in ACTIONS:
        return ACTIONS[action]
    if "left" in action:
        return _LEFT
    return _RIGHT if "right" in action else _SAME


def rgb(colour: Colour) -> tuple[int, int, int]:
    """Red, green and blue of `#rrggbb`, 0 … 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def said(name: str) -> str:
    """A snake_case name as words."""
    return name.replace("_", " ")
