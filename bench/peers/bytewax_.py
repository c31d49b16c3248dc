"""The same on bytewax: one JSON record a message, or slices. With recovery, which takes the place of commits."""

from pathlib import Path

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from bench.peers.vormen import lees_en_schrijf
from bench.taak import PER_INSERT, SLICE, Opdracht, Record, Regels, Tabel, nu_ms, uitkomst

opdracht = Opdracht.lees()
regels, los = Regels(opdracht), opdracht.vorm == "json"
lees, schrijf = lees_en_schrijf(opdracht.vorm)


def beslis(records: list[KafkaSourceMessage]) -> list[Record]:
    """The outcomes of messages of one record each."""
    berichten, nu = [lees(record.value) for record in records], nu_ms()
    regels.beslis_alle(berichten)
    return [uitkomst(bericht, bericht["code"], nu) for bericht in berichten]


def beslis_slices(records: list[KafkaSourceMessage]) -> list[Record]:
    """Slices, decided."""
    return [regels.beslis_slice(lees(record.value)) for record in records]


def codeer(besloten: list[Record]) -> list[KafkaSinkMessage]:
    """The events."""
    return [KafkaSinkMessage(None, schrijf(een)) for een in besloten]


class Rijen(StatelessSinkPartition[Record]):
    """What bytewax hands over at once goes in with one insert."""

    def __init__(self) -> None:
        tabel = Tabel(opdracht)
        self._schrijf = tabel.schrijf if los else tabel.schrijf_slices

    def write_batch(self, items: list[Record]) -> None:
        self._schrijf(items)


class NaarClickHouse(DynamicSink[Record]):
    """A table in ClickHouse."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> Rijen:
        return Rijen()


flow = Dataflow("bench")
bron = KafkaSource(
    [opdracht.kafka],
    [opdracht.onderwerp],
    add_config={"max.partition.fetch.bytes": "8000000"},
    batch_size=PER_INSERT if los else PER_INSERT // SLICE,
)
doel = KafkaSink(
    [opdracht.kafka],
    opdracht.uitkomst,
    add_config={
        "acks": "all",
        "enable.idempotence": "true",
        "compression.type": "lz4",
        "linger.ms": "20",
        "batch.size": "1000000",
    },
)
besloten = op.flat_map_batch("beslis", op.input("lees", flow, bron), beslis if los else beslis_slices)
op.output("rijen", besloten, NaarClickHouse())
op.output("gebeurtenissen", op.flat_map_batch("codeer", besloten, codeer), doel)

if __name__ == "__main__":
    herstel = Path(opdracht.map) / "herstel"
    herstel.mkdir()
    init_db_dir(herstel, 1)
    cli_main(flow, recovery_config=RecoveryConfig(herstel))
