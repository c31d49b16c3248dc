"""From messages that were read to the columns of a batch, with the rules that a schema cannot hold."""

from typing import NamedTuple
from uuid import UUID

from aanlevering.deel import Deel
from aanlevering.moment import lees_moment
from domain import bsn
from domain.batch import Berichten
from domain.codes import NUL_GUID

_MAX_BERICHTTYPE = 8
_WIT = " \t\r\n"


class Schemafout(Exception):
    """A message breaks a rule of the wire. Its text is 'element: rule' and holds no value."""


class Bijlage(NamedTuple):
    """A bijlage of a message that passed the schema."""

    sha256: bytes
    grootte: int
    omschrijving: str
    volgorde: int


class Gegevens(NamedTuple):
    """What a message that passed the schema says."""

    gebruiker: bytes
    """9 digits."""
    onderwerp: str
    tekst: str
    referentie: str
    publicatiedatum: int
    """Milliseconds; 0 when it is absent. So is the other."""
    einddatum: int
    bijlagen: tuple[Bijlage, ...]


def lees_gegevens(deel: Deel, batch_id: UUID | None) -> Gegevens:
    """The fields of a message that passed the schema. Raises Schemafout (Domain: A batch on the wire, 'Traps')."""
    if deel.guid("BatchID") != batch_id:
        raise Schemafout("BatchID: is niet die van de batch")
    if deel.guid("BerichtID") == NUL_GUID:
        raise Schemafout("BerichtID: de nul-GUID staat voor een BerichtID dat niet te lezen is")
    gebruiker = bsn.normaliseer(deel.een("GebruikerID"))
    if gebruiker is None:
        raise Schemafout("GebruikerID: is geen 8 of 9 cijfers")
    return Gegevens(
        gebruiker=gebruiker.encode("ascii"),
        onderwerp=deel.een("Onderwerp"),
        tekst=deel.een("BerichtTekst"),
        referentie=deel.een("Referentie"),
        publicatiedatum=_moment(deel, "PublicatieDatum"),
        einddatum=_moment(deel, "EindDatumHandelingsTermijn"),
        bijlagen=tuple(
            Bijlage(inhoud.sha256, inhoud.grootte, omschrijving, _geheel(volgorde))
            for inhoud, omschrijving, volgorde in zip(
                deel.bijlagen, deel.alle("Omschrijving"), deel.alle("Volgorde"), strict=True
            )
        ),
    )


def _geheel(tekst: str) -> int:
    """An xs:int, which can begin with more zeros than Python reads as a number."""
    kaal = tekst.strip(_WIT)
    return int(kaal.lstrip("+-").lstrip("0") or "0") * (-1 if kaal.startswith("-") else 1)


def _moment(deel: Deel, naam: str) -> int:
    """Milliseconds; 0 when the element is empty or absent."""
    tekst = deel.een(naam).strip(_WIT)
    try:
        return lees_moment(tekst) if tekst else 0
    except ValueError:
        raise Schemafout(f"{naam}: ligt buiten 1970 tot 2250") from None


_NIETS = Gegevens(bsn.GEEN, "", "", "", 0, 0, ())


class Rijen:
    """The columns of a batch as they grow."""

    def __init__(self) -> None:
        self._bericht_ids: list[bytes] = []
        self._berichttypes: list[str] = []
        self._gegevens: list[Gegevens] = []
        self._fouten: list[str] = []

    def __len__(self) -> int:
        return len(self._fouten)

    def voeg_toe(self, bericht_id: bytes, berichttype: str, gegevens: Gegevens | None, fout: str) -> None:
        """The next message; one without `gegevens` keeps nothing but what identifies it."""
        self._bericht_ids.append(bericht_id)
        self._berichttypes.append(berichttype if len(berichttype) <= _MAX_BERICHTTYPE else "")
        self._gegevens.append(gegevens or _NIETS)
        self._fouten.append(fout)

    def kolommen(self, kaderfout: str) -> Berichten:
        """All messages; where the frame breaks the schema each carries that, and only what identifies it."""
        aantal = len(self)
        alle = [_NIETS] * aantal if kaderfout else self._gegevens
        bijlagen = [(rij, bijlage) for rij, gegevens in enumerate(alle) for bijlage in gegevens.bijlagen]
        return Berichten(
            nummers=list(range(1, aantal + 1)),
            bericht_ids=b"".join(self._bericht_ids),
            berichttypes=self._berichttypes,
            gebruikers=b"".join([gegevens.gebruiker for gegevens in alle]),
            onderwerpen=[gegevens.onderwerp for gegevens in alle],
            teksten=[gegevens.tekst for gegevens in alle],
            referenties=[gegevens.referentie for gegevens in alle],
            publicatiedatums=[gegevens.publicatiedatum for gegevens in alle],
            einddatums=[gegevens.einddatum for gegevens in alle],
            schema_fouten=[kaderfout] * aantal if kaderfout else self._fouten,
            bijlage_rijen=[rij for rij, _ in bijlagen],
            bijlage_sha256=b"".join([bijlage.sha256 for _, bijlage in bijlagen]),
            bijlage_groottes=[bijlage.grootte for _, bijlage in bijlagen],
            bijlage_omschrijvingen=[bijlage.omschrijving for _, bijlage in bijlagen],
            bijlage_volgordes=[bijlage.volgorde for _, bijlage in bijlagen],
        )
