"""The ordinary message, as nearly all software writes it, read by pattern: many times as fast as element by element.

What is taken here is well-formed and keeps to the schema, whatever stands around it. Ordinary means: the elements of
the schema and nothing else between them but white space, one prefix or none, no attribute but the namespace, and no
references but the five that XML names itself. What is not ordinary, wrong or only unusual, is not judged here: that is
for who reads element by element (`aanlevering.elementen`).
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID
from xml.sax.saxutils import unescape

from aanlevering.inhoud import Inhoud
from aanlevering.moment import lees_moment
from aanlevering.rijen import Bijlage, Gegevens
from aanlevering.schema import BERICHT_NS
from domain.batch import MAX_BIJLAGEN_BYTES
from domain.bsn import BREEDTE
from domain.codes import NUL_GUID

_MAX_KOP = 32 * 1024
"""No message takes as many characters up to its bijlagen and is still ordinary."""
_MAX_STAART = 4 * 1024
"""Nor does what follows the bytes of a bijlage."""
_MAX_BERICHT = 800_000
"""Nor does a whole message: bijlagen may weigh so much together, in lines of 76 characters."""
_MAX_BIJLAGEN = 2
_MAX_TYPE = 8
_MAX_ONDERWERP = 50
_MAX_TEKST = 4000
_MAX_REFERENTIE = 25
_MAX_OMSCHRIJVING = 128
_VERWIJZINGEN = {"&quot;": '"', "&apos;": "'"}
"""Those that `unescape` does not know of itself."""
_VERWIJZING_TEKENS = 6
"""Characters that one character takes at most."""
_ANDERE_VERWIJZING = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)")
_NUL = NUL_GUID.bytes

_WIT = r"[ \t\r\n]{0,99}+"
_NAAM = r"(?![Xx][Mm][Ll])[A-Za-z_][A-Za-z0-9_.-]{0,19}+"
_VOORVOEGSEL = f"(?P<v>(?:{_NAAM}:)?)"
_V = "(?P=v)"
_GUID = r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"
_MOMENT = (
    r"[12][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{1,9})?(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
)
_TEKEN = r"[^<>\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]"
"""What XML allows in a text, without a carriage return, which it reads as something else."""


def _tekst(minst: int, meest: int) -> str:
    return f"{_TEKEN}{{{minst},{meest * _VERWIJZING_TEKENS}}}+"


def _element(naam: str, inhoud: str) -> str:
    return f"<{_V}{naam}>{inhoud}</{_V}{naam}>{_WIT}"


def _mogelijk(naam: str, inhoud: str) -> str:
    return f"(?:{_element(naam, inhoud)})?"


def _mogelijk_leeg(naam: str, inhoud: str) -> str:
    return f"(?:{_element(naam, inhoud)}|<{_V}{naam} ?/>{_WIT})?"


_KOP = re.compile(
    f"{_WIT}<{_VOORVOEGSEL}Bericht"
    f"(?: xmlns(?P<ns>(?::{_NAAM})?)=(?P<aanhaling>[\"']){re.escape(BERICHT_NS)}(?P=aanhaling))?>{_WIT}"
    f"<{_V}BerichtInformatie>{_WIT}"
    + _element("BatchID", f"(?P<batch>{_GUID})")
    + _element("BerichtID", f"(?P<id>{_GUID})")
    + _element("BerichtType", f"(?P<type>{_tekst(1, _MAX_TYPE)})")
    + _mogelijk_leeg("PublicatieDatum", f"(?P<publicatie>{_MOMENT})?")
    + _mogelijk("EindDatumHandelingsTermijn", f"(?P<eind>{_MOMENT})")
    + _element("Onderwerp", f"(?P<onderwerp>{_tekst(1, _MAX_ONDERWERP)})")
    + _mogelijk_leeg("BerichtTekst", f"(?P<tekst>{_tekst(0, _MAX_TEKST)})")
    + _mogelijk_leeg("Referentie", f"(?P<referentie>{_tekst(0, _MAX_REFERENTIE)})")
    + _element("GebruikerID", "(?P<gebruiker>[0-9]{8,9})")
    + _element("SoortGebruiker", "Burger")
    + f"</{_V}BerichtInformatie>{_WIT}"
    + f"(?:</{_V}Bericht>|<{_V}Bijlagen>{_WIT}(?P<bijlage><{_V}Bijlage>){_WIT}<{_V}Inhoud>)"
)
_STAART = re.compile(
    f"</{_VOORVOEGSEL}Inhoud>{_WIT}"
    + _element("BijlageType", "Pdf")
    + _element("Omschrijving", f"(?P<omschrijving>{_tekst(1, _MAX_OMSCHRIJVING)})")
    + _element("Volgorde", "(?P<volgorde>-?[0-9]{1,9})")
    + f"</{_V}Bijlage>{_WIT}"
    + f"(?:(?P<bijlage><{_V}Bijlage>){_WIT}<{_V}Inhoud>|</{_V}Bijlagen>{_WIT}</{_V}Bericht>)"
)
_BEGIN = re.compile(r"<(?:[A-Za-z_][A-Za-z0-9_.-]{0,19}+:)?Bericht[ >]")

_moment = lru_cache(1024)(lees_moment)


class TeKort(Exception):
    """The text ends before it can be said whether a message is ordinary."""


class Gewoon(NamedTuple):
    """An ordinary message."""

    einde: int
    """Where it ends in the text."""
    bericht_id: bytes
    berichttype: str
    gegevens: Gegevens
    inhouden: list[bytes]
    """The bytes of its bijlagen."""


def vind(tekst: str, vanaf: int) -> int:
    """Where the next element begins that could be an ordinary message; the end of the text when there is none."""
    begin = _BEGIN.search(tekst, vanaf)
    return begin.start() if begin else len(tekst)


class Herkenner:
    """Knows the ordinary messages of one batch."""

    def __init__(self, batch_id: UUID, voorvoegsels: Mapping[str, str]) -> None:
        """`voorvoegsels` are the prefixes that the root declares, with their namespaces; '' for that of no prefix."""
        self._batch_id = str(batch_id)
        self._voorvoegsels = voorvoegsels

    def lees(self, tekst: str, plaats: int, *, heel: bool) -> Gewoon | None:
        """The message at a place between two messages, after white space maybe; None when there is no ordinary one.

        `heel` says that the text ends here. Raises TeKort when it does not, and more of it is needed to tell.
        """
        kop = _KOP.match(tekst, plaats)
        if kop is None:
            if heel or len(tekst) - plaats > _MAX_KOP:
                return None
            raise TeKort
        einde = kop.end()
        bijlagen: list[tuple[str, re.Match[str]]] = []
        meer = kop["bijlage"]
        while meer and len(bijlagen) < _MAX_BIJLAGEN:
            begin, einde = einde, tekst.find("<", einde)
            if einde < 0:
                if heel or len(tekst) - plaats > _MAX_BERICHT:
                    return None
                raise TeKort
            staart = _STAART.match(tekst, einde)
            if staart is None:
                if heel or len(tekst) - einde > _MAX_STAART:
                    return None
                raise TeKort
            bijlagen.append((tekst[begin:einde], staart))
            einde, meer = staart.end(), staart["bijlage"]
        try:
            return None if meer else self._beoordeel(einde, kop, bijlagen)
        except ValueError:
            return None

    def _beoordeel(self, einde: int, kop: re.Match[str], bijlagen: list[tuple[str, re.Match[str]]]) -> Gewoon:
        """What the patterns found. Raises ValueError when it breaks a rule that they cannot hold."""
        voorvoegsel = kop["v"]
        naam = voorvoegsel[:-1]
        eigen = kop["ns"][1:] == naam if kop["aanhaling"] else self._voorvoegsels.get(naam) == BERICHT_NS
        if not eigen or kop["batch"].lower() != self._batch_id:
            raise ValueError("another namespace or batch")
        bericht_id = bytes.fromhex(kop["id"].replace("-", ""))
        if bericht_id == _NUL:
            raise ValueError("the GUID that stands for none")
        gelezen = [_lees_bijlage(voorvoegsel, inhoud, staart) for inhoud, staart in bijlagen]
        if gelezen and sum(bijlage.grootte for bijlage, _ in gelezen) > MAX_BIJLAGEN_BYTES:
            raise ValueError("bijlagen that are not kept")
        gegevens = Gegevens(
            gebruiker=kop["gebruiker"].zfill(BREEDTE).encode("ascii"),
            onderwerp=_leesbaar(kop["onderwerp"], _MAX_ONDERWERP),
            tekst=_leesbaar(kop["tekst"] or "", _MAX_TEKST),
            referentie=_leesbaar(kop["referentie"] or "", _MAX_REFERENTIE),
            publicatiedatum=_moment(kop["publicatie"]) if kop["publicatie"] else 0,
            einddatum=_moment(kop["eind"]) if kop["eind"] else 0,
            bijlagen=tuple([bijlage for bijlage, _ in gelezen]),
        )
        berichttype = _leesbaar(kop["type"], _MAX_TYPE)
        return Gewoon(einde, bericht_id, berichttype, gegevens, [inhoud for _, inhoud in gelezen])


def _leesbaar(tekst: str, meest: int) -> str:
    """A text as it is meant. Raises ValueError when it has more characters than that."""
    if "&" in tekst:
        if _ANDERE_VERWIJZING.search(tekst):
            raise ValueError("a reference that is not ordinary")
        tekst = unescape(tekst, _VERWIJZINGEN)
    if len(tekst) > meest:
        raise ValueError("too long")
    return tekst


def _lees_bijlage(voorvoegsel: str, tekst: str, staart: re.Match[str]) -> tuple[Bijlage, bytes]:
    """A bijlage and its bytes. Raises ValueError."""
    inhoud = Inhoud()
    ruw = inhoud.neem(tekst)
    inhoud.sluit()
    if not inhoud.leesbaar or not ruw or staart["v"] != voorvoegsel:
        raise ValueError("no base64, or another prefix")
    omschrijving = _leesbaar(staart["omschrijving"], _MAX_OMSCHRIJVING)
    return Bijlage(inhoud.sha256, len(ruw), omschrijving, int(staart["volgorde"])), ruw
