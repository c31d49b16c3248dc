"""What the line costs: CPU seconds for a million messages, and memory while it is idle, in flow, and far behind."""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from confluent_kafka import KafkaError, KafkaException, Producer
from rich.console import Console
from rich.progress import Progress

from aanlevering.lezer import lees
from bench.aanbod import (
    OINS,
    Sjabloon,
    Stand,
    Zending,
    bied_aan,
    burgers,
    draaiende_stapel,
    laad_afzenders,
    open_vragen,
    wacht_tot_klaar,
)
from bench.maten import Maten
from bench.meting import Deel, Meting
from bench.opname import KIJK_S, SAMEN, Cijfers, Opname, hoogste_rss_mb
from domain.batch import GUID_BYTES, Batch
from sinks.database import verbind
from sinks.vragen import Vragen
from streams.codec import maak_codec
from streams.settings import MAX_RECORD_BYTES, Instellingen
from streams.verbinding import confluent

WORKERS = 1
_ONDERWEG = 500
"""Batches of the backlog that Kafka has not confirmed yet, at most."""
_VUL_S = 300
_GEEN_PAUZE_S = 86_400
_MAPPEN = {"kafka": "Kafka", "clickhouse": "ClickHouse", "opslag": "the store"}
"""Of the data folder, and whose they are."""
_BLOK_BYTES = 512
"""What `st_blocks` counts in, whatever the file system."""


@dataclass(frozen=True, slots=True)
class Maat:
    """How much, and for how long."""

    tempo: int
    """Messages a second in flow."""
    groottes: Sequence[int]
    """Messages of a batch, in turn."""
    warm_s: float
    duur_s: float
    stil_s: float
    """Seconds that the line is looked at while it is idle; before that it gets as many to come to rest."""
    achterstand: int
    """Messages of the backlog."""
    per_batch: int
    wacht_s: float
    """Seconds that the backlog waits before it may drain."""
    hoogstens_s: float
    """Seconds that it gets to drain."""


def maat_van(maten: Maten) -> Maat:
    """By the sizes that were given."""
    klein = maten.groei_achterstand < 10_000
    return Maat(
        maten.groei_tempo,
        (5, 20) if klein else (20, 100, 250, 500, 1000),
        warm_s=min(10, maten.groei_duur_s / 3),
        duur_s=maten.groei_duur_s,
        stil_s=maten.groei_stil_s,
        achterstand=maten.groei_achterstand,
        per_batch=100 if klein else 500,
        wacht_s=maten.groei_wacht_s,
        hoogstens_s=maten.groei_hoogstens_s,
    )


def vul(instellingen: Instellingen, sjabloon: Sjabloon, batches: int) -> None:
    """Writes batches straight into topic `batch`, as the door writes them. Raises KafkaException."""
    nu = time.time_ns() // 1_000_000
    gelezen = lees(
        [sjabloon.xml],
        proceskenmerk=uuid4(),
        aangeleverd_op=nu,
        aangeleverd_door=None,
        bewaar=lambda *_: None,
    )
    fouten: list[KafkaError] = []

    def geschreven(fout: KafkaError | None, _: object) -> None:
        if fout is not None:
            fouten.append(fout)

    codec = maak_codec(instellingen)
    producer = Producer(
        confluent(instellingen)
        # As aiokafka does at the door: a key to the same partition.
        | {"acks": "all", "partitioner": "murmur2_random", "compression.type": "lz4", "linger.ms": 5}
        | {"message.max.bytes": MAX_RECORD_BYTES}
    )
    for nummer in range(batches):
        oin = OINS[nummer % len(OINS)]
        kader = replace(gelezen.kader, proceskenmerk=uuid4(), batch_id=uuid4(), leverancier=oin, aangeleverd_door=oin)
        berichten = replace(
            gelezen.berichten,
            bericht_ids=os.urandom(GUID_BYTES * sjabloon.berichten),
            gebruikers=burgers(sjabloon.berichten).tobytes(),
        )
        inhoud = codec.schrijf_batch(Batch(kader, berichten))
        producer.produce(instellingen.topic("batch"), inhoud, str(kader.batch_id).encode(), on_delivery=geschreven)
        while len(producer) > _ONDERWEG:
            producer.poll(0.1)
    if producer.flush(_VUL_S) or fouten:
        raise KafkaException(fouten[0] if fouten else KafkaError(KafkaError._TIMED_OUT))


def _besloten(instellingen: Instellingen) -> int:
    """Rows with an outcome: what is cheap to ask again and again while there is much to do."""
    client = verbind(instellingen)
    try:
        return int(client.query("SELECT count() FROM uitkomsten").result_rows[0][0])
    finally:
        client.close()


def _samengevoegd(instellingen: Instellingen) -> float:
    """Bytes on disk for each message that is decided, once ClickHouse has nothing left to merge: what stays."""
    client = verbind(instellingen, send_receive_timeout=600)
    try:
        van_ons = "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
        for (tabel,) in client.query(van_ons).result_rows:
            client.command(f"OPTIMIZE TABLE {tabel} FINAL")
        op_schijf = "SELECT sum(bytes_on_disk) FROM system.parts WHERE database = currentDatabase() AND active"
        ((bytes_,),) = client.query(op_schijf).result_rows
    finally:
        client.close()
    return int(bytes_) / _besloten(instellingen)


def _wacht_op(instellingen: Instellingen, aantal: int, hoogstens_s: float) -> bool:
    """Whether there were so many rows with an outcome in time."""
    grens = time.monotonic() + hoogstens_s
    while _besloten(instellingen) < aantal:
        if time.monotonic() > grens:
            return False
        time.sleep(KIJK_S)
    return True


def _schijf(data: Path) -> dict[str, int]:
    """Bytes on disk by folder. A file that goes away meanwhile, as parts that are merged do, counts for nothing."""
    gevonden = {}
    for map_ in _MAPPEN:
        gevonden[map_] = 0
        for pad in (data / map_).rglob("*"):
            with suppress(FileNotFoundError):
                gevonden[map_] += pad.lstat().st_blocks * _BLOK_BYTES
    return gevonden


def _storing(instellingen: Instellingen, **storing: Any) -> None:
    adres = f"{instellingen.profielservice}/storing"
    httpx.put(adres, json=storing, timeout=30, trust_env=False).raise_for_status()


@dataclass(slots=True)
class Ronde:
    """One round, phase after phase, on one stack."""

    maat: Maat
    instellingen: Instellingen
    vragen: Vragen
    cijfers: Cijfers = field(default_factory=dict)
    cpu_s_per_million: float = 0.0
    worker_rss_mb: float = 0.0
    geleverd: list[int] = field(default_factory=list)
    """Messages of each batch."""
    uitleg: list[str] = field(default_factory=list)

    def stroom(self) -> None:
        """Idle, and then in flow. Raises TimeoutError when the line does not get done."""
        time.sleep(self.maat.stil_s)
        with Opname(self.instellingen.data) as opname:
            time.sleep(self.maat.stil_s)
        self.cijfers |= opname.geheugen("idle")
        samen = sum(opname.cpu_s[deel] for deel in SAMEN)
        self.cijfers["idle: CPU of all of them together", "s/hour"] = samen / opname.duur_s * 3600
        self._lever(self.maat.warm_s)
        self._wacht_tot_klaar()
        schijf = _schijf(self.instellingen.data)
        with Opname(self.instellingen.data) as opname:
            berichten = self._lever(self.maat.duur_s)
            self._wacht_tot_klaar()
        for map_, bytes_ in _schijf(self.instellingen.data).items():
            self.cijfers[f"in flow: disk of {_MAPPEN[map_]}", "bytes/message"] = (bytes_ - schijf[map_]) / berichten
        self.cijfers["disk of ClickHouse, merged", "bytes/message"] = _samengevoegd(self.instellingen)
        self.cijfers |= opname.geheugen("in flow") | opname.cpu("in flow", berichten)
        self.cpu_s_per_million = sum(opname.cpu_s[deel] for deel in SAMEN) / berichten * 1e6
        self._onthoud_rss()

    def achterstand(self) -> None:
        """The backlog: written and waiting while the profile service is away, and then drained."""
        maat, data = self.maat, self.instellingen.data
        batches = maat.achterstand // maat.per_batch
        eerder = _besloten(self.instellingen)
        _storing(self.instellingen, weg=True)
        with Opname(data) as wachtend:
            vul(self.instellingen, Sjabloon(maat.per_batch), batches)
            time.sleep(maat.wacht_s)
        self.geleverd += [maat.per_batch] * batches
        al = _besloten(self.instellingen)
        with Opname(data) as lopend:
            begin = time.monotonic()
            _storing(self.instellingen)
            klaar = _wacht_op(self.instellingen, eerder + batches * maat.per_batch, maat.hoogstens_s)
            duur = time.monotonic() - begin
            besloten = _besloten(self.instellingen)
            if klaar:
                self._wacht_tot_klaar()
        self._onthoud_rss()
        self.cijfers |= wachtend.geheugen("a backlog waits") | lopend.geheugen("the backlog drains")
        lopend.cpu_s = {deel: cpu + wachtend.cpu_s[deel] for deel, cpu in lopend.cpu_s.items()}
        self.cijfers |= lopend.cpu("a backlog waits and drains", max(1, besloten - eerder))
        self.cijfers["the backlog drains", "messages/s"] = (besloten - al) / duur
        if not klaar:
            self.uitleg.append(
                f"the backlog did NOT drain within {maat.hoogstens_s:g} s: {besloten - eerder:,} of "
                f"{batches * maat.per_batch:,} messages were decided by then; the figures are of those"
            )

    def _lever(self, duur_s: float) -> int:
        zendingen: list[Zending] = []
        sjablonen = [Sjabloon(grootte) for grootte in self.maat.groottes]
        asyncio.run(bied_aan(self.instellingen.aanlevering, sjablonen, self.maat.tempo, duur_s, zendingen))
        self.geleverd += [zending.berichten for zending in zendingen]
        return sum(zending.berichten for zending in zendingen)

    def _wacht_tot_klaar(self) -> None:
        if not wacht_tot_klaar(self.instellingen, self.vragen, self.maat.hoogstens_s):
            raise TimeoutError(f"the line is not done with what it got within {self.maat.hoogstens_s:g} s")

    def _onthoud_rss(self) -> None:
        self.worker_rss_mb = max(self.worker_rss_mb, hoogste_rss_mb(self.instellingen.data))


def meet(keer: int, maten: Maten) -> Deel:
    """All phases in turn, on a new folder for each round; the backlog in the first one alone."""
    maat = maat_van(maten)
    rondes: list[Ronde] = []
    with Progress(console=Console(stderr=True), transient=True) as balk:
        stap = balk.add_task("cost and growth", total=1 + keer)
        for nummer in range(1, keer + 1):
            balk.update(stap, description=f"cost and growth, round {nummer}: idle and in flow")
            with (
                tempfile.TemporaryDirectory(prefix="bench-groei-", ignore_cleanup_errors=True) as naam,
                stapel(Path(naam) / "data") as (instellingen, vragen),
            ):
                rondes.append(Ronde(maat, instellingen, vragen))
                eerder = Stand.lees(vragen)
                rondes[-1].stroom()
                balk.advance(stap)
                if nummer == 1:
                    balk.update(stap, description="cost and growth: a backlog")
                    rondes[-1].achterstand()
                    balk.advance(stap)
                if not rondes[-1].uitleg:
                    eerder.controleer(vragen, rondes[-1].geleverd)
    return als_deel(rondes)


@contextmanager
def stapel(data: Path) -> Iterator[tuple[Instellingen, Vragen]]:
    """The embedded stack, on which what cannot be decided stays where it is and does not go to `wacht`."""
    with (
        draaiende_stapel(data, WORKERS, pauze_s=_GEEN_PAUZE_S) as instellingen,
        open_vragen(instellingen) as vragen,
    ):
        laad_afzenders(instellingen)
        yield instellingen, vragen


def als_deel(rondes: Sequence[Ronde]) -> Deel:
    """What is told of all rounds."""
    return Deel(
        "groei",
        [
            Meting(*wat, [ronde.cijfers[wat] for ronde in rondes if wat in ronde.cijfers], bijzaak=": PSS of" in wat[0])
            for wat in rondes[0].cijfers
        ],
        {
            "worker_rss_mb": [max(ronde.worker_rss_mb for ronde in rondes)],
            "cpu_s_per_million": [ronde.cpu_s_per_million for ronde in rondes],
        },
        [*_uitleg(rondes[0].maat), *(regel for ronde in rondes for regel in ronde.uitleg)],
    )


def _uitleg(maat: Maat) -> list[str]:
    return [
        f"the embedded stack with {WORKERS} worker, 2 partitions of `bericht` and a profile cache "
        f"of 7 days that begins empty, new for each round; "
        f"messages without bijlagen from {len(OINS)} leveranciers: most ask about their recipient",
        f"in flow: {maat.tempo:,} messages/s over HTTP for {maat.duur_s:g} s after {maat.warm_s:g} s that do not "
        "count; CPU until every result is made, idle CPU included; cpu_s_per_million is that of "
        f"{', '.join(SAMEN)} together. The profile service is another's, and apart; the sender is in none of them",
        f"backlog, in the first round: the profile service answers 503 while {maat.achterstand:,} messages in batches "
        f"of {maat.per_batch} are written to topic `batch`, and {maat.wacht_s:g} s more, so that they wait in "
        "`batch` and `bericht` before a worker that does all it can; then they drain. CPU is that of both together, "
        "since what waits is split meanwhile, and the broker's in being written is in it",
        f"memory is the most of a process, with what it started, in looks {KIJK_S:g} s apart; worker_rss_mb is the "
        "kernel's own highest RSS of a worker over all of it. MB are MiB; disk is what the folders have grown by, and "
        "of ClickHouse also what is left when all is merged",
        "in the end every message must be in Totalen, Verwerkt, unless a backlog did not drain; and no process may "
        "have been started again",
    ]
