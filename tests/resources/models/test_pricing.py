from __future__ import annotations

import pytest

from resources.models.pricing import cost_usd, estimate_tokens, worst_cost_usd
from resources.models.request import ChatRequest, Image, Message, Sampling, Text, Usage, Video
from resources.settings.models import PriceSettings

PRICE = PriceSettings(input_usd=2.0, output_usd=10.0, cached_input_usd=0.5)
TURN = 8


def request(*parts, schema=None):
    return ChatRequest("key", "model", [Message("user", parts)], Sampling(max_tokens=10), schema)


@pytest.mark.parametrize(
    ("usage", "price", "share", "usd"),
    [
        (Usage(1_000_000, 0), PRICE, 1.0, 2.0),
        (Usage(0, 1_000_000), PRICE, 1.0, 10.0),
        (Usage(1_000_000, 0, cached_tokens=400_000), PRICE, 1.0, 0.6 * 2.0 + 0.4 * 0.5),
        (Usage(1_000_000, 0, cached_tokens=400_000), PriceSettings(input_usd=2.0, output_usd=10.0), 1.0, 2.0),
        (Usage(1_000, 1_000_000, 0, reasoning_tokens=900_000), PRICE, 1.0, 10.002),  # reasoning is within the answer
        (Usage(1_000_000, 1_000_000), PRICE, 0.5, 6.0),
        (Usage(1_000_000, 1_000_000, 400_000), PriceSettings(input_usd=2, output_usd=1, cached_input_usd=0), 1.0, 2.2),
        (Usage(1_000_000, 1_000_000), None, 1.0, None),
    ],
)
def test_a_request_costs_what_its_tokens_cost(usage, price, share, usd):
    assert cost_usd(usage, price, share) == (None if usd is None else pytest.approx(usd))


def test_at_worst_the_answer_is_as_long_as_may_be_and_nothing_is_cached():
    assert worst_cost_usd(1_000_000, 100_000, PRICE) == pytest.approx(3.0)
    assert worst_cost_usd(1_000_000, 100_000, PRICE, share=0.5) == pytest.approx(1.5)
    assert worst_cost_usd(1000, 10, PRICE) >= cost_usd(Usage(1000, 10, 1000), PRICE)


def test_a_cache_dearer_than_fresh_tokens_counts_at_worst():
    dear = PriceSettings(input_usd=2.0, output_usd=10.0, cached_input_usd=3.0)
    assert worst_cost_usd(1_000_000, 0, dear) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("parts", "per_image", "tokens"),
    [
        ((), None, TURN),
        ((Text("x" * 300),), None, TURN + 100),
        ((Text("x" * 301),), None, TURN + 101),
        ((Text("前方车辆减速"),), None, TURN + 6),
        ((Image(960, 540),), None, TURN + 8 + 35 * 20),
        ((Image(961, 541),), None, TURN + 8 + 35 * 20),
        ((Image(64, 64),), None, TURN + 8 + 256),
        ((Image(9000, 9000),), None, TURN + 8 + 16_384),
        ((Image(960, 540),) * 16, None, TURN + 16 * 708),
        ((Image(960, 540),) * 16, 1000, TURN + 16 * 1008),
        ((Video(960, 540, frames=16),), None, TURN + 8 * 708),
        ((Video(960, 540, frames=15),), None, TURN + 8 * 708),
        ((Video(960, 540, frames=0),), None, TURN + 708),
        ((Video(960, 540, frames=16),), 300, TURN + 8 * 308),
    ],
)
def test_prompts_are_estimated_by_words_and_pictures(parts, per_image, tokens):
    assert estimate_tokens(request(*parts), per_image) == tokens


def test_the_schema_and_every_turn_count():
    bare, with_schema = (estimate_tokens(request(schema=schema), None) for schema in (None, {"type": "object"}))
    assert with_schema > bare
    turns = ChatRequest("key", "model", [Message("system", ()), Message("user", ())], Sampling(max_tokens=10))
    assert estimate_tokens(turns, None) == 2 * bare
