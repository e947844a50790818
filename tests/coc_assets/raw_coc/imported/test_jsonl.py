import json
from pathlib import Path
from typing import Any

import pytest

from coc_assets.raw_coc.imported.events import ImportedEvent, LeftOut
from coc_assets.raw_coc.imported.jsonl import read_file

LINE = {"clip_id": "clip-a", "t0_us": 5_137_059, "perception": "A light.", "prediction": "It stays red."}


def read(folder: Path, *lines: bytes) -> list[ImportedEvent | LeftOut]:
    (folder / "labels.jsonl").write_bytes(b"\n".join(lines))
    return list(read_file(folder / "labels.jsonl"))


def label(folder: Path, **fields: Any) -> ImportedEvent:
    (event,) = read(folder, json.dumps(LINE | fields).encode())
    assert isinstance(event, ImportedEvent)
    return event


def test_a_line_is_a_label_of_four_parts(tmp_path: Path) -> None:
    event = label(tmp_path, planning="Stop.", justification="The light is red.", trace="Stop at the red light.")
    assert (event.clip_id, event.at_us, event.clock) == ("clip-a", 5_137_059, "clip")
    assert event.text.model_dump() == {
        "trace": "Stop at the red light.",
        "perception": "A light.",
        "prediction": "It stays red.",
        "planning": "Stop.",
        "justification": "The light is red.",
    }
    assert json.loads(event.returned or "")["perception"] == "A light."


@pytest.mark.parametrize("name", ["trace", "cot", "coc"])
def test_names_of_the_trace(tmp_path: Path, name: str) -> None:
    assert label(tmp_path, planning="Go.", **{name: "Stop at the red light."}).text.trace == "Stop at the red light."


@pytest.mark.parametrize(
    ("planning", "justification", "trace"),
    [
        ("Stop.", "The light is red.", "Stop because the light is red."),
        ("Stop", "NVIDIA's shuttle crosses.", "Stop because NVIDIA's shuttle crosses."),
        ("Stop.", "Because the light is red.", "Stop because the light is red."),
        ("Slow down.", "Due to a bend.", "Slow down due to a bend."),
        ("Stop.", None, "Stop."),
        (None, "The light is red.", "The light is red."),
        (None, " ", None),
    ],
)
def test_a_line_without_a_trace_is_what_the_ego_does_and_why(
    tmp_path: Path, planning: str | None, justification: str | None, trace: str | None
) -> None:
    assert label(tmp_path, planning=planning, justification=justification).text.trace == trace


def test_what_is_wrong_is_named_by_line(tmp_path: Path) -> None:
    good = json.dumps(LINE | {"trace": "Stop"}).encode()
    lines = [b"{", b"[]", b'{"t0_us": 1}', b'{"clip_id": "a", "t0_us": "soon"}', b"", b"\xff\xfe", b'"\\ud800"', good]
    found = read(tmp_path, *lines)
    reasons = {one.place: one.reason for one in found if isinstance(one, LeftOut)}
    assert reasons == {
        "labels.jsonl line 1": "unreadable",
        "labels.jsonl line 2": "unreadable",
        "labels.jsonl line 3": "no_clip_id",
        "labels.jsonl line 4": "no_instant",
        "labels.jsonl line 6": "unreadable",
        "labels.jsonl line 7": "unreadable",
    }
    assert isinstance(found[-1], ImportedEvent)
