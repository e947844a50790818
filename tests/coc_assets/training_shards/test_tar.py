from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest

from coc_assets.training_shards.tar import END, from_npy, group_bytes, npy, read_group

MEMBERS = {"json": b"{}", "cot.txt": b"", "cam1_f0.jpg": bytes(513), "absolute_timestamps.npy": bytes(512)}


def test_groups_closed_with_the_end_are_a_ustar_archive_without_a_trace_of_the_writer() -> None:
    data = group_bytes("a-00000001", MEMBERS) + group_bytes("a-00000002", MEMBERS) + END
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        infos = archive.getmembers()
        contents = {info.name: archive.extractfile(info).read() for info in infos}
    assert [info.name for info in infos] == sorted(info.name for info in infos)
    assert contents == {f"{key}.{name}": body for key in ("a-00000001", "a-00000002") for name, body in MEMBERS.items()}
    owners = {(i.mtime, i.uid, i.gid, i.uname, i.gname, i.mode, i.type) for i in infos}
    assert owners == {(0, 0, 0, "", "", 0o644, tarfile.REGTYPE)}
    assert data[257:265] == b"ustar\x0000"
    assert not any(info.pax_headers for info in infos)


def test_the_order_of_members_given_changes_nothing() -> None:
    assert group_bytes("k", MEMBERS) == group_bytes("k", dict(reversed(MEMBERS.items())))


def test_a_group_reads_back() -> None:
    assert read_group(group_bytes("a-00000001", MEMBERS)) == MEMBERS


def _by_tarfile(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
        return out.getvalue()


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 8**6])
@pytest.mark.parametrize("key", ["k", "a" * 91, "ä" * 45, f"{'folder' * 20}/{'name' * 20}"])
def test_members_are_byte_for_byte_what_tarfile_writes(key: str, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    data = group_bytes(key, {"cam1.jpg": content})
    assert _by_tarfile(f"{key}.cam1.jpg", content).startswith(data)
    assert read_group(data) == {"cam1.jpg": content}


def test_a_name_that_no_header_can_hold_is_an_error() -> None:
    with pytest.raises(ValueError, match="name is too long"):
        group_bytes("a" * 300, {"json": b""})


def _changed(at: int, value: bytes) -> bytes:
    data = group_bytes("k", {"json": b"{}"})
    return data[:at] + value + data[at + len(value) :]


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 512,
        b"x" * 100,
        _changed(0, b"j"),  # the header's checksum tells
        group_bytes("k", {"json": b"{}"})[:-1],
        group_bytes("k", {"json": b"{}"}) + bytes(512),
    ],
)
def test_bytes_that_are_no_group_are_an_error(data: bytes) -> None:
    with pytest.raises(tarfile.ReadError):
        read_group(data)


def test_a_member_that_is_no_file_is_an_error() -> None:
    folder = tarfile.TarInfo("k.json")
    folder.type = tarfile.DIRTYPE
    with pytest.raises(tarfile.ReadError, match="not a file"):
        read_group(folder.tobuf(tarfile.USTAR_FORMAT))


@pytest.mark.parametrize("array", [np.arange(8).reshape(2, 4), np.zeros((0, 4), np.int64), np.eye(3, dtype="f4").T])
def test_arrays_read_back_with_their_type(array: np.ndarray) -> None:
    back = from_npy(npy(array))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)
