"""What was set aside is offered again, by reading it from its origin. Doing it once more changes nothing.

A copy at the end of its own partition is right where a replay is harmless (`batch`, `bericht`) or where nobody else
writes it again (`logboek`). What is decided, or written by a sweep, comes anew by itself, and a copy of an old decision
could contradict one that was made since: that is refused. What became of a thing of the reference data that went dark
is for a person to say, since what cannot be read may have taken something away; it is done under the fence of who
changes reference data.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from itertools import groupby
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import ProducerFenced

from avro.codec import SOORTEN, Codec, Onleesbaar
from avro.gegevens import als_json
from streams import verbinding
from streams.dlq import Onbruikbaar, lees_dlq, vermelding
from streams.fence import Record, doorloop, lees_op, maak_af, sluit_af
from streams.inhoud import lees_gegeven, lees_slice
from streams.producer import maak_producer
from streams.referentie import WIE_MAG_LEZEN
from streams.referentieschrijver import ANDERE_ONDERWEG
from streams.settings import MAX_RECORD_BYTES, Instellingen

_PER_KEER = 8
"""Records that are in memory together; each can be 24 MiB."""

_VANZELF = {
    "validatie": "its messages have no decision, so the auditor offers them and they are decided",
    "wacht": "its messages have no decision, so the auditor offers them and they are decided",
    "resultaat": "the sweep writes the result of a run that has none",
    "notificatie": "the sweep writes the notification of a message that has none",
}
"""Why these are not offered again."""


class Besluit(StrEnum):
    """What a person says that became of a thing of the reference data that went dark."""

    ZET_TERUG = "--zet-terug"
    """It is as it was before."""
    VERWIJDER = "--verwijder"
    """It is gone, or was never ours."""


class Uitslag(StrEnum):
    """What became of an offer."""

    AANGEBODEN = "aangeboden"
    """A copy stands at the end of its partition, or a state of the reference data was put back."""
    AL_AANGEBODEN = "al aangeboden"
    ONLEESBAAR = "onleesbaar"
    """This version cannot read it either."""
    VERDWENEN = "verdwenen"
    """Its origin no longer holds it."""
    GEWEIGERD = "geweigerd"
    GEEN_DEAD_LETTER = "geen dead letter"
    """It was named by hand, was never set aside, and its topic holds nothing there."""


@dataclass(frozen=True, slots=True)
class Aanbod:
    """What became of the offer of one record."""

    wat: Onbruikbaar
    uitslag: Uitslag
    uitleg: str


async def herstel(
    instellingen: Instellingen, codec: Codec, gekozen: Iterable[Onbruikbaar], besluit: Besluit | None = None
) -> AsyncIterator[Aanbod]:
    """Offers these again, one by one. Without `besluit` a thing of the reference data stays as it is.

    Raises KafkaError.
    """
    async with AsyncExitStack() as stapel:
        producer = await _gestart(stapel, maak_producer(instellingen))
        # Whoever opened this one last may go on: two at once would offer the same twice.
        alleen = await _gestart(stapel, _transactioneel(instellingen, "herstel"))
        # As they are, not as set here: a terminal need not have the settings of the line.
        cluster = await alleen.client.fetch_all_metadata()
        mee = [instellingen.topic("dlq"), instellingen.topic("logboek")]
        await sluit_af(
            alleen, [TopicPartition(topic, p) for topic in mee for p in cluster.partitions_for_topic(topic) or ()]
        )
        partities = len(cluster.partitions_for_topic(instellingen.topic("bericht")) or ())
        hersteld = {een.plaats: een.hersteld_op for een in await lees_dlq(instellingen, codec)}
        kopieer = partial(_kopieer, instellingen, codec)
        op_plaats = sorted(gekozen, key=lambda een: een.plaats)
        for (topic, partitie), groep in groupby(op_plaats, lambda een: een.plaats[:2]):
            onderwerp = topic.removeprefix(instellingen.topic_prefix)
            plaatsen = [replace(een, hersteld_op=hersteld.get(een.plaats, 0)) for een in groep]
            if onderwerp in SOORTEN:
                for een in plaatsen:
                    aanbod = await _beslecht(instellingen, codec, onderwerp, een, besluit)
                    if aanbod.uitslag is Uitslag.VERDWENEN and een.plaats not in hersteld:
                        uitleg = "not a dead letter: nothing stands there, and nothing was set aside from there"
                        aanbod = Aanbod(een, Uitslag.GEEN_DEAD_LETTER, uitleg)
                    yield aanbod
            elif onderwerp in ("batch", "bericht", "logboek"):
                lees = _lezer(codec, onderwerp, partitie, partities)
                schrijf = _in_een if onderwerp == "logboek" else _na_elkaar
                door = alleen if onderwerp == "logboek" else producer
                for begin in range(0, len(plaatsen), _PER_KEER):
                    deel = plaatsen[begin : begin + _PER_KEER]
                    records = await lees_op(instellingen, topic, partitie, [een.offset for een in deel])
                    for een in deel:
                        yield await kopieer(een, records.get(een.offset), lees, partial(schrijf, door))
            else:
                waarom = _VANZELF.get(onderwerp, "not a topic of this line")
                for een in plaatsen:
                    yield Aanbod(een, Uitslag.GEWEIGERD, waarom)


async def _gestart(stapel: AsyncExitStack, producer: AIOKafkaProducer) -> AIOKafkaProducer:
    await producer.start()
    stapel.push_async_callback(producer.stop)
    return producer


def _transactioneel(instellingen: Instellingen, naam: str) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        **verbinding.aiokafka(instellingen),
        transactional_id=instellingen.groep(naam),
        acks="all",
        max_request_size=MAX_RECORD_BYTES,
    )


def _lezer(codec: Codec, onderwerp: str, partitie: int, partities: int) -> Callable[[bytes | None], object]:
    """Reads a value as who reads this partition, of so many, does."""
    if onderwerp == "batch":
        return codec.lees_batch
    if onderwerp == "bericht":
        return lambda inhoud: lees_slice(codec, inhoud, partitie, partities)
    return codec.lees_logboek


async def _kopieer(
    instellingen: Instellingen,
    codec: Codec,
    wat: Onbruikbaar,
    record: Record | None,
    lees: Callable[[bytes | None], object],
    schrijf: Callable[[Onbruikbaar, Record, str, bytes], Awaitable[int]],
) -> Aanbod:
    if wat.hersteld_op:
        return Aanbod(wat, Uitslag.AL_AANGEBODEN, "a copy stands at the end of its partition since then")
    if record is None:
        return Aanbod(wat, Uitslag.VERDWENEN, "its topic no longer holds it: it must be delivered anew")
    try:
        lees(record.waarde)
    except Onleesbaar as fout:
        return Aanbod(wat, Uitslag.ONLEESBAAR, str(fout))
    kopie = await schrijf(wat, record, instellingen.topic("dlq"), _hersteld(codec, wat))
    return Aanbod(wat, Uitslag.AANGEBODEN, f"a copy stands at offset {kopie}")


async def _na_elkaar(producer: AIOKafkaProducer, wat: Onbruikbaar, record: Record, dlq: str, hersteld: bytes) -> int:
    """The copy before its entry: after a death between the two comes a second copy, and a replay is harmless."""
    kopie = await producer.send_and_wait(wat.topic, record.waarde, record.key, partition=wat.partitie)
    await producer.send_and_wait(dlq, hersteld)
    return int(kopie.offset)


async def _in_een(producer: AIOKafkaProducer, wat: Onbruikbaar, record: Record, dlq: str, hersteld: bytes) -> int:
    """Both or none: a second copy of a record of `logboek` would be a second line."""
    async with producer.transaction():
        kopie = await producer.send_and_wait(wat.topic, record.waarde, record.key, partition=wat.partitie)
        await producer.send_and_wait(dlq, hersteld)
    return int(kopie.offset)


def _hersteld(codec: Codec, wat: Onbruikbaar) -> bytes:
    return codec.schrijf("dlq", vermelding(*wat.plaats, wat.reden, hersteld=True))


@dataclass(slots=True)
class _Verleden:
    """What a topic of reference data holds of the key of one record."""

    record: Record | None = None
    eerder: Record | None = None
    """The last state before it that can be read, a removal too."""
    later: Record | None = None
    """The last one after it."""


async def _beslecht(
    instellingen: Instellingen, codec: Codec, soort: str, wat: Onbruikbaar, besluit: Besluit | None
) -> Aanbod:
    producer = _transactioneel(instellingen, "referentie")
    await producer.start()  # from here on nobody else changes the reference data
    try:
        await maak_af(producer, [TopicPartition(instellingen.topic(een), 0) for een in (*SOORTEN, "dlq")])
        verleden = await _verleden(instellingen, codec, soort, wat)
        record, later = verleden.record, verleden.later
        if record is None:
            return Aanbod(wat, Uitslag.VERDWENEN, "its topic no longer holds it, and nobody waits for it")
        if _is_leesbaar(codec, soort, record):
            return Aanbod(wat, Uitslag.GEWEIGERD, "this version reads it where it stands: nothing has to be put back")
        if later is not None:
            is_goed = _is_leesbaar(codec, soort, later)
            waarom = "took its place" if is_goed else "is unreadable as well: put back what stood before that one"
            return Aanbod(wat, Uitslag.GEWEIGERD, f"the record at offset {later.offset} has the same key and {waarom}")
        eerder = None if soort in WIE_MAG_LEZEN else verleden.eerder
        if besluit is None or (besluit is Besluit.ZET_TERUG and eerder is None):
            return Aanbod(wat, Uitslag.GEWEIGERD, _keuze(codec, soort, eerder))
        if besluit is Besluit.VERWIJDER:
            eerder = None
        waarde = None if eerder is None else eerder.waarde
        async with producer.transaction():
            kopie = await producer.send_and_wait(wat.topic, waarde, record.key, partition=wat.partitie)
            await producer.send_and_wait(instellingen.topic("dlq"), _hersteld(codec, wat))
        gelezen: dict[int, Record] = {}
        while not gelezen:  # a commit can be read a little later
            gelezen = await lees_op(instellingen, wat.topic, wat.partitie, [kopie.offset])
    except ProducerFenced:
        return Aanbod(wat, Uitslag.GEWEIGERD, ANDERE_ONDERWEG)
    finally:
        await producer.stop()
    gedaan = "removed" if eerder is None else f"what stood at offset {eerder.offset} was put back"
    return Aanbod(wat, Uitslag.AANGEBODEN, gedaan)


def _keuze(codec: Codec, soort: str, eerder: Record | None) -> str:
    """What a person can say became of it."""
    if soort in WIE_MAG_LEZEN:
        return f"it may have ended who may read: {Besluit.VERWIJDER} removes this {soort}; then make it anew"
    if eerder is None:
        return (
            f"its topic holds no earlier state of this key: {Besluit.VERWIJDER} removes the thing, if you are sure "
            "that it is none of yours"
        )
    stond = "it was removed" if eerder.waarde is None else als_json(codec.lees_gegeven(soort, eerder.waarde))
    return (
        f"it may have taken something away: {Besluit.ZET_TERUG} puts back what stood at offset {eerder.offset}, "
        f"{Besluit.VERWIJDER} removes this {soort}. There stood: {stond}"
    )


async def _verleden(instellingen: Instellingen, codec: Codec, soort: str, wat: Onbruikbaar) -> _Verleden:
    per_sleutel: dict[bytes | None, Record] = {}
    verleden = _Verleden()
    async for een in doorloop(instellingen, wat.topic, wat.partitie, None):
        if een.offset < wat.offset and _is_leesbaar(codec, soort, een):
            per_sleutel[een.key] = een
        elif een.offset == wat.offset:
            verleden.record, verleden.eerder = een, per_sleutel.get(een.key)
        elif verleden.record is not None and een.key == verleden.record.key:
            verleden.later = een
    return verleden


def _is_leesbaar(codec: Codec, soort: str, record: Record) -> bool:
    """Whether it tells what its thing is, or that it is gone."""
    if record.waarde is None:
        return True
    try:
        lees_gegeven(codec, soort, record.key, record.waarde)
    except Onleesbaar:
        return False
    return True


def als_rij(aanbod: Aanbod) -> dict[str, Any]:
    """For machines, and for tables."""
    topic, partitie, offset = aanbod.wat.plaats
    return {
        "topic": topic,
        "partitie": partitie,
        "offset": offset,
        "uitslag": str(aanbod.uitslag),
        "uitleg": aanbod.uitleg,
    }
