"""The content codings of the embedded ClickHouse: what was packed comes out, in pieces of bounded size."""

import gzip
import zlib
from collections.abc import Callable

import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sinks.embedded.codings import PIECE_BYTES, accepted, decoded, encoder
from sinks.embedded.errors import ClickHouseError

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "lz4": lz4.frame.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def unpack(coding: str, packed: bytes, step: int = 1000) -> list[bytes]:
    pieces = [packed[start : start + step] for start in range(0, len(packed), step)]
    receive = decoded(coding, lambda: pieces.pop(0) if pieces else b"")
    return list(iter(receive, b""))


@pytest.mark.parametrize("coding", PACK)
@given(parts=st.lists(st.binary(min_size=1, max_size=3000), max_size=4), step=st.integers(1, 4000))
def test_frames_after_each_other_are_one_body(coding: str, parts: list[bytes], step: int) -> None:
    assert b"".join(unpack(coding, b"".join(map(PACK[coding], parts)), step)) == b"".join(parts)


@pytest.mark.parametrize("coding", PACK)
@given(parts=st.lists(st.binary(max_size=3000), max_size=4))
def test_what_we_pack_can_be_unpacked(coding: str, parts: list[bytes]) -> None:
    packer = encoder(coding)
    packed = b"".join(map(packer.compress, parts)) + packer.flush()
    assert b"".join(unpack(coding, packed)) == b"".join(parts)


@pytest.mark.parametrize("coding", PACK)
def test_a_bomb_comes_out_in_small_pieces(coding: str) -> None:
    pieces = unpack(coding, PACK[coding](bytes(50 * PIECE_BYTES)), step=1 << 30)
    assert sum(map(len, pieces)) == 50 * PIECE_BYTES
    assert max(map(len, pieces)) <= PIECE_BYTES


@pytest.mark.parametrize("coding", PACK)
def test_a_torn_or_damaged_body_is_refused(coding: str) -> None:
    packed = PACK[coding](b"SELECT 1" * 1000)
    for broken in (
        packed[:-1],
        packed[: len(packed) // 2],
        b"SELECT 1, and this is no packed body",
        packed + b"SELECT",
    ):
        with pytest.raises(ClickHouseError) as caught:
            unpack(coding, broken)
        assert caught.value.code == 271


def test_an_unknown_coding_is_refused_and_none_leaves_the_body_as_it_is() -> None:
    with pytest.raises(ClickHouseError, match="Unknown compression method"):
        decoded("snappy", bytes)
    assert unpack("", b"x") == unpack("identity", b"x") == [b"x"]


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("", None),
        ("identity", None),
        ("gzip, deflate, br", "gzip"),
        ("lz4,zstd,gzip,deflate", "lz4"),
        ("GZIP;q=1.0, lz4;q=0", "gzip"),
        ("br", None),
    ],
)
def test_the_answer_is_packed_as_the_client_accepts(header: str, coding: str | None) -> None:
    assert accepted(header) == coding
