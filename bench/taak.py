"""What a peer of the bench's line is told, knows and does.

It gives each message a code: is the berichttype Actief, does the BSN pass the elfproef, is the citizen among those who
may be written to. Of each it writes an outcome event to Kafka and a row to ClickHouse. That and no more: the line also
looks for duplicates, stores every message encrypted, decides in a transaction, and answers every batch.
"""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from fastavro import parse_schema, schemaless_reader, schemaless_writer

from domain.bsn import elfproef_kolom
from domain.codes import STADIUM_VAN, Stadium, Verwerkingscode

TYPEN = ("AANSLAG", "BESLUIT", "VRAAG")
"""The berichttypes that are Actief."""
SLICE = 250
"""Messages in a slice: two slices a batch."""
PER_INSERT = 20_000
"""Rows that go to ClickHouse at once; fewer when no more are waiting."""

VERWERKT = str(Verwerkingscode.VERWERKT)
TYPE_FOUT = str(Verwerkingscode.BERICHTTYPE_NIET_ONDERSTEUND)
GEBRUIKER_FOUT = str(Verwerkingscode.NIET_ACTIEF_OF_GEABONNEERD)
STADIUM = {VERWERKT: str(Stadium.NA)} | {str(code): str(stadium) for code, stadium in STADIUM_VAN.items()}

Record = dict[str, Any]
"""A value as fastavro or a JSON library reads it."""

_GUID = {"type": "fixed", "name": "Guid", "size": 16}
_KADER: list[Record] = [
    {"name": "proceskenmerk", "type": _GUID},
    {"name": "batch_id", "type": "Guid"},
    *({"name": naam, "type": "string"} for naam in ("leverancier", "aangeleverd_door")),
    *({"name": naam, "type": "long"} for naam in ("aangeleverd_op", "aanmaakdatum")),
    {"name": "totaal", "type": "int"},
]
_BERICHT: list[Record] = [
    {"name": "nummer", "type": "int"},
    {"name": "bericht_id", "type": "Guid"},
    *({"name": naam, "type": "string"} for naam in ("berichttype", "gebruiker", "onderwerp", "tekst", "referentie")),
    *({"name": naam, "type": "long"} for naam in ("publicatiedatum", "einddatum")),
]
_UITKOMST = [*_BERICHT[:2], {"name": "code", "type": "string"}]


def _schema(naam: str, kader: list[Record], berichten: list[Record]) -> Any:
    lijst = {"type": "array", "items": {"type": "record", "name": "Bericht", "fields": berichten}}
    return parse_schema({"type": "record", "name": naam, "fields": [*kader, {"name": "berichten", "type": lijst}]})


SLICE_IN = _schema("Slice", _KADER, _BERICHT)
"""A slice of records: the frame once, and an array of messages."""
SLICE_UIT = _schema("Uitkomst", [*_KADER[:3], {"name": "verwerkt_op", "type": "long"}], _UITKOMST)
"""Its outcome event. All its fields are those of a slice that was decided: the same dict is written."""


def lees(schema: Any, inhoud: bytes) -> Any:
    """One value."""
    return schemaless_reader(BytesIO(inhoud), schema, None)


def schrijf(schema: Any, waarde: Record) -> bytes:
    """One value; what the schema does not name is left out."""
    buffer = BytesIO()
    schemaless_writer(buffer, schema, waarde)
    return buffer.getvalue()


def nu_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Opdracht:
    """What a peer is told."""

    kafka: str
    groep: str
    onderwerp: str
    """The topic to read."""
    uitkomst: str
    """The topic to write."""
    vorm: str
    """What a record is: `slices` (Avro), `json-slices` or `json` (one a message)."""
    clickhouse: str
    database: str
    map: str
    """A folder of its own."""
    abonnees: str
    """A JSON file with the citizens who may be written to."""

    def bewaar(self, pad: Path) -> dict[str, str]:
        """Writes it down; what must be in the environment of who reads it."""
        pad.write_text(json.dumps(self.__dict__))
        return {"BENCH_OPDRACHT": str(pad)}

    @classmethod
    def lees(cls) -> "Opdracht":
        """The one of this process."""
        return cls(**json.loads(Path(os.environ["BENCH_OPDRACHT"]).read_text()))


class Regels:
    """The checks, with everything that they need in memory. A message that is decided has a `code`."""

    def __init__(self, opdracht: Opdracht) -> None:
        self._typen = frozenset(TYPEN)
        self._abonnees = frozenset(json.loads(Path(opdracht.abonnees).read_text()))

    def beslis_slice(self, slice_: Record) -> Record:
        """The same slice, decided."""
        self.beslis_alle(slice_["berichten"])
        slice_["verwerkt_op"] = nu_ms()
        return slice_

    def beslis_alle(self, berichten: Sequence[Record]) -> None:
        """Decides many at once."""
        typen, abonnees = self._typen, self._abonnees
        bsns = [bericht["gebruiker"] for bericht in berichten]
        proef = elfproef_kolom("".join(bsns).encode()).tolist()
        for bericht, bsn, klopt in zip(berichten, bsns, proef, strict=True):
            if bericht["berichttype"] not in typen:
                bericht["code"] = TYPE_FOUT
            else:
                bericht["code"] = VERWERKT if klopt and bsn in abonnees else GEBRUIKER_FOUT

    def code(self, berichttype: str, bsn: str) -> str:
        """The code of one message."""
        if berichttype not in self._typen:
            return TYPE_FOUT
        a, b, c, d, e, f, g, h, i = bsn.encode()  # 48 for a zero, which 2064 takes off
        klopt = (9 * a + 8 * b + 7 * c + 6 * d + 5 * e + 4 * f + 3 * g + 2 * h - i - 2064) % 11 == 0
        return VERWERKT if klopt and bsn in self._abonnees and bsn != "000000000" else GEBRUIKER_FOUT


def json_uitkomst(slice_: Record) -> Record:
    """The outcome event of a slice, for JSON."""
    uitkomst = {naam: slice_[naam] for naam in ("proceskenmerk", "batch_id", "leverancier", "verwerkt_op")}
    uitkomst["berichten"] = [
        {"nummer": bericht["nummer"], "bericht_id": bericht["bericht_id"], "code": bericht["code"]}
        for bericht in slice_["berichten"]
    ]
    return uitkomst


def uitkomst(bericht: Record, code: str, nu: int) -> Record:
    """The outcome event of one message, with all that its row needs."""
    return {
        "proceskenmerk": bericht["proceskenmerk"],
        "batch_id": bericht["batch_id"],
        "leverancier": bericht["leverancier"],
        "aangeleverd_op": bericht["aangeleverd_op"],
        "verwerkt_op": nu,
        "nummer": bericht["nummer"],
        "bericht_id": bericht["bericht_id"],
        "berichttype": bericht["berichttype"],
        "code": code,
    }


_TABEL = """CREATE TABLE uitkomsten
(
    leverancier LowCardinality(String), batch_id UUID, proceskenmerk UUID, nummer UInt16, bericht_id UUID,
    berichttype LowCardinality(String), code LowCardinality(String), stadium LowCardinality(String),
    aangeleverd_op DateTime64(3, 'UTC'), verwerkt_op DateTime64(3, 'UTC')
)
ENGINE = MergeTree ORDER BY (leverancier, batch_id, nummer)"""
_MOMENT = pa.timestamp("ms", "UTC")


class Tabel:
    """A peer's table, filled in the fastest way that clickhouse-connect has: Arrow."""

    def __init__(self, opdracht: Opdracht) -> None:
        self._client: Client = clickhouse_connect.get_client(
            dsn=opdracht.clickhouse,
            database=opdracht.database,
            autogenerate_session_id=False,
            settings={"async_insert": 0},
        )

    def maak(self) -> None:
        """Makes it."""
        self._client.command(_TABEL)

    def schrijf(self, uitkomsten: Sequence[Record]) -> None:
        """Rows for messages; returns when ClickHouse confirmed them."""
        kaders = {
            naam: [uitkomst[naam] for uitkomst in uitkomsten]
            for naam in ("leverancier", "batch_id", "proceskenmerk", "aangeleverd_op", "verwerkt_op")
        }
        self._schrijf(kaders, uitkomsten)

    def schrijf_slices(self, slices: Sequence[Record]) -> None:
        """Rows for slices that are decided; returns when ClickHouse confirmed them."""
        kaders = {
            naam: [waarde for slice_ in slices for waarde in [slice_[naam]] * len(slice_["berichten"])]
            for naam in ("leverancier", "batch_id", "proceskenmerk", "aangeleverd_op", "verwerkt_op")
        }
        self._schrijf(kaders, [bericht for slice_ in slices for bericht in slice_["berichten"]])

    def _schrijf(self, kaders: dict[str, list[Any]], berichten: Sequence[Record]) -> None:
        codes = [bericht["code"] for bericht in berichten]
        tabel = {
            "leverancier": pa.array(kaders["leverancier"]),
            "batch_id": _guids(kaders["batch_id"]),
            "proceskenmerk": _guids(kaders["proceskenmerk"]),
            "nummer": pa.array([bericht["nummer"] for bericht in berichten], pa.uint16()),
            "bericht_id": _guids([bericht["bericht_id"] for bericht in berichten]),
            "berichttype": pa.array([bericht["berichttype"] for bericht in berichten]),
            "code": pa.array(codes),
            "stadium": pa.array([STADIUM[code] for code in codes]),
            "aangeleverd_op": pa.array(kaders["aangeleverd_op"], _MOMENT),
            "verwerkt_op": pa.array(kaders["verwerkt_op"], _MOMENT),
        }
        self._client.insert_arrow("uitkomsten", pa.table(tabel))


def _guids(waarden: Sequence[Any]) -> pa.Array:
    """A column of GUIDs: of 16 bytes each, or in hexadecimal digits."""
    los = isinstance(waarden[0], str)
    gepakt = bytes.fromhex("".join(waarden)) if los else b"".join(waarden)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(waarden), [None, pa.py_buffer(gepakt)])
