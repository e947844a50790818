from __future__ import annotations

import stat
from pathlib import Path

import polars as pl
import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from coc_assets.prompt.completion import Vocabulary
from coc_assets.prompt.session import Session
from coc_assets.prompt.terminal import SqlCompleter, converse, history_of, history_path, is_complete, line_editor
from resources.sql import Answer, answer
from resources.store import Store

CTRL_C, CTRL_D, ENTER, UP = "\x03", "\x04", "\r", "\x1b[A"


class Conversation:
    """What came of keys typed into the prompt."""

    def __init__(self, tmp_path: Path) -> None:
        (tmp_path / "store").mkdir(exist_ok=True)
        self.rows: list[list[tuple[object, ...]]] = []
        self.failed: list[str] = []
        self._environ = {"XDG_STATE_HOME": str(tmp_path / "state")}
        self._session = Session(Store(tmp_path / "store"), self._show, lambda _: None)

    def _show(self, rows: pl.DataFrame, _: str) -> None:
        self.rows.append(rows.rows())

    def type(self, keys: str) -> None:
        with create_pipe_input() as keyboard, create_app_session(input=keyboard, output=DummyOutput()):
            keyboard.send_text(keys)
            editor: PromptSession[str] = line_editor(self._environ, source=keyboard, screen=DummyOutput())
            converse(self._session, self.failed.append, editor)


@pytest.fixture
def conversation(tmp_path: Path) -> Conversation:
    return Conversation(tmp_path)


def test_a_statement_goes_on_over_lines_until_its_semicolon(conversation: Conversation) -> None:
    conversation.type(f"SELECT 1 +{ENTER}2;{ENTER}{CTRL_D}")
    assert conversation.rows == [[(3,)]]


def test_errors_and_ctrl_c_end_the_statement_and_not_the_session(conversation: Conversation) -> None:
    conversation.type(f"SELECT nonsense;{ENTER}SELECT half{CTRL_C}DROP VIEW clips;{ENTER}SELECT 4;{ENTER}.quit{ENTER}")
    assert conversation.rows == [[(4,)]]
    assert len(conversation.failed) == 2
    assert "nonsense" in conversation.failed[0]
    assert "exactly one SELECT" in conversation.failed[1]


def test_statements_are_there_in_the_next_session(conversation: Conversation) -> None:
    conversation.type(f"SELECT 5;{ENTER}{CTRL_D}")
    conversation.type(f"{UP}{ENTER}{CTRL_D}")
    assert conversation.rows == [[(5,)], [(5,)]]


def test_completions_replace_the_word_before_the_cursor() -> None:
    document = Document("SELECT * FROM cl")
    offered = list(SqlCompleter(Vocabulary()).get_completions(document, CompleteEvent()))
    assert [(it.text, it.start_position) for it in offered] == [("clips", -2)]


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("SELECT 1", False),
        ("SELECT 1;", True),
        ("SELECT 1; -- so", True),
        ("SELECT ';", False),
        ("SELECT 1; SELECT", False),
        (".tables", True),
        ("exit", True),
        ("", True),
    ],
)
def test_when_enter_runs_the_text(text: str, complete: bool) -> None:
    assert is_complete(text) is complete


def test_the_history_is_the_users_own_and_in_the_state_folder(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    history_of(environ).store_string("SELECT 1;")
    path = tmp_path / "coc" / "sql_history"
    assert history_path(environ) == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "SELECT 1;" in path.read_text()
    assert history_path({"XDG_STATE_HOME": "relative"}) == Path.home() / ".local/state/coc/sql_history"


def test_a_state_folder_that_cannot_be_written_only_forgets(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert isinstance(history_of({"XDG_STATE_HOME": str(tmp_path / "file")}), InMemoryHistory)


def test_ctrl_c_stops_a_query_at_work_and_not_the_session(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def stopped_the_first_time(store: Store, sql: str, most: int | None) -> Answer:
        asked.append(sql)
        if len(asked) == 1:
            raise KeyboardInterrupt
        return answer(store, sql, most)

    monkeypatch.setattr("coc_assets.prompt.session.answer", stopped_the_first_time)
    conversation.type(f"SELECT 6;{ENTER}SELECT 7;{ENTER}{CTRL_D}")
    assert asked == ["SELECT 6", "SELECT 7"]
    assert conversation.rows == [[(7,)]]
