"""Where records go that can never be read: an entry says where the record stands and why, never what it holds.

Each topic has one reader that sets aside (`Terzijde.zet`); its other readers pass such a record over and count it with
us (`Terzijde.sla_over`). What was set aside before is read back from `dlq` itself: so a replay adds nothing, and a
process that was started again goes on counting where the former one stopped the line.
"""

import asyncio
import logging
import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

from aiokafka import AIOKafkaProducer

from avro.codec import Codec, Onleesbaar
from streams import metrics
from streams.fence import LogVerdwenen, doorloop
from streams.settings import DLQ_ONTHOUD, Instellingen

log = logging.getLogger(__name__)

VENSTER = 1000
"""Over how many records of a partition the share of unreadable ones is taken."""
_VERVERS_S = 1.0
"""Seconds between two looks at what others set aside."""

Plek = tuple[str, int]
"""A topic (with prefix) and a partition."""


class TeVeelOnleesbaar(Exception):
    """So many unreadable records that it is this program that is broken, not they. A new start does not help."""


@dataclass(slots=True)
class Reeks:
    """The unreadable records of one partition, as far as needed to say that there are too many. Pure."""

    offsets: list[int] = field(default_factory=list)
    """Ascending; the highest ones."""
    goed: int = -1
    """The last record that this process could read."""

    def __contains__(self, offset: int) -> bool:
        plaats = bisect_left(self.offsets, offset)
        return plaats < len(self.offsets) and self.offsets[plaats] == offset

    def voeg_toe(self, offset: int) -> None:
        """An unreadable record stands there."""
        if offset not in self:
            insort(self.offsets, offset)
            del self.offsets[:-DLQ_ONTHOUD]

    def op_rij(self, offset: int) -> int:
        """How many unreadable ones came before this record with no readable one between.

        After a new start nobody knows what was readable before: then those whose offsets join.
        """
        plaats = bisect_left(self.offsets, offset)
        if 0 <= self.goed < offset:
            return plaats - bisect_right(self.offsets, self.goed)
        aantal = 0
        while aantal < plaats and self.offsets[plaats - aantal - 1] == offset - aantal - 1:
            aantal += 1
        return aantal

    def in_venster(self, offset: int) -> int:
        """How many of the window of records that ends before this one are unreadable."""
        return bisect_left(self.offsets, offset) - bisect_right(self.offsets, offset - VENSTER)


class Terzijde:
    """Sets unreadable records aside, and stops the line when there are too many. One for each reader.

    Every method but `leesbaar` raises KafkaError when Kafka does not take or give what stands in `dlq`.
    """

    def __init__(self, instellingen: Instellingen, codec: Codec, producer: AIOKafkaProducer) -> None:
        self._instellingen = instellingen
        self._codec = codec
        self._producer = producer
        self._reeksen: dict[Plek, Reeks] = {}
        self._gelezen_tot: int | None = None
        self._weer_op = 0.0
        self._kijkt = asyncio.Lock()
        self._onderweg: list[asyncio.Future[Any]] = []

    def leesbaar(self, topic: str, partitie: int, offset: int) -> None:
        """This record was read: the row of unreadable ones ends."""
        self._reeks(topic, partitie).goed = offset

    async def zet(self, topic: str, partitie: int, offset: int, reden: str) -> None:
        """Sets this record aside, unless it was before. It is durable when `duurzaam` returns; commit nothing before.

        Raises TeVeelOnleesbaar, with all that came before durable and this one not set aside.
        """
        if await self._is_nieuw(topic, partitie, offset, reden):
            log.warning("set aside %s[%d]@%d: %s", topic, partitie, offset, reden)
            metrics.TERZIJDE.labels(topic.removeprefix(self._instellingen.topic_prefix)).inc()
            waarde = self._codec.schrijf("dlq", vermelding(topic, partitie, offset, reden))
            try:
                self._onderweg.append(await self._producer.send(self._instellingen.topic("dlq"), waarde))
            except BaseException:
                self._vergeet()
                raise

    async def sla_over(self, topic: str, partitie: int, offset: int, reden: str) -> None:
        """Passes this record over: another reader sets it aside. Raises TeVeelOnleesbaar."""
        if await self._is_nieuw(topic, partitie, offset, reden):
            log.warning("passed over %s[%d]@%d: %s", topic, partitie, offset, reden)

    async def duurzaam(self) -> None:
        """Returns when all that was set aside stands in `dlq`."""
        onderweg, self._onderweg = self._onderweg, []
        uitslagen = await asyncio.gather(*onderweg, return_exceptions=True)
        for uitslag in uitslagen:
            if isinstance(uitslag, BaseException):
                self._vergeet()
                raise uitslag

    def _vergeet(self) -> None:
        """What is not there must not be taken for set aside when the record comes again."""
        self._reeksen, self._gelezen_tot, self._weer_op = {}, None, 0.0

    async def _is_nieuw(self, topic: str, partitie: int, offset: int, reden: str) -> bool:
        await self._ververs()
        reeks = self._reeks(topic, partitie)
        if offset in reeks:
            return False
        if teveel := self._te_veel(reeks, offset):
            await self.duurzaam()
            raise TeVeelOnleesbaar(
                f"{teveel}, the last at {topic}[{partitie}]@{offset}: {reden}. Check that this version knows the "
                "schemas of what was written; 'berichtenstroom dlq toon' lists what was set aside. Starting again "
                "passes over no more of them: a version that reads them does, or a higher limit."
            )
        reeks.voeg_toe(offset)
        return True

    def _te_veel(self, reeks: Reeks, offset: int) -> str | None:
        op_rij, in_venster = reeks.op_rij(offset), reeks.in_venster(offset) + 1
        if op_rij >= self._instellingen.dlq_max_op_rij:
            return f"{op_rij + 1} unreadable records in a row (BERICHTENSTROOM_DLQ_MAX_OP_RIJ sets the limit)"
        if in_venster > self._instellingen.dlq_max_aandeel * VENSTER:
            wat = f"{in_venster} of the last {VENSTER} records unreadable"
            return f"{wat} (BERICHTENSTROOM_DLQ_MAX_AANDEEL sets the limit)"
        return None

    def _reeks(self, topic: str, partitie: int) -> Reeks:
        return self._reeksen.setdefault((topic, partitie), Reeks())

    async def _ververs(self) -> None:
        """Reads what was set aside since the last look, by us or by others, before this process was there too."""
        async with self._kijkt:
            if time.monotonic() < self._weer_op:
                return
            try:
                await self._lees_verder()
            except LogVerdwenen:  # retention passed by where we were
                self._gelezen_tot = None
                await self._lees_verder()
            self._weer_op = time.monotonic() + _VERVERS_S

    async def _lees_verder(self) -> None:
        topic = self._instellingen.topic("dlq")
        async for record in doorloop(self._instellingen, topic, 0, self._gelezen_tot):
            self._gelezen_tot = record.offset + 1
            if (gelezen := _lees(self._codec, record.waarde)) is not None:
                self._reeks(gelezen.topic, gelezen.partitie).voeg_toe(gelezen.offset)


@dataclass(frozen=True, slots=True)
class Onbruikbaar:
    """A record that was set aside. Times in milliseconds."""

    topic: str
    partitie: int
    offset: int
    reden: str
    gezien_op: int
    hersteld_op: int = 0
    """When it was last offered again; 0: never."""

    @property
    def plaats(self) -> tuple[str, int, int]:
        """Where it stands."""
        return self.topic, self.partitie, self.offset


def vermelding(topic: str, partitie: int, offset: int, reden: str, *, hersteld: bool = False) -> dict[str, Any]:
    """The value of an entry in `dlq` that is written now."""
    nu = time.time_ns() // 1_000_000
    return {
        "topic": topic,
        "partitie": partitie,
        "offset": offset,
        "reden": reden,
        "gezien_op": nu,
        "hersteld_op": nu if hersteld else 0,
    }


async def lees_dlq(instellingen: Instellingen, codec: Codec) -> list[Onbruikbaar]:
    """Every record that was set aside, once, in the order in which they were. Raises KafkaError."""
    gevonden: dict[tuple[str, int, int], Onbruikbaar] = {}
    async for een in _alle(instellingen, codec):
        eerder = gevonden.setdefault(een.plaats, een)
        gevonden[een.plaats] = replace(eerder, hersteld_op=max(eerder.hersteld_op, een.hersteld_op))
    return list(gevonden.values())


async def _alle(instellingen: Instellingen, codec: Codec) -> AsyncIterator[Onbruikbaar]:
    async for record in doorloop(instellingen, instellingen.topic("dlq"), 0, None):
        if (gelezen := _lees(codec, record.waarde)) is not None:
            yield gelezen


def _lees(codec: Codec, waarde: bytes | None) -> Onbruikbaar | None:
    """None for what is no entry: it has no origin, and there is nowhere to set it aside."""
    try:
        return Onbruikbaar(**codec.lees("dlq", waarde))
    except Onleesbaar as fout:
        log.warning("an entry of dlq cannot be read: %s", fout)
        return None
