"""`coc doctor`: checks the set-up; 1 where something keeps runs from succeeding."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from coc_assets.commands.common import DONE, FAILED, counted, stdout
from resources.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from coc_assets.doctor.examination import Examined
    from coc_assets.doctor.finding import Setup

_MARKS = {"ok": "[green]ok[/]     ", "warn": "[yellow]warn[/]   ", "problem": "[bold red]problem[/]"}


def run(options: argparse.Namespace) -> int:
    """Prints what every check finds, and how to mend it."""
    from coc_assets.doctor.examination import examine, is_sound

    found = list(_shown(examine(_setup(options)), options.json))
    if options.json:
        print(json.dumps({"sound": is_sound(found), "findings": [_as_json(it) for it in found]}, ensure_ascii=False))
    else:
        levels = Counter(it.finding.level for it in found)
        sound = "sound" if is_sound(found) else "not sound"
        counts = ", ".join(
            (f"{levels['ok']} ok", counted(levels["warn"], "warning"), counted(levels["problem"], "problem"))
        )
        stdout().print(f"{sound}: {counts}")
    return DONE if is_sound(found) else FAILED


def _setup(options: argparse.Namespace) -> Setup:
    """What is to be looked at; of settings that cannot be read the paths alone."""
    from coc_assets.doctor.finding import Setup
    from coc_assets.status import with_recorded_dataset

    try:
        settings, unreadable = load_settings(dataset=options.dataset, store=options.store), None
    except SettingsError as error:
        paths = {name: path for name in ("dataset", "store") if (path := getattr(options, name))}
        settings, unreadable = Settings.model_construct(**paths), error
    return Setup(with_recorded_dataset(settings), os.environ, unreadable, options.thorough)


def _shown(examined: Iterable[Examined], quiet: bool) -> Iterator[Examined]:
    """Each finding as soon as it is there."""
    for it in examined:
        if not quiet:
            _print(it)
        yield it


def _print(examined: Examined) -> None:
    finding, console = examined.finding, stdout()
    console.print(f"{_MARKS[finding.level]}  {examined.check}: ", end="")
    console.print(finding.said, markup=False, soft_wrap=True)
    if finding.mend:
        console.print(f"         → {finding.mend}", markup=False, soft_wrap=True)


def _as_json(examined: Examined) -> dict[str, str]:
    finding = examined.finding
    return {"check": examined.check, "level": finding.level, "said": finding.said, "mend": finding.mend}
