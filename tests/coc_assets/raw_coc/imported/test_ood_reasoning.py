import json
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from coc_assets.raw_coc.imported.events import ImportedEvent, LeftOut
from coc_assets.raw_coc.imported.ood_reasoning import read_file

EVENT = {"event_start_frame": 52, "event_start_timestamp": 5_137_059, "cot": "Stop", "coc": ""}


def written(
    path: Path, events: Any, *, clip_ids: tuple[object, ...] = ("clip-a",), index: str | None = "clip_id"
) -> Path:
    rows = pd.DataFrame({"events": [events] * len(clip_ids)}, index=pd.Index(clip_ids, name=index))
    rows.to_parquet(path)
    return path


@pytest.mark.parametrize("index", ["clip_id", None])
def test_the_clip_is_the_index(tmp_path: Path, index: str | None) -> None:
    (event,) = read_file(written(tmp_path / "ood.parquet", json.dumps([EVENT]), index=index))
    assert isinstance(event, ImportedEvent)
    assert (event.clip_id, event.at_us, event.clock, event.text.trace) == ("clip-a", 5_137_059, "clip", "Stop")


def test_the_clip_may_be_a_column_and_events_no_text(tmp_path: Path) -> None:
    pl.DataFrame({"clip_id": ["clip-a"], "events": [[EVENT]]}).write_parquet(tmp_path / "ood.parquet")
    (event,) = read_file(tmp_path / "ood.parquet")
    assert isinstance(event, ImportedEvent) and event.clip_id == "clip-a" and event.text.trace == "Stop"


@pytest.mark.parametrize(
    ("texts", "trace"),
    [
        ({"cot": "a"}, "a"),
        ({"coc": "b"}, "b"),
        ({"cot": " ", "coc": "b"}, "b"),
        ({"cot": "a", "coc": "b"}, "a"),
        ({}, None),
    ],
)
def test_either_name_of_the_text(tmp_path: Path, texts: dict[str, str], trace: str | None) -> None:
    event = {"event_start_timestamp": 1, **texts}
    (read,) = read_file(written(tmp_path / "ood.parquet", json.dumps([event])))
    assert isinstance(read, ImportedEvent) and read.text.trace == trace


def test_a_frame_stands_in_for_a_timestamp(tmp_path: Path) -> None:
    (event,) = read_file(written(tmp_path / "ood.parquet", json.dumps([{"event_start_frame": 52, "cot": "Stop"}])))
    assert isinstance(event, ImportedEvent) and (event.at_us, event.clock) == (5_200_000, "first_sample")


def test_what_is_wrong_is_named_by_row_and_event(tmp_path: Path) -> None:
    events = json.dumps([3, {"cot": "Stop"}, EVENT])
    number, nowhere, sound = read_file(written(tmp_path / "ood.parquet", events))
    assert isinstance(number, LeftOut) and number.reason == "unreadable"
    assert isinstance(nowhere, LeftOut) and nowhere.reason == "no_instant"
    assert nowhere.place == "ood.parquet row 1 (clip-a) event 2"
    assert isinstance(sound, ImportedEvent)


def test_broken_rows_do_not_stop_the_rest(tmp_path: Path) -> None:
    rows = {"clip_id": ["a", None, "c", "d"], "events": ["[{", json.dumps([EVENT]), None, json.dumps([EVENT])]}
    pl.DataFrame(rows).write_parquet(tmp_path / "ood.parquet")
    broken, nameless, sound = read_file(tmp_path / "ood.parquet")
    assert isinstance(broken, LeftOut) and broken.reason == "unreadable" and "row 1 (a)" in broken.place
    assert isinstance(nameless, LeftOut) and nameless.reason == "no_clip_id"
    assert isinstance(sound, ImportedEvent) and sound.clip_id == "d"


def test_a_file_that_is_no_such_table(tmp_path: Path) -> None:
    (tmp_path / "ood.parquet").write_bytes(b"no parquet")
    pl.DataFrame({"clip_id": ["a"]}).write_parquet(tmp_path / "other.parquet")
    for name, detail in (("ood", ""), ("other", "it needs clip_id and events, and has clip_id")):
        (broken,) = read_file(tmp_path / f"{name}.parquet")
        assert isinstance(broken, LeftOut) and broken.reason == "unreadable" and detail in broken.detail
