"""Merging a file with reference data into the state: all of it, or nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
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
    is_afgelopen,
    koppel,
    nieuw_berichttype,
    nieuwe_dienst,
    nieuwe_machtiging,
    ontkoppel,
    wijzig_berichttype,
    wijzig_dienst,
    wijzig_einde,
    wissel_status,
)
from domain.leveranciers import geldige_leverancier
from domain.referentie import (
    Berichttype,
    Dienst,
    DienstStatus,
    Gegeven,
    Leverancier,
    Machtiging,
    Notificatiekenmerk,
    Referentie,
)
from domain.wijzigingen import Wijziging, Wijzigingen, verschil


def samenvoegen(
    referentie: Referentie, bestand: Laadbestand, nu: int, pseudoniemen: Callable[[str], Sequence[str]]
) -> Wijzigingen:
    """What the file changes in the state; new things get the state given, fields that are left out stay.

    `pseudoniemen` makes a person's stable names from a BSN of nine digits, the one of now first. The same file a second
    time gives no changes.
    Raises NietToegestaan, naming every change that the lifecycles do not allow.
    """
    wijzigingen, fouten = Wijzigingen(), list[str]()
    for naam, oud, maak in _voorstellen(referentie, bestand, nu, pseudoniemen):
        try:
            nieuw = maak(oud)
        except NietToegestaan as fout:
            fouten.append(f"{naam}: {fout}")
            continue
        if nieuw != oud:
            wijzigingen.lijst.append(Wijziging(nieuw, f"{naam}: {verschil(oud, nieuw)}", oud is None))
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
    referentie: Referentie, bestand: Laadbestand, nu: int, pseudoniemen: Callable[[str], Sequence[str]]
) -> Iterator[Voorstel]:
    for leverancier in bestand.leveranciers:
        oud = referentie.leveranciers.get(leverancier.oin)
        yield f"leverancier {leverancier.oin}", oud, partial(_leverancier, leverancier)
    toegestaan = {oin: een.notificatiekenmerken for oin, een in referentie.leveranciers.items()} | {
        een.oin: een.notificatiekenmerken
        for een in bestand.leveranciers
        if "notificatiekenmerken" in een.model_fields_set
    }
    for berichttype in bestand.berichttypes:
        oud_type = referentie.berichttypes.get(berichttype.sleutel)
        yield (
            f"berichttype {berichttype.sleutel}",
            oud_type,
            partial(_berichttype, berichttype, toegestaan.get(berichttype.oin)),
        )
    # A link is judged by the state its berichttype had before this file; what is new here is linked before it gets one.
    koppelbaar = {
        regel.sleutel: nieuw_berichttype(regel.oin, regel.code, regel.omschrijving, regel.notificatiekenmerk)
        for regel in bestand.berichttypes
    } | referentie.berichttypes
    for dienst in bestand.diensten:
        oude_dienst = referentie.diensten.get(dienst.sleutel)
        yield f"dienst {dienst.sleutel}", oude_dienst, partial(_dienst, dienst, koppelbaar, nu)
    for nummer, machtiging in enumerate(bestand.machtigingen):
        personen = pseudoniemen(machtiging.belanghebbende), pseudoniemen(machtiging.gemachtigde)
        naam = f"machtigingen.{nummer} for dienst {machtiging.oin}/{machtiging.dienst_id}"
        for gegeven in _bedoeld(referentie, machtiging, personen, nu):
            yield naam, gegeven, partial(_machtiging, machtiging, (personen[0][0], personen[1][0]), nu)


def _bedoeld(
    referentie: Referentie, regel: MachtigingRegel, personen: tuple[Sequence[str], Sequence[str]], nu: int
) -> Sequence[Machtiging | None]:
    """What an entry is about: all that was given, under any pseudonym, and still runs; else one that has ended; else
    None, for what is new."""
    sleutels = (Machtiging(*wie, regel.oin, regel.dienst_id, regel.van, None).sleutel for wie in product(*personen))
    alle = [een for sleutel in sleutels if (een := referentie.machtigingen.get(sleutel)) is not None]
    lopend = [een for een in alle if not is_afgelopen(een, nu)]
    return lopend or [een for een in alle if een.tot == regel.tot][:1] or alle[:1] or [None]


def _leverancier(regel: LeverancierRegel, oud: Leverancier | None) -> Leverancier:
    if oud is None:
        _nodig(regel, "naam")
        oud = Leverancier(regel.oin, regel.naam)
    return geldige_leverancier(replace(oud, **regel.gegeven(*LeverancierRegel.model_fields)))


def _berichttype(
    regel: BerichttypeRegel, toegestaan: tuple[Notificatiekenmerk, ...] | None, oud: Berichttype | None
) -> Berichttype:
    if oud is None:
        _nodig(regel, "omschrijving", "notificatiekenmerk")
        return nieuw_berichttype(
            regel.oin, regel.code, regel.omschrijving, regel.notificatiekenmerk, regel.status, toegestaan
        )
    gewijzigd = wijzig_berichttype(oud, **regel.gegeven("omschrijving", "notificatiekenmerk"), toegestaan=toegestaan)
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


def _machtiging(regel: MachtigingRegel, wie: tuple[str, str], nu: int, oud: Machtiging | None) -> Machtiging:
    if oud is None:
        return nieuwe_machtiging(*wie, regel.oin, regel.dienst_id, regel.van, regel.tot)
    return wijzig_einde(oud, regel.tot, nu) if "tot" in regel.model_fields_set else oud


def _nodig(regel: Regel, *velden: str) -> None:
    if ontbreekt := [veld for veld in velden if veld not in regel.model_fields_set]:
        raise NietToegestaan(f"is new, and needs {' and '.join(ontbreekt)}")
