from __future__ import annotations

import pytest

from resources.models.breaker import Breaker
from resources.models.failures import BackendDown


def is_open(breaker):
    try:
        breaker.check()
    except BackendDown:
        return True
    return False


@pytest.mark.parametrize(
    ("outcomes", "opens"),
    [
        ("", False),
        ("xx", False),
        ("xxx", True),
        ("xx.x", False),
        ("xx.xxx", True),
        ("xxx.", True),
    ],
)
def test_it_opens_after_three_failures_in_a_row_and_stays_open(outcomes, opens):
    breaker = Breaker(down_after=3)
    for outcome in outcomes:
        breaker.succeeded() if outcome == "." else breaker.failed("HTTP 503")
    assert is_open(breaker) == opens


@pytest.mark.parametrize(
    ("outcomes", "opens"),
    [
        ("tt", False),
        ("ttt", True),
        ("tt.t", False),
        ("tt.ttt", True),
        ("txtt", True),
        ("xtxt", False),  # neither is three in a row
    ],
)
def test_attempts_that_time_out_open_it_by_themselves_with_nothing_served_in_between(outcomes, opens):
    breaker = Breaker(down_after=3)
    tell = {".": breaker.succeeded, "x": lambda: breaker.failed("HTTP 503"), "t": lambda: breaker.timed_out("late")}
    for outcome in outcomes:
        tell[outcome]()
    assert is_open(breaker) == opens


def test_it_names_the_last_timeout_and_their_count():
    breaker = Breaker(down_after=1)
    breaker.timed_out("gpu-box did not answer within 600 s.")
    with pytest.raises(BackendDown, match=r"^1 attempts in a row got no answer.*timeout_s.*run again.*within 600 s\.$"):
        breaker.check()


def test_it_names_the_last_failure_and_their_count():
    breaker = Breaker(down_after=2)
    breaker.failed("connection refused by gpu-box:8000")
    breaker.failed("HTTP 503 from gpu-box:8000")
    with pytest.raises(BackendDown, match=r"^2 requests in a row failed.*run again.*HTTP 503 from gpu-box:8000$"):
        breaker.check()


def test_it_is_tripped_by_a_backend_that_says_so_itself_and_keeps_the_first_reason():
    breaker = Breaker(down_after=100)
    breaker.trip("The key in OPENAI_API_KEY is not accepted.")
    breaker.trip("later")
    breaker.succeeded()
    with pytest.raises(BackendDown, match="OPENAI_API_KEY"):
        breaker.check()
