"""`coc report` as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from coc_assets.cli import main
from tests.coc_assets.review.made import copied


def test_a_page_is_written_where_it_was_asked_for(
    sample_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "new" / "R.html"
    assert main(["report", "--store", str(sample_store), "--out", str(page)]) == 0
    assert page.read_text(encoding="utf-8").count("</html>") == 1
    said = capsys.readouterr().out
    assert "2 of 2 chunks done" in said and str(page) in said
    assert [path.name for path in page.parent.iterdir()] == ["R.html"], "no temporary is left"


def test_without_a_place_it_goes_where_the_asset_and_the_review_server_keep_it(
    sample_store: Path, tmp_path: Path
) -> None:
    store = copied(sample_store, tmp_path)
    assert main(["report", "--store", str(store)]) == 0
    assert (store / "report" / "index.html").is_file()


@pytest.mark.parametrize("out", [".", "page.html"])
def test_a_folder_as_page_or_no_store_is_a_usage_error(
    sample_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], out: str
) -> None:
    store = sample_store if out == "." else tmp_path / "none"
    assert main(["report", "--store", str(store), "--out", str(tmp_path / out)]) == 2
    assert "--out" in capsys.readouterr().err or out != "."
