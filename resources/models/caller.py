"""From a question to an answer that was paid for: pace, retries, breaker and budget around a client.

the client raises        then
Transient, Unreachable   another attempt after a while, up to `attempts`; then GaveUp
  asks for a long wait   BackendDown
  nothing but Unreachable, and nobody else was served meanwhile: BackendDown, as no request of ours is at fault
  TimedOut             the same, and BackendDown after so many in a row, of any requests
Refused                  passed on; the backend works
Rejected                 passed on; counts towards "the backend is down", as GaveUp does
BackendDown              passed on, now and to every later request
anything else            passed on; the request may have been charged
"""

from __future__ import annotations

import asyncio
import math
import random as chance
import time
from collections.abc import Callable
from dataclasses import dataclass

from resources.models.breaker import Breaker
from resources.models.failures import (
    BackendDown,
    GaveUp,
    ModelFailure,
    Refused,
    Rejected,
    Stopping,
    TimedOut,
    Transient,
    Unreachable,
)
from resources.models.pacing import Clock, Pacer, Sleep, wait_until
from resources.models.pricing import cost_usd, estimate_tokens, worst_cost_usd
from resources.models.purse import Crowded, Purse
from resources.models.request import Answered, ChatAnswer, ChatRequest, ModelClient, Usage
from resources.settings.models import ModelSettings, RetrySettings

_TIMEOUT_S = 600.0
_LOOK_AGAIN_S = 0.25  # at the purse, while other requests' money is set aside
_MOST_DOUBLINGS = 60  # beyond it a float would overflow; the cap holds long before


@dataclass
class _Sent:
    """How far one request has come.

    Attributes:
        served_before: requests of anyone that had been served when it began.
        reached: an attempt got as far as the server.
        charged: from when an attempt is sent until it has failed: it may have to be paid.
    """

    served_before: int
    attempts: int = 0
    reached: bool = False
    charged: bool = False


class Caller:
    """Asks one model, any number of requests at once within one event loop.

    Where there is a budget, the first request goes alone, until an answer tells how many tokens it took: by that the
    worst case of the others is corrected before money is set aside for them.
    """

    def __init__(
        self,
        client: ModelClient,
        settings: ModelSettings,
        retry: RetrySettings,
        pacer: Pacer,
        breaker: Breaker,
        purse: Purse | None = None,
        *,
        stopping: Callable[[], bool] = lambda: False,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        random: Callable[[], float] = chance.random,
    ) -> None:
        """Puts the pieces together.

        Args:
            stopping: says that the run is ending; requests in flight are still waited for.
            random: uniform in [0, 1).

        Raises:
            ValueError: a budget without a price.
        """
        if purse is not None and settings.price is None:
            raise ValueError(
                "models.budget_usd is set, but the model has no price, so what it costs is unknown. Set "
                "models.aliases.<alias>.price, or unset the budget."
            )
        self._client, self._settings, self._retry = client, settings, retry
        self._pacer, self._breaker, self._purse = pacer, breaker, purse
        self._stopping, self._clock, self._sleep, self._random = stopping, clock, sleep, random
        self._till = asyncio.Lock()
        self._underestimate = 1.0
        self._learnt = False
        self._holding = 0

    async def ask(self, request: ChatRequest) -> Answered:
        """The answer to a request, after as many attempts as it may take.

        Raises:
            ModelFailure: any kind but Transient; `attempts` says how many requests were sent.
        """
        sent = _Sent(self._breaker.served)
        try:
            answered = await self._within_budget(request, sent)
        except ModelFailure as failure:
            failure.attempts = sent.attempts
            self._tell_breaker(failure)
            raise
        self._breaker.succeeded()
        return answered

    async def _within_budget(self, request: ChatRequest, sent: _Sent) -> Answered:
        self._may_go()
        estimate = estimate_tokens(request, self._settings.tokens_per_image)
        worst = await self._reserve(estimate, request)
        cost = None
        try:
            answered = await self._with_retries(request, estimate, worst, sent)
            cost = answered.cost_usd
            return answered
        finally:
            self._settle(worst, cost, sent)

    def _worst_usd(self, estimate: int, request: ChatRequest) -> float | None:
        if self._settings.price is None:
            return None
        return worst_cost_usd(self._likely_most(estimate), request.sampling.max_tokens, self._settings.price)

    def _likely_most(self, estimate: int) -> int:
        """Prompt tokens, by the estimate and by how far the worst one so far fell short."""
        return math.ceil(estimate * self._underestimate)

    async def _reserve(self, estimate: int, request: ChatRequest) -> float | None:
        """Sets the worst case aside and says it; waits where only requests under way stand in the way. In order."""
        if self._purse is None:
            return self._worst_usd(estimate, request)
        async with self._till:
            while True:
                self._may_go()
                worst = self._worst_usd(estimate, request) or 0.0  # anew, as it grows with what is learnt
                if self._set_aside(worst, self._purse):
                    return worst
                await self._sleep(_LOOK_AGAIN_S)

    def _set_aside(self, worst: float, purse: Purse) -> bool:
        """False where a request under way is to end first."""
        if self._holding and not self._learnt:
            return False
        try:
            purse.reserve(worst)
        except Crowded:
            return False
        self._holding += 1
        return True

    def _settle(self, worst: float | None, cost: float | None, sent: _Sent) -> None:
        if self._purse is None or worst is None:
            return
        self._holding -= 1
        if cost is None and sent.charged:
            self._purse.lose(worst)
        else:
            self._purse.settle(worst, cost or 0.0)

    async def _with_retries(self, request: ChatRequest, estimate: int, worst: float | None, sent: _Sent) -> Answered:
        while True:
            try:
                return await self._attempt(request, estimate, worst, sent)
            except Transient as failure:
                sent.reached = sent.reached or not isinstance(failure, Unreachable)
                self._count_timeout(failure)
                if sent.attempts >= self._retry.attempts:
                    self._obey(failure)
                    self._require_up(failure, sent)
                    raise GaveUp(f"Gave up after {_attempts(sent.attempts)}; the last: {failure}") from failure
                await self._wait(max(self._back_off_s(sent.attempts), self._obey(failure)))

    async def _attempt(self, request: ChatRequest, estimate: int, worst: float | None, sent: _Sent) -> Answered:
        tokens = self._likely_most(estimate) + request.sampling.max_tokens
        async with self._pacer.slot(tokens, self._may_go) as slot:
            began = self._clock()
            answer = await self._send(request, sent)
            latency_s = self._clock() - began
            if answer.usage is not None:
                slot.settle(answer.usage.prompt_tokens + answer.usage.completion_tokens)
                self._learn(answer.usage, estimate)
        cost = worst if answer.usage is None else cost_usd(answer.usage, self._settings.price)
        return Answered(answer, sent.attempts, latency_s, cost)

    async def _send(self, request: ChatRequest, sent: _Sent) -> ChatAnswer:
        sent.attempts += 1
        sent.charged = True
        try:
            return await self._client.ask(request, self._settings.timeout_s or _TIMEOUT_S)
        except ModelFailure:
            sent.charged = False
            raise

    def _count_timeout(self, failure: Transient) -> None:
        if isinstance(failure, TimedOut):
            self._breaker.timed_out(str(failure))
            self._breaker.check()

    def _require_up(self, failure: Transient, sent: _Sent) -> None:
        if not sent.reached and self._breaker.served == sent.served_before:
            raise BackendDown(
                f"{failure} {_attempts(sent.attempts)} failed alike, and no other request was served meanwhile. Start "
                "the server and run again; what is answered is kept."
            ) from failure

    def _learn(self, usage: Usage, estimate: int) -> None:
        self._learnt = True
        self._underestimate = max(self._underestimate, usage.prompt_tokens / max(1, estimate))

    def _obey(self, failure: Transient) -> float:
        """How long the server asks to wait, s; nobody sends anything until then."""
        asked_s = failure.retry_after_s or 0.0
        if asked_s > self._retry.longest_retry_after_s:
            raise BackendDown(
                f"The server asks to wait {asked_s:.0f} s, longer than models.retry.longest_retry_after_s "
                f"({self._retry.longest_retry_after_s:.0f} s). Run again later, or raise that. It said: {failure}"
            ) from failure
        self._pacer.hold(asked_s)
        return asked_s

    def _back_off_s(self, attempts: int) -> float:
        doubled = self._retry.base_s * 2.0 ** min(attempts - 1, _MOST_DOUBLINGS)
        return self._random() * min(self._retry.cap_s, doubled)

    async def _wait(self, seconds: float) -> None:
        until = self._clock() + seconds
        await wait_until(lambda: until, self._clock, self._sleep, self._may_go)

    def _may_go(self) -> None:
        if self._stopping():
            raise Stopping("The run is ending; run again to go on where it stopped.")
        self._breaker.check()

    def _tell_breaker(self, failure: ModelFailure) -> None:
        match failure:
            case BackendDown():
                self._breaker.trip(str(failure))
            case Rejected() | GaveUp():
                self._breaker.failed(str(failure))
            case Refused():
                self._breaker.succeeded()


def _attempts(count: int) -> str:
    return "1 attempt" if count == 1 else f"{count} attempts"
