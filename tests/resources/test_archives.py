from __future__ import annotations

import io
import os
import random
import struct
import zipfile
from pathlib import Path

import pytest

from resources.archives import Archive, MemberError
from tests.resources.pai_files import zipped

CONTENTS = {"a.bin": random.Random(0).randbytes(5000), "b.txt": b"left, then right. " * 400, "empty": b""}
METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]


class _Pipe(io.RawIOBase):
    """A file that cannot seek: zipfile then writes sizes after the data."""

    def __init__(self) -> None:
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.content += bytes(data)
        return len(data)


def _streamed(method: int) -> bytes:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", method) as archive:
        for name, data in CONTENTS.items():
            archive.writestr(name, data)
    return pipe.content


def _with_zip64_headers(method: int) -> bytes:
    """Local headers carry extra fields that the directory does not have."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, data in CONTENTS.items():
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
                member.write(data)
    return content.getvalue()


def _plain(method: int) -> bytes:
    return zipped(CONTENTS, method)


def _write(folder: Path, content: bytes) -> Path:
    path = folder / "egomotion.chunk_0000.zip"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("make", [_plain, _streamed, _with_zip64_headers])
def test_members_read_and_open_as_they_were_written(tmp_path, make, method):
    with Archive(_write(tmp_path, make(method))) as archive:
        assert not archive.damaged
        assert {name: archive.read(name) for name in archive.members} == CONTENTS
        assert {name: archive.open(name).read() for name in archive.members} == CONTENTS


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("make", [_plain, _streamed, _with_zip64_headers])
@pytest.mark.parametrize(("kept", "cut_before"), [(3, b"PK\1\2"), (2, b"empty"), (1, b"b.txt")])
def test_a_cut_archive_yields_the_members_before_the_cut(tmp_path, make, method, kept, cut_before):
    whole = make(method)
    path = _write(tmp_path, whole[: whole.index(cut_before)])
    with Archive(path) as archive:
        assert archive.damaged
        assert f"{kept} members lie in it whole" in archive.damage
        assert {name: archive.read(name) for name in archive.members} == dict(list(CONTENTS.items())[:kept])


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"<html>404</html>" * 100])
def test_what_is_no_zip_is_damaged_and_empty(tmp_path, content):
    with Archive(_write(tmp_path, content)) as archive:
        assert archive.damaged
        assert not archive.members


def test_a_file_that_is_not_there_is_not_a_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        Archive(tmp_path / "egomotion.chunk_0007.zip")


@pytest.mark.parametrize("method", METHODS)
def test_a_flipped_bit_is_noticed(tmp_path, method):
    path = _write(tmp_path, zipped(CONTENTS, method))
    with Archive(path) as archive:
        at = archive.data_offset(archive.members["b.txt"]) + 20
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)
    with Archive(path) as archive:
        with pytest.raises(MemberError, match=r"egomotion\.chunk_0000\.zip::b\.txt: .*fetch"):
            archive.read("b.txt")
        assert archive.read("a.bin") == CONTENTS["a.bin"]


def _encrypted(content: bytes) -> bytes:
    """The directory says so of the first member."""
    patched = bytearray(content)
    struct.pack_into("<H", patched, content.index(b"PK\1\2") + 8, 1)
    return bytes(patched)


@pytest.mark.parametrize(
    ("content", "member", "message"),
    [
        (_plain(zipfile.ZIP_STORED), "c.bin", "no such member"),
        (_encrypted(_plain(zipfile.ZIP_STORED)), "a.bin", "encrypted"),
        (zipped(CONTENTS, zipfile.ZIP_LZMA), "a.bin", "method 14; pack it again"),
    ],
)
def test_members_that_cannot_be_read_are_named_with_the_mend(tmp_path, content, member, message):
    with Archive(_write(tmp_path, content)) as archive:
        for access in (archive.read, archive.open):
            with pytest.raises(MemberError, match=message) as caught:
                access(member)
            assert (caught.value.archive, caught.value.member) == (archive.path, member)


def test_a_directory_that_points_beside_its_members_is_noticed(tmp_path):
    content = bytearray(zipped(CONTENTS))
    content[0:4] = b"XXXX"  # the local header of the first member
    with Archive(_write(tmp_path, bytes(content))) as archive, pytest.raises(MemberError, match="no member begins"):
        archive.read("a.bin")


def test_a_stored_member_behaves_as_a_file_of_its_own(tmp_path):
    with Archive(_write(tmp_path, zipped(CONTENTS))) as archive:
        member = archive.open("a.bin")
    content = CONTENTS["a.bin"]  # the archive is closed, the member is not
    assert isinstance(member, io.RawIOBase)
    assert member.seekable()
    assert member.read(10) == content[:10]
    assert member.seek(-7, os.SEEK_END) == 4993
    assert member.read(100) == content[-7:]
    assert member.read(100) == b""
    assert member.seek(6000) == 6000
    assert member.read(1) == b""
    member.seek(100)
    assert member.seek(20, os.SEEK_CUR) == 120
    assert member.read() == content[120:]
    with pytest.raises(ValueError, match="seek"):
        member.seek(-1)
    member.close()
    member.close()
    assert member.closed
