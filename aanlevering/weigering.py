"""Why a delivery is refused at the door (Domain: Refused or counted): codes that stay, and what the sender can do."""

from enum import StrEnum
from uuid import UUID


class Weigercode(StrEnum):
    """Stable codes of refusals, for machines."""

    XML_NIET_WELGEVORMD = "XmlNietWelgevormd"
    XML_VIJANDIG = "XmlVijandig"
    CODERING_ONBEKEND = "CoderingOnbekend"
    TE_GROOT = "TeGroot"
    VERKEERDE_WORTEL = "VerkeerdeWortel"
    GEEN_BERICHTEN = "GeenBerichten"
    TE_VEEL_BERICHTEN = "TeVeelBerichten"
    BATCH_ID_ONLEESBAAR = "BatchIDOnleesbaar"
    LEVERANCIER_ONLEESBAAR = "LeverancierOnleesbaar"
    GZIP_ONLEESBAAR = "GzipOnleesbaar"
    GZIP_NIET_AANGEKONDIGD = "GzipNietAangekondigd"
    INPAKWIJZE_ONBEKEND = "InpakwijzeOnbekend"
    OIN_ONLEESBAAR = "OinOnleesbaar"
    BATCH_TE_GROOT_VOOR_VERWERKING = "BatchTeGrootVoorVerwerking"
    TE_LANGZAAM = "TeLangzaam"
    AFGEBROKEN = "Afgebroken"
    CERTIFICAAT_ONBRUIKBAAR = "CertificaatOnbruikbaar"
    CERTIFICAAT_ZONDER_OIN = "CertificaatZonderOin"
    OIN_NIET_VAN_CERTIFICAAT = "OinNietVanCertificaat"


_REDENEN = {
    Weigercode.XML_NIET_WELGEVORMD: "Dit is geen welgevormde XML{regel}: controleer het bestand "
    "en lever het volledig aan.",
    Weigercode.XML_VIJANDIG: "De XML bevat iets wat wij niet toelaten{regel}: een DOCTYPE, een eigen entiteit, te diep "
    "geneste of te veel elementen, of een veel te lange naam; laat dit weg.",
    Weigercode.CODERING_ONBEKEND: "De tekens zijn niet te lezen in de codering die het bestand noemt: gebruik UTF-8 "
    "en noem die ook in de eerste regel.",
    Weigercode.TE_GROOT: "De batch is groter dan 100 MB: verdeel de berichten over meer batches.",
    Weigercode.VERKEERDE_WORTEL: "De wortel van de XML is niet Berichten in de namespace van GLOBE-R-BV-Request: "
    "lever een batch berichten aan.",
    Weigercode.GEEN_BERICHTEN: "De batch bevat geen berichten: lever er 1 tot en met 1000 aan.",
    Weigercode.TE_VEEL_BERICHTEN: "De batch bevat meer dan 1000 berichten: verdeel ze over meer batches.",
    Weigercode.BATCH_ID_ONLEESBAAR: "BatchInformatie/BatchID ontbreekt of is geen GUID: vul er precies één in, "
    "zonder accolades.",
    Weigercode.LEVERANCIER_ONLEESBAAR: "BatchInformatie/BerichtLeverancierID ontbreekt of is geen OIN: vul er "
    "precies één in, zonder spaties.",
    Weigercode.GZIP_ONLEESBAAR: "De gzip is beschadigd, afgebroken of meermaals ingepakt: "
    "pak het bestand één keer opnieuw in.",
    Weigercode.GZIP_NIET_AANGEKONDIGD: "Dit is gzip, maar zo is het niet aangekondigd: pak het één keer in "
    "en geef het door met Content-Encoding: gzip.",
    Weigercode.INPAKWIJZE_ONBEKEND: "Deze Content-Encoding kennen wij niet: gebruik gzip of geen.",
    Weigercode.OIN_ONLEESBAAR: "X-Leverancier-OIN is geen OIN van 20 posities: verbeter de header of laat hem weg.",
    Weigercode.BATCH_TE_GROOT_VOOR_VERWERKING: "De berichten zonder bijlagen zijn samen te groot om te verwerken: "
    "verdeel ze over meer batches.",
    Weigercode.TE_LANGZAAM: "De batch kwam te langzaam binnen: lever hem opnieuw aan, liefst ingepakt met gzip.",
    Weigercode.AFGEBROKEN: "De verbinding brak af voordat de batch binnen was: lever hem opnieuw aan.",
    Weigercode.CERTIFICAAT_ONBRUIKBAAR: "Het clientcertificaat is verlopen, nog niet geldig of niet bedoeld voor "
    "clientauthenticatie: gebruik een ander.",
    Weigercode.CERTIFICAAT_ZONDER_OIN: "Het clientcertificaat noemt in Subject.serialNumber niet precies één OIN: "
    "gebruik een PKIoverheid-certificaat met uw OIN.",
    Weigercode.OIN_NIET_VAN_CERTIFICAAT: "X-Leverancier-OIN is een ander OIN dan dat van het clientcertificaat: laat "
    "de header weg.",
}
_STATUS = {
    Weigercode.TE_GROOT: 413,
    Weigercode.BATCH_TE_GROOT_VOOR_VERWERKING: 413,
    Weigercode.INPAKWIJZE_ONBEKEND: 415,
    Weigercode.TE_LANGZAAM: 408,
    Weigercode.CERTIFICAAT_ONBRUIKBAAR: 403,
    Weigercode.CERTIFICAAT_ZONDER_OIN: 403,
    Weigercode.OIN_NIET_VAN_CERTIFICAAT: 403,
}


class Geweigerd(Exception):
    """A delivery that is refused and counted nowhere. Neither `code` nor `reden` quotes any of it."""

    def __init__(self, code: str, reden: str, status: int, batch_id: UUID | None) -> None:
        super().__init__(code)
        self.code = code
        """One of Weigercode; from a server of another version maybe another."""
        self.reden = reden
        """One sentence in Dutch that says what to do."""
        self.status = status
        """The HTTP status that goes with it, 4xx."""
        self.batch_id = batch_id
        """None when it was not yet read."""


def weiger(code: Weigercode, batch_id: UUID | None = None, *, regel: int | None = None) -> Geweigerd:
    """The refusal that goes with a code; `regel` is the line of the XML, where one can be named."""
    reden = _REDENEN[code].format(regel=f" (regel {regel})" if regel else "")
    return Geweigerd(code.value, reden, _STATUS.get(code, 400), batch_id)


class NietAangeleverd(Exception):
    """The door could not be reached, or kept saying 'later', until the deadline. The text says which."""
