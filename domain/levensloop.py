"""How reference data may change, and who may read what (Domain: Berichttypes; Diensten and machtigingen).

Every rule takes a thing as it is and returns it as it becomes; where nothing changes it returns the same thing.
"""

import re
from dataclasses import replace

from domain.codes import lijkt_bsn
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
    Referentie,
)

OMSCHRIJVING_MAX = 40
"""Characters in the omschrijving of a berichttype."""

DIENST_ID_MAX = 40
"""Characters in a Dienst ID."""

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
) -> Berichttype:
    """A berichttype that was not there yet. Raises NietToegestaan."""
    return Berichttype(
        geldig_oin(oin), geldige_code(code), geldige_omschrijving(omschrijving), notificatiekenmerk, status
    )


def wijzig_berichttype(
    berichttype: Berichttype,
    omschrijving: str | None = None,
    notificatiekenmerk: Notificatiekenmerk | None = None,
) -> Berichttype:
    """Another omschrijving or notificatiekenmerk (None: as it is). Raises NietToegestaan, also for one in Archief."""
    gewijzigd = replace(
        berichttype,
        omschrijving=berichttype.omschrijving if omschrijving is None else geldige_omschrijving(omschrijving),
        notificatiekenmerk=notificatiekenmerk or berichttype.notificatiekenmerk,
    )
    if gewijzigd == berichttype:
        return berichttype
    if berichttype.status is BerichttypeStatus.ARCHIEF:
        raise NietToegestaan("nothing changes in Archief")
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
    return wijzig_einde(machtiging, tot)


def wijzig_einde(machtiging: Machtiging, tot: int | None) -> Machtiging:
    """Another end (None: without end). Raises NietToegestaan when it is not after the beginning."""
    if tot is not None and tot <= machtiging.van:
        raise NietToegestaan("a machtiging ends after it begins")
    return machtiging if tot == machtiging.tot else replace(machtiging, tot=tot)


def mag_lezen(
    referentie: Referentie, belanghebbende: str, gemachtigde: str, leverancier: str, berichttype: str, nu: int
) -> list[str]:
    """The Dienst IDs that let this gemachtigde read messages of this berichttype to this belanghebbende now, sorted.

    A machtiging valid now must name a dienst that is Actief now and linked now to the berichttype; none: not allowed.
    """
    gemachtigd_voor = {
        machtiging.dienst_id
        for machtiging in referentie.machtigingen.values()
        if machtiging.belanghebbende == belanghebbende
        and machtiging.gemachtigde == gemachtigde
        and machtiging.oin == leverancier
        and machtiging.van <= nu
        and (machtiging.tot is None or nu < machtiging.tot)
    }
    return [dienst for dienst in referentie.diensten_van(leverancier, berichttype) if dienst in gemachtigd_voor]


def _geldig(tekst: str, goed: bool, regel: str) -> str:
    if not goed:
        raise NietToegestaan(regel)
    return tekst


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
