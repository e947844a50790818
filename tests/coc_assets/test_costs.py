from __future__ import annotations

import math
import random
from pathlib import Path
from typing import get_args

import polars as pl
import pytest

from coc_assets.costs import By, cost_table, with_total
from resources.journal import BatchEvent, Entry, JournalWriter
from resources.store import Store

MORNING, EVENING = "2026-01-31T09:00:00+00:00", "2026-01-31T21:00:00+00:00"
NEXT_DAY = "2026-02-01T00:10:00+00:00"


def entry(key: str, step: str, **more: object) -> Entry:
    values = {"outcome": "answered", "asked_model": "gpt-5", "answered_at": MORNING, "attempts": 1, "run": "r1"}
    return Entry(key=key, keyframe_id="k", step=step, **(values | more))


def write(store: Store, chunk: str, labeler: str, *lines: Entry | BatchEvent) -> None:
    with JournalWriter.open(store.journal_path(chunk, labeler)) as journal:
        journal.append_now(lines)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path)
    write(
        made, "0000", "gpt5",
        entry("a", "see", model="gpt-5-2025", prompt_tokens=1000, cached_tokens=800, completion_tokens=50,
              reasoning_tokens=20, cost_usd=0.5),
        entry("b", "decide", outcome="error", attempts=5, answered_at=EVENING),
        BatchEvent(batch_id="x", keys=("a",), state="ended"),
        entry("b", "decide", attempts=2, prompt_tokens=500, completion_tokens=5, cost_usd=0.25, run="r2",
              answered_at=NEXT_DAY, model="gpt-5-2025"),
    )  # fmt: skip
    write(
        made, "0012", "qwen",
        entry("c", "single", asked_model="Qwen/Q", model="Qwen/Q", prompt_tokens=10, completion_tokens=1, run=None),
        entry("d", "single", outcome="refused", asked_model="Qwen/Q", answered_at=EVENING),
        entry("e", "single", outcome="over_budget", asked_model="Qwen/Q", attempts=0, answered_at=None),
    )  # fmt: skip
    return made


def test_what_a_labeler_asked_and_cost(store: Store) -> None:
    assert cost_table(store, "labeler").to_dicts() == [
        {
            "labeler": "gpt5", "answered": 2, "refused": 0, "error": 1, "over_budget": 0, "attempts": 8,
            "prompt_tokens": 1500, "cached_tokens": 800, "completion_tokens": 55, "reasoning_tokens": 20,
            "cost_usd": 0.75, "unpriced": 0, "first_answered_at": MORNING, "last_answered_at": NEXT_DAY,
        },
        {
            "labeler": "qwen", "answered": 1, "refused": 1, "error": 0, "over_budget": 1, "attempts": 2,
            "prompt_tokens": 10, "cached_tokens": 0, "completion_tokens": 1, "reasoning_tokens": 0,
            "cost_usd": 0.0, "unpriced": 2, "first_answered_at": MORNING, "last_answered_at": EVENING,
        },
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("chunk", {"0000": (2, 0.75), "0012": (1, 0.0)}),
        ("model", {"Qwen/Q": (1, 0.0), "gpt-5": (0, 0.0), "gpt-5-2025": (2, 0.75)}),
        ("step", {"decide": (1, 0.25), "see": (1, 0.5), "single": (1, 0.0)}),
        ("run", {"r1": (1, 0.5), "r2": (1, 0.25), None: (1, 0.0)}),
        ("day", {"2026-01-31": (2, 0.5), "2026-02-01": (1, 0.25), None: (0, 0.0)}),
    ],
)
def test_groups_are_sorted_and_what_does_not_say_comes_last(store: Store, by: By, groups: dict) -> None:
    rows = cost_table(store, by).select(by, "answered", "cost_usd").rows()
    assert {group: figures for group, *figures in rows} == {group: list(figures) for group, figures in groups.items()}
    assert [group for group, *_ in rows] == list(groups)


@pytest.mark.parametrize("by", get_args(By))
def test_a_store_without_journals_has_the_columns_and_no_row(tmp_path: Path, store: Store, by: By) -> None:
    assert cost_table(Store(tmp_path / "empty"), by).schema == cost_table(store, by).schema


@pytest.mark.parametrize("by", get_args(By))
def test_the_total_is_the_same_however_lines_are_grouped(store: Store, by: By) -> None:
    whole = with_total(cost_table(store, by), by)
    assert whole.head(-1).equals(cost_table(store, by))
    assert whole.row(-1, named=True) == {
        by: "total", "answered": 3, "refused": 1, "error": 1, "over_budget": 1, "attempts": 10,
        "prompt_tokens": 1510, "cached_tokens": 800, "completion_tokens": 56, "reasoning_tokens": 20,
        "cost_usd": 0.75, "unpriced": 2, "first_answered_at": MORNING, "last_answered_at": NEXT_DAY,
    }  # fmt: skip


def test_the_total_of_nothing_is_nothing(tmp_path: Path) -> None:
    assert with_total(cost_table(Store(tmp_path), "run"), "run").select("run", "answered", "cost_usd").rows() == [
        ("total", 0, 0.0)
    ]


def test_costs_are_summed_exactly_whatever_the_order_of_files(tmp_path: Path) -> None:
    chance = random.Random(3)
    costs = [chance.uniform(1e-6, 1e3) * 10 ** (number % 7) for number in range(2_000)]
    store = Store(tmp_path)
    for number in range(4):
        lines = [entry(str(place), "see", cost_usd=cost) for place, cost in enumerate(costs) if place % 4 == number]
        write(store, f"000{number}", "gpt5", *lines)
    assert cost_table(store, "labeler")["cost_usd"].to_list() == [math.fsum(costs)]
    assert cost_table(store, "labeler").schema["cost_usd"] == pl.Float64
