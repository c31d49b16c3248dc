"""The shape of a file with reference data. Its errors name places and rules, never values: there are BSNs in it."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError

from domain import bsn
from domain.levensloop import (
    geldig_oin,
    geldige_code,
    geldige_dienst_id,
    geldige_omschrijving,
    geldige_tekst,
)
from domain.referentie import BerichttypeStatus, DienstStatus, Notificatiekenmerk
from domain.tijd import lees_tijd

FOUTEN_MAX = 20
"""Errors that are told by name."""


class BestandFout(ValueError):
    """The content of the file is not as it should be; the text names every place and rule, and no value."""


def _tijd(tekst: object) -> int:
    try:
        return lees_tijd(tekst if isinstance(tekst, str) else "")
    except ValueError:
        raise ValueError("not a time with a zone, such as 2026-01-31T12:00:00Z") from None


def _bsn_vorm(tekst: str) -> str:
    genormaliseerd = bsn.normaliseer(tekst)
    if genormaliseerd is None:
        raise ValueError("not a BSN: 8 or 9 digits")
    return genormaliseerd


def _bsn(tekst: str) -> str:
    genormaliseerd = _bsn_vorm(tekst)
    if not bsn.elfproef(genormaliseerd):
        raise ValueError("not a BSN: it fails the elfproef")
    return genormaliseerd


Oin = Annotated[str, AfterValidator(geldig_oin)]
Code = Annotated[str, AfterValidator(geldige_code)]
Omschrijving = Annotated[str, AfterValidator(geldige_omschrijving)]
DienstId = Annotated[str, AfterValidator(geldige_dienst_id)]
Tekst = Annotated[str, AfterValidator(geldige_tekst)]
Tijd = Annotated[int, BeforeValidator(_tijd)]
BsnVorm = Annotated[str, AfterValidator(_bsn_vorm), Field(repr=False)]
Bsn = Annotated[str, AfterValidator(_bsn), Field(repr=False)]


class Regel(BaseModel):
    """One entry. A field with a default may be left out; `model_fields_set` tells which were not."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def gegeven(self, *namen: str) -> dict[str, Any]:
        """Those of these fields that the file gives."""
        return {naam: getattr(self, naam) for naam in namen if naam in self.model_fields_set}


class LeverancierRegel(Regel):
    """A leverancier."""

    oin: Oin
    naam: Tekst = ""
    intermediair_voor: tuple[Oin, ...] = ()
    notificatiekenmerken: tuple[Notificatiekenmerk, ...] | None = None
    toelichting: Tekst = ""
    lijst: Tekst = ""
    bijzonderheden: Tekst = ""


class BerichttypeRegel(Regel):
    """A berichttype."""

    oin: Oin
    code: Code
    omschrijving: Omschrijving = ""
    notificatiekenmerk: Notificatiekenmerk = Notificatiekenmerk.INFORMATIE_GEVEN
    status: BerichttypeStatus = BerichttypeStatus.NIEUW

    @property
    def sleutel(self) -> str:
        """The key of what it is about."""
        return f"{self.oin}/{self.code}"


class DienstRegel(Regel):
    """A dienst, and the berichttypes that must be linked to it."""

    oin: Oin
    dienst_id: DienstId
    omschrijving: Tekst = ""
    status: DienstStatus = DienstStatus.ACTIEF
    berichttypes: tuple[Code, ...] = ()

    @property
    def sleutel(self) -> str:
        """The key of what it is about."""
        return f"{self.oin}/{self.dienst_id}"


class MachtigingRegel(Regel):
    """A machtiging, its persons by BSN."""

    belanghebbende: Bsn
    gemachtigde: Bsn
    oin: Oin
    dienst_id: DienstId
    van: Tijd
    tot: Tijd | None = None


class GebruikerRegel(Regel):
    """A citizen, for the reference profile service; one whose BSN fails the elfproef does no harm there."""

    bsn: BsnVorm
    actief: StrictBool
    abonnementen: Literal["*"] | tuple[Oin, ...]


class Laadbestand(Regel):
    """A whole file. What it leaves out stays as it is."""

    leveranciers: tuple[LeverancierRegel, ...] = ()
    berichttypes: tuple[BerichttypeRegel, ...] = ()
    diensten: tuple[DienstRegel, ...] = ()
    machtigingen: tuple[MachtigingRegel, ...] = ()
    gebruikers: tuple[GebruikerRegel, ...] = ()


def opsomming(fouten: list[str]) -> str:
    """Errors in one line, the first ones by name."""
    rest = f"; and {len(fouten) - FOUTEN_MAX} more" if len(fouten) > FOUTEN_MAX else ""
    return "; ".join(fouten[:FOUTEN_MAX]) + rest


def lees_laadbestand(inhoud: object) -> Laadbestand:
    """The content of a parsed JSON document. Raises BestandFout."""
    try:
        bestand = Laadbestand.model_validate(inhoud)
    except ValidationError as fout:
        fouten = fout.errors(include_input=False, include_url=False, include_context=False)
        raise BestandFout(
            opsomming([f"{_plaats(een['loc'])}: {een['msg'].removeprefix('Value error, ')}" for een in fouten])
        ) from None
    if dubbel := list(_dubbel(bestand)):
        raise BestandFout(opsomming(dubbel))
    return bestand


def _plaats(delen: tuple[int | str, ...]) -> str:
    """The path of a field; a name in it that may be a BSN is left out."""
    return ".".join("(a key of digits)" if re.search("[0-9]{8}", str(deel)) else str(deel) for deel in delen) or "file"


def _dubbel(bestand: Laadbestand) -> Iterator[str]:
    sleutels: dict[str, Sequence[object]] = {
        "leveranciers": [een.oin for een in bestand.leveranciers],
        "berichttypes": [een.sleutel for een in bestand.berichttypes],
        "diensten": [een.sleutel for een in bestand.diensten],
        "machtigingen": [
            (een.belanghebbende, een.gemachtigde, een.oin, een.dienst_id, een.van) for een in bestand.machtigingen
        ],
    }
    for naam, lijst in sleutels.items():
        aantallen = Counter(lijst)
        yield from (
            f"{naam}.{nummer}: another entry has the same key" for nummer, een in enumerate(lijst) if aantallen[een] > 1
        )
