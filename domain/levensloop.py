"""How reference data may change (Domain: Berichttypes; Diensten and machtigingen); who may read what: `domain.inzage`.

Every rule takes a thing as it is and returns it as it becomes; where nothing changes it returns the same thing.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from domain.codes import bevat_bsn, lijkt_bsn
from domain.oin import is_oin
from domain.referentie import (
    Berichttype,
    BerichttypeStatus,
    Dienst,
    DienstStatus,
    Koppeling,
    Leverancier,
    Machtiging,
    Notificatiekenmerk,
)

OMSCHRIJVING_MAX = 40
"""Characters in the omschrijving of a berichttype."""

DIENST_ID_MAX = 40
"""Characters in a Dienst ID."""

NAAM_MAX = 100
"""Characters in the name of who changes something."""

_CODE = re.compile(r"[0-9A-Za-z]{1,8}")
_OVERGANGEN = {
    BerichttypeStatus.NIEUW: {BerichttypeStatus.ACTIEF},
    BerichttypeStatus.ACTIEF: {BerichttypeStatus.INACTIEF, BerichttypeStatus.ARCHIEF},
    BerichttypeStatus.INACTIEF: {BerichttypeStatus.ACTIEF, BerichttypeStatus.ARCHIEF},
    BerichttypeStatus.ARCHIEF: set(),
}


class NietToegestaan(ValueError):
    """A value or a change that the rules do not allow; the text says which rule, and quotes no value."""


def geldig_oin(tekst: str) -> str:
    """The same text, when it has the form of an OIN. Raises NietToegestaan."""
    return _geldig(tekst, is_oin(tekst), "not an OIN: 20 positions that start with a known prefix of 8")


def geldige_code(tekst: str) -> str:
    """The same text, when it can be the code of a berichttype. Raises NietToegestaan.

    Eight digits are refused: what looks like a BSN is never repeated, so its messages would be answered as ONBEKEND.
    """
    _geldig(tekst, _CODE.fullmatch(tekst) is not None, "a code is 1 to 8 letters or digits")
    return _geldig(tekst, not lijkt_bsn(tekst), "a code of 8 digits looks like a BSN, which results may not repeat")


def geldige_tekst(tekst: str) -> str:
    """The same text, when it can be written as UTF-8: half a surrogate pair cannot. Raises NietToegestaan."""
    return _geldig(tekst, not any("\ud800" <= teken <= "\udfff" for teken in tekst), "not Unicode text")


def geldige_omschrijving(tekst: str) -> str:
    """The same text, when it can be the omschrijving of a berichttype. Raises NietToegestaan."""
    return _geldig(
        geldige_tekst(tekst),
        len(tekst) <= OMSCHRIJVING_MAX,
        f"an omschrijving has at most {OMSCHRIJVING_MAX} characters",
    )


def geldige_naam(tekst: str) -> str:
    """The same text, when it can name who changes something. Raises NietToegestaan."""
    _geldig(tekst, 1 <= len(tekst) <= NAAM_MAX and tekst.isprintable(), f"a name has 1 to {NAAM_MAX} characters")
    return _geldig(tekst, not bevat_bsn(tekst), "a name with 8 to 12 digits in a row looks like a BSN")


def geldige_dienst_id(tekst: str) -> str:
    """The same text, spaces and all, when it can be a Dienst ID. Raises NietToegestaan."""
    return _geldig(
        geldige_tekst(tekst), 1 <= len(tekst) <= DIENST_ID_MAX, f"a Dienst ID has 1 to {DIENST_ID_MAX} characters"
    )


def nieuwe_leverancier(oin: str, naam: str, intermediair_voor: tuple[str, ...] = ()) -> Leverancier:
    """A leverancier. Raises NietToegestaan."""
    return Leverancier(geldig_oin(oin), geldige_tekst(naam), tuple(map(geldig_oin, intermediair_voor)))


def nieuw_berichttype(
    oin: str,
    code: str,
    omschrijving: str,
    notificatiekenmerk: Notificatiekenmerk,
    status: BerichttypeStatus = BerichttypeStatus.NIEUW,
    toegestaan: tuple[Notificatiekenmerk, ...] | None = None,
) -> Berichttype:
    """A berichttype that was not there yet. Raises NietToegestaan.

    `toegestaan`: the notificatiekenmerken that the afnemer may use; None: all.
    """
    _geldig_kenmerk(notificatiekenmerk, toegestaan)
    return Berichttype(
        geldig_oin(oin), geldige_code(code), geldige_omschrijving(omschrijving), notificatiekenmerk, status
    )


def wijzig_berichttype(
    berichttype: Berichttype,
    omschrijving: str | None = None,
    notificatiekenmerk: Notificatiekenmerk | None = None,
    toegestaan: tuple[Notificatiekenmerk, ...] | None = None,
) -> Berichttype:
    """Another omschrijving or notificatiekenmerk (None: as it is). Raises NietToegestaan, also for one in Archief.

    `toegestaan`: the notificatiekenmerken that the afnemer may use; None: all. What it has already it may keep.
    """
    gewijzigd = replace(
        berichttype,
        omschrijving=berichttype.omschrijving if omschrijving is None else geldige_omschrijving(omschrijving),
        notificatiekenmerk=notificatiekenmerk or berichttype.notificatiekenmerk,
    )
    if gewijzigd == berichttype:
        return berichttype
    if berichttype.status is BerichttypeStatus.ARCHIEF:
        raise NietToegestaan("nothing changes in Archief")
    if gewijzigd.notificatiekenmerk is not berichttype.notificatiekenmerk:
        _geldig_kenmerk(gewijzigd.notificatiekenmerk, toegestaan)
    return gewijzigd


def wissel_status(berichttype: Berichttype, status: BerichttypeStatus) -> Berichttype:
    """Another status: Nieuw → Actief ⇄ Inactief → Archief, and Actief → Archief. Raises NietToegestaan."""
    if status is berichttype.status:
        return berichttype
    if status not in _OVERGANGEN[berichttype.status]:
        raise NietToegestaan(f"{berichttype.status} → {status} is not allowed")
    return replace(berichttype, status=status)


def nieuwe_dienst(oin: str, dienst_id: str, omschrijving: str) -> Dienst:
    """A dienst that was not there yet: Actief at once. Raises NietToegestaan."""
    return Dienst(geldig_oin(oin), geldige_dienst_id(dienst_id), geldige_tekst(omschrijving), DienstStatus.ACTIEF)


def wijzig_dienst(dienst: Dienst, omschrijving: str) -> Dienst:
    """Another omschrijving. Raises NietToegestaan."""
    return dienst if omschrijving == dienst.omschrijving else replace(dienst, omschrijving=geldige_tekst(omschrijving))


def deactiveer_dienst(dienst: Dienst, nu: int) -> Dienst:
    """Inactief: every link that has no end yet ends now, for good."""
    if dienst.status is DienstStatus.INACTIEF:
        return dienst
    koppelingen = tuple(_beeindigd(koppeling, nu) for koppeling in dienst.koppelingen)
    return replace(dienst, status=DienstStatus.INACTIEF, koppelingen=koppelingen, gedeactiveerd_op=nu)


def activeer_dienst(dienst: Dienst) -> Dienst:
    """Actief again; no link comes back."""
    if dienst.status is DienstStatus.ACTIEF:
        return dienst
    return replace(dienst, status=DienstStatus.ACTIEF, gedeactiveerd_op=None)


def koppel(dienst: Dienst, berichttype: Berichttype | None, nu: int) -> Dienst:
    """Links a berichttype of the same afnemer, from now on. Raises NietToegestaan; None: there is none."""
    code = _koppelbaar(dienst, berichttype)
    if code in dienst.gekoppeld():
        return dienst
    return replace(dienst, koppelingen=(*dienst.koppelingen, Koppeling(code, nu)))


def ontkoppel(dienst: Dienst, berichttype: Berichttype | None, nu: int) -> Dienst:
    """Ends the link to a berichttype now. Raises NietToegestaan, as `koppel` does."""
    code = _koppelbaar(dienst, berichttype)
    if code not in dienst.gekoppeld():
        return dienst
    koppelingen = (
        _beeindigd(koppeling, nu) if koppeling.berichttype == code else koppeling for koppeling in dienst.koppelingen
    )
    return replace(dienst, koppelingen=tuple(koppelingen))


def nieuwe_machtiging(
    belanghebbende: str, gemachtigde: str, oin: str, dienst_id: str, van: int, tot: int | None
) -> Machtiging:
    """A machtiging from `van` until `tot`, between two pseudonyms. Raises NietToegestaan."""
    if lijkt_bsn(belanghebbende) or lijkt_bsn(gemachtigde):
        raise NietToegestaan("persons are named by pseudonym")
    machtiging = Machtiging(belanghebbende, gemachtigde, geldig_oin(oin), geldige_dienst_id(dienst_id), van, None)
    return _met_einde(machtiging, tot)


def is_afgelopen(machtiging: Machtiging, nu: int) -> bool:
    """Whether it gives nothing any more: it has ended, or was withdrawn before it began."""
    return machtiging.tot is not None and machtiging.tot <= max(nu, machtiging.van)


def wijzig_einde(machtiging: Machtiging, tot: int | None, nu: int) -> Machtiging:
    """Another end (None: without end) for one that has not ended. Raises NietToegestaan, also when it is not after the
    beginning.

    One that has ended stays so: whoever withdrew it need not fear that an older file brings it back.
    """
    if tot == machtiging.tot:
        return machtiging
    if is_afgelopen(machtiging, nu):
        raise NietToegestaan("has ended, and stays so; what is to be given again needs another van")
    return _met_einde(machtiging, tot)


def geef_machtiging(bestaande: Iterable[Machtiging], nieuwe: Machtiging, nu: int) -> Machtiging:
    """The machtiging that lets act during the period of `nieuwe`: one of these that holds all of it, else `nieuwe`.

    `bestaande` are those between the same persons, under any of their pseudonyms. Raises NietToegestaan for a person
    who would be his own gemachtigde: he reads his own post without; and for one that would bring back what has ended.
    """
    if nieuwe.belanghebbende == nieuwe.gemachtigde:
        raise NietToegestaan("belanghebbende and gemachtigde are the same person, who needs no machtiging")
    zelfde_dienst = [een for een in bestaande if (een.oin, een.dienst_id) == (nieuwe.oin, nieuwe.dienst_id)]
    if any(een.van == nieuwe.van and is_afgelopen(een, nu) for een in zelfde_dienst):
        raise NietToegestaan("it has ended, and stays so; what is to be given again needs another van")
    for machtiging in zelfde_dienst:
        tot_lang_genoeg = machtiging.tot is None or (nieuwe.tot is not None and nieuwe.tot <= machtiging.tot)
        if machtiging.van <= nieuwe.van and tot_lang_genoeg:
            return machtiging
    return nieuwe


def trek_in(machtiging: Machtiging, nu: int) -> Machtiging:
    """Ends a machtiging now; one that ended already stays as it was.

    One that has not begun yet is withdrawn whole: it ends where it begins, a period that holds no moment. It is not
    removed, since what was given and withdrawn is part of the history, and the one record per key keeps saying so.
    """
    if is_afgelopen(machtiging, nu):
        return machtiging
    return replace(machtiging, tot=max(nu, machtiging.van))


def _geldig(tekst: str, goed: bool, regel: str) -> str:
    if not goed:
        raise NietToegestaan(regel)
    return tekst


def _geldig_kenmerk(kenmerk: Notificatiekenmerk, toegestaan: tuple[Notificatiekenmerk, ...] | None) -> None:
    if toegestaan is not None and kenmerk not in toegestaan:
        mag = ", ".join(toegestaan) or "none"
        raise NietToegestaan(f"this afnemer may not use notificatiekenmerk {kenmerk}; it may use: {mag}")


def _met_einde(machtiging: Machtiging, tot: int | None) -> Machtiging:
    if tot is not None and tot <= machtiging.van:
        raise NietToegestaan("a machtiging ends after it begins")
    return replace(machtiging, tot=tot)


def _koppelbaar(dienst: Dienst, berichttype: Berichttype | None) -> str:
    if dienst.status is DienstStatus.INACTIEF:
        raise NietToegestaan("a dienst that is Inactief takes no links")
    if berichttype is None or berichttype.oin != dienst.oin:
        raise NietToegestaan("there is no such berichttype")
    if berichttype.status is BerichttypeStatus.ARCHIEF:
        raise NietToegestaan(f"berichttype {berichttype.code} is in Archief, where nothing changes")
    return berichttype.code


def _beeindigd(koppeling: Koppeling, nu: int) -> Koppeling:
    # Another machine's clock may be behind: an end is never before its beginning.
    return koppeling if koppeling.tot is not None else replace(koppeling, tot=max(nu, koppeling.van))
