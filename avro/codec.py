"""Events to bytes and back: Avro in Confluent's wire format (a zero byte, four bytes of schema id, the value)."""

import dataclasses
import struct
from io import BytesIO
from typing import Any
from uuid import UUID

from fastavro import schemaless_reader, schemaless_writer

from avro.gegevens import SOORTEN, gegeven_van, soort_van, waarde_van
from avro.schemas import IndexSchemas, OnbekendSchema, Schemas, huidige, ontleed
from domain import bsn
from domain.batch import GUID_BYTES, MAX_BERICHTEN, SHA256_BYTES, Batch, Berichten, Kader
from domain.beslissing import Uitkomst
from domain.codes import Stadium, Verwerkingscode
from domain.logboek import BETROKKENE_BYTES, ZOEK_BYTES, Logboek
from domain.notificatie import Notificatie
from domain.referentie import Gegeven, Notificatiekenmerk
from domain.resultaat import Resultaat

_KOP = struct.Struct(">bI")
_KOLOMMEN = tuple(veld.name for veld in dataclasses.fields(Berichten))

_VELDEN = {
    soort: tuple(veld.name for veld in dataclasses.fields(soort) if veld.name != "kader")
    for soort in (Uitkomst, Resultaat, Logboek)
}

_PER_BERICHT = dict.fromkeys(
    (
        "berichttypes",
        "onderwerpen",
        "teksten",
        "referenties",
        "publicatiedatums",
        "einddatums",
        "schema_fouten",
    ),
    1,
) | {"bericht_ids": GUID_BYTES, "gebruikers": bsn.BREEDTE}
"""Columns with one entry for each message, and the length of an entry: more than 1 where they are packed in bytes."""
_PER_BIJLAGE = {
    "bijlage_sha256": SHA256_BYTES,
    "bijlage_groottes": 1,
    "bijlage_omschrijvingen": 1,
    "bijlage_volgordes": 1,
}
_GUIDS = ("proceskenmerk", "batch_id", "bericht_id")
_MOMENTEN = ("aangeleverd_op", "verwerkt_op", "gemaakt_op", "zichtbaar_op")
_LAATSTE_MOMENT = 4_102_444_800_000
"""The year 2100: what was done cannot be later. What senders say (PublicatieDatum, say) may be anything."""

MAX_BYTES = 24 * 1024 * 1024
"""No event is larger."""
_KLEIN_BYTES = 1024 * 1024
_MAX_DELEN = 2_000_000
"""Reads that one event may take, so that a few megabytes of empty things do not become gigabytes of memory."""
_PER_RESULTAAT = {"bericht_ids": GUID_BYTES, "berichttypes": 1, "codes": 1, "stadia": 1}
_PER_UITKOMST = _PER_RESULTAAT | {
    "redenen": 1,
    "publicatiedatums": 1,
    "diensten": 1,
    "waarschuwingen": 1,
    "ontvangers": 1,
}
_CODES = {str(code): code for code in Verwerkingscode}
_STADIA = {str(stadium): stadium for stadium in Stadium}
_PER_LOGBOEK = {"codes": 1, "betrokkenen": BETROKKENE_BYTES, "zoeksleutels": ZOEK_BYTES}


__all__ = ["SOORTEN", "Codec", "Onleesbaar", "soort_van"]


class Onleesbaar(Exception):
    """A record that can never be read. The text says why, and holds nothing of its content."""


class _Geteld(BytesIO):
    """Bytes of which only so many parts can be read. A part of a value takes at least one read."""

    _delen = 0

    def read(self, lengte: int | None = -1, /) -> bytes:
        self._delen += 1
        if self._delen > _MAX_DELEN:
            raise Onleesbaar("more parts than any event has")
        return super().read(lengte)


class Codec:
    """Writes and reads the events of every topic. A schema is parsed once for each id."""

    def __init__(self, schemas: Schemas | None = None) -> None:
        self._schemas = schemas or IndexSchemas()

    def schrijf(self, onderwerp: str, waarde: dict[str, Any]) -> bytes:
        """One value for a topic (named without prefix)."""
        buffer = BytesIO()
        buffer.write(_KOP.pack(0, self._schemas.id_van(onderwerp)))
        schemaless_writer(buffer, ontleed(huidige(onderwerp).tekst), waarde)
        return buffer.getvalue()

    def lees(self, onderwerp: str, inhoud: bytes | None) -> dict[str, Any]:
        """One value of a topic. Raises Onleesbaar."""
        if inhoud is None:
            raise Onleesbaar("no value")
        if len(inhoud) < _KOP.size:
            raise Onleesbaar("shorter than the five bytes of the header")
        if len(inhoud) > MAX_BYTES:
            raise Onleesbaar("larger than any event")
        magie, schema_id = _KOP.unpack_from(inhoud)
        if magie != 0:
            raise Onleesbaar("does not start with the zero byte of Confluent's format")
        lezer = ontleed(huidige(onderwerp).tekst)
        try:
            schrijver = self._schemas.schema(schema_id)
        except OnbekendSchema:
            raise Onleesbaar(f"unknown schema id {schema_id}") from None
        if not isinstance(schrijver, dict) or schrijver.get("name") != lezer["name"]:
            raise Onleesbaar(f"schema id {schema_id} is of another kind of event")
        buffer = BytesIO(inhoud) if len(inhoud) <= _KLEIN_BYTES else _Geteld(inhoud)
        buffer.seek(_KOP.size)
        try:
            waarde = schemaless_reader(buffer, schrijver, None if schrijver == lezer else lezer)
        except Onleesbaar:
            raise
        except Exception as fout:  # fastavro raises many kinds on damaged bytes, and their texts quote content
            raise Onleesbaar(f"damaged Avro ({type(fout).__name__})") from None
        if buffer.tell() != len(inhoud) or not isinstance(waarde, dict):
            raise Onleesbaar("bytes are left after the value")
        return waarde

    def schrijf_batch(self, batch: Batch, onderwerp: str = "batch") -> bytes:
        """A batch, or with `onderwerp='bericht'` a slice of one."""
        berichten = {naam: getattr(batch.berichten, naam) for naam in _KOLOMMEN}
        return self.schrijf(onderwerp, _kader_uit(batch.kader) | berichten)

    def lees_batch(self, inhoud: bytes | None, onderwerp: str = "batch") -> Batch:
        """A batch or a slice. Raises Onleesbaar, also where the columns do not match."""
        waarde = self.lees(onderwerp, inhoud)
        _controleer_nummers(waarde)
        if onderwerp == "batch" and len(waarde["nummers"]) != waarde["totaal"]:
            raise Onleesbaar("a batch that is not whole")
        _controleer_lengtes(waarde, len(waarde["nummers"]), _PER_BERICHT)
        _controleer_lengtes(waarde, len(waarde["bijlage_rijen"]), _PER_BIJLAGE)
        if not all(0 <= rij < len(waarde["nummers"]) for rij in waarde["bijlage_rijen"]):
            raise Onleesbaar("a bijlage of no message")
        if any(grootte < 0 for grootte in waarde["bijlage_groottes"]):
            raise Onleesbaar("a bijlage of less than nothing")
        if waarde["gebruikers"].strip(b"0123456789"):
            raise Onleesbaar("a column of BSNs that is not digits")
        return Batch(_kader_in(waarde), Berichten(**{naam: waarde[naam] for naam in _KOLOMMEN}))

    def schrijf_uitkomst(self, uitkomst: Uitkomst) -> bytes:
        """Decisions, for topic `validatie`."""
        waarde = _velden(uitkomst) | _kader_uit(uitkomst.kader)
        return self.schrijf("validatie", waarde)

    def lees_uitkomst(self, inhoud: bytes | None) -> Uitkomst:
        """Decisions from topic `validatie`. Raises Onleesbaar, also where the columns do not match."""
        waarde = self.lees("validatie", inhoud)
        _controleer_nummers(waarde)
        _controleer_lengtes(waarde, len(waarde["nummers"]), _PER_UITKOMST)
        return Uitkomst(**_met_codes(waarde))

    def schrijf_logboek(self, logboek: Logboek) -> bytes:
        """Lines of the processing log, for topic `logboek`."""
        return self.schrijf("logboek", _velden(logboek) | _kader_uit(logboek.kader))

    def lees_logboek(self, inhoud: bytes | None) -> Logboek:
        """Lines of the processing log. Raises Onleesbaar, also where the columns do not match."""
        waarde = self.lees("logboek", inhoud)
        _controleer_nummers(waarde)
        _controleer_lengtes(waarde, len(waarde["nummers"]), _PER_LOGBOEK)
        waarde["codes"] = list(map(_CODES.__getitem__, waarde["codes"]))
        waarde["kader"] = _kader_in(waarde)
        return Logboek(**waarde)

    def schrijf_resultaat(self, resultaat: Resultaat) -> bytes:
        """The result of a run, for topic `resultaat`."""
        waarde = _velden(resultaat) | _kader_uit(resultaat.kader)
        return self.schrijf("resultaat", waarde)

    def lees_resultaat(self, inhoud: bytes | None) -> Resultaat:
        """The result of a run. Raises Onleesbaar, also where the columns do not match."""
        waarde = self.lees("resultaat", inhoud)
        _controleer_nummers(waarde)
        _controleer_lengtes(waarde, len(waarde["nummers"]), _PER_RESULTAAT)
        return Resultaat(**_met_codes(waarde))

    def schrijf_notificatie(self, notificatie: Notificatie) -> bytes:
        """What a citizen is told, for topic `notificatie`."""
        waarde: dict[str, Any] = notificatie._asdict()
        for naam in _GUIDS:
            waarde[naam] = str(waarde[naam])
        return self.schrijf("notificatie", waarde)

    def lees_notificatie(self, inhoud: bytes | None) -> Notificatie:
        """What a citizen is told. Raises Onleesbaar."""
        waarde = self.lees("notificatie", inhoud)
        if not 1 <= waarde["nummer"] <= MAX_BERICHTEN:
            raise Onleesbaar("a number that is in no batch")
        _controleer_momenten(waarde)
        try:
            kenmerk = Notificatiekenmerk(waarde["notificatiekenmerk"])
            guids = {naam: UUID(waarde[naam]) for naam in _GUIDS}
        except ValueError:
            raise Onleesbaar("a value this version does not know in notificatie") from None
        return Notificatie(**waarde | guids | {"notificatiekenmerk": kenmerk})

    def schrijf_gegeven(self, gegeven: Gegeven) -> bytes:
        """One thing of the reference data, for the topic of its kind."""
        return self.schrijf(soort_van(gegeven), waarde_van(gegeven))

    def lees_gegeven(self, soort: str, inhoud: bytes | None) -> Gegeven:
        """One thing of the reference data. Raises Onleesbaar."""
        waarde = self.lees(soort, inhoud)
        try:
            return gegeven_van(soort, waarde)
        except ValueError:
            raise Onleesbaar(f"a value this version does not know in {soort}") from None


def _controleer_nummers(waarde: dict[str, Any]) -> None:
    """Raises Onleesbaar for what would take a place that the batch does not have, or a place twice."""
    totaal, nummers = waarde["totaal"], waarde["nummers"]
    if not 1 <= totaal <= MAX_BERICHTEN:
        raise Onleesbaar("a batch of no size that there is")
    if not all(1 <= nummer <= totaal for nummer in nummers):
        raise Onleesbaar("a number that is not in the batch")
    if len(set(nummers)) != len(nummers):
        raise Onleesbaar("a number that stands there twice")
    _controleer_momenten(waarde)


def _controleer_momenten(waarde: dict[str, Any]) -> None:
    """Raises Onleesbaar for a moment at which none of this can have been done."""
    if not all(0 <= waarde.get(naam, 0) <= _LAATSTE_MOMENT for naam in _MOMENTEN):
        raise Onleesbaar("a moment that cannot be")


def _controleer_lengtes(waarde: dict[str, Any], aantal: int, lengtes: dict[str, int]) -> None:
    """Raises Onleesbaar when a column has not one entry for each row."""
    if any(len(waarde[naam]) != aantal * lengte for naam, lengte in lengtes.items()):
        raise Onleesbaar("columns of different length")


def _velden(uitkomst: Uitkomst | Resultaat | Logboek) -> dict[str, Any]:
    return {naam: getattr(uitkomst, naam) for naam in _VELDEN[type(uitkomst)]}


def _met_codes(waarde: dict[str, Any]) -> dict[str, Any]:
    waarde["codes"] = list(map(_CODES.__getitem__, waarde["codes"]))
    waarde["stadia"] = list(map(_STADIA.__getitem__, waarde["stadia"]))
    waarde["kader"] = _kader_in(waarde)
    return waarde


def _kader_uit(kader: Kader) -> dict[str, Any]:
    return {
        "proceskenmerk": str(kader.proceskenmerk),
        "batch_id": str(kader.batch_id),
        "leverancier": kader.leverancier,
        "aangeleverd_door": kader.aangeleverd_door,
        "aanmaakdatum": kader.aanmaakdatum,
        "aangeleverd_op": kader.aangeleverd_op,
        "totaal": kader.totaal,
    }


def _kader_in(waarde: dict[str, Any]) -> Kader:
    try:
        return Kader(
            proceskenmerk=UUID(waarde.pop("proceskenmerk")),
            batch_id=UUID(waarde.pop("batch_id")),
            leverancier=waarde.pop("leverancier"),
            aangeleverd_door=waarde.pop("aangeleverd_door"),
            aanmaakdatum=waarde.pop("aanmaakdatum", 0),
            aangeleverd_op=waarde.pop("aangeleverd_op"),
            totaal=waarde.pop("totaal"),
        )
    except ValueError:
        raise Onleesbaar("a key that is not a GUID") from None
