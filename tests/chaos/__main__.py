"""`make chaos`: a stream of batches, and faults at moments drawn from a seed; then everything is counted.

Ends with 0 when nothing was lost, doubled, wrong or shown of a citizen; else with 1.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

import httpx
from rich.console import Console
from rich.table import Table

from tests import bsns
from tests.chaos.controle import Bevinding, controleer
from tests.chaos.storingen import KILL, STORINGEN, Herstel
from tests.chaos.wereld import Wereld, WereldFout
from tests.chaos.zender import Zenders, referentiegegevens
from tests.integration.lijn.zending import ALLE_BSNS, GEBRUIKERS

TEGELIJK = 3
"""Faults at the same time, at most."""
PAUZE_S = 6.0
"""Seconds from one fault to the next, on average."""
AFRONDEN_S = 1200.0
"""What may pass, without faults, until all is done."""

uit = Console(width=110, highlight=False, soft_wrap=True)


def _opties() -> argparse.Namespace:
    ontleder = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Streams batches through a whole stack while its parts are killed, then counts everything.",
        epilog="example: make chaos SEED=7 MINUTES=20",
    )
    ontleder.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="what all is drawn from")
    ontleder.add_argument("--minutes", type=float, default=5.0, help="how long faults are made (default: 5)")
    ontleder.add_argument("--rate", type=float, default=200.0, help="messages a second that are offered")
    ontleder.add_argument("--keep", type=Path, help="folder to keep all data in (default: logs, when all is not well)")
    ontleder.add_argument(
        "--only", action="append", choices=[een.naam for een in STORINGEN], help="this fault (repeat)"
    )
    return ontleder.parse_args()


class Onheil:
    """Makes faults and mends them."""

    def __init__(self, wereld: Wereld, zaad: int, alleen: list[str] | None) -> None:
        self.teller: Counter[str] = Counter()
        self._wereld = wereld
        self._willekeur = Random(f"chaos {zaad}")
        self._storingen = [een for een in STORINGEN if alleen is None or een.naam in alleen]
        self._bezig: list[tuple[float, str, Herstel]] = []
        self._begin = time.monotonic()

    def stap(self) -> None:
        """One more fault, when there is room."""
        self.herstel(time.monotonic())
        if len(self._bezig) >= TEGELIJK:
            return
        willekeur = self._willekeur
        [storing] = willekeur.choices(self._storingen, [een.gewicht for een in self._storingen])
        if any(naam == storing.naam for _, naam, _ in self._bezig) and storing.duur_s[1] > 10:
            return
        duur = willekeur.uniform(*storing.duur_s)
        herstel = storing.begin(self._wereld, willekeur, self.teller, duur)
        if herstel is not None:
            self._meld(f"{storing.naam}, {duur:.1f} s")
            self._bezig.append((time.monotonic() + duur, storing.naam, herstel))

    def herstel(self, tot: float) -> bool:
        """Mends what is over by then; what cannot be mended yet is tried again. Whether nothing is left."""
        over: list[tuple[float, str, Herstel]] = []
        for moment, naam, doe in self._bezig:
            try:
                if moment > tot:
                    over.append((moment, naam, doe))
                else:
                    doe()
            except httpx.HTTPError:
                over.append((moment, naam, doe))
        self._bezig = over
        return not over

    @property
    def kills(self) -> int:
        """How many processes were killed."""
        return sum(keer for naam, keer in self.teller.items() if naam.startswith(KILL))

    def _meld(self, wat: str) -> None:
        with self._wereld.log("chaos").open("a") as log:
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} +{time.monotonic() - self._begin:7.1f} s  {wat}\n")


def draai(opties: argparse.Namespace, map_: Path) -> int:
    """One run; the exit code."""
    wereld = Wereld(map_ / "data")
    begin = time.monotonic()
    try:
        wereld.start()
        wereld.laad({**referentiegegevens(), "gebruikers": GEBRUIKERS})
        uit.print(f"ready after {time.monotonic() - begin:.0f} s; faults for {opties.minutes:g} minutes")
        onheil = Onheil(wereld, opties.seed, opties.only)
        zenders = Zenders(wereld.deur, opties.seed, opties.rate)
        zenders.start()
        _maak_onheil(onheil, zenders, wereld, opties)
        afronden = time.monotonic()
        wereld.wacht_tot(lambda: onheil.herstel(float("inf")), 120, "the last faults are mended")
        zenders.stop(300)
        wereld.wacht_gezond()
        wereld.opdracht("wacht", "--timeout", AFRONDEN_S, timeout_s=AFRONDEN_S + 60)
        uit.print(f"all done {time.monotonic() - afronden:.0f} s after the last fault; counting")
        bevinding = controleer(wereld, zenders.zendingen)
        uit.print("looking for BSNs")
        gezien = _zoek_bsns(wereld)
        _toon(opties, onheil, zenders, wereld, bevinding, gezien)
    except BaseException:
        wereld.toezicht.stop(len)
        _bewaar(wereld, opties)
        raise
    wereld.stop()
    na_afloop = bsns.plaatsen(bsns.in_bestanden(wereld.data), bsns.zoekbaar(ALLE_BSNS))
    for plaats in na_afloop:
        uit.print(f"a BSN in a file: {plaats}", style="red")
    goed = bevinding.goed and not gezien and not na_afloop
    if not goed or opties.keep:
        _bewaar(wereld, opties)
    uit.print("nothing lost, nothing doubled, nothing wrong" if goed else "FAILED", style="green" if goed else "red")
    return 0 if goed else 1


def _maak_onheil(onheil: Onheil, zenders: Zenders, wereld: Wereld, opties: argparse.Namespace) -> None:
    pauzes = Random(f"pauses {opties.seed}")
    eind = time.monotonic() + 60 * opties.minutes
    gemeld = time.monotonic()
    while (nu := time.monotonic()) < eind:
        volgende = nu + pauzes.expovariate(1 / PAUZE_S)
        onheil.stap()
        while time.monotonic() < min(volgende, eind):
            onheil.herstel(time.monotonic())
            zenders.controleer()
            wereld.toezicht.controleer()
            time.sleep(0.1)
        if time.monotonic() > gemeld + 30:
            gemeld = time.monotonic()
            resterend = max(0.0, eind - gemeld)
            uit.print(f"{resterend:5.0f} s to go: {zenders.berichten} messages accepted, {onheil.kills} kills")


def _zoek_bsns(wereld: Wereld) -> list[str]:
    """Where a BSN stands that may not, while all runs."""
    zoek = bsns.zoekbaar(ALLE_BSNS)
    metingen = ((f"metrics of {naam}", tekst.encode()) for naam, tekst in wereld.metingen())
    gezegd = ((f"output of {woorden}", tekst.encode()) for woorden, tekst in wereld.uitvoer)
    bronnen = (bsns.in_topics(wereld.kafka), bsns.in_tabellen(wereld.sql, views=False), metingen, gezegd)
    return [plaats for bron in bronnen for plaats in bsns.plaatsen(bron, zoek)]


def _toon(
    opties: argparse.Namespace,
    onheil: Onheil,
    zenders: Zenders,
    wereld: Wereld,
    bevinding: Bevinding,
    gezien: list[str],
) -> None:
    tabel = Table("what", "how often", title=f"chaos, seed {opties.seed}, {opties.minutes:g} minutes")
    for naam, keer in sorted(onheil.teller.items()):
        tabel.add_row(naam, str(keer))
    tabel.add_row("kills in all", str(onheil.kills), end_section=True)
    for naam, gevallen in wereld.toezicht.gevallen().items():
        tabel.add_row(f"{naam} ended by itself", ", ".join(f"code {code}: {keer}" for code, keer in gevallen.items()))
    for status, keer in sorted(zenders.antwoorden.items()):
        tabel.add_row(f"door: {status}", str(keer))
    tabel.add_section()
    for naam, aantal in bevinding.geteld.items():
        tabel.add_row(naam, str(aantal))
    tabel.add_section()
    for naam, aantal in (
        ("lost", bevinding.verloren),
        ("double", bevinding.dubbel),
        ("wrong", bevinding.fout),
        ("places with a BSN", len(gezien)),
    ):
        tabel.add_row(naam, str(aantal))
    uit.print(tabel)
    if not wereld.met_schijf:
        uit.print("the disk of the store was not filled: no right to mount one")
    for voorbeeld in (*bevinding.voorbeelden, *gezien[:10]):
        uit.print(voorbeeld, style="red")
    uit.print(f"replay: make chaos SEED={opties.seed} MINUTES={opties.minutes:g}")


def _bewaar(wereld: Wereld, opties: argparse.Namespace) -> None:
    """Keeps the logs, or all that there is."""
    elders = opties.keep or Path(".build") / f"chaos-{opties.seed}"
    shutil.copytree(wereld.data if opties.keep else wereld.data / "logs", elders, dirs_exist_ok=True)
    uit.print(f"kept for who wants to know more: {elders}")


def main() -> int:
    """Runs in a temporary folder, which it removes."""
    opties = _opties()
    uit.print(f"seed {opties.seed}")
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as map_:
        try:
            return draai(opties, Path(map_))
        except (WereldFout, AssertionError, TimeoutError) as fout:
            uit.print(f"FAILED: {fout}; replay: make chaos SEED={opties.seed} MINUTES={opties.minutes:g}", style="red")
            return 1


if __name__ == "__main__":
    sys.exit(main())
