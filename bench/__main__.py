"""`make bench`: one table of how fast the line is beside others that do the same work, and `bench/results.json`."""

import argparse
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.maten import GROOT, KLEIN, Maten
from bench.meting import DOELEN, Deel, Meting, als_resultaat
from streams.broker import sterf_met_ouder

DELEN = {
    "lijn": "messages waiting in `batch` until all are visible, beside loops and frameworks that do the same",
    "xml": "aanlevering from XML, beside bare parsing and validating",
    "pdf": "PDF checks, beside merely opening the file",
    "vragen": "questions over 1, 10 and 100 million messages",
    "latentie": "from 202 to visible in Totalen",
    "groei": "CPU and memory, idle, in flow and with a backlog",
}
RESULTAAT = Path("bench/results.json")
_BREEDTE = 132
"""Characters of the table where there is no terminal."""
_ONDERBROKEN = 130
_SEINEN = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

fouten = Console(stderr=True, highlight=False, soft_wrap=True)


def main() -> int:
    """Measures in a session of its own; 0 when all went well.

    A terminal sends Ctrl-C to every process of its session, and broker and ClickHouse must outlive what uses them.
    """
    gegeven = _argumenten()
    pid = os.fork()
    if not pid:
        sterf_met_ouder()
        os.setsid()
        return meet(gegeven)
    for signaal in _SEINEN:
        signal.signal(signaal, lambda nummer, _: os.kill(pid, nummer))
    _, stand = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(stand)


def meet(gegeven: argparse.Namespace) -> int:
    """Measures the parts that were asked for, and tells of them; 0 when all of them went well."""
    for signaal in _SEINEN:
        signal.signal(signaal, _stop)
    begonnen = datetime.now(UTC).isoformat(timespec="seconds")
    delen: list[Deel] = []
    try:
        for naam in gegeven.delen or DELEN:
            delen.append(_meet(naam, gegeven.keer, gegeven.maten))
    except KeyboardInterrupt:
        if delen:
            toon(delen)
        fouten.print("bench: stopped; no results were written, and nothing is left running")
        return _ONDERBROKEN
    toon(delen)
    gegeven.naar.write_text(json.dumps(als_resultaat(delen, begonnen, gegeven.maten), indent=1) + "\n")
    print(f"Every single measurement, the versions and the machine: {gegeven.naar}")
    mislukt = list(_mislukt(delen))
    for regel in mislukt:
        fouten.print(f"bench: NOT measured: {regel}", markup=False)
    return 1 if mislukt else 0


def _stop(*_: object) -> None:
    """The first Ctrl-C stops everything; what tidies up after it is not disturbed by a second one."""
    for signaal in _SEINEN:
        signal.signal(signaal, signal.SIG_IGN)
    fouten.print("bench: stopping what was started")
    raise KeyboardInterrupt


def _meet(naam: str, keer: int, maten: Maten) -> Deel:
    """One part. Where it goes wrong, that is what is told of it."""
    begin = time.monotonic()
    try:
        van_deel: Callable[[int, Maten], Deel] = import_module(f"bench.{naam}").meet
        deel = van_deel(keer, maten)
    except Exception as fout:
        fouten.print(traceback.format_exc(), markup=False)
        deel = Deel(naam, [], {}, [], {"the whole part": f"{type(fout).__name__}: {fout}"})
    fouten.print(f"bench: {naam} took {time.monotonic() - begin:.0f} s")
    return deel


def toon(delen: Sequence[Deel]) -> None:
    """One table: what was measured, then the ratios with their targets; then what one must know of it."""
    tabel = Table(title="Figures of this machine and this moment: median (lowest to highest) of the rounds")
    for kop in ("part", "what", "unit", "median", "lowest", "highest", "target"):
        tabel.add_column(kop, justify="right" if kop in ("median", "lowest", "highest") else "left")
    for deel in delen:
        for meting in deel.metingen:
            if not meting.bijzaak:
                tabel.add_row(deel.naam, meting.naam, meting.eenheid, *_getallen(meting), "")
        tabel.add_section()
    for deel in delen:
        for naam, waarden in deel.ratios.items():
            meting, doel = Meting(naam, "", waarden), DOELEN.get(naam)
            gehaald = "" if doel is None else f"{doel}: {'met' if doel.gehaald(meting.mediaan) else 'NOT met'}"
            tabel.add_row(deel.naam, naam, "", *_getallen(meting), gehaald)
    uit = Console() if sys.stdout.isatty() else Console(width=_BREEDTE)
    uit.print(tabel)
    for deel in delen:
        for regel in deel.uitleg:
            print(f"{deel.naam}: {regel}")


def _mislukt(delen: Sequence[Deel]) -> Iterator[str]:
    for deel in delen:
        for wat, waarom in deel.mislukt.items():
            yield f"{deel.naam}: {wat}: {waarom}"


def _getallen(meting: Meting) -> tuple[str, str, str]:
    return _getal(meting.mediaan), _getal(min(meting.waarden)), _getal(max(meting.waarden))


def _getal(waarde: float) -> str:
    return f"{waarde:,.0f}" if abs(waarde) >= 100 else f"{waarde:.3g}"


def _argumenten() -> argparse.Namespace:
    regels = "\n".join(f"  {naam:10} {wat}" for naam, wat in DELEN.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=f"Measures ours and others in turn, in rounds, and tells the ratios.\n\nparts:\n{regels}",
        epilog=f"example: make bench PARTS='lijn pdf' KEER=1 SIZES='lijn_berichten=100000'\n\n"
        f"sizes:\n{GROOT.beschrijf()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("delen", nargs="*", metavar="PART", help="which parts (default: all)")
    parser.add_argument("--keer", type=int, default=3, help="rounds (default: %(default)s)")
    parser.add_argument("--klein", action="store_true", help="sizes that say nothing, to see that it works")
    parser.add_argument("--maat", nargs="+", default=[], metavar="name=number", help="another size than those below")
    parser.add_argument("--naar", type=Path, default=RESULTAAT, help="where the results go (default: %(default)s)")
    gegeven = parser.parse_args()
    if onbekend := set(gegeven.delen) - DELEN.keys():
        parser.error(f"no such part: {', '.join(sorted(onbekend))}")
    if gegeven.keer < 1:
        parser.error("--keer: at least 1")
    try:
        gegeven.maten = (KLEIN if gegeven.klein else GROOT).met(gegeven.maat)
    except ValueError as fout:
        parser.error(f"--maat: {fout}")
    return gegeven


if __name__ == "__main__":
    sys.exit(main())
