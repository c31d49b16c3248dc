"""What a part of the bench measured, and what is told of it: medians, spread, and every single value."""

import os
import platform
import re
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from bench.maten import Maten

WORTEL = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Meting:
    """One figure, once for each round."""

    naam: str
    eenheid: str
    """Such as `messages/s`, `MB/s`, `ms`, `s/million`, `MB`."""
    waarden: Sequence[float]
    """In the order of the rounds that have one."""
    bijzaak: bool = False
    """Whether it stands in `results.json` alone, and not in the table."""

    @property
    def mediaan(self) -> float:
        """The middle one."""
        return statistics.median(self.waarden)


@dataclass(frozen=True, slots=True)
class Deel:
    """A part of the bench after all its rounds."""

    naam: str
    metingen: Sequence[Meting]
    ratios: Mapping[str, Sequence[float]]
    """By name, one for each round: ours against theirs in that same round, or a figure that has a target."""
    uitleg: Sequence[str] = field(default_factory=tuple)
    """What one must know of how it was measured."""
    mislukt: Mapping[str, str] = field(default_factory=dict)
    """By what was to be measured: why it was not."""


@dataclass(frozen=True, slots=True)
class Doel:
    """What a figure must reach."""

    grens: float
    minstens: bool
    """Whether more is better."""

    def gehaald(self, waarde: float) -> bool:
        """Whether it does."""
        return waarde >= self.grens if self.minstens else waarde <= self.grens

    def __str__(self) -> str:
        return f"{'≥' if self.minstens else '≤'} {self.grens:g}"


DOELEN = {
    "line_vs_confluent": Doel(2, minstens=True),
    "line_vs_best_framework": Doel(3, minstens=True),
    "line_vs_idiomatic_faust": Doel(50, minstens=True),
    "two_workers_cpu_vs_one": Doel(0.87, minstens=True),
    "xml_vs_bare": Doel(0.5, minstens=True),
    "xml_with_bijlagen_vs_bare": Doel(0.35, minstens=True),
    "totalen_p95_ms": Doel(100, minstens=False),
    "batch_p95_ms": Doel(50, minstens=False),
    "latency_p99_s": Doel(3, minstens=False),
    "worker_rss_mb": Doel(400, minstens=False),
}
"""The targets there are; the other figures are told without one."""


def als_resultaat(delen: Sequence[Deel], begonnen: str, maten: Maten) -> dict[str, Any]:
    """What goes into `results.json`."""
    ratios = {naam: waarden for deel in delen for naam, waarden in deel.ratios.items()}
    return {
        "ratios": {naam: _rond(statistics.median(waarden)) for naam, waarden in ratios.items()},
        "spread": {naam: [_rond(min(waarden)), _rond(max(waarden))] for naam, waarden in ratios.items()},
        "targets": {
            naam: {
                "target": str(doel),
                "met": doel.gehaald(statistics.median(ratios[naam])) if naam in ratios else None,
            }
            for naam, doel in DOELEN.items()
        },
        "failed": {f"{deel.naam}: {wat}": waarom for deel in delen for wat, waarom in deel.mislukt.items()},
        "runs": {
            "started": begonnen,
            "sizes": asdict(maten),
            "machine": machine(),
            "versions": versies(),
            "measurements": {
                deel.naam: {
                    "figures": [
                        {"name": een.naam, "unit": een.eenheid, "values": list(map(_rond, een.waarden))}
                        for een in deel.metingen
                    ],
                    "ratios": {naam: list(map(_rond, waarden)) for naam, waarden in deel.ratios.items()},
                    "notes": list(deel.uitleg),
                }
                for deel in delen
            },
        },
    }


def machine() -> dict[str, object]:
    """What this ran on; its figures belong to it alone."""
    modellen = [
        regel.partition(":")[2].strip()
        for regel in Path("/proc/cpuinfo").read_text().splitlines()
        if regel.startswith("model name")
    ]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": modellen[0] if modellen else platform.processor(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "system": platform.platform(),
    }


_PAKKETTEN = (
    *("faust-streaming", "aiokafka", "confluent-kafka", "fastavro", "clickhouse-connect", "chdb", "lxml", "pypdf"),
    *("numpy", "pyarrow", "quixstreams", "bytewax", "faststream", "pikepdf", "pypdfium2"),
)


def versies() -> dict[str, str]:
    """What was measured with; quixstreams and what came with it are in a folder of their own."""
    elders = map(str, WORTEL.glob(".venv-bench-quix/lib/python*/site-packages"))
    gevonden = {een.name: een.version for een in (*distributions(path=[*elders]), *distributions())}
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=WORTEL, capture_output=True, text=True, check=False
    )
    kafka = re.search(r"kafka_[\d.]+</artifactId>\s*<version>([\d.]+)<", (WORTEL / "pom.xml").read_text())
    return {
        "berichtenstroom": commit.stdout.strip() or "unknown",
        "python": platform.python_version(),
        "kafka": kafka[1] if kafka else "unknown",
        **{pakket: gevonden.get(pakket, "not installed") for pakket in _PAKKETTEN},
    }


def _rond(waarde: float) -> float:
    return float(f"{waarde:.4g}")
