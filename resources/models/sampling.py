"""How tokens are drawn, as each kind of model is told; the rest it refuses or makes nothing of.

    taker    told
    local    temperature, top_p, repetition_penalty, max_tokens, seed, thinking
    cloud    temperature, max_tokens, seed
    gpt5     temperature only if it is 1, max_tokens

Requests are written and labels are named by the same table, so that a setting which is not sent makes no label stale.
Source: models.md, section 1.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from resources.models.request import Sampling

Taker = Literal["local", "cloud", "gpt5"]

_TOLD: Mapping[Taker, frozenset[str]] = {
    "local": frozenset({"temperature", "top_p", "repetition_penalty", "max_tokens", "seed", "thinking"}),
    "cloud": frozenset({"temperature", "max_tokens", "seed"}),
    "gpt5": frozenset({"temperature", "max_tokens"}),
}


def taker_of(*, gpt5_family: bool, local: bool) -> Taker:
    """Which row of the table holds; the GPT-5 family is itself wherever it is served."""
    if gpt5_family:
        return "gpt5"
    return "local" if local else "cloud"


def told(taker: Taker, sampling: Sampling, thinking: bool | None) -> dict[str, float | None]:
    """All that may be told, by name; None for what is not sent."""
    values = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "repetition_penalty": sampling.repetition_penalty,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
        "thinking": thinking,
    }
    if taker == "gpt5" and sampling.temperature != 1:
        values["temperature"] = None
    return {name: value if name in _TOLD[taker] else None for name, value in values.items()}


def thinking_of(said: bool | None, model_id: str) -> bool | None:
    """Whether a model is to think: as the settings say; Qwen3.5 is told not to where they say nothing."""
    return False if said is None and "qwen3.5" in model_id.lower() else said


def is_gpt5(model_id: str) -> bool:
    """Whether an id is one of the GPT-5 family, by its last part."""
    leaf = model_id.rsplit("/", 1)[-1].lower().replace("_", "-")
    return leaf.startswith(("gpt-5", "gpt5"))
