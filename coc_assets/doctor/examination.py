"""Every check, in the order in which a set-up is built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from coc_assets.doctor import choices, dataset, installation, instance, storage
from coc_assets.doctor.finding import Finding, Setup, problem
from resources.models.redaction import redact, secrets_in

Check = Callable[[Setup], Iterable[Finding]]

CHECKS: Mapping[str, Check] = {
    "python": installation.python,
    "packages": installation.packages,
    "video encoder": installation.video_encoder,
    "settings": choices.settings,
    "dataset": dataset.root,
    "listings": dataset.listings,
    "features": dataset.features,
    "archives": dataset.archives,
    "store": storage.writable,
    "disk": storage.disk,
    "receipts": storage.receipts,
    "stages": storage.stages,
    "leftovers": storage.leftovers,
    "dagster": instance.instance,
    "labeler": choices.labeler,
    "judge": choices.judge,
    "policy": choices.policy,
    "profile": choices.profile,
    "arrivals": choices.arrivals,
}


@dataclass(frozen=True)
class Examined:
    """One finding, and the check that it is of."""

    check: str
    finding: Finding


def examine(setup: Setup, checks: Mapping[str, Check] = CHECKS) -> Iterator[Examined]:
    """What every check finds; one that cannot be made is a problem itself, and keeps no other from being made."""
    for name, check in checks.items():
        try:
            yield from (Examined(name, finding) for finding in check(setup))
        except Exception as error:
            yield Examined(name, _broken_off(error, setup))


def is_sound(examined: Iterable[Examined]) -> bool:
    """Whether nothing keeps a run from succeeding."""
    return all(it.finding.level != "problem" for it in examined)


def _broken_off(error: Exception, setup: Setup) -> Finding:
    text = redact(" ".join(str(error).split()), secrets_in(setup.environ))
    if isinstance(error, OSError) and error.filename:
        return problem(f"{error.filename}: {error.strerror}", "Correct the path, or its permissions: ls -ld on it")
    return problem(f"the check broke off ({type(error).__name__}: {text})", "Mend what it names, then coc doctor again")
