from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace

import pytest
from pydantic import SecretStr

from resources.models.breaker import Breaker
from resources.models.caller import Caller
from resources.models.chat_completions import ChatCompletions
from resources.models.endpoints import Endpoint
from resources.models.failures import (
    BackendDown,
    GaveUp,
    OverBudget,
    Refused,
    Rejected,
    Stopping,
    TimedOut,
    Transient,
    Unreachable,
)
from resources.models.pacing import Pacer
from resources.models.pricing import estimate_tokens
from resources.models.purse import Purse
from resources.models.request import Answered, ChatAnswer, ChatRequest, Message, Sampling, Text, Usage
from resources.settings.models import ModelSettings, PriceSettings, RetrySettings
from tests.chat_stub import PASSING, ChatStub, Faults
from tests.resources.models.virtual_time import START, clock, run

PRICE = PriceSettings(input_usd=1.0, output_usd=10.0)
MAX_TOKENS = 1000
REQUEST = ChatRequest("key", "model", [Message("user", (Text("x" * 2976),))], Sampling(max_tokens=MAX_TOKENS))
ESTIMATE = estimate_tokens(REQUEST, None)
USAGE = Usage(prompt_tokens=ESTIMATE // 2, completion_tokens=100)
WORST = (ESTIMATE * 1.0 + MAX_TOKENS * 10.0) / 1e6
COST = (ESTIMATE // 2 * 1.0 + 100 * 10.0) / 1e6


def answer(usage=USAGE):
    return ChatAnswer("text", "stop", "model", usage)


class Client:
    """Goes through a script: answers are returned, failures raised, the last entry repeated."""

    def __init__(self, *script, lasts_s=0.0):
        self.script, self.lasts_s = list(script), lasts_s
        self.times = []
        self.timeouts = []
        self.in_flight = self.most_in_flight = 0

    async def ask(self, request, timeout_s):
        self.times.append(round(clock() - START, 2))
        self.timeouts.append(timeout_s)
        outcome = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.lasts_s)
        finally:
            self.in_flight -= 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def close(self):
        pass


def caller(
    client, *, price=PRICE, retry=None, breaker=None, purse=None, max_in_flight=100, limits=(None, None), **more
):
    pacer = Pacer(max_in_flight, *limits, clock, asyncio.sleep)
    settings = ModelSettings(price=price, timeout_s=77.0)
    return Caller(
        client,
        settings,
        retry or RetrySettings(),
        pacer,
        breaker or Breaker(down_after=10),
        purse,
        **{"clock": clock, "random": lambda: 1.0} | more,
    )


async def outcomes(asking, count=1, request=REQUEST):
    """What becomes of requests asked together: answers and failures."""
    return await asyncio.gather(*(asking.ask(request) for _ in range(count)), return_exceptions=True)


def purse(tmp_path, budget, spent=0.0):
    return Purse(tmp_path / "budget.json", budget, lambda: spent)


def free(tmp_path, budget):
    """What is left of a budget, in multiples of the worst case, and whether all of it can be set aside."""
    left = 0
    probe = purse(tmp_path, budget)
    try:
        while True:
            probe.reserve(WORST)
            left += 1
    except OverBudget:
        return left


def test_an_answer_tells_its_attempts_its_latency_and_its_cost():
    client = Client(answer(), lasts_s=3.0)
    answered = run(caller(client).ask(REQUEST))
    assert answered == Answered(answer(), 1, pytest.approx(3.0), pytest.approx(COST))
    assert client.timeouts == [77.0]


def test_latency_is_of_the_answered_attempt_and_not_of_the_wait():
    client = Client(Unreachable("no route"), answer(), lasts_s=2.0)
    answered = run(caller(client, limits=(6.0, None)).ask(REQUEST))
    assert (answered.attempts, answered.latency_s) == (2, pytest.approx(2.0))


@pytest.mark.parametrize(
    ("random", "settings", "times"),
    [
        (1.0, {}, [0, 2, 6, 14, 30, 62]),
        (0.5, {}, [0, 1, 3, 7, 15, 31]),
        (0.0, {}, [0, 0, 0, 0, 0, 0]),
        (1.0, {"base_s": 1.0, "cap_s": 3.0, "attempts": 5}, [0, 1, 3, 6, 9]),
        (1.0, {"base_s": 0.0, "cap_s": 5.0, "attempts": 3}, [0, 0, 0]),
        (1.0, {"attempts": 1}, [0]),
    ],
)
def test_attempts_back_off_exponentially_with_full_jitter_up_to_a_cap(random, settings, times):
    client = Client(Transient("HTTP 503"))
    asking = caller(client, retry=RetrySettings(**settings), random=lambda: random)
    (failure,) = run(outcomes(asking))
    assert client.times == pytest.approx(times, abs=0.02)
    assert isinstance(failure, GaveUp)
    assert failure.attempts == len(times)


def test_thousands_of_attempts_overflow_nothing():
    client = Client(Transient("HTTP 503"))
    (failure,) = run(outcomes(caller(client, retry=RetrySettings(attempts=1100, cap_s=0.1))))
    assert failure.attempts == 1100


@pytest.mark.parametrize(
    ("attempts", "message"),
    [(3, "Gave up after 3 attempts; the last: HTTP 503 from x"), (1, "Gave up after 1 attempt; the last: HTTP 500")],
)
def test_giving_up_names_the_last_failure_and_the_attempts(attempts, message):
    client = Client(Transient("HTTP 500"), Unreachable("refused"), Transient("HTTP 503 from x"))
    with pytest.raises(GaveUp) as raised:
        run(caller(client, retry=RetrySettings(attempts=attempts)).ask(REQUEST))
    assert str(raised.value) == message


@pytest.mark.parametrize(("asked_s", "second"), [(20.0, 20.0), (0.5, 2.0), (None, 2.0), (600.0, 600.0)])
def test_retry_after_wins_where_it_is_longer(asked_s, second):
    client = Client(Transient("HTTP 429", retry_after_s=asked_s), answer())
    assert run(caller(client).ask(REQUEST)).attempts == 2
    assert client.times == pytest.approx([0, second], abs=0.02)


@pytest.mark.parametrize("attempts", [1, 5])
def test_retry_after_holds_every_other_request_too(attempts):
    async def scenario():
        client = Client(Transient("HTTP 429", retry_after_s=30.0), answer())
        asking = caller(client, retry=RetrySettings(attempts=attempts))
        first = asyncio.create_task(outcomes(asking))
        await asyncio.sleep(1.0)
        await outcomes(asking, 2)
        await first
        return client.times

    assert run(scenario())[1:] == pytest.approx([30.0] * (2 if attempts == 1 else 3), abs=0.02)


@pytest.mark.parametrize("attempts", [1, 5])
def test_a_server_that_asks_to_wait_too_long_is_down(attempts):
    client = Client(Transient("HTTP 429 from api", retry_after_s=601.0), answer())
    asking = caller(client, retry=RetrySettings(attempts=attempts))

    async def scenario():
        return await outcomes(asking) + await outcomes(asking)

    first, second = run(scenario())
    assert [type(first), type(second)] == [BackendDown, BackendDown]
    assert (first.attempts, second.attempts) == (1, 0)
    for piece in ("601 s", "longest_retry_after_s", "600 s", "HTTP 429 from api"):
        assert piece in str(second)


@pytest.mark.parametrize("kind", [Refused, Rejected, BackendDown])
def test_what_no_attempt_would_mend_passes_through_with_its_attempts(kind):
    client = Client(Transient("HTTP 503"), kind("why"))
    with pytest.raises(kind, match="why") as raised:
        run(caller(client).ask(REQUEST))
    assert raised.value.attempts == len(client.times) == 2


@pytest.mark.parametrize(
    ("script", "sent"),
    [
        # a server that rejects everything is down after three
        ([Rejected("no such model")], 3),
        ([Rejected("bad"), Rejected("bad"), answer(), Rejected("bad"), Rejected("bad"), Rejected("bad")], 6),
        # a refusal is an answer from a backend that works
        ([Rejected("bad"), Rejected("bad"), Refused("policy"), Rejected("bad"), Rejected("bad"), Rejected("bad")], 6),
        ([Refused("policy")], 8),
        # giving up counts once, however many attempts it took
        ([Transient("HTTP 500")], 6),
        ([Transient("HTTP 500"), answer()] * 4, 12),
        # a server that nothing reaches is down after one request
        ([Unreachable("refused")], 2),
        ([Unreachable("refused"), Transient("HTTP 503")], 6),
        ([BackendDown("quota")], 1),
    ],
)
def test_the_breaker_opens_after_failed_requests_in_a_row(script, sent):
    client = Client(*script)
    asking = caller(client, retry=RetrySettings(attempts=2), breaker=Breaker(down_after=3))

    async def scenario():
        for _ in range(8):
            await outcomes(asking)

    run(scenario())
    assert len(client.times) == sent


TIMEOUT = TimedOut("box did not answer within 77 s.")


@pytest.mark.parametrize(
    ("script", "attempts", "sent"),
    [
        ([TIMEOUT], 5, 3),  # in the midst of the attempts of one request
        ([TIMEOUT], 3, 3),  # with the last attempt: nothing is recorded as failed
        ([answer(), TIMEOUT, TIMEOUT, answer(), TIMEOUT], 3, 7),
        ([TIMEOUT, Transient("HTTP 503"), TIMEOUT, TIMEOUT, answer()], 5, 4),  # nothing was served
    ],
)
def test_a_server_that_lets_attempts_time_out_in_a_row_is_down(script, attempts, sent):
    client = Client(*script)
    asking = caller(client, retry=RetrySettings(attempts=attempts), breaker=Breaker(down_after=3))

    async def scenario():
        return [result for _ in range(8) for result in await outcomes(asking)]

    results = run(scenario())
    assert {type(result) for result in results} <= {Answered, BackendDown}
    assert len(client.times) == sent
    assert "77 s" in str(results[-1])


@pytest.mark.parametrize("failure", [TIMEOUT, Unreachable("refused")])
def test_timeouts_with_answers_in_between_and_other_failures_open_nothing(failure):
    client = Client(*[failure, failure, answer()] * 8)
    asking = caller(client, breaker=Breaker(down_after=3))
    assert all(isinstance(result, Answered) for _ in range(8) for result in run(outcomes(asking)))


def test_a_server_that_hangs_is_down_after_one_timeout_of_many_requests():
    client = Client(TIMEOUT, lasts_s=77.0)
    results = run(outcomes(caller(client, breaker=Breaker(10), max_in_flight=16), 40))
    assert {type(result) for result in results} == {BackendDown}
    assert len(client.times) <= 32


def test_a_request_that_never_gets_through_while_others_do_is_given_up():
    async def scenario():
        client = Client(Unreachable("reset"), Unreachable("reset"))
        breaker = Breaker(down_after=3)
        asking = caller(client, retry=RetrySettings(attempts=2, base_s=60.0), breaker=breaker)
        waiting = asyncio.create_task(outcomes(asking))
        await asyncio.sleep(1.0)
        breaker.succeeded()
        return await waiting

    (failure,) = run(scenario())
    assert isinstance(failure, GaveUp)


def test_a_short_outage_under_many_requests_opens_nothing():
    client = Client(*[Unreachable("refused")] * 50, answer())
    asking = caller(client, breaker=Breaker(down_after=10))
    assert all(isinstance(outcome, Answered) for outcome in run(outcomes(asking, 50)))


def test_once_the_backend_is_down_those_who_wait_for_another_attempt_stop_soon():
    async def scenario():
        client = Client(Transient("HTTP 503"), BackendDown("The key is not accepted."))
        asking = caller(client, retry=RetrySettings(base_s=60.0))
        waiting = asyncio.create_task(outcomes(asking))
        await asyncio.sleep(1.0)
        await outcomes(asking)
        (failure,) = await waiting
        return failure, client.times, clock() - START

    failure, times, took = run(scenario())
    assert isinstance(failure, BackendDown)
    assert "key is not accepted" in str(failure)
    assert len(times) == 2
    assert took < 2.0


def test_nothing_is_sent_once_the_run_is_ending(tmp_path):
    client = Client(answer())
    asking = caller(client, stopping=lambda: True, purse=purse(tmp_path, 1.0))
    (failure,) = run(outcomes(asking))
    assert isinstance(failure, Stopping)
    assert (client.times, failure.attempts) == ([], 0)


@pytest.mark.parametrize(
    ("script", "more"),
    [
        ([Transient("HTTP 503")], {"retry": RetrySettings(base_s=60.0)}),
        ([Transient("HTTP 429", retry_after_s=500.0)], {}),
    ],
)
def test_the_end_of_the_run_wakes_those_who_wait_for_another_attempt(script, more):
    async def scenario():
        ending = asyncio.Event()
        client = Client(*script)
        asking = caller(client, stopping=ending.is_set, **more)
        waiting = asyncio.create_task(outcomes(asking))
        other = None
        await asyncio.sleep(5.0)
        other = asyncio.create_task(outcomes(asking))
        await asyncio.sleep(0)
        ending.set()
        results = await waiting + (await other if not script[0].retry_after_s else [])
        return results, clock() - START - 5.0

    results, took = run(scenario())
    assert isinstance(results[0], Stopping)
    assert results[0].attempts == 1
    assert took < 1.0


def test_requests_in_flight_are_answered_when_the_run_ends_and_those_in_line_are_not_sent():
    async def scenario():
        ending = asyncio.Event()
        client = Client(answer(), lasts_s=100.0)
        asking = caller(client, stopping=ending.is_set, max_in_flight=2)
        work = asyncio.create_task(outcomes(asking, 5))
        await asyncio.sleep(1.0)
        ending.set()
        return await work, client.times

    results, times = run(scenario())
    assert [type(result) for result in results] == [Answered] * 2 + [Stopping] * 3
    assert times == [0, 0]


def test_no_more_are_in_flight_than_allowed_and_a_wait_keeps_no_place():
    client = Client(Transient("HTTP 503"), answer(), lasts_s=1.0)
    results = run(outcomes(caller(client, retry=RetrySettings(base_s=1.0), max_in_flight=1), 2))
    assert [result.attempts for result in results] == [2, 1]
    assert client.most_in_flight == 1
    assert client.times == [0, 1, 2]  # the second request went out while the first waited


def test_tokens_are_paced_by_estimate_and_corrected_by_usage():
    most = ESTIMATE + MAX_TOKENS
    per_minute = most * 10.0  # the bucket holds one request
    corrected, uncorrected = Client(answer(Usage(1, 0))), Client(answer(None))
    for client in (corrected, uncorrected):
        run(outcomes(caller(client, limits=(None, per_minute), max_in_flight=1), 3))
    assert corrected.times[-1] < 0.1
    assert uncorrected.times == pytest.approx([0, 6, 12], abs=0.1)


def test_the_actual_cost_is_taken_from_the_budget(tmp_path):
    asking = caller(Client(answer()), purse=purse(tmp_path, 10 * WORST))
    run(asking.ask(REQUEST))
    assert free(tmp_path, 9 * WORST + COST) == 9


def test_an_answer_without_usage_costs_the_worst(tmp_path):
    asking = caller(Client(answer(None)), purse=purse(tmp_path, 10 * WORST))
    answered = run(asking.ask(REQUEST))
    assert answered.cost_usd == pytest.approx(WORST)
    assert free(tmp_path, 10 * WORST) == 9


@pytest.mark.parametrize("failure", [Transient("503"), Refused("no"), Rejected("bad"), BackendDown("down")])
def test_a_failed_request_gives_its_money_back(tmp_path, failure):
    asking = caller(Client(failure), purse=purse(tmp_path, 3 * WORST))
    run(outcomes(asking, 2))
    assert free(tmp_path, 3 * WORST) == 3


@pytest.mark.parametrize("bug", [RuntimeError("a bug"), MemoryError(), asyncio.CancelledError()])
def test_what_is_no_failure_of_a_model_passes_through_and_its_request_may_have_been_charged(tmp_path, bug):
    class Broken(Client):
        async def ask(self, request, timeout_s):
            if len(self.times) == 1:
                self.times.append(0)
                raise bug
            return await super().ask(request, timeout_s)

    client = Broken(answer())
    asking = caller(client, max_in_flight=1, purse=purse(tmp_path, 3 * WORST))

    async def scenario():
        return [(await outcomes(asking))[0] for _ in range(3)]

    first, second, third = run(scenario())
    assert [type(result) for result in (first, second, third)] == [Answered, type(bug), Answered]
    state = json.loads((tmp_path / "budget.json").read_text())
    assert state["lost"] == pytest.approx(WORST)
    assert state["spent"] == pytest.approx(2 * COST)
    assert list(state["open"].values()) == [0.0]


def test_a_run_that_ends_while_requests_are_in_flight_leaves_nothing_set_aside(tmp_path):
    async def scenario():
        ending = asyncio.Event()
        asking = caller(
            Client(answer(), lasts_s=5.0), stopping=ending.is_set, max_in_flight=3, purse=purse(tmp_path, 100 * WORST)
        )
        work = asyncio.create_task(outcomes(asking, 9))
        await asyncio.sleep(7.0)
        ending.set()
        return await work

    results = run(scenario())
    assert [type(result) for result in results] == [Answered] * 4 + [Stopping] * 5
    state = json.loads((tmp_path / "budget.json").read_text())
    assert (state["lost"], list(state["open"].values())) == (0.0, [0.0])
    assert state["spent"] == pytest.approx(4 * COST)


def test_an_answer_that_cannot_be_counted_was_paid_for_all_the_same(tmp_path, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("resources.models.caller.cost_usd", broken)
    asking = caller(Client(answer()), purse=purse(tmp_path, 3 * WORST))
    with pytest.raises(ZeroDivisionError):
        run(asking.ask(REQUEST))
    assert free(tmp_path, 3 * WORST) == 2


def test_a_stopped_request_gives_its_money_back(tmp_path):
    async def scenario():
        ending = asyncio.Event()
        client = Client(Transient("HTTP 503"))
        asking = caller(client, stopping=lambda: len(client.times) > 0 or ending.is_set(), purse=purse(tmp_path, WORST))
        return await outcomes(asking)

    (failure,) = run(scenario())
    assert isinstance(failure, Stopping)
    assert free(tmp_path, WORST) == 1


@pytest.mark.parametrize(("after_s", "left"), [(1.0, 0), (5.0, 1)])
def test_a_request_cancelled_in_flight_may_have_been_charged_and_one_cancelled_in_a_wait_was_not(
    tmp_path, after_s, left
):
    async def scenario():
        asking = caller(
            Client(Transient("HTTP 503"), lasts_s=3.0), retry=RetrySettings(base_s=50.0), purse=purse(tmp_path, WORST)
        )
        task = asyncio.create_task(asking.ask(REQUEST))
        await asyncio.sleep(after_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(scenario())
    assert free(tmp_path, WORST) == left


def test_nothing_is_sent_that_might_pass_the_budget(tmp_path):
    client = Client(answer())
    asking = caller(client, purse=purse(tmp_path, WORST * 0.99))
    (failure,) = run(outcomes(asking))
    assert isinstance(failure, OverBudget)
    assert (client.times, failure.attempts) == ([], 0)


def test_requests_wait_while_only_those_under_way_stand_in_the_way(tmp_path):
    client = Client(answer(), lasts_s=2.0)
    asking = caller(client, purse=purse(tmp_path, 1.5 * WORST))
    results = run(outcomes(asking, 4))
    assert COST * 3 < 0.5 * WORST
    assert [type(result) for result in results] == [Answered] * 4
    assert client.most_in_flight == 1


def test_however_many_are_asked_at_once_the_budget_is_not_passed(tmp_path):
    client = Client(answer(), lasts_s=2.0)
    budget = 3 * WORST
    asking = caller(client, purse=purse(tmp_path, budget))
    results = run(outcomes(asking, 100))
    answered = [result for result in results if isinstance(result, Answered)]
    assert len(answered) + sum(isinstance(result, OverBudget) for result in results) == 100
    assert budget - WORST - COST < sum(result.cost_usd for result in answered) <= budget


def test_money_that_waits_for_others_ends_with_the_run(tmp_path):
    async def scenario():
        other = purse(tmp_path, WORST)
        other.reserve(0.5 * WORST)
        ending = asyncio.Event()
        client = Client(answer())
        asking = caller(client, purse=other, stopping=ending.is_set)
        work = asyncio.create_task(outcomes(asking, 3))
        await asyncio.sleep(10.0)
        ending.set()
        return await work, client.times, clock() - START - 10.0

    results, times, took = run(scenario())
    assert [type(result) for result in results] == [Stopping] * 3
    assert times == []
    assert took < 1.0


def test_the_worst_case_learns_from_prompts_longer_than_estimated(tmp_path):
    """The first answer shows four times the tokens estimated, so a second request of that size does not fit."""
    longer = Usage(prompt_tokens=4 * ESTIMATE, completion_tokens=0)
    client = Client(answer(longer))
    spent = 4 * ESTIMATE / 1e6
    asking = caller(client, purse=purse(tmp_path, spent + WORST + 2 * ESTIMATE / 1e6))

    async def scenario():
        return await outcomes(asking) + await outcomes(asking)

    assert [type(result) for result in run(scenario())] == [Answered, OverBudget]


def test_a_prompt_shorter_than_estimated_lowers_no_worst_case(tmp_path):
    asking = caller(Client(answer(Usage(1, 0))), purse=purse(tmp_path, WORST))

    async def scenario():
        return await outcomes(asking) + await outcomes(asking)

    assert [type(result) for result in run(scenario())] == [Answered, OverBudget]


@pytest.mark.parametrize(
    ("script", "times"),
    [
        ([answer()], [0, 2, 2, 2]),
        ([answer(None), answer()], [0, 2, 4, 4]),  # nothing is learnt from an answer without usage
        ([Rejected("bad"), answer()], [0, 2, 4, 4]),
        ([RuntimeError("bug"), answer()], [0, 2, 4, 4]),
        ([Transient("HTTP 503"), answer()], [0, 4, 6, 6, 6]),
    ],
)
def test_with_a_budget_requests_go_alone_until_an_answer_tells_its_tokens(tmp_path, script, times):
    client = Client(*script, lasts_s=2.0)
    run(outcomes(caller(client, purse=purse(tmp_path, 100 * WORST)), 4))
    assert client.times == pytest.approx(times, abs=0.6)  # they look a few times a second


def test_without_a_budget_all_requests_go_at_once():
    client = Client(answer(), lasts_s=2.0)
    run(outcomes(caller(client), 4))
    assert client.times == [0, 0, 0, 0]


def test_what_the_first_answer_teaches_holds_for_those_who_waited_for_it(tmp_path):
    """The answer shows eight times the tokens estimated: of three that wait, one fits."""
    usage = Usage(prompt_tokens=8 * ESTIMATE, completion_tokens=MAX_TOKENS)
    each = (8 * ESTIMATE * 1.0 + MAX_TOKENS * 10.0) / 1e6
    client = Client(answer(usage), lasts_s=2.0)
    budget = 2 * each + WORST
    results = run(outcomes(caller(client, purse=purse(tmp_path, budget)), 4))
    assert sorted(type(result).__name__ for result in results) == ["Answered", "Answered", "OverBudget", "OverBudget"]
    assert sum(result.cost_usd for result in results if isinstance(result, Answered)) <= budget


def test_a_budget_without_a_price_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"price"):
        caller(Client(answer()), price=None, purse=purse(tmp_path, 1.0))


def test_an_answer_without_a_price_costs_an_unknown_amount():
    assert run(caller(Client(answer()), price=None).ask(REQUEST)).cost_usd is None
    assert run(caller(Client(answer(None)), price=None).ask(REQUEST)).cost_usd is None


def at(stub, tmp_path, budget, **more):
    """A caller of a server that really listens, in real time; it waits for nothing before another attempt."""
    endpoint = Endpoint("server", "stub-model", base_url=stub.base_url, api_key=SecretStr("EMPTY"))
    return Caller(
        ChatCompletions(endpoint, {}),
        ModelSettings(price=PRICE, timeout_s=30.0),
        RetrySettings(base_s=0.0),
        Pacer(8, None, None, time.monotonic, asyncio.sleep),
        Breaker(down_after=3),
        purse(tmp_path, budget),
        **more,
    )


async def outcomes_at(asking, count):
    keyed = [replace(REQUEST, key=f"key-{number}") for number in range(count)]
    results = await asyncio.gather(*(asking.ask(request) for request in keyed), return_exceptions=True)
    await asking._client.close()
    return results


def test_a_server_with_faults_answers_each_request_once_and_is_paid_for_each(tmp_path):
    with ChatStub(faults=Faults(PASSING, probability=0.7, most_per_key=4)) as stub:
        asking = at(stub, tmp_path, 1.0)
        results = asyncio.run(outcomes_at(asking, 40))
    assert all(isinstance(result, Answered) for result in results), results
    assert dict(stub.answered) == {f"key-{number}": 1 for number in range(40)}
    assert sum(result.attempts for result in results) == stub.asked.total() > 40
    assert stub.most_in_flight <= 8
    paid = sum(result.cost_usd for result in results)
    with pytest.raises(OverBudget, match=f"{paid:.4f} are spent, 0.0000 are set aside"):
        asking._purse.reserve(2.0)


def test_no_request_fails_for_good_because_nobody_runs_the_server(tmp_path):
    with ChatStub() as stub:
        pass
    results = asyncio.run(outcomes_at(at(stub, tmp_path, 1.0), 40))
    assert [type(result) for result in results] == [BackendDown] * 40
    assert free(tmp_path, WORST) == 1
