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
from typing import Annotated, NoReturn

import httpx
import typer
from confluent_kafka import KafkaException
from rich.console import Console
from rich.progress import track

from domain.tijd import schrijf_tijd
from voorbeeld import tabellen
from voorbeeld.controle import vergelijk
from voorbeeld.generator import BATCHES, BERICHTEN, maak_voorbeeld
from voorbeeld.geplaatst import Geplaatst, geplaatst
from voorbeeld.globe import schrijf
from voorbeeld.levering import Groep, Levering, Voorbeeld
from voorbeeld.machtiging import speel_inzage
from voorbeeld.referentiegegevens import CAMPAGNE, GEMEENTE, MET_STORING, referentiegegevens
from voorbeeld.stapel import OpdrachtError, Stapel, draaiende_stapel
from voorbeeld.uitvraag import Uitvraag
from voorbeeld.verwachting import verwacht

GEDULD_S = 60.0
"""Patience of the demo's stack with what is away. What waits for a fault does so while all else goes on, so this need
not be short; it must be long beside what a slow machine takes, or that would give TechnischProbleem as well."""
DOOR = "make demo"
"""Who makes the demo's changes, in the history of things."""

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
    except (OpdrachtError, httpx.HTTPError, KafkaException) as fout:
        console.print(str(fout) or type(fout).__name__, style="red", markup=False, highlight=False)
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
        self._geplaatst: list[Geplaatst] = []
        self._geleverd = 0
        """Runs that must be processed by now."""
        self._begin = int(voorbeeld.nu.timestamp() * 1000)
        self._van = schrijf_tijd(self._begin)
        self._duren: list[tuple[str, float, int]] = []

    def schrijf_bestanden(self) -> None:
        """Makes the batches and the reference data."""
        leveringen = self._voorbeeld.leveringen
        with self.stap("make the sample", sum(len(levering.berichten) for levering in leveringen)):
            for levering in track(leveringen, "Sample", console=console):
                map_ = self._map / levering.groep / _map_van(levering)
                map_.mkdir(parents=True, exist_ok=True)
                schrijf(self._voorbeeld, levering, map_ / f"{levering.volgnummer:04}-run{levering.run}.xml")
            self._geplaatst = list(geplaatst(self._voorbeeld))
            (self._map / "referentiegegevens.json").write_text(json.dumps(referentiegegevens()))

    def speel(self, stapel: Stapel) -> list[str]:
        """Delivers, prints and checks everything; says what differs. Raises OpdrachtError."""
        if self._voorbeeld.ronde > 1:
            with self.stap("finish what an earlier run may have left"):
                self._wacht_op_alles(stapel)
        voor, gekeurd = stapel.vraag("totalen"), stapel.gekeurd()
        verschillen = self._lever_alles(stapel)
        uitvraag = Uitvraag(console, stapel, self._verwachting, self._van)
        with self.stap("ask and check"):
            verschillen += uitvraag.controleer_antwoorden(voor, self._te_tonen(), DOOR)
        with self.stap("check notifications and PDF checks"):
            verschillen += uitvraag.controleer_gevolgen(self._geplaatst, self._begin, gekeurd)
        return verschillen

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
        stapel.storing(MET_STORING)
        with self.stap("let the profile service fault for one leverancier, and deliver for it"):
            verschillen = self._lever(stapel, Groep.STORING)
        verschillen += self._lever_en_wacht(stapel, Groep.EERST)
        with self.stap("deactivate a berichttype"):
            stapel.doe("berichttype", "deactiveer", CAMPAGNE, "--oin", GEMEENTE, "--ja", "--door", DOOR)
        verschillen += self._lever_en_wacht(stapel, Groep.NA_DEACTIVERING)
        with self.stap("read as a gemachtigde, while a berichttype is unlinked and linked again"):
            verschillen += speel_inzage(console, stapel, self._geplaatst, DOOR)
        with self.stap("wait until the fault has lasted too long"):
            self._wacht_op_alles(stapel)
        stapel.storing()
        return verschillen

    def _lever_en_wacht(self, stapel: Stapel, groep: Groep) -> list[str]:
        """Delivers a group and waits until all but the leverancier with the fault are processed, so far."""
        with self.stap(
            f"deliver and process: {groep}", sum(len(levering.berichten) for levering in self._van_groep(groep))
        ):
            verschillen = self._lever(stapel, groep)
            self._geleverd += len(self._van_groep(groep))
            self._wacht_op_runs(stapel)
        return verschillen

    def _lever(self, stapel: Stapel, groep: Groep) -> list[str]:
        leveringen = self._van_groep(groep)
        aangeleverd, geweigerd = 0, []
        for naam in sorted({_map_van(levering) for levering in leveringen}):
            antwoord = stapel.lever(self._map / groep / naam, None if naam == _EIGEN else naam)
            aangeleverd += antwoord["aangeleverd"]
            geweigerd += antwoord["geweigerd"]
        return vergelijk(
            f"delivered, {groep}",
            {"aangeleverd": len(leveringen), "geweigerd": []},
            {"aangeleverd": aangeleverd, "geweigerd": geweigerd},
        )

    def _van_groep(self, groep: Groep) -> list[Levering]:
        return [levering for levering in self._voorbeeld.leveringen if levering.groep is groep]

    def _wacht_op_runs(self, stapel: Stapel) -> None:
        """Not by `wacht`, which waits for the leverancier with the fault as well."""
        uiterlijk = time.monotonic() + self._timeout
        while True:
            klaar = stapel.vraag("berichtverwerking", "--van", self._van, "--runs", "--afgerond", "ja")
            aantal = sum(rij["leverancier"] != MET_STORING for rij in klaar)
            if aantal >= self._geleverd:
                return
            if time.monotonic() > uiterlijk:
                raise OpdrachtError(f"{aantal} of {self._geleverd} runs are afgerond after {self._timeout:.0f} s")
            time.sleep(1)

    def _wacht_op_alles(self, stapel: Stapel) -> None:
        stapel.doe("wacht", "--timeout", f"{self._timeout:.0f}", geduld_s=self._timeout + 60)

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
