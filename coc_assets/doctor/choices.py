"""Checks of what the settings name: labeler, judge, policy, profile, and where files come from."""

from __future__ import annotations

from collections.abc import Iterator

from coc_assets.doctor.finding import Finding, Setup, ok, problem, told_by
from coc_assets.doctor.servers import model_findings
from resources.settings import SettingsError, config_file

_LISTED = "docs/settings.md lists every key"
_DOCS = f"Correct it; {_LISTED}"


def settings(setup: Setup) -> Iterator[Finding]:
    """coc.yaml and the COC_ variables can be read."""
    if setup.unreadable:
        yield told_by(SettingsError(str(setup.unreadable).removesuffix(f"{_LISTED}.")), _DOCS)
        return
    names = sorted(name for name in setup.environ if name.upper().startswith("COC_"))
    yield ok(f"settings from {config_file() or 'no file'}" + (f", {', '.join(names)}" if names else ""))


def labeler(setup: Setup) -> Iterator[Finding]:
    """The labeler is `rules`, or a model that can be asked."""
    from coc_assets.raw_coc.stage import labelers, uses_model

    name = setup.settings.labeler
    if not uses_model(setup.settings):
        yield ok(f"labeler {name}: no model is asked")
    elif name not in labelers(setup.settings):
        known = ", ".join(labelers(setup.settings))
        yield problem(f"no labeler is called {name!r}", f"Set labeler (or --labeler) to one of {known}")
    else:
        yield from model_findings(setup, name, "labeler")


def judge(setup: Setup) -> Iterator[Finding]:
    """No model judges, or one that can be asked."""
    name = setup.settings.filtering.judge.model
    if name is None:
        yield ok("no model judges")
    else:
        yield from model_findings(setup, name, "judge")


def policy(setup: Setup) -> Iterator[Finding]:
    """The policy is packaged, or a file that can be read as one."""
    from coc_assets.filtered_coc.policy import load_policy

    try:
        yield ok(f"policy {load_policy(setup.settings.filtering.policy).version}")
    except SettingsError as error:
        yield told_by(error, _DOCS)


def profile(setup: Setup) -> Iterator[Finding]:
    """The profile that labels are held against can be read."""
    from coc_assets.profile import read_profile

    path = setup.settings.quality.profile
    try:
        if path is None:
            yield ok("no profile: labels are held against none")
        else:
            yield ok(f"profile {path} of {len(read_profile(path, 'quality.profile:').chunks)} chunks")
    except SettingsError as error:
        yield told_by(error, "coc profile --out FILE makes one")


def arrivals(setup: Setup) -> Iterator[Finding]:
    """Where chunk files are fetched from, it can be listed."""
    from resources.arriving import PlaceError, Remote

    url = setup.settings.arrivals.url
    if url is None:
        yield ok("no URL: chunk files are put into the dataset by others")
        return
    place = Remote(url)
    try:
        place.files("")
        yield ok(f"{place.shown} can be listed")
    except PlaceError as error:
        yield told_by(error, "Correct arrivals.url")
