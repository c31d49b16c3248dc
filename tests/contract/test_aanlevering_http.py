"""The door over real HTTP: what it takes, refuses and puts off; a bad delivery never harms the next good one."""

import asyncio
import gzip
import logging
import os
import tempfile
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from aiohttp import web

from aanlevering import deur as deur_module
from aanlevering import proef as proef_module
from aanlevering.deur import Grenzen
from aanlevering.kop import OIN_HEADER
from aanlevering.ruimte import VEEL_BYTES
from aanlevering.server import maak_app, maak_runner
from aanlevering.spoel import SchijfVol
from aanlevering.uitgever import KafkaWeg, RecordTeGroot
from domain.batch import MAX_BATCH_BYTES, Batch
from sinks.bijlagenwinkel import Bijlagenwinkel, pak_naam
from sinks.database import DatabaseWeg
from sinks.objecten import Objecten, OpslagWeg
from sinks.vragen import Dubbelzinnig
from streams.sleutels import lees_sleutels, maak_sleutels
from tests.globe import BATCH_ID, BSN, OIN, Rauw, maak_bericht, maak_bijlage, maak_xml
from tests.regels import regel

NU = 1_769_860_800_000
GOED = maak_xml(berichten=[maak_bericht(1, bijlagen=[maak_bijlage()]), maak_bericht(2)])
INTERMEDIAIR = "00000099000000002000"


@dataclass
class Deur:
    """The door, and everything around it that a test may turn."""

    url: str = ""
    poort: int = 0
    runner: web.AppRunner | None = None
    uitgegeven: list[Batch] = field(default_factory=list)
    uitgeef_fout: Exception | None = None
    wacht: asyncio.Event = field(default_factory=asyncio.Event)
    controle_fout: Exception | None = None
    resultaat_fout: Exception | None = None
    gevraagd: list[tuple[UUID, str | None, UUID | None, str | None]] = field(default_factory=list)

    async def publiceer(self, batch: Batch) -> None:
        await self.wacht.wait()
        if self.uitgeef_fout is not None:
            raise self.uitgeef_fout
        self.uitgegeven.append(batch)

    async def controleer(self) -> None:
        if self.controle_fout is not None:
            raise self.controle_fout

    async def resultaat(
        self, batch_id: UUID, leverancier: str | None, proceskenmerk: UUID | None, wie: str | None
    ) -> bytes | None:
        if self.resultaat_fout is not None:
            raise self.resultaat_fout
        self.gevraagd.append((batch_id, leverancier, proceskenmerk, wie))
        return b"<BerichtVerwerkResponse/>" if batch_id == UUID(BATCH_ID) else None


@pytest.fixture
def objecten(tmp_path: Path) -> Objecten:
    maak_sleutels(tmp_path / "sleutels.json")
    return Objecten(f"file://{tmp_path / 'opslag'}", lees_sleutels(tmp_path / "sleutels.json"))


@pytest.fixture
def grenzen() -> Grenzen:
    return Grenzen(gelijktijdig=2, wachtrij=4, deadline_s=20, ontvangst_s=20)


@pytest_asyncio.fixture
async def deur(objecten: Objecten, grenzen: Grenzen) -> AsyncIterator[Deur]:
    deur = Deur()
    deur.wacht.set()
    app = maak_app(
        publiceer=deur.publiceer,
        objecten=objecten,
        resultaat=deur.resultaat,
        controles={"kafka": deur.controleer, "opslag": objecten.controleer},
        grenzen=grenzen,
        klok=lambda: NU,
    )
    deur.runner = maak_runner(app, 5)
    await deur.runner.setup()
    await web.TCPSite(deur.runner, "127.0.0.1", 0).start()
    deur.poort = deur.runner.addresses[0][1]
    deur.url = f"http://127.0.0.1:{deur.poort}"
    yield deur
    deur.wacht.set()
    await deur.runner.cleanup()


@pytest_asyncio.fixture
async def client(deur: Deur) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=deur.url, timeout=60) as client:
        yield client


async def lever(client: httpx.AsyncClient, inhoud: object, **kop: str) -> httpx.Response:
    return await client.post("/v1/batches", content=inhoud, headers=kop)  # type: ignore[arg-type]


async def totdat_gemeten(client: httpx.AsyncClient, regel: str) -> None:
    while regel not in (await client.get("/metrics")).text:  # noqa: ASYNC110 (the door is asked as from outside)
        await asyncio.sleep(0.01)


async def neemt_verbindingen_aan(deur: Deur) -> bool:
    try:
        _, schrijver = await asyncio.open_connection("127.0.0.1", deur.poort)
    except ConnectionError:
        return False
    schrijver.close()
    return True


async def geweigerd(deur: Deur, client: httpx.AsyncClient, inhoud: object, status: int, code: str, **kop: str) -> None:
    """The delivery is refused so, nothing of it goes on, and the next good batch passes."""
    antwoord = await lever(client, inhoud, **kop)
    assert (antwoord.status_code, antwoord.json()["code"]) == (status, code)
    assert antwoord.json().keys() == {"code", "reden", "batch_id"}
    assert antwoord.json()["reden"].endswith(".")
    assert BSN not in antwoord.text
    assert deur.uitgegeven == []
    goed = await lever(client, GOED)
    assert goed.status_code == 202
    assert [batch.kader.batch_id for batch in deur.uitgegeven] == [UUID(BATCH_ID)]


@regel(
    "Everything else is accepted (202), processed, answered with a code and counted",
    "Times are taken once, at the door, by one clock, and travel with the event",
)
async def test_a_batch_is_taken_when_it_is_durable(deur: Deur, client: httpx.AsyncClient, objecten: Objecten) -> None:
    antwoord = await lever(client, GOED)
    assert antwoord.status_code == 202
    (batch,) = deur.uitgegeven
    assert antwoord.json() == {"batch_id": BATCH_ID, "proceskenmerk": str(batch.kader.proceskenmerk)}
    assert (batch.kader.leverancier, batch.kader.aangeleverd_door) == (OIN, OIN)
    assert (batch.kader.aangeleverd_op, batch.kader.totaal) == (NU, 2)
    assert await Bijlagenwinkel(objecten).lees(batch.kader, batch.berichten.bijlage_sha256) == b"%PDF-1.4\n%%EOF\n"


@regel(
    "A delivery of a BatchID that is already known is a new run with its own Proceskenmerk",
    "`Proceskenmerk` is the unique key of one run of the process over one batch",
    "a resend gets a new one",
)
async def test_a_resend_is_a_run_of_its_own(deur: Deur, client: httpx.AsyncClient) -> None:
    antwoorden = [(await lever(client, GOED)).json() for _ in range(2)]
    assert antwoorden[0]["batch_id"] == antwoorden[1]["batch_id"]
    assert antwoorden[0]["proceskenmerk"] != antwoorden[1]["proceskenmerk"]


@regel(
    "it fails alone, its batch goes on | NA",
    "Everything else is accepted (202), processed, answered with a code and counted",
)
async def test_messages_that_break_the_schema_do_not_stop_a_batch(deur: Deur, client: httpx.AsyncClient) -> None:
    antwoord = await lever(client, maak_xml(berichten=[maak_bericht(1, GebruikerID="x"), maak_bericht(2)]))
    assert antwoord.status_code == 202
    assert list(map(bool, deur.uitgegeven[0].berichten.schema_fouten)) == [True, False]


@regel("the batches of unknown or wrong senders too")
async def test_a_batch_of_an_unknown_sender_is_taken(deur: Deur, client: httpx.AsyncClient) -> None:
    assert (await lever(client, maak_xml(leverancier="onbekend"))).status_code == 202


@pytest.mark.parametrize("naam", ["gzip", "GZIP", "x-gzip"])
async def test_gzip_is_taken(deur: Deur, client: httpx.AsyncClient, naam: str) -> None:
    antwoord = await lever(client, gzip.compress(GOED), **{"Content-Encoding": naam})
    assert antwoord.status_code == 202
    assert deur.uitgegeven[0].kader.totaal == 2


async def test_a_body_in_chunks_is_taken(deur: Deur, client: httpx.AsyncClient) -> None:
    async def stukjes() -> AsyncIterator[bytes]:
        for begin in range(0, len(GOED), 7):
            yield GOED[begin : begin + 7]

    assert (await lever(client, stukjes())).status_code == 202


@regel("without certificates (loopback, files) the OIN given with the delivery, else the one in the batch")
async def test_the_header_says_who_delivers(deur: Deur, client: httpx.AsyncClient) -> None:
    await lever(client, GOED, **{OIN_HEADER: INTERMEDIAIR})
    assert (deur.uitgegeven[0].kader.leverancier, deur.uitgegeven[0].kader.aangeleverd_door) == (OIN, INTERMEDIAIR)


# Hostile and broken deliveries, each followed by a good one.


@regel("Refused at the door with a 4xx, not counted anywhere", "not well-formed or hostile XML")
async def test_no_xml_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    await geweigerd(deur, client, b"{}", 400, "XmlNietWelgevormd")


async def test_an_empty_body_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    await geweigerd(deur, client, b"", 400, "XmlNietWelgevormd")


async def test_a_file_that_was_cut_off_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    await geweigerd(deur, client, GOED[:-20], 400, "XmlNietWelgevormd")


async def test_something_after_the_root_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    await geweigerd(deur, client, GOED + GOED, 400, "XmlNietWelgevormd")


async def test_invalid_utf8_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    await geweigerd(deur, client, GOED.replace(b"Uw", b"\xe9"), 400, "XmlNietWelgevormd")


async def test_a_nul_byte_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    await geweigerd(deur, client, GOED.replace(b"Uw", b"\0"), 400, "XmlNietWelgevormd")


async def test_another_encoding_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    xml = maak_xml(kop='<?xml version="1.0" encoding="UTF-7"?>')
    await geweigerd(deur, client, xml, 400, "CoderingOnbekend")


@regel("not well-formed or hostile XML")
async def test_an_external_entity_is_refused_and_not_fetched(deur: Deur, client: httpx.AsyncClient) -> None:
    gevraagd = []

    async def luister(_: web.BaseRequest) -> web.Response:
        gevraagd.append(1)
        return web.Response(text="")

    server = web.ServerRunner(web.Server(luister))
    await server.setup()
    await web.TCPSite(server, "127.0.0.1", 0).start()
    kop = f'<!DOCTYPE b [<!ENTITY % x SYSTEM "http://127.0.0.1:{server.addresses[0][1]}/x"> %x;]>'
    await geweigerd(deur, client, maak_xml(kop=kop), 400, "XmlVijandig")
    await server.cleanup()
    assert gevraagd == []


@regel("Refused at the door with a 4xx, not counted anywhere", "not well-formed or hostile XML")
async def test_a_billion_laughs_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    namen = [f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12)]
    kop = f'<!DOCTYPE b [<!ENTITY e0 "lach">{"".join(namen)}]>'
    xml = maak_xml(kop=kop, berichten=[maak_bericht(Onderwerp=Rauw("<Onderwerp>&e11;</Onderwerp>"))])
    await geweigerd(deur, client, xml, 400, "XmlVijandig")


async def test_an_entity_without_a_doctype_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    await geweigerd(deur, client, GOED.replace(b"Uw", b"&euml;"), 400, "XmlVijandig")


async def test_elements_nested_too_deep_are_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    await geweigerd(deur, client, maak_xml(berichten=["<a>" * 100_000]), 400, "XmlVijandig")


async def test_too_many_elements_are_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    await geweigerd(deur, client, maak_xml(berichten=[maak_bericht(na="<a/>" * 500)]), 400, "XmlVijandig")


async def test_an_attribute_without_end_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    xml = maak_xml(attributen=f' a="{"x" * 5_000_000}"')
    await geweigerd(deur, client, xml, 400, "XmlVijandig")


@regel("Refused at the door with a 4xx, not counted anywhere", "another root")
async def test_another_root_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    await geweigerd(deur, client, maak_xml(ns="urn:ander"), 400, "VerkeerdeWortel")


@regel("Refused at the door with a 4xx, not counted anywhere", "0 or more than 1000 messages")
async def test_a_batch_without_messages_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    await geweigerd(deur, client, maak_xml(berichten=[]), 400, "GeenBerichten")


@regel("Refused at the door with a 4xx, not counted anywhere", "0 or more than 1000 messages")
async def test_more_than_1000_messages_are_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    await geweigerd(deur, client, maak_xml(berichten=["<Bericht/>"] * 1001), 400, "TeVeelBerichten")


@regel("Refused at the door with a 4xx, not counted anywhere", "a BatchID or BerichtLeverancierID that cannot be read")
async def test_an_unreadable_batch_id_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    await geweigerd(deur, client, maak_xml(batch_id="1"), 400, "BatchIDOnleesbaar")


async def test_a_leverancier_that_looks_like_a_bsn_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    await geweigerd(deur, client, maak_xml(leverancier=BSN), 400, "LeverancierOnleesbaar")


@regel("Refused at the door with a 4xx, not counted anywhere", "over 100 MB")
async def test_over_100_mb_is_refused_by_its_length(deur: Deur, client: httpx.AsyncClient) -> None:
    groot = GOED + b" " * (MAX_BATCH_BYTES + 1 - len(GOED))
    await geweigerd(deur, client, groot, 413, "TeGroot")


@regel("over 100 MB")
async def test_over_100_mb_in_chunks_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    async def stukken() -> AsyncIterator[bytes]:
        yield GOED
        for _ in range(MAX_BATCH_BYTES // 1_000_000 + 1):
            yield b" " * 1_000_000

    await geweigerd(deur, client, stukken(), 413, "TeGroot")


async def test_a_gzip_bomb_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    inpakker = zlib.compressobj(9, wbits=31)
    wit = b" " * 10_000_000
    bom = b"".join([inpakker.compress(GOED), *(inpakker.compress(wit) for _ in range(12)), inpakker.flush()])
    await geweigerd(deur, client, bom, 413, "TeGroot", **{"Content-Encoding": "gzip"})


async def test_a_torn_gzip_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    await geweigerd(deur, client, gzip.compress(GOED)[:-9], 400, "GzipOnleesbaar", **{"Content-Encoding": "gzip"})


async def test_what_is_said_to_be_gzip_and_is_not_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    await geweigerd(deur, client, GOED, 400, "GzipOnleesbaar", **{"Content-Encoding": "gzip"})


async def test_gzip_without_the_header_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    await geweigerd(deur, client, gzip.compress(GOED), 400, "GzipNietAangekondigd")


async def test_gzip_in_gzip_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    twee = gzip.compress(gzip.compress(GOED))
    await geweigerd(deur, client, twee, 400, "GzipNietAangekondigd", **{"Content-Encoding": "gzip"})


@pytest.mark.parametrize("naam", ["br", "deflate", "gzip, gzip", "zstd"])
async def test_another_content_encoding_is_refused(deur: Deur, client: httpx.AsyncClient, naam: str) -> None:
    await geweigerd(deur, client, GOED, 415, "InpakwijzeOnbekend", **{"Content-Encoding": naam})


@pytest.mark.parametrize("oin", [BSN, "", "x" * 20, "00000011000000002000", "0000009900000000200", "٠" * 20])
async def test_an_oin_of_another_form_is_refused(deur: Deur, client: httpx.AsyncClient, oin: str) -> None:
    antwoord = await client.post("/v1/batches", content=GOED, headers={OIN_HEADER: oin.encode()})  # type: ignore[dict-item]
    assert (antwoord.status_code, antwoord.json()["code"]) == (400, "OinOnleesbaar")
    assert deur.uitgegeven == []


async def test_a_batch_that_kafka_cannot_hold_is_refused(deur: Deur, client: httpx.AsyncClient) -> None:
    deur.uitgeef_fout = RecordTeGroot()
    antwoord = await lever(client, GOED)
    assert (antwoord.status_code, antwoord.json()["code"]) == (413, "BatchTeGrootVoorVerwerking")
    assert antwoord.json()["batch_id"] == BATCH_ID


async def test_a_connection_that_breaks_half_way_does_no_harm(deur: Deur, client: httpx.AsyncClient) -> None:
    _, schrijver = await asyncio.open_connection("127.0.0.1", deur.poort)
    kop = f"POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Length: {len(GOED)}\r\n\r\n".encode()
    schrijver.write(kop + GOED[:100])
    await schrijver.drain()
    schrijver.close()
    await schrijver.wait_closed()
    assert (await lever(client, GOED)).status_code == 202
    assert len(deur.uitgegeven) == 1


async def test_bytes_that_are_no_http_are_neither_logged_nor_harmful(
    deur: Deur, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for rommel in (GOED, b"POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n<" + GOED):
        lezer, schrijver = await asyncio.open_connection("127.0.0.1", deur.poort)
        schrijver.write(rommel + b"\r\n\r\n")
        assert b"400" in await lezer.read()
        schrijver.close()
        await schrijver.wait_closed()
    assert (await lever(client, GOED)).status_code == 202
    assert BSN not in caplog.text
    assert "GebruikerID" not in caplog.text


# Not now.


async def later(deur: Deur, client: httpx.AsyncClient, oorzaak: str, xml: bytes = GOED) -> None:
    antwoord = await lever(client, xml)
    assert (antwoord.status_code, antwoord.json()["code"]) == (503, "Later")
    assert int(antwoord.headers["Retry-After"]) > 0
    assert f'aanlevering_later_total{{oorzaak="{oorzaak}"}} 1.0' in (await client.get("/metrics")).text


@regel("Profile service, store, ClickHouse or Kafka away is never a reason to refuse a message")
async def test_kafka_away_is_503_and_passes(deur: Deur, client: httpx.AsyncClient) -> None:
    deur.uitgeef_fout = KafkaWeg("away")
    await later(deur, client, "kafka")
    deur.uitgeef_fout = None
    assert (await lever(client, GOED)).status_code == 202


@regel("Profile service, store, ClickHouse or Kafka away is never a reason to refuse a message")
async def test_the_store_away_is_503_and_nothing_is_published(
    deur: Deur, client: httpx.AsyncClient, objecten: Objecten, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def weg(*_: object) -> None:
        raise OpslagWeg("away")

    with monkeypatch.context() as tijdens:
        tijdens.setattr(objecten, "leg_vast", weg)
        await later(deur, client, "opslag")
    assert deur.uitgegeven == []
    assert (await lever(client, GOED)).status_code == 202


async def test_the_bijlagen_of_a_batch_are_one_object_that_is_durable_before_the_batch_is(
    deur: Deur, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """The same bijlage of several messages stands in it once."""
    een, twee = os.urandom(30_000), os.urandom(30_000)
    bijlagen = [[maak_bijlage(een)], [maak_bijlage(twee), maak_bijlage(een)], [maak_bijlage(een)]]
    xml = maak_xml(berichten=[maak_bericht(i, bijlagen=deel) for i, deel in enumerate(bijlagen)])
    deur.uitgeef_fout = KafkaWeg("away")
    await later(deur, client, "kafka", xml)
    (eerste,) = in_opslag(tmp_path)
    assert 60_000 < (tmp_path / "opslag" / eerste).stat().st_size < 61_000
    deur.uitgeef_fout = None
    assert (await lever(client, xml)).status_code == 202
    (batch,) = deur.uitgegeven
    assert in_opslag(tmp_path) - {eerste} == {pak_naam(batch.kader.proceskenmerk, batch.kader.aangeleverd_op)}
    assert eerste.startswith("pakken/"), "of a delivery that got no 202: it goes with opruimen"


async def test_while_kafka_is_away_senders_who_try_again_do_not_fill_the_store(
    deur: Deur, client: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proef_module, "_VRAAG_S", 0.0)
    deur.uitgeef_fout = deur.controle_fout = KafkaWeg("away")
    for _ in range(3):
        assert (await lever(client, GOED)).status_code == 503
    assert len(in_opslag(tmp_path)) == 1, "of the first, that may have been written"
    deur.uitgeef_fout = deur.controle_fout = None
    assert [(await lever(client, GOED)).status_code for _ in range(2)] == [202, 202]
    assert len(in_opslag(tmp_path)) == 3


async def test_nor_while_kafka_answers_and_confirms_nothing(
    deur: Deur, client: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proef_module, "_PAUZES_S", (0.0, 3600.0))
    deur.uitgeef_fout = KafkaWeg("away")
    for _ in range(5):
        assert (await lever(client, GOED)).headers["Retry-After"]
    assert len(in_opslag(tmp_path)) == 2, "one tried, and there was a pause before the next"


async def test_while_one_waits_for_kafka_to_confirm_again_the_others_leave_nothing_in_the_store(
    deur: Deur, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    deur.uitgeef_fout = KafkaWeg("away")
    assert (await lever(client, GOED)).status_code == 503
    deur.uitgeef_fout = None
    deur.wacht.clear()
    proef = asyncio.create_task(lever(client, GOED))
    while len(in_opslag(tmp_path)) < 2:  # noqa: ASYNC110 (seen from outside)
        await asyncio.sleep(0.01)
    for _ in range(3):
        assert (await lever(client, GOED)).status_code == 503
    assert len(in_opslag(tmp_path)) == 2
    deur.wacht.set()
    assert (await proef).status_code == 202
    assert [een.status_code for een in await asyncio.gather(*(lever(client, GOED) for _ in range(3)))] == [202] * 3


async def test_of_a_batch_that_is_too_large_for_a_record_nothing_stays_in_the_store(
    deur: Deur, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    deur.uitgeef_fout = RecordTeGroot()
    assert (await lever(client, GOED)).status_code == 413
    assert in_opslag(tmp_path) == set()


@pytest.mark.parametrize(
    "xml", [maak_xml(berichten=[maak_bericht()]), maak_xml(berichten=[maak_bericht(bijlagen=[maak_bijlage()])])[:-20]]
)
async def test_without_bijlagen_or_a_batch_nothing_is_stored(
    deur: Deur, client: httpx.AsyncClient, tmp_path: Path, xml: bytes
) -> None:
    await lever(client, xml)
    assert in_opslag(tmp_path) == set()


async def test_a_full_disk_is_503(deur: Deur, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def vol(*_: object) -> None:
        raise SchijfVol("No space left on device")

    monkeypatch.setattr(deur_module, "spoel", vol)
    await later(deur, client, "schijf")


@pytest.mark.parametrize("grenzen", [Grenzen(gelijktijdig=1, wachtrij=1, deadline_s=0.3)])
@pytest.mark.parametrize("wat", ["kafka", "opslag"])
async def test_slower_than_the_deadline_is_503_and_does_not_block_the_next(
    deur: Deur, client: httpx.AsyncClient, objecten: Objecten, monkeypatch: pytest.MonkeyPatch, wat: str
) -> None:
    async def traag(*_: object) -> None:
        await asyncio.sleep(3600)

    with monkeypatch.context() as tijdens:
        if wat == "kafka":
            deur.wacht.clear()
        else:
            tijdens.setattr(objecten, "leg_vast", traag)
        await later(deur, client, "traag")
    deur.wacht.set()
    assert (await lever(client, GOED)).status_code == 202


@pytest.mark.parametrize("grenzen", [Grenzen(gelijktijdig=1, wachtrij=2)])
async def test_more_than_can_wait_is_503(deur: Deur, client: httpx.AsyncClient) -> None:
    deur.wacht.clear()
    vol = [asyncio.create_task(lever(client, GOED)) for _ in range(3)]
    await totdat_gemeten(client, "aanlevering_bezig 3.0")
    await later(deur, client, "druk")
    deur.wacht.set()
    assert [antwoord.status_code for antwoord in await asyncio.gather(*vol)] == [202] * 3


@pytest.mark.parametrize("grenzen", [Grenzen(ontvangst_s=0.2)])
async def test_a_sender_that_stops_half_way_is_sent_away(deur: Deur, client: httpx.AsyncClient) -> None:
    verder = asyncio.Event()

    async def half() -> AsyncIterator[bytes]:
        yield GOED[:100]
        await verder.wait()

    taak = asyncio.create_task(lever(client, half()))
    await totdat_gemeten(client, 'code="TeLangzaam"')
    verder.set()
    await asyncio.gather(taak, return_exceptions=True)
    assert (await lever(client, GOED)).status_code == 202


async def test_closing_finishes_what_is_under_way_and_takes_nothing_new(deur: Deur, client: httpx.AsyncClient) -> None:
    deur.wacht.clear()
    onderweg = asyncio.create_task(lever(client, GOED))
    await totdat_gemeten(client, "aanlevering_bezig 1.0")
    assert deur.runner is not None
    sluiten = asyncio.create_task(deur.runner.cleanup())
    while await neemt_verbindingen_aan(deur):  # noqa: ASYNC110 (the door is tried as from outside)
        await asyncio.sleep(0.01)
    deur.wacht.set()
    assert (await onderweg).status_code == 202
    await sluiten
    assert len(deur.uitgegeven) == 1


# Results, health and what is left behind.


async def test_the_result_of_a_batch(deur: Deur, client: httpx.AsyncClient) -> None:
    kenmerk = UUID(int=7)
    antwoord = await client.get(
        f"/v1/batches/{BATCH_ID.upper()}/resultaat", params={"leverancier": OIN, "proceskenmerk": str(kenmerk)}
    )
    assert (antwoord.status_code, antwoord.headers["Content-Type"]) == (200, "application/xml")
    assert antwoord.content == b"<BerichtVerwerkResponse/>"
    pad = f"/v1/batches/{BATCH_ID}/resultaat"
    assert (await client.get(pad)).status_code == 200
    assert (await client.get(pad, headers={OIN_HEADER: INTERMEDIAIR})).status_code == 200
    assert (await client.get(pad, headers={OIN_HEADER: "x"})).json()["code"] == "OinOnleesbaar"
    batch_id = UUID(BATCH_ID)
    assert deur.gevraagd == [
        (batch_id, OIN, kenmerk, None),
        (batch_id, None, None, None),
        (batch_id, None, None, INTERMEDIAIR),
    ]


@pytest.mark.parametrize(
    ("pad", "status", "code"),
    [
        (f"{UUID(int=5)}/resultaat", 404, "GeenResultaat"),
        ("x/resultaat", 400, "GuidOnleesbaar"),
        (f"{BATCH_ID}/resultaat?proceskenmerk=x", 400, "GuidOnleesbaar"),
        (f"{BATCH_ID}/iets", 404, "Not Found"),
    ],
)
async def test_no_result(client: httpx.AsyncClient, pad: str, status: int, code: str) -> None:
    antwoord = await client.get(f"/v1/batches/{pad}")
    assert (antwoord.status_code, antwoord.json()["code"]) == (status, code)


async def test_a_result_while_clickhouse_is_away_or_unsure(deur: Deur, client: httpx.AsyncClient) -> None:
    deur.resultaat_fout = DatabaseWeg("away")
    antwoord = await client.get(f"/v1/batches/{BATCH_ID}/resultaat")
    assert (antwoord.status_code, "Retry-After" in antwoord.headers) == (503, True)
    deur.resultaat_fout = Dubbelzinnig("two")
    antwoord = await client.get(f"/v1/batches/{BATCH_ID}/resultaat")
    assert (antwoord.status_code, antwoord.json()["code"]) == (409, "Dubbelzinnig")


@regel("no result, log line, metric, Kafka key or header, error text")
async def test_an_unforeseen_error_is_logged_without_its_text(
    deur: Deur, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    deur.uitgeef_fout = ZeroDivisionError(f"persoon {BSN}")
    antwoord = await lever(client, GOED)
    assert (antwoord.status_code, antwoord.json()["code"]) == (500, "OnvoorzieneFout")
    assert "ZeroDivisionError" in caplog.text
    assert BSN not in caplog.text + antwoord.text


async def test_health_and_readiness(deur: Deur, client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).status_code == 200
    gereed = await client.get("/readyz")
    assert (gereed.status_code, gereed.json()) == (200, {"kafka": True, "opslag": True})
    deur.controle_fout = KafkaWeg("away")
    gereed = await client.get("/readyz")
    assert (gereed.status_code, gereed.json()) == (503, {"kafka": False, "opslag": True})


@regel("no result, log line, metric, Kafka key or header, error text")
async def test_one_line_is_logged_for_each_delivery_and_no_content(
    deur: Deur, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aanlevering")
    await lever(client, GOED)
    await lever(client, GOED[:-1])
    regels = [regel.getMessage() for regel in caplog.records if regel.name.startswith("aanlevering")]
    assert len(regels) == 2
    assert regels[0].startswith(f"aangeleverd batch={BATCH_ID} ")
    assert f"leverancier={OIN} berichten=2 bytes={len(GOED)} ms=" in regels[0]
    assert regels[1] == f"geweigerd batch={BATCH_ID} code=XmlNietWelgevormd status=400"
    assert not any(geheim in caplog.text for geheim in (BSN, "Uw aanslag", "Geachte"))


def in_opslag(tmp_path: Path) -> set[str]:
    """The names of all files in the object store, the nameless ones too."""
    map_ = tmp_path / "opslag"
    return {str(pad.relative_to(map_)) for pad in map_.rglob("*") if pad.is_file()}


def open_bestanden(map_: Path) -> int:
    """Open files whose name is, or was, in a folder."""
    wijst = [os.path.realpath(descriptor) for descriptor in Path("/proc/self/fd").iterdir()]
    return sum(doel.startswith(str(map_)) for doel in wijst)


async def test_a_delivery_leaves_no_named_file_with_content(
    deur: Deur, client: httpx.AsyncClient, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    tijdelijk = tmp_path_factory.mktemp("spoel")
    monkeypatch.setattr(tempfile, "tempdir", str(tijdelijk))
    deur.wacht.clear()
    groot = GOED + b" " * VEEL_BYTES
    onderweg = asyncio.create_task(lever(client, groot))
    await totdat_gemeten(client, "aanlevering_bezig 1.0")
    while not open_bestanden(tijdelijk):  # noqa: ASYNC110 (there is no event for an open file)
        await asyncio.sleep(0.01)
    assert not any(os.scandir(tijdelijk))
    deur.wacht.set()
    assert (await onderweg).status_code == 202
    assert open_bestanden(tijdelijk) == 0
    assert not any(os.scandir(tijdelijk))


async def test_a_large_batch_goes_through_whole(deur: Deur, client: httpx.AsyncClient, objecten: Objecten) -> None:
    inhoud = [os.urandom(50_000) for _ in range(200)]
    xml = maak_xml(berichten=[maak_bericht(i, bijlagen=[maak_bijlage(deel)]) for i, deel in enumerate(inhoud)])
    assert (await lever(client, xml)).status_code == 202
    (batch,) = deur.uitgegeven
    winkel = Bijlagenwinkel(objecten)
    assert [await winkel.lees(batch.kader, batch.berichten.sha256(i)) for i in range(200)] == inhoud
