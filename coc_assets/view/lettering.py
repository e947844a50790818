"""Text on pictures: a page to write on, and what is said of a keyframe and its label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from coc_assets.view.colours import CITED, FAINT, INK, PAPER, VERDICTS, Colour, said
from coc_assets.view.layout import shortened, wrapped
from coc_assets.view.shown import MICRO, Keyframe, Label, Row, Shown

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

LINE_HIGH = 1.35  # of the letters' size
_SIZE = 14


@dataclass(frozen=True)
class Line:
    """One line of text, before it is wrapped.

    Attributes:
        indent: pixels.
        most: lines that it may take.
    """

    text: str
    colour: Colour = INK
    bold: bool = False
    indent: int = 0
    most: int | None = None


class Page:
    """A picture that can be written on; all places and sizes are times `scale`."""

    def __init__(self, width: int, height: int, colour: Colour = PAPER, scale: float = 1.0) -> None:
        from PIL import Image, ImageDraw

        self.scale = scale
        self.image = Image.new("RGB", (round(width * scale), round(height * scale)), colour)
        self._draw = ImageDraw.Draw(self.image)

    def write(
        self, x: float, y: float, text: str, *, size: float = _SIZE, colour: Colour = INK, bold: bool = False
    ) -> float:
        """Writes a line whose top left is at x, y; returns where it ends, x."""
        self._draw.text((x * self.scale, y * self.scale), text, colour, _font(round(size * self.scale), bold))
        return x + width_of(text, size * self.scale, bold) / self.scale

    def fill(self, x: float, y: float, width: float, height: float, colour: Colour, radius: float = 0) -> None:
        corners = [x, y, x + width - 1 / self.scale, y + height - 1 / self.scale]
        self._draw.rounded_rectangle([one * self.scale for one in corners], radius * self.scale, colour)

    def paste(self, pixels: np.ndarray, x: float, y: float) -> None:
        """Lays a picture, (H, W, 3) uint8, on the page; its own size is in real pixels."""
        from PIL import Image

        self.image.paste(Image.fromarray(pixels), (round(x * self.scale), round(y * self.scale)))

    def pixels(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        return np.asarray(self.image)

    def write_lines(self, x: float, y: float, width: float, lines: Sequence[Line], size: float = _SIZE) -> float:
        """Writes wrapped lines one below the other; returns where the next one would begin, y."""
        for line, piece in _pieces(lines, width, size):
            self.write(x + line.indent, y, piece, size=size, colour=line.colour, bold=line.bold)
            y += size * LINE_HIGH
        return y


def height_of(lines: Sequence[Line], width: float, size: float = _SIZE) -> float:
    """Height that `write_lines` takes."""
    return len(_pieces(lines, width, size)) * size * LINE_HIGH


def width_of(text: str, size: float = _SIZE, bold: bool = False) -> float:
    """Width of a line, pixels."""
    return float(_font(round(size), bold).getlength(text))


def about_clip(shown: Shown) -> str:
    """Where a clip belongs, how far it goes and what it lacks."""
    about = [
        f"chunk {shown.found.chunk}",
        shown.clip["split"] or "no split",
        f"{shown.clip['distance_m']:.0f} m driven",
    ]
    return " · ".join(about if shown.clip["has_tracks"] else [*about, "no obstacle tracks"])


def label_lines(keyframe: Keyframe, of: int) -> list[Line]:
    """What is said of a keyframe: what it is, what was decided and why, and what became of the label.

    Args:
        of: number of the clip's keyframes.
    """
    label = keyframe.label
    row = keyframe.row
    scenario = (label.row["scenario"] if label else None) or row["scenario"]
    about = [f"t0 {keyframe.t0_s:.2f} s", *(said(one) for one in (row["action"], scenario) if one)]
    head = f"{keyframe.number}/{of}  {' · '.join(about)}"
    if label is None:
        return [Line(head, bold=True, most=1), Line("not labelled", FAINT)]
    verdict = VERDICTS.get(label.verdict, FAINT)
    return [
        Line(f"{head} · {label.row['labeler']}", bold=True, most=1),
        Line(f"{decision_of(label)} — {verdict_of(label)}", verdict, bold=True, most=2),
        Line(label.row["trace"] or label.row["reason"] or "no text", most=3),
        *(Line(cause_of(one), CITED, indent=12, most=2) for one in label.causes),
        *_other_labels(keyframe.labels[1:]),
    ]


def decision_of(label: Label) -> str:
    """What was decided in each channel; the status where there is no decision."""
    row = label.row
    if row["status"] != "ok":
        return f"no label: {row['status']}"
    lateral = " ".join(said(one) for one in (row["lateral_decision"], row["lateral_direction"]) if one)
    named = [one for one in (said(row["longitudinal_decision"] or ""), lateral) if one]
    return " + ".join(named) or "no decision"


def verdict_of(label: Label) -> str:
    """Verdict, with the rules that it comes from."""
    if label.verdict is None:
        return "not judged"
    return f"{label.verdict} ({', '.join(label.reasons)})" if label.reasons else label.verdict


def cause_of(one: Row) -> str:
    """A component: rank, category, what it says, when it was seen and on which track."""
    seen = (one["seen_from_us"], one["seen_to_us"])
    places = [f"seen {seen[0] * MICRO:.2f} to {seen[1] * MICRO:.2f} s"] if None not in seen else []
    places += [f"track {one['track_id']}"] if one["track_id"] else []
    where = f" ({', '.join(places)})" if places else ""
    return f"{one['rank']} {said(one['category'])}: {one['phrase']}{where}"


def _other_labels(others: Sequence[Label]) -> list[Line]:
    if not others:
        return []
    listed = ", ".join(f"{one.row['labeler']} ({decision_of(one)}, {verdict_of(one)})" for one in others)
    return [Line(f"also labelled by {listed}", FAINT, most=1)]


def _pieces(lines: Sequence[Line], width: float, size: float) -> list[tuple[Line, str]]:
    found = []
    for line in lines:

        def measure(text: str, bold: bool = line.bold) -> float:
            return width_of(text, size, bold)

        room = width - line.indent
        for piece in wrapped(line.text, room, measure, line.most):
            found.append((line, shortened(piece, room, measure)))
    return found


@lru_cache(maxsize=32)
def _font(size: int, bold: bool) -> FreeTypeFont:
    """DejaVu Sans, which matplotlib brings."""
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)
