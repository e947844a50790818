"""The review page from link to verdict, in a real browser: look, decide with keys, edit, and see `coc run` follow.

Skipped where there is no Chromium; with REQUIRE_BROWSER set that is a failure.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coc_assets.cli import main
from resources import schemas
from resources.reviews import Review, read_reviews
from resources.sql import query
from resources.store import Store

pytestmark = pytest.mark.slow
WAIT_MS = 20_000
TRACE = "Slow down because a pedestrian crosses ahead."


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> tuple[Path, Path]:
    """A dataset of one chunk with pictures, and a finished store; made only where there is a browser."""
    from coc_assets.sample.generate import generate

    folder = tmp_path_factory.mktemp("reviewed")
    generate(folder / "dataset", chunks=1, clips=2, defects=False)
    assert main(["run", "--dataset", str(folder / "dataset"), "--store", str(folder / "store")]) == 0
    return folder / "dataset", folder / "store"


@pytest.fixture
def server(filmed: tuple[Path, Path]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    dataset, store = filmed
    command = [sys.executable, "-m", "coc_assets.cli", "review", "--dataset", str(dataset), "--store", str(store)]
    options = ["--port", "0", "--no-open", "--reviewer", "ann"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, next(found[0] for line in process.stdout if (found := re.search(r"http://\S+", line)))
        finally:
            process.kill()


def shown(page: Any) -> str:
    """The label that the page shows."""
    return str(page.get_attribute("body", "data-label"))


def press_and_go_on(page: Any, key: str) -> str:
    """Presses a key that leads to another label; returns the one that was shown."""
    before = shown(page)
    page.keyboard.press(key)
    page.wait_for_function("label => document.body.dataset.label !== label", arg=before, timeout=WAIT_MS)
    return before


def lines_of(store: Store) -> dict[str, list[Review]]:
    lines: dict[str, list[Review]] = {}
    for line in read_reviews(store.reviews_path("0000")):
        lines.setdefault(line.label_id, []).append(line)
    return lines


def test_labels_are_looked_at_decided_and_edited_and_verdicts_follow(
    filmed: tuple[Path, Path], browser: Any, server: tuple[subprocess.Popen[str], str]
) -> None:
    dataset, store = filmed[0], Store(filmed[1])
    process, link = server
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
    page.on("request", lambda sent: None if sent.url.startswith(link.split("?")[0]) else troubles.append(sent.url))

    page.goto(link)
    page.wait_for_selector("body[data-label]", timeout=WAIT_MS)
    assert "token" not in page.url, "the link's token does not stay in the address"
    sees_everything(page)
    plays_with_keys(page)

    kept = press_and_go_on(page, "k")
    rejected = rejects_with_checklist_and_note(page)
    edited = edits(page)
    taken_back = takes_back(page)
    assert [trouble for trouble in troubles if "422" not in trouble] == [], "the edit that was no label is one"

    lines = lines_of(store)
    assert [line.decision for line in lines[kept]] == ["keep"]
    (line,) = lines[rejected]
    assert (line.decision, line.reviewer, line.note) == ("reject", "ann", "no such car, k r e u")
    assert (line.causal_coverage, line.correctness, line.proximate_cause, line.minimality) == (True, False, None, None)
    assert line.seconds and line.stratum and line.reviewed_at.endswith("Z")
    (edit,) = lines[edited]
    assert edit.decision == "edit" and edit.edited_label_id
    assert [line.decision for line in lines[taken_back]] == ["keep", "withdraw"]

    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert store.read_table(schemas.RAW_COC, "0000", labeler="human")["label_id"].to_list() == [edit.edited_label_id]
    # In a process of its own, as a user does it: the browser's driver has this one's event loop.
    run = [sys.executable, "-m", "coc_assets.cli", "run", "--dataset", str(dataset), "--store", str(store.root)]
    subprocess.run(run, check=True)
    verdicts = query(store, "SELECT label_id, verdict, reasons FROM filtered_coc")
    told = {label_id: (verdict, reasons[0]) for label_id, verdict, reasons in verdicts.iter_rows() if reasons}
    assert told[kept] == ("keep", "people_keep")
    assert told[rejected] == told[edited] == ("reject", "people_reject")
    assert told[edit.edited_label_id] == ("keep", "people_keep")
    (sample,) = query(store, f"SELECT labeler FROM samples WHERE keyframe_id = '{edit.keyframe_id}'").rows()
    assert sample == ("human",), "shards take the edit in place of the label that it came from"
    assert query(store, f"SELECT * FROM samples WHERE label_id = '{rejected}'").height == 0


def sees_everything(page: Any) -> None:
    """Video, frames on either side of t0, plots, timeline, bird's-eye view and label; nothing scrolls sideways."""
    page.wait_for_function("() => document.getElementById('video').readyState >= 2", timeout=WAIT_MS)
    loaded = (
        "() => [...document.querySelectorAll('.frame img')].every(image => image.complete && image.naturalWidth > 0)"
    )
    page.wait_for_function(loaded, timeout=WAIT_MS)
    assert page.locator("#history .frame").count() == 5
    assert page.locator("#future .frame").count() == 11
    assert page.locator("#charts polyline").count() == 2
    assert page.locator("#charts rect").count() >= 3
    assert page.locator("#bev polyline").count() == 2
    assert page.inner_text(".trace")
    assert page.inner_text("#progress-text").startswith("0 of ")
    assert page.locator("summary").inner_text().endswith("measurements")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    at_t0 = page.evaluate("document.getElementById('video').currentTime")
    assert at_t0 == pytest.approx(2.0, abs=0.1), "it opens at the keyframe"


def plays_with_keys(page: Any) -> None:
    clock = "document.getElementById('clock').textContent"
    page.keyboard.press(".")
    page.keyboard.press(".")
    assert page.evaluate(clock) == "+0.2 s"
    page.wait_for_function("() => Math.abs(document.getElementById('video').currentTime - 2.2) < 0.1", timeout=WAIT_MS)
    page.keyboard.press("Space")
    page.wait_for_function("() => document.getElementById('video').currentTime > 2.6", timeout=WAIT_MS)
    page.keyboard.press("Space")
    assert page.evaluate("document.getElementById('video').paused")
    page.keyboard.press("0")
    assert page.evaluate(clock) == "t0"
    assert page.locator("#future-strip.dim").count() == 1
    page.keyboard.press("f")
    assert page.locator("#future-strip.dim").count() == 0
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    first = press_and_go_on(page, "j")
    press_and_go_on(page, "ArrowLeft")
    assert shown(page) == first


def rejects_with_checklist_and_note(page: Any) -> str:
    page.keyboard.press("1")
    page.keyboard.press("2")
    page.keyboard.press("2")
    assert page.locator(".check.yes").count() == 1 and page.locator(".check.no").count() == 1
    page.keyboard.press("n")
    page.keyboard.type("no such car, k r e u")
    page.keyboard.press("Escape")
    return press_and_go_on(page, "r")


def edits(page: Any) -> str:
    """What makes no label is said beside its field; mended, it is saved."""
    page.keyboard.press("e")
    page.fill("[data-field=trace]", TRACE)
    page.select_option("[data-field=lateral_decision]", "turn")
    page.select_option("[data-field=lateral_direction]", "")
    page.keyboard.press("Control+Enter")
    problem = page.locator("[data-problem=lateral_direction]")
    problem.filter(has_text="left or right").wait_for(timeout=WAIT_MS)
    page.select_option("[data-field=lateral_direction]", "left")
    page.select_option("[data-field=longitudinal_decision]", "yield")
    page.click("#add-component")
    last = page.locator(".component-row").count() - 1
    page.fill(f"[data-field='components.{last}.phrase']", "a pedestrian on the crosswalk")
    for _ in range(last):
        page.locator("[aria-label$=up]").last.click() if last == 1 else page.locator("[aria-label$=up]").nth(
            last
        ).click()
        last -= 1
    assert page.input_value("[data-field='components.0.phrase']") == "a pedestrian on the crosswalk"
    page.focus("[data-field=trace]")
    return press_and_go_on(page, "Control+Enter")


def takes_back(page: Any) -> str:
    decided = press_and_go_on(page, "k")
    press_and_go_on(page, "u")
    assert shown(page) == decided
    page.wait_for_function("() => document.getElementById('mine').hidden", timeout=WAIT_MS)
    return decided


def test_words_of_a_label_are_text_and_never_markup(filmed: tuple[Path, Path], browser: Any, tmp_path: Path) -> None:
    """A model may answer anything; the page shows it as it is and runs none of it."""
    import polars as pl

    from tests.coc_assets.review.test_command import served

    store = Store(tmp_path / "store")
    shutil.copytree(filmed[1], store.root)
    path = store.table_path(schemas.RAW_COC, "0000", labeler="rules")
    evil = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
    store.write_table(pl.read_parquet(path).with_columns(trace=pl.lit(evil)), schemas.RAW_COC, path, "0000")
    shutil.rmtree(store.partition("clip_videos", "0000") / "segments")
    with served(store.root, "--dataset", str(tmp_path / "store")) as (_, link):
        page = browser.new_page()
        page.goto(link)
        page.wait_for_selector("body[data-label]", timeout=WAIT_MS)
        assert page.inner_text(".trace") == evil
        assert page.title() == "Label review"
        assert page.locator("#label img").count() == 0
        page.locator("#no-video").filter(has_text="No video").wait_for(timeout=WAIT_MS)
        page.keyboard.press("Space")
        page.wait_for_function("() => document.getElementById('clock').textContent !== 't0'", timeout=WAIT_MS)
