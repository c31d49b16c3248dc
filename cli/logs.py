"""The logs of the embedded stack: bounded by size, number and age."""

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

MAX_LOG_BYTES = 20_000_000
MAX_OUDE = 5
"""Closed files of one log that are kept beside one for each day."""
_DAG_S = 24 * 3600
_KIJK_S = 60.0


class Logs:
    """Looks after logs that other processes write (opened to append), among them those that hold them open for weeks.

    A log is closed when it is large, and daily: `x.log` becomes `x.log.<seconds since 1970>`. Closed ones go when they
    are older than `dagen`, or too many.
    """

    def __init__(self, mappen: Iterable[Path], dagen: int) -> None:
        self._mappen = list(mappen)
        self._dagen = dagen
        self._gekeken_op = float("-inf")
        self._begonnen: dict[Path, float] = {}
        """When each log that is written began, as far as we know."""

    def kijk(self, nu: float | None = None) -> None:
        """Looks, a minute after the last time or later. `nu`: seconds since 1970."""
        nu = time.time() if nu is None else nu
        if nu - self._gekeken_op < _KIJK_S:
            return
        self._gekeken_op = nu
        for map_ in self._mappen:
            for log in map_.glob("*.log"):
                if log.name != "kafka.log":  # Kafka closes its own
                    self._sluit(log, nu)
            for log in map_.glob("*.log"):
                self._ruim_op(log, nu)

    def _sluit(self, log: Path, nu: float) -> None:
        grootte = log.stat().st_size
        if grootte == 0:
            self._begonnen[log] = nu
        # What a former stack wrote is closed at the first look: nobody knows how old it is.
        elif grootte > MAX_LOG_BYTES or nu - self._begonnen.get(log, float("-inf")) >= _DAG_S:
            shutil.copyfile(log, log.with_name(f"{log.name}.{int(nu)}"))
            with log.open("r+b") as open_:
                open_.truncate()  # whoever writes it appends, and goes on at its beginning
            self._begonnen[log] = nu

    def _ruim_op(self, log: Path, nu: float) -> None:
        oude = sorted(log.parent.glob(f"{log.name}.*"), key=lambda pad: pad.stat().st_mtime, reverse=True)
        for plaats, pad in enumerate(oude):
            if plaats >= self._dagen + MAX_OUDE or nu - pad.stat().st_mtime > self._dagen * _DAG_S:
                pad.unlink(missing_ok=True)
