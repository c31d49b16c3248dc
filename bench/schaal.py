"""`python -m bench.schaal`: what the measured cost of a message comes to for loads of another size (docs/scaling.md).

A calculation, not a measurement: it takes that a message costs the same whatever there is of everything.
"""

import json
import math
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.meting import WORTEL
from bench.opname import SAMEN
from domain.tijd import UUR_MS

RESULTAAT = WORTEL / "bench" / "results.json"
BENUT = 0.5
"""Share of a core that is planned with: the other half is for peaks within the peak, and for catching up."""
KAFKA_DAGEN, KAFKA_KOPIEEN = 14, 3
CLICKHOUSE_KOPIEEN = 2
BIJLAGE_BYTES = 37_000
_DAGDEEL = 8
"""Hours in which a day's messages are delivered."""
_WERKDAGEN, _DRUKSTE = 250, 5
"""Days of a year on which messages are delivered, and how many times the mean the busiest has."""


@dataclass(frozen=True, slots=True)
class Last:
    """A load."""

    naam: str
    piek_per_s: float
    """Messages a second that must be kept up with."""
    per_dag: float
    """Of the busiest days, which Kafka holds a fortnight of."""
    per_jaar: float


LASTEN = (
    Last("1 million an hour", 1e6 / (UUR_MS / 1000), 1e6 * _DAGDEEL, 1e6 * _DAGDEEL * _WERKDAGEN),
    Last("10 million a day", 10e6 / (_DAGDEEL * UUR_MS / 1000), 10e6, 10e6 * _WERKDAGEN),
    Last("1000 million a year", _DRUKSTE * 4e6 / (_DAGDEEL * UUR_MS / 1000), _DRUKSTE * 4e6, 1000e6),
)


@dataclass(frozen=True, slots=True)
class Kosten:
    """What one message takes, as `make bench PARTS=groei` has measured it."""

    cpu_s: Mapping[str, float]
    """By part."""
    schijf_bytes: Mapping[str, float]
    """By folder: Kafka, ClickHouse and the store, a single copy."""


def lees(resultaat: Mapping[str, Any]) -> Kosten:
    """From `results.json`. Raises KeyError when it holds no part `groei`."""
    mediaan = {
        een["name"]: statistics.median(een["values"]) for een in resultaat["runs"]["measurements"]["groei"]["figures"]
    }
    return Kosten(
        {deel: mediaan[f"in flow: CPU of {deel}"] / 1e6 for deel in SAMEN},
        {
            "Kafka": mediaan["in flow: disk of Kafka"],
            "ClickHouse": mediaan["disk of ClickHouse, merged"],
            "the store": mediaan["in flow: disk of the store"],
        },
    )


def bereken(kosten: Kosten, last: Last) -> dict[str, float]:
    """What this load asks for, by what it is."""
    kernen = {deel: kosten.cpu_s[deel] * last.piek_per_s / BENUT for deel in SAMEN}
    workers = max(2, math.ceil(kernen["worker"]))
    gb = 1e-9
    return {
        "messages a second to keep up with": last.piek_per_s,
        "workers, of one core each": workers,
        "partitions of bericht: twice as many": 2 * workers,
        "cores for doors": kernen["aanlevering"],
        "cores for Kafka, a copy of each partition": kernen["kafka"],
        "cores for ClickHouse, a replica": kernen["clickhouse"],
        "minutes for a day's messages, all at once": last.per_dag * kosten.cpu_s["worker"] / workers / 60,
        f"GB in Kafka: {KAFKA_DAGEN} busy days, {KAFKA_KOPIEEN} copies": last.per_dag
        * KAFKA_DAGEN
        * KAFKA_KOPIEEN
        * kosten.schijf_bytes["Kafka"]
        * gb,
        f"GB in ClickHouse a year, {CLICKHOUSE_KOPIEEN} replicas": last.per_jaar
        * CLICKHOUSE_KOPIEEN
        * kosten.schijf_bytes["ClickHouse"]
        * gb,
        "GB in the store a year, messages alone": last.per_jaar * kosten.schijf_bytes["the store"] * gb,
        f"GB in the store a year, a bijlage of {BIJLAGE_BYTES // 1000} kB with one in ten": last.per_jaar
        * (kosten.schijf_bytes["the store"] + BIJLAGE_BYTES / 10)
        * gb,
    }


def main(pad: Path) -> int:
    """Prints a table; returns 1 when there is nothing to calculate with."""
    try:
        kosten = lees(json.loads(pad.read_text()))
    except (FileNotFoundError, KeyError):
        print(f"{pad} has no measured cost: run `make bench PARTS=groei` first", file=sys.stderr)
        return 1
    kolommen = [bereken(kosten, last) for last in LASTEN]
    tabel = Table("what", *(last.naam for last in LASTEN), title=f"By what {pad.name} says that a message costs")
    for wat in kolommen[0]:
        tabel.add_row(wat, *(f"{kolom[wat]:,.0f}" if kolom[wat] >= 10 else f"{kolom[wat]:.2g}" for kolom in kolommen))
    Console(width=None if sys.stdout.isatty() else 130).print(tabel)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTAAT))
