from __future__ import annotations

import errno
import zipfile
from pathlib import Path

import pytest

from resources.archives import Archive, MemberError
from resources.faults import may_pass


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (OSError(errno.EIO, "Input/output error"), True),
        (OSError(errno.ESTALE, "Stale file handle"), True),
        (OSError("Input/output error (os error 5): store/clips.parquet"), True),
        (OSError("Error reading bytes from file. Detail: [errno 116] Stale file handle"), True),
        (ConnectionResetError("by peer"), True),
        (TimeoutError(), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (FileNotFoundError(errno.ENOENT, "No such file"), False),
        (PermissionError(errno.EACCES, "Permission denied"), False),
        (OSError("Parquet magic bytes not found"), False),
        (ValueError("os error 5"), False),
        (None, False),
    ],
)
def test_faults_that_may_pass_are_told_from_those_that_stay(error: BaseException | None, passes: bool) -> None:
    assert may_pass(error) is passes


@pytest.mark.parametrize(("number", "raised"), [(errno.EIO, OSError), (errno.EINVAL, MemberError)])
def test_a_disk_that_fails_for_now_makes_no_bad_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, raised: type[Exception]
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("member", b"content")

    def failing(*_: object) -> bytes:
        raise OSError(number, "broken")

    with Archive(tmp_path / "a.zip") as archive:
        monkeypatch.setattr("resources.archives.os.pread", failing)
        with pytest.raises(raised) as caught:
            archive.read("member")
    assert type(caught.value) is raised
