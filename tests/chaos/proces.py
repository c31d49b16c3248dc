"""Processes that a keeper starts again whenever they are gone, as `up` or an orchestrator would, only rougher."""

import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from streams.broker import sterf_met_ouder

_KIJK_S = 0.1
_PAUZE_S = 0.5
"""Seconds before what fell by itself is started again."""


@dataclass
class Proces:
    """One process, wanted or not. All of it is used under the lock of its keeper."""

    naam: str
    commando: Callable[[], list[str]]
    omgeving: dict[str, str]
    log: Path
    gewenst: bool = True
    niet_voor: float = 0.0
    """A monotonic moment before which it is not started again."""
    popen: subprocess.Popen[bytes] | None = None
    gedood: bool = False
    """Whether its end was ours to cause."""
    gevallen: Counter[int] = field(default_factory=Counter)
    """Exit codes with which it ended though nobody killed it."""

    @property
    def leeft(self) -> bool:
        """Whether it runs; what is stopped by SIGSTOP does."""
        return self.popen is not None and self.popen.poll() is None

    def start(self) -> None:
        """Starts it; its output goes to its log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as uitvoer:
            self.popen = subprocess.Popen(
                self.commando(),
                stdin=subprocess.DEVNULL,
                stdout=uitvoer,
                stderr=uitvoer,
                env=self.omgeving,
                start_new_session=True,
                preexec_fn=sterf_met_ouder,
            )
        self.gedood = False


class Toezicht:
    """Keeps processes running, from one thread of its own: they die with it."""

    def __init__(self) -> None:
        self.processen: dict[str, Proces] = {}
        self._slot = threading.RLock()
        self._stop = threading.Event()
        self._fout: BaseException | None = None
        self._draad = threading.Thread(target=self._loop, daemon=True, name="toezicht")
        self._draad.start()

    def houd(self, proces: Proces) -> None:
        """Starts it, and again whenever it is gone."""
        with self._slot:
            self.processen[proces.naam] = proces

    def dood(self, naam: str, weg_s: float = 0.0) -> bool:
        """kill -9, and not again for so long. False when it did not run."""
        with self._slot:
            proces = self.processen[naam]
            if not proces.leeft or proces.popen is None:
                return False
            proces.gedood = True
            proces.niet_voor = time.monotonic() + weg_s
            proces.popen.kill()
            return True

    def sein(self, naam: str, signaal: signal.Signals) -> bool:
        """A signal to a process that runs. False when it does not."""
        with self._slot:
            proces = self.processen.get(naam)
            if proces is None or not proces.leeft or proces.popen is None:
                return False
            proces.popen.send_signal(signaal)
            return True

    def haal_weg(self, naam: str, binnen_s: float = 60.0) -> int:
        """SIGTERM, and never again; its exit code, -9 when it did not end in time."""
        with self._slot:
            proces = self.processen.pop(naam)
            proces.gewenst = False
        if not proces.leeft or proces.popen is None:
            return 0
        proces.popen.send_signal(signal.SIGCONT)
        proces.popen.terminate()
        try:
            return proces.popen.wait(binnen_s)
        except subprocess.TimeoutExpired:
            proces.popen.kill()
            return proces.popen.wait()

    def namen(self, voorvoegsel: str = "") -> list[str]:
        """Of the processes that are kept."""
        with self._slot:
            return sorted(naam for naam in self.processen if naam.startswith(voorvoegsel))

    def gevallen(self) -> dict[str, Counter[int]]:
        """Which fell by themselves, and with which exit codes."""
        with self._slot:
            return {naam: proces.gevallen for naam, proces in self.processen.items() if proces.gevallen}

    def controleer(self) -> None:
        """Raises what made the keeper stop."""
        if self._fout is not None:
            raise self._fout

    def stop(self, volgorde: Callable[[str], int]) -> None:
        """Ends all, the lowest in this order first."""
        for naam in sorted(self.namen(), key=volgorde):
            self.haal_weg(naam, 40.0)
        self._stop.set()
        self._draad.join(30)

    def _loop(self) -> None:
        while not self._stop.wait(_KIJK_S):
            with self._slot:
                for proces in self.processen.values():
                    try:
                        self._kijk(proces)
                    except Exception as fout:
                        self._fout = fout
                        return

    def _kijk(self, proces: Proces) -> None:
        if proces.leeft or not proces.gewenst:
            return
        nu = time.monotonic()
        if proces.popen is not None and not proces.gedood:
            proces.gevallen[proces.popen.returncode] += 1
            proces.gedood = True
            proces.niet_voor = nu + _PAUZE_S
        if nu >= proces.niet_voor:
            proces.start()
