"""HTTP content codings, both ways, piece by piece: gzip, deflate, lz4 (frames) and zstd."""

import sys
import zlib
from collections.abc import Callable
from typing import Protocol

import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from sinks.embedded.errors import CANNOT_DECOMPRESS, UNKNOWN_COMPRESSION_METHOD, ClickHouseError

PIECE_BYTES = 1024 * 1024
"""A piece unpacks into pieces of at most this size, however well it was packed."""


class Encoder(Protocol):
    """Packs a stream."""

    def compress(self, data: bytes) -> bytes: ...
    def flush(self) -> bytes: ...


class Decoder(Protocol):
    """Unpacks one frame or member, as the standard library's decompressors do."""

    def decompress(self, data: bytes, max_length: int) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class _Lz4Encoder:
    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def compress(self, data: bytes) -> bytes:
        header = b"" if self._begun else self._frame.begin()
        self._begun = True
        packed: bytes = header + self._frame.compress(data)
        return packed

    def flush(self) -> bytes:
        rest: bytes = (b"" if self._begun else self._frame.begin()) + self._frame.flush()
        return rest


class _ZlibDecoder:
    """zlib's decompressor with the interface that lz4's and zstd's share."""

    def __init__(self, window_bits: int) -> None:
        self._zlib = zlib.decompressobj(window_bits)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data


_ENCODERS: dict[str, Callable[[], Encoder]] = {
    "lz4": _Lz4Encoder,
    "zstd": lambda: zstd.ZstdCompressor(level=1),
    "gzip": lambda: zlib.compressobj(level=1, wbits=31),
    "deflate": lambda: zlib.compressobj(level=1, wbits=15),
}
_DECODERS: dict[str, Callable[[], Decoder]] = {
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": zstd.ZstdDecompressor,
    "gzip": lambda: _ZlibDecoder(31),
    "deflate": lambda: _ZlibDecoder(15),
}


def accepted(accept_encoding: str) -> str | None:
    """The coding to answer in: the first of ours that the client names and does not weigh at zero."""
    wanted = {}
    for item in accept_encoding.lower().split(","):
        name, _, weight = item.partition(";")
        wanted[name.strip()] = weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return next((name for name in _ENCODERS if wanted.get(name)), None)


def encoder(coding: str) -> Encoder:
    """A new encoder for a coding that `accepted` gave."""
    return _ENCODERS[coding]()


def decoded(coding: str, receive: Callable[[], bytes]) -> Callable[[], bytes]:
    """A `receive` that gives the unpacked body, in pieces of bounded size; empty at its end.

    Several frames or members after each other are one body. Raises UNKNOWN_COMPRESSION_METHOD at once, and
    CANNOT_DECOMPRESS where the body is damaged or ends too early.
    """
    if coding in ("", "identity"):
        return receive
    make = _DECODERS.get(coding)
    if make is None:
        raise ClickHouseError(UNKNOWN_COMPRESSION_METHOD, f"Unknown compression method {coding!r}")
    decoder, rest, begun = make(), b"", False

    def unpack() -> bytes:
        nonlocal decoder, rest, begun
        while True:
            if decoder.eof:
                decoder, rest, begun = make(), decoder.unused_data, False
                continue
            piece, rest = rest, b""
            if not piece and decoder.needs_input:
                piece = receive()
                if not piece:
                    if begun:
                        raise ClickHouseError(CANNOT_DECOMPRESS, f"The body ends inside its {coding} stream")
                    return b""
            begun = True
            try:
                plain = decoder.decompress(piece, PIECE_BYTES)
            except (zlib.error, zstd.ZstdError, RuntimeError, EOFError) as error:
                raise ClickHouseError(CANNOT_DECOMPRESS, f"The body is no {coding} stream: {error}") from None
            if plain:
                return plain

    return unpack
