"""The server over HTTP: who is let in, what it answers, and that decisions are on disk when it has answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from coc_assets.report.page import report_path
from coc_assets.review.app import create_app
from coc_assets.review.desk import Desk
from coc_assets.review.pictures import Pictures
from coc_assets.review.security import Guard
from resources import schemas
from resources.reviews import append_reviews, read_reviews
from resources.store import Store
from tests.coc_assets.review.made import copied, desk_of, review, workspace_of

HOST = "http://127.0.0.1:3001"
TOKEN = "a-token-of-these-tests"
GUARD = Guard(TOKEN, "127.0.0.1", 3001)
Client = Callable[..., TestClient]


@pytest.fixture
def store(sample_store: Path, tmp_path: Path) -> Path:
    return copied(sample_store, tmp_path)


@pytest.fixture
def desk(sample: Path, store: Path) -> Desk:
    return desk_of(workspace_of(sample, store))


@pytest.fixture
def client(desk: Desk, tmp_path: Path) -> Iterator[Client]:
    opened: list[TestClient] = []

    def make(guard: Guard = GUARD, *, let_in: bool = True, desk: Desk = desk) -> TestClient:
        app = create_app(desk, Pictures(desk.workspace, tmp_path / "pictures"), guard)
        made = TestClient(app, base_url=HOST, headers={"origin": HOST})
        opened.append(made)
        if let_in:
            assert made.get("/", params={"token": guard.token}).status_code == 200
        return made

    yield make
    for one in opened:
        one.close()


def first(desk: Desk) -> str:
    return desk.drawn[0].label_id


def lines_of(desk: Desk, label_id: str) -> list[Any]:
    chunk = next(one.chunk for one in desk.drawn if one.label_id == label_id)
    return read_reviews(desk.workspace.store.reviews_path(chunk))


# ---- who is let in ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/", "/?token=wrong", "/api/queue", "/api/labels/x", "/media/x/segment.mp4", "/static/review.js", "/report"],
)
def test_nothing_is_answered_without_the_token(client: Client, path: str) -> None:
    answer = client(let_in=False).get(path)
    assert answer.status_code == 401
    assert "coc review" in answer.json()["error"]


def test_a_decision_without_the_token_is_refused_and_not_kept(client: Client, desk: Desk) -> None:
    answer = client(let_in=False).post(f"/api/labels/{first(desk)}/review", json={"decision": "keep"})
    assert answer.status_code == 401
    assert lines_of(desk, first(desk)) == []


def test_the_token_is_exchanged_for_a_cookie_that_scripts_and_other_sites_cannot_use(client: Client) -> None:
    opened = client(let_in=False)
    cookie = opened.get("/", params={"token": TOKEN}).headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and TOKEN not in cookie
    assert opened.get("/api/queue").status_code == 200


def test_the_token_itself_opens_the_page_alone(client: Client) -> None:
    assert client(let_in=False).get("/api/queue", params={"token": TOKEN}).status_code == 401


def test_servers_side_by_side_do_not_take_each_other_s_cookies(client: Client) -> None:
    other = Guard(TOKEN, "127.0.0.1", 3002)
    assert other.cookie != GUARD.cookie
    assert client(replace(GUARD, token="another-token-than-that")).get("/api/queue").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:3001", "127.0.0.1.evil.example", ""])
def test_another_site_s_name_pointed_at_this_machine_is_refused(client: Client, host: str) -> None:
    assert client().get("/api/queue", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost:3001", "127.0.0.1:8080", "[::1]:3001"])
def test_this_machine_s_own_names_are_answered_through_any_port(client: Client, host: str) -> None:
    assert client().get("/api/queue", headers={"host": host}).status_code == 200


def test_a_server_that_was_opened_to_others_answers_to_any_name(client: Client) -> None:
    opened = client(Guard(TOKEN, "0.0.0.0", 3001))
    assert opened.get("/api/queue", headers={"host": "lab-7.example"}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:9", "null", ""])
def test_a_decision_from_another_origin_is_refused_and_not_kept(client: Client, desk: Desk, origin: str) -> None:
    answer = client().post(f"/api/labels/{first(desk)}/review", json={"decision": "keep"}, headers={"origin": origin})
    assert answer.status_code == 403
    assert lines_of(desk, first(desk)) == []


@pytest.mark.parametrize("path", ["/", "/api/queue", "/static/review.css", "/api/labels/none"])
def test_every_answer_forbids_what_the_server_does_not_serve(client: Client, path: str) -> None:
    headers = client().get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_the_page_brings_nothing_from_elsewhere_and_no_code_in_the_markup(client: Client) -> None:
    opened = client()
    page = opened.get("/").text
    assert "http:" not in page and "https:" not in page and "style=" not in page and "onclick" not in page
    for name in ("review.js", "review.css", "icon.svg"):
        asset = opened.get(f"/static/{name}")
        assert asset.status_code == 200
        assert "https:" not in asset.text and "innerHTML" not in asset.text
    assert opened.get("/static/..%2fapp.py").status_code == 404


def test_the_quality_report_is_served_under_its_own_policy(client: Client, desk: Desk) -> None:
    opened = client()
    lacking = opened.get("/report")
    assert lacking.status_code == 404 and "coc report --store" in lacking.json()["error"]
    page = report_path(desk.workspace.store)
    page.parent.mkdir()
    page.write_text("<!DOCTYPE html><title>report</title><script>alert(1)</script>", encoding="utf-8")
    answer = opened.get("/report")
    assert answer.status_code == 200 and answer.text == page.read_text(encoding="utf-8")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy and answer.headers["x-content-type-options"] == "nosniff"


# ---- what is shown ---------------------------------------------------------------------------------------------------


def test_a_page_shows_the_label_its_motion_tracks_and_measurements(client: Client, desk: Desk) -> None:
    label_id = first(desk)
    page = client().get(f"/api/labels/{label_id}").json()
    chunk = desk.drawn[0].chunk
    row = next(desk.workspace.store.read_labels(chunk).filter(label_id=label_id).iter_rows(named=True))
    assert page["label"]["trace"] == row["trace"]
    assert page["stratum"] == desk.drawn[0].stratum
    figures = desk.workspace.store.read_table(schemas.MEASUREMENTS, chunk).filter(label_id=label_id)
    assert len(page["measurements"]) == figures.height > 0
    times = page["motion"]["t_s"]
    assert times[0] >= -2.0 and times[-1] <= 6.0 and any(abs(one) < 0.051 for one in times)
    assert {span["axis"] for span in page["timeline"]} >= {"longitudinal"}
    assert "No video" not in (page["pictures"]["problem"] or "") and page["pictures"]["problem"]


def test_the_scene_lies_around_the_ego_at_the_keyframe(desk: Desk) -> None:
    pages = [desk.page(one.label_id) for one in desk.drawn]
    for page in pages:
        at_t0 = min(page["scene"]["ego"], key=lambda row: abs(row[0]))
        speed = max(abs(value) for value in page["motion"]["speed_mps"])
        assert abs(at_t0[1]) <= 0.06 * speed + 0.1 and abs(at_t0[2]) <= 0.1 * speed + 0.1
        cited = {one["track_id"] for one in page["label"]["components"] if one["track_id"]}
        assert {one["id"] for one in page["scene"]["tracks"] if one["rank"]} == cited
    assert any(one["rank"] == 1 for page in pages for one in page["scene"]["tracks"]), "some label cites a track"


def test_a_cited_lead_vehicle_stands_where_the_label_says(desk: Desk) -> None:
    """The gap in the label is from the front bumper to the box; the scene has the box's centre from the rig."""
    for one in desk.drawn:
        page = desk.page(one.label_id)
        component = next(iter(page["label"]["components"]), {"attributes": []})
        attributes = {pair["key"]: pair["value"] for pair in component["attributes"]}
        if attributes.get("pose") != "in-path" or "gap_m" not in attributes:
            continue
        track = next(track for track in page["scene"]["tracks"] if track["rank"] == 1)
        seen = max((row for row in track["boxes"] if row[0] <= 0), key=lambda row: row[0])
        ego = min(page["scene"]["ego"], key=lambda row: abs(row[0] - seen[0]))
        gap = seen[1] - ego[1] - track["length_m"] / 2 - page["scene"]["body"]["front_m"]
        assert gap == pytest.approx(float(attributes["gap_m"]), abs=1.5)
        return
    pytest.fail("no label of the sample cites a lead vehicle")


def test_what_others_decided_is_not_told_before_one_decided_oneself(client: Client, desk: Desk, store: Path) -> None:
    drawn, other = desk.drawn[0], "bob-of-elsewhere"
    of_set = Store(store).table_path(schemas.SET_MEASUREMENTS, drawn.chunk)
    measured = {
        "label_id": drawn.label_id,
        "instrument": "human_review",
        "version": "1",
        "name": "rejected",
        "value": 1.0,
    }
    Store(store).write_table(
        schemas.rows_to_frame([measured], schemas.SET_MEASUREMENTS), schemas.SET_MEASUREMENTS, of_set, drawn.chunk
    )
    append_reviews(Store(store).reviews_path(drawn.chunk), [review(drawn.label_id, other, "reject", note="no")])
    opened = client()
    before = opened.get(f"/api/labels/{drawn.label_id}")
    assert other not in before.text and "human_review" not in before.text
    opened.post(f"/api/labels/{drawn.label_id}/review", json={"decision": "keep"})
    after = opened.get(f"/api/labels/{drawn.label_id}").json()
    assert [(one["reviewer"], one["decision"]) for one in after["others"]] == [(other, "reject")]
    assert any(one["instrument"] == "human_review" for one in after["measurements"])


def test_a_label_that_is_not_in_the_sample_is_refused(client: Client) -> None:
    answer = client().get("/api/labels/0000000000000000")
    assert answer.status_code == 410
    assert "not in this sample" in answer.json()["error"]


def test_a_clip_without_video_is_said_where_a_picture_is_asked_for(client: Client, desk: Desk) -> None:
    for path in ("segment.mp4", "frames/0.jpg"):
        answer = client().get(f"/media/{first(desk)}/{path}")
        assert answer.status_code == 404
        assert "video" in answer.json()["error"]


# ---- what is decided -------------------------------------------------------------------------------------------------


def test_a_decision_is_a_line_in_the_store_when_it_is_answered(client: Client, desk: Desk) -> None:
    said = {"decision": "reject", "correctness": False, "minimality": True, "note": "  sees ghosts ", "seconds": 3.25}
    answer = client().post(f"/api/labels/{first(desk)}/review", json=said)
    assert answer.json() == {"decision": "reject", "reviewed_at": desk.clock(), "edited_label_id": None}
    (line,) = lines_of(desk, first(desk))
    assert (line.reviewer, line.decision, line.correctness, line.causal_coverage) == ("ann", "reject", False, None)
    assert (line.note, line.seconds, line.stratum, line.labeler) == (
        "sees ghosts",
        3.25,
        desk.drawn[0].stratum,
        "rules",
    )


def test_the_queue_knows_what_was_decided_before_also_by_an_earlier_sitting(client: Client, desk: Desk) -> None:
    label_id = first(desk)
    client().post(f"/api/labels/{label_id}/review", json={"decision": "keep"})
    again = desk_of(desk.workspace)
    assert {one["label_id"]: one["decision"] for one in again.queue()["labels"]}[label_id] == "keep"
    assert all(one["decision"] is None for one in desk_of(desk.workspace, "bob").queue()["labels"])
    client().post(f"/api/labels/{label_id}/review", json={"decision": "withdraw"})
    assert all(one["decision"] is None for one in again.queue()["labels"])


def test_the_sample_stays_what_it_is_when_people_decided(client: Client, desk: Desk) -> None:
    before = [one.label_id for one in desk_of(desk.workspace, labels=8).drawn]
    client().post(f"/api/labels/{before[0]}/review", json={"decision": "reject"})
    assert [one.label_id for one in desk_of(desk.workspace, "bob", labels=8).drawn] == before


def test_an_edit_becomes_a_label_and_its_line_names_it(client: Client, desk: Desk) -> None:
    said = {"decision": "edit", "label": {"trace": "Slow down because a pedestrian crosses."}}
    answer = client().post(f"/api/labels/{first(desk)}/review", json=said)
    assert answer.status_code == 200
    (line,) = lines_of(desk, first(desk))
    assert line.edited_label_id == answer.json()["edited_label_id"]
    assert json.loads(line.edited or "")["text"]["trace"] == said["label"]["trace"]
    human = desk.workspace.store.read_table(schemas.RAW_COC, desk.drawn[0].chunk, labeler="human")
    assert human["label_id"].to_list() == [line.edited_label_id]
    assert client().get(f"/api/labels/{first(desk)}").json()["mine"]["edited"]["trace"] == said["label"]["trace"]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"decision": "edit", "label": {"lateral_decision": "turn", "lateral_direction": None}}, "lateral_direction"),
        ({"decision": "edit"}, "trace"),
        ({"decision": "keep", "label": {"trace": "x"}}, "label"),
        ({"decision": "perhaps"}, "decision"),
        ({"decision": "keep", "seconds": -1}, "seconds"),
        ({"decision": "keep", "reviewer": "mallory"}, "reviewer"),
        ({}, "decision"),
    ],
)
def test_an_answer_that_is_not_valid_is_refused_by_field_and_not_kept(
    client: Client, desk: Desk, said: dict[str, Any], field: str
) -> None:
    answer = client().post(f"/api/labels/{first(desk)}/review", json=said)
    assert answer.status_code == 422
    assert field in answer.json()["problems"]
    assert lines_of(desk, first(desk)) == []


@pytest.mark.parametrize("body", [b"[]", b"{", b"{" + b" " * 300_000 + b"}"])
def test_a_request_that_is_no_answer_is_refused(client: Client, desk: Desk, body: bytes) -> None:
    assert client().post(f"/api/labels/{first(desk)}/review", content=body).status_code == 422


def test_a_label_that_was_made_anew_cannot_be_decided_on(client: Client, desk: Desk) -> None:
    drawn, store = desk.drawn[0], desk.workspace.store
    opened = client()
    assert opened.get(f"/api/labels/{drawn.label_id}").status_code == 200
    path = store.table_path(schemas.RAW_COC, drawn.chunk, labeler="rules")
    left = pl.read_parquet(path).filter(pl.col("label_id") != drawn.label_id)
    store.write_table(left, schemas.RAW_COC, path, drawn.chunk)
    answer = opened.post(f"/api/labels/{drawn.label_id}/review", json={"decision": "keep"})
    assert answer.status_code == 410
    assert "labelled anew" in answer.json()["error"] and "Nothing was kept" in answer.json()["error"]
    assert lines_of(desk, drawn.label_id) == []


def test_edits_wait_while_a_run_is_at_work_and_are_made_labels_when_the_server_stops(
    desk: Desk, tmp_path: Path
) -> None:
    from coc_assets.running import only_run_on

    told: list[str] = []
    app = create_app(desk, Pictures(desk.workspace, tmp_path / "p"), GUARD, told.append)
    label_id, store = first(desk), desk.workspace.store
    said = {"decision": "edit", "label": {"trace": "Slow down because a pedestrian crosses."}}
    with TestClient(app, base_url=HOST, headers={"origin": HOST}) as opened:
        opened.get("/", params={"token": TOKEN})
        with only_run_on(desk.workspace.settings):
            assert opened.post(f"/api/labels/{label_id}/review", json=said).status_code == 200
        assert "human" not in store.labelers(desk.drawn[0].chunk)
        assert desk.unpublished() == [desk.drawn[0].chunk]
    assert "human" in store.labelers(desk.drawn[0].chunk)
    assert told == []


def test_a_server_that_stops_during_a_run_says_how_its_edits_become_labels(desk: Desk, tmp_path: Path) -> None:
    from coc_assets.running import only_run_on

    told: list[str] = []
    app = create_app(desk, Pictures(desk.workspace, tmp_path / "p"), GUARD, told.append)
    with only_run_on(desk.workspace.settings), TestClient(app, base_url=HOST, headers={"origin": HOST}) as opened:
        opened.get("/", params={"token": TOKEN})
        said = {"decision": "edit", "label": {"trace": "Slow down because a pedestrian crosses."}}
        opened.post(f"/api/labels/{first(desk)}/review", json=said)
    assert len(told) == 1 and "coc review --publish" in told[0]
