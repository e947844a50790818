"""The page itself: it loads nothing, escapes everything, keeps secrets, and is the same for the same store."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from coc_assets.report import charts
from coc_assets.report.page import MOST_ROWS, content_policy, render
from coc_assets.report.report import Report, gather
from resources import schemas
from resources.store import Store
from tests.coc_assets.report.made import (
    HOSTILE,
    SECRET,
    STAGE_NAMES,
    keyframe,
    made_store,
    receipt,
    rejects,
    suite,
    verdict,
    workspace,
    write,
)

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
LOADS = ("src", "href", "action", "poster", "data", "srcset", "formaction")


class Page(HTMLParser):
    """Elements with their attributes, the text between them, and elements that were not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.amiss: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br", "link", "rect", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.amiss.append(tag)

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text += data


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    store = made_store(tmp_path_factory.mktemp("paged"))
    failed = f"ValueError: cannot read clip of {HOSTILE} with {SECRET}"
    receipt(store, "trajectory_cache", "0000", status="failed", error=failed)
    for stage in STAGE_NAMES:
        receipt(store, stage, "0001", finished_at="2026-01-31T10:00:00+00:00", checks={"x": suite(1234, 7)})
    return gather(workspace(store))


@pytest.fixture(scope="module")
def html(report: Report) -> str:
    return render(report, NOON).decode()


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_nothing_is_loaded_from_anywhere(html: str, page: Page) -> None:
    assert not re.search(r"https?://|url\(|@import|//cdn", html)
    named = [(tag, attributes[name]) for tag, attributes in page.elements for name in LOADS if name in attributes]
    assert all((value or "").startswith(("#", "data:image/jpeg")) for _, value in named) and named
    assert not {"link", "iframe", "object", "base", "form"} & {tag for tag, _ in page.elements}


def test_only_its_own_style_and_script_may_run(html: str, page: Page) -> None:
    policy = next(one["content"] for tag, one in page.elements if tag == "meta" and "http-equiv" in one) or ""
    assert policy == content_policy() and "unsafe" not in policy and "default-src 'none'" in policy
    for kind in ("style", "script"):
        (text,) = re.findall(rf"<{kind}>(.*?)</{kind}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert not [one for _, one in page.elements if "style" in one or any(name.startswith("on") for name in one)]


def test_what_the_store_holds_is_text_and_never_markup(html: str, page: Page) -> None:
    assert HOSTILE not in html
    assert page.text.count(HOSTILE) == 3, "a label's trace, a hint and an error"
    assert [tag for tag, _ in page.elements].count("script") == 1


def test_elements_are_closed_in_order(page: Page) -> None:
    assert page.amiss == [] and page.open == []


def test_no_secret_is_told(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SECRET not in render(report, NOON).decode()
    monkeypatch.setenv("OPENAI_API_KEY", "cannot read clip")
    assert "cannot read clip" not in render(report, NOON).decode()


def test_the_same_store_gives_the_same_bytes_but_for_the_time(report: Report, html: str) -> None:
    assert render(gather(workspace(Store(report.settings.store))), NOON).decode() == html
    later = render(report, datetime(2026, 2, 1, 12, tzinfo=UTC)).decode()
    assert later.replace("2026-02-01 12:00 UTC", "2026-01-31 12:00 UTC") == html


def test_every_part_is_there_and_can_be_reached(page: Page) -> None:
    sections = {one["id"] for tag, one in page.elements if tag == "section"}
    links = {(one["href"] or "")[1:] for tag, one in page.elements if tag == "a"}
    assert sections == links >= {"mend", "funnel", "rejects", "distributions", "agreement", "worst", "checks", "cost"}


def test_the_top_says_what_failed_and_how_to_mend_it(page: Page, report: Report) -> None:
    assert report.health == "bad" and "Something failed" in page.text
    assert f"coc run --store {report.settings.store} --chunks 0" in page.text


def test_pictures_and_drawings_are_named_or_left_to_the_figures_beside_them(page: Page) -> None:
    assert all(one.get("alt") for tag, one in page.elements if tag == "img")
    assert all("aria-label" in one or one.get("aria-hidden") == "true" for tag, one in page.elements if tag == "svg")
    assert all(one.get("aria-label") for tag, one in page.elements if one.get("role") == "region")


def test_suites_are_shown_with_what_they_were_asked(page: Page) -> None:
    assert "1,234" in page.text and "0 of 7 fail" in page.text


def test_a_store_of_many_chunks_makes_no_longer_tables(tmp_path: Path) -> None:
    def size(chunks: int) -> int:
        store = made_store(tmp_path / str(chunks))
        for number in range(2, chunks):
            chunk = f"{number:04d}"
            write(store, schemas.KEYFRAMES, chunk, [keyframe("e", 1)])
            write(store, schemas.VERDICTS, chunk, [verdict(f"v{chunk}", "e", 1, "keep")])
            gone = {"clip_id": chunk, "severity": "rejected", "reason": f"reason_{number}", "hint": "h"}
            rejects(store, "trajectory_cache", chunk, [gone])
        report = gather(workspace(store))
        assert len(report.labelers[-1].agreement) == chunks
        return len(render(report, NOON))

    assert size(3 * MOST_ROWS) < size(2 * MOST_ROWS) * 1.1


# ---- drawings --------------------------------------------------------------------------------------------------------


def widths(svg: str) -> list[float]:
    return [float(wide) for wide in re.findall(r'<rect[^>]* width="([\d.]+)"', svg)]


def heights(svg: str) -> list[float]:
    return [float(high) for high in re.findall(r'<rect[^>]* height="([\d.]+)"', svg)]


def test_a_stacked_bar_is_as_long_as_its_share_and_leaves_out_what_is_none() -> None:
    drawn = charts.stacked({"keep": 3, "review": 0, "reject": 1}, 8)
    assert widths(drawn) == [375.0, 125.0] and "review" not in drawn
    assert widths(charts.stacked({"keep": 3}, 0)) == []


def test_a_strip_shows_the_least_of_chunks_that_share_a_column() -> None:
    values: list[float | None] = [1.0] * (2 * charts.MOST_COLUMNS)
    values[5] = 0.25
    drawn = charts.strip(values, "agreement")
    assert len(heights(drawn)) == charts.MOST_COLUMNS and sorted(heights(drawn))[:2] == [25.0, 100.0]
    assert heights(charts.strip([None, 0.5], "x")) == [50.0], "a chunk without a figure leaves its column empty"


def test_a_line_breaks_where_a_value_is_missing_and_a_lone_point_is_a_dot() -> None:
    drawn = charts.lines({"s0": [(0.0, 1.0), (0.25, 0.5), (0.5, None), (1.0, 0.0)]}, "x")
    assert re.findall(r'class="line s0( dot)?" d="(M[^"]*)"', drawn) == [
        ("", "M0.0 0.0 250.0 50.0"),
        (" dot", "M1000.0 100.0h0.01"),
    ]


def test_the_name_of_a_drawing_is_escaped() -> None:
    assert "<script>" not in charts.strip([1.0], HOSTILE)
