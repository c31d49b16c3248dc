"""The PDFs that go with every message of a berichttype (Domain: Berichttypes, 'standaardbijlagen').

Every rule takes a berichttype as it is and returns it as it becomes; where nothing changes it returns the same thing.
"""

from dataclasses import replace

from domain.bijlage import MAX_NAAM, MAX_STANDAARD, MAX_STANDAARD_BYTES, Setfout, controleer_standaard
from domain.levensloop import NietToegestaan, geldige_tekst
from domain.referentie import Berichttype, BerichttypeStatus, Standaardbijlage

_REGELS = {
    Setfout.TE_VEEL_BIJLAGEN: f"a berichttype has up to {MAX_STANDAARD} standaardbijlagen",
    Setfout.BIJLAGE_TE_GROOT: f"standaardbijlagen are together up to {MAX_STANDAARD_BYTES // 1_000_000} MB",
    Setfout.BESTANDSNAAM_TE_LANG: f"the file name of a standaardbijlage has up to {MAX_NAAM} characters",
}


def voeg_bijlage_toe(berichttype: Berichttype, bijlage: Standaardbijlage) -> Berichttype:
    """With this bijlage as the last one. Raises NietToegestaan."""
    if any((een.naam, een.sha256) == (bijlage.naam, bijlage.sha256) for een in berichttype.standaardbijlagen):
        return berichttype
    _alleen_nieuw(berichttype)
    if not geldige_tekst(bijlage.naam).strip() or not bijlage.naam.isprintable():
        raise NietToegestaan("a bijlage has a file name")
    if any(een.naam == bijlage.naam for een in berichttype.standaardbijlagen):
        raise NietToegestaan("there is another bijlage of that name: remove that one first")
    bijlagen = (*berichttype.standaardbijlagen, bijlage)
    if bezwaren := controleer_standaard([(een.naam, een.grootte) for een in bijlagen]):
        raise NietToegestaan("; ".join(_REGELS[bezwaar.code] for bezwaar in bezwaren))
    return replace(berichttype, standaardbijlagen=bijlagen)


def verwijder_bijlage(berichttype: Berichttype, naam: str) -> Berichttype:
    """Without the bijlage of this name. Raises NietToegestaan, also when there is none."""
    plaats = _plaats(berichttype, naam)
    bijlagen = berichttype.standaardbijlagen
    return replace(berichttype, standaardbijlagen=bijlagen[:plaats] + bijlagen[plaats + 1 :])


def verplaats_bijlage(berichttype: Berichttype, naam: str, stap: int) -> Berichttype:
    """The bijlage of this name one place up (`stap` -1) or down (1), if there is one. Raises NietToegestaan."""
    plaats = _plaats(berichttype, naam)
    bijlagen = list(berichttype.standaardbijlagen)
    bijlagen.insert(max(plaats + stap, 0), bijlagen.pop(plaats))
    volgorde = tuple(bijlagen)
    return (
        berichttype if volgorde == berichttype.standaardbijlagen else replace(berichttype, standaardbijlagen=volgorde)
    )


def _plaats(berichttype: Berichttype, naam: str) -> int:
    _alleen_nieuw(berichttype)
    for plaats, bijlage in enumerate(berichttype.standaardbijlagen):
        if bijlage.naam == naam:
            return plaats
    raise NietToegestaan("this berichttype has no bijlage of that name")


def _alleen_nieuw(berichttype: Berichttype) -> None:
    if berichttype.status is not BerichttypeStatus.NIEUW:
        raise NietToegestaan(f"standaardbijlagen change only while Nieuw, and this one is {berichttype.status}")
