"""Structured logs: what each stage, sensor and collection came to, one line each, for people or for a log collector.

Off until chosen (`operate.log`, `operate.log_file`). The lines go through the standard logger `coc_assets`, so a
program's own handlers see them too, and so does Dagster where its `python_logs` names that logger. Lines hold ids,
counts and messages, never texts of labels, and known secrets in them become `***`.
"""

from __future__ import annotations

import json
import logging
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from resources.settings import Settings

if TYPE_CHECKING:
    from coc_assets.stage import Work
    from resources.receipts import Receipt

LOGGER = "coc_assets"
FOLDER = "logs"
"""Of the store: one file of JSON lines a day."""
Event = Literal["stage", "sensor", "schedule", "gc"]
Form = Literal["text", "json"]

_STREAM, _FILE = "coc-stream", "coc-file"  # names of our handlers, by which they are found again
_QUOTED = re.compile(r'[\s"=]')
logging.getLogger(LOGGER).addHandler(logging.NullHandler())  # else the library's last resort would print errors


def log_event(event: Event, *, level: int = logging.INFO, **facts: Any) -> None:
    """Says that something happened, as one line without secrets; facts that are None are left out.

    Args:
        facts: by name, as anything JSON can hold.
    """
    logger = logging.getLogger(LOGGER)
    if logger.isEnabledFor(level):
        told = {name: _without_secrets(value) for name, value in facts.items() if value is not None}
        words = " ".join([event, *(f"{name}={_word(value)}" for name, value in told.items())])
        logger.log(level, "%s", words, extra={"event": event, "facts": told})


def log_stage(work: Work, state: Literal["made", "fresh", "failed"], receipt: Receipt) -> None:
    """Says what came of one stage on one chunk, from its receipt."""
    failed = state == "failed"
    log_event(
        "stage",
        level=logging.ERROR if failed else logging.INFO,
        chunk=work.chunk,
        stage=work.stage.name,
        state=state,
        run=work.run,
        labeler=work.settings.labeler if work.stage.by_labeler else None,
        rows=receipt.counts.get(work.stage.tables[0].name),
        rejected=receipt.figures.get("rejected"),
        seconds=None if state == "fresh" else receipt.duration_s,
        error=receipt.error,
    )


def configure_logging(settings: Settings) -> None:
    """Sends this process's lines where the settings say; called again, the later settings hold."""
    logger = logging.getLogger(LOGGER)
    for handler in [handler for handler in logger.handlers if handler.name in (_STREAM, _FILE)]:
        logger.removeHandler(handler)
    chosen = settings.operate
    if chosen.log != "off":
        _add(logger, logging.StreamHandler(), _STREAM, chosen.log)
    if chosen.log_file:
        _add(logger, _DailyFile(settings.store / FOLDER), _FILE, "json")
    if chosen.log != "off" or chosen.log_file:
        logger.setLevel(logging.INFO)


def _add(logger: logging.Logger, handler: logging.Handler, name: str, form: Form) -> None:
    handler.set_name(name)
    handler.setFormatter(_Line(form))
    logger.addHandler(handler)


class _Line(logging.Formatter):
    """A record as one line: `time level event name=value …`, or the same as JSON."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        instant = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        level = record.levelname.lower()
        if self._form == "text":
            return f"{instant} {level} {record.getMessage()}"
        told = getattr(record, "facts", {"message": record.getMessage()})
        head = {"time": instant, "level": level, "event": getattr(record, "event", "log")}
        return json.dumps({**head, **told}, ensure_ascii=False, default=str)


def _word(value: Any) -> str:
    """As it stands, or quoted where it holds blanks, so that a line stays a line."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if _QUOTED.search(text) or not text else text


def _without_secrets(value: Any) -> Any:
    from resources.models.redaction import redact, secrets_in

    return redact(value, secrets_in(os.environ)) if isinstance(value, str) else value


class _DailyFile(logging.Handler):
    """Appends to `<folder>/YYYY-MM-DD.jsonl`, by UTC; one write a line, so that processes may share the file."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            day = datetime.fromtimestamp(record.created, UTC).date().isoformat()
            with open(self._folder / f"{day}.jsonl", "ab", buffering=0) as file:
                file.write(self.format(record).encode() + b"\n")
        except Exception:
            self.handleError(record)  # a full disk must not fail the stage that was told of
