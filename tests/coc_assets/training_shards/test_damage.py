from __future__ import annotations

import random
import tarfile
import zlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coc_assets.training_shards import tar
from coc_assets.training_shards.damage import changed_bytes, describe_damage

KEY = "0a-03000000"
GROUP = tar.group_bytes(KEY, {"json": b"{}", "cot.txt": b"Slow down." * 99, "cam1_f0.jpg": bytes(range(256)) * 20})


@given(data=st.binary(min_size=1, max_size=3000), at=st.integers(0), mask=st.integers(1, 255))
def test_a_changed_byte_is_found_wherever_it_lies(data: bytes, at: int, mask: int) -> None:
    at %= len(data)
    changed = bytearray(data)
    changed[at] ^= mask
    assert changed_bytes(bytes(changed), zlib.crc32(data)) == [(at, mask)]


@given(data=st.binary(min_size=2, max_size=300), masks=st.tuples(st.integers(1, 255), st.integers(1, 255)))
def test_two_changed_bytes_are_not_taken_for_one(data: bytes, masks: tuple[int, int]) -> None:
    changed = bytearray(data)
    changed[0] ^= masks[0]
    changed[-1] ^= masks[1]
    assert changed_bytes(bytes(changed), zlib.crc32(data)) == []


def test_nothing_changed_is_nothing_found() -> None:
    assert changed_bytes(b"as written", zlib.crc32(b"as written")) == []


@pytest.mark.parametrize("seed", range(8))
def test_the_member_is_named(seed: int) -> None:
    at = random.Random(seed).randrange(len(GROUP))
    changed = bytearray(GROUP)
    changed[at] ^= 16
    with tarfile.open(fileobj=BytesIO(GROUP)) as group:
        name = [member.name for member in group if member.offset <= at][-1]
    said = describe_damage(bytes(changed), zlib.crc32(GROUP), 10_240)
    assert said == f"byte {10_240 + at}, in {name}, is not as it was written"


def test_damage_in_more_than_one_place_is_a_range() -> None:
    changed = GROUP[:100] + b"****" + GROUP[104:]
    said = describe_damage(changed, zlib.crc32(GROUP), 512)
    assert said == f"bytes 512 to {511 + len(GROUP)} are not as they were written, more than one of them"
