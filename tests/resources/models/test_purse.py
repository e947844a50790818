from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from resources.models import purse as purse_module
from resources.models.failures import OverBudget
from resources.models.purse import Crowded, Purse

REPOSITORY = Path(__file__).parents[3]

RESERVES_AND_WAITS = """
import sys
from pathlib import Path
from resources.models.purse import Purse
Purse(Path(sys.argv[1]), 10.0, lambda: 1.0).reserve(float(sys.argv[2]))
print("reserved", flush=True)
sys.stdin.read()
"""

SPENDS = """
import sys
from pathlib import Path
from resources.models.failures import OverBudget
from resources.models.purse import Purse
purse, spent = Purse(Path(sys.argv[1]), 10.0, lambda: 0.0), 0
for _ in range(150):
    try:
        purse.reserve(0.5)
    except OverBudget:
        continue
    purse.settle(0.5, 0.05)
    spent += 1
print(spent, flush=True)
sys.stdin.read()
"""


class Ledger:
    """The sum over all journals, and how often it was asked for."""

    def __init__(self, usd=0.0):
        self.usd, self.asked = usd, 0

    def __call__(self):
        self.asked += 1
        return self.usd


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store" / "budget.json"


@pytest.fixture
def other(path):
    """Starts processes that set money aside; those that still live are ended afterwards."""
    processes = []

    def start(script, *arguments):
        command = [sys.executable, "-c", script, str(path), *map(str, arguments)]
        process = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def holding(other, usd):
    process = other(RESERVES_AND_WAITS, usd)
    assert process.stdout.readline() == "reserved\n"
    return process


def left(path, budget=10.0):
    """What one more request may cost, to a cent."""
    cents = 0
    probe = Purse(path, budget, Ledger())
    while True:
        try:
            probe.reserve((cents + 1) / 100)
        except OverBudget:
            return cents / 100
        probe.settle((cents + 1) / 100, 0.0)
        cents += 1


def test_the_budget_is_spent_to_the_end_and_not_passed(path):
    purse = Purse(path, 0.3, Ledger())
    for _ in range(3):
        purse.reserve(0.1)
        purse.settle(0.1, 0.1)
    with pytest.raises(OverBudget):
        purse.reserve(0.0001)


@pytest.mark.parametrize(
    ("spent", "aside", "worst", "outcome"),
    [
        (0.0, 0.0, 1.0, None),
        (0.0, 0.0, 1.01, OverBudget),
        (0.5, 0.0, 0.5, None),
        (0.5, 0.0, 0.6, OverBudget),
        (0.5, 0.3, 0.2, None),
        (0.5, 0.3, 0.3, Crowded),
        (0.5, 0.3, 0.6, OverBudget),
        (1.2, 0.0, 0.0001, OverBudget),
    ],
)
def test_what_is_spent_and_what_is_set_aside_stand_in_the_way(path, spent, aside, worst, outcome):
    purse = Purse(path, 1.0, Ledger(spent))
    if aside:
        purse.reserve(aside)
    if outcome is None:
        return purse.reserve(worst)
    with pytest.raises(OverBudget) as raised:
        purse.reserve(worst)
    assert raised.type is outcome
    return None


def test_the_message_says_what_is_left_and_how_to_raise_it(path):
    purse = Purse(path, 5.0, Ledger(4.2))
    purse.reserve(0.5)
    with pytest.raises(OverBudget) as raised:
        purse.reserve(0.4)
    for piece in ("budget of 5.00 USD", "4.2000 are spent", "0.5000 are set aside", "0.4000", "--budget", "budget_usd"):
        assert piece in str(raised.value)


@pytest.mark.parametrize(("actual", "expected"), [(0.0, 1.0), (0.25, 0.75), (0.6, 0.4), (0.7, 0.3)])
def test_settling_frees_what_was_not_spent(path, actual, expected):
    purse = Purse(path, 1.0, Ledger())
    purse.reserve(0.6)
    purse.settle(0.6, actual)
    assert left(path, 1.0) == expected


def test_what_is_lost_stays_lost_once_the_journals_are_added_up_again(path):
    purse = Purse(path, 1.0, Ledger())
    purse.reserve(0.6)
    purse.lose(0.6)
    assert left(path, 1.0) == 0.4
    held_by_nobody = json.loads(path.read_text()) | {"open": {}}
    path.write_text(json.dumps(held_by_nobody))
    assert left(path, 1.0) == 0.4


def test_a_raised_budget_holds_at_once(path):
    Purse(path, 1.0, Ledger()).reserve(0.9)
    with pytest.raises(OverBudget):
        Purse(path, 1.0, Ledger()).reserve(0.9)
    Purse(path, 2.0, Ledger()).reserve(0.9)


def test_the_journals_are_added_up_once(path):
    ledger = Ledger(0.5)
    purse = Purse(path, 1.0, ledger)
    for _ in range(3):
        purse.reserve(0.1)
        purse.settle(0.1, 0.1)
    with pytest.raises(OverBudget):
        purse.reserve(0.3)
    assert ledger.asked == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\x00",
        b"[]",
        b'{"spent": 1}',
        b'{"spent": NaN, "open": {"1:1": 0}}',
        b'{"spent": 0, "open": {"x:1": 0}}',
        b'{"spent": 0, "open": {"-1:1": 0}}',
        b'{"spent": 0, "lost": "x", "open": {}}',
        b'{"spent": 0, "lost": NaN, "open": {}}',
        b'{"spent": 0, "open": {}}',
        b'{"spent": 0, "lost": 0, "open": {"999999999:1": 0.0}}',
    ],
)
def test_a_file_that_is_broken_or_held_by_nobody_is_rebuilt_from_the_journals(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    Purse(path, 1.0, Ledger(0.75)).reserve(0.0)
    assert left(path, 1.0) == 0.25


def test_a_file_broken_midway_loses_nothing_that_the_journals_know(path):
    purse = Purse(path, 1.0, Ledger(0.5))
    purse.reserve(0.2)
    path.write_bytes(b"")
    purse.settle(0.2, 0.1)
    assert left(path, 1.0) == 0.4


def test_what_another_process_sets_aside_counts(path, other):
    holding(other, 4.0)
    assert left(path) == 5.0


def test_of_a_killed_process_what_was_set_aside_is_lost_while_others_live(path, other):
    holding(other, 1.0)
    killed = holding(other, 4.0)
    killed.kill()
    killed.wait()
    assert left(path) == 4.0
    state = json.loads(path.read_text())
    assert (state["spent"], state["lost"]) == (pytest.approx(1.0), pytest.approx(4.0))
    assert f"{killed.pid}:" not in str(state["open"])


def test_a_killed_process_that_nobody_reaped_is_dead(path, other):
    killed = holding(other, 4.0)
    killed.kill()
    os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
    purse = Purse(path, 10.0, Ledger(2.0))
    purse.reserve(4.0)
    with pytest.raises(OverBudget):
        purse.reserve(0.01)


def test_once_all_are_dead_the_journals_count_and_what_the_dead_had_set_aside(path, other):
    for process in [holding(other, 4.0), holding(other, 3.0)]:
        process.kill()
        process.wait()
    ledger = Ledger(2.5)
    Purse(path, 10.0, ledger).reserve(0.0)
    assert ledger.asked == 1
    assert left(path) == 0.5


def test_the_message_tells_of_what_is_lost_and_deleting_the_file_forgets_it(path, other):
    killed = holding(other, 4.0)
    killed.kill()
    killed.wait()
    purse = Purse(path, 10.0, Ledger(2.0))
    with pytest.raises(OverBudget) as raised:
        purse.reserve(5.0)
    for piece in ("6.0000 are spent, 0.0000 are set aside", "4.0000 were set aside", f"delete {path} to forget them"):
        assert piece in str(raised.value)
    path.unlink()
    purse.reserve(8.0)
    with pytest.raises(Crowded) as crowded:
        purse.reserve(5.0)
    assert "delete" not in str(crowded.value)


def test_a_process_that_ended_in_order_leaves_nothing(path, other):
    process = other(SPENDS)
    process.stdout.readline()
    process.kill()
    process.wait()
    assert left(path) == 10.0
    assert json.loads(path.read_text())["lost"] == 0.0


def test_fractions_of_a_cent_leave_no_rest(path):
    purse = Purse(path, 1.0, Ledger())
    amounts = [0.1, 0.2, 0.3, 0.07]
    for amount in amounts:
        purse.reserve(amount)
    for amount in amounts:
        purse.settle(amount, 0.0)
    assert list(json.loads(path.read_text())["open"].values()) == [0.0]


def test_a_process_that_got_the_number_of_a_dead_one_is_another(path):
    path.parent.mkdir()
    path.write_text(json.dumps({"spent": 9.0, "open": {f"{os.getpid()}:1": 0.5}}))
    ledger = Ledger(1.0)
    purse = Purse(path, 10.0, ledger)
    purse.reserve(8.5)
    with pytest.raises(OverBudget):
        purse.reserve(0.01)
    assert ledger.asked == 1


def test_processes_side_by_side_spend_the_budget_exactly(path, other):
    Purse(path, 10.0, Ledger()).reserve(0.0)  # keeps the file in force
    processes = [other(SPENDS) for _ in range(3)]
    paid = sum(int(process.stdout.readline()) for process in processes)
    state = json.loads(path.read_text())
    assert state["spent"] == pytest.approx(paid * 0.05)
    assert 9.0 < state["spent"] <= 10.0
    assert sum(state["open"].values()) == pytest.approx(0.0, abs=1e-9)


def test_a_shorter_state_leaves_no_rest_of_the_longer_one(path, other):
    killed = holding(other, 0.123456789)
    Purse(path, 10.0, Ledger()).reserve(0.0)
    longer = len(path.read_bytes())
    killed.kill()
    killed.wait()
    Purse(path, 10.0, Ledger()).reserve(0.0)
    assert len(path.read_bytes()) == longer
    assert list(json.loads(path.read_text())["open"].values()) == [0.0]


@pytest.mark.parametrize("without", [False, True])
def test_a_process_is_known_with_and_without_proc(tmp_path, other, without, monkeypatch):
    process = holding(other, 1.0)
    if without:
        monkeypatch.setattr(purse_module, "_PROC", str(tmp_path / "no-proc"))
    holder = purse_module._holder(process.pid)
    assert holder is not None
    assert (holder == f"{process.pid}:") == without
    process.kill()
    process.wait()
    assert purse_module._holder(process.pid) is None
