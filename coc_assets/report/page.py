"""The report as one HTML page: everything inside it, nothing loaded from anywhere.

The page forbids itself, by its content policy, every script and style but its own two. What the store holds is
escaped, and credentials that this process knows of are masked.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib import resources as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from coc_assets.plots import data_url
from coc_assets.report import charts
from coc_assets.report.due import chunk_ranges
from resources.models.redaction import redact, secrets_in
from resources.store import Store

if TYPE_CHECKING:
    from jinja2 import Environment

    from coc_assets.report.report import Report

_TEMPLATES = package_files.files("coc_assets.report") / "templates"
_PAGE, _STYLE, _SCRIPT = "report.html", "report.css", "report.js"
MOST_ROWS, MOST_DAYS = 40, 60
"""Rows of a table, and days of a series; what is beyond is counted, and `coc sql` has it."""
_LONGEST_RANGES = 40  # characters of a list of chunks; the rest is only counted


def render(report: Report, made_at: datetime) -> bytes:
    """The page, UTF-8; equal reports give equal bytes but for the time that is named."""
    page = (
        _environment()
        .get_template(_PAGE)
        .render(
            report=report,
            made_at=made_at.strftime("%Y-%m-%d %H:%M UTC"),
            style=Markup(_text(_STYLE)),
            script=Markup(_text(_SCRIPT)),
            policy=content_policy(),
            charts=charts,
            most=MOST_ROWS,
            most_days=MOST_DAYS,
        )
    )
    return page.encode()


def report_path(store: Store) -> Path:
    """Where the asset keeps a store's page, and `coc review` looks for it."""
    return store.root / "report" / "index.html"


def content_policy() -> str:
    """What the page may do: run its own script, use its own style, show pictures that it holds. Nothing else."""
    style, script = (_hash(_text(name)) for name in (_STYLE, _SCRIPT))
    return (
        f"default-src 'none'; script-src '{script}'; style-src '{style}'; img-src data:; form-action 'none'; "
        "base-uri 'none'"
    )


def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_masked(secrets_in(os.environ)),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        share=_share,
        number=_number,
        seconds=_seconds,
        chunks=_chunks,
        jpeg=_jpeg,
        words=_words,
        usd=_usd,
        signed=_signed,
    )
    return environment


def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _masked(secrets: Sequence[str]) -> Callable[[Any], Any]:
    """Masks credentials in whatever text the template puts out; its own drawings and pictures pass."""

    def mask(value: Any) -> Any:
        return redact(value, secrets) if isinstance(value, str) and not isinstance(value, Markup) else value

    return mask


# ---- how values read -------------------------------------------------------------------------------------------------


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _number(value: float | int | None, decimals: int = 0) -> str:
    return "–" if value is None else f"{round(value, decimals) + 0:,.{decimals}f}"  # + 0: no negative zero


def _signed(seconds: float) -> str:
    """Seconds before (−) or after (+) the keyframe."""
    return f"{round(seconds, 1) + 0:+.1f}".replace("-", "−")


def _usd(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f} USD"


def _seconds(value: float | None) -> str:
    """A duration in the unit that reads well."""
    if value is None:
        return "–"
    if value < 60:
        return f"{value:.3g} s"
    return f"{value / 60:.1f} min" if value < 3600 else f"{value / 3600:.1f} h"


def _chunks(chunks: Sequence[str]) -> str:
    """Chunks as ranges, the first few of many."""
    ranges = chunk_ranges(chunks)
    if len(ranges) <= _LONGEST_RANGES:
        return ranges
    return f"{ranges[:_LONGEST_RANGES].rpartition(',')[0]}, …"


def _jpeg(picture: bytes) -> Markup:
    return Markup(data_url(picture, "image/jpeg"))


def _words(name: str | None) -> str:
    """A name of the closed sets as words."""
    return "none" if name is None else name.replace("_", " ")
