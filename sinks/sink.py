"""From the topics to ClickHouse, each record's rows seen exactly once.

Rows first, confirmed; then the progress (the topic's id, partition, next offset), in ClickHouse too; then Kafka's
commit, for who watches the lag. After a death anywhere between, the same records come again, and their rows collapse
on their keys. Only the progress says where to go on: never what the rows show, since a failed insert leaves a part of
them.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from avro.codec import SOORTEN, Codec, Onleesbaar
from sinks.database import DatabaseWeg
from sinks.rijen import Rijen, van_batch, van_gegeven, van_logboek, van_resultaat, van_uitkomst
from sinks.schrijver import Schrijver
from sinks.stroomvragen import Teruggezet
from sinks.vragen import Vragen
from streams import metrics, verbinding
from streams.dlq import Terzijde
from streams.fence import LogVerdwenen
from streams.hartslag import hoort_bij, slag
from streams.inhoud import lees_gegeven
from streams.settings import Instellingen

log = logging.getLogger(__name__)

_TABEL = {
    "batch": "runs",
    "validatie": "uitkomsten",
    "logboek": "logboekregels",
    "resultaat": "resultaten",
} | dict.fromkeys(SOORTEN, "wijzigingen")
_PER_GREEP = 16
"""Records that are taken at a time: what was fetched is compressed, and all of it at once can be many times larger."""
ONDERWERPEN = tuple(_TABEL)
"""The topics that ClickHouse gets, named without prefix."""


class _Toewijzing(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, sink: "Sink") -> None:
        self._sink = sink

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Nothing is held: what was read and not inserted comes again, to whoever gets it."""
        self._sink.plaats_kwijt()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._sink.zoek_plaats(list(assigned))


class Sink:
    """One of any number of sinks; the consumer group divides the partitions."""

    def __init__(
        self,
        instellingen: Instellingen,
        codec: Codec,
        schrijver: Schrijver,
        vragen: Vragen,
        topic_ids: dict[str, str],
        terzijde: Terzijde,
    ) -> None:
        """`topic_ids`: of the topics in ONDERWERPEN, named without prefix."""
        self._instellingen = instellingen
        self._codec = codec
        self._schrijver = schrijver
        self._vragen = vragen
        self._topic_ids = topic_ids
        self._terzijde = terzijde
        self._onderwerp = {instellingen.topic(onderwerp): onderwerp for onderwerp in ONDERWERPEN}
        self._vastgelegd: dict[TopicPartition, int] = {}
        self._gezocht: dict[TopicPartition, int] = {}
        self._fout: BaseException | None = None
        self._rond_af = False
        self._toewijzing = 1
        """Odd from the loss of an assignment until every partition of the next has been sought to its progress."""
        self._consumer = AIOKafkaConsumer(
            **verbinding.aiokafka(instellingen),
            group_id=instellingen.groep("sink"),
            isolation_level="read_committed",
            enable_auto_commit=False,
            # A log that was trimmed under us must end the sink: going on at its new beginning would hide what is lost.
            auto_offset_reset="none",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=3_000,
            # An insert may be tried for hours; that alone must not make it leave the group.
            max_poll_interval_ms=24 * 3600 * 1000,
            fetch_max_bytes=instellingen.sink_bytes,
            max_partition_fetch_bytes=instellingen.sink_bytes // 8,
        )

    def rond_af(self) -> None:
        """Lets `loop` end when all that was read is in ClickHouse, with its progress."""
        self._rond_af = True

    async def loop(self) -> None:
        """Runs until `rond_af` or cancelled, and leaves its group.

        Raises LogVerdwenen or TeVeelOnleesbaar: then a person must look; and Teruggezet: then the next life mends it.
        """
        hoort_bij("sink")
        self._consumer.subscribe(list(self._onderwerp), listener=_Toewijzing(self))
        try:
            await self._consumer.start()  # until the first place is found: who ends it there leaves the group as well
            while not self._rond_af:
                slag()
                await self._ronde()
        finally:
            await self._consumer.stop()

    def plaats_kwijt(self) -> None:
        """From here on nothing that is read counts, until `zoek_plaats` is done."""
        if self._toewijzing % 2 == 0:
            self._toewijzing += 1

    async def zoek_plaats(self, toegewezen: Sequence[TopicPartition]) -> None:
        """Seeks each partition to the progress in ClickHouse. What must end the sink is kept for its loop to raise."""
        self.plaats_kwijt()
        try:
            while True:
                try:
                    await self._zoek_plaats(toegewezen)
                    self._toewijzing += 1
                    return
                except DatabaseWeg:
                    slag()
                    log.warning("ClickHouse is away, the sink waits for its progress")
                    await asyncio.sleep(1)
        except Exception as fout:  # aiokafka would log it and go on without a place
            self._fout = fout

    async def _zoek_plaats(self, toegewezen: Sequence[TopicPartition]) -> None:
        self._vastgelegd, self._gezocht = {}, {}
        # At once: until there is an answer on all of them, nothing is read.
        vervangen = await asyncio.gather(
            *(
                asyncio.to_thread(self._vragen.is_vervangen, topic, self._topic_ids[onderwerp])
                for topic, onderwerp in self._onderwerp.items()
            )
        )
        for topic, is_vervangen in zip(self._onderwerp, vervangen, strict=True):
            if is_vervangen:
                raise LogVerdwenen(
                    f"topic {topic} was made anew, while ClickHouse holds rows and progress of the former one; "
                    "see the operators' guide, 'A log that is not the one ClickHouse knows'"
                )
        van_ons = sorted({tp.topic for tp in toegewezen})
        gevonden = await asyncio.gather(
            *(asyncio.to_thread(self._vragen.voortgang, self._topic_ids[self._onderwerp[topic]]) for topic in van_ons)
        )
        voortgang = dict(zip(van_ons, gevonden, strict=True))
        begin = await self._consumer.beginning_offsets(toegewezen) if toegewezen else {}
        eind = await self._consumer.end_offsets(toegewezen) if toegewezen else {}
        for tp in toegewezen:
            volgende = voortgang[tp.topic].get(tp.partition, 0)
            if volgende > eind[tp]:
                raise LogVerdwenen(
                    f"{tp.topic}[{tp.partition}] ends at {eind[tp]}, while ClickHouse has seen up to {volgende}"
                )
            if volgende < begin[tp] and volgende > 0:
                raise LogVerdwenen(
                    f"{tp.topic}[{tp.partition}] starts at {begin[tp]}, while ClickHouse has seen up to {volgende}"
                )
            self._gezocht[tp] = max(volgende, begin[tp])
            self._consumer.seek(tp, self._gezocht[tp])
            self._vastgelegd[tp] = volgende

    async def _ronde(self) -> None:
        toewijzing = self._toewijzing
        gelezen: dict[TopicPartition, list[ConsumerRecord]] = {}
        try:
            await self._verzamel(gelezen, toewijzing)
        except KafkaError:
            if toewijzing == self._toewijzing and toewijzing % 2 == 0:
                raise
            log.info("a partition has no place yet")
            await asyncio.sleep(self._instellingen.sink_wacht_s)  # `zoek_plaats` is about to seek it
        if self._fout is not None:
            raise self._fout
        if toewijzing != self._toewijzing or toewijzing % 2:
            # Perhaps read at a place that Kafka remembers, which can be beyond the progress. Read it again from there;
            # while the place is lost, `zoek_plaats` will see to that.
            if self._toewijzing % 2 == 0:
                for tp in gelezen.keys() & self._consumer.assignment():
                    self._consumer.seek(tp, self._gezocht[tp])
            return
        begin = time.perf_counter()
        rijen = {tabel: Rijen(tabel) for tabel in _TABEL.values()}
        for tp, records in gelezen.items():
            for record in records:
                await self._voeg_toe(rijen, tp, record)
        await self._terzijde.duurzaam()
        for tabel in rijen.values():
            if len(tabel):
                await self._schrijver.schrijf_tabel(tabel)
                metrics.SINK_RIJEN.labels(tabel.tabel).inc(len(tabel))
        await self._leg_vast({tp: records[-1].offset + 1 for tp, records in gelezen.items() if records}, toewijzing)
        if gelezen:
            metrics.SINK_SECONDEN.observe(time.perf_counter() - begin)

    async def _verzamel(self, gelezen: dict[TopicPartition, list[ConsumerRecord]], toewijzing: int) -> None:
        """Adds what comes in `sink_wacht_s`, or up to `sink_bytes`: few large inserts cost ClickHouse the least."""
        bytes_, tot = 0, time.monotonic() + self._instellingen.sink_wacht_s
        while bytes_ < self._instellingen.sink_bytes and toewijzing == self._toewijzing:
            rest_s = tot - time.monotonic()
            if rest_s <= 0 and bytes_:
                return
            nieuw = await self._consumer.getmany(timeout_ms=max(0, int(rest_s * 1000)), max_records=_PER_GREEP)
            for tp, records in nieuw.items():
                gelezen.setdefault(tp, []).extend(records)
                bytes_ += sum(max(1, record.serialized_value_size) for record in records)
            if not nieuw:
                return

    async def _voeg_toe(self, rijen: dict[str, Rijen], tp: TopicPartition, record: ConsumerRecord) -> None:
        onderwerp = self._onderwerp[tp.topic]
        kolommen: Sequence[Sequence[Any]]
        try:
            if onderwerp == "batch":
                kolommen = van_batch(self._codec.lees_batch(record.value), record.offset)
            elif onderwerp == "validatie":
                kolommen = van_uitkomst(self._codec.lees_uitkomst(record.value), record.offset)
            elif onderwerp == "logboek":
                kolommen = van_logboek(self._codec.lees_logboek(record.value), record.offset)
            elif onderwerp == "resultaat":
                kolommen = van_resultaat(self._codec.lees_resultaat(record.value))
            else:
                gegeven = lees_gegeven(self._codec, onderwerp, record.key, record.value)
                kolommen = van_gegeven(gegeven, record.offset)
        except Onleesbaar as fout:
            await self._terzijde.zet(tp.topic, tp.partition, record.offset, str(fout))
            return
        self._terzijde.leesbaar(tp.topic, tp.partition, record.offset)
        rijen[_TABEL[onderwerp]].voeg_toe(kolommen)

    def _niet_teruggezet(self, tps: Collection[TopicPartition], vastgelegd: Mapping[TopicPartition, int]) -> None:
        """Raises Teruggezet: with progress past what an older copy lacks, nobody would see any more that it does.

        Raises DatabaseWeg.
        """
        id_van = {tp: self._topic_ids[self._onderwerp[tp.topic]] for tp in tps}
        voortgang = self._vragen.voortgangen(set(id_van.values()))
        for tp, topic_id in id_van.items():
            if (nu := voortgang[topic_id].get(tp.partition, 0)) < vastgelegd.get(tp, 0):
                raise Teruggezet(tp.partition, nu, vastgelegd[tp])

    async def _leg_vast(self, gelezen: dict[TopicPartition, int], toewijzing: int) -> None:
        """Progress up to what was read, and past the transaction markers that follow it."""
        nieuw = dict(gelezen)
        for tp in self._consumer.assignment() - gelezen.keys():
            try:
                plaats = await self._consumer.position(tp)
            except IllegalStateError:  # revoked meanwhile
                continue
            # A position says something only while it is the one that we sought and read on from.
            if toewijzing == self._toewijzing and plaats > self._vastgelegd.get(tp, 0):
                nieuw[tp] = plaats
        if not nieuw:
            return
        await self._schrijver.schrijf_voortgang(
            [
                (tp.topic, self._topic_ids[self._onderwerp[tp.topic]], tp.partition, volgende)
                for tp, volgende in nieuw.items()
            ],
            partial(self._niet_teruggezet, nieuw, dict(self._vastgelegd)),
        )
        nog_van_ons = {tp: volgende for tp, volgende in nieuw.items() if tp in self._consumer.assignment()}
        try:
            if nog_van_ons:
                await self._consumer.commit(nog_van_ons)
        except (CommitFailedError, IllegalStateError, KafkaError) as fout:
            # Kafka's commit is for the eye only; the progress in ClickHouse stands.
            log.info("offsets not committed (%s)", type(fout).__name__)
        self._vastgelegd.update(nieuw)
