"""The stub answers as an OpenAI-compatible server does, faults included."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.chat_stub import (
    ANSWER_FAULTS,
    BROKEN_FAULTS,
    ERROR_FAULTS,
    PASSING,
    REFUSAL,
    BatchPlan,
    ChatStub,
    Faults,
    StubAnswer,
    instance_of,
)

SCHEMA = {
    "type": "object",
    "properties": {
        "words": {"type": "string", "minLength": 40, "maxLength": 60},
        "side": {"enum": ["left", "right"]},
        "sure": {"type": "boolean"},
        "kind": {"const": "cause"},
        "since_s": {"type": "number", "minimum": 0.5},
        "count": {"type": "integer", "exclusiveMinimum": 2},
        "depth": {"type": "integer", "maximum": -3},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "parts": {"type": "array", "minItems": 2, "items": {"$ref": "#/$defs/part"}},
        "spare": {"type": "string"},
    },
    "required": ["words", "side", "sure", "kind", "since_s", "count", "depth", "note", "parts"],
    "$defs": {"part": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
}


def chat_body(text="hello", schema=None):
    body = {"model": "stub-model", "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]}
    if schema:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "record", "schema": schema}}
    return body


def send(stub, method, path, body=None, **headers):
    """Status, headers and content of a request below the base URL."""
    url = urlsplit(stub.base_url)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection.request(method, url.path + path, content, {name.replace("_", "-"): headers[name] for name in headers})
    response = connection.getresponse()
    try:
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def chat(stub, text="hello", schema=None, **headers):
    status, _, content = send(stub, "POST", "/chat/completions", chat_body(text, schema), **headers)
    assert status == 200, content
    return json.loads(content)


def said(reply):
    return reply["choices"][0]["message"]["content"]


# Answers -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", ["a", "b", "c", "d"])
def test_an_instance_follows_its_schema(seed):
    found = instance_of(SCHEMA, seed)
    assert list(found) == SCHEMA["required"]
    assert 40 <= len(found["words"]) <= 60
    assert found["side"] in ("left", "right")
    assert isinstance(found["sure"], bool)
    assert (found["kind"], found["since_s"], found["count"], found["depth"]) == ("cause", 0.5, 3, -3)
    assert found["note"] is None or isinstance(found["note"], str)
    assert [list(part) for part in found["parts"]] == [["name"], ["name"]]


def test_answers_depend_on_the_request_alone():
    with ChatStub() as one, ChatStub() as other:
        texts = [said(chat(one, f"question {number}", SCHEMA)) for number in range(8)]
        again = [said(chat(other, f"question {number}", SCHEMA)) for number in reversed(range(8))]
    assert texts == again[::-1]
    assert len(set(texts)) > 4


def test_a_test_says_what_is_answered_by_name_of_the_schema():
    with ChatStub(answers={"record": lambda body: "by name"}) as stub:
        assert said(chat(stub, schema=SCHEMA)) == "by name"
        assert said(chat(stub)).endswith(".")
        stub.answers["record"] = lambda body: StubAnswer(None, refusal="no", finish_reason="stop", model="other")
        reply = chat(stub, schema=SCHEMA)
    assert (reply["model"], reply["choices"][0]["message"]["refusal"]) == ("other", "no")


def test_one_function_may_say_everything():
    with ChatStub(answer=lambda body: body["messages"][0]["content"][0]["text"][::-1]) as stub:
        assert said(chat(stub, "abc", SCHEMA)) == "cba"


def test_usage_counts_texts_and_pictures():
    body = chat_body("x" * 400)
    body["messages"][0]["content"].append({"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AAAA"}})
    with ChatStub(answer=lambda body: "y" * 40, cached_tokens=50) as stub:
        usage = json.loads(send(stub, "POST", "/chat/completions", body)[2])["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (201, 10, 211)
    assert usage["prompt_tokens_details"] == {"cached_tokens": 50}


def test_models_are_listed():
    with ChatStub(models=("a", "b")) as stub:
        rows = json.loads(send(stub, "GET", "/models")[2])["data"]
    assert [row["id"] for row in rows] == ["a", "b"]


def test_an_unknown_path_is_not_found():
    with ChatStub() as stub:
        assert send(stub, "GET", "/nothing")[0] == 404


# What it saw ---------------------------------------------------------------------------------------------------------


def test_requests_are_counted_by_key():
    with ChatStub(faults=["server_error"]) as stub:
        send(stub, "POST", "/chat/completions", chat_body(), Idempotency_Key="k1")
        chat(stub, Idempotency_Key="k1")
        chat(stub, "keyless")
        chat(stub, "keyless")
        send(stub, "GET", "/models")
        assert stub.asked["k1"] == 2
        assert stub.answered["k1"] == 1
        assert sorted(stub.asked.values()) == [2, 2]
        assert [seen.outcome for seen in stub.chats] == ["server_error", "answered", "answered", "answered"]
        assert stub.requests[0].body == chat_body()
        assert stub.requests[0].headers["idempotency-key"] == "k1"
        assert len(stub.requests) == 5


def test_bodies_are_dropped_on_demand():
    with ChatStub(keep_bodies=False) as stub:
        chat(stub)
        assert stub.requests[0].raw == b""


def test_requests_in_flight_are_counted_and_may_be_held():
    with ChatStub(held=True) as stub:
        threads = [threading.Thread(target=chat, args=(stub, f"q{number}")) for number in range(5)]
        for thread in threads:
            thread.start()
        stub.wait_for_asked(5)
        assert (stub.in_flight, stub.answered.total()) == (5, 0)
        stub.release()
        for thread in threads:
            thread.join()
        chat(stub)
        assert (stub.in_flight, stub.most_in_flight, stub.answered.total()) == (0, 5, 6)


def test_a_client_that_goes_away_is_lost():
    with ChatStub(held=True) as stub:
        url = urlsplit(stub.base_url)
        connection = http.client.HTTPConnection(url.hostname, url.port)
        connection.request("POST", "/v1/chat/completions", json.dumps(chat_body()))
        stub.wait_for_asked(1)
        connection.close()
        send(stub, "GET", "/models")  # by then the stub has heard of it
        stub.release()
        stub.wait_until(lambda: stub.in_flight == 0)
        assert (stub.chats[0].outcome, stub.answered.total()) == ("lost", 0)


def test_stopping_ends_what_hangs():
    with ChatStub(faults="hang") as stub:
        outcome = []
        thread = threading.Thread(target=lambda: outcome.append(broken(stub)))
        thread.start()
        stub.wait_for_asked(1)
    thread.join(30)
    assert outcome == [True]


# Faults --------------------------------------------------------------------------------------------------------------

STATUS = {
    "rate_limit": 429,
    "rate_limit_date": 429,
    "no_quota": 429,
    "server_error": 500,
    "overloaded": 503,
    "bad_request": 400,
    "unauthorized": 401,
    "expired_token": 401,
    "forbidden": 403,
    "no_model": 404,
    "policy": 400,
}


@pytest.mark.parametrize("fault", ERROR_FAULTS)
def test_errors_have_their_status_and_openai_s_body(fault):
    with ChatStub(faults=fault) as stub:
        status, _, content = send(stub, "POST", "/chat/completions", chat_body(), Authorization="Bearer abc")
    assert status == STATUS[fault]
    assert json.loads(content)["error"]["message"]
    assert (b"abc" in content) == (fault == "unauthorized")


@pytest.mark.parametrize(
    ("fault", "code"),
    [("no_quota", "insufficient_quota"), ("policy", "content_filter"), ("no_model", "model_not_found")],
)
def test_errors_have_their_code(fault, code):
    with ChatStub(faults=fault) as stub:
        content = send(stub, "POST", "/chat/completions", chat_body())[2]
    assert json.loads(content)["error"]["code"] == code
    assert (b"ResponsibleAIPolicyViolation" in content) == (fault == "policy")


def test_retry_after_comes_as_seconds_and_as_a_date():
    with ChatStub(faults=Faults(schedule=("rate_limit", "rate_limit_date"), retry_after_s=120)) as stub:
        seconds, date = (send(stub, "POST", "/chat/completions", chat_body())[1]["retry-after"] for _ in range(2))
    assert seconds == "120"
    assert 60 < parsedate_to_datetime(date).timestamp() - time.time() <= 120


def broken(stub):
    try:
        send(stub, "POST", "/chat/completions", chat_body())
    except (http.client.HTTPException, ConnectionError):
        return True
    return False


@pytest.mark.parametrize("fault", ["reset", "drop"])
def test_connections_break(fault):
    with ChatStub(faults=[fault]) as stub:
        assert broken(stub)
        assert not broken(stub)
        assert [seen.answered for seen in stub.chats] == [False, True]


@pytest.mark.parametrize(("fault", "start"), [("garbage", b"<html>"), ("no_choices", b'{"object"')])
def test_bodies_hold_no_answer(fault, start):
    with ChatStub(faults=fault) as stub:
        status, _, content = send(stub, "POST", "/chat/completions", chat_body())
        assert (status, stub.answered.total()) == (200, 0)
    assert content.startswith(start)


ANSWER = '{"a": "one two", "b": ["three four"]}'
SPOILT = {
    "refusal": (None, "stop"),
    "text_refusal": (REFUSAL, "stop"),
    "filtered": (None, "content_filter"),
    "truncate": (ANSWER[: len(ANSWER) // 2], "length"),
    "bad_json": ("The ego slows down, because the car ahead does.", "stop"),
    "control_characters": ('{"a": "one\n\ttwo", "b": ["three\n\tfour"]}', "stop"),
    "stop_token": (f"{ANSWER}<|im_end|>", "stop"),
    "empty": ("", "stop"),
}


@pytest.mark.parametrize("fault", ANSWER_FAULTS)
def test_answers_are_spoilt(fault):
    with ChatStub(answer=lambda body: ANSWER, faults=fault) as stub:
        choice = chat(stub)["choices"][0]
        assert stub.answered.total() == 1
    assert (choice["message"]["content"], choice["finish_reason"]) == SPOILT[fault]
    assert choice["message"]["refusal"] == (REFUSAL if fault == "refusal" else None)


def test_every_fault_is_tried_here():
    assert set(STATUS) == set(ERROR_FAULTS)
    assert set(SPOILT) == set(ANSWER_FAULTS)
    assert set(BROKEN_FAULTS) == {"hang", "reset", "drop", "garbage", "no_choices"}
    assert set(PASSING) < {*ERROR_FAULTS, *BROKEN_FAULTS}


def outcomes(faults, seed, keys, times=4):
    with ChatStub(faults=faults, seed=seed) as stub:
        for _ in range(times):
            for key in keys:
                send(stub, "POST", "/chat/completions", chat_body(), Idempotency_Key=key)
        return {key: [seen.outcome for seen in stub.chats if seen.key == key] for key in keys}


def test_random_faults_go_by_seed_and_key_whatever_the_order():
    faults = Faults(("server_error", "overloaded"), probability=0.5)
    keys = [f"k{number}" for number in range(12)]
    found = outcomes(faults, 1, keys)
    assert found == outcomes(faults, 1, keys[::-1])
    assert found != outcomes(faults, 2, keys)
    counts = Counter(outcome for row in found.values() for outcome in row)
    assert set(counts) == {"server_error", "overloaded", "answered"}


def test_no_key_has_more_faults_than_asked_for():
    found = outcomes(Faults(("server_error",), most_per_key=2), 0, ["a", "b"])
    assert set(map(tuple, found.values())) == {("server_error", "server_error", "answered", "answered")}


def test_faults_may_change_while_it_runs():
    with ChatStub(faults="server_error") as stub:
        assert send(stub, "POST", "/chat/completions", chat_body())[0] == 500
        stub.faults = Faults()
        assert send(stub, "POST", "/chat/completions", chat_body())[0] == 200


# Tokens --------------------------------------------------------------------------------------------------------------


def test_access_tokens_are_numbered():
    with ChatStub() as stub:
        tokens = [json.loads(send(stub, "POST", "/oauth/token", b"a=b")[2]) for _ in range(2)]
        assert [token["access_token"] for token in tokens] == ["token-1", "token-2"]
        stub.token_status = 403
        assert send(stub, "POST", "/oauth/token", b"a=b")[0] == 403


# Batches -------------------------------------------------------------------------------------------------------------


def batch_lines(count):
    return [
        {"custom_id": f"c{number}", "method": "POST", "url": "/v1/chat/completions", "body": chat_body(f"q{number}")}
        for number in range(count)
    ]


def started(stub, lines, metadata=None):
    content = "".join(json.dumps(line) + "\n" for line in lines)
    form = (
        '--xx\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        '--xx\r\nContent-Disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n' + content + "\r\n--xx--\r\n"
    )
    uploaded = json.loads(
        send(stub, "POST", "/files", form.encode(), Content_Type="multipart/form-data; boundary=xx")[2]
    )
    assert (uploaded["filename"], uploaded["bytes"]) == ("in.jsonl", len(content))
    asked = {"input_file_id": uploaded["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    return json.loads(send(stub, "POST", "/batches", {**asked, "metadata": metadata})[2])


def looked_at(stub, batch):
    return json.loads(send(stub, "GET", f"/batches/{batch['id']}")[2])


def file_lines(stub, name):
    return [json.loads(line) for line in send(stub, "GET", f"/files/{name}/content")[2].splitlines()]


def test_a_batch_is_answered_after_some_polls_and_out_of_order():
    with ChatStub(batch=BatchPlan(polls=3)) as stub:
        batch = started(stub, batch_lines(9), {"run": "r1"})
        assert (batch["status"], batch["metadata"]) == ("validating", {"run": "r1"})
        assert [looked_at(stub, batch)["status"] for _ in range(2)] == ["in_progress", "in_progress"]
        done = looked_at(stub, batch)
        rows = file_lines(stub, done["output_file_id"])
        direct = [said(chat(stub, f"q{number}")) for number in range(9)]
    assert (done["status"], done["error_file_id"]) == ("completed", None)
    assert done["request_counts"] == {"total": 9, "completed": 9, "failed": 0}
    ids = [row["custom_id"] for row in rows]
    assert ids != sorted(ids)
    by_id = {row["custom_id"]: said(row["response"]["body"]) for row in rows}
    assert [by_id[f"c{number}"] for number in range(9)] == direct


def test_lines_of_a_batch_may_fail():
    plan = BatchPlan(polls=1, line_faults={"c0": "policy", "c1": "truncate"})
    with ChatStub(batch=plan) as stub:
        done = looked_at(stub, started(stub, batch_lines(3)))
        good = {row["custom_id"]: row for row in file_lines(stub, done["output_file_id"])}
        bad = file_lines(stub, done["error_file_id"])
    assert [(row["custom_id"], row["response"]["status_code"]) for row in bad] == [("c0", 400)]
    assert good["c1"]["response"]["body"]["choices"][0]["finish_reason"] == "length"
    assert done["request_counts"] == {"total": 3, "completed": 2, "failed": 1}


def test_a_batch_may_expire_half_done():
    with ChatStub(batch=BatchPlan(polls=1, end="expired")) as stub:
        done = looked_at(stub, started(stub, batch_lines(4)))
        good, bad = (file_lines(stub, done[name]) for name in ("output_file_id", "error_file_id"))
    assert (done["status"], len(good)) == ("expired", 2)
    assert {row["error"]["code"] for row in bad} == {"batch_expired"}


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (batch_lines(1) * 2, "duplicate_custom_id"),
        ([{**batch_lines(1)[0], "url": "/v1/embeddings"}], "invalid_url"),
        (["text"], "invalid_json_line"),
        ([], "invalid_file"),
    ],
)
def test_a_batch_may_not_be_valid(lines, code):
    with ChatStub(batch=BatchPlan(polls=1)) as stub:
        done = looked_at(stub, started(stub, lines))
    assert (done["status"], done["output_file_id"]) == ("failed", None)
    assert code in {error["code"] for error in done["errors"]["data"]}


def test_a_batch_may_be_cancelled():
    with ChatStub() as stub:
        batch = started(stub, batch_lines(1))
        assert json.loads(send(stub, "POST", f"/batches/{batch['id']}/cancel")[2])["status"] == "cancelling"
        assert looked_at(stub, batch)["status"] == "cancelled"


def test_batches_are_listed_newest_first_in_pages():
    with ChatStub() as stub:
        names = [started(stub, batch_lines(1), {"n": str(number)})["id"] for number in range(3)]
        first = json.loads(send(stub, "GET", "/batches?limit=2")[2])
        second = json.loads(send(stub, "GET", f"/batches?limit=2&after={first['last_id']}")[2])
    assert [row["id"] for row in first["data"] + second["data"]] == names[::-1]
    assert [first["has_more"], second["has_more"]] == [True, False]
    assert [row["metadata"]["n"] for row in first["data"]] == ["2", "1"]


def test_unknown_files_and_batches_are_not_found():
    with ChatStub() as stub:
        assert send(stub, "GET", "/files/file-9/content")[0] == 404
        assert send(stub, "GET", "/batches/batch_9")[0] == 404


# Program -------------------------------------------------------------------------------------------------------------


class _At:
    """A stub that runs elsewhere, as far as `send` asks for it."""

    def __init__(self, base_url):
        self.base_url = base_url


def test_the_program_says_its_url_and_keeps_a_log(tmp_path):
    log = tmp_path / "log.jsonl"
    faults = ("--faults", "1", "--fault-names", "server_error", "--most-faults", "1")
    command = [sys.executable, "-m", "tests.chat_stub", "--port", "0", "--log", str(log), *faults]
    root = Path(__file__).resolve().parents[1]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            stub = _At(process.stdout.readline().strip())
            for _ in range(2):
                send(stub, "POST", "/chat/completions", chat_body(schema=SCHEMA), Idempotency_Key="k")
            send(stub, "GET", "/models")  # by then the line of the last answer is written
        finally:
            process.kill()
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(row["key"], row["outcome"], row["answered"]) for row in rows] == [
        ("k", "server_error", False),
        ("k", "answered", True),
    ]
    assert {(row["model"], row["schema"]) for row in rows} == {("stub-model", "record")}
