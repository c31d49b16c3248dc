"""A ClickHouse database of its own for a test, and rows as the sink writes them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from clickhouse_connect.driver.client import Client

from domain.codes import NUL_GUID
from sinks.database import maak_client
from sinks.embedded.proces import EmbeddedClickHouse
from sinks.migreer import migreer
from sinks.vragen import Filter, Vragen

UUR = 3_600_000
T0 = 1_790_000_000_000
"""A moment in September 2026, in milliseconds."""
A, B = "00000099000000001000", "00000099000000002000"
"""Two leveranciers."""
ONLEESBAAR = NUL_GUID
Rij = dict[str, Any]


@contextmanager
def clickhouse(data: Path) -> Iterator[str]:
    """The URL of a ClickHouse: the one named in the environment, else an embedded one."""
    if gegeven := os.environ.get("BERICHTENSTROOM_TEST_CLICKHOUSE"):
        yield gegeven
        return
    with EmbeddedClickHouse(data) as embedded:
        yield embedded.url


@dataclass
class Run:
    """A delivery: what the sink knows of it."""

    leverancier: str
    batch_id: UUID
    proceskenmerk: UUID
    aangeleverd_op: int
    ids: Sequence[UUID]
    volgorde: int


@dataclass
class Tafel:
    """Rows that were made, kept so that they can be inserted again, in another order, or in part."""

    client: Client
    vragen: Vragen
    rijen: dict[str, list[Rij]] = field(default_factory=lambda: {"runs": [], "uitkomsten": [], "resultaten": []})
    _offsets: Iterator[int] = field(default_factory=count)
    _samen: bool = False

    def lever(
        self,
        ids: Sequence[UUID],
        op: int = T0,
        batch: UUID | None = None,
        leverancier: str = A,
        door: str = A,
        in_runs: bool = True,
    ) -> Run:
        """A run over a batch; `in_runs=False`: its row in `runs` has not arrived yet."""
        run = Run(leverancier, batch or uuid4(), uuid4(), op, list(ids), next(self._offsets))
        if in_runs:
            self.kom_aan(run, door)
        return run

    def kom_aan(self, run: Run, door: str = A) -> None:
        """The row in `runs`."""
        self._voeg_toe(
            "runs",
            self._sleutel(run)
            | {
                "aangeleverd_door": door,
                "aangeleverd_op": run.aangeleverd_op,
                "aanmaakdatum": run.aangeleverd_op - UUR,
                "totaal": len(run.ids),
                "bericht_ids": run.ids,
                "berichttypes": ["AANSLAG"] * len(run.ids),
                "volgorde": run.volgorde,
            },
        )

    def beslis(
        self,
        run: Run,
        nummer: int,
        code: str = "Verwerkt",
        op: int | None = None,
        stadium: str = "NA",
        waarschuwingen: Sequence[str] = (),
        diensten: Sequence[str] = (),
        volgorde: int | None = None,
    ) -> None:
        """A decision on one message of a run; without `op` a second after delivery."""
        self._voeg_toe(
            "uitkomsten",
            self._sleutel(run)
            | {
                "nummer": nummer,
                "bericht_id": run.ids[nummer - 1],
                "berichttype": "AANSLAG",
                "code": code,
                "stadium": stadium,
                "reden": "",
                "waarschuwingen": list(waarschuwingen),
                "diensten": list(diensten),
                "aangeleverd_op": run.aangeleverd_op,
                "verwerkt_op": run.aangeleverd_op + 1000 if op is None else op,
                "publicatiedatum": 0,
                "object": "",
                "volgorde": next(self._offsets) if volgorde is None else volgorde,
            },
        )

    def beslis_alle(self, run: Run, *codes: str, op: int | None = None) -> None:
        """Decisions on the messages of a run, in order, in one insert; `-` for none."""
        with self.samen():
            for nummer, code in enumerate(codes, 1):
                if code != "-":
                    self.beslis(run, nummer, code, op)

    @contextmanager
    def samen(self) -> Iterator[None]:
        """What is added within goes into each table by one insert, at the end."""
        assert not self._samen, "what is within another would go in twice"
        begin = {tabel: len(rijen) for tabel, rijen in self.rijen.items()}
        self._samen = True
        try:
            yield
        finally:
            self._samen = False
        for tabel, rijen in self.rijen.items():
            if nieuw := rijen[begin.get(tabel, 0) :]:
                self.voeg_in(tabel, nieuw)

    def beantwoord(self, run: Run, op: int | None = None, per_code: Mapping[str, int] | None = None) -> None:
        """The row in `resultaten`."""
        verwerkt_op = run.aangeleverd_op + 1000 if op is None else op
        telling = {"verwerkt_op": verwerkt_op, "totaal": len(run.ids), "per_code": dict(per_code or {})}
        self._voeg_toe("resultaten", self._sleutel(run) | telling)

    def voeg_in(self, tabel: str, rijen: Sequence[Rij]) -> None:
        """Inserts rows that were made before."""
        self.client.insert(tabel, [list(rij.values()) for rij in rijen], column_names=list(rijen[0]))

    def batches(self, **filters: Any) -> list[dict[str, Any]]:
        """Berichtverwerking, unpaged."""
        return self.vragen.berichtverwerking(Filter(**filters))[0]

    def berichten(self, batch: UUID, **filters: Any) -> list[dict[str, Any]]:
        """The messages of one batch (of its first run with `runs`)."""
        rijen, _ = self.vragen.berichtverwerking(Filter(batch=batch, **filters), berichten=True)
        return [bericht for rij in rijen for bericht in rij["berichten"]]

    def _voeg_toe(self, tabel: str, rij: Rij) -> None:
        self.rijen[tabel].append(rij)
        if not self._samen:
            self.voeg_in(tabel, [rij])

    @staticmethod
    def _sleutel(run: Run) -> Rij:
        return {"leverancier": run.leverancier, "batch_id": run.batch_id, "proceskenmerk": run.proceskenmerk}


@contextmanager
def tafel(url: str) -> Iterator[Tafel]:
    """A database of its own with all tables, dropped at the end."""
    naam = f"test_{uuid4().hex}"
    baas = maak_client(url)
    migreer(baas, naam)
    client = maak_client(url, naam)
    try:
        yield Tafel(client, Vragen(client))
    finally:
        client.close()
        baas.command(f"DROP DATABASE `{naam}`")
        baas.close()
