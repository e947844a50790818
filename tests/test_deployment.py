"""Dockerfile, compose.yaml and the instance's variants, as far as they can be held to account without an engine."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from resources.instance import POSTGRES_URL, prepare_instance
from resources.models.redaction import CREDENTIALS
from resources.settings import load_settings

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if name != "postgres"}
LASTING = [name for name in SERVICES if name != "prepare"]


def instructions() -> list[tuple[str, list[str]]]:
    """The Dockerfile's instructions with their words; comments left out, continued lines joined."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(name, shlex.split(rest)) for name, _, rest in (line.partition(" ") for line in lines)]


def copied() -> list[str]:
    return [
        source
        for name, words in instructions()
        if name == "COPY"
        for source in [word for word in words if not word.startswith("--")][:-1]
    ]


def environment_of_image() -> dict[str, str]:
    pairs = [word for name, words in instructions() if name == "ENV" for word in words]
    return dict(pair.split("=", 1) for pair in pairs)


# ---- the image -------------------------------------------------------------------------------------------------------


def test_everything_that_is_copied_is_there_and_reaches_the_build() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in copied():
        assert (ROOT / source).exists(), source
        assert source.split("/")[0] in allowed, f"{source} is kept out by .dockerignore"


def test_nothing_else_reaches_the_build() -> None:
    """Secrets, stores and datasets in the checkout must not get into an image."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert allowed == {source.split("/")[0] for source in copied()}
    assert not any(fnmatch.fnmatch(".env", name) for name in allowed)


def test_what_make_setup_reads_is_copied_before_it_runs() -> None:
    names = [name for name, words in instructions()]
    setup = next(at for at, (name, words) in enumerate(instructions()) if name == "RUN" and words == ["make", "setup"])
    before = [word for name, words in instructions()[:setup] if name == "COPY" for word in words]
    assert {"pyproject.toml", "requirements.lock.txt", "Makefile", "README.md"} <= set(before)
    packages = re.search(r"^include = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert packages is not None
    for package in re.findall(r'"(\w+)\*"', packages[1]):
        assert f"{package}/__init__.py" in before, package
    assert "ADD" not in names


def test_the_image_runs_as_a_user_without_rights() -> None:
    after_root = [words for name, words in instructions() if name == "USER"]
    assert after_root == [["$UID"]]
    assert [words for name, words in instructions() if name == "ARG"] == [["UID=1000"]]


# ---- compose ---------------------------------------------------------------------------------------------------------


def test_every_lasting_service_is_watched_and_restarted() -> None:
    for name in LASTING:
        assert SERVICES[name]["restart"] == "unless-stopped", name
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD", name
    assert SERVICES["prepare"]["restart"] == "no"


def test_services_wait_for_those_they_need() -> None:
    wanted = {"service_healthy": set(LASTING), "service_completed_successfully": {"prepare"}}
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in wanted[how["condition"]], (name, needed)


def test_named_volumes_are_declared() -> None:
    mounts = [
        re.sub(r"\$\{\w+:-(\w+)\}", r"\1", mount) for service in SERVICES.values() for mount in service["volumes"]
    ]
    named = {mount.split(":")[0] for mount in mounts if re.match(r"\w+:", mount)}
    assert named == set(COMPOSE["volumes"])


def test_secrets_come_from_the_environment_alone() -> None:
    for name, service in SERVICES.items():
        for variable, value in service["environment"].items():
            if variable in CREDENTIALS or "PASSWORD" in variable:
                assert re.fullmatch(rf"\$\{{{variable}:[-?][^}}]*\}}", value), (name, variable)
    assert "${POSTGRES_PASSWORD:?" in SERVICES["code"]["environment"][POSTGRES_URL]
    holders = {name for name, service in SERVICES.items() if set(CREDENTIALS) & set(service["environment"])}
    assert holders == {"code"}, "only the service that asks models holds their keys"


def test_variables_are_known_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings refuse variables that they do not know, so a misspelt one would stop every service."""
    monkeypatch.chdir(tmp_path)
    for service in OURS.values():
        for name, value in {**environment_of_image(), **service["environment"]}.items():
            if name.startswith("COC_"):
                monkeypatch.setenv(name, re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value))
        settings = load_settings()
        assert (str(settings.dataset), str(settings.store)) == ("/data", "/store")
        assert (settings.operate.log, settings.operate.log_file) == ("json", True)
    assert environment_of_image()["DAGSTER_HOME"] == f"{settings.store}/.dagster"


def commands() -> Iterator[tuple[str, list[str]]]:
    for name, service in OURS.items():
        for words in (service["command"], service.get("healthcheck", {}).get("test", ["CMD"])[1:]):
            if words[:2] == ["sh", "-c"]:
                yield from ((name, part.removeprefix("exec ").split()) for part in words[2].split(" && "))
            elif words:
                yield name, words
    _, last = instructions()[-1]
    yield from (
        ("image", part.removeprefix("exec ").split()) for part in " ".join(last)[1:-1].split(", ")[2].split(" && ")
    )


@pytest.mark.parametrize(("service", "words"), list(commands()))
def test_commands_are_understood(service: str, words: list[str]) -> None:
    """Programs are installed, and dagster's take these options: parsed by their own parsers, not run."""
    program, *arguments = words
    if program == "python":
        assert arguments[0] in ("-c", "-m")
        compile(arguments[1], "command", "exec") if arguments[0] == "-c" else __import__(arguments[1])
        return
    _parse(_program(program), arguments)
    for word in arguments:
        if word.endswith(".yaml"):
            assert word in copied(), f"{word} is not in the image"


def _program(name: str) -> click.Command:
    from dagster._cli import cli as dagster
    from dagster._daemon.cli import cli as daemon
    from dagster_webserver.cli import dagster_webserver as webserver

    return {"dagster": dagster, "dagster-daemon": daemon, "dagster-webserver": webserver}[name]


def _parse(command: click.Command, arguments: list[str]) -> None:
    if isinstance(command, click.Group):
        found = command.get_command(click.Context(command), arguments[0])
        assert found is not None, arguments[0]
        _parse(found, arguments[1:])
    else:
        command.make_context(str(command.name), list(arguments))


def test_web_server_and_daemon_find_the_code_server() -> None:
    (place,) = yaml.safe_load((ROOT / "workspace.grpc.yaml").read_text())["load_from"]
    server = place["grpc_server"]
    command = SERVICES[server["host"]]["command"]
    assert str(server["port"]) == command[command.index("-p") + 1]
    assert server["location_name"] == command[command.index("--location-name") + 1]
    for name in ("web", "daemon"):
        assert SERVICES[name]["command"][SERVICES[name]["command"].index("-w") + 1] == "workspace.grpc.yaml"


@pytest.mark.parametrize(
    "command", [["docker-compose", "-f", "compose.yaml", "config", "--quiet"], ["hadolint", "Dockerfile"]]
)
def test_linters_agree(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Skipped where one is not installed; with REQUIRE_LINTERS set that is a failure."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    linter = shutil.which(command[0], path=places)
    if linter is None and os.environ.get("REQUIRE_LINTERS"):
        pytest.fail(f"REQUIRE_LINTERS is set and there is no {command[0]}")
    if linter is None:
        pytest.skip(f"no {command[0]} here")
    monkeypatch.setenv("POSTGRES_PASSWORD", "secret")
    monkeypatch.setenv("DATASET", "/data")
    said = subprocess.run([linter, *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr


# ---- the instance ----------------------------------------------------------------------------------------------------


def test_the_variants_differ_in_their_storage_alone() -> None:
    plain, postgres = (yaml.safe_load((ROOT / name).read_text()) for name in ("dagster.yaml", "dagster.postgres.yaml"))
    assert postgres.pop("storage") == {"postgres": {"postgres_url": {"env": POSTGRES_URL}}}
    assert postgres == plain


def test_only_killed_runs_are_begun_again() -> None:
    retries = yaml.safe_load((ROOT / "dagster.yaml").read_text())["run_retries"]
    assert retries == {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False}


@pytest.mark.parametrize(("url", "variant"), [(None, "dagster.yaml"), ("postgresql://…", "dagster.postgres.yaml")])
def test_the_variable_chooses_the_variant_of_a_new_instance(
    url: str | None, variant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if url:
        monkeypatch.setenv(POSTGRES_URL, url)
    home = prepare_instance(tmp_path / "store")
    assert (home / "dagster.yaml").read_bytes() == (ROOT / variant).read_bytes()


def test_an_instances_own_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POSTGRES_URL, "postgresql://…")
    own = tmp_path / "store/.dagster/dagster.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("telemetry: {enabled: false}\n")
    prepare_instance(tmp_path / "store")
    assert own.read_text() == "telemetry: {enabled: false}\n"
