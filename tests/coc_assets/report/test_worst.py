"""Which labels are shown as the worst, why, and with which pictures."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from coc_assets.report.worst import worst_labels
from coc_assets.stage import Workspace
from resources import schemas
from resources.store import Store
from tests.coc_assets.report.made import label, labels, made_store, verdict, workspace, write
from tests.coc_assets.review.made import workspace_of


def judged(store: Store, *verdicts: tuple[str, str, Sequence[str]]) -> None:
    rows = [verdict(name, "a", 1, said, *reasons) for name, said, reasons in verdicts]
    write(store, schemas.VERDICTS, "0000", rows)
    labels(store, "0000", "rules", [label(name, "a", 1) for name, _, _ in verdicts])


def test_rejected_ones_come_first_then_those_with_most_reasons_and_kept_ones_never(tmp_path: Path) -> None:
    found = worst_labels(workspace(made_store(tmp_path)))
    assert [(one.label_id, one.verdict) for one in found] == [("r2", "reject"), ("r3", "review"), ("r4", "review")]


def test_every_deciding_reason_is_shown_before_one_is_shown_twice(tmp_path: Path) -> None:
    store = made_store(tmp_path)
    many = [(f"m{number}", "reject", ["too_short", "refused_text"]) for number in range(5)]
    judged(store, *many, ("one", "reject", ["empty_text"]), ("two", "review", ["future_leak"]))
    found = worst_labels(workspace(store), most=4)
    assert {one.label_id for one in found} >= {"one", "two", "m0", "r4"}


def test_what_people_decided_is_left_out(tmp_path: Path) -> None:
    store = made_store(tmp_path)
    judged(store, ("p1", "reject", ["people_reject"]), ("p2", "review", ["people_disagree", "no_decision"]))
    assert [one.label_id for one in worst_labels(workspace(store))] == ["r4"]


def test_a_label_says_what_is_wrong_with_the_figure_behind_it(sample: Path, sample_store: Path, tmp_path: Path) -> None:
    shutil.copytree(sample_store, tmp_path / "store")
    look = workspace_of(sample, tmp_path / "store")
    rejected = rejected_label(look)
    (one,) = (label for label in worst_labels(look) if label.label_id == rejected)
    (reason,) = one.reasons
    assert (reason.rule, reason.condition) == ("longitudinal_disagrees", "trajectory_consistency.longitudinal < 1")
    assert (
        reason.hint.startswith("the speed after the keyframe") and reason.value == 1.0 and "v0" in (reason.detail or "")
    )
    assert one.motion and -2.0 <= one.motion["t_s"][0] < 0 < one.motion["t_s"][-1] <= 6.0
    assert one.pictures == () and "no video" in (one.problem or "")


def rejected_label(look: Workspace) -> str:
    """Has the first label of the store rejected; its verdict keeps its policy."""
    chunk = look.store.chunks()[0]
    verdicts = look.store.read_table(schemas.VERDICTS, chunk).to_dicts()
    verdicts[0] |= {"verdict": "reject", "reasons": ["longitudinal_disagrees"]}
    write(look.store, schemas.VERDICTS, chunk, verdicts)
    return str(verdicts[0]["label_id"])


@pytest.fixture
def filmed_look(filmed: tuple[Path, Path], tmp_path: Path) -> Workspace:
    from coc_assets.cli import main

    dataset, store = filmed
    shutil.copytree(store, tmp_path / "store")
    arguments = ["--dataset", str(dataset), "--store", str(tmp_path / "store")]
    assert main(["run", *arguments, "--select", "raw_coc", "filtered_coc"]) == 0
    return workspace_of(dataset, tmp_path / "store")


def test_pictures_are_frames_around_the_keyframe(filmed_look: Workspace) -> None:
    from PIL import Image

    rejected = rejected_label(filmed_look)
    (one,) = (label for label in worst_labels(filmed_look) if label.label_id == rejected)
    assert one.problem is None and 1 <= len(one.pictures) <= 4
    instants = [picture.at_s for picture in one.pictures]
    assert instants == sorted(instants) and any(abs(instant) <= 0.1 for instant in instants)
    sizes = {Image.open(io.BytesIO(picture.jpeg)).size for picture in one.pictures}
    assert len(sizes) == 1 and next(iter(sizes))[1] == 216


def test_a_video_that_is_gone_is_said_and_the_label_is_still_shown(filmed_look: Workspace) -> None:
    rejected = rejected_label(filmed_look)
    for film in filmed_look.store.root.rglob("*.mp4"):
        film.unlink()
    gone = Workspace(filmed_look.settings.model_copy(update={"dataset": filmed_look.settings.store}))
    (one,) = (label for label in worst_labels(gone) if label.label_id == rejected)
    assert one.pictures == () and one.problem and one.reasons
