"""How long a person waits for a page of Dagster's UI, in headless Chromium; nothing is measured without it."""

from __future__ import annotations

import importlib.util
import shutil
import statistics
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_WAIT_MS = 60_000


class Page(NamedTuple):
    """A page, and a text that stands there once its content does: in a project with nothing in it, and in ours."""

    path: str
    empty: str
    ours: str


def browser_path() -> str | None:
    """Where Chromium is on this machine; None where it is not on PATH."""
    return next(filter(None, map(shutil.which, _BROWSERS)), None)


def pages_of(partitions: int) -> Mapping[str, Page]:
    return {
        "graph": Page("/asset-groups", "This graph is empty", "Materialize all"),
        "assets": Page("/assets", "no known materialized assets", f"{partitions:,} partitions"),
        "partitions": Page(
            "/assets/clip_videos?view=partitions", "no matching materialized assets", f"Missing ({partitions})"
        ),
        "runs": Page("/runs", "No runs found", "No runs found"),
    }


def page_seconds(empty: str, ours: str, partitions: int, repeat: int) -> dict[str, tuple[float, float]]:
    """Median seconds from the click until a page's content stands there, ours and the empty project's, by page.

    Args:
        empty, ours: addresses of the two servers, asked in turn.
        repeat: times that each page is opened, in a profile of its own; once more before that, untimed.
    """
    path = browser_path()
    if path is None or importlib.util.find_spec("playwright") is None:
        return {}
    from playwright.sync_api import sync_playwright

    medians = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for name, page in pages_of(partitions).items():
            opened = [
                (_seconds(browser, ours + page.path, page.ours), _seconds(browser, empty + page.path, page.empty))
                for _ in range(repeat + 1)
            ][1:]
            mine, theirs = (statistics.median(times) for times in zip(*opened, strict=True))
            medians[name] = (mine, theirs)
        browser.close()
    return medians


def _seconds(browser: Browser, address: str, text: str) -> float:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    try:
        page = context.new_page()
        started = time.perf_counter()
        page.goto(address, wait_until="commit")
        page.get_by_text(text).first.wait_for(timeout=_WAIT_MS)
        return time.perf_counter() - started
    finally:
        context.close()
