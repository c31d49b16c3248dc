"""Merging a file with reference data into the state: all of it, or nothing."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any

from domain.laadbestand import (
    BerichttypeRegel,
    DienstRegel,
    Laadbestand,
    LeverancierRegel,
    MachtigingRegel,
    Regel,
    opsomming,
)
from domain.levensloop import (
    NietToegestaan,
    activeer_dienst,
    deactiveer_dienst,
    koppel,
    nieuw_berichttype,
    nieuwe_dienst,
    nieuwe_leverancier,
    nieuwe_machtiging,
    ontkoppel,
    wijzig_berichttype,
    wijzig_dienst,
    wijzig_einde,
    wissel_status,
)
from domain.referentie import Berichttype, Dienst, DienstStatus, Gegeven, Leverancier, Machtiging, Referentie
from domain.tijd import schrijf_tijd


@dataclass(frozen=True, slots=True)
class Wijziging:
    """A thing as it becomes, and what that changes, in words."""

    gegeven: Gegeven
    tekst: str
    nieuw: bool


@dataclass(frozen=True, slots=True)
class Wijzigingen:
    """Everything that changes at once."""

    lijst: list[Wijziging] = field(default_factory=list)
    opmerkingen: list[str] = field(default_factory=list)
    """What is allowed, but may be a mistake."""

    @property
    def gegevens(self) -> list[Gegeven]:
        """The things as they become."""
        return [wijziging.gegeven for wijziging in self.lijst]


def samenvoegen(referentie: Referentie, bestand: Laadbestand, nu: int, pseudoniem: Callable[[str], str]) -> Wijzigingen:
    """What the file changes in the state; new things get the state given, fields that are left out stay.

    `pseudoniem` makes a person's stable name from a BSN of nine digits. The same file a second time gives no changes.
    Raises NietToegestaan, naming every change that the lifecycles do not allow.
    """
    wijzigingen, fouten = Wijzigingen(), list[str]()
    for naam, oud, maak in _voorstellen(referentie, bestand, nu, pseudoniem):
        try:
            nieuw = maak(oud)
        except NietToegestaan as fout:
            fouten.append(f"{naam}: {fout}")
            continue
        if nieuw != oud:
            wijzigingen.lijst.append(Wijziging(nieuw, f"{naam}: {_verschil(oud, nieuw)}", oud is None))
    if fouten:
        raise NietToegestaan(opsomming(fouten))
    diensten = referentie.diensten.keys() | {dienst.sleutel for dienst in bestand.diensten}
    wijzigingen.opmerkingen.extend(
        f"machtigingen.{nummer}: there is no dienst {regel.oin}/{regel.dienst_id}, so it gives nothing"
        for nummer, regel in enumerate(bestand.machtigingen)
        if f"{regel.oin}/{regel.dienst_id}" not in diensten
    )
    return wijzigingen


Voorstel = tuple[str, Gegeven | None, Callable[[Any], Gegeven]]
"""Of one entry: its name for people, the thing as it is, and what makes of that the thing as it becomes."""


def _voorstellen(
    referentie: Referentie, bestand: Laadbestand, nu: int, pseudoniem: Callable[[str], str]
) -> Iterator[Voorstel]:
    for leverancier in bestand.leveranciers:
        oud = referentie.leveranciers.get(leverancier.oin)
        yield f"leverancier {leverancier.oin}", oud, partial(_leverancier, leverancier)
    for berichttype in bestand.berichttypes:
        oud_type = referentie.berichttypes.get(berichttype.sleutel)
        yield f"berichttype {berichttype.sleutel}", oud_type, partial(_berichttype, berichttype)
    # A link is judged by the state its berichttype had before this file; what is new here is linked before it gets one.
    koppelbaar = {
        regel.sleutel: nieuw_berichttype(regel.oin, regel.code, regel.omschrijving, regel.notificatiekenmerk)
        for regel in bestand.berichttypes
    } | referentie.berichttypes
    for dienst in bestand.diensten:
        oude_dienst = referentie.diensten.get(dienst.sleutel)
        yield f"dienst {dienst.sleutel}", oude_dienst, partial(_dienst, dienst, koppelbaar, nu)
    for nummer, machtiging in enumerate(bestand.machtigingen):
        wie = (pseudoniem(machtiging.belanghebbende), pseudoniem(machtiging.gemachtigde))
        sleutel = Machtiging(*wie, machtiging.oin, machtiging.dienst_id, machtiging.van, None).sleutel
        naam = f"machtigingen.{nummer} for dienst {machtiging.oin}/{machtiging.dienst_id}"
        yield naam, referentie.machtigingen.get(sleutel), partial(_machtiging, machtiging, wie)


def _leverancier(regel: LeverancierRegel, oud: Leverancier | None) -> Leverancier:
    if oud is None:
        _nodig(regel, "naam")
        return nieuwe_leverancier(regel.oin, regel.naam, regel.intermediair_voor)
    return replace(oud, **regel.gegeven("naam", "intermediair_voor"))


def _berichttype(regel: BerichttypeRegel, oud: Berichttype | None) -> Berichttype:
    if oud is None:
        _nodig(regel, "omschrijving", "notificatiekenmerk")
        return nieuw_berichttype(regel.oin, regel.code, regel.omschrijving, regel.notificatiekenmerk, regel.status)
    gewijzigd = wijzig_berichttype(oud, **regel.gegeven("omschrijving", "notificatiekenmerk"))
    return wissel_status(gewijzigd, regel.status) if "status" in regel.model_fields_set else gewijzigd


def _dienst(regel: DienstRegel, berichttypes: Mapping[str, Berichttype], nu: int, oud: Dienst | None) -> Dienst:
    if oud is None:
        _nodig(regel, "omschrijving")
        dienst = nieuwe_dienst(regel.oin, regel.dienst_id, regel.omschrijving)
    else:
        dienst = wijzig_dienst(oud, regel.omschrijving) if "omschrijving" in regel.model_fields_set else oud
    if "status" in regel.model_fields_set:
        if regel.status is DienstStatus.INACTIEF:
            return deactiveer_dienst(dienst, nu)
        dienst = activeer_dienst(dienst)
    if "berichttypes" in regel.model_fields_set:
        gewenst, gekoppeld = set(regel.berichttypes), set(dienst.gekoppeld())
        for code in sorted(gekoppeld - gewenst):
            dienst = ontkoppel(dienst, berichttypes.get(f"{dienst.oin}/{code}"), nu)
        for code in sorted(gewenst - gekoppeld):
            dienst = koppel(dienst, berichttypes.get(f"{dienst.oin}/{code}"), nu)
    return dienst


def _machtiging(regel: MachtigingRegel, wie: tuple[str, str], oud: Machtiging | None) -> Machtiging:
    if oud is None:
        return nieuwe_machtiging(*wie, regel.oin, regel.dienst_id, regel.van, regel.tot)
    return wijzig_einde(oud, regel.tot) if "tot" in regel.model_fields_set else oud


def _nodig(regel: Regel, *velden: str) -> None:
    if ontbreekt := [veld for veld in velden if veld not in regel.model_fields_set]:
        raise NietToegestaan(f"is new, and needs {' and '.join(ontbreekt)}")


def _verschil(oud: Gegeven | None, nieuw: Gegeven) -> str:
    """What changes, in words; no pseudonyms."""
    if oud is None:
        delen = ["new"]
        if isinstance(nieuw, Berichttype | Dienst):
            delen.append(nieuw.status)
        if isinstance(nieuw, Dienst):
            delen += _koppelverschil([], nieuw.gekoppeld())
        if isinstance(nieuw, Machtiging):
            delen += [f"from {schrijf_tijd(nieuw.van)}", _tot(nieuw)]
        return ", ".join(delen)
    delen = []
    for naam in (veld.name for veld in fields(nieuw) if getattr(oud, veld.name) != getattr(nieuw, veld.name)):
        if naam == "status":
            delen.append(f"{getattr(oud, naam)} → {getattr(nieuw, naam)}")
        elif isinstance(oud, Dienst) and isinstance(nieuw, Dienst) and naam == "koppelingen":
            delen += _koppelverschil(oud.gekoppeld(), nieuw.gekoppeld())
        elif isinstance(nieuw, Machtiging):
            delen.append(_tot(nieuw))
        elif naam != "gedeactiveerd_op":
            delen.append(f"another {naam}")
    return ", ".join(delen)


def _koppelverschil(was: list[str], wordt: list[str]) -> Iterator[str]:
    yield from (f"linked to {code}" for code in sorted(set(wordt) - set(was)))
    yield from (f"no longer linked to {code}" for code in sorted(set(was) - set(wordt)))


def _tot(machtiging: Machtiging) -> str:
    return "without end" if machtiging.tot is None else f"until {schrijf_tijd(machtiging.tot)}"
