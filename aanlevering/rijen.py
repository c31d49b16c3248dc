"""From messages that were read to the columns of a batch, with the rules that a schema cannot hold."""

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Gegevens:
    """What a message that passed the schema says, bijlagen apart."""

    gebruiker: bytes
    onderwerp: str
    tekst: str
    referentie: str
    publicatiedatum: int
    einddatum: int


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


class Rijen:
    """The columns of a batch as they grow."""

    def __init__(self) -> None:
        self._kolommen = Berichten()
        self._bericht_ids: list[bytes] = []
        self._gebruikers: list[bytes] = []
        self._sha256: list[bytes] = []

    def __len__(self) -> int:
        return len(self._bericht_ids)

    def voeg_toe(self, deel: Deel, gegevens: Gegevens | None, fout: str) -> None:
        """The next message; one without `gegevens` keeps nothing but what identifies it."""
        kolommen = self._kolommen
        if gegevens is not None:
            volgordes = deel.alle("Volgorde")
            for inhoud, omschrijving, volgorde in zip(deel.bijlagen, deel.alle("Omschrijving"), volgordes, strict=True):
                kolommen.bijlage_rijen.append(len(self))
                kolommen.bijlage_groottes.append(inhoud.grootte)
                kolommen.bijlage_omschrijvingen.append(omschrijving)
                kolommen.bijlage_volgordes.append(_geheel(volgorde))
                self._sha256.append(inhoud.sha256)
        berichttype = deel.een("BerichtType")
        kolommen.nummers.append(len(self) + 1)
        kolommen.berichttypes.append(berichttype if len(berichttype) <= _MAX_BERICHTTYPE else "")
        kolommen.onderwerpen.append(gegevens.onderwerp if gegevens else "")
        kolommen.teksten.append(gegevens.tekst if gegevens else "")
        kolommen.referenties.append(gegevens.referentie if gegevens else "")
        kolommen.publicatiedatums.append(gegevens.publicatiedatum if gegevens else 0)
        kolommen.einddatums.append(gegevens.einddatum if gegevens else 0)
        kolommen.schema_fouten.append(fout)
        self._gebruikers.append(gegevens.gebruiker if gegevens else bsn.GEEN)
        self._bericht_ids.append((deel.guid("BerichtID") or NUL_GUID).bytes)

    def kolommen(self, kaderfout: str) -> Berichten:
        """All messages; where the frame breaks the schema each carries that, and only what identifies it."""
        kolommen = self._kolommen
        aantal = len(self)
        if kaderfout:
            leeg = [""] * aantal
            kolommen = Berichten(
                nummers=kolommen.nummers,
                berichttypes=kolommen.berichttypes,
                onderwerpen=leeg,
                teksten=leeg,
                referenties=leeg,
                publicatiedatums=[0] * aantal,
                einddatums=[0] * aantal,
                schema_fouten=[kaderfout] * aantal,
            )
        kolommen.bericht_ids = b"".join(self._bericht_ids)
        kolommen.gebruikers = bsn.GEEN * aantal if kaderfout else b"".join(self._gebruikers)
        kolommen.bijlage_sha256 = b"" if kaderfout else b"".join(self._sha256)
        return kolommen
