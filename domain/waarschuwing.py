"""What the PDF check warns about (Domain: PDF checks). Apart, so that the processes that check load nothing else."""

from enum import StrEnum

REGELVERSIE = 1
"""Raise it when the check comes to judge otherwise: then verdicts that are kept count no more, and are made again."""


class Waarschuwing(StrEnum):
    """What is wrong with a PDF, in the order in which it is told."""

    NIET_LEESBAAR = "PdfNietLeesbaar"
    VERSLEUTELD = "PdfVersleuteld"
    JAVASCRIPT = "PdfJavaScript"
    INGESLOTEN_BESTANDEN = "PdfIngeslotenBestanden"
    START_ACTIE = "PdfStartActie"
    XFA = "PdfXfa"
    GEEN_PDFA = "PdfGeenPdfA"
    NIET_GETAGD = "PdfNietGetagd"
    LETTERTYPE_NIET_INGESLOTEN = "PdfLettertypeNietIngesloten"
    GEEN_PAGINAS = "PdfGeenPaginas"
    CONTROLE_AFGEBROKEN = "PdfControleAfgebroken"


UITLEG: dict[Waarschuwing, str] = {
    Waarschuwing.NIET_LEESBAAR: (
        "Dit bestand is niet als PDF te lezen: het is beschadigd of geen PDF. "
        "Maak de PDF opnieuw vanuit het brondocument en controleer of u hem kunt openen."
    ),
    Waarschuwing.VERSLEUTELD: (
        "De PDF is versleuteld of met een wachtwoord beveiligd. "
        "Sla hem op zonder beveiliging, zodat de ontvanger hem altijd kan openen."
    ),
    Waarschuwing.JAVASCRIPT: (
        "De PDF bevat JavaScript. Verwijder de scripts, of maak de PDF opnieuw vanuit het brondocument als PDF/A."
    ),
    Waarschuwing.INGESLOTEN_BESTANDEN: (
        "In de PDF zitten andere bestanden. Haal die eruit; wat de ontvanger moet lezen, hoort in de PDF zelf "
        "of in een eigen bijlage."
    ),
    Waarschuwing.START_ACTIE: (
        "De PDF kan een programma starten of gegevens versturen of inlezen. "
        "Verwijder deze acties (Launch, SubmitForm, ImportData)."
    ),
    Waarschuwing.XFA: (
        "De PDF bevat een XFA-formulier, dat veel programma's niet tonen. "
        "Maak er een gewone PDF van, bijvoorbeeld door hem af te drukken naar PDF/A."
    ),
    Waarschuwing.GEEN_PDFA: (
        "De PDF is niet als PDF/A gemerkt. Sla hem op als PDF/A, bij voorkeur PDF/A-1a of PDF/A-2a, "
        "zodat hij ook later te lezen is."
    ),
    Waarschuwing.NIET_GETAGD: (
        "De PDF heeft geen tags, zodat voorleessoftware hem niet goed kan voorlezen. "
        "Maak hem opnieuw als toegankelijke PDF (PDF/UA): zet bij het opslaan tags of documentstructuur aan."
    ),
    Waarschuwing.LETTERTYPE_NIET_INGESLOTEN: (
        "Niet elk lettertype zit in de PDF, zodat hij er bij de ontvanger anders uit kan zien. "
        "Zet bij het opslaan het insluiten van alle lettertypen aan."
    ),
    Waarschuwing.GEEN_PAGINAS: "De PDF heeft geen pagina's. Maak hem opnieuw en controleer of u hem kunt lezen.",
    Waarschuwing.CONTROLE_AFGEBROKEN: (
        "De controle van deze PDF vroeg te veel tijd of geheugen en is afgebroken. "
        "Maak de PDF opnieuw met een eenvoudiger opbouw."
    ),
}
"""What the sender has to do, in his language."""
