"""Reading what a model returned: JSON wrapped in reasoning, fences or prose, and text that has to be made clean.

All of it takes time in proportion to the text, however broken that is.
"""

from __future__ import annotations

import ast
import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

_BOM = "\ufeff"
_LITERAL_CHARACTERS = 100_000  # Python's own parser takes memory many times the text
_ATTEMPTS = 1_000  # brackets that open no JSON; every error counts the lines before it
_SHOWN = 40
_REFUSED_WITHIN = 600
_REASONING_END = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_REASONING_START = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_FENCE = "```"
_FENCE_NAME = re.compile(r"[\w+.-]{1,20}(?=\s)")
_DECODER = json.JSONDecoder(strict=False)
_BRACKET = re.compile(r"[{\[]")
_UNWANTED = {"Cc": " ", "Cs": " ", "Zl": " ", "Zp": " ", "Cf": ""}
"""Kinds of characters that no label holds (controls, lone surrogates, line breaks, invisible marks), and what for."""

_DECLINED_TO = (
    r"(?:assist|help|comply|provide|analy[sz]e|describe|fulfil+|answer|process|view|see|identify|do (?:that|this)"
    r"|continue|label|complete|generate|create|support|respond|determine|watch|access|interpret|with)"
)
_REFUSAL = re.compile(
    r"\bi(?:'m| am) (?:very |truly |so )?sorry\b|\bsorry, (?:but )?i\b|^\W*sorry\b|\bi apologi[sz]e\b|\bas an ai\b"
    r"|\bi(?: can(?:no|')t| can not| won't| will not| must decline to| decline to|(?:'m| am) (?:unable|not able) to)"
    rf" (?:\w+ly )?{_DECLINED_TO}\b"
    r"|\bunable to (?:assist|help|comply|process|view|access)\b|\b(?:responsible ai|content|usage) polic(?:y|ies)\b"
    r"|\bno (?:video|image|frame)s? (?:was|were|is|are|have been) (?:provided|attached|available|given)\b",
    re.IGNORECASE,
)


class UnreadableAnswer(ValueError):
    """The answer holds no JSON object or list; the message says why, in words that help whoever answers again."""


def read_json(text: str) -> Any:
    """The object or list that an answer holds.

    Tried in this order, without the model's reasoning: the whole text (a JSON string is read again), each fenced block,
    the first object or list from the left (one that holds an object, if there is any), a Python literal.

    Raises:
        UnreadableAnswer: there is none.
    """
    answer = without_reasoning(text)
    readings: tuple[Callable[[str], Any], ...] = (_whole, _fenced, _embedded, _literal)
    try:
        found = _whole(text)
        for read in readings:
            found = found if found is not None else read(answer)
    except RecursionError:
        raise UnreadableAnswer("the answer is nested too deeply; return one object that follows the schema") from None
    if found is None:
        raise UnreadableAnswer(_why(text, answer))
    return found


def without_reasoning(text: str) -> str:
    """The text without `<think>…</think>`, without what precedes a `</think>` alone, or follows a `<think>` alone."""
    *closed, last = _REASONING_END.split(text)
    opened = [_REASONING_START.split(part, maxsplit=1) for part in closed]
    kept = [parts[0] for parts in opened if len(parts) == 2]
    return "".join([*kept, _REASONING_START.split(last, maxsplit=1)[0]]).strip()


def _whole(text: str) -> Any:
    """The text as JSON, or the JSON in its JSON string."""
    for _ in range(2):
        try:
            value = json.loads(text.strip().removeprefix(_BOM), strict=False)
        except ValueError:
            return None
        if not isinstance(value, str):
            return _plain(value)
        text = value
    return None


def _fenced(text: str) -> Any:
    return next((value for block in text.split(_FENCE)[1::2] if (value := _whole(_unnamed(block))) is not None), None)


def _unnamed(block: str) -> str:
    """A fenced block without its language."""
    name = _FENCE_NAME.match(block)
    return block[name.end() :] if name else block


def _embedded(text: str) -> Any:
    """The first object or list of objects in the text; where there is none, the first list or empty object."""
    first = None
    for value in _decoded(text):
        if _holds_object(value):
            return value
        first = value if first is None else first
    return first


def _holds_object(value: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    return any(isinstance(item, dict) and item for item in items)


def _decoded(text: str) -> Iterator[Any]:
    """Every object and list that decodes, from the left; what broke one is not read again, so the work stays linear."""
    at = broken = 0
    while broken < _ATTEMPTS and (bracket := _BRACKET.search(text, at)):
        start = bracket.start()
        try:
            value, at = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError as error:
            at, broken = max(start + 1, error.pos), broken + 1
        except ValueError:  # a number of thousands of digits
            at, broken = start + 1, broken + 1
        else:
            plain = _plain(value)
            if plain is not None:
                yield plain


def _literal(text: str) -> Any:
    """A Python literal: the whole text, else what lies between its first { and its last }."""
    inner = text[text.find("{") : text.rfind("}") + 1]
    return next((value for each in (text, inner) if (value := _evaluated(each)) is not None), None)


def _evaluated(text: str) -> Any:
    if not text.startswith(("{", "[")) or len(text) > _LITERAL_CHARACTERS:
        return None
    try:
        return _plain(json.loads(json.dumps(ast.literal_eval(text))))
    except (ValueError, SyntaxError, TypeError, MemoryError):
        return None


def _plain(value: Any) -> Any:
    """The value where it is an object or list of numbers that JSON knows, else None."""
    return value if isinstance(value, dict | list) and _is_finite(value) else None


def _is_finite(value: Any) -> bool:
    items = [value]
    while items:
        item = items.pop()
        if isinstance(item, float) and not math.isfinite(item):
            return False
        items.extend(item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
    return True


def _why(text: str, answer: str) -> str:
    """What is wrong with an answer that holds no object."""
    if not answer:
        what = "holds only reasoning" if text.strip() else "is empty"
        return f"the answer {what}; return one JSON object"
    start = answer.find("{")
    if start < 0:
        return f"the answer has no JSON object, it begins {shortened(answer)!r}; return one JSON object and no prose"
    try:
        _DECODER.raw_decode(answer, start)
    except json.JSONDecodeError as error:
        return _broken(answer, error)
    except ValueError:
        pass
    return "the answer holds a number that JSON does not know (NaN, Infinity, or too many digits)"


def _broken(answer: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(answer.rstrip()) or error.msg.startswith("Unterminated string"):
        return f"the JSON breaks off after {len(answer)} characters, near {answer[-_SHOWN:]!r}; return it whole"
    near = answer[max(error.pos - _SHOWN // 2, 0) : error.pos + _SHOWN // 2]
    return f"the JSON is broken at character {error.pos} ({error.msg}), near {near!r}"


def shortened(text: str, most: int = _SHOWN) -> str:
    """The text, or its beginning and an ellipsis where it is longer than `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def clean(text: str) -> str:
    """The text as one line of composed characters (NFC): controls and runs of white space are one space."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    kept = "".join(_UNWANTED.get(unicodedata.category(character), character) for character in text)
    return " ".join(unicodedata.normalize("NFC", kept).split())


def forbidden(text: str) -> str | None:
    """The first token in the text that trainers read as a command (`<|…|>`, `<image>`, `<video>`), None without any."""
    found = [(text.find(token), token) for token in ("<image>", "<video>")]
    start = text.find("<|")
    end = text.find("|>", start + 2)
    if 0 <= start < end:
        found.append((start, text[start : end + 2]))
    return min(((at, token) for at, token in found if at >= 0), default=(0, None))[1]


def looks_refused(text: str) -> bool:
    """Whether the text declines to answer in words of its own; JSON, whole or broken, never does."""
    answer = without_reasoning(text)
    if answer.startswith(("{", "[", _FENCE)):
        return False
    said = answer[:_REFUSED_WITHIN].replace("’", "'")
    return bool(_REFUSAL.search(said)) and not _holds_json(answer)


def _holds_json(text: str) -> bool:
    try:
        read_json(text)
    except UnreadableAnswer:
        return False
    return True
