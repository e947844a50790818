from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from checks.expectations.expectation import Suite, Where, between, filled, one_of, usually, warning
from checks.expectations.runner import failures, tables_meet_expectations
from checks.expectations.suites import SUITES
from resources import schemas
from tests.checks.expectations.good import CLIP, COMPONENT, KEYFRAME, frame

ROOT = Path(__file__).resolve().parents[3]
CRITICAL, WARNING = {"frame": 300}, {"speed_mps": 80.0}


@pytest.mark.parametrize(
    ("rows", "passed", "severity", "figure"),
    [
        pytest.param([{}], True, "ERROR", 0, id="all hold"),
        pytest.param([WARNING], False, "WARN", 1, id="only a warning"),
        pytest.param([CRITICAL], False, "ERROR", 1, id="critical"),
        pytest.param([WARNING, CRITICAL], False, "ERROR", 2, id="the gravest decides"),
    ],
)
def test_severity_is_that_of_the_gravest_failure(
    rows: list[dict[str, object]], passed: bool, severity: str, figure: int
) -> None:
    claim = tables_meet_expectations([(SUITES["trajectories"], frame(schemas.TRAJECTORIES, *rows))])
    assert (claim.passed, claim.severity, claim.figure, claim.threshold) == (passed, severity, figure, 0)


def test_worst_rows_name_table_key_column_expectation_and_value() -> None:
    claim = tables_meet_expectations([(SUITES["trajectories"], frame(schemas.TRAJECTORIES, {}, WARNING | CRITICAL))])
    assert claim.worst.rows() == [
        ("trajectories", f"clip_id={CLIP}, frame=300", "frame", "frame is between 0 and 200", "300"),
        ("trajectories", f"clip_id={CLIP}, frame=300", "speed_mps", "speed_mps is usually between 0 and 70", "80.0"),
    ]
    assert claim.description == (
        "2 of 14 expectations of trajectories (2 rows) fail: frame is between 0 and 200 (1 offend); "
        "speed_mps is usually between 0 and 70 (1 offend)."
    )


def test_many_offending_rows_leave_room_for_every_failure() -> None:
    fast = [{"frame": frame_number, "speed_mps": 80.0} for frame_number in range(200)]
    late = {"frame": 200, "t_us": 90_000_000}
    claim = tables_meet_expectations([(SUITES["trajectories"], frame(schemas.TRAJECTORIES, *fast, late))])
    assert claim.worst["column"].to_list() == ["t_us"] + ["speed_mps"] * 9
    assert "speed_mps is usually between 0 and 70 (200 offend)" in claim.description


def test_rows_of_another_table_are_told_apart() -> None:
    asked = [
        (SUITES["keyframes"], frame(schemas.KEYFRAMES)),
        (SUITES["rejects"], frame(schemas.REJECTS, {"feature": "lidar"})),
    ]
    claim = tables_meet_expectations(asked)
    assert claim.worst["table"].to_list() == ["rejects"]
    assert claim.description.startswith("1 of 23 expectations of keyframes (1 rows) and rejects (1 rows) fail")


def test_an_item_of_a_list_is_shown_with_the_row_that_holds_it() -> None:
    components = [COMPONENT, COMPONENT | {"rank": 2, "category": "weather"}]
    found = failures(frame(schemas.RAW_COC, {}, {"label_id": "a" * 16, "components": components}), SUITES["raw_coc"])
    assert [failure.count for failure in found] == [1]
    assert found[0].worst.rows() == [(f"label_id={'a' * 16}", "components.category", "weather")]


def test_columns_without_a_value_are_named_row_by_row() -> None:
    rows = frame(schemas.SEGMENTS, {"path": None, "first_us": None}, {"camera": "b", "status": "on_demand"})
    found = failures(rows, SUITES["segments"])
    path = f"clip_videos/chunk=0007/segments/{KEYFRAME}.camera_front_wide_120fov.mp4"
    assert found[0].worst.select("column", "value").rows() == [
        ("path, first_us", "path=None, first_us=None"),
        ("path", path),
    ]


def test_long_values_are_cut() -> None:
    claim = tables_meet_expectations([(SUITES["keyframes"], frame(schemas.KEYFRAMES, {"scenario": "long" * 100}))])
    assert claim.worst["value"].str.len_chars().to_list() == [80]


@pytest.mark.parametrize(
    "table", [*schemas.DATA_TABLES, schemas.SET_MEASUREMENTS, schemas.REJECTS], ids=lambda table: table.name
)
def test_an_empty_table_meets_everything(table: schemas.Table) -> None:
    assert failures(schemas.empty(table), SUITES[table.name]) == []


def test_only_the_rows_that_are_meant_are_judged() -> None:
    suite = Suite(schemas.MEASUREMENTS, {}, (between("value", 0, 1, where=Where("name", ("lateral",))),))
    rows = [{"name": "lateral", "value": 1.0}, {"name": "words", "value": 30.0}, {"name": "lateral", "value": 3.0}]
    found = failures(frame(schemas.MEASUREMENTS, *rows), suite)
    assert [(failure.count, failure.worst["value"].to_list()) for failure in found] == [(1, ["3.0"])]


def test_nulls_meet_ranges_and_vocabularies_but_not_presence() -> None:
    expectations = (usually("fps", 1, 120), one_of("camera", ("front",)), warning(filled("fps")))
    rows = frame(schemas.VIDEOS, {"fps": None, "camera": None})
    found = failures(rows, Suite(schemas.VIDEOS, {}, expectations))
    assert [failure.expectation.says for failure in found] == ["fps is there"]


def test_what_cannot_be_judged_fails_and_says_why() -> None:
    suite = Suite(schemas.KEYFRAMES, {}, (between("action", 0, 1),))
    claim = tables_meet_expectations([(suite, frame(schemas.KEYFRAMES))])
    assert (claim.passed, claim.severity) == (False, "ERROR")
    assert "action is between 0 and 1 (cannot be judged: " in claim.description


_ALONE = """
import socket, sys
def refuse(*_): raise AssertionError("the network was used")
socket.socket.connect = socket.getaddrinfo = refuse
from checks.expectations.asset_checks import EXPECTATION_CHECKS
from checks.expectations.runner import tables_meet_expectations
from checks.expectations.suites import SUITES
from resources import schemas
suite = SUITES["trajectories"]
assert tables_meet_expectations([(suite, schemas.empty(suite.table))]).passed
assert "great_expectations" not in sys.modules and "pandas" not in sys.modules
from tests.checks.expectations.good import frame
assert tables_meet_expectations([(suite, frame(suite.table, {"speed_mps": 80.0}))]).severity == "WARN"
assert "great_expectations" in sys.modules
"""


def test_it_is_imported_late_prints_nothing_writes_nothing_and_stays_off_the_network(tmp_path: Path) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir(), here.mkdir()
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", _ALONE], cwd=here, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(home.iterdir()) == [] and list(here.iterdir()) == []
