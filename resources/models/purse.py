"""The budget of a store, shared by all processes on this machine that label into it.

A request's worst case is set aside before it is sent and settled once its cost is known, so that the budget is not
passed however many requests are under way. The journals are the ledger; the purse's file only spares reading them:

    {"spent": 1.25, "lost": 0.0, "open": {"<pid>:<start of the process>": 0.5}}

    any process in `open` lives   the file holds
    none lives                    `spent` is added up from the journals; `lost` stays
    unreadable, or deleted        `spent` is added up from the journals, and nothing is lost or set aside

What a process had set aside when it died is `lost` from then on: its requests may have been charged. A process that
ends in order has settled them and leaves nothing. Each access holds a lock on the file, which the system releases when
a process is killed. An attempt that failed counts nothing: providers do not bill those.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from resources.models.failures import OverBudget

_ROUNDING_USD = 1e-9
_FILE_BYTES = 1 << 16
_PROC = "/proc"


class Crowded(OverBudget):
    """Only what is set aside for requests under way stands in its way; it may fit once they are settled."""


@dataclass
class _State:
    spent: float
    lost: float
    open: dict[str, float]

    @property
    def gone(self) -> float:
        return self.spent + self.lost

    @property
    def set_aside(self) -> float:
        return sum(self.open.values())

    def take_back(self, holder: str, worst_usd: float) -> None:
        left = self.open[holder] - worst_usd
        self.open[holder] = left if left > _ROUNDING_USD else 0.0


class Purse:
    """Spends up to a budget and not beyond.

    Nobody can tell whether the requests of a process that was killed were charged, nor which of them a later run asks
    again, so what they might have cost stays lost, at worst counted twice, until someone deletes the file while no run
    labels into the store.

    Attributes:
        path: its file; made, with its folder, on first use.
        budget_usd: what all labels and judgements by models may cost the store.
    """

    def __init__(self, path: Path, budget_usd: float, spent: Callable[[], float]) -> None:
        self.path = path
        self.budget_usd = budget_usd
        self._spent = spent

    def reserve(self, worst_usd: float) -> None:
        """Sets aside what a request may cost at most.

        Raises:
            Crowded: it would fit, were the requests under way settled.
            OverBudget: it would not fit even then.
        """
        with self._state() as (state, me):
            refusal = self._refusal(state, worst_usd)
            if refusal is None:
                state.open[me] += worst_usd
        if refusal is not None:
            raise refusal

    def settle(self, worst_usd: float, actual_usd: float) -> None:
        """Spends the actual cost out of what was set aside."""
        with self._state() as (state, me):
            state.take_back(me, worst_usd)
            state.spent += actual_usd

    def lose(self, worst_usd: float) -> None:
        """Gives up what was set aside for a request that may have been charged, though its answer is kept nowhere."""
        with self._state() as (state, me):
            state.take_back(me, worst_usd)
            state.lost += worst_usd

    def _refusal(self, state: _State, worst_usd: float) -> OverBudget | None:
        limit = self.budget_usd + _ROUNDING_USD
        if state.gone + state.set_aside + worst_usd <= limit:
            return None
        kind = Crowded if state.gone + worst_usd <= limit else OverBudget
        return kind(
            f"The budget of {self.budget_usd:.2f} USD might be passed: {state.gone:.4f} are spent, "
            f"{state.set_aside:.4f} are set aside for requests under way, and this one may take up to "
            f"{worst_usd:.4f}. Raise it with --budget or models.budget_usd.{self._of_the_lost(state)}"
        )

    def _of_the_lost(self, state: _State) -> str:
        if state.lost <= _ROUNDING_USD:
            return ""
        return (
            f" Of what is spent, {state.lost:.4f} were set aside for requests that were cut off, which may have been "
            f"charged. If they were not, delete {self.path} to forget them, while no run labels into this store."
        )

    @contextmanager
    def _state(self) -> Iterator[tuple[_State, str]]:
        """The file's content, locked until it is written back, and this process's key in it."""
        me = _this_process()
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            data = os.pread(descriptor, _FILE_BYTES, 0)
            state = self._present(_parse(data), me)
            yield state, me
            # One write over the old bytes, blanks to the end: a kill leaves the old state or the new one.
            text = json.dumps({"spent": state.spent, "lost": state.lost, "open": state.open}).encode()
            os.pwrite(descriptor, text.ljust(len(data)), 0)
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT
        try:
            return os.open(self.path, flags, 0o666)
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, flags, 0o666)

    def _present(self, state: _State | None, me: str) -> _State:
        """The state as the living see it, this process among them."""
        if state is None:
            return _State(self._spent(), 0.0, {me: 0.0})
        held = {holder: amount for holder, amount in state.open.items() if holder == me or _lives(holder)}
        lost = state.lost + sum(amount for holder, amount in state.open.items() if holder not in held)
        return _State(state.spent if held else self._spent(), lost, {me: 0.0} | held)


def _parse(data: bytes) -> _State | None:
    """The state that the file holds; None where it holds none."""
    try:
        content = json.loads(data)
        held = {str(key): float(usd) for key, usd in content["open"].items()}
        state = _State(float(content["spent"]), float(content.get("lost", 0.0)), held)
        pids = [int(holder.partition(":")[0]) for holder in held]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return state if math.isfinite(state.gone + state.set_aside) and all(pid > 0 for pid in pids) else None


def _this_process() -> str:
    pid = os.getpid()
    return _holder(pid) or f"{pid}:"


def _lives(holder: str) -> bool:
    return _holder(int(holder.partition(":")[0])) == holder


def _holder(pid: int) -> str | None:
    """`<pid>:<start>`, the start in clock ticks since boot, empty where the system does not tell; None if dead."""
    try:
        with open(f"{_PROC}/{pid}/stat", "rb", buffering=0) as file:
            state, *fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return f"{pid}:" if not os.path.exists(f"{_PROC}/self/stat") and _answers(pid) else None
    return None if state in (b"Z", b"X") else f"{pid}:{fields[18].decode()}"


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
