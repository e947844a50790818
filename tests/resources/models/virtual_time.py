"""An event loop whose clock jumps to the next timer instead of waiting for it."""

from __future__ import annotations

import asyncio
import selectors

START = 1000.0


class _Jumping(selectors.SelectSelector):
    now = START

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "every task waits and nothing would wake one"
            self.now += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self):
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self):
        return self._jumping.now


def run(coroutine):
    """`asyncio.run` in virtual time; `asyncio.sleep` passes at once."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(coroutine)


def clock():
    """Time of the running loop; outside of one, the time at which each begins."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return START
