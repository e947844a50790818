"""How fast requests go out: so many at a time, so many and so many tokens a minute, and none while the server asks us
to hold.

A limit a minute is a bucket that fills steadily and holds a tenth of a minute's worth, so that a minute sees no more
than a tenth above the limit, and that only at its start. A request larger than the bucket waits until it is full and
leaves it overdrawn, so the pace holds on average. All requests stand in one line, first come, first served.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]
Check = Callable[[], None]

_BURST = 0.1  # of a minute's worth
_NAP_S = 0.25  # how soon a waiting request notices that the run ends
_SHORTEST_NAP_S = 0.001  # less might not move the clock, and the wait would spin


def pass_always() -> None:
    """The check of those who wait for nothing but time."""


async def wait_until(moment: Callable[[], float], clock: Clock, sleep: Sleep, check: Check = pass_always) -> None:
    """Waits until the clock shows `moment()`, asked again after each nap, because it may move.

    Args:
        check: called first and after each nap; what it raises ends the wait.
    """
    check()
    while (left := moment() - clock()) > 0:
        await sleep(min(max(left, _SHORTEST_NAP_S), _NAP_S))
        check()


class Pacer:
    """The line that all requests to one backend stand in; belongs to one event loop."""

    def __init__(
        self,
        max_in_flight: int,
        requests_per_minute: float | None,
        tokens_per_minute: float | None,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._places = asyncio.Semaphore(max_in_flight)
        self._head = asyncio.Lock()
        self._requests = _Bucket(requests_per_minute, clock, least=1.0) if requests_per_minute else None
        self._tokens = _Bucket(tokens_per_minute, clock) if tokens_per_minute else None
        self._held_until = clock()
        self._clock = clock
        self._sleep = sleep

    def hold(self, seconds: float) -> None:
        """Lets no new request out for so long; a longer hold that is under way stays."""
        self._held_until = max(self._held_until, self._clock() + seconds)

    @asynccontextmanager
    async def slot(self, tokens: int = 0, check: Check = pass_always) -> AsyncIterator[Slot]:
        """Waits for its turn and keeps a place for as long as the request is in flight.

        Args:
            tokens: prompt and answer, estimated; `Slot.settle` corrects it.
            check: called when the request reaches the head of the line and a few times a second while it stands
                there; what it raises ends the wait, and nothing is taken.
        """
        async with self._places:
            async with self._head:
                await wait_until(lambda: self._ready_at(tokens), self._clock, self._sleep, check)
                self._take(tokens)
            yield Slot(self._tokens, tokens)

    def _ready_at(self, tokens: int) -> float:
        moment = self._held_until
        if self._requests:
            moment = max(moment, self._requests.ready_at(1.0))
        if self._tokens:
            moment = max(moment, self._tokens.ready_at(tokens))
        return moment

    def _take(self, tokens: int) -> None:
        if self._requests:
            self._requests.take(1.0)
        if self._tokens:
            self._tokens.take(tokens)


class Slot:
    """One request's place."""

    def __init__(self, bucket: _Bucket | None, tokens: int) -> None:
        self._bucket = bucket
        self._taken = tokens

    def settle(self, actual_tokens: int) -> None:
        """Puts the tokens that the server counted in place of the estimate."""
        if self._bucket:
            self._bucket.take(actual_tokens - self._taken)
        self._taken = actual_tokens


class _Bucket:
    """A limit a minute; starts full."""

    def __init__(self, per_minute: float, clock: Clock, least: float = 0.0) -> None:
        self._per_s = per_minute / 60.0
        self._capacity = max(least, per_minute * _BURST)
        self._level = self._capacity
        self._clock = clock
        self._filled_at = clock()

    def ready_at(self, amount: float) -> float:
        """When it holds the amount, or is full."""
        self._fill()
        return self._filled_at + max(0.0, min(amount, self._capacity) - self._level) / self._per_s

    def take(self, amount: float) -> None:
        """Takes it, below empty where need be; a negative amount is given back."""
        self._fill()
        self._level = min(self._capacity, self._level - amount)

    def _fill(self) -> None:
        now = self._clock()
        self._level = min(self._capacity, self._level + (now - self._filled_at) * self._per_s)
        self._filled_at = now
