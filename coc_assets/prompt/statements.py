"""Where one SQL statement ends and the next begins."""

from __future__ import annotations

import re

_COMMENT = r"--[^\n]*|/\*.*?(?:\*/|\Z)"
_QUOTED = (
    r"\b[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)"
    r"|'[^']*(?:''[^']*)*(?:'|\Z)"
    r'|"[^"]*(?:""[^"]*)*(?:"|\Z)'
    r"|\$(?P<tag>[A-Za-z_]\w*|)\$.*?(?:\$(?P=tag)\$|\Z)"
)
_PIECE = re.compile(f"(?P<comment>{_COMMENT})|(?P<quoted>{_QUOTED})|(?P<end>;)", re.DOTALL)
"""What a semicolon may stand in without ending anything, open to the end of the text where it is not closed yet."""


def split_statements(text: str) -> tuple[list[str], str]:
    """The statements that a semicolon ends, without it, and what follows the last one; blank statements are left out.

    Semicolons in strings, quoted names and comments end nothing.
    """
    whole, start = [], 0
    for piece in _PIECE.finditer(text):
        if piece["end"]:
            whole.append(text[start : piece.start()].strip())
            start = piece.end()
    return [statement for statement in whole if not is_blank(statement)], text[start:]


def is_blank(text: str) -> bool:
    """Whether there is nothing but blanks and comments."""
    return not _PIECE.sub(lambda piece: "" if piece["comment"] else piece[0], text).strip()


def is_open(text: str) -> bool:
    """Whether the text ends inside a string, a quoted name or a comment."""
    pieces = list(_PIECE.finditer(f"{text}\0"))
    return bool(pieces) and pieces[-1].end() > len(text)
