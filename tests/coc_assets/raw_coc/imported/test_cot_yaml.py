from pathlib import Path
from typing import Any

import pytest
import yaml

from coc_assets.raw_coc.imported.cot_yaml import read_file, read_tree
from coc_assets.raw_coc.imported.events import ImportedEvent, LeftOut

SENTENCE = "Stop because the light is red"


def nested(text: object, **fields: object) -> dict[str, Any]:
    return {**fields, "final_content": {"ego_behavior_schema": {"effect_on_ego_behavior": text}}}


def write(path: Path, document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, allow_unicode=True))
    return path


def only(path: Path) -> ImportedEvent:
    (event,) = read_file(path, path.name)
    assert isinstance(event, ImportedEvent)
    return event


def test_the_flat_form_names_its_clip_by_its_folder(tmp_path: Path) -> None:
    event = only(write(tmp_path / "clip-a" / "cot_5200000.yaml", nested(SENTENCE, coc_prompt_version="v7")))
    assert (event.clip_id, event.at_us, event.clock) == ("clip-a", 5_200_000, "first_sample")
    assert (event.text.trace, event.returned, event.prompt_version) == (SENTENCE, SENTENCE, "v7")


@pytest.mark.parametrize(
    "wrap", [lambda one: {"results": one}, lambda one: {"results": [{"note": 1}, one]}, lambda one: [one]]
)
def test_wrappers_are_seen_through(tmp_path: Path, wrap: Any) -> None:
    inner = nested(SENTENCE, clip_id="named", event_start_timestamp=7_000_000)
    event = only(write(tmp_path / "folder" / "cot_1.yaml", wrap(inner)))
    assert (event.clip_id, event.at_us, event.text.trace) == ("named", 7_000_000, SENTENCE)


@pytest.mark.parametrize(
    "document",
    [
        nested(SENTENCE),
        {"final_content": {"effect_on_ego_behavior": SENTENCE}},
        {"effect_on_ego_behavior": SENTENCE},
        {"final_content": SENTENCE},
        {"final_content": {"ego_behavior_schema": {"effect_on_ego_behavior": " "}}, "effect_on_ego_behavior": SENTENCE},
    ],
)
def test_the_label_is_found_at_every_level(tmp_path: Path, document: dict[str, Any]) -> None:
    assert only(write(tmp_path / "c" / "cot_1.yaml", document)).text.trace == SENTENCE


def test_the_innermost_label_counts(tmp_path: Path) -> None:
    document = nested(SENTENCE, effect_on_ego_behavior="outer")
    assert only(write(tmp_path / "c" / "cot_1.yaml", document)).text.trace == SENTENCE


@pytest.mark.parametrize(
    ("fields", "name", "at_us"),
    [
        ({"event_start_timestamp": 4_000_000}, "cot_5000000", 4_000_000),
        ({"event_start_timestamp": "4000000"}, "cot_5000000", 4_000_000),
        ({"event_start_timestamp": -1}, "cot_5000000", 5_000_000),
        ({}, "cot_5000000", 5_000_000),
        ({"keyframe_range_start_timestamp": 3_000_000}, "cot_5000000", 5_000_000),
        ({"keyframe_range_start_timestamp": 3_000_000}, "cot_x", 3_000_000),
    ],
)
def test_where_the_instant_is_taken_from(tmp_path: Path, fields: dict[str, Any], name: str, at_us: int) -> None:
    assert only(write(tmp_path / "c" / f"{name}.yaml", nested(SENTENCE, **fields))).at_us == at_us


def test_a_label_without_words_is_still_an_event(tmp_path: Path) -> None:
    assert only(write(tmp_path / "c" / "cot_1.yaml", nested(None))).text.trace is None


@pytest.mark.parametrize(
    "content", [b"", b"{{{: :", b"\xff\xfe\x00", b"- 1\n- 2\n", b"just words\n", b"[" * 4001, b"- " * 100_000]
)
def test_a_broken_file_is_named_and_does_not_stop_the_rest(tmp_path: Path, content: bytes) -> None:
    write(tmp_path / "c" / "cot_2.yaml", nested(SENTENCE))
    (tmp_path / "c" / "cot_1.yaml").write_bytes(content)
    broken, sound = read_tree(tmp_path)
    assert isinstance(broken, LeftOut) and isinstance(sound, ImportedEvent)
    assert (broken.place, broken.reason) == ("c/cot_1.yaml", "unreadable")
    assert broken.detail


def test_escaped_surrogates_are_read(tmp_path: Path) -> None:
    path = tmp_path / "cot_1.yaml"
    path.write_bytes(b'effect_on_ego_behavior: "Stop \\ud83d\\ude00"\n')
    assert only(path).text.trace == "Stop 😀"


def test_no_instant_and_further_entries_are_named(tmp_path: Path) -> None:
    write(tmp_path / "c" / "cot_x.yaml", nested(SENTENCE))
    write(tmp_path / "c" / "cot_1.yaml", {"results": [nested("first"), nested("second")]})
    first, second, without = read_tree(tmp_path)
    assert isinstance(first, ImportedEvent) and first.text.trace == "first"
    assert isinstance(second, LeftOut) and second.reason == "further_entry"
    assert isinstance(without, LeftOut) and without.reason == "no_instant"


def test_other_files_of_a_tree_are_none_of_ours(tmp_path: Path) -> None:
    write(tmp_path / "run" / "deep" / "c" / "cot_1.yaml", nested(SENTENCE))
    write(tmp_path / "run" / "config.yaml", {"a": 1})
    (event,) = read_tree(tmp_path)
    assert event.place == "run/deep/c/cot_1.yaml"
