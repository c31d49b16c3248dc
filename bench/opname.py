"""What processes take: CPU seconds and memory, of each with all that it started, as the kernel tells it."""

import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Self

from bench.aanbod import lees_adressen

KIJK_S = 1.0
"""Seconds from one look at the memory to the next."""
SAMEN = ("worker", "aanlevering", "kafka", "clickhouse")
"""Whose CPU makes `cpu_s_per_million`."""
DELEN = (*SAMEN, "profielservice")
_TIK_S = 1 / os.sysconf("SC_CLK_TCK")
_MB = 2**20

Cijfers = dict[tuple[str, str], float]
"""What was measured in a round, by what it is and its unit."""


class Opname:
    """Looks at every process of the stack as long as it is open: what CPU it took, and what memory at most."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._pids = _pids(data)
        self._genoeg = Event()
        self._kijker = ThreadPoolExecutor(1)
        self.duur_s = 0.0
        self.cpu_s: dict[str, float] = {}
        """By part; that of all workers together."""
        self.rss_mb: dict[str, float] = {}
        """By part: of the largest process, at the moment it was largest. With the processes it started itself."""
        self.pss_mb: dict[str, float] = {}
        """Likewise, where pages that processes share are divided among them."""

    def __enter__(self) -> Self:
        self._begin = time.monotonic()
        self._cpu_eerder = self._cpu()
        self._kijkt: Future[None] = self._kijker.submit(self._kijk)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._genoeg.set()
        self._kijker.shutdown()
        if error is not None:
            return
        self._kijkt.result()
        self.duur_s = time.monotonic() - self._begin
        self.cpu_s = {deel: cpu - self._cpu_eerder[deel] for deel, cpu in self._cpu().items()}
        if _pids(self._data) != self._pids:
            raise AssertionError("a part of the stack died and was started again while it was measured")

    def cpu(self, fase: str, berichten: int) -> Cijfers:
        """What a million messages took, of each part and together."""
        per_deel = {deel: cpu / berichten * 1e6 for deel, cpu in self.cpu_s.items()}
        samen = sum(per_deel[deel] for deel in SAMEN)
        cijfers = {(f"{fase}: CPU of {deel}", "s/million"): cpu for deel, cpu in per_deel.items()}
        return cijfers | {(f"{fase}: CPU of {', '.join(SAMEN)} together", "s/million"): samen}

    def geheugen(self, fase: str) -> Cijfers:
        """What each part took at most."""
        return {
            (f"{fase}: {soort} of {deel}", "MB"): mb
            for soort, per_deel in (("RSS", self.rss_mb), ("PSS", self.pss_mb))
            for deel, mb in per_deel.items()
        }

    def _cpu(self) -> dict[str, float]:
        return {deel: sum(cpu_s(pid) for pid in pids) for deel, pids in self._pids.items()}

    def _kijk(self) -> None:
        while True:
            for deel, pids in self._pids.items():
                rss, pss = zip(*map(geheugen_mb, pids), strict=True)
                self.rss_mb[deel] = max(self.rss_mb.get(deel, 0.0), *rss)
                self.pss_mb[deel] = max(self.pss_mb.get(deel, 0.0), *pss)
            if self._genoeg.wait(KIJK_S):
                return


def _pids(data: Path) -> dict[str, list[int]]:
    """The processes of the stack, by part."""
    pids = lees_adressen(data)["pids"]
    return {deel: pids["workers"] if deel == "worker" else [pids[deel]] for deel in DELEN}


def _met_kinderen(pid: int) -> list[int]:
    """A process and all that it started, as far as they live."""
    kinderen: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for draad in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                kinderen += map(int, (draad / "children").read_text().split())
    return [pid, *(een for kind in kinderen for een in _met_kinderen(kind))]


def cpu_s(pid: int) -> float:
    """CPU seconds of a process until now, with those of what it started."""
    tikken = 0
    for een in _met_kinderen(pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended just now: then it counts with its parent
            velden = Path(f"/proc/{een}/stat").read_text().rpartition(")")[2].split()
            tikken += sum(map(int, velden[11:15]))
    return tikken * _TIK_S


def geheugen_mb(pid: int) -> tuple[float, float]:
    """RSS and PSS of a process with what it started, in MB."""
    rss = pss = 0
    for een in _met_kinderen(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            regels = dict(regel.split(":", 1) for regel in _regels(een, "smaps_rollup") if ":" in regel)
            rss += int(regels["Rss"].split()[0])
            pss += int(regels["Pss"].split()[0])
    return rss * 1024 / _MB, pss * 1024 / _MB


def hoogste_rss_mb(data: Path) -> float:
    """The most that a worker ever had, as the kernel kept it: no look can miss it."""
    hoogste = []
    for pid in _pids(data)["worker"]:
        (hoog,) = (regel for regel in _regels(pid, "status") if regel.startswith("VmHWM:"))
        hoogste.append(int(hoog.split()[1]) * 1024 / _MB)
    return max(hoogste)


def _regels(pid: int, bestand: str) -> list[str]:
    return Path(f"/proc/{pid}/{bestand}").read_text().splitlines()
