"""Notices a part that hangs while there is work for it, says where it hangs, and ends the process.

It lives in a thread of its own, which no blocked event loop stops, and counts its own looks instead of time: while the
whole process stands still (SIGSTOP, a machine that sleeps) it looks as little as the others work.

A part that gives no sign (`streams.hartslag`) is excused while it has nothing to do and while Kafka is away. A look is
not counted while anything that is asked of ClickHouse stays out: that ends by itself, and others may wait for its
thread or lock.
"""

import asyncio
import faulthandler
import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from streams import hartslag, metrics
from streams.referentie import admin_client
from streams.settings import Instellingen
from streams.topics import topics
from streams.verbinding import VerbindingFout, vastgelegd

log = logging.getLogger(__name__)

LUS = "event loop"
EXIT_CODE = 3
"""Of a process that ended itself because a part of it hung."""
KEREN = 20
"""So many looks at a part without a sign mean that it hangs."""
_VRAAG_S = 5.0
_LOPEND = (AsyncGeneratorType, CoroutineType, GeneratorType)

Excuus = Callable[[], bool]
"""Whether a part may be silent now."""


@dataclass(slots=True)
class _Stilte:
    slagen: int = -1
    keren: int = 0


class Waakhond:
    """Watches the parts of one process, each by its name in `hartslag`, with its excuse."""

    def __init__(self, delen: Mapping[str, Excuus], slagen: Callable[[str], int] = hartslag.slagen) -> None:
        self._delen = {LUS: lambda: False, **delen}
        self._slagen = slagen
        self._stiltes = {deel: _Stilte() for deel in self._delen}
        self._onderweg: Collection[object] = frozenset()
        self.verdacht = ""
        """The part that has been silent for half of what is allowed; empty when there is none."""

    def kijk(self) -> str:
        """One look, at regular times. Returns the part that hangs; empty when none does."""
        onderweg = hartslag.onderweg()
        wacht_buiten = not onderweg.isdisjoint(self._onderweg)
        self._onderweg = onderweg
        for deel, mag_stil in self._delen.items():
            stilte, slagen = self._stiltes[deel], self._slagen(deel)
            if slagen != stilte.slagen or (not (wacht_buiten and deel != LUS) and mag_stil()):
                stilte.slagen, stilte.keren = slagen, 0
            elif deel == LUS or not wacht_buiten:
                stilte.keren += 1
            metrics.VASTGELOPEN.labels(deel).set(stilte.keren >= KEREN // 2)
        langst = max(self._stiltes, key=lambda deel: self._stiltes[deel].keren)
        keren = self._stiltes[langst].keren
        verdacht = langst if keren >= KEREN // 2 else ""
        if verdacht and verdacht != self.verdacht:
            log.warning("no sign of %s while there is work for it", verdacht)
        self.verdacht = verdacht
        return langst if keren >= KEREN else ""

    async def waak(self, grens_s: float, lussen: Collection[asyncio.AbstractEventLoop]) -> None:
        """Watches until the process ends: who gives no sign for `grens_s` ends it. Runs on the loop that is watched."""
        hartslag.hoort_bij(LUS)
        tik_s = grens_s / KEREN
        threading.Thread(target=self._waak, args=(tik_s, grens_s, lussen), name="waakhond", daemon=True).start()
        while True:
            hartslag.slag()
            await asyncio.sleep(tik_s / 2)

    def _waak(self, tik_s: float, grens_s: float, lussen: Collection[asyncio.AbstractEventLoop]) -> None:
        mislukt = 0
        while True:
            time.sleep(tik_s)
            try:
                deel, mislukt = self.kijk(), 0
            except Exception:
                log.exception("the watchdog could not look, and looks again")
                mislukt += 1
                deel = "the watchdog itself" if mislukt >= KEREN else ""
            if deel:
                log.error(
                    "%s hangs: no sign for %.0f s while there is work; the process ends, and stood:", deel, grens_s
                )
                try:
                    for lus in lussen:
                        for regels in plaatsen(lus):
                            log.error("%s", regels)
                    faulthandler.dump_traceback(sys.__stderr__ or 2, all_threads=True)
                finally:
                    os._exit(EXIT_CODE)


class Achterstand:
    """What Kafka says about the work there is. For use from one thread."""

    def __init__(self, instellingen: Instellingen) -> None:
        self._instellingen = instellingen
        self._beheer = admin_client(instellingen)

    def kafka_is_weg(self) -> bool:
        """Whether Kafka gives no answer now, or a partition of ours or of its own has nobody who leads it."""
        try:
            alle = self._beheer.list_topics(timeout=_VRAAG_S).topics
        except KafkaException:
            return True
        ons = {topic.naam for topic in topics(self._instellingen)}
        van_belang = [alle[naam] for naam in alle if naam in ons or naam.startswith("__")]
        return any(partitie.leader < 0 for topic in van_belang for partitie in topic.partitions.values())

    def niets_te_doen(self, onderwerp: str, partities: Collection[int]) -> bool:
        """Whether the agents committed all records of these partitions, or Kafka is away."""
        topic, groep = self._instellingen.topic(onderwerp), self._instellingen.groep("worker")
        if not partities or self.kafka_is_weg():
            return True
        tps = [TopicPartition(topic, partitie) for partitie in partities]
        try:
            gedaan = vastgelegd(self._instellingen, groep, [(topic, partitie) for partitie in partities], _VRAAG_S)
            begin, eind = (self._einden(tps, welke) for welke in (OffsetSpec.earliest(), OffsetSpec.latest()))  # type: ignore[no-untyped-call]
        except (KafkaException, VerbindingFout):
            return True
        return all(max(gedaan.get((topic, p), 0), begin[p]) >= eind[p] for p in partities)

    def _einden(self, tps: Collection[TopicPartition], welke: Any) -> dict[int, int]:
        beloften = self._beheer.list_offsets(dict.fromkeys(tps, welke), request_timeout=_VRAAG_S)
        return {tp.partition: belofte.result().offset for tp, belofte in beloften.items()}


def plaatsen(lus: asyncio.AbstractEventLoop) -> Iterator[str]:
    """Of each task of an event loop, from any thread: its name, and the lines where it stands. No values."""
    for taak in asyncio.all_tasks(lus):
        regels = [
            f'  File "{frame.f_code.co_filename}", line {frame.f_lineno}, in {frame.f_code.co_qualname}'
            for frame in _frames(taak.get_coro())
        ]
        yield "\n".join([f"task {taak.get_name()}", *regels])


def _frames(wachtend: Any) -> Iterator[FrameType]:
    """From what a task runs to what it waits for in the end; `Task.get_stack` knows the first of them only."""
    gezien: set[int] = set()
    while wachtend is not None and id(wachtend) not in gezien:
        gezien.add(id(wachtend))
        for soort in ("cr", "gi", "ag"):
            if hasattr(wachtend, f"{soort}_frame"):
                if (frame := getattr(wachtend, f"{soort}_frame")) is not None:
                    yield frame
                wachtend = getattr(wachtend, "gi_yieldfrom" if soort == "gi" else f"{soort}_await")
                break
        else:  # what stands between, such as one step of an async generator, does not say of which
            wachtend = next((een for een in gc.get_referents(wachtend) if isinstance(een, _LOPEND)), None)
