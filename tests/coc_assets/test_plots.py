from __future__ import annotations

import base64
from xml.etree import ElementTree

import numpy as np
import pytest

from coc_assets.plots import Bars, Histogram, data_url, svg

TAG = "{http://www.w3.org/2000/svg}"


def drawn(*panels: Bars | Histogram) -> ElementTree.Element:
    return ElementTree.fromstring(svg(panels))


def texts(picture: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in picture.iter(f"{TAG}text")]


def boxes(picture: ElementTree.Element) -> list[dict[str, float]]:
    sized = [box.attrib for box in picture.iter(f"{TAG}rect") if box.get("width") != "100%"]
    return [{name: float(box[name]) for name in ("x", "y", "width", "height")} for box in sized]


def test_bars_are_as_long_as_their_counts_and_say_them() -> None:
    picture = drawn(Bars("Verdicts", {"keep": 30, "reject": 10}))
    assert texts(picture) == ["Verdicts", "keep", "30", "reject", "10"]
    keep, reject = boxes(picture)
    assert keep["width"] == pytest.approx(3 * reject["width"], abs=0.2)
    assert reject["y"] > keep["y"]


def test_classes_without_room_are_summed_up() -> None:
    picture = drawn(Bars("Classes", {f"class_{at}": 100 - at for at in range(40)}))
    said = texts(picture)
    assert said[-2:] == ["(30 others)", f"{sum(100 - at for at in range(10, 40)):,}"]
    assert len(boxes(picture)) == 11


def test_what_names_hold_cannot_break_the_picture() -> None:
    picture = drawn(Bars("<script>alert('x')</script> & more", {"a<b\x00\x07": 1}))
    assert texts(picture)[:2] == ["<script>alert('x')</script> & more", "a<b  "]
    assert not list(picture.iter("script"))


@pytest.mark.parametrize("values", [[3.0], [0.0, 0.0], [-1e-9, 1e9], np.linspace(-4, 4, 1000), [1.0, np.nan, np.inf]])
def test_a_histogram_counts_every_number(values: list[float]) -> None:
    picture = drawn(Histogram("Speed, m/s", values))
    count = int(np.isfinite(np.asarray(values)).sum())
    assert texts(picture)[-1] == f"{count:,} values"
    right = max(box["x"] + box["width"] for box in boxes(picture))
    assert all(box["x"] >= 0 and box["height"] >= 0 for box in boxes(picture)) and right <= 320


def test_ticks_stand_at_the_values_that_they_name() -> None:
    picture = drawn(Histogram("Acceleration, m/s²", [-2.0, -2.0, 0.0, 2.0]))
    ticks = {text.text: float(text.get("x", "nan")) for text in picture.iter(f"{TAG}text")}
    left, middle = ticks["-2"], ticks["0"]
    at_least = [box for box in boxes(picture) if box["x"] <= left + 1 and box["x"] + box["width"] >= left]
    assert max(box["height"] for box in at_least) == max(box["height"] for box in boxes(picture))
    assert left < middle < ticks["2"]


@pytest.mark.parametrize("empty", [Bars("Lane spans", {}), Histogram("Speed, m/s", [])])
def test_nothing_is_said_to_be_none(empty: Bars | Histogram) -> None:
    assert texts(drawn(empty))[1] == "none"


def test_rows_of_panels_do_not_overlap() -> None:
    picture = drawn(*[Bars(str(at), dict.fromkeys("abcdefgh", 1)) for at in range(4)])
    places = [group.get("transform") for group in picture.iter(f"{TAG}g")]
    assert places[0] == "translate(0,0)" and places[3] == f"translate(0,{30 + 8 * 15 + 12})"


def test_an_address_holds_the_picture() -> None:
    kind, held = data_url(b"<svg/>", "image/svg+xml").split(";base64,")
    assert kind == "data:image/svg+xml" and base64.b64decode(held) == b"<svg/>"
