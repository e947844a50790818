"""A chunk labelled by batches: every keyframe ends, no answer is paid for twice, wherever the process dies."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter

import pytest
from pydantic import SecretStr

from coc_assets.raw_coc.vlm import batch_labelling
from coc_assets.raw_coc.vlm.batch_labelling import UNASKED, ask_chunk_by_batch, unsettled
from coc_assets.raw_coc.vlm.conversation import advance
from coc_assets.raw_coc.vlm.labelling import Prepared, labels_of
from coc_assets.sources.video import VideoError
from resources.journal import BatchEvent, JournalWriter, read_journal
from resources.models.aliases import model_of
from resources.models.batches import Batches, FileLimits
from resources.models.chat_completions import request_body
from resources.models.endpoints import Endpoint
from resources.models.failures import BackendDown, Stopping, Transient, Unreachable
from resources.models.pricing import cost_usd, worst_cost_usd
from resources.models.purse import Purse
from resources.models.request import Image, Text, Usage
from resources.settings.models import ModelSettings, ModelsSettings, PriceSettings, RetrySettings
from tests.chat_stub import BatchPlan, ChatStub, StubAnswer
from tests.coc_assets.raw_coc.vlm import talks

PRICE = PriceSettings(input_usd=10.0, output_usd=100.0)
SHARE = 0.5
ONE_PASS = {"passes": 1, "repair": False}


class Killed(Exception):
    """The process is dead."""


class Media:
    """Stands in for a clip's pictures: each says which keyframe it is of."""

    def __init__(self, damaged=()):
        self.decoded = []
        self._damaged = damaged

    def clip(self, views):
        clip_id = views[0].clip_id
        assert {view.clip_id for view in views} == {clip_id}
        self.decoded.append(clip_id)
        if clip_id in self._damaged:
            raise VideoError("video_truncated", "mirror it again.")
        return self

    def parts(self, view, shown):
        return (Text(shown), Image(64, 36, jpeg=view.keyframe_id.encode()))


class DyingJournal:
    """A journal whose process dies before its n-th line is written."""

    def __init__(self, journal, lines):
        self._journal, self._left = journal, lines

    async def append(self, line):
        if self._left <= 0:
            raise Killed
        self._left -= 1
        await self._journal.append(line)


class NoJournalOf(DyingJournal):
    """A journal whose process dies before a line of a kind is written."""

    def __init__(self, journal, kind):
        super().__init__(journal, 1)
        self._kind = kind

    async def append(self, line):
        self._left = 0 if self._kind(line) else 1
        await super().append(line)


def keyframe_of(body):
    parts = [part for message in body["messages"] if message["role"] == "user" for part in message["content"]]
    url = next(part["image_url"]["url"] for part in parts if part["type"] == "image_url")
    return base64.b64decode(url.partition(",")[2]).decode()


def _saw(body):
    return talks.component(f"white van ahead near {keyframe_of(body)}")


ANSWERS = {
    "see": lambda body: talks.seen(_saw(body)),
    "decide": lambda body: talks.decided(),
    "single": lambda body: json.dumps({"components": [_saw(body)], **json.loads(talks.decided())}),
}


class Chunk:
    """One chunk's labelling, as often as its process is started."""

    def __init__(self, tmp_path, stub, keyframes=6, *, clips=3, price=PRICE, vlm=None, **models):
        self.stub = stub
        self.journal_path = tmp_path / "chunk.journal.jsonl"
        models = {"batch": True, "batch_poll_s": 30.0, **models}
        own = ModelSettings(backend="openai", model="stub-vlm", price=price, api_key_env="MY_KEY")
        self.models = ModelsSettings(aliases={"stub": own}, **models)
        self.views = [
            talks.view(keyframe_id=f"clip-{n % clips}-{n:08d}", clip_id=f"clip-{n % clips}", t0_us=3_000_000 + n)
            for n in range(keyframes)
        ]
        self.views.sort(key=lambda view: view.keyframe_id)
        self.prepared = Prepared(self.views, talks.plan(vlm=vlm or {}), model_of("stub", self.models))
        self.endpoint = Endpoint("openai", "stub-vlm", stub.base_url, SecretStr("sk-secret-key"), "MY_KEY")
        self.reports = []
        self.slept_s = 0.0
        self.media = Media()

    def label(self, wrap=lambda journal: journal, client=Batches, forget=(), **changes):
        """One process: from the journal as it lies to the end, or until it dies."""

        async def sleep(seconds):
            self.slept_s += seconds

        async def run(journal):
            told = read_journal(self.journal_path)
            entries = {key: entry for key, entry in told.entries.items() if key not in forget}
            batches = client(self.endpoint, {}, 30.0)
            values = {
                "told": told,
                "chunk": "0001",
                "models": self.models,
                "purse": None,
                "backend": "openai",
                "run": "run-1",
                "report": lambda *report: self.reports.append(report),
                "sleep": sleep,
            }
            try:
                await ask_chunk_by_batch(
                    self.prepared, entries, self.media, batches, wrap(journal), **{**values, **changes}
                )
            finally:
                await batches.close()

        with JournalWriter.open(self.journal_path) as journal:
            asyncio.run(run(journal))

    @property
    def journal(self):
        return read_journal(self.journal_path)

    @property
    def records(self):
        return labels_of(self.prepared, self.journal.entries)

    @property
    def statuses(self):
        return [record.status for record in self.records]

    def keys(self, *indices):
        """The keys of the first questions of keyframes."""
        return [advance(self.views[index], self.prepared.plan, {}).key for index in indices]

    @property
    def lines(self):
        """Request lines of each batch that the provider has, in order."""
        files = self.stub.batches.files
        made = self.stub.batches.batches.values()
        return [[json.loads(line) for line in files[batch["input_file_id"]][1].splitlines()] for batch in made]

    @property
    def asked(self):
        """How often each key was asked."""
        return Counter(line["custom_id"] for lines in self.lines for line in lines)

    @property
    def sizes(self):
        return [len(lines) for lines in self.lines]


def stub(**plan):
    return ChatStub(answers=ANSWERS, batch=BatchPlan(**plan))


# The whole way -------------------------------------------------------------------------------------------------------


def test_two_steps_take_two_batches_and_half_the_price(tmp_path):
    with stub(polls=3) as server:
        chunk = Chunk(tmp_path, server)
        chunk.label()
        assert server.chats == []
    assert chunk.statuses == ["ok"] * 6
    assert chunk.sizes == [6, 6]
    assert [{line["body"]["response_format"]["json_schema"]["name"] for line in lines} for lines in chunk.lines] == [
        {"see"},
        {"decide"},
    ]
    assert set(chunk.asked.values()) == {1}
    for entry in chunk.journal.lines:
        usage = Usage(entry.prompt_tokens, entry.completion_tokens, entry.cached_tokens)
        assert entry.cost_usd == pytest.approx(cost_usd(usage, PRICE) * SHARE)
        assert (entry.attempts, entry.latency_s, entry.run, entry.backend) == (1, None, "run-1", "openai")
    assert [entry.batch_id for entry in chunk.journal.lines] == ["batch_1"] * 6 + ["batch_2"] * 6
    assert len(chunk.journal_path.read_bytes().splitlines()) == 18
    assert chunk.slept_s == 2 * 3 * 30.0
    assert chunk.media.decoded == ["clip-0", "clip-1", "clip-2"] * 2
    assert chunk.reports[0][:2] == (0, 6)
    assert chunk.reports[-1][:2] == (6, 6)
    assert any("1 batches under way, 0 of 6 requests served" in note for _, _, note in chunk.reports)


def test_answers_find_their_keyframes_though_they_come_in_any_order(tmp_path):
    with stub() as server:
        chunk = Chunk(tmp_path, server, keyframes=12)
        chunk.label()
        order = [json.loads(line)["custom_id"] for line in server.batches.files["file-2"][1].splitlines()]
        assert order != [line["custom_id"] for line in chunk.lines[0]]
    assert len(chunk.records) == 12
    for record in chunk.records:
        assert [component.phrase for component in record.components] == [f"white van ahead near {record.keyframe_id}"]


def test_a_finished_chunk_asks_nothing_and_settles_what_it_began(tmp_path):
    with stub() as server:
        chunk = Chunk(tmp_path, server)
        chunk.label()
        before = chunk.journal_path.read_bytes()
        chunk.label()
        assert chunk.journal_path.read_bytes() == before
        assert unsettled(chunk.journal.batches) == ({}, [])
    assert chunk.sizes == [6, 6]


def test_a_batch_says_whose_it_is(tmp_path):
    with stub() as server:
        Chunk(tmp_path, server, vlm=ONE_PASS).label()
        metadata = server.batches.batches["batch_1"]["metadata"]
    assert set(metadata) == {"coc", "chunk", "labeler", "worst_usd"}
    assert (metadata["chunk"], metadata["labeler"]) == ("0001", "stub")
    assert all(len(name) <= 64 and len(value) <= 512 for name, value in metadata.items())


# Files ---------------------------------------------------------------------------------------------------------------


def test_files_hold_so_many_requests(tmp_path):
    with stub() as server:
        chunk = Chunk(tmp_path, server, keyframes=7, vlm=ONE_PASS)
        chunk.label(limits=FileLimits(requests=3))
    assert chunk.sizes == [3, 3, 1]
    assert chunk.statuses == ["ok"] * 7
    assert set(chunk.asked.values()) == {1}


def test_files_hold_so_many_bytes(tmp_path):
    with stub() as server:
        whole = Chunk(tmp_path / "whole", server, keyframes=5, vlm=ONE_PASS)
        whole.label()
        size = server.batches.files["file-1"][1]
        longest = max(map(len, size.splitlines(keepends=True)))
    with stub() as server:
        chunk = Chunk(tmp_path, server, keyframes=5, vlm=ONE_PASS)
        chunk.label(limits=FileLimits(size_bytes=2 * longest))
        sent = [content for name, content in server.batches.files.values() if name == "requests.jsonl"]
    assert chunk.sizes == [2, 2, 1]
    assert all(len(content) <= 2 * longest for content in sent)
    assert b"".join(sent) == size
    assert chunk.statuses == ["ok"] * 5


def test_a_request_that_no_file_can_hold_ends_its_label(tmp_path):
    with stub() as server:
        chunk = Chunk(tmp_path, server, keyframes=2, vlm=ONE_PASS)
        chunk.label(limits=FileLimits(size_bytes=100))
        assert server.batches.batches == {}
    assert chunk.statuses == ["error", "error"]
    assert "batch 100 at most" in chunk.journal.lines[0].reason


# What goes wrong with lines ------------------------------------------------------------------------------------------


def test_lines_end_as_single_requests_would(tmp_path):
    faults = {}
    with stub(line_faults=faults) as server:
        chunk = Chunk(tmp_path, server, keyframes=4, vlm=ONE_PASS, retry=RetrySettings(attempts=2))
        faults.update(zip(chunk.keys(0, 1, 2), ["policy", "bad_request", "server_error"], strict=True))
        chunk.label()
    assert chunk.statuses == ["refused", "error", "error", "ok"]
    entries = [chunk.journal.entries[key] for key in chunk.keys(0, 1, 2, 3)]
    assert [entry.attempts for entry in entries] == [1, 1, 2, 1]
    assert [entry.reason.partition(":")[0] for entry in entries[:3]] == [
        "refused_by_provider",
        "request_failed",
        "request_failed",
    ]
    assert "Gave up after 2 batches; the last: " in entries[2].reason
    assert [entry.cost_usd is None for entry in entries] == [True, True, True, False]
    assert chunk.sizes == [4, 1]


def test_a_passing_error_is_gone_in_the_next_batch(tmp_path):
    faults = {}
    with stub(line_faults=faults) as server:
        chunk = Chunk(tmp_path, server, keyframes=4, vlm=ONE_PASS)
        faults[chunk.keys(1)[0]] = "rate_limit"

        def report(done, total, note):
            if done == 3:
                faults.clear()

        chunk.label(report=report)
    assert chunk.statuses == ["ok"] * 4
    assert chunk.sizes == [4, 1]
    assert chunk.journal.entries[chunk.keys(1)[0]].attempts == 2


def test_an_unusable_answer_is_asked_for_again(tmp_path):
    faults = {}
    with stub(line_faults=faults) as server:
        chunk = Chunk(tmp_path, server, keyframes=3, vlm=ONE_PASS)
        faults[chunk.keys(2)[0]] = "truncate"
        chunk.label()
    assert chunk.statuses == ["ok"] * 3
    assert chunk.sizes == [3, 1]
    assert [entry.round for entry in chunk.journal.lines] == [1, 1, 1, 2]


def test_a_backend_that_fails_every_line_leaves_no_errors_behind(tmp_path):
    faults = {}
    with stub(line_faults=faults) as server:
        chunk = Chunk(tmp_path, server, keyframes=4, vlm=ONE_PASS, retry=RetrySettings(down_after=4))
        faults.update(dict.fromkeys(chunk.keys(0, 1, 2, 3), "bad_request"))
        with pytest.raises(BackendDown, match=r"All 4 requests of batch batch_1 failed.*Invalid value"):
            chunk.label()
        assert chunk.journal.lines == []
        faults.clear()
        chunk.label()
    assert chunk.statuses == ["ok"] * 4


def test_many_failures_beside_an_answer_are_errors_of_their_own(tmp_path):
    faults = {}
    with stub(line_faults=faults) as server:
        chunk = Chunk(tmp_path, server, keyframes=5, vlm=ONE_PASS, retry=RetrySettings(down_after=4))
        faults.update(dict.fromkeys(chunk.keys(0, 1, 2, 3), "bad_request"))
        chunk.label()
    assert chunk.statuses == ["error"] * 4 + ["ok"]


def test_an_account_without_money_stops_the_chunk_and_keeps_the_rest(tmp_path):
    faults = {}
    with stub(line_faults=faults) as server:
        chunk = Chunk(tmp_path, server, keyframes=4, vlm=ONE_PASS)
        faults[chunk.keys(3)[0]] = "no_quota"
        with pytest.raises(BackendDown, match="exceeded your current quota"):
            chunk.label()
        assert len(chunk.journal.lines) == 3
        faults.clear()
        chunk.label()
    assert chunk.statuses == ["ok"] * 4
    assert chunk.sizes == [4, 1]


def test_a_damaged_video_ends_its_labels_only(tmp_path):
    with stub() as server:
        chunk = Chunk(tmp_path, server, vlm=ONE_PASS)
        chunk.media = Media(damaged=["clip-1"])
        chunk.label()
    assert chunk.statuses == ["ok", "ok", "error", "error", "ok", "ok"]
    assert {entry.reason for entry in chunk.journal.lines if entry.outcome == "error"} == {
        "video_truncated: mirror it again."
    }


# How batches end -----------------------------------------------------------------------------------------------------


def test_an_expired_batch_keeps_what_it_answered_and_the_rest_goes_again(tmp_path):
    with stub(end="expired") as server:
        chunk = Chunk(tmp_path, server, keyframes=4, vlm=ONE_PASS, retry=RetrySettings(attempts=3))
        chunk.label()
    assert chunk.sizes == [4, 2, 1]
    assert sorted(chunk.statuses) == ["error", "ok", "ok", "ok"]
    (gone,) = [entry for entry in chunk.journal.lines if entry.outcome == "error"]
    assert gone.attempts == 3
    assert "before the completion window" in gone.reason
    assert len(chunk.journal.lines) == 4


def test_a_batch_that_is_not_valid_stops_the_chunk_in_the_provider_s_words(tmp_path):
    with stub(end="failed") as server:
        chunk = Chunk(tmp_path, server, vlm=ONE_PASS)
        with pytest.raises(BackendDown, match=r"batch_1 failed\. The provider says: The batch is not valid\."):
            chunk.label()
        assert (chunk.journal.lines, unsettled(chunk.journal.batches)) == ([], ({}, []))
        server.batches.plan = BatchPlan()
        chunk.label()
    assert chunk.statuses == ["ok"] * 6
    assert chunk.sizes == [6, 6]


def test_a_cancelled_batch_stops_the_chunk_and_keeps_what_it_answered(tmp_path):
    faults = {}
    with stub(end="cancelled", line_faults=faults) as server:
        chunk = Chunk(tmp_path, server, keyframes=3, vlm=ONE_PASS)
        faults[chunk.keys(0)[0]] = "server_error"
        with pytest.raises(BackendDown, match=r"batch_1 cancelled\..*run again"):
            chunk.label()
        assert len(chunk.journal.lines) == 2
        server.batches.plan = BatchPlan()
        chunk.label()
    assert chunk.statuses == ["ok"] * 3
    assert chunk.sizes == [3, 1]


def test_what_is_too_much_at_once_is_asked_in_smaller_batches(tmp_path):
    def end(batch):
        lines = server.batches.files[batch["input_file_id"]][1].splitlines()
        if len(lines) <= 2:
            return usual(batch)
        words = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached."}
        return batch.update(status="failed", errors={"object": "list", "data": [words]})

    with stub() as server:
        usual, server.batches._end = server.batches._end, end
        chunk = Chunk(tmp_path, server, keyframes=7, vlm=ONE_PASS)
        chunk.label()
    assert chunk.sizes == [7, 3, 1, 1, 1, 1, 1, 1, 1]
    assert chunk.statuses == ["ok"] * 7
    assert [entry.attempts for entry in chunk.journal.lines] == [1] * 7


def test_what_is_too_much_even_alone_is_said(tmp_path):
    words = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached."}
    with stub() as server:
        server.batches._end = lambda batch: batch.update(status="failed", errors={"data": [words]})
        chunk = Chunk(tmp_path, server, keyframes=2, vlm=ONE_PASS)
        with pytest.raises(BackendDown, match="Enqueued token limit reached"):
            chunk.label()
    assert chunk.sizes == [2, 1]


# Exactly once --------------------------------------------------------------------------------------------------------


def paid_once(chunk):
    """Every request was asked in one batch, and its answer is one line of the journal."""
    assert set(chunk.asked.values()) == {1}
    assert Counter(entry.key.removeprefix(UNASKED) for entry in chunk.journal.lines) == chunk.asked
    return chunk.statuses == ["ok"] * len(chunk.views) and unsettled(chunk.journal.batches) == ({}, [])


def is_created(line):
    return isinstance(line, BatchEvent) and line.state == batch_labelling.CREATED


def test_a_batch_that_the_journal_did_not_hear_of_is_found_again(tmp_path):
    with stub() as server:
        chunk = Chunk(tmp_path, server, vlm=ONE_PASS)
        with pytest.raises(Killed):
            chunk.label(lambda journal: NoJournalOf(journal, is_created))
        assert chunk.sizes == [6]
        assert [event.state for event in chunk.journal.batches] == ["creating"]
        chunk.label()
    assert chunk.sizes == [6]
    assert paid_once(chunk)


def test_it_is_found_though_the_chunk_is_asked_differently_by_then(tmp_path):
    with stub() as server:
        chunk = Chunk(tmp_path, server)
        with pytest.raises(Killed):
            chunk.label(lambda journal: NoJournalOf(journal, is_created))
        again = Chunk(tmp_path, server, keyframes=8)
        again.label()
    assert again.sizes[:2] == [6, 2]
    assert paid_once(again)


def test_it_is_found_though_it_has_ended_and_its_finder_dies_too(tmp_path):
    with stub(polls=1) as server:
        chunk = Chunk(tmp_path, server, vlm=ONE_PASS)
        with pytest.raises(Killed):
            chunk.label(lambda journal: NoJournalOf(journal, is_created))
        chunk.stub.batches._looked_at("batch_1")
        with pytest.raises(Killed):
            chunk.label(lambda journal: DyingJournal(journal, 1))
        chunk.label()
    assert chunk.sizes == [6]
    assert paid_once(chunk)


@pytest.mark.parametrize("lines", range(18))
def test_wherever_the_process_dies_nothing_is_paid_twice(tmp_path, lines):
    """The journal of an undisturbed run has 18 lines: 3 events for each of 2 batches, and 12 answers."""
    with stub() as server:
        chunk = Chunk(tmp_path, server)
        with pytest.raises(Killed):
            chunk.label(lambda journal: DyingJournal(journal, lines))
        chunk.label()
    assert chunk.sizes == [6, 6]
    assert paid_once(chunk)


def test_a_process_that_dies_again_and_again_gets_through(tmp_path):
    with stub() as server:
        chunk = Chunk(tmp_path, server)
        for _ in range(100):
            try:
                chunk.label(lambda journal: DyingJournal(journal, 1))
            except Killed:
                continue
            break
    assert chunk.sizes == [6, 6]
    assert paid_once(chunk)


@pytest.mark.parametrize("was_created", [True, False])
def test_a_lost_reply_to_the_creation_creates_no_second_batch(tmp_path, was_created):
    class Lossy(Batches):
        lost = 0

        async def create(self, file_id, metadata):
            if self.lost:
                return await super().create(file_id, metadata)
            self.lost += 1
            if was_created:
                await super().create(file_id, metadata)
            raise Unreachable("reset")

    with stub() as server:
        chunk = Chunk(tmp_path, server, vlm=ONE_PASS)
        chunk.label(client=Lossy)
    assert chunk.sizes == [6]
    assert paid_once(chunk)


def test_a_creation_that_never_gets_a_reply_is_looked_for_by_the_next_run(tmp_path):
    class Lost(Batches):
        async def create(self, file_id, metadata):
            raise Unreachable("reset")

    with stub() as server:
        chunk = Chunk(tmp_path, server, vlm=ONE_PASS)
        purse = Purse(tmp_path / "budget.json", 100.0, lambda: 0.0)
        with pytest.raises(BackendDown, match=r"6 requests about batches failed in a row.*reset"):
            chunk.label(client=Lost, purse=purse)
        assert (held(purse), taken(purse)) == (0.0, pytest.approx(sum(worst_of(chunk))))
        assert len(unsettled(chunk.journal.batches)[1]) == 1
        chunk.label()
    assert chunk.sizes == [6]
    assert paid_once(chunk)


def test_a_run_that_ends_leaves_its_batch_to_the_next(tmp_path):
    with stub(polls=3) as server:
        chunk = Chunk(tmp_path, server, vlm=ONE_PASS)
        ending = []

        async def sleep(seconds):
            ending.append(seconds)

        with pytest.raises(Stopping, match="run again to take them up"):
            chunk.label(stopping=lambda: bool(ending), sleep=sleep)
        assert len(ending) == 1
        assert list(unsettled(chunk.journal.batches)[0]) == ["batch_1"]
        chunk.label()
    assert chunk.sizes == [6]
    assert chunk.media.decoded == ["clip-0", "clip-1", "clip-2"]
    assert paid_once(chunk)


def test_what_is_new_does_not_wait_for_a_batch_under_way(tmp_path):
    with stub(polls=50) as server:
        chunk = Chunk(tmp_path, server, keyframes=4, vlm=ONE_PASS)
        with pytest.raises(Killed):
            chunk.label(lambda journal: NoJournalOf(journal, is_created))
        more = Chunk(tmp_path, server, keyframes=6, vlm=ONE_PASS)
        ending = []

        async def sleep(seconds):
            ending.append(seconds)

        with pytest.raises(Stopping):
            more.label(stopping=lambda: bool(ending), sleep=sleep)
    assert more.sizes == [4, 2]
    assert max(more.asked.values()) == 1


def test_answers_that_nobody_waits_for_any_more_were_paid_all_the_same(tmp_path):
    with stub() as server:
        old = Chunk(tmp_path, server, vlm=ONE_PASS)
        with pytest.raises(Killed):
            old.label(lambda journal: DyingJournal(journal, 2))
        new = Chunk(tmp_path, server, vlm={**ONE_PASS, "image_height": 270})
        new.label()
    assert new.sizes == [6, 6]
    assert new.statuses == ["ok"] * 6
    assert paid_once(new)
    assert all(entry.cost_usd for entry in new.journal.lines)
    assert Counter(entry.keyframe_id for entry in new.journal.lines) == {
        "": 6,
        **{view.keyframe_id: 1 for view in new.views},
    }


def test_a_batch_that_nobody_waits_for_is_left_to_a_later_run(tmp_path):
    with stub() as server:
        old = Chunk(tmp_path, server, vlm=ONE_PASS)
        with pytest.raises(Killed):
            old.label(lambda journal: NoJournalOf(journal, is_created))
        server.batches._looks["batch_1"] = -1000
        new = Chunk(tmp_path, server, vlm={**ONE_PASS, "image_height": 270})
        new.label()
        assert new.statuses == ["ok"] * 6
        assert list(unsettled(new.journal.batches)[0]) == ["batch_1"]
        server.batches._looks["batch_1"] = 1000
        new.label()
    assert paid_once(new)


def test_answers_that_came_another_way_meanwhile_stay(tmp_path):
    with stub() as server:
        chunk = Chunk(tmp_path, server, keyframes=2, vlm=ONE_PASS)
        with pytest.raises(Killed):
            chunk.label(lambda journal: DyingJournal(journal, 2))
        question = advance(chunk.views[0], chunk.prepared.plan, {})
        live = talks.entry(question, ANSWERS["single"](chunk.lines[0][0]["body"]), model="live")
        with JournalWriter.open(chunk.journal_path) as journal:
            journal.append_now([live])
        chunk.label()
    assert chunk.journal.entries[question.key] == live
    assert [entry.keyframe_id for entry in chunk.journal.lines if entry.batch_id == "batch_1"].count("") == 1
    assert chunk.sizes == [2]
    assert chunk.statuses == ["ok"] * 2


@pytest.mark.parametrize("lines", range(3, 9))
def test_answers_that_nobody_waits_for_are_told_once(tmp_path, lines):
    with stub() as server:
        old = Chunk(tmp_path, server, vlm=ONE_PASS)
        with pytest.raises(Killed):
            old.label(lambda journal: DyingJournal(journal, 2))
        new = Chunk(tmp_path, server, vlm={**ONE_PASS, "image_height": 270})
        with pytest.raises(Killed):
            new.label(lambda journal: DyingJournal(journal, lines))
        new.label()
    assert paid_once(new)


def test_a_question_that_is_asked_again_gets_a_batch_of_its_own(tmp_path):
    """Its keys are those of an earlier batch, whose answer is not taken for the new one."""
    faults = {}
    with stub(line_faults=faults) as server:
        chunk = Chunk(tmp_path, server, keyframes=3, vlm=ONE_PASS)
        keys = chunk.keys(0, 1, 2)
        faults.update(dict.fromkeys(keys, "policy"))
        chunk.label()
        assert chunk.statuses == ["refused"] * 3
        faults.clear()
        with pytest.raises(Killed):
            chunk.label(lambda journal: NoJournalOf(journal, is_created), forget=keys)
        chunk.label(forget=keys)
    assert chunk.sizes == [3, 3]
    assert chunk.statuses == ["ok"] * 3


def test_an_answer_of_an_earlier_batch_is_not_found_in_place_of_a_new_one(tmp_path):
    class Dying(Batches):
        async def create(self, file_id, metadata):
            raise Killed

    faults = {}
    with stub(line_faults=faults) as server:
        chunk = Chunk(tmp_path, server, keyframes=3, vlm=ONE_PASS)
        keys = chunk.keys(0, 1, 2)
        faults.update(dict.fromkeys(keys, "policy"))
        chunk.label()
        faults.clear()
        with pytest.raises(Killed):
            chunk.label(client=Dying, forget=keys)
        chunk.label(forget=keys)
    assert chunk.sizes == [3, 3]
    assert chunk.statuses == ["ok"] * 3


def test_a_failure_that_was_kept_is_not_told_again_when_it_is_to_be_asked_anew(tmp_path):
    faults = {}
    with stub(line_faults=faults) as server:
        chunk = Chunk(tmp_path, server, keyframes=3, vlm=ONE_PASS)
        keys = chunk.keys(0, 1, 2)
        faults.update(dict.fromkeys(keys, "policy"))
        with pytest.raises(Killed):
            chunk.label(lambda journal: DyingJournal(journal, 2 + 3))
        faults.clear()
        chunk.label(forget=keys)
    assert chunk.sizes == [3, 3]
    assert chunk.statuses == ["ok"] * 3


# Waiting -------------------------------------------------------------------------------------------------------------


class Flaky(Batches):
    """Cannot be reached for a while."""

    fails = 3

    async def look(self, batch_id):
        if type(self).fails:
            type(self).fails -= 1
            raise Unreachable("no route")
        return await super().look(batch_id)


def test_a_provider_out_of_reach_is_looked_at_next_time(tmp_path):
    class Away(Flaky):
        fails = 9

    with stub(polls=1) as server:
        chunk = Chunk(tmp_path, server, vlm=ONE_PASS)
        chunk.label(client=Away)
    assert paid_once(chunk)
    assert chunk.slept_s >= 10 * 30.0


def test_a_provider_out_of_reach_for_long_stops_the_chunk_and_the_next_run_goes_on(tmp_path):
    class Gone(Flaky):
        fails = 1000

    with stub() as server:
        chunk = Chunk(tmp_path, server, vlm=ONE_PASS)
        with pytest.raises(BackendDown, match=r"10 requests about batches failed in a row.*no route"):
            chunk.label(client=Gone)
        chunk.label()
    assert chunk.sizes == [6]
    assert paid_once(chunk)


class Busy(Batches):
    """Asks to wait, once."""

    wait_s = 0.0
    left = 1

    async def look(self, batch_id):
        if type(self).left:
            type(self).left -= 1
            raise Transient("busy", self.wait_s)
        return await super().look(batch_id)


def test_the_provider_says_how_long_to_wait(tmp_path):
    with stub(polls=1) as server:
        chunk = Chunk(tmp_path, server, vlm=ONE_PASS)
        chunk.label(client=type("Busy120", (Busy,), {"wait_s": 120.0}))
    assert chunk.slept_s == 30.0 + 120.0


def test_a_wait_that_is_too_long_stops_the_chunk(tmp_path):
    with stub() as server:
        chunk = Chunk(tmp_path, server, vlm=ONE_PASS)
        with pytest.raises(BackendDown, match=r"wait 7200 s, longer than models\.retry\.longest_retry_after_s"):
            chunk.label(client=type("BusyLong", (Busy,), {"wait_s": 7200.0}))


def test_looks_that_fail_now_and_then_stop_nothing(tmp_path):
    class Intermittent(Batches):
        looks = 0

        async def look(self, batch_id):
            type(self).looks += 1
            if self.looks % 5:
                raise Unreachable("no route")
            return await super().look(batch_id)

    with stub(polls=5) as server:
        chunk = Chunk(tmp_path, server, vlm=ONE_PASS)
        chunk.label(client=Intermittent)
    assert Intermittent.looks == 25
    assert paid_once(chunk)


def test_a_server_without_batches_is_found_before_anything_is_decoded(tmp_path):
    with stub() as server:
        chunk = Chunk(tmp_path, server)
        chunk.endpoint = Endpoint("server", "m", server.base_url.replace("/v1", "/else/v1"), SecretStr("EMPTY"))
        with pytest.raises(BackendDown, match="serves no batches"):
            chunk.label()
    assert (chunk.media.decoded, chunk.journal_path.read_bytes()) == ([], b"")


# Budget --------------------------------------------------------------------------------------------------------------


class Ledger(Purse):
    """A purse that remembers the most that was spent or set aside at a time."""

    most = 0.0

    def reserve(self, worst_usd):
        super().reserve(worst_usd)
        type(self).most = max(self.most, taken(self))


def taken(purse):
    state = json.loads(purse.path.read_bytes())
    return state["spent"] + sum(state["open"].values())


def held(purse):
    return sum(json.loads(purse.path.read_bytes())["open"].values())


def worst_of(chunk):
    """What each of the chunk's requests may cost at most, USD."""
    prepared = chunk.prepared
    pictures = Media()
    worst = []
    for view in prepared.views:
        request = batch_labelling.request_of(advance(view, prepared.plan, {}), prepared, view, pictures)
        tokens = batch_labelling.estimate_tokens(request, None)
        worst.append(worst_cost_usd(tokens, request.sampling.max_tokens, PRICE, SHARE))
    return worst


def test_a_budget_shrinks_the_batch_and_the_rest_follows(tmp_path):
    with stub(polls=9) as server:
        chunk = Chunk(tmp_path, server, keyframes=4, clips=4, vlm=ONE_PASS)
        budget = sum(worst_of(chunk)[:2]) * 1.2
        purse = type("Watched", (Ledger,), {})(tmp_path / "budget.json", budget, lambda: 0.0)
        chunk.label(purse=purse)
    assert chunk.sizes[0] == 2
    assert chunk.statuses == ["ok"] * 4
    assert set(chunk.asked.values()) == {1}
    assert len(chunk.media.decoded) <= 7  # a clip is not decoded again at each look
    assert purse.most <= budget
    assert held(purse) == 0.0
    assert taken(purse) == pytest.approx(sum(entry.cost_usd for entry in chunk.journal.lines))


def test_what_does_not_fit_at_all_is_over_budget(tmp_path):
    with stub() as server:
        chunk = Chunk(tmp_path, server, keyframes=4, vlm=ONE_PASS)
        purse = Purse(tmp_path / "budget.json", min(worst_of(chunk)) / 2, lambda: 0.0)
        chunk.label(purse=purse)
        assert server.batches.batches == {}
    assert chunk.statuses == ["over_budget"] * 4
    assert {entry.attempts for entry in chunk.journal.lines} == {0}
    assert "models.budget_usd" in chunk.journal.lines[0].reason


def test_money_of_others_is_waited_for(tmp_path):
    with stub() as server:
        chunk = Chunk(tmp_path, server, keyframes=2, clips=2, vlm=ONE_PASS)
        worst = sum(worst_of(chunk))
        purse = Purse(tmp_path / "budget.json", worst * 1.2, lambda: 0.0)
        purse.reserve(worst)
        waited = []

        async def sleep(seconds):
            waited.append(seconds)
            if len(waited) == 100:
                purse.settle(worst, 0.0)

        chunk.label(purse=purse, sleep=sleep)
    assert chunk.statuses == ["ok"] * 2
    assert chunk.media.decoded.count("clip-1") == 1


def test_a_batch_of_an_earlier_run_is_within_the_budget_again(tmp_path):
    with stub(polls=2) as server:
        chunk = Chunk(tmp_path, server, keyframes=4, vlm=ONE_PASS)
        worst = sum(worst_of(chunk))
        with pytest.raises(Killed):
            chunk.label(lambda journal: NoJournalOf(journal, is_created))
        purse = Purse(tmp_path / "budget.json", worst * 1.01, lambda: 0.0)
        seen = []
        chunk.label(purse=purse, report=lambda *report: seen.append(held(purse)) if purse.path.exists() else None)
    assert max(seen) == pytest.approx(worst, abs=1e-5)
    assert held(purse) == 0.0
    assert taken(purse) == pytest.approx(sum(entry.cost_usd for entry in chunk.journal.lines))


def test_a_batch_under_way_is_finished_though_the_budget_has_no_room(tmp_path):
    with stub() as server:
        chunk = Chunk(tmp_path, server, keyframes=4, vlm=ONE_PASS)
        with pytest.raises(Killed):
            chunk.label(lambda journal: DyingJournal(journal, 2))
        purse = Purse(tmp_path / "budget.json", 1e-6, lambda: 0.0)
        purse.reserve(1e-7)
        chunk.label(purse=purse)
    assert chunk.statuses == ["ok"] * 4
    assert held(purse) == pytest.approx(1e-7)
    assert taken(purse) == pytest.approx(1e-7 + sum(entry.cost_usd for entry in chunk.journal.lines))


def test_money_of_one_batch_lets_others_go_while_a_third_is_under_way(tmp_path):
    with stub() as server:
        server.batches._looks["batch_2"] = -5
        chunk = Chunk(tmp_path, server, keyframes=3, vlm=ONE_PASS)
        purse = Purse(tmp_path / "budget.json", sum(worst_of(chunk)[:2]) * 1.2, lambda: 0.0)
        chunk.label(purse=purse, limits=FileLimits(requests=1))
    order = [(event.batch_id, event.state) for event in chunk.journal.batches]
    assert order.index(("batch_3", "created")) < order.index(("batch_2", "completed"))
    assert chunk.statuses == ["ok"] * 3


def test_money_for_what_was_not_handed_in_is_given_back(tmp_path):
    with stub() as server:
        chunk = Chunk(tmp_path, server, keyframes=4, clips=4, vlm=ONE_PASS)
        purse = Purse(tmp_path / "budget.json", 100.0, lambda: 0.0)
        with pytest.raises(Stopping):
            chunk.label(purse=purse, stopping=lambda: len(chunk.media.decoded) >= 2)
        assert server.batches.files == {}
    assert taken(purse) == 0.0


def test_an_estimate_that_fell_short_is_made_up_for(tmp_path):
    def usage(body):
        return StubAnswer(ANSWERS["see"](body), usage={"prompt_tokens": 1_000_000, "completion_tokens": 1})

    with stub() as server:
        server.answers["see"] = usage
        chunk = Chunk(tmp_path, server)
        chunk.label()
        first, second = (float(batch["metadata"]["worst_usd"]) for batch in server.batches.batches.values())
    assert second > 6 * 5.0 * SHARE * PRICE.input_usd / 10 > first


def test_an_answer_without_tokens_costs_its_worst(tmp_path):
    with stub() as server:
        usual = server.batches._complete
        server.batches._complete = lambda body, fault: {**usual(body, fault), "usage": None}
        chunk = Chunk(tmp_path, server, keyframes=2, vlm=ONE_PASS)
        chunk.label()
    assert sum(entry.cost_usd for entry in chunk.journal.lines) == pytest.approx(sum(worst_of(chunk)))


def test_a_batch_that_goes_on_alone_counts_as_spent(tmp_path):
    """Nobody in this process settles it any more, so nobody must wait for its money."""
    with stub(polls=9) as server:
        chunk = Chunk(tmp_path, server, keyframes=4, vlm=ONE_PASS)
        purse = Purse(tmp_path / "budget.json", 100.0, lambda: 0.0)
        ending = []

        async def sleep(seconds):
            ending.append(seconds)

        with pytest.raises(Stopping):
            chunk.label(purse=purse, stopping=lambda: bool(ending), sleep=sleep)
    assert held(purse) == 0.0
    assert taken(purse) == pytest.approx(sum(worst_of(chunk)))


def test_money_for_a_batch_that_was_not_taken_is_given_back(tmp_path):
    class Refusing(Batches):
        async def create(self, file_id, metadata):
            raise BackendDown("The batch was not taken: billing limit")

    with stub() as server:
        chunk = Chunk(tmp_path, server, keyframes=4, vlm=ONE_PASS)
        purse = Purse(tmp_path / "budget.json", 100.0, lambda: 0.0)
        with pytest.raises(BackendDown, match="billing limit"):
            chunk.label(client=Refusing, purse=purse)
    assert taken(purse) == 0.0
    assert unsettled(chunk.journal.batches) == ({}, [])


def test_a_budget_without_a_price_is_refused(tmp_path):
    with stub() as server:
        chunk = Chunk(tmp_path, server, price=None)
        with pytest.raises(ValueError, match=r"set, but the model has no price.*Set models\.aliases"):
            chunk.label(purse=Purse(tmp_path / "budget.json", 1.0, lambda: 0.0))


def test_without_a_price_costs_are_unknown(tmp_path):
    with stub() as server:
        chunk = Chunk(tmp_path, server, keyframes=2, price=None, vlm=ONE_PASS)
        chunk.label()
    assert [entry.cost_usd for entry in chunk.journal.lines] == [None, None]


# As the live client --------------------------------------------------------------------------------------------------


def test_the_bodies_are_those_of_single_requests(tmp_path):
    with stub() as server:
        chunk = Chunk(tmp_path, server, keyframes=3, vlm=ONE_PASS)
        chunk.label()
    prepared = chunk.prepared
    pictures = Media()
    for line, view in zip(chunk.lines[0], chunk.views, strict=True):
        request = batch_labelling.request_of(advance(view, prepared.plan, {}), prepared, view, pictures)
        assert line["custom_id"] == request.key
        assert line["body"] == request_body(request, chunk.endpoint)


def test_events_say_what_is_under_way():
    events = [
        BatchEvent(batch_id="", keys=("a",), state="creating"),
        BatchEvent(batch_id="b1", keys=("a",), state="created"),
        BatchEvent(batch_id="", keys=("b",), state="creating"),
        BatchEvent(batch_id="", keys=("b",), state="not_created"),
        BatchEvent(batch_id="", keys=("c", "d"), state="creating"),
        BatchEvent(batch_id="b2", keys=("e",), state="created"),
        BatchEvent(batch_id="b2", state="expired"),
    ]
    assert unsettled(events) == ({"b1": ("a",)}, [("c", "d")])
