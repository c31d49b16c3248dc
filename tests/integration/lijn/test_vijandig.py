"""Hostile and broken input through the running stack: refused with code and reason, counted nowhere, no obstacle."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from uuid import uuid4

import httpx
import pytest

from tests.globe import Rauw, maak_bericht, maak_xml
from tests.integration.lijn.controle import controleer
from tests.integration.lijn.logboek import lees
from tests.integration.lijn.stapel import Stapel
from tests.integration.lijn.zending import (
    ACTIEF,
    ALLE_BSNS,
    GOED,
    OIN,
    ZAAD,
    Zending,
    lever_alle,
    leverancier,
    maak_zending,
    nieuwe_oin,
    samen,
    tijd,
)
from tests.regels import regel

pytestmark = pytest.mark.integration

HONDERD_MB = 100_000_000
BSN = ACTIEF[0]


def _batch(oin: str, **anders: object) -> bytes:
    """A good batch of one message, but for what is given."""
    batch_id = str(uuid4())
    bericht = maak_bericht(BatchID=batch_id, BerichtID=str(uuid4()), BerichtType="GOED", GebruikerID=BSN)
    velden: dict[str, object] = {
        "batch_id": batch_id,
        "aanmaakdatum": tijd(),
        "leverancier": oin,
        "berichten": [bericht],
    }
    return maak_xml(**(velden | anders))  # type: ignore[arg-type]


def _met_entiteiten(oin: str) -> bytes:
    lagen = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    doctype = f'<!DOCTYPE Berichten [<!ENTITY l0 "lach">{lagen}]>'
    bericht = maak_bericht(Onderwerp=Rauw("<Onderwerp>&l9;</Onderwerp>"), GebruikerID=BSN)
    return _batch(oin, kop=f'<?xml version="1.0" encoding="UTF-8"?>{doctype}', berichten=[bericht])


def _met_bestand(oin: str) -> bytes:
    doctype = '<!DOCTYPE Berichten [<!ENTITY geheim SYSTEM "file:///etc/passwd">]>'
    bericht = maak_bericht(Onderwerp=Rauw("<Onderwerp>&geheim;</Onderwerp>"), GebruikerID=BSN)
    return _batch(oin, kop=f'<?xml version="1.0" encoding="UTF-8"?>{doctype}', berichten=[bericht])


def _diep(oin: str) -> bytes:
    return _batch(oin, berichten=["<a>" * 20_000 + "</a>" * 20_000])


def _te_veel(oin: str) -> bytes:
    return _batch(oin, berichten=[maak_bericht(i, GebruikerID=BSN) for i in range(1001)])


def _groot(oin: str) -> bytes:
    goed = _batch(oin)
    return goed.replace(b"</Berichten>", b" " * (HONDERD_MB + 1 - len(goed)) + b"</Berichten>")


def _gzipbom(oin: str) -> bytes:
    """One good batch with 300 MB of blanks in it, in 300 kB."""
    begin, einde = _batch(oin).split(b"</Berichten>")
    pak = zlib.compressobj(9, zlib.DEFLATED, 31)
    stukken = [pak.compress(begin)]
    stukken += [pak.compress(b" " * 1_000_000) for _ in range(300)]
    return b"".join([*stukken, pak.compress(b"</Berichten>" + einde), pak.flush()])


VIJANDIG: dict[str, tuple[Callable[[str], bytes], str, int, str]] = {
    "entity bomb": (_met_entiteiten, "xml", 400, "XmlVijandig"),
    "external entity": (_met_bestand, "xml", 400, "XmlVijandig"),
    "external DTD": (
        lambda oin: _batch(oin, kop='<!DOCTYPE Berichten SYSTEM "http://127.0.0.1:9/geheim.dtd">'),
        "xml",
        400,
        "XmlVijandig",
    ),
    "depth bomb": (_diep, "xml", 400, "XmlVijandig"),
    "size bomb": (_groot, "xml", 413, "TeGroot"),
    "gzip bomb": (_gzipbom, "xml.gz", 413, "TeGroot"),
    "torn gzip": (lambda oin: gzip.compress(_batch(oin))[:-20], "xml.gz", 400, "GzipOnleesbaar"),
    "gzip in gzip": (lambda oin: gzip.compress(gzip.compress(_batch(oin))), "xml.gz", 400, "GzipNietAangekondigd"),
    "gzip unannounced": (lambda oin: gzip.compress(_batch(oin)), "xml", 400, "GzipNietAangekondigd"),
    "torn XML": (lambda oin: _batch(oin)[:-30], "xml", 400, "XmlNietWelgevormd"),
    "unknown encoding": (
        lambda oin: _batch(oin, kop='<?xml version="1.0" encoding="klingon"?>'),
        "xml",
        400,
        "CoderingOnbekend",
    ),
    "another encoding than named": (
        lambda oin: _batch(oin, kop='<?xml version="1.0" encoding="UTF-16"?>'),
        "xml",
        400,
        "CoderingOnbekend",
    ),
    "invalid bytes": (lambda oin: _batch(oin).replace(b"Uw aanslag", b"Uw \xff\xfe"), "xml", 400, "XmlNietWelgevormd"),
    "NUL bytes": (lambda oin: _batch(oin).replace(b"Uw aanslag", b"Uw \0"), "xml", 400, "XmlNietWelgevormd"),
    "another root": (lambda oin: _batch(oin, wortel="Brieven"), "xml", 400, "VerkeerdeWortel"),
    "another namespace": (lambda oin: _batch(oin, ns="urn:iets"), "xml", 400, "VerkeerdeWortel"),
    "no messages": (lambda oin: _batch(oin, berichten=[]), "xml", 400, "GeenBerichten"),
    "1001 messages": (_te_veel, "xml", 400, "TeVeelBerichten"),
    "unreadable BatchID": (lambda oin: _batch(oin, batch_id=f"batch-{BSN}"), "xml", 400, "BatchIDOnleesbaar"),
    "unreadable leverancier": (lambda _: _batch(f"{BSN}"), "xml", 400, "LeverancierOnleesbaar"),
    "no BatchInformatie": (lambda oin: _batch(oin, kader=""), "xml", 400, "BatchIDOnleesbaar"),
    "JSON": (lambda _: json.dumps({"bsn": BSN}).encode(), "xml", 400, "XmlNietWelgevormd"),
    "a PDF": (lambda _: b"%PDF-1.7\n\x00\xff" * 100, "xml", 400, "XmlNietWelgevormd"),
    "nothing": (lambda _: b"", "xml", 400, "XmlNietWelgevormd"),
}
"""What it is: bytes, name of the file, HTTP status, code."""


@pytest.fixture(scope="module")
def oin(lijn: Stapel) -> str:
    """A leverancier of these tests."""
    nieuw = nieuwe_oin()
    lijn.laad(leverancier(nieuw))
    return nieuw


def _totalen(lijn: Stapel) -> dict[str, list[int]]:
    return {
        rij[0]: [int(rij[1]), int(rij[2])] for rij in lijn.sql("SELECT leverancier, batches, berichten FROM totalen")
    }


def _gelezen_batches(lijn: Stapel) -> int:
    return len(lees(lijn.adressen["kafka"], "batch"))


def _goed(oin: str) -> Zending:
    return maak_zending(oin, [GOED], Random(f"{ZAAD}/{uuid4()}"))


def _geen_bsn(tekst: str) -> None:
    assert not [bsn for bsn in ALLE_BSNS if bsn in tekst], "a BSN in what the sender is told"


@dataclass
class Geleverd:
    """After one delivery of all hostile files, a good one behind each of them."""

    geweigerd: dict[str, dict[str, str]]
    goed: dict[str, Zending]
    voor: dict[str, list[int]]
    """Batches and messages by leverancier."""
    na: dict[str, list[int]]
    batches_erbij: int
    """In the topic."""
    uitvoer: str


@pytest.fixture(scope="module")
def geleverd(lijn: Stapel, oin: str, tmp_path_factory: pytest.TempPathFactory) -> Geleverd:
    """Delivers all of them with one command."""
    map_ = tmp_path_factory.mktemp("vijandig")
    goed, bestanden = {}, {}
    for nummer, (naam, (maak, extensie, _, _)) in enumerate(VIJANDIG.items()):
        slecht = map_ / f"{nummer:02}-1-slecht.{extensie}"
        slecht.write_bytes(maak(oin))
        bestanden[naam] = str(slecht)
        goed[naam] = _goed(oin)
        (map_ / f"{nummer:02}-2-goed.xml").write_bytes(goed[naam].xml)
    voor, batches = _totalen(lijn), _gelezen_batches(lijn)
    antwoord = lijn.vraag("aanleveren", map_, code=1)
    assert antwoord["aangeleverd"] == len(VIJANDIG)
    assert len(antwoord["geweigerd"]) == len(VIJANDIG)
    lijn.wacht(90)
    per_bestand = {weigering["bestand"]: weigering for weigering in antwoord["geweigerd"]}
    return Geleverd(
        {naam: per_bestand[bestand] for naam, bestand in bestanden.items()},
        goed,
        voor,
        _totalen(lijn),
        _gelezen_batches(lijn) - batches,
        lijn.uitvoer[-2][1],
    )


@regel("not well-formed or hostile XML")
@pytest.mark.parametrize("naam", list(VIJANDIG))
def test_hostile_or_broken_input_is_refused_and_the_next_good_batch_passes(
    lijn: Stapel, geleverd: Geleverd, naam: str
) -> None:
    weigering = geleverd.geweigerd[naam]
    assert weigering.keys() == {"bestand", "batch_id", "code", "reden"}
    assert weigering["code"] == VIJANDIG[naam][3]
    assert len(weigering["reden"]) > 20
    goed = geleverd.goed[naam]
    assert lijn.sql(f"SELECT code FROM berichten WHERE batch_id = '{goed.batch_id}'") == [["Verwerkt"]]


@regel("Refused at the door with a 4xx, not counted anywhere")
def test_nothing_of_what_was_refused_is_counted_anywhere(oin: str, geleverd: Geleverd) -> None:
    assert geleverd.batches_erbij == len(VIJANDIG)
    assert {wie for wie in geleverd.na if geleverd.na[wie] != geleverd.voor.get(wie)} == {oin}
    assert geleverd.na[oin] == [len(VIJANDIG), len(VIJANDIG)]
    _geen_bsn(geleverd.uitvoer)


@regel("Refused at the door with a 4xx, not counted anywhere")
@pytest.mark.parametrize("naam", list(VIJANDIG))
def test_over_http_the_refusal_has_its_status_code_and_reason(lijn: Stapel, oin: str, naam: str) -> None:
    maak, extensie, status, code = VIJANDIG[naam]
    kop = {"Content-Encoding": "gzip"} if extensie.endswith("gz") else {}
    antwoord = _post(lijn, maak(oin), kop)
    assert (antwoord.status_code, antwoord.json()["code"]) == (status, code)
    assert antwoord.json().keys() == {"code", "reden", "batch_id"}
    assert antwoord.headers["Content-Type"].startswith("application/json")
    _geen_bsn(antwoord.text)


def _post(lijn: Stapel, inhoud: bytes | Iterator[bytes], kop: dict[str, str]) -> httpx.Response:
    return httpx.post(
        f"{lijn.adressen['aanlevering']}/v1/batches", content=inhoud, headers=kop, timeout=120, trust_env=False
    )


def test_a_body_without_a_length_that_never_seems_to_end_is_refused(lijn: Stapel, oin: str) -> None:
    begin = _batch(oin).split(b"</Berichten>")[0]

    def eindeloos() -> Iterator[bytes]:
        yield begin
        for _ in range(400):
            yield b" " * 1_000_000

    try:
        antwoord = _post(lijn, eindeloos(), {})
    except httpx.TransportError:  # the door may hang up on who goes on sending
        return
    assert (antwoord.status_code, antwoord.json()["code"]) == (413, "TeGroot")


def test_bad_headers_are_refused(lijn: Stapel, oin: str) -> None:
    xml = _batch(oin)
    for kop, status, code in (
        ({"X-Leverancier-OIN": "123"}, 400, "OinOnleesbaar"),
        ({"X-Leverancier-OIN": BSN}, 400, "OinOnleesbaar"),
        ({"Content-Encoding": "br"}, 415, "InpakwijzeOnbekend"),
    ):
        antwoord = _post(lijn, xml, kop)
        assert (antwoord.status_code, antwoord.json()["code"]) == (status, code)
        _geen_bsn(antwoord.text)


@regel(
    "the batches of unknown or wrong senders too",
    "Everything else is accepted (202), processed, answered with a code and counted",
    "A leverancier that is not in the reference data",
    "a deliverer who is neither that leverancier nor an intermediair for it",
    "under whose name it is counted",
    "an intermediair does so for several afnemers",
    "a government organisation, known by its OIN, on whose behalf messages are sent",
)
def test_unknown_senders_and_those_who_may_not_deliver_are_accepted_and_answered(lijn: Stapel, oin: str) -> None:
    ander, intermediair = nieuwe_oin(), nieuwe_oin()
    lijn.laad(samen(leverancier(ander), leverancier(intermediair, voor=[oin])))
    willekeur = Random(f"{ZAAD}/wie")
    zendingen = [
        maak_zending(nieuwe_oin(), [GOED] * 2, willekeur, alle=OIN),
        maak_zending(nieuwe_oin(), [GOED] * 2, willekeur, door=ander, alle=OIN),
        maak_zending(ander, [GOED] * 2, willekeur, door=nieuwe_oin(), alle=OIN),
        maak_zending(ander, [GOED] * 2, willekeur, door=intermediair, alle=OIN),
    ]
    mag = maak_zending(oin, [GOED] * 2, willekeur, door=intermediair)
    lever_alle(lijn.adressen["aanlevering"], [*zendingen, mag])
    lijn.wacht(120)
    controleer(lijn, zendingen)
    assert lijn.sql(f"SELECT code, stadium, count() FROM berichten WHERE batch_id = '{mag.batch_id}' GROUP BY ALL") == [
        ["Verwerkt", "NA", 2]
    ]
    [rij] = lijn.vraag("berichtverwerking", "--batch", mag.batch_id)
    assert (rij["leverancier"], rij["aangeleverd_door"]) == (oin, intermediair)
