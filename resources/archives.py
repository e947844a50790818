"""Zip archives read in place: members are listed, checked and opened, nothing is unpacked.

A zip whose member directory is gone (mostly a download cut short) still yields the members that lie in it whole: they
are found by their own headers, and the archive says that it is damaged.
"""

from __future__ import annotations

import io
import mmap
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from resources.faults import may_pass

STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED

_LOCAL = struct.Struct("<4s5H3L2H")  # signature, version, flags, method, time, date, crc, sizes, name and extra lengths
_LOCAL_SIGNATURE = b"PK\3\4"
_DESCRIPTOR_SIGNATURE = b"PK\7\x08"
_ENCRYPTED, _SIZES_FOLLOW, _UTF8 = 0x1, 0x8, 0x800  # flag bits
_IN_ZIP64_EXTRA = 0xFFFFFFFF
_PIECE = 1 << 20
# All that zipfile is known to raise on bytes that are no zip.
_NOT_A_ZIP = (zipfile.BadZipFile, EOFError, NotImplementedError, OverflowError, UnicodeError, ValueError, struct.error)


class MemberError(Exception):
    """A member cannot be read.

    Attributes:
        archive: path of the zip.
        member: name of the member.
        problem: what is wrong and the mend, without the names.
    """

    def __init__(self, archive: Path, member: str, problem: str) -> None:
        super().__init__(f"{archive}::{member}: {problem}")
        self.archive = archive
        self.member = member
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive.

    Attributes:
        name: as the archive has it.
        header_offset: byte at which the member's own header begins; its data follow that header.
        size, compressed_size: bytes of the content, and of what lies in the archive.
        compression: zip method, `STORED` or `DEFLATED` where this module can read it.
        crc: checksum of the content.
        encrypted: needs a password, which this module does not take.
    """

    name: str
    header_offset: int
    size: int
    compressed_size: int
    compression: int
    crc: int
    encrypted: bool = False


class Archive:
    """A zip opened for reading; usable from several threads, as reads share no position.

    Attributes:
        path: the zip.
        members: by name; where a name occurs twice, the later one, as in `zipfile`.
        damage: what is wrong with the archive as a whole; None for a sound one.

    Raises:
        FileNotFoundError: there is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._file = self.path.open("rb", buffering=0)
        self.damage: str | None = None
        try:
            self.members: Mapping[str, Member] = _listed_members(self._file)
        except _NOT_A_ZIP as error:
            self.members = {member.name: member for member in _found_members(self._file.fileno())}
            self.damage = (
                f"has no readable member directory ({error}); {len(self.members)} members lie in it whole. "
                "It was probably cut short: fetch it again."
            )

    @property
    def damaged(self) -> bool:
        return self.damage is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def read(self, name: str) -> bytes:
        """A member's content, checked against its checksum.

        Raises:
            MemberError: it is not there, is damaged, or is packed in a way other than store or deflate.
        """
        member = self._readable(name)
        data = self._pread(member, self.data_offset(member), member.compressed_size)
        if member.compression == DEFLATED:
            data = self._inflate(member, data)
        if len(data) != member.size or zlib.crc32(data) != member.crc:
            raise MemberError(self.path, name, "its content differs from its checksum; fetch the archive again.")
        return data

    def open(self, name: str) -> BinaryIO:
        """A member as a seekable file, independent of this object's closing.

        A stored member is read in place and its checksum is not looked at; a deflated one is held in memory.

        Raises:
            MemberError: as `read`.
        """
        member = self._readable(name)
        if member.compression != STORED:
            return io.BytesIO(self.read(name))
        start = self.data_offset(member)
        if start + member.size > os.fstat(self._file.fileno()).st_size:
            raise MemberError(self.path, name, "the archive ends inside it; fetch the archive again.")
        return StoredMember(os.dup(self._file.fileno()), start, member.size)  # type: ignore[return-value]

    def data_offset(self, member: Member) -> int:
        """Byte at which a member's data begin, by its own header: the directory's copy may have other extra fields."""
        header = self._pread(member, member.header_offset, _LOCAL.size)
        signature, *_, name_length, extra_length = _LOCAL.unpack(header)
        if signature != _LOCAL_SIGNATURE:
            raise MemberError(self.path, member.name, "no member begins where the archive says; fetch it again.")
        return member.header_offset + _LOCAL.size + name_length + extra_length

    def _readable(self, name: str) -> Member:
        member = self.members.get(name)
        if member is None:
            raise MemberError(self.path, name, "the archive has no such member.")
        if member.encrypted or member.compression not in (STORED, DEFLATED):
            how = "encrypted" if member.encrypted else f"packed by method {member.compression}"
            raise MemberError(self.path, name, f"it is {how}; pack it again with store or deflate.")
        return member

    def _pread(self, member: Member, offset: int, length: int) -> bytes:
        try:
            data = os.pread(self._file.fileno(), length, offset)
        except (OSError, OverflowError) as error:
            if may_pass(error):  # the member may be sound: no fault of the data
                raise
            raise MemberError(self.path, member.name, f"reading it failed ({error}).") from error
        if len(data) < length:  # one read yields at most 2 GiB, and nothing beyond the end
            data = self._pread_on(data, offset, length)
        if len(data) < length:
            raise MemberError(self.path, member.name, "the archive ends inside it; fetch the archive again.")
        return data

    def _pread_on(self, data: bytes, offset: int, length: int) -> bytes:
        pieces = [data]
        while pieces[-1] and (had := sum(map(len, pieces))) < length:
            pieces.append(os.pread(self._file.fileno(), length - had, offset + had))
        return b"".join(pieces)

    def _inflate(self, member: Member, data: bytes) -> bytes:
        try:  # bounded by the size that the archive declares, so a broken stream cannot fill the memory
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, max(member.size, 1))
        except zlib.error as error:
            raise MemberError(self.path, member.name, f"it cannot be inflated ({error}); fetch it again.") from error


class StoredMember(io.RawIOBase):
    """Bytes `[start, start + size)` of an open file as a file of their own; owns the descriptor."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        self._descriptor = descriptor
        self._start = start
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origins = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}
        if whence not in origins or origins[whence] + offset < 0:
            raise ValueError(f"Cannot seek to {offset} from {whence}.")
        self._position = origins[whence] + offset
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        left = max(self._size - self._position, 0)
        read = os.preadv(self._descriptor, [memoryview(buffer)[:left]], self._start + self._position)
        self._position += read
        return read

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def directory_damage(file: BinaryIO) -> str | None:
    """What is wrong with a zip's member directory, None where it reads; only the file's end is looked at."""
    try:
        _listed_members(file)
    except _NOT_A_ZIP as error:
        return f"has no readable member directory ({error})"
    return None


def _listed_members(file: BinaryIO | io.FileIO) -> dict[str, Member]:
    with zipfile.ZipFile(file) as listing:
        return {
            info.filename: Member(
                info.filename,
                info.header_offset,
                info.file_size,
                info.compress_size,
                info.compress_type,
                info.CRC,
                bool(info.flag_bits & _ENCRYPTED),
            )
            for info in listing.infolist()
            if not info.is_dir()
        }


def _found_members(descriptor: int) -> Iterator[Member]:
    """Members that lie whole in a file without a directory, by their own headers."""
    if not os.fstat(descriptor).st_size:
        return
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as content:
        position = content.find(_LOCAL_SIGNATURE)
        while position >= 0:
            member, end = _member_at(content, position)
            if member and not member.name.endswith("/"):
                yield member
            position = content.find(_LOCAL_SIGNATURE, end)


def _member_at(content: mmap.mmap, position: int) -> tuple[Member | None, int]:
    """The member whose header begins here and where its data end; None and a place to look on for one cut short."""
    look_on = position + len(_LOCAL_SIGNATURE)
    if position + _LOCAL.size > len(content):
        return None, look_on
    _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack_from(content, position)
    names_at = position + _LOCAL.size
    start = names_at + name_length + extra_length
    if _IN_ZIP64_EXTRA in (packed, size):
        size, packed = _zip64_sizes(content[names_at + name_length : start], size, packed)
    if flags & _SIZES_FOLLOW and not packed:
        packed, size, crc = _measured(content, start, method)
    end = start + packed
    if end > len(content) or packed < 0:
        return None, look_on
    name = content[names_at : names_at + name_length].decode("utf-8" if flags & _UTF8 else "cp437", "replace")
    return Member(name, position, size, packed, method, crc, bool(flags & _ENCRYPTED)), end


def _zip64_sizes(extra: bytes, size: int, packed: int) -> tuple[int, int]:
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        if kind == 1 and length >= 16:
            return struct.unpack_from("<QQ", extra, 4)
        extra = extra[4 + length :]
    return size, packed


def _measured(content: mmap.mmap, start: int, method: int) -> tuple[int, int, int]:
    """(packed, size, crc) of a member whose header leaves them to the bytes after it; packed is −1 where cut short."""
    if method == STORED:
        return _measured_stored(content, start)
    inflater, size, crc, position = zlib.decompressobj(-zlib.MAX_WBITS), 0, 0, start
    try:
        while not inflater.eof and position < len(content):
            piece = content[position : position + _PIECE]
            unpacked = inflater.decompress(piece)
            size, crc, position = size + len(unpacked), zlib.crc32(unpacked, crc), position + len(piece)
    except zlib.error:
        return -1, 0, 0
    return (position - len(inflater.unused_data) - start, size, crc) if inflater.eof else (-1, 0, 0)


def _measured_stored(content: mmap.mmap, start: int) -> tuple[int, int, int]:
    """Stored data end at the descriptor that states just the number of bytes before it."""
    end = content.find(_DESCRIPTOR_SIGNATURE, start)
    while 0 <= end <= len(content) - 16:
        crc, packed = struct.unpack_from("<LL", content, end + 4)
        if packed == end - start:
            return packed, packed, crc
        end = content.find(_DESCRIPTOR_SIGNATURE, end + 1)
    return -1, 0, 0
