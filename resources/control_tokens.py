"""Text that trainers read as commands instead of words (training exports, A and C)."""

from __future__ import annotations

import re

CONTROL_TOKEN = re.compile(r"<\|.*?\|>|<image>|<video>", re.DOTALL)
