"""PDF checks, beside pikepdf and pypdfium2 merely opening the same files.

Rates are files for each CPU second, of all processes that take part: so many a second and core, however busy the
machine is.
"""

import asyncio
import gc
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.progress import Progress

from bench.maten import Maten
from bench.meting import Deel, Meting
from bijlagen.controle import controleer
from bijlagen.proces import Keurders
from domain.waarschuwing import Waarschuwing
from voorbeeld.pdf import maak_pdf, maak_pdf_met

PROCESSEN = 2
"""As many as a worker has."""
_GEWOON = (25_000, 49_000)
"""Bytes of an ordinary one: 37 kB on average."""
_GROOT = 490_000
"""Bytes of a big one: what a message may bring at most, nearly."""
_EINDE = 300
"""Bytes that are missing at the end of one that was cut off: its table among them."""
_GEEN_PDF = Waarschuwing.NIET_LEESBAAR
_GEBREKEN: list[Waarschuwing] = [
    een for een in Waarschuwing if een not in (_GEEN_PDF, Waarschuwing.CONTROLE_AFGEBROKEN)
]
_ZEGT_NIETS = frozenset({"cut off"})
"""Kinds of which it is not known beforehand what is wrong with them."""

Oordeel = tuple[Waarschuwing, ...]
Opent = Callable[[bytes], bool]
"""Opens a PDF and closes it; whether that went well."""


@dataclass(frozen=True, slots=True)
class Bestand:
    """A PDF, and what was made wrong in it."""

    soort: str
    inhoud: bytes
    oordeel: Oordeel = ()


@dataclass(frozen=True, slots=True)
class Gemeten:
    """What it took to go through all files, and what was said of each."""

    wand_s: float
    cpu_s: float
    uitkomsten: Sequence[object]


def meet(keer: int, maten: Maten) -> Deel:
    """Every way in turn over the same files, so many rounds. A library that is not installed is told of."""
    bestanden = maak_bestanden(maten.pdf_bestanden)
    inhouden = [bestand.inhoud for bestand in bestanden]
    werk: dict[str, Callable[[Sequence[bytes]], Gemeten]] = {
        _POEL: keur_in_processen,
        _ALLEEN: partial(_in_dit_proces, controleer),
    }
    mislukt: dict[str, str] = {}
    for naam, opener in ((_PIKEPDF, pikepdf_open), (_PDFIUM, pdfium_open)):
        try:
            werk[naam] = partial(_in_dit_proces, opener())
        except ImportError as fout:
            mislukt[naam] = str(fout)
    gemeten: dict[str, list[Gemeten]] = {naam: [] for naam in werk}
    with Progress(console=Console(stderr=True), transient=True) as balk:
        stap = balk.add_task("pdf", total=keer * len(werk))
        for ronde in range(keer):
            begin = ronde % len(werk)
            for naam in [*werk][begin:] + [*werk][:begin]:
                balk.update(stap, description=f"pdf: {naam}")
                with _stil():
                    gemeten[naam].append(werk[naam](inhouden))
                balk.advance(stap)
    _controleer(bestanden, gemeten)
    per_core = {naam: [len(bestanden) / een.cpu_s for een in metingen] for naam, metingen in gemeten.items()}
    per_s = {naam: [len(bestanden) / een.wand_s for een in metingen] for naam, metingen in gemeten.items()}
    return Deel(
        "pdf",
        [
            meting
            for naam in werk
            for meting in (Meting(naam, "files/CPU s", per_core[naam]), Meting(naam, "files/s", per_s[naam]))
        ],
        {ratio: _gedeeld(per_core[ons], per_core[hun]) for ratio, (ons, hun) in _RATIOS.items() if hun in werk},
        _uitleg(bestanden, gemeten),
        mislukt,
    )


_POEL = f"PDF check, {PROCESSEN} processes with limits"
_ALLEEN = "PDF check, in one process"
_PIKEPDF = "pikepdf.open alone"
_PDFIUM = "pypdfium2.PdfDocument alone"
_RATIOS = {
    "pdf_vs_pikepdf_open": (_POEL, _PIKEPDF),
    "pdf_vs_pdfium_open": (_POEL, _PDFIUM),
    "pdf_alone_vs_pikepdf_open": (_ALLEEN, _PIKEPDF),
}


def maak_bestanden(aantal: int) -> list[Bestand]:
    """Of every fifty: 29 ordinary, 10 ordinary with something wrong, 6 small, 3 big, 1 that is no PDF, 1 cut off."""
    willekeur = Random(1)
    bestanden = []
    for nummer in range(aantal):
        regel, grootte = f"Bijlage {nummer} bij uw bericht (voorbeeld)", willekeur.randrange(*_GEWOON)
        plaats = nummer % 50
        if plaats < 29:
            een = Bestand("ordinary", maak_pdf(regel, grootte))
        elif plaats < 39:
            gebrek = _GEBREKEN[nummer % len(_GEBREKEN)]
            een = Bestand("with something wrong", maak_pdf_met(gebrek, regel, grootte), (gebrek,))
        elif plaats < 45:
            een = Bestand("small", maak_pdf(regel))
        elif plaats < 48:
            een = Bestand("big", maak_pdf(regel, _GROOT))
        elif plaats < 49:
            een = Bestand("no PDF", maak_pdf_met(_GEEN_PDF, regel, grootte), (_GEEN_PDF,))
        else:
            een = Bestand("cut off", maak_pdf(regel, grootte)[:-_EINDE])
        bestanden.append(een)
    willekeur.shuffle(bestanden)
    return bestanden


def keur_in_processen(inhouden: Sequence[bytes]) -> Gemeten:
    """As a worker does it: through pipes, in processes that were started before."""

    async def keur_alle() -> Gemeten:
        async with Keurders(PROCESSEN) as keurders:
            await asyncio.gather(*map(keurders.keur, inhouden[:PROCESSEN]))
            cpu, begin = _cpu_s_met_kinderen(), time.perf_counter()
            uitkomsten = await asyncio.gather(*map(keurders.keur, inhouden))
            return Gemeten(time.perf_counter() - begin, _cpu_s_met_kinderen() - cpu, uitkomsten)

    return asyncio.run(keur_alle())


def pikepdf_open() -> Opent:
    """What opens with pikepdf. Raises ModuleNotFoundError when it is not installed."""
    pikepdf: Any = import_module("pikepdf")

    def opent(inhoud: bytes) -> bool:
        try:
            pikepdf.open(BytesIO(inhoud)).close()
        except (pikepdf.PdfError, pikepdf.PasswordError):
            return False
        return True

    return opent


def pdfium_open() -> Opent:
    """What opens with pdfium. Raises ModuleNotFoundError when it is not installed."""
    pdfium: Any = import_module("pypdfium2")

    def opent(inhoud: bytes) -> bool:
        try:
            pdfium.PdfDocument(inhoud).close()
        except pdfium.PdfiumError:
            return False
        return True

    return opent


def _in_dit_proces(doe: Callable[[bytes], object], inhouden: Sequence[bytes]) -> Gemeten:
    gc.collect()
    gc.freeze()  # what the bench holds is no part of it
    try:
        cpu, begin = time.process_time(), time.perf_counter()
        uitkomsten = list(map(doe, inhouden))
        return Gemeten(time.perf_counter() - begin, time.process_time() - cpu, uitkomsten)
    finally:
        gc.unfreeze()


def _controleer(bestanden: Sequence[Bestand], gemeten: dict[str, list[Gemeten]]) -> None:
    """Whether every way did the work, on every file and each time alike. Raises AssertionError."""
    for naam, metingen in gemeten.items():
        if any(een.uitkomsten != metingen[0].uitkomsten for een in metingen):
            raise AssertionError(f"{naam}: must say the same each time")
    for bestand, poel, alleen in zip(
        bestanden, gemeten[_POEL][0].uitkomsten, gemeten[_ALLEEN][0].uitkomsten, strict=True
    ):
        if poel != alleen or (bestand.soort not in _ZEGT_NIETS and poel != bestand.oordeel):
            raise AssertionError(f"{bestand.soort}: the check must find what was made wrong")
    for naam in gemeten.keys() & {_PIKEPDF, _PDFIUM}:
        goede = [
            geopend
            for bestand, geopend in zip(bestanden, gemeten[naam][0].uitkomsten, strict=True)
            if bestand.soort in ("ordinary", "small", "big")
        ]
        if not all(goede):
            raise AssertionError(f"{naam}: must open what is right")


def _uitleg(bestanden: Sequence[Bestand], gemeten: dict[str, list[Gemeten]]) -> list[str]:
    soorten = Counter(bestand.soort for bestand in bestanden)
    kilo = sum(len(bestand.inhoud) for bestand in bestanden) / len(bestanden) / 1000
    anderen = [naam for naam in (_PIKEPDF, _PDFIUM) if naam in gemeten]
    dicht = {naam: sum(not een for een in gemeten[naam][0].uitkomsten) for naam in anderen}
    return [
        f"{len(bestanden)} files of {kilo:.0f} kB on average: "
        + ", ".join(f"{aantal} {soort}" for soort, aantal in soorten.items()),
        "the ratios are of files for each CPU second; those of the processes with limits count the process that feeds "
        "them too",
        "the check reads the whole PDF and finds what was made wrong in each; the others open it and close it"
        + "".join(f"; {naam.split('.')[0]} could not open {aantal}" for naam, aantal in dicht.items()),
    ]


def _gedeeld(ons: Sequence[float], hun: Sequence[float]) -> list[float]:
    return [een / ander for een, ander in zip(ons, hun, strict=True)]


@contextmanager
def _stil() -> Iterator[None]:
    """Without the log, as in the processes with limits: libraries complain of every file that is not right."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _cpu_s_met_kinderen() -> float:
    """CPU seconds of this process, and of the processes that it started and that still run."""
    kinderen = [pid for draad in Path("/proc/self/task").iterdir() for pid in (draad / "children").read_text().split()]
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in kinderen]
    tikken = sum(int(velden[11]) + int(velden[12]) for velden in stats)
    return time.process_time() + tikken / os.sysconf("SC_CLK_TCK")
