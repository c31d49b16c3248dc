"""Ten thousand mutations of good batches: each is taken or refused with a code, and what is taken can go on."""

import gzip
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from aiohttp import web

from aanlevering.lezer import lees
from aanlevering.server import maak_app, maak_runner
from aanlevering.stroom import uitgepakt
from aanlevering.weigering import Geweigerd, Weigercode
from avro.codec import Codec
from domain.batch import Batch
from sinks.objecten import Objecten
from streams.sleutels import lees_sleutels, maak_sleutels
from tests.globe import ANDER_BSN, BSN, maak_bericht, maak_bijlage, maak_xml

AANTAL = 10_000
OVER_HTTP = 300
CODEC = Codec()
GOED = [
    maak_xml(),
    maak_xml(
        berichten=[
            maak_bericht(1, bijlagen=[maak_bijlage(), maak_bijlage(b"%PDF-1.7", volgorde="2")], Referentie="R-1"),
            maak_bericht(2, PublicatieDatum="2026-02-01T00:00:00+01:00", GebruikerID=ANDER_BSN),
        ]
    ),
    maak_xml(kop="", berichten=[maak_bericht(3, BerichtTekst="één\\r\\ntwee ☃ 𝄞")]),
]
INGEVOEGD = [
    *(b"<", b">", b"&", b"&amp;", b"&#0;", b"&#x10FFFF;", b"&x;", b"]]>", b"<![CDATA[", b"<!--", b"-->", b"<?xml?>"),
    *(b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3", b"\xed\xa0\x80", b"\r\n", b"\x85", b"<a/>", b"</Bericht>"),
    *(b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/hostname'>]>", b" xmlns='urn:x'", b" xsi:nil='true'", b"A" * 5001),
    *(b"999999999999999999999", b"-1", b"2026-13-45T99:99:99Z", b"{}", b"====", "٣".encode(), BSN.encode()),
]
CODERINGEN = ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "utf-7", "cp037"]

Mutatie = Callable[[random.Random, bytes], bytes]


def plek(kans: random.Random, xml: bytes, lengte: int = 0) -> tuple[int, int]:
    begin = kans.randrange(len(xml) + 1)
    return begin, min(len(xml), begin + kans.randint(1, lengte or 30))


def tags(xml: bytes) -> list[tuple[int, int]]:
    gevonden, begin = [], xml.find(b"<")
    while begin >= 0 and (einde := xml.find(b">", begin)) >= 0:
        gevonden.append((begin, einde + 1))
        begin = xml.find(b"<", einde)
    return gevonden


def flip(kans: random.Random, xml: bytes) -> bytes:
    uit = bytearray(xml)
    for _ in range(kans.randint(1, 8) if uit else 0):
        uit[kans.randrange(len(uit))] ^= 1 << kans.randrange(8)
    return bytes(uit)


def laat_weg(kans: random.Random, xml: bytes) -> bytes:
    begin, einde = plek(kans, xml, 200)
    return xml[:begin] + xml[einde:]


def verdubbel(kans: random.Random, xml: bytes) -> bytes:
    begin, einde = plek(kans, xml, 400)
    return xml[:einde] + xml[begin:einde] * kans.randint(1, 5) + xml[einde:]


def kap(kans: random.Random, xml: bytes) -> bytes:
    return xml[: plek(kans, xml)[0]]


def voeg_in(kans: random.Random, xml: bytes) -> bytes:
    begin, _ = plek(kans, xml)
    return xml[:begin] + kans.choice(INGEVOEGD) + xml[begin:]


def wissel_tags(kans: random.Random, xml: bytes) -> bytes:
    alle = tags(xml)
    if len(alle) < 2:
        return xml
    (a, b), (c, d) = sorted(kans.sample(alle, 2))
    return xml[:a] + xml[c:d] + xml[b:c] + xml[a:b] + xml[d:]


def hernoem(kans: random.Random, xml: bytes) -> bytes:
    alle = tags(xml)
    if not alle:
        return xml
    begin, einde = kans.choice(alle)
    naam = xml[begin:einde].strip(b"</>").split()[0] if xml[begin:einde].strip(b"</> ") else b"a"
    return xml.replace(naam, kans.choice([b"x", b"Bericht", b"Berichten", b"n" * 300, b"a:b", b"BatchID"]))


def vervang_inhoud(kans: random.Random, xml: bytes) -> bytes:
    alle = tags(xml)
    if len(alle) < 2:
        return xml
    nummer = kans.randrange(len(alle) - 1)
    return xml[: alle[nummer][1]] + kans.choice(INGEVOEGD) + xml[alle[nummer + 1][0] :]


def hercodeer(kans: random.Random, xml: bytes) -> bytes:
    naam = kans.choice(CODERINGEN)
    tekst = xml.decode("utf-8", "replace")
    if kans.random() < 0.5:
        tekst = tekst.replace("UTF-8", kans.choice([naam, "UTF-8", "x" * 2000, ""]))
    return tekst.encode(naam, "replace") if kans.random() < 0.7 else tekst.encode()


MUTATIES: list[Mutatie] = [
    *(flip, laat_weg, verdubbel, kap, voeg_in, wissel_tags, hernoem, vervang_inhoud, hercodeer),
]


def gevallen(aantal: int, zaad: int) -> Iterator[tuple[bytes, bool]]:
    """Mutated batches, and whether they are said to be gzip."""
    kans = random.Random(zaad)
    for _ in range(aantal):
        xml = kans.choice(GOED)
        for _ in range(kans.choice([1, 1, 1, 2, 4])):
            xml = kans.choice(MUTATIES)(kans, xml)
        ingepakt = kans.random() < 0.2
        if ingepakt:
            xml = gzip.compress(xml, 1)
            for _ in range(kans.choice([0, 0, 1, 2])):
                xml = kans.choice([flip, laat_weg, verdubbel, kap])(kans, xml)
        yield xml, ingepakt if kans.random() < 0.95 else not ingepakt


def oordeel(xml: bytes, ingepakt: bool) -> str:
    """`taken`, or the code of the refusal."""
    uitkomst = lees_of_weiger(xml, ingepakt)
    if isinstance(uitkomst, Geweigerd):
        assert uitkomst.code in set(Weigercode)
        assert 400 <= uitkomst.status < 500
        assert not any(bsn in uitkomst.reden for bsn in (BSN, ANDER_BSN))
        return uitkomst.code
    assert 1 <= len(uitkomst.berichten) <= 1000
    assert not any(bsn in fout for fout in uitkomst.berichten.schema_fouten for bsn in (BSN, ANDER_BSN))
    assert CODEC.lees_batch(CODEC.schrijf_batch(uitkomst)) == uitkomst
    return "taken"


def lees_of_weiger(xml: bytes, ingepakt: bool) -> Batch | Geweigerd:
    stukken = [xml[begin : begin + 700] for begin in range(0, len(xml), 700)]
    try:
        return lees(
            uitgepakt(stukken) if ingepakt else stukken,
            proceskenmerk=UUID(int=1),
            aangeleverd_op=1_769_860_800_000,
            aangeleverd_door=None,
            bewaar=lambda sha256, inhoud: None,
        )
    except Geweigerd as fout:
        return fout


@pytest.mark.parametrize("zaad", range(10))
def test_a_mutated_batch_is_taken_or_refused(zaad: int) -> None:
    uitkomsten = Counter(oordeel(xml, ingepakt) for xml, ingepakt in gevallen(AANTAL // 10, zaad))
    assert uitkomsten["taken"] > 50
    assert {"XmlNietWelgevormd", "XmlVijandig", "VerkeerdeWortel", "GzipOnleesbaar", "BatchIDOnleesbaar"} <= set(
        uitkomsten
    )


async def test_over_http_a_mutated_batch_is_never_a_500(tmp_path: Path) -> None:
    maak_sleutels(tmp_path / "sleutels.json")
    uitgegeven: list[Batch] = []

    async def publiceer(batch: Batch) -> None:
        CODEC.schrijf_batch(batch)
        uitgegeven.append(batch)

    async def geen(*_: object) -> bytes | None:
        return None

    app = maak_app(
        publiceer=publiceer,
        objecten=Objecten(f"file://{tmp_path / 'opslag'}", lees_sleutels(tmp_path / "sleutels.json")),
        resultaat=geen,
        controles={},
    )
    runner = maak_runner(app, 5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    statussen: Counter[int] = Counter()
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{runner.addresses[0][1]}", timeout=60, trust_env=False
    ) as client:
        for xml, ingepakt in gevallen(OVER_HTTP, 99):
            kop = {"Content-Encoding": "gzip"} if ingepakt else {}
            antwoord = await client.post("/v1/batches", content=xml, headers=kop)
            statussen[antwoord.status_code] += 1
            assert antwoord.status_code == 202 or antwoord.json()["code"] in set(Weigercode)
    await runner.cleanup()
    assert set(statussen) == {202, 400}
    assert statussen[202] == len(uitgegeven)
