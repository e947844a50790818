"""Which clip a name means, and what is said where it means none."""

from __future__ import annotations

from pathlib import Path

import pytest

from coc_assets.view.finding import Found, NotFound, find, near
from resources import schemas
from resources.store import Store

CHUNK = "0003"
LABEL = "77aa77aa77aa77aa"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path)
    tables = (
        (schemas.CLIPS, [{"clip_id": name} for name in ("abc-1", "abc-1-x", "abd-2", "zz")]),
        (schemas.KEYFRAMES, [{"clip_id": "zz", "keyframe_id": f"zz-{at}"} for at in ("01000000", "02000000")]),
        (schemas.RAW_COC, [{"clip_id": "zz", "keyframe_id": "zz-05000000", "label_id": LABEL}]),
        (
            schemas.REJECTS,
            [
                {"stage": "trajectory_cache", "clip_id": "gone-1", "severity": "rejected", "reason": "gap_too_long",
                 "hint": "labels/e.zip::gone-1.parquet has no usable sample for 1.51 s."},
                {"stage": "clip_videos", "clip_id": "abc-1", "severity": "degraded", "reason": "video_missing"},
            ],
        ),
    )  # fmt: skip
    for table, rows in tables:
        path = made.table_path(table, CHUNK, asset="trajectory_cache", labeler="imported")
        made.write_table(schemas.rows_to_frame(list(rows), table), table, path, CHUNK)
    return made


@pytest.mark.parametrize(
    ("name", "clip_id", "keyframe_id", "label_id"),
    [
        ("abd", "abd-2", None, None),
        ("abc-1", "abc-1", None, None),  # whole, though another id begins so
        ("abc-1-", "abc-1-x", None, None),
        ("zz", "zz", None, None),  # the clip, not the first of its keyframes
        ("zz-02", "zz", "zz-02000000", None),
        ("zz-05000000", "zz", "zz-05000000", None),  # an imported label's own moment
        ("77aa", "zz", "zz-05000000", LABEL),
    ],
)
def test_what_a_name_means(
    store: Store, name: str, clip_id: str, keyframe_id: str | None, label_id: str | None
) -> None:
    assert find(store, name) == Found(CHUNK, clip_id, keyframe_id, label_id)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ab", "begins several ids (clip_id): abc-1, abc-1-x, abd-2. Write more of it."),
        ("zz-0", "(keyframe_id): zz-01000000, zz-02000000, zz-05000000"),
        ("gone", "Clip gone-1 of chunk 0003 is not in the store: trajectory_cache left it out (gap_too_long). labels/"),
        ("abcd-1", "Did you mean abc-1"),
        ("d-2", "Did you mean abd-2?"),
        ("quite-else", "All clips: coc sql --store"),
    ],
)
def test_what_is_said_where_it_means_none(store: Store, name: str, says: str) -> None:
    with pytest.raises(NotFound) as raised:
        find(store, name)
    assert says in str(raised.value)


def test_a_beginning_with_a_slip_finds_whole_ids() -> None:
    known = ["2516ac85-e2eb-45e3-8cdb-31fe6899a08e", "f000ac85-e2eb-45e3-8cdb-31fe6899a08e"]
    assert near("2516ac86", known) == known[:1]


def test_files_are_called_after_what_was_named() -> None:
    assert Found(CHUNK, "zz").name == "zz"
    assert Found(CHUNK, "zz", "zz-01000000", LABEL).name == f"zz-01000000-{LABEL}"
