"""Checks of what is installed."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import metadata, requires

from coc_assets.doctor.finding import Finding, Setup, ok, problem, warn

_PACKAGE = "coc-assets"
_TOLD = ("dagster", "polars", "duckdb", "av")
_ENCODER = "libx264"


def python(_: Setup) -> Iterator[Finding]:
    """Python is as new as the package wants it."""
    from packaging.specifiers import SpecifierSet

    running, wanted = platform.python_version(), metadata(_PACKAGE)["Requires-Python"]
    if SpecifierSet(wanted).contains(running, prereleases=True):
        yield ok(f"Python {running} in {sys.prefix}")
    else:
        yield problem(f"Python {running}, where {wanted} is needed", "make setup PYTHON=python3.11")


def packages(setup: Setup) -> Iterator[Finding]:
    """Installed packages are of the versions that the package asks for; of optional ones those that are there."""
    faults = list(_package_faults(setup))
    yield from faults
    if not faults:
        told = ", ".join(f"{name} {setup.version_of(name)}" for name in _TOLD)
        yield ok(f"every package is of a version that is needed: {told}")


def _package_faults(setup: Setup) -> Iterator[Finding]:
    from packaging.requirements import Requirement

    for requirement in map(Requirement, requires(_PACKAGE) or ()):
        optional = "extra" in str(requirement.marker)
        if requirement.marker and not optional and not requirement.marker.evaluate():
            continue
        found, wanted = setup.version_of(requirement.name), str(requirement.specifier)
        if found is None and not optional:
            yield problem(f"{requirement.name} is not installed", _install(requirement.name, wanted))
        elif found and not requirement.specifier.contains(found, prereleases=True):
            tell = warn if optional else problem
            said = f"{requirement.name} {found} is installed, where {wanted} is needed"
            yield tell(said, _install(requirement.name, wanted))


def _install(name: str, specifier: str) -> str:
    return f"{sys.executable} -m pip install '{name}{specifier}'"


def video_encoder(_: Setup) -> Iterator[Finding]:
    """PyAV decodes video, and its FFmpeg has the encoder of evidence segments."""
    try:
        import av

        av.codec.Codec(_ENCODER, "w")
    except (ImportError, ValueError) as error:  # PyAV's UnknownCodecError is a ValueError
        mend = f"{sys.executable} -m pip install --force-reinstall --no-deps av (its wheels have {_ENCODER})"
        yield problem(f"PyAV cannot encode with {_ENCODER} ({error})", mend)
    else:
        yield ok(f"PyAV {av.__version__} encodes with {_ENCODER}")
