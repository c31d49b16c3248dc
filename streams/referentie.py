"""Reference data in its four compacted topics, as every process follows it; `streams.referentieschrijver` changes it.

A change counts at once for all that is still on its way, so whoever makes one returns only when no running process can
decide on the old state any more. That rests on six things:

- Every process follows in a consumer group of its own, and commits an offset only after it has applied what stands
  before it. Applying waits for the slot in which a decision is being made.
- The writer commits its transaction, waits until it can be read, lists the groups that have a member, and waits until
  each of them has committed beyond it.
- A process that joins later is not listed, but looks for the end of the topics only once it is a member, and does not
  decide before it got there.
- A process that is cut off or stands still loses its membership after `SESSIE_S`, and is then no longer waited for. It
  counts its own membership from the moment it *sent* its last successful commit, so it stops deciding before that.
- A record that cannot be read leaves its thing in the dark: nothing is decided until a later record of the same key
  tells what it is. Deciding on what stood there before would be deciding on other data.
- A process that stands still between its last look at that (`bij`) and its commit has all its records in the log by
  then. So the writer waits at last until every transaction that is open on what is decided by this data has ended:
  committed before the change returns, or ended by the next owner, or by the broker.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from secrets import token_hex

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import ConsumerRecord
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from avro.codec import SOORTEN, Codec, Onleesbaar
from domain.referentie import Berichttype, Dienst, Gegeven, Leverancier, Machtiging, Referentie
from streams import metrics, verbinding
from streams.inhoud import lees_gegeven
from streams.settings import Instellingen

log = logging.getLogger(__name__)

SESSIE_S = 10.0
"""Seconds after which a process that is not heard of is no longer waited for."""

ZEKER_S = 7.0
"""Seconds after its last successful commit that a process knows itself to be waited for: less, since clocks differ."""

HARTSLAG_S = 2.0
"""Seconds between two commits; each keeps the membership alive."""

_KLASSEN: dict[str, type[Gegeven]] = {
    "leverancier": Leverancier,
    "berichttype": Berichttype,
    "dienst": Dienst,
    "machtiging": Machtiging,
}

WIE_MAG_LEZEN = frozenset({"dienst", "machtiging"})
"""Kinds whose earlier state may show messages to who may not read them now (Domain: Diensten en machtigingen)."""


class ReferentieFout(Exception):
    """The reference data cannot be read, or a change did not succeed; one line for the operator, and no BSN in it."""


class ReferentieDuister(ReferentieFout):
    """The last record of something cannot be read, so that its state is not known until a person settles it."""


class ReferentieVolger(ConsumerRebalanceListener):  # type: ignore[misc]
    """The reference data of this process: read whole at start, then followed. Use it from one event loop.

    `bij_fout` is called once when following has failed for good: the process must then end, not decide on old data.
    """

    def __init__(self, instellingen: Instellingen, codec: Codec, bij_fout: Callable[[BaseException], None]) -> None:
        self.referentie = Referentie()
        """The state now. Inside `beslissing` it does not change."""
        self.slot = asyncio.Lock()
        """Held while a change is applied, and by who decides: from the first look until the decision is durable."""
        self.groep = f"{instellingen.groep('referentie')}-{token_hex(8)}"
        self._instellingen = instellingen
        self._codec = codec
        self._bij_fout = bij_fout
        self._fout: BaseException | None = None
        self._duister: Duister = {}
        self._taken: list[asyncio.Task[None]] = []
        self._toegepast = dict.fromkeys(_partities(instellingen), 0)
        self._verder = asyncio.Event()
        self._lid = False
        self._ronde = 0
        """Counts the changes of membership."""
        self._doel: Mapping[TopicPartition, int] | None = None
        """Where the topics ended after this membership began; before that is applied nothing is decided."""
        self._bevestigd = float("-inf")
        """When the last commit that this membership made, with all up to `_doel` applied, was sent."""

    @property
    def bij(self) -> bool:
        """Whether whoever changes something waits for this process and all that it read is known: only then may it
        decide, or commit a decision."""
        return self._is_lid and not self._duister

    @property
    def is_duister(self) -> bool:
        """Whether nothing is decided because the last record of some thing cannot be read."""
        return bool(self._duister)

    @property
    def duisternis(self) -> str:
        """What `is_duister` is about and how a person settles it, for the operator; empty when it is not."""
        return f"nothing is decided: {_duisternis(self._duister)}" if self._duister else ""

    @property
    def _is_lid(self) -> bool:
        return self._fout is None and time.monotonic() - self._bevestigd < ZEKER_S

    async def wacht_bij(self) -> None:
        """Returns when `bij`; not to be called with the slot held. Raises ReferentieFout when following has failed."""
        while not self.bij:
            self._controleer()
            await asyncio.sleep(0.02)

    def _controleer(self) -> None:
        if self._fout is not None:
            raise ReferentieFout(f"following the reference data has failed: {self._fout}") from self._fout

    @asynccontextmanager
    async def beslissing(self) -> AsyncIterator[Referentie]:
        """Holds the state still for a decision. Check `bij` once more just before making the decision durable.

        Raises ReferentieFout when following has failed.
        """
        while True:
            await self.wacht_bij()
            async with self.slot:
                if self.bij:
                    yield self.referentie
                    return

    async def start(self) -> None:
        """Returns when everything that was in the topics is applied; what of it cannot be read keeps `bij` off.

        Raises ReferentieFout, KafkaError.
        """
        self._consumer = AIOKafkaConsumer(
            **verbinding.aiokafka(self._instellingen),
            group_id=self.groep,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=int(SESSIE_S * 1000),
            heartbeat_interval_ms=int(HARTSLAG_S * 1000),
        )
        try:
            await self._consumer.start()
            await _controleer_topics(self._consumer, self._instellingen)
            self._consumer.subscribe([tp.topic for tp in self._toegepast], listener=self)
            self._taken = [asyncio.create_task(self._volg()), asyncio.create_task(self._blijf_lid())]
            for taak in self._taken:
                taak.add_done_callback(self._geeindigd)
            while not self._is_lid:
                self._controleer()
                await asyncio.sleep(0.02)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Leaves, so that nobody waits for this process any longer."""
        self._bevestigd = float("-inf")
        for taak in self._taken:
            taak.cancel()
        await asyncio.gather(*self._taken, return_exceptions=True)  # how they ended is told by _geeindigd
        await self._consumer.stop()
        await asyncio.to_thread(verwijder_groepen, admin_client(self._instellingen), [self.groep])

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Called by the consumer when it is not, or no longer, a member."""
        self._nieuwe_ronde(lid=False)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Called by the consumer when it has become a member."""
        self._nieuwe_ronde(lid=True)

    def _nieuwe_ronde(self, *, lid: bool) -> None:
        self._lid, self._ronde = lid, self._ronde + 1
        self._doel, self._bevestigd = None, float("-inf")
        self._verder.set()

    def _geeindigd(self, taak: "asyncio.Task[None]") -> None:
        if not taak.cancelled() and (fout := taak.exception()) is not None and self._fout is None:
            self._fout = fout
            self._bij_fout(fout)

    async def _volg(self) -> None:
        while True:
            gelezen = await self._consumer.getmany(timeout_ms=500)
            eerder = dict(self._toegepast)
            if gelezen:
                async with self.slot:
                    for tp, records in gelezen.items():
                        # After a new membership records can come again: never back to an older state.
                        nieuw = [record for record in records if record.offset >= self._toegepast[tp]]
                        _pas_toe(self.referentie, self._duister, self._codec, self._instellingen, nieuw)
                        self._toegepast[tp] = max(self._toegepast[tp], records[-1].offset + 1)
                self._meld_duister()
            for tp in self._toegepast:
                try:
                    positie = await self._consumer.position(
                        tp
                    )  # beyond the last record: commit markers have offsets too
                except IllegalStateError:  # no member at this moment
                    break
                self._toegepast[tp] = max(self._toegepast[tp], positie)
            if self._toegepast != eerder:
                self._verder.set()

    def _meld_duister(self) -> None:
        metrics.WACHT_OP.labels("referentiegegevens").set(bool(self._duister))
        if self._duister:
            log.error("%s", self.duisternis)

    async def _blijf_lid(self) -> None:
        while True:
            self._verder.clear()
            if self._lid:
                try:
                    await self._bevestig()
                except (CommitFailedError, IllegalStateError):
                    log.info("not a member of %s at this moment", self.groep)
                except KafkaError as fout:
                    log.warning("the membership of %s is not confirmed: %s", self.groep, fout)
            try:
                await asyncio.wait_for(self._verder.wait(), HARTSLAG_S)
            except TimeoutError:
                continue

    async def _bevestig(self) -> None:
        ronde, verzonden = self._ronde, time.monotonic()
        toegepast = dict(self._toegepast)
        await self._consumer.commit(toegepast)
        doel = self._doel or await self._consumer.end_offsets(list(toegepast))
        if ronde != self._ronde:
            return
        self._doel = doel
        if all(toegepast[tp] >= offset for tp, offset in doel.items()):
            self._bevestigd = verzonden


async def lees_referentie(instellingen: Instellingen, codec: Codec) -> Referentie:
    """The state at this moment, for who only looks. Raises ReferentieFout, KafkaError."""
    async with lezer(instellingen) as consumer:
        referentie, _ = await lees(consumer, codec, instellingen)
        return referentie


def verwijder_groepen(admin: AdminClient, groepen: list[str]) -> None:
    """Tidies up; a group that has a member again stays, and one that is gone is gone."""
    for groep, belofte in (admin.delete_consumer_groups(groepen, request_timeout=10) if groepen else {}).items():
        try:
            belofte.result()
        except KafkaException as fout:
            log.info("group %s is not removed: %s", groep, fout.args[0].str())


def admin_client(instellingen: Instellingen) -> AdminClient:
    """For what has to do with groups. Keep it until its futures are done."""
    return verbinding.Beheer(instellingen)


def _partities(instellingen: Instellingen) -> list[TopicPartition]:
    return [TopicPartition(instellingen.topic(soort), 0) for soort in SOORTEN]


@asynccontextmanager
async def lezer(instellingen: Instellingen) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer outside all groups, for `lees`. Raises ReferentieFout, KafkaError."""
    consumer = AIOKafkaConsumer(
        **verbinding.aiokafka(instellingen),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        await consumer.start()
        await _controleer_topics(consumer, instellingen)
        consumer.assign(_partities(instellingen))
        yield consumer
    finally:
        await consumer.stop()


async def _controleer_topics(consumer: AIOKafkaConsumer, instellingen: Instellingen) -> None:
    if ontbreekt := {tp.topic for tp in _partities(instellingen)} - await consumer.topics():
        raise ReferentieFout(f"missing topics: {', '.join(sorted(ontbreekt))}; 'berichtenstroom topics' makes them")


async def lees(
    consumer: AIOKafkaConsumer, codec: Codec, instellingen: Instellingen
) -> tuple[Referentie, dict[TopicPartition, int]]:
    """The state, and up to where it was read. Raises ReferentieFout, KafkaError."""
    partities = _partities(instellingen)
    referentie, eind = Referentie(), await consumer.end_offsets(partities)
    duister: Duister = {}
    while any([await consumer.position(tp) < eind[tp] for tp in partities]):
        for records in (await consumer.getmany(timeout_ms=200)).values():
            _pas_toe(referentie, duister, codec, instellingen, records)
    if duister:
        raise ReferentieDuister(_duisternis(duister))
    return referentie, eind


_GETOOND = 3
"""Things that a text names."""
Duister = dict[tuple[str, bytes], str]
"""Things whose state is not known, since their last record cannot be read: by kind and key, where and why, and how a
person settles it."""


def _duisternis(duister: Duister) -> str:
    eerste = "; ".join(list(duister.values())[:_GETOOND])
    meer = f"; and {len(duister) - _GETOOND} more" if len(duister) > _GETOOND else ""
    return f"the reference data cannot be known: {eerste}{meer}"


def _hoe_te_beslechten(soort: str, record: ConsumerRecord) -> str:
    """The command, and what a person can say with it."""
    opdracht = (
        f"berichtenstroom dlq herstel --topic {record.topic} --partitie {record.partition} --offset {record.offset}"
    )
    if soort in WIE_MAG_LEZEN:
        return f"settle it with: {opdracht} --verwijder (removes this {soort}; then make it anew)"
    return (
        f"settle it with: {opdracht} and either --zet-terug (what stood there before counts) or --verwijder "
        f"(removes this {soort}); without them it says what stood there"
    )


def _pas_toe(
    referentie: Referentie,
    duister: Duister,
    codec: Codec,
    instellingen: Instellingen,
    records: Iterable[ConsumerRecord],
) -> None:
    """Half of the data is worse than none: what cannot be read makes its key dark, until a later record of that key."""
    gegevens: list[Gegeven] = []
    for record in records:
        soort = record.topic.removeprefix(instellingen.topic_prefix)
        sleutel = record.key or b""
        duister.pop((soort, sleutel), None)
        if record.value is None:
            referentie.zet(gegevens)
            gegevens.clear()
            referentie.verwijder(_KLASSEN[soort], sleutel.decode(errors="replace"))
            continue
        try:
            gegevens.append(lees_gegeven(codec, soort, record.key, record.value))
        except Onleesbaar as fout:
            plaats = f"{record.topic}[{record.partition}] offset {record.offset}"
            duister[soort, sleutel] = f"{plaats}: {fout}; {_hoe_te_beslechten(soort, record)}"
    referentie.zet(gegevens)
