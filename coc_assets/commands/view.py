"""`coc view`: one clip as an mp4, a picture and a Rerun recording."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from coc_assets.commands.common import DONE, UsageError, progress_bar, require_store, stderr, stdout
from resources.dataset import DatasetRoot
from resources.settings import Settings, load_settings

if TYPE_CHECKING:
    from coc_assets.stage import Workspace
    from coc_assets.view.finding import Found
    from coc_assets.view.footage import Footage
    from coc_assets.view.shown import Shown


def run(options: argparse.Namespace) -> int:
    """Writes the files and prints their paths.

    Raises:
        UsageError: no clip is meant, it has no such labels, or no recording can be written here.
    """
    from coc_assets.stage import Workspace
    from coc_assets.view.finding import NotFound, find

    settings = _settings(options)
    require_store(settings)
    workspace = Workspace(settings)
    if options.rrd:
        _require_rerun()
    try:
        found = find(workspace.store, options.clip)
    except NotFound as error:
        raise UsageError(str(error)) from None
    shown = _shown(workspace, found, options.labeler)
    with _footage(workspace, found, options) as (footage, note):
        _write(shown, footage, note, options.out, with_recording=options.rrd)
    return DONE


def _settings(options: argparse.Namespace) -> Settings:
    from coc_assets.status import with_recorded_dataset

    if options.dataset:
        DatasetRoot(options.dataset).require()
    settings = with_recorded_dataset(load_settings(dataset=options.dataset, store=options.store))
    if options.camera:
        videos = settings.videos.model_copy(update={"camera": options.camera})
        return settings.model_copy(update={"videos": videos})
    return settings


def _require_rerun() -> None:
    from coc_assets.view.recording import INSTALL, is_installed

    if not is_installed():
        raise UsageError(f"--rrd needs Rerun, which is not installed. Install it: {INSTALL}")


def _shown(workspace: Workspace, found: Found, labeler: str | None) -> Shown:
    from coc_assets.review.reading import read_chunk
    from coc_assets.view.shown import shown_of

    tables = read_chunk(workspace.store, found.chunk)
    if not tables.clips.filter(clip_id=found.clip_id).height:
        raise UsageError(
            f"Clip {found.clip_id} has labels in chunk {found.chunk}, but trajectory_cache has no such clip there. "
            f"Make the chunk again: coc run --store {workspace.store.root} --chunks {int(found.chunk)}"
        )
    there = sorted(tables.labels.filter(clip_id=found.clip_id)["labeler"].unique())
    if labeler and labeler not in there:
        raise UsageError(f"Clip {found.clip_id} has no labels of {labeler!r}. It has labels of: {', '.join(there)}.")
    return shown_of(tables, found, workspace.settings, labeler)


@contextmanager
def _footage(workspace: Workspace, found: Found, options: argparse.Namespace) -> Iterator[tuple[Footage | None, str]]:
    """The clip's video while it is open; or none, and why."""
    from coc_assets.sources.video import VideoError
    from coc_assets.view.footage import opened_footage

    if options.no_video:
        yield None, ""
        return
    camera, note, footage = workspace.settings.videos.camera, "", None
    with ExitStack() as stack:
        try:
            footage = stack.enter_context(opened_footage(workspace, found.chunk, found.clip_id, camera))
        except VideoError as error:
            if options.camera:
                raise UsageError(f"No video of {camera}: {error.hint}") from None
            note = error.hint
        yield footage, note


def _write(shown: Shown, footage: Footage | None, note: str, out: Path, *, with_recording: bool) -> None:
    from coc_assets.view.film import film
    from coc_assets.view.picture import picture
    from resources.store import Store

    if note:
        stderr().print(f"No video: {note}", style="yellow", markup=False)
    folder, name = Store(out), shown.found.name
    with progress_bar("frames") as (bar, task):
        mp4 = film(shown, footage, note, lambda done, of: bar.update(task, completed=done, total=of))
    folder.write_bytes(out / f"{name}.mp4", mp4)
    folder.write_bytes(out / f"{name}.png", picture(shown, footage, note))
    suffixes = ["mp4", "png"]
    if with_recording:
        from coc_assets.view.recording import write_recording

        with folder.publish(out / f"{name}.rrd") as temporary:
            write_recording(shown, footage, temporary)
        suffixes.append("rrd")
    for suffix in suffixes:
        stdout().print(str(out / f"{name}.{suffix}"), markup=False, soft_wrap=True)
