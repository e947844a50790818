"""The prompt itself: a line editor with completion, history and colours over a session."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.key_processor import KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.output import Output
from pygments.lexers.sql import SqlLexer

from coc_assets.prompt.completion import Vocabulary, last_word
from coc_assets.prompt.session import Leave, Session, is_command
from coc_assets.prompt.statements import is_blank, split_statements
from resources.sql import QueryError

_ONLY_MINE = 0o600  # queries may quote what is in labels


def converse(session: Session, fail: Callable[[str], None], editor: PromptSession[str]) -> None:
    """Asks for statements and runs them until the user leaves; an error or Ctrl-C ends the statement, not the session.

    Args:
        fail: tells of a statement that cannot be run.
    """
    while True:
        try:
            session.run(editor.prompt())
        except KeyboardInterrupt:
            continue
        except QueryError as error:
            fail(str(error))
        except (EOFError, Leave):
            return


def line_editor(
    environ: Mapping[str, str], *, source: Input | None = None, screen: Output | None = None
) -> PromptSession[str]:
    """The editor in which statements are typed.

    Args:
        source, screen: where keys come from and what is drawn on; None takes the terminal.
    """
    return PromptSession(
        "coc> ",
        multiline=True,
        prompt_continuation="...> ",
        completer=SqlCompleter(Vocabulary()),
        history=history_of(environ),
        key_bindings=_keys(),
        lexer=PygmentsLexer(SqlLexer),
        input=source,
        output=screen,
    )


class SqlCompleter(Completer):
    """Offers what the vocabulary knows, with a word on it."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        before = document.text_before_cursor
        for candidate in self._vocabulary.candidates(before, document.text_after_cursor):
            yield Completion(candidate.text, -len(last_word(before)), display_meta=candidate.about)


def is_complete(text: str) -> bool:
    """Whether Enter runs the text rather than begins a new line."""
    statements, rest = split_statements(text)
    return is_command(text) or is_blank(text) or (bool(statements) and is_blank(rest))


def history_path(environ: Mapping[str, str]) -> Path:
    """Where statements are kept: `coc/sql_history` in `$XDG_STATE_HOME`, else in `~/.local/state`."""
    named = environ.get("XDG_STATE_HOME", "")
    # The XDG Base Directory Specification has relative paths ignored.
    state = Path(named) if os.path.isabs(named) else Path.home() / ".local" / "state"
    return state / "coc" / "sql_history"


def history_of(environ: Mapping[str, str]) -> History:
    """Statements of earlier sessions; where the file cannot be written, of this one."""
    try:
        path = history_path(environ)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_RDWR, _ONLY_MINE))
    except (OSError, RuntimeError):  # the latter where there is no home folder
        return InMemoryHistory()
    return FileHistory(str(path))


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state and buffer.complete_state.current_completion:
            buffer.complete_state = None
        elif is_complete(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return keys
