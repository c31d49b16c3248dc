"""Changing the reference data. Why a change that has returned counts everywhere: see `streams.referentie`.

One writer at a time, by Kafka's own fence: opening the producer makes every earlier one fail, and ends what it had
under way. So nobody else can change the state that is read after that before this writer has committed.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalOperation, KafkaError, ProducerFenced
from confluent_kafka import ConsumerGroupState, IsolationLevel, KafkaException
from confluent_kafka import TopicPartition as GroepPartitie
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from avro.codec import SOORTEN, Codec, soort_van
from domain.referentie import Gegeven, Herkomst, Referentie
from domain.wijzigingen import Wijzigingen
from streams import verbinding
from streams.fence import eerste_vanaf, maak_af
from streams.referentie import ReferentieFout, admin_client, lees, lezer, verwijder_groepen
from streams.settings import Instellingen

log = logging.getLogger(__name__)

TRANSACTIE_MS = 60_000
"""After this the broker ends a transaction whose writer is gone; the next writer ends it at once."""

ANDERE_ONDERWEG = "another change of the reference data is under way: try again"

OP_REFERENTIE = ("validatie", "notificatie")
"""The topics whose records are decided by the reference data, in transactions."""

_ZONDER_LID = (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD)


class Verdrongen(ReferentieFout):
    """Another change was begun while this one was being made: nothing of this one is written, do it again."""


class NietOveral(ReferentieFout):
    """The change is made, but some running processes have not applied it in time."""


class ReferentieSchrijver:
    """Changes the reference data: one change at a time over all processes, each of them whole or not at all."""

    def __init__(
        self,
        instellingen: Instellingen,
        codec: Codec,
        wachttijd_s: float = 60.0,
        klok: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """`wachttijd_s`: seconds that reading, writing and applying may each take; `klok`: now, in milliseconds."""
        self._instellingen = instellingen
        self._codec = codec
        self._wachttijd_s = wachttijd_s
        self._klok = klok
        self._beurt = asyncio.Lock()

    async def wijzig(
        self,
        functie: Callable[[Referentie], Wijzigingen],
        vooraf: Callable[[Wijzigingen], Awaitable[None]] | None = None,
        *,
        door: str,
    ) -> Wijzigingen:
        """Writes what `functie` makes of the state, and returns it when all running processes apply it.

        All that is written carries who changed it (`door`) and when. `vooraf` is awaited when all is checked and
        nothing is written yet. What these two raise leaves as it is, with nothing written. Raises Verdrongen,
        NietOveral (it is written), and ReferentieFout.
        """
        async with self._beurt:
            try:
                return await self._wijzig(functie, vooraf, door)
            except (KafkaError, IllegalOperation) as fout:
                raise ReferentieFout(f"Kafka did not take the change ({type(fout).__name__})") from fout

    async def _wijzig(
        self,
        functie: Callable[[Referentie], Wijzigingen],
        vooraf: Callable[[Wijzigingen], Awaitable[None]] | None,
        door: str,
    ) -> Wijzigingen:
        producer = self._producer()
        try:
            async with lezer(self._instellingen) as consumer:
                async with self._op_tijd("Kafka does not let the reference data be read"):
                    await producer.start()  # from here on an earlier writer can write nothing more
                    await maak_af(producer, self._partities())
                    referentie, eind = await lees(consumer, self._codec, self._instellingen)
                wijzigingen = _met_herkomst(functie(referentie), Herkomst(self._klok(), door))
                if vooraf is not None:
                    await vooraf(wijzigingen)
                if wijzigingen.lijst:
                    async with self._op_tijd("Kafka does not answer; do it again to see whether the change was made"):
                        geschreven = await self._schrijf(producer, wijzigingen.gegevens)
                        await self._leg_vast(producer, geschreven)
                        while any(eind[tp] < offset for tp, offset in geschreven.items()):
                            eind = await consumer.end_offsets(list(eind))  # a commit can be read a little later
        finally:
            await _sluit(producer)
        await self._wacht_op_volgers({tp.topic: offset for tp, offset in eind.items()})
        return wijzigingen

    async def _schrijf(self, producer: AIOKafkaProducer, gegevens: Iterable[Gegeven]) -> dict[TopicPartition, int]:
        """Sends them in a transaction that is left open; returns how far it goes."""
        beloften: list[asyncio.Future[Any]] = []
        try:
            await producer.begin_transaction()
            try:
                for gegeven in gegevens:
                    topic = self._instellingen.topic(soort_van(gegeven))
                    waarde = self._codec.schrijf_gegeven(gegeven)
                    beloften.append(await producer.send(topic, waarde, gegeven.sleutel.encode(), partition=0))
            except IllegalOperation:  # the producer has failed under way; what was sent tells why
                await asyncio.gather(*beloften)
                raise
            # Before the commit: that would go through with what is there, also when one record was refused.
            verstuurd = await asyncio.gather(*beloften)
        except ProducerFenced as fout:
            raise Verdrongen(ANDERE_ONDERWEG) from fout
        geschreven: dict[TopicPartition, int] = {}
        for record in verstuurd:
            tp = record.topic_partition
            geschreven[tp] = max(geschreven.get(tp, 0), record.offset + 1)
        return geschreven

    async def _leg_vast(self, producer: AIOKafkaProducer, geschreven: Mapping[TopicPartition, int]) -> None:
        """Commits. An error does not tell whether that was done: opening a producer anew ends it, and reading tells."""
        try:
            await producer.commit_transaction()
        except (KafkaError, IllegalOperation, AssertionError) as fout:  # the last two: a state that it cannot leave
            log.info("the commit of a change is looked up: %s", type(fout).__name__)
            opnieuw = self._producer()
            try:
                await opnieuw.start()
                await maak_af(opnieuw, self._partities())
            finally:
                await _sluit(opnieuw)
            (topic, partitie), eind = next(iter(geschreven.items()))
            if await eerste_vanaf(self._instellingen, topic, partitie, eind - 1) != eind - 1:
                raise Verdrongen(ANDERE_ONDERWEG) from fout

    def _partities(self) -> list[TopicPartition]:
        return [TopicPartition(self._instellingen.topic(soort), 0) for soort in SOORTEN]

    def _producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **verbinding.aiokafka(self._instellingen),
            transactional_id=self._instellingen.groep("referentie"),
            transaction_timeout_ms=TRANSACTIE_MS,
            acks="all",
        )

    async def _wacht_op_volgers(self, eind: Mapping[str, int]) -> None:
        admin = admin_client(self._instellingen)
        achter: list[str] = []
        try:
            async with asyncio.timeout(self._wachttijd_s):
                while True:
                    achter, gestopt = await asyncio.to_thread(self._volgers, admin, eind)
                    if not achter:
                        break
                    await asyncio.sleep(0.05)
                geschreven: dict[GroepPartitie, int] = {}
                while True:
                    geschreven, achter = await asyncio.to_thread(self._onbesloten, admin, geschreven)
                    if not achter:
                        break
                    await asyncio.sleep(0.02)
        except TimeoutError:
            wie = ", ".join(achter) or "the groups cannot be listed"
            raise NietOveral(f"the change is made, but not yet applied by all running processes: {wie}") from None
        await asyncio.to_thread(verwijder_groepen, admin, gestopt)

    def _volgers(self, admin: AdminClient, eind: Mapping[str, int]) -> tuple[list[str], list[str]]:
        """The groups of running processes that have not applied all up to `eind`, and those without a process."""
        voorvoegsel = f"{self._instellingen.groep('referentie')}-"
        try:
            antwoord = admin.list_consumer_groups(request_timeout=self._wachttijd_s).result()
            if antwoord.errors:  # they look like exceptions, and are none
                raise KafkaException(antwoord.errors[0])
            groepen = [groep for groep in antwoord.valid if groep.group_id.startswith(voorvoegsel)]
            gestopt = [groep.group_id for groep in groepen if groep.state in _ZONDER_LID]
            achter = [
                groep.group_id
                for groep in groepen
                if groep.group_id not in gestopt
                and not _is_bij(self._instellingen, groep.group_id, eind, self._wachttijd_s)
            ]
        except (KafkaException, verbinding.VerbindingFout) as fout:
            log.warning("the consumer groups cannot be listed: %s", fout)
            return ["the groups cannot be listed"], []
        return achter, gestopt

    def _onbesloten(
        self, admin: AdminClient, geschreven: Mapping[GroepPartitie, int]
    ) -> tuple[dict[GroepPartitie, int], list[str]]:
        """How far records were written when this was first asked, and the partitions with a transaction that is still
        open among them: whoever stood still since may commit what it decided before the change."""
        try:
            einden = dict(geschreven) or self._einden(admin, IsolationLevel.READ_UNCOMMITTED)
            vast = self._einden(admin, IsolationLevel.READ_COMMITTED)
        except KafkaException as fout:
            log.warning("the ends of the topics cannot be listed: %s", fout.args[0].str())
            return dict(geschreven), ["the ends of the topics cannot be listed"]
        return einden, [f"a transaction on {tp.topic}[{tp.partition}]" for tp in einden if vast.get(tp, 0) < einden[tp]]

    def _einden(self, admin: AdminClient, niveau: IsolationLevel) -> dict[GroepPartitie, int]:
        gevonden = admin.list_topics(timeout=self._wachttijd_s).topics
        eind = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        vragen = {
            GroepPartitie(naam, partitie): eind
            for naam in map(self._instellingen.topic, OP_REFERENTIE)
            if naam in gevonden
            for partitie in gevonden[naam].partitions
        }
        beloften = admin.list_offsets(vragen, isolation_level=niveau, request_timeout=self._wachttijd_s)
        return {tp: belofte.result().offset for tp, belofte in beloften.items()}

    @asynccontextmanager
    async def _op_tijd(self, anders: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._wachttijd_s):
                yield
        except TimeoutError:
            raise ReferentieFout(f"{anders} (waited {self._wachttijd_s:g} s)") from None


def _met_herkomst(wijzigingen: Wijzigingen, herkomst: Herkomst) -> Wijzigingen:
    return replace(
        wijzigingen,
        lijst=[replace(een, gegeven=replace(een.gegeven, herkomst=herkomst)) for een in wijzigingen.lijst],
    )


def _is_bij(instellingen: Instellingen, groep: str, eind: Mapping[str, int], timeout_s: float) -> bool:
    gedaan = verbinding.vastgelegd(instellingen, groep, [(topic, 0) for topic in eind], timeout_s)
    return all(gedaan.get((topic, 0), -1) >= offset for topic, offset in eind.items())


async def _sluit(producer: AIOKafkaProducer) -> None:
    try:
        await asyncio.wait_for(producer.stop(), 10)
    except (KafkaError, TimeoutError) as fout:
        log.info("closing the producer of the reference data: %s", type(fout).__name__)
