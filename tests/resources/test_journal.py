from __future__ import annotations

import asyncio
import errno
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from resources import schemas
from resources.journal import BatchEvent, Entry, JournalWriter, read_journal, spent_usd
from resources.store import Store

PATIENCE_S = 30.0  # with what would never come if it were broken
ENTRY = Entry(key="a", keyframe_id="clip-01000000", step="see", outcome="answered")
IN_PROCESS = "import asyncio, sys, time\nfrom pathlib import Path\nfrom resources.journal import *\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Store(tmp_path / "store").journal_path("0000", "gpt5.5")


def entry(key: object, **more: object) -> Entry:
    return ENTRY.model_copy(update={"key": str(key), **more})


def write(path: Path, *lines: Entry | BatchEvent) -> None:
    with JournalWriter.open(path) as journal:
        journal.append_now(lines)


def keys(path: Path) -> list[str]:
    return [line.key for line in read_journal(path).lines]


@contextmanager
def child(code: str, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """A Python process and what it prints; killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", IN_PROCESS + code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout
    with process:
        try:
            yield process, process.stdout
        finally:
            process.kill()


# ---- reading --------------------------------------------------------------------------------------------------------


def test_a_journal_that_is_not_there_holds_nothing(path: Path) -> None:
    content = read_journal(path)
    assert (content.entries, list(content.lines), list(content.batches), content.unreadable) == ({}, [], [], 0)
    assert not path.exists()


def test_an_entry_comes_back_as_it_was_on_a_line_of_its_own(path: Path) -> None:
    whole = Entry(
        key="a", keyframe_id="k", step="see", outcome="refused", text='{"x": "1\n2\u2028ü"}', reason="no", attempts=3,
        prompt_tokens=1, cached_tokens=2, completion_tokens=3, reasoning_tokens=4, cost_usd=0.1, latency_s=1e-7,
        answered_at="2026-01-31T10:00:00+00:00", run="r", batch_id="b", model="m", finish_reason="stop", refusal="no",
    )  # fmt: skip
    write(path, whole, ENTRY)
    assert list(read_journal(path).lines) == [whole, ENTRY]
    assert path.read_bytes().count(b"\n") == 2


def test_a_line_is_compact_and_leaves_out_what_is_not_known(path: Path) -> None:
    write(path, ENTRY)
    told = path.read_text()
    assert "null" not in told and " " not in told
    assert set(json.loads(told)) == {
        "key", "keyframe_id", "step", "round", "outcome", "backend", "asked_model", "prompt_version", "attempts",
    }  # fmt: skip


def test_the_last_line_of_a_key_holds_and_every_line_was_paid(path: Path) -> None:
    write(path, entry("a", cost_usd=1.0), entry("b"), entry("a", cost_usd=2.0, outcome="error"))
    content = read_journal(path)
    assert list(content.entries) == ["a", "b"]
    assert content.entries["a"].outcome == "error"
    assert [line.cost_usd for line in content.lines] == [1.0, None, 2.0]


@pytest.mark.parametrize(
    ("damage", "unreadable"),
    [
        pytest.param(b'{"key":"torn","keyf', 1, id="half written"),
        pytest.param(b'{"key":"torn","text":"\xc3', 1, id="half a letter"),
        pytest.param(b"\0" * 4096, 1, id="blocks that were never written"),
        pytest.param(b'{"key":"a"}', 1, id="fields missing"),
        pytest.param(b'["an entry"]', 1, id="no object"),
        pytest.param(b'{"event":"party"}', 1, id="an event of another kind"),
        pytest.param(b"\n\n", 0, id="blank lines"),
    ],
)
def test_what_cannot_be_read_is_counted_and_hides_nothing_else(path: Path, damage: bytes, unreadable: int) -> None:
    write(path, ENTRY)
    good = path.read_bytes()
    for data, read in ((good + damage, ["a"]), (good + damage + b"\n" + good, ["a", "a"])):
        path.write_bytes(data)
        content = read_journal(path)
        assert [line.key for line in content.lines] == read
        assert content.unreadable == unreadable


def test_events_of_batches_lie_apart_in_order(path: Path) -> None:
    begun = BatchEvent(batch_id="b1", keys=("x", "y"), state="in_progress")
    ended = BatchEvent(batch_id="b1", state="ok")
    write(path, begun, entry("x"), ended)
    content = read_journal(path)
    assert list(content.batches) == [begun, ended]
    assert list(content.entries) == ["x"]
    assert path.read_text().startswith('{"event":"batch","batch_id":"b1","keys":["x","y"],"state":"in_progress"}\n')


def test_fields_of_a_later_version_are_passed_over(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**ENTRY.model_dump(), "mood": "good"}) + "\n")
    assert list(read_journal(path).lines) == [ENTRY]


def test_half_a_surrogate_pair_is_no_reason_to_lose_an_answer(path: Path) -> None:
    answered = Entry(**ENTRY.model_dump() | {"text": json.loads('"Stop \\ud83d for ü 🚗"')})
    assert answered.text == "Stop ? for ü 🚗"
    write(path, answered)
    assert list(read_journal(path).lines) == [answered]


def test_the_view_has_every_field_of_an_entry() -> None:
    assert ["chunk", "labeler", *Entry.model_fields] == list(schemas.REQUESTS.columns)


def test_what_was_spent_is_the_sum_over_chunks_and_labelers(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert spent_usd(store) == 0.0
    for chunk, labeler, times in (("0000", "gpt5", 2), ("0000", "qwen3.5_35b", 3), ("0001", "gpt5", 5)):
        write(store.journal_path(chunk, labeler), *[entry("a", cost_usd=0.1)] * times, entry("free"))
    assert spent_usd(store) == 1.0


# ---- writing --------------------------------------------------------------------------------------------------------


def test_appends_that_wait_for_the_disk_share_a_flush_and_keep_their_order(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, at_work = threading.Event(), threading.Event()
    flushed: list[int] = []
    fsync = os.fsync

    def slow(descriptor: int) -> None:
        fsync(descriptor)
        at_work.set()
        busy.wait(PATIENCE_S)
        flushed.append(os.fstat(descriptor).st_size)

    async def ask(journal: JournalWriter) -> None:
        first = asyncio.create_task(journal.append(entry("first")))
        assert await asyncio.to_thread(at_work.wait, PATIENCE_S)
        others = [asyncio.create_task(journal.append(entry(number))) for number in range(300)]
        await asyncio.sleep(0)
        assert not first.done()
        busy.set()
        await asyncio.gather(first, *others)

    with JournalWriter.open(path) as journal:
        monkeypatch.setattr(os, "fsync", slow)
        asyncio.run(ask(journal))
    assert keys(path) == ["first", *map(str, range(300))]
    assert len(flushed) == 2
    assert flushed[-1] == path.stat().st_size


def test_nobody_is_told_before_the_line_is_on_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        fsync(descriptor)
        done.append("flushed")

    async def ask(journal: JournalWriter) -> None:
        await journal.append(ENTRY)
        done.append("told")

    with JournalWriter.open(path) as journal:
        monkeypatch.setattr(os, "fsync", noting)
        asyncio.run(ask(journal))
    assert done == ["flushed", "told"]


def test_a_new_journal_s_folders_are_flushed_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    write(path, ENTRY)
    store = path.parents[2]
    assert {str(path), *(str(one) for one in (store.parent, store, store / "raw_coc", path.parent))} == set(flushed)


def test_a_cancelled_wait_does_not_lose_the_line(path: Path) -> None:
    async def ask(journal: JournalWriter) -> None:
        waits = [asyncio.create_task(journal.append(entry(number))) for number in range(3)]
        await asyncio.sleep(0)
        waits[1].cancel()
        await asyncio.wait_for(asyncio.gather(waits[0], waits[2]), PATIENCE_S)

    with JournalWriter.open(path) as journal:
        asyncio.run(ask(journal))
    assert keys(path) == ["0", "1", "2"]


def test_lines_of_one_call_are_written_in_order(path: Path) -> None:
    write(path, *(entry(number) for number in range(50)))
    write(path, entry(50))
    assert keys(path) == [str(number) for number in range(51)]


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Writes beyond it fall short and then fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_failed_write_is_told_to_all_and_leaves_nothing_behind(path: Path) -> None:
    async def ask(journal: JournalWriter) -> list[BaseException | None]:
        return await asyncio.gather(*(journal.append(entry(n)) for n in range(20)), return_exceptions=True)

    with JournalWriter.open(path) as journal:
        journal.append_now([entry("before")])
        whole = path.read_bytes()
        with files_no_larger_than(len(whole) + len(whole) // 2):
            told = asyncio.run(ask(journal))
            with pytest.raises(OSError, match="too large"):
                journal.append_now([entry("x")])
        assert [type(error) for error in told] == [OSError] * 20
        assert {(error.errno, error.filename) for error in told if isinstance(error, OSError)} == {
            (errno.EFBIG, str(path))
        }
        assert path.read_bytes() == whole
        journal.append_now([entry("after")])
    assert keys(path) == ["before", "after"]


def test_a_failed_flush_takes_its_lines_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with JournalWriter.open(path) as journal:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match=r"No space left on device: .*gpt5\.5"):
                asyncio.run(journal.append(ENTRY))
        assert path.read_bytes() == b""
        journal.append_now([entry("after")])
    assert keys(path) == ["after"]


def test_where_a_failed_write_cannot_be_taken_back_no_line_follows_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with JournalWriter.open(path) as journal:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", broken)
            patch.setattr(os, "ftruncate", broken)
            with pytest.raises(OSError, match="Input/output"):
                journal.append_now([entry("doubtful")])
        with pytest.raises(OSError, match="Input/output"):
            asyncio.run(journal.append(entry("later")))
    assert keys(path) == ["doubtful"]


def test_a_closed_journal_takes_no_line_and_may_be_closed_again(path: Path) -> None:
    with JournalWriter.open(path) as journal:
        pass
    journal.close()
    with pytest.raises(RuntimeError):
        asyncio.run(journal.append(ENTRY))


def test_closing_finishes_what_was_begun(path: Path) -> None:
    async def ask(journal: JournalWriter) -> None:
        waits = [asyncio.ensure_future(journal.append(entry(number))) for number in range(100)]
        await asyncio.sleep(0)
        journal.close()
        await asyncio.gather(*waits)

    asyncio.run(ask(JournalWriter.open(path)))
    assert len(keys(path)) == 100


@pytest.mark.parametrize("torn", [b'{"key":"b","keyfr', b'{"key":"b","text":"\xc3', b"\0\0\0"])
def test_a_torn_last_line_is_sealed_before_the_next(path: Path, torn: bytes) -> None:
    write(path, entry("a"))
    path.write_bytes(path.read_bytes() + torn)
    write(path, entry("c"))
    assert (keys(path), read_journal(path).unreadable) == (["a", "c"], 1)


def test_a_last_line_that_only_lacks_its_end_is_kept(path: Path) -> None:
    write(path, entry("a"), entry("b"))
    path.write_bytes(path.read_bytes()[:-1])
    write(path, entry("c"))
    assert (keys(path), read_journal(path).unreadable) == (["a", "b", "c"], 0)


# ---- several processes, and killed ones -----------------------------------------------------------------------------

HOLDER = """
journal = JournalWriter.open(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


def test_opening_waits_for_another_process_and_says_so(path: Path) -> None:
    now = iter(range(100))
    waited: list[float] = []
    slept: list[float] = []

    with child(HOLDER, path) as (holder, printed):
        assert printed.readline() == "held\n"

        def waiting(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 3:
                holder.kill()
                holder.wait()

        with JournalWriter.open(path, waiting, sleep=slept.append, clock=lambda: next(now)) as journal:
            journal.append_now([ENTRY])
    assert waited == [1, 2, 3]
    assert len(slept) == 3
    assert keys(path) == ["a"]


def test_a_journal_can_be_read_while_it_is_written(path: Path) -> None:
    with JournalWriter.open(path) as journal:
        journal.append_now([ENTRY])
        assert keys(path) == ["a"]


def test_closing_lets_the_next_writer_in(path: Path) -> None:
    def waiting(seconds: float) -> None:
        pytest.fail("waits for a journal that was closed")

    for number in range(2):
        with JournalWriter.open(path, waiting) as journal:
            journal.append_now([entry(number)])
    assert keys(path) == ["0", "1"]


def test_a_file_system_without_locks_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("resources.journal.fcntl.flock", unknown)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match=r"put the store on a file system that knows flock: .*gpt5\.5"):
        JournalWriter.open(path)
    assert len(os.listdir("/proc/self/fd")) == before


APPENDS_FOR_EVER = """
async def main():
    numbers = iter(range(10**9))
    with JournalWriter.open(Path(sys.argv[1])) as journal:
        async def one():
            for number in numbers:
                key = f"{sys.argv[2]}-{number}"
                told = "x" * (number * 37 % 5000)
                await journal.append(Entry(key=key, keyframe_id="k", step="see", outcome="answered", text=told))
                print(key, flush=True)
        await asyncio.gather(*(one() for _ in range(40)))
asyncio.run(main())
"""


def acknowledged_before_a_kill(path: Path, run: int, lines: int) -> list[str]:
    """Keys that a writer says are on disk, killed after it printed about so many."""
    with child(APPENDS_FOR_EVER, path, run) as (process, printed):
        told = [printed.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        told += printed.readlines()
        assert process.wait() == -signal.SIGKILL
    return [line.strip() for line in told if line.endswith("\n")]


def test_what_was_acknowledged_survives_any_kill(path: Path) -> None:
    chance = random.Random(7)
    acknowledged: list[str] = []
    for run in range(5):
        acknowledged += acknowledged_before_a_kill(path, run, chance.randrange(1, 800))
        content = read_journal(path)
        assert set(acknowledged) <= set(content.entries)
        assert content.unreadable <= run + 1
    write(path, entry("the next run"))
    assert keys(path)[-1] == "the next run"
    assert len(set(acknowledged)) == len(acknowledged) >= 5
