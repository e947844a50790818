from __future__ import annotations

import json
from contextlib import suppress

import pytest

from coc_assets.raw_coc.vlm import lenient
from coc_assets.raw_coc.vlm.lenient import (
    UnreadableAnswer,
    clean,
    forbidden,
    looks_refused,
    read_json,
    shortened,
    without_reasoning,
)

WHOLE = {"trace": "Stop", "causes": [1, 2]}
TEXT = json.dumps(WHOLE)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param(TEXT, WHOLE, id="whole"),
        pytest.param(f"\ufeff  {TEXT}\n", WHOLE, id="byte order mark and space"),
        pytest.param("[1, 2]", [1, 2], id="list"),
        pytest.param(json.dumps(TEXT), WHOLE, id="JSON in a JSON string"),
        pytest.param('{"trace": "a\tb\nc"}', {"trace": "a\tb\nc"}, id="raw control characters"),
        pytest.param(f"<think>is it {{}}?</think>{TEXT}", WHOLE, id="reasoning"),
        pytest.param(f'it is {{"trace": "no"}}</think>\n{TEXT}', WHOLE, id="reasoning without its start"),
        pytest.param(f"{TEXT}<think>was that right?", WHOLE, id="reasoning without its end"),
        pytest.param(f"<THINKING>hm</THINKING>{TEXT}", WHOLE, id="reasoning in other words"),
        pytest.param('{"trace": "a </think> b"}', {"trace": "a </think> b"}, id="a tag inside a string"),
        pytest.param(f"Here:\n```json\n{TEXT}\n```\nDone.", WHOLE, id="fence"),
        pytest.param(f"```\nno\n```\n```json\n{TEXT}\n```", WHOLE, id="second fence"),
        pytest.param(f"```json\n{TEXT}", WHOLE, id="fence without end"),
        pytest.param(f"```{TEXT}```", WHOLE, id="fence on one line"),
        pytest.param('```json\n{"a": "use ``` here"}\n```', {"a": "use ``` here"}, id="fence inside a string"),
        pytest.param(f"Sure! {TEXT} Anything else?", WHOLE, id="prose around it"),
        pytest.param(f"{TEXT}<|im_end|>", WHOLE, id="token after it"),
        pytest.param(f"As [1] says, {{}}: {TEXT}", WHOLE, id="a citation is no answer"),
        pytest.param(f"{{not it}} {TEXT}", WHOLE, id="braces before it"),
        pytest.param("so [1, 2].", [1, 2], id="a list in prose"),
        pytest.param('[{"a": 1}, {"a": 2}] it is', [{"a": 1}, {"a": 2}], id="list of objects"),
        pytest.param("{'a': True, 'b': None, 'c': (1, 2)}", {"a": True, "b": None, "c": [1, 2]}, id="Python"),
        pytest.param("Answer: {'a': 'it\\'s',} ok", {"a": "it's"}, id="Python in prose"),
    ],
)
def test_read_json(text, value):
    assert read_json(text) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        ("<think>I will stop", "only reasoning"),
        ("<think>{}</think>", "only reasoning"),
        ("Stop for the light.", "no JSON object"),
        ("42", "no JSON object"),
        ('"stop"', "no JSON object"),
        ("null", "no JSON object"),
        ('{"trace": "Stop for the li', "breaks off"),
        ('{"trace": "Stop", "causes": [1,', "breaks off"),
        ('{"trace": "Stop" "causes": 1}', "broken at character 17"),
        ('{"a": NaN}', "does not know"),
        ('{"a": -Infinity}', "does not know"),
        ('{"a": 1e999}', "does not know"),
        ('{"a": ' + "9" * 5000 + "}", "does not know"),
        ("{'a': {1, 2}}", "broken at character"),
    ],
)
def test_what_cannot_be_read_says_why(text, why):
    with pytest.raises(UnreadableAnswer, match=why):
        read_json(text)


@pytest.mark.parametrize(
    "bomb",
    [
        "[" * 100_000,
        '{"a":' * 30_000,
        "{'a': " + "(" * 50_000,
        "{'a': " + "1+" * 40_000 + "1}",
        "{'a': " + "-" * 90_000,
    ],
    ids=["lists", "objects", "parentheses", "sums", "signs"],
)
def test_nesting_is_an_unreadable_answer(bomb):
    with pytest.raises(UnreadableAnswer):
        read_json(bomb)


def test_no_part_of_a_long_answer_is_decoded_over_and_over(monkeypatch):
    """Counted, not timed: characters that attempts at decoding start on and get past."""
    decode, read = lenient._DECODER.raw_decode, []

    class Counting:
        def raw_decode(self, text, start):
            try:
                value, end = decode(text, start)
            except json.JSONDecodeError as error:
                read.append(error.pos - start + 1)
                raise
            read.append(end - start)
            return value, end

    monkeypatch.setattr(lenient, "_DECODER", Counting())
    broken = (
        '[1, {"a": [2, ' * 7_000,
        "{[" * 50_000,
        '["a", ' * 50 + "x " * 50_000,
        "[1] " * 25_000,
        "[" + "1," * 50_000,
    )
    for garbage in broken:
        read.clear()
        with suppress(UnreadableAnswer):
            read_json(garbage[:100_000])
        assert sum(read) <= 4 * len(garbage[:100_000])


def test_reasoning_is_cut_out():
    assert without_reasoning("a <think>b</think> c") == "a  c"
    assert without_reasoning("b</think>c") == "c"
    assert without_reasoning("c<think>b") == "c"
    assert without_reasoning("<think>a<think>b</think>b</think>c") == "c"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  Stop \n\t for\x00the\x1b light\u2028. ", "Stop for the light ."),
        ("cafe\u0301", "caf\u00e9"),
        ("a\u200bb\u202ec\ufeff", "abc"),
        ("lone \ud800 half", "lone half"),
        ("", ""),
        ("plain words", "plain words"),
    ],
)
def test_clean(text, cleaned):
    assert clean(text) == cleaned
    assert clean(cleaned) == cleaned
    cleaned.encode()


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("Stop <|im_end|> now <image>", "<|im_end|>"),
        ("an <image> and <|x|>", "<image>"),
        ("the <video>", "<video>"),
        ("<| spread\nout |>", "<| spread\nout |>"),
        ("a <| b", None),
        ("a |> b <| c", None),
        ("<|>", None),
        ("x < 3 | y > 2", None),
        ("", None),
    ],
)
def test_forbidden(text, token):
    assert forbidden(text) == token


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't assist with that.",
        "I’m sorry, I cannot help.",
        "Sorry, I can't view the frames.",
        "I cannot provide an analysis of this scene.",
        "I am unable to view images.",
        "As an AI model, I do not drive.",
        "<think>Should I?</think>I can not safely comply with this.",
        "Your prompt was stopped by the content policy.",
        "No images were provided.",
    ],
)
def test_refusals(text):
    assert looks_refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "Stop because the truck ahead cannot pass.",
        "Yield, since I cannot pass the cyclist safely.",
        '{"trace": "I\'m sorry, I cannot assist"}',
        '{"trace": "I\'m sorry, I cann',
        '```json\n{"trace": "I\'m sorry"}\n```',
        'I\'m sorry for the delay: {"trace": "Stop"}',
        "<think>I'm sorry, I cannot assist</think>Stop for the red light.",
        "Stop. " * 200 + "I'm sorry",
        "",
    ],
)
def test_no_refusals(text):
    assert not looks_refused(text)


def test_shortened():
    assert shortened("abc", 3) == "abc"
    assert shortened("abcd", 3) == "ab…"
