from __future__ import annotations

import pytest

from resources.models.request import Sampling
from resources.models.sampling import is_gpt5, taker_of, thinking_of, told

KNOBS = ("temperature", "top_p", "repetition_penalty", "max_tokens", "seed", "thinking")


@pytest.mark.parametrize(
    ("gpt5_family", "local", "taker"),
    [(False, True, "local"), (False, False, "cloud"), (True, False, "gpt5"), (True, True, "gpt5")],
)
def test_the_gpt5_family_is_itself_wherever_it_is_served(gpt5_family, local, taker):
    assert taker_of(gpt5_family=gpt5_family, local=local) == taker


@pytest.mark.parametrize(
    ("taker", "temperature", "expected"),
    [
        ("local", 0.5, (0.5, 0.9, 1.1, 99, 42, False)),
        ("cloud", 0.5, (0.5, None, None, 99, 42, None)),
        ("gpt5", 0.5, (None, None, None, 99, None, None)),
        ("gpt5", 1.0, (1.0, None, None, 99, None, None)),
        ("gpt5", None, (None, None, None, 99, None, None)),
        ("local", None, (None, 0.9, 1.1, 99, 42, False)),
    ],
)
def test_each_taker_is_told_what_it_takes(taker, temperature, expected):
    found = told(taker, Sampling(99, temperature, 0.9, 1.1, 42), thinking=False)
    assert found == dict(zip(KNOBS, expected, strict=True))


@pytest.mark.parametrize(
    ("said", "model_id", "expected"),
    [
        (None, "Qwen/Qwen3.5-35B-A3B", False),
        (None, "qwen3.5", False),
        (True, "Qwen/Qwen3.5-35B-A3B", True),
        (None, "Qwen/Qwen3-VL-8B", None),
        (False, "other", False),
    ],
)
def test_only_qwen35_is_told_not_to_think_unasked(said, model_id, expected):
    assert thinking_of(said, model_id) is expected


@pytest.mark.parametrize(
    ("model_id", "expected"),
    [
        ("gpt-5", True),
        ("us/azure/openai/gpt-5", True),
        ("GPT_5.5-mini", True),
        ("gpt5-turbo", True),
        ("gpt-4o", False),
        ("gpt-5/other", False),
        ("Qwen/Qwen3.5-35B-A3B", False),
    ],
)
def test_the_gpt5_family_goes_by_the_last_part_of_the_id(model_id, expected):
    assert is_gpt5(model_id) is expected
