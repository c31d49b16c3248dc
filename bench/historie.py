"""A history as the sink leaves it: a year of batches with every code and some resends, made by ClickHouse itself."""
# ruff: noqa: S608 (only constants of this file are put together into SQL; values go as parameters)

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from uuid import UUID

from clickhouse_connect.driver.client import Client

from domain.codes import STADIUM_VAN, Stadium, Verwerkingscode
from domain.tijd import DAG_MS, UUR_MS
from sinks.database import maak_client
from sinks.migreer import migreer
from sinks.stroomvragen import Vraag
from sinks.tellingen import BEGIN, Plek
from sinks.vragen import Vragen

BYTES_PER_BERICHT = 300
"""Disk that a message takes at most, while parts are merged; half of it stays."""
PER_BATCH = 1000
LEVERANCIERS = 200
DAGEN = 364
PER_INSERT = 500_000
"""Messages in one insert; the engine merges their parts as it does those of the sink."""
PER_VEEG = 5_000_000
"""Messages after which is tidied up and counted."""
_TEGELIJK = 2
"""Inserts that are under way at once."""
RUST_S = 120
"""Seconds that merges get to end before anything is measured."""

_STADIA = STADIUM_VAN | {Verwerkingscode.TECHNISCH_PROBLEEM: Stadium.STORE_MESSAGE}

BERICHT = """
    WITH
    intDiv(number, {per_batch:UInt32}) AS batch,
    concat('00000099', leftPad(toString(batch % {leveranciers:UInt32} + 1), 9, '0'), '000') AS leverancier,
    reinterpret(sipHash128('batch', batch), 'UUID') AS batch_id,
    reinterpret(sipHash128('run', batch, {run:UInt8}), 'UUID') AS proceskenmerk,
    reinterpret(sipHash128('bericht', number), 'UUID') AS bericht_id,
    number % {per_batch:UInt32} + 1 AS nummer,
    {begin:Int64} + intDiv(batch * {bereik_ms:Int64}, {batches:UInt64}) + {run:UInt8} * 3600000 AS aangeleverd_ms,
    sipHash64('slice', number) % 8 AS slice,
    sipHash64('duur', batch, slice, {run:UInt8}) AS duur,
    aangeleverd_ms + 500 + if(duur % 1000 = 0, 90000000, duur % 20000) AS verwerkt_ms,
    sipHash64('code', number) % 1000 AS lot,
    if(lot < 950, 'Verwerkt', arrayElement({andere:Array(String)}, lot % 9 + 1)) AS eerste,
    multiIf(
        {run:UInt8} = 0, eerste,
        eerste = 'Verwerkt', 'BerichtBestaatAl',
        eerste != 'BerichtBestaatAl' AND lot % 2 = 0, 'Verwerkt',
        eerste
    ) AS code,
    if(code = 'Verwerkt' AND sipHash64('pdf', number) % 50 = 0, ['GeenPdfA', 'GeenTags'], []) AS waarschuwingen,
    2 * batch + {run:UInt8} AS volgorde
"""
"""A message of a run by its number, with ids in no order. Of a hundred, 95 are placed at once. A batch is decided in 8
slices, each at one moment; one of a thousand breaks the norm."""

WELKE = "{run:UInt8} = 0 OR batch % 100 = 7"
"""Of a hundred batches one is delivered again, an hour later (its run is 1): what was placed is 'already there', and
half of the rest is placed now."""

_INSERTS = (
    f"""
    INSERT INTO runs (leverancier, batch_id, proceskenmerk, aangeleverd_door, aangeleverd_op, aanmaakdatum, totaal,
        bericht_ids, berichttypes, volgorde)
    {BERICHT}
    SELECT leverancier, batch_id, proceskenmerk, leverancier, fromUnixTimestamp64Milli(aangeleverd_ms, 'UTC'),
        fromUnixTimestamp64Milli(aangeleverd_ms - 60000, 'UTC'), {{per_batch:UInt32}},
        arrayMap(i -> reinterpret(sipHash128('bericht', number + i), 'UUID'), range({{per_batch:UInt32}})),
        arrayMap(i -> concat('TYPE', toString(i % 5)), range({{per_batch:UInt32}})), volgorde
    FROM numbers({{van:UInt64}}, {{aantal:UInt64}}) WHERE nummer = 1 AND ({WELKE})
    """,
    f"""
    INSERT INTO uitkomsten (leverancier, batch_id, proceskenmerk, nummer, bericht_id, berichttype, code, stadium,
        reden, waarschuwingen, diensten, aangeleverd_op, verwerkt_op, publicatiedatum, ontvanger, object, volgorde)
    {BERICHT}
    SELECT leverancier, batch_id, proceskenmerk, nummer, bericht_id, concat('TYPE', toString((nummer - 1) % 5)), code,
        transform(code, {{met_stadium:Array(String)}}, {{stadia:Array(String)}}, 'NA'),
        if(startsWith(code, 'Xml'), 'Onderwerp: te lang', ''), waarschuwingen, if(code = 'Verwerkt', ['Zorg'], []),
        fromUnixTimestamp64Milli(aangeleverd_ms, 'UTC'), fromUnixTimestamp64Milli(verwerkt_ms, 'UTC'),
        toDateTime64(0, 3, 'UTC'), '',
        concat('berichten/', leverancier, '/', toString(proceskenmerk), '/', toString(slice)), volgorde
    FROM numbers({{van:UInt64}}, {{aantal:UInt64}}) WHERE {WELKE}
    """,
    f"""
    INSERT INTO resultaten (leverancier, batch_id, proceskenmerk, verwerkt_op, totaal, per_code)
    {BERICHT}
    SELECT leverancier, batch_id, proceskenmerk, max(fromUnixTimestamp64Milli(verwerkt_ms, 'UTC')), count(),
        CAST(sumMap(map(code, toUInt32(1))), 'Map(LowCardinality(String), UInt32)')
    FROM numbers({{van:UInt64}}, {{aantal:UInt64}}) WHERE {WELKE}
    GROUP BY leverancier, batch_id, proceskenmerk
    """,
)


@dataclass(frozen=True, slots=True)
class Historie:
    """One database of the engine, and what is in it."""

    client: Client
    berichten: int
    """How many messages were made, resends not counted; whole batches."""
    begin: int
    """When the first batch was at the door, in milliseconds."""

    @property
    def naam(self) -> str:
        """Its length, for people."""
        return f"{self.berichten / 1e6:g}M"

    def vul(self, van: int, tot: int) -> None:
        """Adds the messages with these numbers, whole batches, with their runs, decisions and results."""
        for run in (0, 1):
            for insert in _INSERTS:
                self.client.command(
                    insert,
                    parameters=self._parameters | {"run": run, "van": van, "aantal": tot - van},
                    settings={"max_insert_threads": 1},
                )

    @property
    def _parameters(self) -> dict[str, object]:
        return {
            "begin": self.begin,
            "bereik_ms": DAGEN * DAG_MS,
            "batches": self.berichten // PER_BATCH,
            "per_batch": PER_BATCH,
            "leveranciers": LEVERANCIERS,
            "andere": [str(code) for code in Verwerkingscode if code is not Verwerkingscode.VERWERKT],
            "met_stadium": [str(code) for code in _STADIA],
            "stadia": [str(stadium) for stadium in _STADIA.values()],
        }

    def verwacht(self) -> dict[str, int]:
        """What the rows of Totalen must add up to, from the numbers of the messages alone."""
        groen = "code = 'Verwerkt' OR eerste = 'Verwerkt'"
        sql = f"""{BERICHT}
            SELECT count(), countIf({groen}), countIf(({groen}) AND sipHash64('pdf', number) % 50 = 0)
            FROM numbers({{aantal:UInt64}}) WHERE (batch % 100 = 7) = {{run:UInt8}}
        """
        rijen = [
            self.client.query(sql, parameters=self._parameters | {"run": run, "aantal": self.berichten}).result_rows[0]
            for run in (0, 1)
        ]
        totaal, verwerkt, waarschuwing = (int(een) + int(ander) for een, ander in zip(*rijen, strict=True))
        return {
            "batches": self.berichten // PER_BATCH,
            "berichten": totaal,
            "verwerkt": verwerkt,
            "waarschuwing": waarschuwing,
            "niet_verwerkt": totaal - verwerkt,
            "in_behandeling": 0,
        }

    def batch_id(self, kans: Random) -> UUID:
        """Some batch of the history."""
        batch = kans.randrange(self.berichten // PER_BATCH)
        sql = "SELECT reinterpret(sipHash128('batch', {batch:UInt64}), 'UUID')"
        gevonden: UUID = self.client.query(sql, parameters={"batch": batch}).result_rows[0][0]
        return gevonden

    def geplaatst(self, aantal: int, kans: Random) -> list[Vraag]:
        """What another run asks about so many placed messages, taken at random."""
        if not aantal:
            return []
        nummers = kans.sample(range(self.berichten), min(self.berichten, 2 * aantal + 20))
        sql = f"""{BERICHT}
            SELECT leverancier, bericht_id FROM (SELECT arrayJoin({{nummers:Array(UInt64)}}) AS number)
            WHERE eerste = 'Verwerkt' LIMIT {{aantal:UInt64}}
        """
        parameters = self._parameters | {"run": 0, "nummers": nummers, "aantal": aantal}
        run = UUID(int=kans.getrandbits(128))
        rijen = self.client.query(sql, parameters=parameters).result_rows
        return [(leverancier, bericht_id.bytes, run) for leverancier, bericht_id in rijen]

    def dag(self, kans: Random) -> tuple[int, int, int]:
        """Some day, from and to in milliseconds, and how many batches were first at the door then."""
        van = self.begin + kans.randrange(DAGEN) * DAG_MS
        batches = self.berichten // PER_BATCH
        eerste, na = (-(-(grens - self.begin) * batches // (DAGEN * DAG_MS)) for grens in (van, van + DAG_MS))
        return van, van + DAG_MS, na - eerste


def maak(url: str, berichten: int, vorder: Callable[[int], None] = lambda _: None) -> Historie:
    """A database with a history of so many messages, whole batches; `vorder` hears how many were added."""
    database = f"historie_{berichten}"
    baas = maak_client(url)
    migreer(baas, database)
    baas.close()
    client = maak_client(url, database)
    tabellen = "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    for (tabel,) in client.query(tabellen).result_rows:
        # What was merged away goes at once: else the disk holds the tables several times.
        client.command(f"ALTER TABLE {tabel} MODIFY SETTING old_parts_lifetime = 5")
    nu = time.time_ns() // 1_000_000
    historie = Historie(client, berichten, nu - nu % UUR_MS - (DAGEN + 2) * DAG_MS)

    def vul(van: int) -> None:
        tot = min(van + PER_INSERT, berichten)
        historie.vul(van, tot)
        vorder(tot - van)

    with ThreadPoolExecutor(_TEGELIJK) as draden:
        for begin in range(0, berichten, PER_VEEG):
            list(draden.map(vul, range(begin, min(begin + PER_VEEG, berichten), PER_INSERT)))
            veeg(Vragen(client))
    rustig = time.monotonic() + RUST_S
    while getal(client, "count() FROM system.merges") and time.monotonic() < rustig:
        time.sleep(0.2)
    return historie


def veeg(vragen: Vragen) -> None:
    """Tidies up and counts, as the sweep for results does beside the line: the one place where the bench does it."""
    while not vragen.vergeet_beantwoorde_runs():
        time.sleep(0.05)
    na: Plek | None = BEGIN
    while na is not None:
        na = vragen.tel_batches(na)


def getal(client: Client, wat: str) -> int:
    """One number from the engine."""
    return int(client.query(f"SELECT {wat}").result_rows[0][0])
