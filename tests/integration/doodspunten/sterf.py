"""`python -m tests.integration.doodspunten.sterf PUNT --merk FILE`: a worker, or the door, that dies at that point.

It runs the production code as it is, with one call wrapped: just before or after it the process kills itself (-9), or
with `--stil` stands still (SIGSTOP) until somebody wakes it. The file tells that the point was reached. Without a point
(`-`) nothing is wrapped.
"""

import argparse
import functools
import inspect
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer

from aanlevering import __main__ as aanlevering
from cli import worker
from streams.broker import sterf_met_ouder
from streams.settings import Instellingen
from tests.integration.doodspunten.punten import PUNTEN, Moment, Punt, Soort

GEEN = "-"


class Val:
    """What waits at one point, once."""

    def __init__(self, punt: Punt, merk: Path, signaal: signal.Signals) -> None:
        self._punt = punt
        self._merk = merk
        self._signaal = signaal
        self._over = punt.keer
        self._slot = threading.Lock()

    def zet(self) -> None:
        """Wraps the call that the point is about."""
        _vervang(self._punt.doel, self._omhul)
        if self._punt.sinds:
            _vervang(self._punt.sinds, self._tel_opnieuw)

    def _omhul(self, echt: Callable[..., Any]) -> Callable[..., Any]:
        moment = self._punt.moment

        @functools.wraps(echt)
        async def asynchroon(*woorden: Any, **namen: Any) -> Any:
            hier = self._is_hier(woorden, namen)
            if hier and moment is Moment.VOOR:
                self._val()
            try:
                antwoord = await echt(*woorden, **namen)
            except BaseException as fout:
                self._verder(hier, type(fout).__name__)
                raise
            self._verder(hier, "")
            if hier and moment is Moment.DUURZAAM:
                await antwoord
            if hier and moment is not Moment.VOOR:
                self._val()
            return antwoord

        @functools.wraps(echt)
        def gewoon(*woorden: Any, **namen: Any) -> Any:
            hier = self._is_hier(woorden, namen)
            if hier and moment is Moment.VOOR:
                self._val()
            antwoord = echt(*woorden, **namen)
            if hier and moment is not Moment.VOOR:
                self._val()
            return antwoord

        return asynchroon if inspect.iscoroutinefunction(echt) else gewoon

    def _tel_opnieuw(self, echt: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(echt)
        def opnieuw(*woorden: Any, **namen: Any) -> Any:
            self._over = self._punt.keer
            return echt(*woorden, **namen)

        return opnieuw

    def _is_hier(self, woorden: tuple[Any, ...], namen: dict[str, Any]) -> bool:
        if not self._punt.bij(woorden, namen):
            return False
        with self._slot:
            self._over -= 1
            return self._over == 0

    def _val(self) -> None:
        self._merk.write_text(self._punt.naam)
        os.kill(os.getpid(), self._signaal)

    def _verder(self, hier: bool, fout: str) -> None:
        """Who stood still before a call tells how the call ended; empty: well."""
        if hier and self._punt.moment is Moment.VOOR:
            verder(self._merk).write_text(fout)


def verder(merk: Path) -> Path:
    """The file that tells how the call ended before which a process stood still."""
    return merk.with_suffix(".verder")


def _vervang(doel: str, door: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    module, _, naam = doel.partition(":")
    *waarin, laatste = naam.split(".")
    houder = functools.reduce(getattr, waarin, import_module(module))
    setattr(houder, laatste, door(getattr(houder, laatste)))


def _herkenbaar() -> None:
    """Every membership of a consumer group names this process, so that a test can find those that it left behind."""
    echt = AIOKafkaConsumer.__init__

    @functools.wraps(echt)
    def begin(self: AIOKafkaConsumer, *woorden: Any, **namen: Any) -> None:
        echt(self, *woorden, **(namen | {"client_id": f"sterf-{os.getpid()}"}))

    AIOKafkaConsumer.__init__ = begin


def draai(naam: str, merk: Path, poort: int | None = None, *, keer: int | None = None, stil: bool = False) -> int:
    """Runs a worker, or the door when it is given a port; what that returns, when it does."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    _herkenbaar()
    if naam != GEEN:
        punt = PUNTEN[naam]
        assert (punt.soort is Soort.DEUR) == (poort is not None)
        Val(replace(punt, keer=keer or punt.keer), merk, signal.SIGSTOP if stil else signal.SIGKILL).zet()
    if poort is None:
        return worker.main(Instellingen())
    sys.argv[1:] = ["--poort", str(poort)]
    return aanlevering.main()


def in_proces(omgeving: dict[str, str], log: Path, naam: str, merk: Path, poort: int | None, stil: bool) -> None:
    """The same in a forked process, with an environment and a log of its own."""
    sterf_met_ouder()
    os.environ.clear()
    os.environ.update(omgeving)
    with log.open("ab") as bestand:
        for uitvoer in (1, 2):
            os.dup2(bestand.fileno(), uitvoer)
    sys.exit(draai(naam, merk, poort, stil=stil))


def main() -> int:
    """By hand."""
    opties = argparse.ArgumentParser(prog="python -m tests.integration.doodspunten.sterf")
    opties.add_argument("punt", choices=[GEEN, *PUNTEN])
    opties.add_argument("--merk", type=Path, required=True, help="file that is written when the point is reached")
    opties.add_argument("--keer", type=int, help="at which call to die (default: the point's own)")
    opties.add_argument("--stil", action="store_true", help="stand still instead of dying")
    opties.add_argument("--poort", type=int, help="run the door on this port instead of a worker")
    keuze = opties.parse_args()
    return draai(keuze.punt, keuze.merk, keuze.poort, keer=keuze.keer, stil=keuze.stil)


if __name__ == "__main__":
    sys.exit(main())
