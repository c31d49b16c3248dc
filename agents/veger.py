"""What sweeps share: who is assigned a partition of a topic owns it, and looks again and again for what to write there.

A sweep reads nothing from the topic but the end of what it owns. What fails is tried again from the start, with every
partition opened anew: only that tells what was written.
"""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from sinks.database import DatabaseWeg
from sinks.stroomvragen import Stroomvragen
from streams import verbinding
from streams.fence import KAFKA_WEG, EigenPartitie, Ingetrokken, Onteigend, Record
from streams.hartslag import hoort_bij, slag
from streams.settings import Instellingen

log = logging.getLogger(__name__)

_LANGSTE_PAUZE_S = 10.0
_STAP_S = 0.5
"""A pause is cut in steps, so that who must end does so soon."""

_MELD_NA_S = 60.0
"""How long a work list is not tidied up before that is told, and told again."""


def vergeet_na(duur_s: float) -> float:
    """Seconds until the work list is cleared again, when that took so many: it may take a tenth of our time."""
    return max(5.0, 9 * duur_s)


class _Toewijzing(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, veger: "Veger", consumer: AIOKafkaConsumer) -> None:
        self._veger = veger
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        # The loop closes what is lost: to close a producer under a write that goes on would leave that write hanging.
        self._veger.toegewezen = set()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        # It is a member for the sake of its assignment: what is in the topic is for others.
        self._consumer.pause(*assigned)
        self._veger.toegewezen = {tp.partition for tp in assigned}


class Veger(ABC):
    """The sweep of one worker over one topic."""

    def __init__(self, instellingen: Instellingen, onderwerp: str, vragen: Stroomvragen, topic_id: str) -> None:
        self._instellingen = instellingen
        self._onderwerp = onderwerp
        self._stroomvragen = vragen
        self._topic_id = topic_id
        self._vergeet_vanaf = float("-inf")
        self._vergeet_sinds: float | None = None
        self.eigen: dict[int, EigenPartitie] = {}
        """The partitions that we own."""
        self.toegewezen: set[int] = set()
        self.te_vergeten = True
        """Whether the work list may hold what is done."""
        self.rondt_af = False
        """Whether `loop` is to end: a long sweep stops at the next transaction."""

    @abstractmethod
    async def veeg(self, voortgang: Mapping[int, int]) -> bool:
        """Looks once, and writes what there is to write in `eigen`. True: there is more, look again at once.

        `voortgang` is the progress in ClickHouse, by partition, as it was before the look.
        """

    @abstractmethod
    async def geopend(self, partitie: int, records: Sequence[Record]) -> None:
        """Takes in what stands in a partition after the progress; nobody else adds to it from here on."""

    @abstractmethod
    def vergeet(self) -> bool:
        """Takes what is done from the work list; runs in a thread. False: not now, or not wholly, so again later."""

    async def kijk(self) -> None:  # noqa: B027 (not every sweep has something to tell)
        """What can be told of `toegewezen` without owning it. Called for each sweep, also while Kafka is away."""

    async def begin(self, partitie: int, voortgang: int) -> int:
        """From where on a partition is read when it is opened."""
        return voortgang

    def rond_af(self) -> None:
        """Lets `loop` end when what it is writing is durable."""
        self.rondt_af = True

    async def loop(self) -> None:
        """Runs until `rond_af` or cancelled, and leaves its group. Raises LogVerdwenen, and what no retry mends."""
        hoort_bij(self._onderwerp)
        consumer = AIOKafkaConsumer(
            **verbinding.aiokafka(self._instellingen),
            group_id=self._instellingen.groep(self._onderwerp),
            enable_auto_commit=False,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=3_000,
            max_poll_interval_ms=24 * 3600 * 1000,
            auto_offset_reset="latest",
        )
        consumer.subscribe([self._instellingen.topic(self._onderwerp)], listener=_Toewijzing(self, consumer))
        await consumer.start()
        mislukt = 0
        try:
            while not self.rondt_af:
                slag()
                pauze_s = self._instellingen.sweep_s
                try:
                    if await self.ronde():
                        pauze_s = 0
                    mislukt = 0
                except (DatabaseWeg, Onteigend, Ingetrokken, *KAFKA_WEG) as fout:
                    log.warning(
                        "the sweep for %s cannot go on now, trying again: %s", self._onderwerp, type(fout).__name__
                    )
                    await self.laat_los()
                    pauze_s = min(pauze_s * 2**mislukt, _LANGSTE_PAUZE_S)
                    mislukt = min(mislukt + 1, 10)
                verder_op = time.monotonic() + pauze_s
                while not self.rondt_af and (over_s := verder_op - time.monotonic()) > 0:
                    slag()
                    await consumer.getmany(timeout_ms=int(min(over_s, _STAP_S) * 1000))
        finally:
            await self.laat_los()
            await consumer.stop()

    async def laat_los(self) -> None:
        """Lets go of every partition; it is fenced anew before it is written again."""
        eigen, self.eigen = self.eigen, {}
        for partitie in eigen.values():
            await partitie.close()

    async def ronde(self) -> bool:
        """One sweep. True: there is more to do at once."""
        for partitie in self.eigen.keys() - self.toegewezen:
            await self.eigen.pop(partitie).close()
        if self.toegewezen and self.te_vergeten and time.monotonic() >= self._vergeet_vanaf:
            await self._vergeet()
        await self.kijk()
        if not self.toegewezen:
            return False
        # In this order: the progress, then own, then look.
        voortgang = await asyncio.to_thread(self._stroomvragen.voortgang, self._topic_id)
        for partitie in self.toegewezen - self.eigen.keys():
            await self._open(partitie, voortgang.get(partitie, 0))
        return await self.veeg(voortgang)

    async def _vergeet(self) -> None:
        """Tidies up; what cannot be tidied now is left for later, and nothing waits for it."""
        begin = time.monotonic()
        try:
            self.te_vergeten = not await asyncio.to_thread(self.vergeet)
            self._vergeet_sinds = (self._vergeet_sinds or begin) if self.te_vergeten else None
            if self._vergeet_sinds is not None and begin - self._vergeet_sinds >= _MELD_NA_S:
                log.warning(
                    "the work list of %s is tidied up later: ClickHouse does not finish it, system.mutations tells why",
                    self._onderwerp,
                )
                self._vergeet_sinds = begin
        except DatabaseWeg as fout:
            log.warning("the work list of %s is tidied up later: %s", self._onderwerp, fout)
        klaar = time.monotonic()
        self._vergeet_vanaf = klaar + vergeet_na(klaar - begin)

    async def _open(self, partitie: int, voortgang: int) -> None:
        eigen = EigenPartitie(self._instellingen, self._onderwerp, partitie)
        try:
            await self.geopend(partitie, await eigen.open(await self.begin(partitie, voortgang)))
        except BaseException:
            await eigen.close()
            raise
        self.eigen[partitie] = eigen
