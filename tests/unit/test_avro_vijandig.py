"""Bytes that were made to hurt: whatever a record holds, only `Onleesbaar` leaves the codec, and memory is bounded."""

import random
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avro import codec as module
from avro.codec import Codec, Onleesbaar
from domain.batch import MAX_BERICHTEN
from streams.settings import MAX_RECORD_BYTES
from tests.slices import BSNS, kader, maak_slice
from tests.unit.test_avro_codec import CODEC, GEHEIM, GOED, lees, weigering

MIB = 1024 * 1024


def lengte(getal: int) -> bytes:
    """A number as Avro writes it."""
    gezigzagd = (getal << 1) ^ (getal >> 63)
    bytes_ = bytearray()
    while gezigzagd & ~0x7F:
        bytes_.append(gezigzagd & 0x7F | 0x80)
        gezigzagd >>= 7
    return bytes([*bytes_, gezigzagd])


ABSURD = [lengte(2**62), lengte(-(2**62)), lengte(2**31), lengte(-1), lengte(-(2**40)), b"\xff" * 12, b"\x80" * 9]
"""Lengths and counts that no value has."""


def verminkt(kans: random.Random, goed: bytes, ander: bytes) -> bytes:
    """A few wounds of several kinds, behind the header or in it."""
    bytes_ = bytearray(goed)
    for _ in range(kans.randint(1, 6)):
        plaats = kans.randrange(0 if kans.random() < 0.1 else min(5, len(bytes_) - 1), max(len(bytes_), 1))
        stuk = kans.randrange(1, 20)
        soort = kans.randrange(7)
        if soort == 0:
            bytes_[plaats] ^= 1 << kans.randrange(8)
        elif soort == 1:
            del bytes_[plaats : plaats + stuk]
        elif soort == 2:
            bytes_[plaats:plaats] = kans.choice(ABSURD)
        elif soort == 3:
            bytes_[plaats : plaats + 1] = kans.choice(ABSURD)
        elif soort == 4:
            bytes_[plaats:plaats] = bytes_[plaats : plaats + stuk] * kans.randrange(1, 4)
        elif soort == 5:
            bytes_[plaats:] = ander[plaats:]
        else:
            bytes_[plaats : plaats + stuk] = kans.randbytes(stuk)
        if not bytes_:
            break
    return bytes(bytes_)


@pytest.mark.parametrize("onderwerp", GOED)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(zaad=st.integers(0, 2**32), ander=st.sampled_from(sorted(GOED)))
def test_a_wounded_record_is_refused_or_read_and_never_repeated(onderwerp: str, zaad: int, ander: str) -> None:
    inhoud = verminkt(random.Random(zaad), GOED[onderwerp], GOED[ander])
    with suppress(Onleesbaar):
        lees(onderwerp, inhoud)
        return
    gezegd = weigering(onderwerp, inhoud)
    assert GEHEIM not in gezegd
    assert BSNS[0] not in gezegd
    assert len(gezegd) < 100


def veel(onderwerp: str, veld: str, een: object, stuk: bytes) -> bytes:
    """A record of which one column goes on and on: it is good up to there, and claims 2^40 entries."""
    waarde = CODEC.lees(onderwerp, GOED[onderwerp])
    leeg, vol = (CODEC.schrijf(onderwerp, waarde | {veld: kolom}) for kolom in ([], [een]))
    gelijk = next(i for i, (dit, dat) in enumerate(zip(leeg, vol, strict=False)) if dit != dat)
    begin = leeg[:gelijk] + lengte(2**40)
    return begin + stuk * ((MAX_RECORD_BYTES - len(begin)) // len(stuk))


@contextmanager
def geheugen(mib: int) -> Iterator[None]:
    """Within it this process gets no more than so much on top of what it has."""
    heeft = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    eerder = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (heeft + mib * MIB, eerder[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, eerder)


@pytest.mark.skipif(sys.platform != "linux", reason="how much memory a process has is asked of Linux")
@pytest.mark.parametrize(
    ("onderwerp", "veld", "een", "stuk"),
    [
        ("validatie", "diensten", [], b"\x00"),
        ("validatie", "waarschuwingen", ["ab"], b"\x02\x04ab\x00"),
        ("batch", "teksten", "ab", b"\x04ab"),
        ("bericht", "publicatiedatums", 2**15, b"\x80\x80\x02"),
        ("resultaat", "nummers", 512, b"\x80\x08"),
        ("dienst", "koppelingen", {"berichttype": "a", "van": 1, "tot": 1}, b"\x02a\x02\x02\x02"),
        (
            "berichttype",
            "standaardbijlagen",
            {"naam": "", "sha256": b"", "grootte": 0, "waarschuwingen": []},
            b"\x00\x00\x00\x00",
        ),
    ],
)
def test_a_full_record_of_little_things_takes_bounded_memory(
    onderwerp: str, veld: str, een: object, stuk: bytes
) -> None:
    """24 MiB of empty lists would be more than a gigabyte of them."""
    inhoud = veel(onderwerp, veld, een, stuk)
    with geheugen(400):
        assert weigering(onderwerp, inhoud) == "Onleesbaar: more parts than any event has"


def test_what_is_larger_than_any_record_is_not_read() -> None:
    assert module.MAX_BYTES == MAX_RECORD_BYTES
    assert weigering("batch", GOED["batch"] + bytes(MAX_RECORD_BYTES)) == "Onleesbaar: larger than any event"


def test_the_largest_batch_there_can_be_is_read() -> None:
    """1000 messages of 4000 four-byte characters, 2 bijlagen each, and all else as long as it gets."""
    n = MAX_BERICHTEN
    slice_ = maak_slice(
        ids=range(n),
        van=kader(run=UUID(int=1), totaal=n),
        bijlagen=[(rij, 250_000) for rij in range(n) for _ in range(2)],
    )
    berichten = slice_.berichten
    berichten.teksten = ["\U0001f4ee" * 4000] * n
    berichten.onderwerpen = ["\U0001f4ee" * 50] * n
    berichten.bijlage_omschrijvingen = ["\U0001f4ee" * 128] * (2 * n)
    inhoud = CODEC.schrijf_batch(slice_)
    assert 16 * MIB < len(inhoud) < MAX_RECORD_BYTES
    assert Codec().lees_batch(inhoud) == slice_
