from __future__ import annotations

import asyncio

import pytest

from resources.models.failures import Stopping
from resources.models.pacing import Pacer
from tests.resources.models.virtual_time import clock, run


def pacer(max_in_flight=1000, requests=None, tokens=None):
    return Pacer(max_in_flight, requests, tokens, clock, asyncio.sleep)


async def departures(pace, count, *, tokens=0, lasts_s=0.0, actual=None):
    """When each of many requests that arrive together goes out, s after they came."""
    came = clock()
    times = []

    async def one(number):
        async with pace.slot(tokens) as slot:
            times.append((number, round(clock() - came, 2)))
            await asyncio.sleep(lasts_s)
            if actual is not None:
                slot.settle(actual)

    await asyncio.gather(*(one(number) for number in range(count)))
    assert [number for number, _ in times] == list(range(count)), "first come, first served"
    return [time for _, time in times]


@pytest.mark.parametrize(
    ("limits", "work", "expected"),
    [
        ({}, {"count": 5}, [0, 0, 0, 0, 0]),
        ({"max_in_flight": 2}, {"count": 5, "lasts_s": 3.0}, [0, 0, 3, 3, 6]),
        # 30 a minute: three at once, then one every 2 s
        ({"requests": 30}, {"count": 6}, [0, 0, 0, 2, 4, 6]),
        # fewer than ten a minute: one at once all the same
        ({"requests": 2}, {"count": 3}, [0, 30, 60]),
        # 6,000 tokens a minute: 600 at once, then 100 a second
        ({"tokens": 6000}, {"count": 5, "tokens": 200}, [0, 0, 0, 2, 4]),
        # larger than the bucket: waits for a full one and leaves it overdrawn
        ({"tokens": 6000}, {"count": 3, "tokens": 1000}, [0, 10, 20]),
        # the tighter one holds
        ({"requests": 30, "tokens": 6000}, {"count": 4, "tokens": 600}, [0, 6, 12, 18]),
    ],
)
def test_requests_go_out_at_the_pace_of_the_limits(limits, work, expected):
    async def scenario():
        return await departures(pacer(**limits), **work)

    assert run(scenario()) == pytest.approx(expected, abs=0.02)


def test_idle_time_saves_up_no_more_than_the_burst():
    async def scenario():
        pace = pacer(requests=30)
        await asyncio.sleep(3600)
        return await departures(pace, 5)

    assert run(scenario()) == pytest.approx([0, 0, 0, 2, 4], abs=0.02)


@pytest.mark.parametrize(("actual", "expected"), [(600, 6.0), (100, 1.0), (1000, 10.0)])
def test_the_tokens_that_the_server_counted_replace_the_estimate(actual, expected):
    async def scenario():
        pace = pacer(tokens=6000)
        await departures(pace, 1, tokens=600, actual=actual)
        return await departures(pace, 1, tokens=600)

    assert run(scenario()) == pytest.approx([expected], abs=0.02)


def test_tokens_given_back_let_the_waiting_go_sooner():
    async def scenario():
        pace = pacer(tokens=6000)
        first = asyncio.create_task(departures(pace, 1, tokens=600, lasts_s=1.0, actual=0))
        await asyncio.sleep(0)
        times = await departures(pace, 1, tokens=600)
        await first
        return times

    assert run(scenario()) == pytest.approx([1.0], abs=0.26)


def test_a_hold_delays_every_new_request_and_a_shorter_one_does_not_end_it():
    async def scenario():
        pace = pacer()
        pace.hold(30.0)
        pace.hold(5.0)
        return await departures(pace, 3)

    assert run(scenario()) == pytest.approx([30, 30, 30], abs=0.02)


def test_a_hold_reaches_requests_that_already_wait():
    async def scenario():
        pace = pacer(requests=2)
        waiting = asyncio.create_task(departures(pace, 2))
        await asyncio.sleep(10)
        pace.hold(50.0)
        return await waiting

    assert run(scenario()) == pytest.approx([0, 60], abs=0.02)


@pytest.mark.parametrize("limits", [{"max_in_flight": 1}, {"requests": 6}, {"tokens": 600}])
def test_a_cancelled_waiter_gives_back_what_it_took(limits):
    async def scenario(cancelled):
        pace = pacer(**limits)
        first = asyncio.create_task(departures(pace, 1, tokens=60, lasts_s=5.0))
        waiting = [asyncio.create_task(departures(pace, 1, tokens=60)) for _ in range(cancelled)]
        await asyncio.sleep(0.6)
        for task in waiting:
            task.cancel()
        later = await departures(pace, 1, tokens=60)
        await first
        return later

    assert run(scenario(3)) == pytest.approx(run(scenario(0)), abs=0.02)


def test_a_failed_request_leaves_its_place():
    async def scenario():
        pace = pacer(max_in_flight=1)
        with pytest.raises(RuntimeError):
            async with pace.slot():
                raise RuntimeError
        return await departures(pace, 1)

    assert run(scenario()) == [0]


def test_those_who_wait_are_let_go_soon_after_their_check_fails():
    stopping = []

    def check():
        if stopping:
            raise Stopping("the run is ending")

    async def one(pace):
        async with pace.slot(check=check):
            raise AssertionError("not to be sent")

    async def scenario():
        pace = pacer()
        pace.hold(600.0)
        waiting = [asyncio.create_task(one(pace)) for _ in range(3)]
        await asyncio.sleep(1.0)
        stopping.append(True)
        ended = clock()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        return [type(result) for result in results], clock() - ended

    kinds, took = run(scenario())
    assert kinds == [Stopping] * 3
    assert took < 1.0


def test_a_thousand_requests_without_limits_take_no_time():
    async def scenario():
        return await departures(pacer(max_in_flight=16), 1000)

    assert run(scenario()) == [0.0] * 1000
