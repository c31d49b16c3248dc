"""From events to rows: pure, one function for each table. Running one twice gives the same rows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from avro.gegevens import als_json, soort_van
from domain.batch import GUID_BYTES, Batch
from domain.beslissing import Uitkomst
from domain.codes import toonbaar_berichttype
from domain.logboek import ZOEK_BYTES, Logboek
from domain.notificatie import Plaats
from domain.referentie import Gegeven, Herkomst
from domain.resultaat import Resultaat

KOLOMMEN = {
    "runs": (
        "leverancier",
        "batch_id",
        "proceskenmerk",
        "aangeleverd_door",
        "aangeleverd_op",
        "aanmaakdatum",
        "totaal",
        "bericht_ids",
        "berichttypes",
        "volgorde",
    ),
    "uitkomsten": (
        "leverancier",
        "batch_id",
        "proceskenmerk",
        "nummer",
        "bericht_id",
        "berichttype",
        "code",
        "stadium",
        "reden",
        "waarschuwingen",
        "diensten",
        "aangeleverd_op",
        "verwerkt_op",
        "publicatiedatum",
        "ontvanger",
        "object",
        "volgorde",
    ),
    "logboekregels": (
        "proceskenmerk",
        "eerste",
        "volgorde",
        "leverancier",
        "batch_id",
        "aangeleverd_op",
        "verwerkt_op",
        "verwerkingsactiviteit",
        "sleutel",
        "nummers",
        "codes",
        "betrokkenen",
        "zoeksleutels",
    ),
    "wijzigingen": ("soort", "sleutel", "oin", "volgorde", "op", "door", "toestand"),
    "resultaten": ("leverancier", "batch_id", "proceskenmerk", "verwerkt_op", "totaal", "per_code"),
    "genotificeerd": ("zichtbaar_op", "proceskenmerk", "nummer", "gemaakt_op"),
}
"""The columns of each table, in the order in which rows give them."""


@dataclass(slots=True)
class Rijen:
    """Rows for one table, as columns."""

    tabel: str
    kolommen: list[list[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.kolommen:
            self.kolommen = [[] for _ in KOLOMMEN[self.tabel]]

    def __len__(self) -> int:
        return len(self.kolommen[0])

    def voeg_toe(self, kolommen: Sequence[Sequence[Any]]) -> None:
        """Adds rows, given as columns of the same order."""
        for kolom, nieuw in zip(self.kolommen, kolommen, strict=True):
            kolom.extend(nieuw)


def _guids(gepakt: bytes) -> list[int]:
    """GUIDs that stand back to back, as the numbers that they are: ClickHouse takes these too, and they cost less."""
    return [int.from_bytes(gepakt[i : i + GUID_BYTES]) for i in range(0, len(gepakt), GUID_BYTES)]


def van_batch(batch: Batch, offset: int) -> list[Sequence[Any]]:
    """The row of `runs` for a record of topic `batch`: everything received, before anything is decided."""
    kader, berichten = batch.kader, batch.berichten
    ids = [0] * kader.totaal
    types = [toonbaar_berichttype("")] * kader.totaal
    for nummer, bericht_id, berichttype in zip(
        berichten.nummers, _guids(berichten.bericht_ids), berichten.berichttypes, strict=True
    ):
        ids[nummer - 1] = bericht_id
        types[nummer - 1] = toonbaar_berichttype(berichttype)
    rij = (
        kader.leverancier,
        kader.batch_id,
        kader.proceskenmerk,
        kader.aangeleverd_door,
        kader.aangeleverd_op,
        kader.aanmaakdatum,
        kader.totaal,
        ids,
        types,
        offset,
    )
    return [[waarde] for waarde in rij]


def van_uitkomst(uitkomst: Uitkomst, offset: int) -> list[Sequence[Any]]:
    """The rows of `uitkomsten` for a record of topic `validatie`."""
    kader, aantal = uitkomst.kader, len(uitkomst)
    return [
        [kader.leverancier] * aantal,
        [kader.batch_id] * aantal,
        [kader.proceskenmerk] * aantal,
        uitkomst.nummers,
        _guids(uitkomst.bericht_ids),
        uitkomst.berichttypes,
        [str(code) for code in uitkomst.codes],
        [str(stadium) for stadium in uitkomst.stadia],
        uitkomst.redenen,
        uitkomst.waarschuwingen,
        uitkomst.diensten,
        [kader.aangeleverd_op] * aantal,
        [uitkomst.verwerkt_op] * aantal,
        uitkomst.publicatiedatums,
        uitkomst.ontvangers,
        [uitkomst.object] * aantal,
        [offset] * aantal,
    ]


def van_logboek(logboek: Logboek, offset: int) -> list[Sequence[Any]]:
    """The row of `logboekregels` for a record of topic `logboek`; none when it is about no message."""
    kader = logboek.kader
    if not logboek.nummers:
        return [[] for _ in KOLOMMEN["logboekregels"]]
    rij = (
        kader.proceskenmerk,
        logboek.nummers[0],
        offset,
        kader.leverancier,
        kader.batch_id,
        kader.aangeleverd_op,
        logboek.verwerkt_op,
        logboek.verwerkingsactiviteit,
        logboek.sleutel,
        logboek.nummers,
        [str(code) for code in logboek.codes],
        logboek.betrokkenen,
        [logboek.zoeksleutels[i : i + ZOEK_BYTES] for i in range(0, len(logboek.zoeksleutels), ZOEK_BYTES)],
    )
    return [[waarde] for waarde in rij]


def van_resultaat(resultaat: Resultaat) -> list[Sequence[Any]]:
    """The row of `resultaten` for a record of topic `resultaat`."""
    kader = resultaat.kader
    rij = (
        kader.leverancier,
        kader.batch_id,
        kader.proceskenmerk,
        resultaat.verwerkt_op,
        kader.totaal,
        dict(Counter(str(code) for code in resultaat.codes)),
    )
    return [[waarde] for waarde in rij]


def van_genotificeerd(plaatsen: Sequence[Plaats], gemaakt_op: int) -> list[Sequence[Any]]:
    """The rows of `genotificeerd` for messages whose notification was written."""
    return [*([plaats[veld] for plaats in plaatsen] for veld in range(3)), [gemaakt_op] * len(plaatsen)]


def van_gegeven(gegeven: Gegeven, offset: int) -> list[Sequence[Any]]:
    """The row of `wijzigingen` for a record of a topic with reference data: who made it so, and when."""
    herkomst = gegeven.herkomst or Herkomst(0, "")
    rij = (
        soort_van(gegeven),
        gegeven.sleutel,
        gegeven.oin,
        offset,
        herkomst.op,
        herkomst.door,
        als_json(gegeven),
    )
    return [[waarde] for waarde in rij]
