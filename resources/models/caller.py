"""From a question to an answer that was paid for: pace, retries, breaker and budget around a client.

the client raises        then
Transient, Unreachable   another attempt after a while, up to `attempts`; then GaveUp
  asks for a long wait   BackendDown
  nothing but Unreachable, and nobody else was served meanwhile: BackendDown, as no request of ours is at fault
Refused                  passed on; the backend works
Rejected                 passed on; counts towards "the backend is down", as GaveUp does
BackendDown              passed on, now and to every later request
"""

from __future__ import annotations

import asyncio
import math
import random as chance
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from resources.models.breaker import Breaker
from resources.models.failures import (
    BackendDown,
    GaveUp,
    ModelFailure,
    Refused,
    Rejected,
    Stopping,
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


@dataclass(frozen=True)
class Figures:
    """What has been asked so far.

    Attributes:
        requests: sent, retries included. retries: of them, those after a failed attempt.
        answered: requests that were answered.
        cost_usd: of the answers; None without a price.
    """

    requests: int = 0
    retries: int = 0
    answered: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None


@dataclass
class _Sent:
    """How far one request has come.

    Attributes:
        served_before: requests of anyone that had been served when it began.
        reached: an attempt got as far as the server.
        in_flight: while it may be served, and so charged for.
    """

    served_before: int
    attempts: int = 0
    reached: bool = False
    in_flight: bool = False


class Caller:
    """Asks one model, any number of requests at once within one event loop.

    Attributes:
        figures: counts so far.
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
        self.figures = Figures(cost_usd=None if settings.price is None else 0.0)
        self._client, self._settings, self._retry = client, settings, retry
        self._pacer, self._breaker, self._purse = pacer, breaker, purse
        self._stopping, self._clock, self._sleep, self._random = stopping, clock, sleep, random
        self._till = asyncio.Lock()
        self._underestimate = 1.0

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
        worst = self._worst_usd(estimate, request)
        await self._reserve(worst)
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

    async def _reserve(self, worst: float | None) -> None:
        """Sets money aside; waits where only requests under way stand in the way. One at a time, in order."""
        if self._purse is None or worst is None:
            return
        async with self._till:
            while True:
                self._may_go()
                try:
                    self._purse.reserve(worst)
                    return
                except Crowded:
                    await self._sleep(_LOOK_AGAIN_S)

    def _settle(self, worst: float | None, cost: float | None, sent: _Sent) -> None:
        if self._purse is None or worst is None:
            return
        if cost is None:
            cost = worst if sent.in_flight else 0.0
        self._purse.settle(worst, cost)

    async def _with_retries(self, request: ChatRequest, estimate: int, worst: float | None, sent: _Sent) -> Answered:
        while True:
            try:
                return await self._attempt(request, estimate, worst, sent)
            except Transient as failure:
                sent.reached = sent.reached or not isinstance(failure, Unreachable)
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
        self._count_answer(answer.usage, cost)
        return Answered(answer, sent.attempts, latency_s, cost)

    async def _send(self, request: ChatRequest, sent: _Sent) -> ChatAnswer:
        sent.attempts += 1
        self._count_request(sent.attempts)
        sent.in_flight = True
        try:
            answer = await self._client.ask(request, self._settings.timeout_s or _TIMEOUT_S)
        except ModelFailure:
            sent.in_flight = False
            raise
        sent.in_flight = False
        return answer

    def _require_up(self, failure: Transient, sent: _Sent) -> None:
        if not sent.reached and self._breaker.served == sent.served_before:
            raise BackendDown(
                f"{failure} {_attempts(sent.attempts)} failed alike, and no other request was served meanwhile. Start "
                "the server and run again; what is answered is kept."
            ) from failure

    def _learn(self, usage: Usage, estimate: int) -> None:
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

    def _count_request(self, attempt: int) -> None:
        retried = 1 if attempt > 1 else 0
        self.figures = replace(self.figures, requests=self.figures.requests + 1, retries=self.figures.retries + retried)

    def _count_answer(self, usage: Usage | None, cost: float | None) -> None:
        so_far = self.figures
        self.figures = replace(
            so_far,
            answered=so_far.answered + 1,
            prompt_tokens=so_far.prompt_tokens + (usage.prompt_tokens if usage else 0),
            completion_tokens=so_far.completion_tokens + (usage.completion_tokens if usage else 0),
            cost_usd=None if so_far.cost_usd is None else so_far.cost_usd + (cost or 0.0),
        )


def _attempts(count: int) -> str:
    return "1 attempt" if count == 1 else f"{count} attempts"
