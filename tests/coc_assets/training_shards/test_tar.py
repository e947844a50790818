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


def test_bytes_that_are_no_group_are_an_error() -> None:
    with pytest.raises(tarfile.ReadError):
        read_group(b"x" * 512)


@pytest.mark.parametrize("array", [np.arange(8).reshape(2, 4), np.zeros((0, 4), np.int64), np.eye(3, dtype="f4").T])
def test_arrays_read_back_with_their_type(array: np.ndarray) -> None:
    back = from_npy(npy(array))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)
