"""`make demo`: streams the sample through the embedded stack and checks what comes out against what must come out."""

import json
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import track

from domain.tijd import schrijf_tijd
from voorbeeld import tabellen
from voorbeeld.controle import (
    controleer_batches,
    controleer_berichten,
    controleer_resultaat,
    controleer_resultaat_xml,
    controleer_runs,
    controleer_sla,
    fouten_per_code,
    in_volgorde,
    toename,
    vergelijk,
)
from voorbeeld.generator import BATCHES, BERICHTEN, maak_voorbeeld
from voorbeeld.gevallen import GEBRUIKER
from voorbeeld.globe import schrijf
from voorbeeld.levering import Groep, Levering, Voorbeeld
from voorbeeld.referentiegegevens import MET_STORING, deactivering, referentiegegevens
from voorbeeld.stapel import OpdrachtError, Stapel, draaiende_stapel
from voorbeeld.verwachting import verwacht

GEDULD_S = 20.0
"""Patience of the demo's stack with a profile service that faults: TechnischProbleem is then seen within a minute."""

console = Console(width=None if sys.stdout.isatty() else 120)


def main(
    data: Annotated[Path, typer.Option(help="Folder of the embedded stack.")] = Path(".data"),
    batches: Annotated[int, typer.Option(help="Batches to make.")] = BATCHES,
    berichten: Annotated[int, typer.Option(help="Messages to make, all batches together.")] = BERICHTEN,
    zaad: Annotated[int, typer.Option(help="Seed of the sample.")] = 1,
    ronde: Annotated[
        int | None, typer.Option(help="Run number; by default one more than the last in this folder.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that one group of batches may take to be processed.")] = 900.0,
) -> None:
    """Stream the sample through an embedded stack and check the counts. Example: python -m voorbeeld.demo --data DIR"""
    signal.signal(signal.SIGTERM, _beeindig)
    data = data.absolute()
    data.mkdir(parents=True, exist_ok=True)
    try:
        voorbeeld = maak_voorbeeld(zaad, ronde or _volgende_ronde(data), datetime.now(UTC), batches, berichten)
    except ValueError as fout:
        raise typer.BadParameter(str(fout)) from None
    try:
        with _werkmap(data) as map_, ExitStack() as draaiend:
            demo = Demo(voorbeeld, map_, timeout)
            demo.schrijf_bestanden()
            with demo.stap("start the stack"):
                stapel = draaiend.enter_context(draaiende_stapel(data, geduld_s=GEDULD_S, workers=workers))
            verschillen = demo.speel(stapel)
            with demo.stap("stop the stack"):
                draaiend.close()
        demo.toon_duren()
    except OpdrachtError as fout:
        console.print(str(fout), style="red", markup=False, highlight=False)
        raise typer.Exit(1) from None
    for verschil in verschillen[:50]:
        console.print(verschil, style="red", markup=False, highlight=False)
    if verschillen:
        console.print(f"[red]{len(verschillen)} differences between expected and found (verwacht, uitgekomen).")
        raise typer.Exit(1)
    console.print("[green]Everything came out as expected.")


class Demo:
    """One performance: files in `map_`, `timeout` seconds for each group of batches."""

    def __init__(self, voorbeeld: Voorbeeld, map_: Path, timeout: float) -> None:
        self._voorbeeld = voorbeeld
        self._verwachting = verwacht(voorbeeld.leveringen)
        self._map = map_
        self._timeout = timeout
        self._van = schrijf_tijd(int(voorbeeld.nu.timestamp() * 1000))
        self._duren: list[tuple[str, float, int]] = []

    def schrijf_bestanden(self) -> None:
        """Makes the batches and the reference data."""
        leveringen = self._voorbeeld.leveringen
        with self.stap("make the sample", sum(len(levering.berichten) for levering in leveringen)):
            for levering in track(leveringen, "Sample", console=console):
                map_ = self._map / levering.groep / _map_van(levering)
                map_.mkdir(parents=True, exist_ok=True)
                schrijf(self._voorbeeld, levering, map_ / f"{levering.volgnummer:04}-run{levering.run}.xml")
            (self._map / "referentiegegevens.json").write_text(json.dumps(referentiegegevens()))
            (self._map / "deactivering.json").write_text(json.dumps(deactivering()))

    def speel(self, stapel: Stapel) -> list[str]:
        """Delivers, prints and checks everything; says what differs. Raises OpdrachtError."""
        voor = stapel.vraag("totalen")
        verschillen = self._lever_alles(stapel)
        with self.stap("ask and check"):
            return verschillen + self._controleer(stapel, voor)

    def toon_duren(self) -> None:
        """Prints how long each step took."""
        tabellen.duren(console, self._duren)

    @contextmanager
    def stap(self, naam: str, berichten: int = 0) -> Iterator[None]:
        """Times a step that handles so many messages."""
        console.print(f"[bold]{naam}[/] …")
        start = time.monotonic()
        yield
        self._duren.append((naam, time.monotonic() - start, berichten))

    def _lever_alles(self, stapel: Stapel) -> list[str]:
        with self.stap("load the reference data"):
            stapel.doe("laad", self._map / "referentiegegevens.json")
        verschillen = self._lever(stapel, Groep.EERST)
        with self.stap("deactivate a berichttype"):
            stapel.doe("laad", self._map / "deactivering.json")
        verschillen += self._lever(stapel, Groep.NA_DEACTIVERING)
        stapel.storing(MET_STORING)
        verschillen += self._lever(stapel, Groep.STORING)
        stapel.storing()
        return verschillen

    def _lever(self, stapel: Stapel, groep: Groep) -> list[str]:
        """Delivers a group and waits until it is processed."""
        leveringen = [levering for levering in self._voorbeeld.leveringen if levering.groep is groep]
        with self.stap(f"deliver and process: {groep}", sum(len(levering.berichten) for levering in leveringen)):
            aangeleverd, geweigerd = 0, []
            for naam in sorted({_map_van(levering) for levering in leveringen}):
                antwoord = stapel.lever(self._map / groep / naam, None if naam == _EIGEN else naam)
                aangeleverd += antwoord["aangeleverd"]
                geweigerd += antwoord["geweigerd"]
            stapel.doe("wacht", "--timeout", f"{self._timeout:.0f}", geduld_s=self._timeout + 60)
        return vergelijk(
            f"delivered, {groep}",
            {"aangeleverd": len(leveringen), "geweigerd": []},
            {"aangeleverd": aangeleverd, "geweigerd": geweigerd},
        )

    def _controleer(self, stapel: Stapel, voor: list[dict[str, Any]]) -> list[str]:
        verwachting, periode = self._verwachting, ("--van", self._van)
        verwachte_totalen, verwachte_fouten = verwachting.totalen(), verwachting.fouten()
        totalen = {rij["leverancier"]: rij for rij in stapel.vraag("totalen", *periode)}
        tabellen.totalen(console, verwachte_totalen, totalen)
        verschillen = vergelijk("totalen", verwachte_totalen, totalen)
        verschillen += vergelijk("growth of totalen", verwachte_totalen, toename(voor, stapel.vraag("totalen")))
        fouten = fouten_per_code(stapel.vraag("fouten", *periode))
        tabellen.fouten(console, verwachte_fouten, fouten)
        verschillen += vergelijk("fouten", verwachte_fouten, fouten)
        code = GEBRUIKER.code
        verschillen += controleer_berichten(verwachting, code, stapel.vraag("fouten", *periode, "--code", code))
        overzicht = stapel.vraag("berichtverwerking", *periode, "--berichten")
        te_tonen = self._te_tonen()
        tabellen.berichtverwerking(console, verwachting, [rij for rij in overzicht if rij["batch_id"] in te_tonen])
        verschillen += controleer_batches(verwachting, overzicht)
        runs = stapel.vraag("berichtverwerking", *periode, "--runs")
        verschillen += controleer_runs(verwachting, runs)
        verschillen += self._controleer_resultaten(stapel, te_tonen, runs)
        sla = stapel.vraag("sla", *periode)
        tabellen.sla(console, sla)
        tabellen.lag(console, stapel.vraag("lag"))
        return verschillen + controleer_sla(sla)

    def _controleer_resultaten(self, stapel: Stapel, batch_ids: list[str], runs: list[dict[str, Any]]) -> list[str]:
        """Of these batches the latest result as XML, and where there were several runs, each one's as JSON."""
        verschillen: list[str] = []
        for batch_id in batch_ids:
            batch = self._verwachting.batches[batch_id]
            verschillen += controleer_resultaat_xml(batch, stapel.doe("resultaat", batch_id, "--xml").encode())
            gelopen = in_volgorde(runs).get(batch_id, [])[: len(batch.runs)]
            for run, rij in enumerate(gelopen if len(batch.runs) > 1 else [], 1):
                resultaat = stapel.vraag("resultaat", batch_id, "--proceskenmerk", rij["proceskenmerk"])
                verschillen += controleer_resultaat(batch, run, resultaat)
        return verschillen

    def _te_tonen(self) -> list[str]:
        """A few batches: the resend, the one with the outage, the smallest and the largest."""
        op_grootte = sorted(self._voorbeeld.leveringen, key=lambda levering: len(levering.berichten))
        gekozen = [
            *(levering for levering in op_grootte if levering.run > 1 or levering.groep is Groep.STORING),
            op_grootte[0],
            op_grootte[-1],
        ]
        return list(dict.fromkeys(str(levering.batch_id) for levering in gekozen))


_EIGEN = "eigen"
"""Folder of the batches that their own leverancier delivers; the others lie in one named after who delivers them."""


def _map_van(levering: Levering) -> str:
    return _EIGEN if levering.aangeleverd_door == levering.leverancier else levering.aangeleverd_door


def _volgende_ronde(data: Path) -> int:
    """The next run number of a data folder; counted before the run, so that a broken run's GUIDs do not come back."""
    teller = data / "voorbeeld-ronde"
    ronde = int(teller.read_text()) + 1 if teller.exists() else 1
    teller.write_text(f"{ronde}\n")
    return ronde


@contextmanager
def _werkmap(data: Path) -> Iterator[Path]:
    """A folder for the files of the sample, for our eyes only and gone at the end, since BSNs stand in them."""
    map_ = data / "voorbeeld"
    shutil.rmtree(map_, ignore_errors=True)
    map_.mkdir(mode=0o700)
    try:
        yield map_
    finally:
        shutil.rmtree(map_)


def _beeindig(_signaal: int, _frame: object) -> NoReturn:
    raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
