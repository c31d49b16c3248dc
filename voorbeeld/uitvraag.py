"""What the demo asks at its end: all that the line shows of the sample, printed and held against what must be."""

import time
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from rich.console import Console

from domain.waarschuwing import Waarschuwing
from voorbeeld import controle, tabellen
from voorbeeld.geplaatst import Geplaatst
from voorbeeld.gevallen import GEBRUIKER
from voorbeeld.referentiegegevens import CAMPAGNE, GEMEENTE
from voorbeeld.stapel import Stapel
from voorbeeld.verwachting import Rij, Verwachting

_NOTIFICATIES_S = 60.0
"""Within so many seconds after the last message was placed, everybody who is to be told is told."""
_PAUZE_S = 1.0


class Uitvraag:
    """`van`: when the sample began, as a time for the command line. Everything raises OpdrachtError."""

    def __init__(self, console: Console, stapel: Stapel, verwachting: Verwachting, van: str) -> None:
        self._console = console
        self._stapel = stapel
        self._verwachting = verwachting
        self._periode = ("--van", van)

    def controleer_antwoorden(self, voor: list[Rij], te_tonen: Collection[str], door: str) -> list[str]:
        """Totalen (`voor`: as they were), codes, warnings, batches with their messages, runs, results, the norm, and
        that the history of the berichttype ends with its deactivation, made by `door`."""
        verwachting, periode = self._verwachting, self._periode
        waarschuwing = Waarschuwing.NIET_GETAGD
        (
            totalen,
            alle_totalen,
            fouten,
            zonder_gebruiker,
            waarschuwingen,
            niet_getagd,
            overzicht,
            runs,
            sla,
            lag,
            (campagne,),
        ) = self._stapel.vraag_alle(
            ("totalen", *periode),
            ("totalen",),
            ("fouten", *periode),
            ("fouten", *periode, "--code", GEBRUIKER.code),
            ("waarschuwingen", *periode),
            ("waarschuwingen", *periode, "--code", waarschuwing),
            ("berichtverwerking", *periode, "--berichten"),
            ("berichtverwerking", *periode, "--runs"),
            ("sla", *periode),
            ("lag",),
            ("berichttype", "toon", CAMPAGNE, "--oin", GEMEENTE),
        )
        per_leverancier = {rij["leverancier"]: rij for rij in totalen}
        groei = controle.toename(voor, alle_totalen)
        per_fout = controle.fouten_per_code(fouten)
        per_waarschuwing = controle.waarschuwingen_per_code(waarschuwingen)
        tabellen.historie(self._console, CAMPAGNE, campagne["historie"])
        tabellen.totalen(self._console, verwachting.totalen(), per_leverancier)
        tabellen.fouten(self._console, verwachting.fouten(), per_fout)
        tabellen.waarschuwingen(self._console, verwachting.waarschuwingen(), per_waarschuwing)
        getoond = [rij for rij in overzicht if rij["batch_id"] in te_tonen]
        tabellen.berichtverwerking(self._console, verwachting, getoond)
        tabellen.sla(self._console, sla)
        tabellen.lag(self._console, lag)
        return [
            *controle.vergelijk("totalen", verwachting.totalen(), per_leverancier),
            *controle.vergelijk("growth of totalen", verwachting.totalen(), groei),
            *controle.vergelijk("fouten", verwachting.fouten(), per_fout),
            *controle.controleer_berichten(verwachting, GEBRUIKER.code, zonder_gebruiker),
            *controle.vergelijk("waarschuwingen", verwachting.waarschuwingen(), per_waarschuwing),
            *controle.controleer_berichten(verwachting, waarschuwing, niet_getagd),
            *controle.controleer_batches(verwachting, overzicht),
            *controle.controleer_runs(verwachting, runs),
            *self._controleer_resultaten(te_tonen, runs),
            *controle.controleer_sla(sla),
            *controle.controleer_deactivering(campagne, door),
        ]

    def controleer_gevolgen(self, berichten: Collection[Geplaatst], vanaf: int, al_gekeurd: int) -> list[str]:
        """Who is told of a message, and that a bijlage is checked once, however many messages have it.

        `vanaf`: when the sample began, in milliseconds; `al_gekeurd`: how many PDFs had been checked by then.
        """
        te_melden = {(str(een.batch_id), een.nummer): 1 for een in berichten if een.zichtbaar}
        gemeld = self._notificaties(berichten, vanaf, len(te_melden))
        bijlagen = [bijlage for een in berichten for bijlage in een.bijlagen]
        verschillend, gekeurd = len(set(bijlagen)), self._stapel.gekeurd() - al_gekeurd
        tabellen.gevolgen(
            self._console,
            {
                "notificaties": (len(te_melden), sum(gemeld.values())),
                "notificaties van later": (0, len(gemeld.keys() - te_melden.keys())),
                f"gekeurde bijlagen, {len(bijlagen)} keer gebruikt": (verschillend, gekeurd),
            },
        )
        return [
            *controle.vergelijk("notificatie", te_melden, gemeld),
            *controle.controleer_gekeurd(verschillend, gekeurd, self._stapel.workers()),
        ]

    def _notificaties(self, berichten: Collection[Geplaatst], vanaf: int, aantal: int) -> Mapping[tuple[str, int], int]:
        """How often each message of the sample is told of, repeats not counted; waits until so many are."""
        onze = {een.batch_id for een in berichten}
        uiterlijk = time.monotonic() + _NOTIFICATIES_S
        while True:
            uniek = {
                (een.proceskenmerk, een.nummer): (str(een.batch_id), een.nummer)
                for een in self._stapel.notificaties(vanaf)
                if een.batch_id in onze
            }
            if len(uniek) >= aantal or time.monotonic() > uiterlijk:
                return Counter(uniek.values())
            time.sleep(_PAUZE_S)

    def _controleer_resultaten(self, batch_ids: Collection[str], runs: list[Mapping[str, Any]]) -> list[str]:
        """Of these batches the latest result as XML, and where there were several runs, each one's as JSON."""
        volgorde = controle.in_volgorde(runs)
        vragen = [
            (batch, run, ("resultaat", batch.batch_id, "--proceskenmerk", rij["proceskenmerk"]))
            for batch in (self._verwachting.batches[batch_id] for batch_id in batch_ids)
            if len(batch.runs) > 1
            for run, rij in enumerate(volgorde.get(batch.batch_id, [])[: len(batch.runs)], 1)
        ]
        gevonden = self._stapel.vraag_alle(*(vraag for _, _, vraag in vragen))
        xmls = self._stapel.doe_alle(*(("resultaat", batch_id, "--xml") for batch_id in batch_ids))
        return [
            *(
                regel
                for (batch, run, _), resultaat in zip(vragen, gevonden, strict=True)
                for regel in controle.controleer_resultaat(batch, run, resultaat)
            ),
            *(
                regel
                for batch_id, xml in zip(batch_ids, xmls, strict=True)
                for regel in controle.controleer_resultaat_xml(self._verwachting.batches[batch_id], xml.encode())
            ),
        ]
