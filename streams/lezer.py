"""The records of a topic for an agent, in the order of the log and none left out, and the commits on them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import faust
from aiokafka.errors import IllegalStateError, KafkaError
from faust.exceptions import ConsumerNotStarted
from faust.types import TP

from streams.app import Event, is_actueel
from streams.fence import eerste_vanaf
from streams.hartslag import slag
from streams.settings import Instellingen
from streams.uitloop import Uitloop
from streams.volgorde import Oordeel, Volgorde

log = logging.getLogger(__name__)

_KIJK_S = 1.0
"""Seconds between two looks for records that are missing."""
_STIL = 5
"""So many looks without progress, while the log goes on, mean that the next record was dropped on its way."""


async def _leg_vast(thread: Any, plaatsen: Mapping[TP, int]) -> None:
    """Commits in the consumer's own thread, where no rebalance comes between the look at what is ours and the request.

    Faust's public commit takes only what Faust acked; this one would end the worker when nothing of it is left.
    """
    if van_ons := {tp: volgende for tp, volgende in plaatsen.items() if tp in thread.assignment()}:
        await thread._commit(van_ons)


class Lezer:
    """For one agent on one topic; use it within `bewaakt`."""

    def __init__(
        self, app: faust.App, instellingen: Instellingen, onderwerp: str, uitloop: Uitloop | None = None
    ) -> None:
        """Once `uitloop` is asked for nothing is taken any more."""
        self._app = app
        self._uitloop = uitloop
        self._instellingen = instellingen
        self._topic = instellingen.topic(onderwerp)
        self._generatie: object = None
        self._begint = asyncio.Lock()
        self._volgorde = Volgorde({})
        self._onbevestigd: dict[TP, int] = {}
        """The offset of the last record taken, for partitions with records that the agent has not finished."""

    @property
    def _consumer(self) -> Any:
        return self._app.consumer

    @asynccontextmanager
    async def bewaakt(self) -> AsyncIterator[None]:
        """Within it, what Faust drops is noticed and read again. When that cannot go on, the app ends."""
        taak = asyncio.create_task(self._bewaak_of_val())
        try:
            yield
        finally:
            taak.cancel()

    async def neem(self, events: Sequence[Event]) -> list[Event]:
        """Those of the events that are the next of a partition of ours; the others come again, or came before."""
        slag()
        genomen = []
        for event in events:
            bericht = event.message
            if self._uitloop is not None and self._uitloop.gevraagd:
                break
            if not is_actueel(self._app, event):
                continue
            await self._begin()
            if bericht.generation_id != self._generatie or not is_actueel(self._app, event):
                continue
            volgorde = self._volgorde
            oordeel = volgorde.beoordeel((bericht.topic, bericht.partition), bericht.offset)
            if oordeel is Oordeel.TWIJFEL:
                oordeel = await self._zoek_uit(volgorde, bericht.tp, bericht.offset)
                if volgorde is not self._volgorde:  # assigned anew meanwhile: it comes again
                    continue
            if oordeel is Oordeel.NEEM:
                self._onbevestigd[bericht.tp] = bericht.offset
                genomen.append(event)
            elif oordeel is Oordeel.GA_TERUG:
                await self._ga_terug(bericht.tp)
        return genomen

    async def bevestig(self, events: Iterable[Event]) -> None:
        """Commits these events, and with them all that came before in their partitions: what follows is durable.

        Nothing is committed for a partition that we lost; its new owner does the work again, which changes nothing.
        """
        plaatsen: dict[TP, int] = {}
        for event in events:
            if is_actueel(self._app, event):
                plaatsen[event.message.tp] = max(plaatsen.get(event.message.tp, 0), event.message.offset + 1)
        if plaatsen:
            thread = self._consumer._thread
            await thread.call_thread(_leg_vast, thread, plaatsen)
        for tp, volgende in plaatsen.items():
            if self._onbevestigd.get(tp) == volgende - 1:
                del self._onbevestigd[tp]

    async def _begin(self) -> None:
        """Takes the places where our partitions go on from Kafka, once for each assignment."""
        async with self._begint:
            generatie = self._app.consumer_generation_id
            if generatie != self._generatie:
                await self._begin_bij(generatie)

    async def _begin_bij(self, generatie: object) -> None:
        tps = [tp for tp in self._consumer.assignment() if tp.topic == self._topic]
        begin = await self._consumer.earliest_offsets(*tps)
        thread, plaatsen = self._consumer._thread, {}
        for tp in tps:
            vastgelegd = await thread.call_thread(thread._ensure_consumer().committed, tp)
            plaatsen[tp.topic, tp.partition] = max(vastgelegd or 0, begin[tp])
        self._volgorde, self._onbevestigd, self._generatie = Volgorde(plaatsen), {}, generatie

    async def _zoek_uit(self, volgorde: Volgorde, tp: TP, offset: int) -> Oordeel:
        """Whether the log itself has nothing before this record, as another consumer sees it."""
        plaats = volgorde.begint_bij((tp.topic, tp.partition))
        if await eerste_vanaf(self._instellingen, tp.topic, tp.partition, plaats) < offset:
            return Oordeel.GA_TERUG
        log.warning("%s[%d] has no records from %d to %d", tp.topic, tp.partition, plaats, offset - 1)
        volgorde.neem_over((tp.topic, tp.partition), offset)
        return Oordeel.NEEM

    async def _ga_terug(self, tp: TP) -> None:
        plaats = self._volgorde.begint_bij((tp.topic, tp.partition))
        log.info("%s[%d]: a record is missing, reading again from %d", tp.topic, tp.partition, plaats)
        try:
            await self._consumer.seek(tp, plaats)
        except IllegalStateError:
            log.info("%s[%d] is not ours any more", tp.topic, tp.partition)

    async def _bewaak_of_val(self) -> None:
        try:
            await self._bewaak()
        except Exception as fout:  # unseen, it would leave the agent without what makes its reading whole
            log.exception("cannot look for missing records any more")
            await self._app.crash(fout)

    async def _bewaak(self) -> None:
        """Goes back to each hole until it is filled.

        Once is not enough: Faust leaves out what is below the last record it fetched, and a fetch that is under way
        while we go back moves that mark beyond the hole again. And a dropped record at the very end of the log is
        followed by none that would show it.
        """
        stil: dict[TP, tuple[int, int]] = {}
        while True:
            await asyncio.sleep(_KIJK_S)
            try:
                tps = [tp for tp in self._consumer.assignment() if tp.topic == self._topic]
                if not tps or self._app.rebalancing:
                    continue
                await self._begin()
                einden = await self._consumer.highwaters(*tps)
            except (KafkaError, ConsumerNotStarted, OSError, TimeoutError) as fout:
                log.info("cannot look for missing records now: %s", type(fout).__name__)
                continue
            for tp in tps:
                if not self._volgorde.kent((tp.topic, tp.partition)):
                    continue
                plaats = self._volgorde.begint_bij((tp.topic, tp.partition))
                vorige, keer = stil.get(tp, (-1, 0))
                staat_stil = plaats == vorige and plaats < einden[tp] and tp not in self._onbevestigd
                stil[tp] = (plaats, keer + 1 if staat_stil else 0)
                if self._volgorde.heeft_gat((tp.topic, tp.partition)) or stil[tp][1] >= _STIL:
                    stil[tp] = (plaats, 0)
                    await self._ga_terug(tp)
