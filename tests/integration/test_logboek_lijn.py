"""The processing log on a real broker and the real ClickHouse engine: exactly once, as the decisions it goes with."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from uuid import UUID

import pytest
from clickhouse_connect.driver.client import Client

from avro.codec import Codec
from cli.logboek import lees_logboek
from domain import bsn
from domain.batch import Batch
from domain.beslissing import Bekend, Uitkomst, beslis
from domain.codes import Verwerkingscode
from domain.logboek import Logboek, logboek_van
from sinks.rijen import Rijen, van_logboek
from sinks.schrijver import Schrijver
from sinks.sink import ONDERWERPEN, Sink
from sinks.vragen import Vragen
from streams.dlq import Terzijde
from streams.fence import EigenPartitie, Onteigend
from streams.logboeksleutels import Logboeksleutels, Verminkt
from streams.producer import maak_producer
from streams.settings import Instellingen
from streams.sleutels import lees_sleutels, maak_sleutels
from streams.topics import topic_ids
from tests.integration.opstelling import Opstelling
from tests.integration.opstelling import beslis as laat_beslissen
from tests.kafka import lees_alles
from tests.regels import regel
from tests.slices import BSNS, T0, TYPE, kader, maak_slice, referentie

pytestmark = pytest.mark.integration

CODEC = Codec()
ACTIVITEIT = "https://register.voorbeeld.nl/verwerkingen/7"
STANDAARD = (
    "trace_id",
    "operation_id",
    "status_code",
    "name",
    "start_time",
    "end_time",
    "dpl.core.processing_activity_id",
    "dpl.core.data_subject_id",
    "dpl.core.data_subject_id_type",
)


def besloten(nummer: int) -> tuple[Batch, Uitkomst]:
    """Three messages of a run: placed, failed on our side, and one whose citizen could not be read."""
    slice_ = maak_slice(
        ids=[f"{nummer}-{rij}" for rij in range(3)],
        bsns=[BSNS[nummer], BSNS[9], bsn.GEEN.decode()],
        fouten=["", "", "GebruikerID: fout"],
        van=kader(run=UUID(int=1000 + nummer), batch=UUID(int=2000 + nummer), totaal=3),
    )
    uitkomst = beslis(slice_, referentie(), Bekend(), {(TYPE, BSNS[nummer]): True, (TYPE, BSNS[9]): True}, T0 + 5)
    uitkomst.codes[1] = Verwerkingscode.TECHNISCH_PROBLEEM
    return slice_, uitkomst


@pytest.fixture
def ring(lijn: Instellingen) -> Logboeksleutels:
    maak_sleutels(lijn.sleutelbestand)
    return lees_sleutels(lijn.sleutelbestand).logboek


def regels(nummer: int, ring: Logboeksleutels) -> Logboek:
    return logboek_van(*besloten(nummer), ACTIVITEIT, ring)


async def schrijf(client: Client, een: Logboek, offset: int) -> None:
    rijen = Rijen("logboekregels")
    rijen.voeg_toe(van_logboek(een, offset))
    await Schrijver(client).schrijf_tabel(rijen)


@asynccontextmanager
async def sink(lijn: Instellingen, client: Client) -> AsyncIterator[None]:
    producer = maak_producer(lijn)
    await producer.start()
    ids = topic_ids(lijn, ONDERWERPEN)
    taak = asyncio.create_task(
        Sink(lijn, CODEC, Schrijver(client), Vragen(client), ids, Terzijde(lijn, CODEC, producer)).loop()
    )
    try:
        yield
    finally:
        taak.cancel()
        with suppress(asyncio.CancelledError):
            await taak
        await producer.stop()


@regel("a processing log whose standard asks for the data subject: encrypted")
async def test_every_decision_of_a_worker_is_logged_in_its_transaction(op: Opstelling) -> None:
    """Placed, refused, and what waited first; a replay adds no line."""
    slice_ = maak_slice(
        ids=["a", "b", "c"], bsns=[BSNS[0], BSNS[15], BSNS[1]], fouten=["", "", "Onderwerp: leeg"], van=kader(totaal=3)
    )
    worker = op.worker(verwerkingsactiviteit=ACTIVITEIT)
    assert await laat_beslissen(worker, slice_) == [0]
    assert await laat_beslissen(op.worker(), slice_, generatie=2) == [0], "another worker gets it again"
    records = [CODEC.lees_logboek(record.waarde) for record in await lees_alles(op.instellingen, "logboek", 0)]
    assert [nummer for een in records for nummer in een.nummers] == [1, 2, 3]
    (een,), (uitkomst,) = records, await op.uitkomsten()
    assert (een.codes, een.verwerkt_op, een.verwerkingsactiviteit) == (uitkomst.codes, uitkomst.verwerkt_op, ACTIVITEIT)
    ring = op.sleutels.logboek
    gevonden = [
        ring.ontsluier(een.sleutel, een.kader.proceskenmerk, nummer, een.betrokkenen[rij * 25 : rij * 25 + 25])
        for rij, nummer in enumerate(een.nummers)
    ]
    assert gevonden == [BSNS[0], BSNS[15], BSNS[1]]
    for record in await lees_alles(op.instellingen, "logboek", 0):
        assert record.key == str(slice_.kader.batch_id).encode()
        assert not any(persoon.encode() in (record.waarde or b"") for persoon in gevonden)


async def test_what_a_zombie_logs_is_gone_with_its_decisions(kern: Instellingen) -> None:
    een, ander = (EigenPartitie(kern, "validatie", 0, "wacht", "logboek") for _ in range(2))
    try:
        await een.open(0)
        offsets = await een.schrijf([(b"k", b"besluit")], naast=[(b"w", b"wacht")], logboek=[(b"k", b"regel")])
        assert len(offsets) == 2, "those of the decision and of what waits"
        await ander.open(0)
        with pytest.raises(Onteigend):
            await een.schrijf([(b"k", b"te laat")], logboek=[(b"k", b"te laat")])
        assert [record.waarde for record in await lees_alles(kern, "logboek", 0)] == [b"regel"]
        assert [record.waarde for record in await lees_alles(kern, "validatie", 0)] == [b"besluit"]
    finally:
        await een.close()
        await ander.close()


async def test_the_sink_shows_a_line_for_each_message_in_the_names_of_the_standard(
    lijn: Instellingen, database: Client, ring: Logboeksleutels
) -> None:
    eigen = EigenPartitie(lijn, "validatie", 1, "wacht", "logboek")
    try:
        await eigen.open(0)
        for nummer in range(3):
            _, uitkomst = besloten(nummer)
            await eigen.schrijf(
                [(b"k", CODEC.schrijf_uitkomst(uitkomst))],
                logboek=[(b"k", CODEC.schrijf_logboek(regels(nummer, ring)))],
            )
    finally:
        await eigen.close()
    async with sink(lijn, database):
        deadline = asyncio.get_running_loop().time() + 30
        while database.command("SELECT count() FROM logboek") < 9 or database.command("SELECT count() FROM bekend") < 9:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.05)
    antwoord = database.query("SELECT * FROM logboek ORDER BY proceskenmerk, nummer")
    assert antwoord.column_names[: len(STANDAARD)] == STANDAARD
    lijst = list(antwoord.named_results())
    assert len(lijst) == 9
    for plaats, rij in enumerate(lijst):
        nummer, rij_in_run = divmod(plaats, 3)
        run = UUID(int=1000 + nummer)
        assert rij["trace_id"] == run.hex
        assert rij["operation_id"] == hashlib.sha256(f"{run}:{rij_in_run + 1}".encode()).hexdigest()[:16]
        assert (rij["start_time"].timestamp() * 1000, rij["end_time"].timestamp() * 1000) == (T0, T0 + 5)
        assert rij["dpl.core.processing_activity_id"] == ACTIVITEIT
    assert len({rij["operation_id"] for rij in lijst}) == 9
    assert [(rij["status_code"], rij["name"], rij["dpl.core.data_subject_id_type"]) for rij in lijst[:3]] == [
        ("STATUS_CODE_OK", "Bericht geplaatst in de Berichtenbox", "BSN"),
        ("STATUS_CODE_ERROR", "Bericht niet geplaatst door een technisch probleem", "BSN"),
        ("STATUS_CODE_UNSET", "Bericht beoordeeld en niet geplaatst", ""),
    ]
    assert lijst[2]["dpl.core.data_subject_id"] == ""
    naam, _, betrokkene = lijst[0]["dpl.core.data_subject_id"].partition(":")
    assert ring.ontsluier(naam, UUID(int=1000), 1, bytes.fromhex(betrokkene)) == BSNS[0]


async def test_a_row_that_comes_again_or_beside_one_of_another_partition_is_shown_once(
    database: Client, ring: Logboeksleutels
) -> None:
    """Two slices of a run may stand at one offset of their own partitions."""
    een = regels(0, ring)
    ander = replace(een, nummers=[1001 - nummer for nummer in een.nummers])
    for _ in range(2):
        await schrijf(database, een, 7)
        await schrijf(database, ander, 7)
    nummers = database.query("SELECT nummer FROM logboek ORDER BY nummer").result_columns[0]
    assert list(nummers) == sorted([*een.nummers, *ander.nummers])


async def test_an_inspection_finds_all_of_a_person_and_nobody_else(
    lijn: Instellingen, database: Client, ring: Logboeksleutels
) -> None:
    for nummer in range(4):
        await schrijf(database, regels(nummer, ring), nummer)
    ringen = json.loads(lijn.sleutelbestand.read_text())
    ringen["logboek"]["sleutels"]["k2"] = ringen["opslag"]["sleutels"]["k1"]
    ringen["logboek"]["actief"] = "k2"
    lijn.sleutelbestand.write_text(json.dumps(ringen))
    await schrijf(database, regels(4, lees_sleutels(lijn.sleutelbestand).logboek), 4)  # under the new key
    van_negen = lees_logboek(lijn, BSNS[9], None, None)
    assert [(rij["trace_id"], rij["nummer"]) for rij in van_negen] == [(UUID(int=1000 + n).hex, 2) for n in range(5)]
    assert {rij["dpl.core.data_subject_id"][:3] for rij in van_negen} == {"k1:", "k2:"}
    (van_een,) = lees_logboek(lijn, BSNS[1], None, None)
    assert tuple(van_een)[: len(STANDAARD)] == STANDAARD
    assert (van_een["leverancier"], van_een["batch_id"], van_een["code"]) == (
        kader().leverancier,
        str(UUID(int=2001)),
        "Verwerkt",
    )
    assert van_een["start_time"].endswith("Z")
    assert BSNS[1] not in json.dumps(van_een)
    assert lees_logboek(lijn, BSNS[12], None, None) == []
    assert lees_logboek(lijn, BSNS[9], T0 + 6, None) == lees_logboek(lijn, BSNS[9], None, T0 + 5) == []
    assert len(lees_logboek(lijn, BSNS[9], T0 + 5, T0 + 6)) == 5


async def test_an_inspection_says_it_when_a_line_was_tampered_with(
    lijn: Instellingen, database: Client, ring: Logboeksleutels
) -> None:
    een = regels(0, ring)
    await schrijf(database, replace(een, betrokkenen=een.betrokkenen[25:50] + een.betrokkenen[25:]), 0)
    with pytest.raises(Verminkt):
        lees_logboek(lijn, BSNS[0], None, None)


async def test_nothing_in_the_table_is_a_bsn_or_an_unkeyed_digest_of_one(
    database: Client, ring: Logboeksleutels
) -> None:
    await schrijf(database, regels(0, ring), 0)
    inhoud = database.raw_query("SELECT * FROM logboekregels FORMAT Native")
    for persoon in (BSNS[0], BSNS[9]):
        verboden = [persoon.encode(), hashlib.sha256(persoon.encode()).digest()[:16]]
        verboden.append(hmac.digest(b"", persoon.encode(), "sha256")[:16])
        assert not any(een in inhoud for een in verboden)
        assert ring.zoeksleutels(persoon)[0] in inhoud, "where the digests are seen"
