"""Files and batches of the stub."""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.chat_stub.answers import Json
from tests.chat_stub.faults import ERRORS, AnswerFault, ErrorFault, FaultName
from tests.chat_stub.http import Reply, json_reply, missing


@dataclass(frozen=True)
class BatchPlan:
    """How batches go.

    Attributes:
        polls: after so many looks at it a batch is at its end.
        end: what that end is; an expired one has answered the first half of its lines.
        line_faults: what goes wrong with single lines, by custom_id.
    """

    polls: int = 2
    end: Literal["completed", "expired", "failed"] = "completed"
    line_faults: Mapping[str, ErrorFault | AnswerFault] = field(default_factory=dict)


MOST_BATCH_LINES = 50_000
MOST_BATCH_BYTES = 200_000_000
_ENDED = ("completed", "expired", "failed", "cancelled")


class Batches:
    """Files and batches of one stub; only its loop touches them."""

    def __init__(self, plan: BatchPlan, complete: Callable[[Json, FaultName | None], Json]) -> None:
        self.plan = plan
        self.files: dict[str, tuple[str, bytes]] = {}
        self.batches: dict[str, Json] = {}
        self._looks: Counter[str] = Counter()
        self._complete = complete

    def route(self, method: str, path: str, query: str, headers: Mapping[str, str], raw: bytes) -> Reply | None:
        """The reply to a request for files or batches; None where the path is neither."""
        match [method, *path.strip("/").split("/")[1:]]:
            case ["POST", "files"]:
                return json_reply(self._upload(headers, raw))
            case ["GET", "files", name]:
                return json_reply(self._file(name)) if name in self.files else missing("File", name)
            case ["GET", "files", name, "content"]:
                return Reply(200, self.files[name][1]) if name in self.files else missing("File", name)
            case ["DELETE", "files", name]:
                gone = self.files.pop(name, None)
                return json_reply({"id": name, "object": "file", "deleted": gone is not None})
            case ["POST", "batches"]:
                return self._create(json.loads(raw))
            case ["GET", "batches"]:
                return json_reply(self._list(query))
            case ["GET", "batches", name]:
                return json_reply(self._looked_at(name)) if name in self.batches else missing("Batch", name)
            case ["POST", "batches", name, "cancel"]:
                return json_reply(self._cancel(name)) if name in self.batches else missing("Batch", name)
        return None

    def _upload(self, headers: Mapping[str, str], raw: bytes) -> Json:
        parts = _multipart(headers["content-type"], raw)
        return self._file(self._keep(*parts["file"]))

    def _keep(self, filename: str, content: bytes) -> str:
        name = f"file-{len(self.files) + 1}"
        self.files[name] = (filename, content)
        return name

    def _file(self, name: str) -> Json:
        filename, content = self.files[name]
        about = {"filename": filename, "bytes": len(content), "purpose": "batch", "status": "processed"}
        return {"id": name, "object": "file", "created_at": int(time.time()), **about}

    def _create(self, asked: Json) -> Reply:
        if asked["input_file_id"] not in self.files:
            return missing("File", asked["input_file_id"])
        now = int(time.time())
        name = f"batch_{len(self.batches) + 1}"
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "endpoint": asked["endpoint"],
            "input_file_id": asked["input_file_id"],
            "completion_window": asked["completion_window"],
            "metadata": asked.get("metadata"),
            "status": "validating",
            "created_at": now,
            "expires_at": now + 24 * 3600,
            "errors": None,
            "output_file_id": None,
            "error_file_id": None,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
        }
        return json_reply(self.batches[name])

    def _list(self, query: str) -> Json:
        """Newest first, `limit` at a time from behind `after`."""
        asked = dict(item.split("=", 1) for item in query.split("&") if "=" in item)
        rows = [self.batches[name] for name in reversed(self.batches)]
        names = [row["id"] for row in rows]
        start = names.index(asked["after"]) + 1 if asked.get("after") in names else 0
        page = rows[start : start + int(asked.get("limit", 20))]
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
        return {"object": "list", "data": page, **ends, "has_more": start + len(page) < len(rows)}

    def _looked_at(self, name: str) -> Json:
        batch = self.batches[name]
        self._looks[name] += 1
        if batch["status"] == "cancelling":
            batch["status"] = "cancelled"
        elif batch["status"] not in _ENDED:
            batch["status"] = "in_progress"
            if self._looks[name] >= self.plan.polls:
                self._end(batch)
        return batch

    def _cancel(self, name: str) -> Json:
        batch = self.batches[name]
        if batch["status"] not in _ENDED:
            batch["status"] = "cancelling"
        return batch

    def _end(self, batch: Json) -> None:
        lines, errors = _batch_lines(self.files[batch["input_file_id"]][1], batch["endpoint"])
        if errors or self.plan.end == "failed":
            errors = errors or [{"code": "invalid_request", "message": "The batch is not valid.", "line": None}]
            batch.update(status="failed", errors={"object": "list", "data": errors})
            return
        kept = len(lines) // 2 if self.plan.end == "expired" else len(lines)
        done = [self._line(number, line) for number, line in enumerate(lines[:kept])]
        done += [_expired_line(number, line) for number, line in enumerate(lines[kept:], kept)]
        self._file_results(batch, done)
        batch["status"] = self.plan.end

    def _line(self, number: int, line: Json) -> Json:
        fault = self.plan.line_faults.get(line["custom_id"])
        status, body = ERRORS[fault] if fault in ERRORS else (200, self._complete(line["body"], fault))
        response = {"status_code": status, "request_id": f"req_{number}", "body": body}
        return {"id": f"batch_req_{number}", "custom_id": line["custom_id"], "response": response, "error": None}

    def _file_results(self, batch: Json, done: list[Json]) -> None:
        """Answers to one file, failures to another, neither in the order of the requests."""
        random.Random(batch["id"]).shuffle(done)
        good = [line for line in done if line["response"] and line["response"]["status_code"] == 200]
        bad = [line for line in done if line not in good]
        batch["output_file_id"] = self._keep("output.jsonl", _jsonl(good)) if good else None
        batch["error_file_id"] = self._keep("error.jsonl", _jsonl(bad)) if bad else None
        batch["request_counts"] = {"total": len(done), "completed": len(good), "failed": len(bad)}


def _jsonl(lines: Sequence[Json]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _expired_line(number: int, line: Json) -> Json:
    error = {"code": "batch_expired", "message": "This request could not be executed before the completion window."}
    return {"id": f"batch_req_{number}", "custom_id": line["custom_id"], "response": None, "error": error}


def _batch_lines(content: bytes, endpoint: str) -> tuple[list[Json], list[Json]]:
    """Requests of an input file, and what the server would find wrong with it."""
    lines, errors, seen = [], [], set()
    for number, text in enumerate(content.splitlines(), 1):
        try:
            line = json.loads(text)
            wrong = "duplicate_custom_id" if line["custom_id"] in seen else None
            wrong = "invalid_url" if line["url"] != endpoint or line["method"] != "POST" else wrong
            seen.add(line["custom_id"])
            lines.append(line)
        except (ValueError, KeyError, TypeError):
            wrong = "invalid_json_line"
        if wrong:
            errors.append({"code": wrong, "message": f"Line {number}: {wrong}.", "line": number, "param": None})
    if not lines or len(lines) > MOST_BATCH_LINES or len(content) > MOST_BATCH_BYTES:
        errors.append({"code": "invalid_file", "message": "Empty or too large.", "line": None, "param": None})
    return lines, errors


def _multipart(content_type: str, raw: bytes) -> dict[str, tuple[str, bytes]]:
    """Fields of a multipart form: file name (or nothing) and content by name."""
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    assert boundary, content_type
    fields = {}
    for part in raw.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        names = dict(re.findall(r'(\w+)="([^"]*)"', head.decode()))
        fields[names["name"]] = (names.get("filename", ""), content.removesuffix(b"\r\n"))
    return fields
