from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from coc_assets.doctor import choices
from coc_assets.doctor.finding import Setup
from resources.settings import Settings, SettingsError, load_settings

KEY = "a-very-secret-key"


def using(setup: Setup, environ: dict[str, str] | None = None, **settings: Any) -> Setup:
    return replace(setup, settings=Settings(store=setup.settings.store, **settings), environ=environ or {})


class Server(HTTPServer):
    """Answers every request alike, and keeps what it was asked with."""

    status, body = 200, b'{"data": [{"id": "mine"}]}'
    asked: tuple[str, str | None] | None = None


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked = (self.path, self.headers["Authorization"])
        self.send_response(self.server.status)
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), _Handler) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def served_by(setup: Setup, port: int, host: str = "127.0.0.1") -> Setup:
    mine = {"model": "mine", "base_url": f"http://{host}:{port}/v1", "api_key_env": "MY_KEY"}
    return using(setup, {"MY_KEY": KEY}, labeler="mine", models={"aliases": {"mine": mine}})


def test_defaults_are_sound(bare: Setup) -> None:
    for check in (
        choices.settings,
        choices.labeler,
        choices.judge,
        choices.policy,
        choices.profile,
        choices.arrivals,
    ):
        assert [finding.level for finding in check(bare)] == ["ok"], check


def test_settings_that_cannot_be_read_are_a_problem(bare: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COC_KEYFRAMES__MODE", "nope")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    [finding] = choices.settings(replace(bare, unreadable=raised.value))
    assert finding.level == "problem"
    assert "keyframes.mode: should be 'decision' or 'span_start', got 'nope'" in finding.said
    assert "docs/settings.md" in finding.mend


@pytest.mark.parametrize(
    ("settings", "check", "said", "mend"),
    [
        ({"labeler": "gpt9"}, choices.labeler, "'gpt9'", "rules, alpamayo, dummy"),
        ({"labeler": "gpt5"}, choices.labeler, "No credentials for gpt5", "OPENAI_API_KEY"),
        ({"filtering": {"judge": {"model": "gpt9"}}}, choices.judge, "'gpt9'", "models.aliases"),
        ({"filtering": {"policy": "lax"}}, choices.policy, "'lax'", "packaged policy"),
        ({"quality": {"profile": "gone.json"}}, choices.profile, "gone.json", "coc profile --store STORE --out"),
        ({"arrivals": {"url": "nonsense9://bucket"}}, choices.arrivals, "nonsense9", ""),
    ],
)
def test_what_is_not_known_is_a_problem(bare: Setup, settings: Any, check: Any, said: str, mend: str) -> None:
    [finding] = check(using(bare, **settings))
    assert finding.level == "problem"
    assert said in finding.said
    assert finding.mend
    assert mend in finding.mend


def test_a_server_that_answers_is_asked_with_its_key(bare: Setup, server: Server) -> None:
    findings = [*choices.labeler(served_by(bare, server.server_port))]
    assert [finding.level for finding in findings] == ["ok", "ok"]
    assert server.asked == ("/v1/models", f"Bearer {KEY}")
    assert KEY not in str(findings)


def test_user_and_password_of_the_url_are_sent_and_not_shown(bare: Setup, server: Server) -> None:
    findings = [*choices.labeler(served_by(bare, server.server_port, "me:p%40ss-word@127.0.0.1"))]
    assert [finding.level for finding in findings] == ["ok", "ok"]
    assert server.asked == ("/v1/models", "Basic bWU6cEBzcy13b3Jk")
    assert "ss-word" not in str(findings)


def test_a_server_that_is_down_is_a_problem(bare: Setup) -> None:
    with socket.socket() as taken:  # bound and not listening: nothing else can answer there
        taken.bind(("127.0.0.1", 0))
        _, finding = choices.labeler(served_by(bare, taken.getsockname()[1]))
    assert (finding.level, "does not answer (" in finding.said) == ("problem", True)
    assert "models.aliases.mine.base_url" in finding.mend


@pytest.mark.parametrize(
    ("status", "body", "level", "mend"),
    [
        (401, b"", "problem", "Set MY_KEY"),
        (503, b"", "problem", "loading"),
        (404, b"", "ok", ""),
        (302, b"", "ok", ""),
        (200, b"<html>", "ok", ""),
        (200, b'{"data": [{"id": "other"}]}', "warn", "models.aliases.mine.model"),
    ],
)
def test_what_a_server_answers(bare: Setup, server: Server, status: int, body: bytes, level: str, mend: str) -> None:
    server.status, server.body = status, body
    _, finding = choices.labeler(served_by(bare, server.server_port))
    assert finding.level == level
    assert mend in finding.mend


def test_a_place_that_can_be_listed_is_ok(bare: Setup, tmp_path: Path) -> None:
    [finding] = choices.arrivals(using(bare, arrivals={"url": f"file://{tmp_path}"}))
    assert finding.level == "ok"
