"""`coc review`: the review server, what people and instruments agree on, and edits made labels."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from coc_assets.commands.common import DONE, FAILED, UsageError, counted, parse_chunks, stderr, stdout, write_rows
from resources.settings import load_settings

if TYPE_CHECKING:
    from coc_assets.review.desk import Desk, Drawn
    from coc_assets.review.security import Guard
    from coc_assets.stage import Workspace

_TOKEN_BYTES = 24
_DECIMALS = 3
_STOPS_WITHIN_S = 2  # requests that are under way when the server is stopped


def run(options: argparse.Namespace) -> int:
    """Serves the page, or with --report or --publish does that and ends.

    Raises:
        UsageError: there is nothing to review, or the address cannot be listened on.
    """
    from coc_assets.stage import Workspace
    from coc_assets.status import with_recorded_dataset

    settings = with_recorded_dataset(load_settings(dataset=options.dataset, store=options.store))
    judged = [path.name.removeprefix("chunk=") for path in sorted((settings.store / "filtered_coc").glob("chunk=*"))]
    if not judged:
        raise UsageError(
            f"No judged labels in {settings.store}. Make them: coc run --dataset DIR --store {settings.store}"
        )
    workspace = Workspace(settings)
    chunks = parse_chunks(options.chunks, judged, settings)
    if options.report:
        return _report(workspace, chunks, options)
    if options.publish:
        return _publish(workspace, chunks)
    return _serve(workspace, _draw(workspace, chunks, options), options)


def _draw(workspace: Workspace, chunks: list[str], options: argparse.Namespace) -> list[Drawn]:
    import polars as pl

    from coc_assets.review.desk import Drawn
    from coc_assets.review.sampling import chosen, draw, judged_labels

    judged = judged_labels(workspace.store, workspace.settings).filter(pl.col("chunk").is_in(chunks))
    eligible = chosen(judged, options.labeler, options.verdict)
    if not eligible.height:
        there = ", ".join(sorted(judged["labeler"].unique())) or "none"
        raise UsageError(f"No judged label fits --chunks, --labeler and --verdict. Labelers in the store: {there}.")
    drawn = draw(eligible, options.labels, options.audit_share, options.seed)
    return [Drawn(*row) for row in drawn.iter_rows()]


# ---- serving ---------------------------------------------------------------------------------------------------------


def _serve(workspace: Workspace, drawn: list[Drawn], options: argparse.Namespace) -> int:
    from coc_assets.review.desk import Desk
    from coc_assets.review.security import Guard, is_loopback

    desk = Desk(workspace, options.reviewer or _user(), drawn)
    with _listening(options.host, options.port) as listening:
        token = options.token or secrets.token_urlsafe(_TOKEN_BYTES)
        guard = Guard(token, options.host, listening.getsockname()[1])
        decided = sum(label["decision"] is not None for label in desk.queue()["labels"])
        say = stdout().print
        say(f"{counted(len(drawn), 'label')} to review as {desk.reviewer}, {decided} decided already")
        if not is_loopback(options.host):
            stderr().print("This server can be reached from other machines; whoever has the link can decide.")
        say(guard.link, markup=False, soft_wrap=True)
        say("Ctrl-C ends it; every decision is kept the moment it is made.")
        sys.stdout.flush()
        if not options.no_open and _has_display():
            import webbrowser

            webbrowser.open(guard.link)
        _run_server(desk, guard, listening)
    return DONE


def _run_server(desk: Desk, guard: Guard, listening: socket.socket) -> None:
    import uvicorn

    from coc_assets.review.app import create_app
    from coc_assets.review.pictures import Pictures

    def say(problem: str) -> None:
        stderr().print(problem, style="yellow", markup=False)

    with tempfile.TemporaryDirectory(prefix="coc-review-") as folder:
        app = create_app(desk, Pictures(desk.workspace, Path(folder)), guard, say)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=_STOPS_WITHIN_S, server_header=False
        )
        with contextlib.suppress(KeyboardInterrupt):  # the way in which it is meant to end
            uvicorn.Server(config).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 is any free one."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UsageError(
            f"Cannot listen on {host} port {port} ({error.strerror}). Name another --port; 0 takes any free one."
        ) from None


def _user() -> str:
    """Who runs the command, as the system calls them."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise UsageError("Decisions carry the name of who makes them. Say yours: --reviewer NAME") from None


def _has_display() -> bool:
    """Whether a browser could show anything to whoever started this."""
    shows = sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return shows and sys.stdout.isatty()


# ---- --publish, --report ---------------------------------------------------------------------------------------------


def _publish(workspace: Workspace, chunks: list[str]) -> int:
    from coc_assets.review.edits import publish_where_free

    published = publish_where_free(workspace, chunks)
    say = stdout().print
    say(f"{counted(len(published.receipts), 'chunk')} changed: {counted(published.labels, 'edited label')} in them")
    if published.receipts:
        say(f"Judge them: coc run --store {workspace.store.root}", markup=False, soft_wrap=True)
    for problem in (*published.unusable, *([published.problem] if published.problem else [])):
        stderr().print(problem, style="yellow", markup=False)
    return FAILED if published.problem else DONE


def _report(workspace: Workspace, chunks: list[str], options: argparse.Namespace) -> int:
    import polars as pl
    from polars import selectors

    from coc_assets.review.agreement import report

    tables = report(workspace, chunks)
    if options.format == "json":
        print(json.dumps({name: rows.to_dicts() for name, rows in tables.items()}, ensure_ascii=False))
        return DONE
    if options.format == "csv":
        named = [rows.select(pl.lit(name).alias("table"), pl.all()) for name, rows in tables.items()]
        write_rows(pl.concat(named, how="diagonal"), "csv")
        return DONE
    for name, rows in tables.items():
        if rows.height:
            stdout().print(f"\n{name}", highlight=False)
            write_rows(rows.with_columns(selectors.float().round(_DECIMALS)), "table")
    if not tables["reviewers"].height:
        stdout().print("Nobody has decided anything yet.")
    return DONE
