"""Reasoning texts as word numbers and back: a vocabulary of whole words, with the figures rounded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

PAD, BEGIN, END, UNKNOWN = range(4)
_SPECIAL = ("<pad>", "<begin>", "<end>", "<unknown>")

_MARKS = ".,;:!?"
_TOKEN = re.compile(rf"[{_MARKS}]+(?=\s|$)|\S+?(?=[{_MARKS}]*(?:\s|$))")
_FIGURE = re.compile(r"\d+(\.\d+)?")
_FINE_BELOW, _COARSE_STEP = 10, 5  # figures: whole ones below the first, multiples of the second from there on


def tokens_of(text: str) -> list[str]:
    """Words, figures and the marks that end a word, each a token.

    A figure becomes a whole number below 10 and a multiple of 5 from there on, so that a few hundred texts show each
    often enough to be learnt: `ahead 14.2 m, closing at 2.9 m/s.` → `ahead 15 m , closing at 3 m/s .`
    """
    return [_rounded(token) if _FIGURE.fullmatch(token) else token for token in _TOKEN.findall(text)]


def text_of(tokens: Iterable[str]) -> str:
    """Tokens joined to a text again, marks without a space before them."""
    return "".join(token if token[0] in _MARKS else f" {token}" for token in tokens).strip()


@dataclass(frozen=True)
class Vocabulary:
    """The words that a model can read and write, by their number.

    Attributes:
        words: the four special ones, then those of the texts, sorted.
    """

    words: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Vocabulary:
        """All words of the texts; make it of the train split alone."""
        return cls(_SPECIAL + tuple(sorted({token for text in texts for token in tokens_of(text)})))

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: str) -> list[int]:
        """Numbers of the text's words, then END; UNKNOWN stands for a word that is not in the vocabulary."""
        return [self._numbers.get(token, UNKNOWN) for token in tokens_of(text)] + [END]

    def decode(self, numbers: Iterable[int]) -> str:
        """The text that the numbers of its words, without END, stand for."""
        return text_of(self.words[number] for number in numbers)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}


def padded(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """Rows of one length, PAD behind what was shorter."""
    longest = max((len(row) for row in rows), default=0)
    return [[*row, *[PAD] * (longest - len(row))] for row in rows]


def _rounded(figure: str) -> str:
    value = float(figure)
    return f"{value:.0f}" if value < _FINE_BELOW else f"{_COARSE_STEP * round(value / _COARSE_STEP)}"
