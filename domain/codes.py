"""The codes with which a message is answered (Domain: The answer; Stages of processing)."""

import re
from enum import StrEnum
from uuid import UUID

NUL_GUID = UUID(int=0)
"""Stands for a BerichtID that could not be read (Domain: The answer)."""

ONBEKEND = "ONBEKEND"
"""Stands for a berichttype that could not be read, or may not be repeated (Domain: The answer)."""


class Verwerkingscode(StrEnum):
    """What became of a message."""

    VERWERKT = "Verwerkt"
    XML_VALIDATIE = "XmlValidatieTegenXsdValtNegatiefUit"
    OIN_KOMT_NIET_OVEREEN = "OinInCPAKomtNietOvereenMetOinInBericht"
    AANMAAKDATUM_TE_VER_TERUG = "AanmaakDatumLigtTeVerInHetVerleden"
    PUBLICATIEDATUM_TE_VER_VOORUIT = "PublicatieDatumLigtTeVerInDeToekomst"
    BIJLAGE_TE_GROOT = "BijlageTeGroot"
    BERICHT_BESTAAT_AL = "BerichtBestaatAl"
    BERICHTTYPE_NIET_ONDERSTEUND = "BerichtTypeNietOndersteund"
    NIET_ACTIEF_OF_GEABONNEERD = "NietActiefOfGeabonneerd"
    TECHNISCH_PROBLEEM = "TechnischProbleem"


class Stadium(StrEnum):
    """In which stage of the processing a message stopped; NA: none."""

    NA = "NA"
    VALIDATE_BERICHTTYPE = "ValidateBerichtType"
    VALIDATE_GEBRUIKER = "ValidateGebruiker"
    STORE_MESSAGE = "StoreMessage"

    @classmethod
    def lees(cls, tekst: str) -> "Stadium":
        """Reads a stage as we write it, or as some clients do, `Validatie…`. Raises ValueError for anything else."""
        return cls(re.sub(r"^Validatie", "Validate", tekst))


STADIUM_VAN = {
    Verwerkingscode.BERICHTTYPE_NIET_ONDERSTEUND: Stadium.VALIDATE_BERICHTTYPE,
    Verwerkingscode.NIET_ACTIEF_OF_GEABONNEERD: Stadium.VALIDATE_GEBRUIKER,
}
"""The stage that goes with a code; NA for all others, and TechnischProbleem brings its own."""

_LIJKT_BSN = re.compile(r"\d{8,9}")


def lijkt_bsn(tekst: str) -> bool:
    """Whether a text has the form of a BSN: 8 or 9 digits, of any script (Domain: The answer, 'Never echo')."""
    return _LIJKT_BSN.fullmatch(tekst) is not None


def bevat_bsn(tekst: str) -> bool:
    """Whether a BSN may hide in a text: 8 to 12 digits in a row, separators aside. An OIN has more."""
    return re.search(r"(?<!\d)\d{8,12}(?!\d)", re.sub(r"[\W_]", "", tekst)) is not None


def toonbaar_berichttype(tekst: str) -> str:
    """The berichttype as results, tables and logs may repeat it: ONBEKEND when it is empty or looks like a BSN."""
    return ONBEKEND if not tekst or lijkt_bsn(tekst) else tekst
