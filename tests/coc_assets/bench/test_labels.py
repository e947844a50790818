from __future__ import annotations

import io
import json
from urllib.request import Request, urlopen

import pytest
from rich.console import Console

from coc_assets.bench import labels
from coc_assets.bench.chat_server import ANSWERS, completion
from coc_assets.raw_coc.vlm.answers import DecisionAnswer, Returned, SeenAnswer, read_answer, require_causes
from coc_assets.stage import Workspace
from resources import schemas
from resources.settings import Settings


def test_the_servers_answers_make_a_label() -> None:
    said = {step: Returned(json.dumps(answer), "stop", None) for step, answer in ANSWERS.items()}
    seen = read_answer(said["see"], SeenAnswer)
    for step in ("decide", "repair"):
        require_causes(read_answer(said[step], DecisionAnswer), seen.components)


def post(url: str, body: dict[str, object]) -> bytes:
    with urlopen(Request(f"{url}/chat/completions", json.dumps(body).encode())) as reply:
        return reply.read()


def test_the_server_answers_by_step_and_counts_anew_after_each_look() -> None:
    with labels.chat_server(0.001) as url:
        for step in ("see", "decide", "see"):
            asked = {"messages": [], "response_format": {"json_schema": {"name": step, "schema": {}}}}
            assert post(url, asked) == completion(json.dumps(ANSWERS[step]))
        served = labels.served_since(url)
        assert (served.requests, served.first_s < served.last_s, served.cpu_s > 0) == (3, True, True)
        assert labels.served_since(url).requests == 0


def test_the_bare_client_sends_every_request_and_takes_turns() -> None:
    bodies = [json.dumps({"response_format": {"json_schema": {"name": name}}}).encode() for name in ("see", "decide")]
    with labels.chat_server(0.001) as url:
        assert labels.bare(url, bodies, in_flight=3, requests=11).requests == 11


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, str]:
    """Settings and the chunk of a sample whose tables are made up to labelling; no server is there."""
    settings = labels._settings(tmp_path_factory.mktemp("bench"), "http://127.0.0.1:1/v1", 2)
    return settings, labels.make_sample(settings, 1)


def test_keyframes_are_repeated_with_the_frames_that_they_show(made: tuple[Settings, str]) -> None:
    settings, chunk = made
    workspace = Workspace(settings)
    own = workspace.store.read_table(schemas.KEYFRAMES, chunk)
    shown = workspace.store.read_table(schemas.SEGMENTS, chunk)
    labels.repeat_keyframes(workspace, chunk, 7)
    repeated = workspace.store.read_table(schemas.KEYFRAMES, chunk)
    assert (repeated.height, repeated["keyframe_id"].n_unique()) == (7, 7)
    assert set(repeated["frame"]) == set(own["frame"])
    segments = workspace.store.read_table(schemas.SEGMENTS, chunk)
    assert segments["keyframe_id"].to_list() == repeated["keyframe_id"].to_list()
    assert {tuple(row) for row in segments["source_frame"]} == {tuple(row) for row in shown["source_frame"]}


def test_bench_reports_every_figure_of_both_ways_to_send_frames() -> None:
    figures = labels.run_label_bench(keyframes=20, latency_s=0.001, in_flight=4, clips=1)
    assert (figures["keyframes"], figures["latency_ms"], figures["in_flight"]) == (20, 1.0, 4)
    for prefix in ("", "base64_"):
        assert figures[f"{prefix}requests"] == 40
        rates = figures[f"{prefix}requests_per_s"], figures[f"{prefix}server_limit_per_s"]
        assert figures[f"{prefix}ratio"] == pytest.approx(rates[0] / rates[1], abs=0.01)
        assert 0 < figures[f"{prefix}start_s"] < figures[f"{prefix}stage_s"]
    assert figures["request_kb"] < 20 < figures["base64_request_kb"]
    assert figures["prepared_keyframes_per_s"] > 0
    assert json.loads(json.dumps(figures)) == figures
    shown = io.StringIO()
    Console(file=shown, width=200).print(labels.label_table(figures))
    assert all(name in shown.getvalue() for name in figures)


def test_labels_that_are_not_ok_fail_the_bench(made: tuple[Settings, str]) -> None:
    settings, chunk = made
    with labels.chat_server(0.001) as url:
        served = settings.model_copy(update={"models": labels._models(url, 2)})
        workspace = Workspace(labels._for(served, "file_url"))
        with pytest.raises(RuntimeError, match=r"should be 1000 ok, and are \{'ok': "):
            labels.label(workspace, chunk, url, 1000)
