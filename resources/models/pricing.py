"""What a request costs: from the tokens that the server counted, or beforehand at worst.

Nobody but the server knows how many tokens a prompt has, so the estimate leans upwards and uses no tokenizer:

    words       a token for every 3 bytes of UTF-8 (English takes 4, Chinese 3), the answer's schema included
    a picture   a token for every 28×28 pixels begun, at least 256 (GPT-5 takes 210 for the smallest) and at most
                16,384 (where Qwen's processors scale down); or `tokens_per_image`
    a video     a picture for every two frames, as Qwen merges them, at least one
    each turn   8 tokens of chat template, and as many around a picture
"""

from __future__ import annotations

import json
import math

from resources.models.request import ChatRequest, Image, Message, Part, Text, Usage, Video
from resources.settings.models import PriceSettings

_MILLION = 1_000_000
_BYTES_PER_TOKEN = 3
_PATCH_PX = 28
_LEAST_PER_PICTURE = 256
_MOST_PER_PICTURE = 16_384
_FRAMES_PER_PICTURE = 2
_TEMPLATE = 8


def cost_usd(usage: Usage, price: PriceSettings | None, share: float = 1.0) -> float | None:
    """What a request cost, USD; None without a price.

    Args:
        share: of the price that is charged, e.g. 0.5 for a batched request.
    """
    if price is None:
        return None
    cached_usd = price.input_usd if price.cached_input_usd is None else price.cached_input_usd
    fresh = usage.prompt_tokens - usage.cached_tokens
    dollars = fresh * price.input_usd + usage.cached_tokens * cached_usd + usage.completion_tokens * price.output_usd
    return dollars * share / _MILLION


def worst_cost_usd(prompt_tokens: int, max_tokens: int, price: PriceSettings, share: float = 1.0) -> float:
    """What a request may cost at most, USD: nothing is read from the cache and the answer takes all it may."""
    dearest_input = max(price.input_usd, price.cached_input_usd or 0.0)
    return (prompt_tokens * dearest_input + max_tokens * price.output_usd) * share / _MILLION


def estimate_tokens(request: ChatRequest, tokens_per_image: int | None) -> int:
    """Prompt tokens of a request, rather too many than too few, by the rules above.

    Args:
        tokens_per_image: replaces the rule by size.
    """
    schema = _words(json.dumps(request.schema)) if request.schema else 0
    return schema + sum(_turn(message, tokens_per_image) for message in request.messages)


def _turn(message: Message, tokens_per_image: int | None) -> int:
    return _TEMPLATE + sum(_part(part, tokens_per_image) for part in message.parts)


def _part(part: Part, tokens_per_image: int | None) -> int:
    match part:
        case Text():
            return _words(part.text)
        case Image():
            return _picture(part, tokens_per_image)
        case Video():
            return max(1, math.ceil(part.frames / _FRAMES_PER_PICTURE)) * _picture(part, tokens_per_image)


def _words(text: str) -> int:
    return math.ceil(len(text.encode()) / _BYTES_PER_TOKEN)


def _picture(picture: Image | Video, tokens_per_image: int | None) -> int:
    return _TEMPLATE + (tokens_per_image or _by_size(picture.width, picture.height))


def _by_size(width: int, height: int) -> int:
    patches = math.ceil(width / _PATCH_PX) * math.ceil(height / _PATCH_PX)
    return min(max(patches, _LEAST_PER_PICTURE), _MOST_PER_PICTURE)
