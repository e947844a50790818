from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import select
import subprocess
import sys
import termios
from functools import partial
from pathlib import Path

import duckdb
import polars as pl
import pytest

from coc_assets.cli import main
from coc_assets.commands import sql as command
from coc_assets.commands import tools
from coc_assets.commands.common import UsageError


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "my store").mkdir()
    return tmp_path / "my store"


def piped(monkeypatch: pytest.MonkeyPatch, store: Path, text: str, *options: str) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    return main(["sql", "--store", str(store), *options])


def test_statements_come_from_stdin_where_it_is_no_terminal(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "SELECT 1 AS a;\n-- a remark\nSELECT ';'\n  AS b; SELECT 3 AS c;\n"
    assert piped(monkeypatch, store, text, "--format", "csv") == 0
    assert capsys.readouterr().out == "a\n1\nb\n;\nc\n3\n"
    assert piped(monkeypatch, store, ".format json\nSELECT 4 AS d") == 0
    assert json.loads(capsys.readouterr().out) == [{"d": 4}]
    assert piped(monkeypatch, store, ".quit\nnonsense") == 0


def test_all_rows_of_a_script_are_written(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    piped(monkeypatch, store, "SELECT * FROM range(1000) t(n)", "--format", "csv")
    assert capsys.readouterr().out.split() == ["n", *map(str, range(1000))]


def test_a_script_stops_at_what_cannot_be_run_and_names_its_line(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert piped(monkeypatch, store, "SELECT 1;\n\nSELECT x\nFROM clips;\nSELECT 2;", "--format", "csv") == 2
    captured = capsys.readouterr()
    assert captured.out == "1\n1\n"
    assert "line 3: " in captured.err


def test_parquet_takes_a_query(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert piped(monkeypatch, store, "SELECT 1", "--format", "parquet") == 2
    assert "takes one query" in capsys.readouterr().err


def test_rows_of_many_columns_are_shown_one_below_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    wide = pl.DataFrame({f"column_{n}": [n, None] for n in range(850)})
    command.show_rows(wide, "table")
    lines = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in lines if line.startswith("row ")] == ["row 1", "row 2"]
    assert ["column_7", "7"] in [line.split() for line in lines]
    command.show_rows(wide.select("column_0"), "table")
    assert capsys.readouterr().out.split() == ["column_0", "0"]


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        environ = os.environ | {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        command = [sys.executable, "-m", "coc_assets.cli", *arguments]
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, preexec_fn=partial(_take_over, theirs)
        )
        os.close(theirs)
        self._shown, self._seen = b"", 0

    def await_text(self, text: bytes, patience_s: float = 60) -> bool:
        """Whether the text is shown after what was awaited before."""
        while text not in self._shown[self._seen :]:
            if not select.select([self._ours], [], [], patience_s)[0]:
                return False
            self._shown += os.read(self._ours, 4096)
        self._seen = self._shown.index(text, self._seen) + len(text)
        return True

    def type(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


def _take_over(terminal: int) -> None:
    """Makes the terminal the one that Ctrl-C is typed at."""
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def test_the_prompt_on_a_terminal(store: Path) -> None:
    terminal = Terminal("sql", "--store", str(store))
    try:
        for awaited, typed in (
            (b"read-only SQL over every table", b""),
            (b"coc>", b"SELECT 40 +\r"),
            (b"...>", b"2 AS answer;\r"),
            (b"42", b""),
            (b"1 row", b""),
            (b"coc>", b"SELECT count(*) FROM range(1000000000000) a(x) WHERE x % 7 = 3;\r"),
            (b"?2004l", b""),  # the editor has let go of the terminal
        ):
            assert terminal.await_text(awaited), awaited
            terminal.type(typed)
        while not terminal.await_text(b"coc>", patience_s=1):  # one that comes before the query is at work is lost
            terminal.type(b"\x03")
        terminal.type(b"SELECT 6 * 7 + 1;\r")
        assert terminal.await_text(b"43")
        assert terminal.await_text(b"coc>")
        terminal.type(b"\x04")
        assert terminal.process.wait(60) == 0
    finally:
        terminal.close()


def test_the_views_are_made_in_any_duckdb(sample_store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shell", "--store", str(sample_store), "--print"]) == 0
    with duckdb.connect(":memory:") as connection:
        connection.execute(capsys.readouterr().out)
        assert connection.execute("SELECT count(DISTINCT chunk) FROM filtered_coc").fetchone() == (2,)


def test_the_shell_is_given_the_views(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = tmp_path / "bin" / "duckdb"
    shell.parent.mkdir()
    shell.write_text("#!/bin/sh\n")
    shell.chmod(0o755)
    monkeypatch.setenv("PATH", str(shell.parent))
    became: list[tuple[str, list[str]]] = []
    monkeypatch.setattr("os.execv", lambda path, arguments: became.append((path, arguments)))
    main(["shell", "--store", str(store)])
    [(path, arguments)] = became
    assert path == str(shell)
    assert arguments[1] == "-cmd"
    assert 'CREATE VIEW "clips"' in arguments[2]


def test_a_shell_that_is_not_installed_is_a_usage_error(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path: None)
    assert main(["shell", "--store", str(store)]) == 2
    assert "pip install duckdb-cli" in capsys.readouterr().err


def test_the_notebook_finds_the_store_from_where_it_lies(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "work" / "look.ipynb"
    assert main(["notebook", str(out), "--store", str(store)]) == 0
    source = "".join(line for cell in json.loads(out.read_text())["cells"] for line in cell["source"])
    assert "Path('../my store')" in source


def test_a_notebook_that_is_there_is_kept(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.ipynb"
    out.write_text("{}")
    with pytest.raises(UsageError, match="there already"):
        tools.write_notebook(store, out)
    with pytest.raises(UsageError, match="A notebook's name ends"):
        tools.write_notebook(store, tmp_path / "mine.json")
    assert out.read_text() == "{}"


def test_opening_without_jupyter_says_how_to_install_it(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["notebook", "new.ipynb", "--store", str(store), "--open"]) == 2
    assert "pip install jupyterlab" in capsys.readouterr().err
