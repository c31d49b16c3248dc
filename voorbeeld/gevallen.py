"""What a message of the sample can be, and with what it must be answered (Domain: A batch on the wire; The answer)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import NamedTuple

from domain.waarschuwing import Waarschuwing
from voorbeeld import personen, referentiegegevens
from voorbeeld.ontwerp import Ontwerp, bijlage, guid, tijd
from voorbeeld.pdf import maak_pdf, maak_pdf_met


class Antwoord(NamedTuple):
    """VerwerkingsCode and Stadium of a message, and what is to be said of its bijlagen."""

    code: str
    stadium: str
    waarschuwingen: tuple[str, ...] = ()

    @property
    def is_verwerkt(self) -> bool:
        """Whether the message is placed, with or without warnings."""
        return self.code == VERWERKT.code


VERWERKT = Antwoord("Verwerkt", "NA")
XML = Antwoord("XmlValidatieTegenXsdValtNegatiefUit", "NA")
OIN = Antwoord("OinInCPAKomtNietOvereenMetOinInBericht", "NA")
AANMAAKDATUM = Antwoord("AanmaakDatumLigtTeVerInHetVerleden", "NA")
PUBLICATIEDATUM = Antwoord("PublicatieDatumLigtTeVerInDeToekomst", "NA")
TE_GROOT = Antwoord("BijlageTeGroot", "NA")
BESTAAT_AL = Antwoord("BerichtBestaatAl", "NA")
BERICHTTYPE = Antwoord("BerichtTypeNietOndersteund", "ValidateBerichtType")
GEBRUIKER = Antwoord("NietActiefOfGeabonneerd", "ValidateGebruiker")
TECHNISCH = Antwoord("TechnischProbleem", "ValidateGebruiker")

Bewerking = Callable[[Ontwerp, Random], None]


@dataclass(frozen=True, slots=True)
class Geval:
    """A kind of message: what is done to a good one, and the answer if its batch is in order."""

    naam: str
    antwoord: Antwoord
    bewerk: Bewerking
    promille: float = 0.0
    """Its share of the ordinary messages, of a thousand; at least one message is made of each."""


def _zet(**velden: str) -> Bewerking:
    return lambda ontwerp, _: ontwerp.velden.update(velden)


def _kies(veld: str, waarden: Callable[[], tuple[str, ...]]) -> Bewerking:
    return lambda ontwerp, willekeur: ontwerp.velden.update({veld: willekeur.choice(waarden())})


def _datum(veld: str, **duur: float) -> Bewerking:
    return lambda ontwerp, _: ontwerp.velden.update({veld: tijd(ontwerp.nu, **duur)})


def _zonder_zone(veld: str) -> Bewerking:
    return lambda ontwerp, _: ontwerp.velden.update({veld: tijd(ontwerp.nu, days=1).removesuffix("Z")})


def _zonder(veld: str) -> Bewerking:
    return lambda ontwerp, _: ontwerp.velden.update({veld: None})


def _onderwerp_voorop(ontwerp: Ontwerp, _: Random) -> None:
    ontwerp.velden = {"Onderwerp": ontwerp.velden.pop("Onderwerp"), **ontwerp.velden}


def _ander_batch_id(ontwerp: Ontwerp, willekeur: Random) -> None:
    ontwerp.velden["BatchID"] = guid(willekeur)


def _hoofdletters(ontwerp: Ontwerp, _: Random) -> None:
    ontwerp.velden["BerichtID"] = str(ontwerp.velden["BerichtID"]).upper()


def _voor_belanghebbende(berichttype: str, **duur: float) -> Bewerking:
    def bewerk(ontwerp: Ontwerp, _: Random) -> None:
        later = tijd(ontwerp.nu, **duur) if duur else None
        ontwerp.velden |= {
            "GebruikerID": personen.belanghebbende(),
            "BerichtType": berichttype,
            "PublicatieDatum": later,
        }

    return bewerk


Maker = Callable[[str], bytes]
"""Makes a PDF that shows a line."""


def _met(*makers: Maker, **velden: str) -> Bewerking:
    """With bijlagen of its own, each by its maker; `velden` instead of what stands in all of them."""

    def bewerk(ontwerp: Ontwerp, _: Random) -> None:
        bericht = f"bij bericht {ontwerp.velden['BerichtID']} (voorbeeld)"
        ontwerp.bijlagen = [
            bijlage(volgorde, maak(f"Bijlage {volgorde} {bericht}")) | velden for volgorde, maak in enumerate(makers, 1)
        ]

    return bewerk


def _met_bijlagen(*groottes: int | None, **velden: str) -> Bewerking:
    return _met(*(partial(maak_pdf, grootte=grootte) for grootte in groottes), **velden)


def _met_folder(*makers: Maker) -> Bewerking:
    """With bijlagen of its own, and last the one that is the same for all messages of the sample."""
    eigen = _met(*makers)

    def bewerk(ontwerp: Ontwerp, willekeur: Random) -> None:
        eigen(ontwerp, willekeur)
        folder = maak_pdf(f"Folder van {ontwerp.nu.isoformat()}")
        ontwerp.bijlagen = [*(ontwerp.bijlagen or ()), bijlage(len(makers) + 1, folder)]

    return bewerk


def _waarschuwing(naam: str, *codes: Waarschuwing, promille: float = 0.3) -> Geval:
    """A message with a bijlage for each of these; what is said of two bijlagen counts once."""
    antwoord = VERWERKT._replace(waarschuwingen=tuple(dict.fromkeys(map(str, codes))))
    return Geval(naam, antwoord, _met(*(partial(maak_pdf_met, code) for code in codes)), promille)


def _met_slechte_bijlage_aan_onbekende(ontwerp: Ontwerp, willekeur: Random) -> None:
    """Only what is placed has warnings."""
    _kies("GebruikerID", personen.onbekend)(ontwerp, willekeur)
    _met(partial(maak_pdf_met, Waarschuwing.JAVASCRIPT))(ontwerp, willekeur)


def _niets(_ontwerp: Ontwerp, _: Random) -> None:
    return


GOED = Geval("goed", VERWERKT, _niets)
DUBBEL = Geval("BerichtID van een eerder, verwerkt bericht", BESTAAT_AL, _hoofdletters)
TWEEDE_KANS = Geval("BerichtID van een eerder, niet verwerkt bericht", VERWERKT, _hoofdletters)
ZELFDE_ID_ELDERS = Geval("BerichtID van een bericht van een ander", VERWERKT, _niets)
CAMPAGNE_ACTIEF = Geval("berichttype voor de deactivering", VERWERKT, _zet(BerichtType=referentiegegevens.CAMPAGNE))
CAMPAGNE_INACTIEF = Geval("berichttype na de deactivering", BERICHTTYPE, CAMPAGNE_ACTIEF.bewerk)

VOOR_BELANGHEBBENDE = (
    *(Geval(f"aan de belanghebbende, {code}", VERWERKT, _voor_belanghebbende(code)) for code in ("AANSLAG", "BESLUIT")),
    Geval("aan de belanghebbende, nog een AANSLAG", VERWERKT, _voor_belanghebbende("AANSLAG")),
    Geval("aan de belanghebbende, buiten de dienst", VERWERKT, _voor_belanghebbende("VRAAG")),
    Geval("aan de belanghebbende, publicatie later", VERWERKT, _voor_belanghebbende("AANSLAG", days=2)),
)
"""All messages to him: of a berichttype that is linked to the dienst of his machtiging or not, visible now or later."""

EEN_WAARSCHUWING = tuple(
    _waarschuwing(f"bijlage met {code}", code, promille=0 if code is Waarschuwing.CONTROLE_AFGEBROKEN else 0.3)
    for code in Waarschuwing
)
TWEE_WAARSCHUWINGEN = _waarschuwing(
    "bijlagen met elk een andere waarschuwing", Waarschuwing.GEEN_PDFA, Waarschuwing.JAVASCRIPT
)
TWEE_KEER_DEZELFDE = _waarschuwing(
    "bijlagen met dezelfde waarschuwing", Waarschuwing.NIET_GETAGD, Waarschuwing.NIET_GETAGD
)

GOEDE_GEVALLEN = (
    Geval("bijlage", VERWERKT, _met_bijlagen(None), 20),
    Geval("folder", VERWERKT, _met_folder(), 60),
    Geval("bijlage en folder", VERWERKT, _met_folder(maak_pdf), 20),
    Geval("bijlagen die net mogen", VERWERKT, _met_bijlagen(300_000, 200_000, Omschrijving="€" * 128)),
    Geval("publicatie later", VERWERKT, _datum("PublicatieDatum", days=12.9), 5),
    Geval("publicatie nu, leeg element", VERWERKT, _zet(PublicatieDatum=""), 5),
    Geval("tekst die net mag", VERWERKT, _zet(BerichtTekst="€<&🙂" * 1000), 1),
    Geval("velden die net mogen", VERWERKT, _zet(Onderwerp="é" * 50, Referentie="R" * 25), 2),
    Geval("BSN van 8 cijfers", VERWERKT, _kies("GebruikerID", lambda: personen.ACHT_CIJFERS), 2),
    Geval("geabonneerd met naam", VERWERKT, _kies("GebruikerID", personen.met_lijst), 20),
    *EEN_WAARSCHUWING,
    TWEE_WAARSCHUWINGEN,
    TWEE_KEER_DEZELFDE,
)

SCHEMAFOUTEN = tuple(
    Geval(naam, XML, bewerk, 0.8)
    for naam, bewerk in (
        ("onderwerp te lang", _zet(Onderwerp="x" * 51)),
        ("onderwerp leeg", _zet(Onderwerp="")),
        ("onderwerp ontbreekt", _zonder("Onderwerp")),
        ("verkeerde volgorde", _onderwerp_voorop),
        ("onbekend element", _zet(Prioriteit="Hoog")),
        ("tekst te lang", _zet(BerichtTekst="x" * 4001)),
        ("referentie te lang", _zet(Referentie="x" * 26)),
        ("berichttype te lang", _zet(BerichtType="AANSLAGEN")),
        ("berichttype leeg", _zet(BerichtType="")),
        ("gebruiker van 7 cijfers", _zet(GebruikerID="9999001")),
        ("gebruiker van 10 cijfers", _zet(GebruikerID="9999000123")),
        ("gebruiker in andere cijfers", _zet(GebruikerID="٩٩٩٩٠٠٠٠٦")),
        ("gebruiker leeg", _zet(GebruikerID="")),
        ("soort gebruiker onbekend", _zet(SoortGebruiker="Bedrijf")),
        ("BerichtID onleesbaar", _zet(BerichtID="bericht-17")),
        ("ander BatchID", _ander_batch_id),
        ("BatchID onleesbaar", _zet(BatchID="batch-17")),
        ("publicatiedatum zonder zone", _zonder_zone("PublicatieDatum")),
        ("publicatiedatum geen datum", _zet(PublicatieDatum="31-12-2026")),
        ("einddatum zonder zone", _zonder_zone("EindDatumHandelingsTermijn")),
        ("drie bijlagen", _met_bijlagen(None, None, None)),
        ("geen bijlage in Bijlagen", _met_bijlagen()),
        ("inhoud geen base64", _met_bijlagen(None, Inhoud="%%% geen base64 %%%")),
        ("inhoud leeg", _met_bijlagen(None, Inhoud="")),
        ("geen PDF", _met_bijlagen(None, BijlageType="Docx")),
        ("omschrijving te lang", _met_bijlagen(None, Omschrijving="x" * 129)),
        ("omschrijving leeg", _met_bijlagen(None, Omschrijving="")),
        ("volgorde geen getal", _met_bijlagen(None, Volgorde="eerste")),
    )
)

GEBRUIKER_ONBEKEND = Geval("gebruiker onbekend", GEBRUIKER, _kies("GebruikerID", personen.onbekend), 6)
BERICHTTYPE_ONBEKEND = Geval("berichttype onbekend", BERICHTTYPE, _zet(BerichtType="BESTNIET"), 3)

FOUTE_GEVALLEN = (
    *SCHEMAFOUTEN,
    Geval("publicatie te laat", PUBLICATIEDATUM, _datum("PublicatieDatum", days=13, hours=2), 4),
    Geval("een bijlage te groot", TE_GROOT, _met_bijlagen(500_001), 0.15),
    Geval("bijlagen samen te groot", TE_GROOT, _met_bijlagen(250_001, 250_000), 0.1),
    BERICHTTYPE_ONBEKEND,
    Geval("berichttype in kleine letters", BERICHTTYPE, _zet(BerichtType="aanslag"), 1),
    Geval("berichttype lijkt een BSN", BERICHTTYPE, _zet(BerichtType=personen.ACHT_CIJFERS[-1]), 0.5),
    Geval("berichttype Nieuw", BERICHTTYPE, _zet(BerichtType="CONCEPT"), 3),
    Geval("berichttype Inactief", BERICHTTYPE, _zet(BerichtType="PAUZE"), 3),
    Geval("berichttype Archief", BERICHTTYPE, _zet(BerichtType="OUD"), 3),
    Geval("berichttype van een ander", BERICHTTYPE, _zet(BerichtType=referentiegegevens.VAN_ANDER), 1),
    GEBRUIKER_ONBEKEND,
    Geval("gebruiker onbekend, bijlage niet goed", GEBRUIKER, _met_slechte_bijlage_aan_onbekende, 0.2),
    Geval("box niet actief", GEBRUIKER, _kies("GebruikerID", personen.inactief), 6),
    Geval("niet geabonneerd", GEBRUIKER, _kies("GebruikerID", personen.niet_geabonneerd), 6),
    Geval("elfproef faalt, 9 cijfers", GEBRUIKER, _kies("GebruikerID", personen.elfproef_faalt), 4),
    Geval("elfproef faalt, 8 cijfers", GEBRUIKER, _kies("GebruikerID", lambda: personen.ACHT_CIJFERS_FAALT), 1),
    Geval("alleen nullen", GEBRUIKER, _zet(GebruikerID="000000000"), 0.5),
)
