"""`coc review` as it is typed."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest
from dagster import AssetKey

from coc_assets.cli import main
from coc_assets.instances import open_instance
from resources import schemas
from resources.reviews import append_reviews, read_reviews
from resources.store import Store
from tests.coc_assets.review.made import copied, desk_of, review, workspace_of


@contextmanager
def served(store: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of its own process on a free port, and the link that it prints."""
    command = [sys.executable, "-m", "coc_assets.cli", "review", "--store", str(store), "--port", "0", "--no-open"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            link = next(found[0] for line in process.stdout if (found := re.search(r"http://\S+", line)))
            yield process, link
        finally:
            process.kill()


def decide(link: str, label_id: str, said: dict[str, object]) -> None:
    """As the page does it: the link first, then the decision with its cookie."""
    page = build_opener(HTTPCookieProcessor())
    page.open(link).read()
    origin = link.split("/?")[0]
    headers = {"origin": origin, "content-type": "application/json"}
    page.open(Request(f"{origin}/api/labels/{label_id}/review", json.dumps(said).encode(), headers)).read()


def test_decisions_outlive_a_killed_server_and_two_reviewers_share_a_store(sample_store: Path, tmp_path: Path) -> None:
    store = copied(sample_store, tmp_path)
    drawn = desk_of(workspace_of(None, store), labels=100).drawn[0]
    with served(store, "--reviewer", "ann") as (ann, ann_link), served(store, "--reviewer", "bob") as (bob, bob_link):
        decide(ann_link, drawn.label_id, {"decision": "keep"})
        decide(bob_link, drawn.label_id, {"decision": "reject"})
        ann.kill()
        bob.send_signal(signal.SIGINT)
        assert bob.wait(30) == 0
    lines = read_reviews(Store(store).reviews_path(drawn.chunk))
    assert [(one.reviewer, one.decision) for one in lines] == [("ann", "keep"), ("bob", "reject")]


def test_edits_of_a_killed_server_are_made_labels_by_publish(
    sample_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = copied(sample_store, tmp_path)
    desk = desk_of(workspace_of(None, store))
    desk.decide(desk.drawn[0].label_id, {"decision": "edit", "label": {"trace": "Slow down for the bend ahead."}})
    assert "human" not in Store(store).labelers(desk.drawn[0].chunk)
    assert main(["review", "--store", str(store), "--publish"]) == 0
    assert "1 chunk changed: 1 edited label" in capsys.readouterr().out
    human = Store(store).read_table(schemas.RAW_COC, desk.drawn[0].chunk, labeler="human")
    assert human["trace"].to_list() == ["Slow down for the bend ahead."]
    with open_instance(store) as instance:
        told = instance.get_latest_materialization_event(AssetKey("raw_coc"))
    assert told and told.asset_materialization and told.asset_materialization.description == "labels edited by people"
    assert main(["review", "--store", str(store), "--publish"]) == 0
    assert "0 chunks changed" in capsys.readouterr().out


def test_the_report_tells_who_agrees_with_whom(
    sample_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = copied(sample_store, tmp_path)
    arguments = ["review", "--store", str(store), "--report"]
    assert main(arguments) == 0
    assert "Nobody has decided anything yet." in capsys.readouterr().out
    for number, drawn in enumerate(desk_of(workspace_of(None, store)).drawn):
        both = ("keep", "reject" if number % 3 else "keep")
        lines = [review(drawn.label_id, who, said) for who, said in zip(("ann", "bob"), both, strict=True)]
        append_reviews(Store(store).reviews_path(drawn.chunk), lines)
    assert main([*arguments, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["reviewer"] for one in told["reviewers"]] == ["ann", "bob"]
    (pair,) = told["pairs"]
    assert pair["question"] == "decision" and 0 < pair["agreement"] < 1
    assert told["rules"][0]["labels"] == told["reviewers"][1]["keep"], "where they are even neither counts"
    assert main([*arguments, "--format", "csv"]) == 0
    assert capsys.readouterr().out.startswith("table,reviewer,labels,keep,reject,edit,median_s")
    assert main(arguments) == 0
    assert "reviewers" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--labeler", "nobody"], "Labelers in the store: rules"),
        (["--chunks", "7"], "7"),
        (["--host", "no.such.host.invalid"], "Cannot listen on no.such.host.invalid"),
    ],
)
def test_what_cannot_be_served_is_said(
    sample_store: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    assert main(["review", "--store", str(sample_store), "--no-open", *options]) == 2
    assert says in capsys.readouterr().err


def test_a_port_that_is_taken_is_said(sample_store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["review", "--store", str(sample_store), "--no-open", "--port", str(port)]) == 2
    assert f"port {port}" in capsys.readouterr().err


def test_a_store_without_labels_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["review", "--store", str(tmp_path)]) == 2
    assert "coc run --dataset DIR" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [["--token", "short"], ["--port", "70000"], ["--verdict", "fine"], ["--audit-share", "2"]]
)
def test_options_that_cannot_be_meant_are_refused(options: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["review", *options])
    assert caught.value.code == 2


def test_the_address_is_this_machine_s_unless_told_otherwise(sample_store: Path) -> None:
    with served(sample_store, "--token", "a-token-that-is-long") as (_, link):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=a-token-that-is-long", link)
