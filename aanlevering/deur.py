"""The door, whatever the protocol: a batch comes back only when its bijlagen and its event are durable."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import IO
from uuid import uuid4

from aanlevering.bijlagen import Bijlagen
from aanlevering.lezer import lees
from aanlevering.metrics import Metrics
from aanlevering.proef import Proef
from aanlevering.ruimte import Deel, Geheugen, Spoelruimte, SpoelVol
from aanlevering.spoel import SchijfVol, Tempo, spoel
from aanlevering.stroom import STUK_BYTES, uitgepakt
from aanlevering.uitgever import STIL_S, KafkaWeg, RecordTeGroot
from aanlevering.weigering import Weigercode, weiger
from domain.batch import Batch
from sinks.bijlagenwinkel import pak_naam
from sinks.objecten import Objecten, OpslagWeg
from streams.settings import MAX_RECORD_BYTES

LOGGER = logging.getLogger("aanlevering")

_UITPAKKEN = 1032
"""Bytes that one byte of gzip can hold at most."""
_KEREN = 3
"""How often the texts of a batch are in memory: as read, as record, and with the producer."""
_VERWIJDER_S = 5.0
"""Seconds that a store may take to remove what was refused."""

Publiceer = Callable[[Batch], Awaitable[None]]
"""Returns when the batch is durable. Raises KafkaWeg and RecordTeGroot."""
Controle = Callable[[], Awaitable[None]]
"""Returns when Kafka answers. Raises KafkaWeg."""


@dataclass(frozen=True)
class Grenzen:
    """What the door bears."""

    gelijktijdig: int = 2
    """Deliveries read at once; each takes a processor and some 60 MB."""
    wachtrij: int = 64
    """Deliveries beyond those that wait, received whole. Those that are being received take no place: a slow sender
    keeps nobody out."""
    deadline_s: float = 60.0
    """Seconds from the last byte of a batch until it is durable."""
    ontvangst_s: float = 300.0
    """Seconds from the first byte to the last."""
    tempo: Tempo = field(default_factory=Tempo)
    """How slow a sender may be before that."""
    spoel_bytes: int = 4_000_000_000
    """Of the temporary folder, for all deliveries together."""
    geheugen_bytes: int = 300_000_000
    """Of memory, for all that are read and not yet durable."""


class Later(Exception):
    """Not now: the sender may try again. `oorzaak` is one of those at the metric `aanlevering_later`."""

    def __init__(self, oorzaak: str, reden: str) -> None:
        super().__init__(oorzaak)
        self.oorzaak = oorzaak
        self.reden = reden
        """One sentence in Dutch."""


class Deur:
    """Receives, reads and makes durable, with bounds on how much of that goes on at once."""

    def __init__(
        self,
        publiceer: Publiceer,
        controleer_kafka: Controle | None,
        objecten: Objecten,
        grenzen: Grenzen,
        klok: Callable[[], int],
        metrics: Metrics,
    ) -> None:
        """`klok` gives milliseconds since 1970."""
        self._publiceer = publiceer
        self._controleer_kafka = controleer_kafka
        self._proef = Proef(stil_s=min(STIL_S, grenzen.deadline_s / 2))
        self._objecten = objecten
        self._grenzen = grenzen
        self._klok = klok
        self._metrics = metrics
        self._lezers = ThreadPoolExecutor(grenzen.gelijktijdig, thread_name_prefix="lezer")
        self._geheugen = Geheugen(grenzen.geheugen_bytes)
        self._spoelruimte = Spoelruimte(grenzen.spoel_bytes)
        self._bezig = 0
        self._dicht = False

    def sluit(self) -> None:
        """From here on new deliveries are put off; those under way are finished."""
        self._dicht = True

    def ruim_op(self) -> None:
        """Ends the reading threads, when nothing is under way any more."""
        self._lezers.shutdown()

    def controleer(self, grootte: int = 0) -> None:
        """Whether a delivery of so many bytes could come in now, as far as can be told beforehand. Raises Later."""
        if self._dicht:
            raise Later("sluit", "Wij starten opnieuw op: lever de batch straks opnieuw aan.")
        self._controleer_druk()
        if grootte > self._spoelruimte.vrij:
            raise _later("spoel")
        try:
            self._proef.controleer()
        except KafkaWeg:
            raise _later("kafka") from None

    def _controleer_druk(self) -> None:
        if self._bezig >= self._grenzen.gelijktijdig + self._grenzen.wachtrij:
            raise Later("druk", "Er komen nu te veel batches tegelijk binnen: lever de batch straks opnieuw aan.")

    async def neem_aan(self, stukken: AsyncIterator[bytes], *, gzip: bool, aangeleverd_door: str | None) -> Batch:
        """The batch in a body, durable. Raises Geweigerd, Later, and what `stukken` raises.

        After Later the event may have been written all the same; delivering again is harmless (Domain: Resends).
        """
        begin = time.monotonic()
        self.controleer()
        with self._spoelruimte.deel() as deel:
            with self._metrics.in_ontvangst.track_inprogress():
                bestand, grootte = await self._ontvang(stukken, deel)
            aangeleverd_op = self._klok()
            ontvangen = time.monotonic()
            with bestand, self._plaats():
                batch = await self._maak_duurzaam(bestand, grootte, gzip, aangeleverd_door, aangeleverd_op)
        self._meld(batch, grootte, begin, ontvangen)
        return batch

    @contextmanager
    def _plaats(self) -> Iterator[None]:
        self._controleer_druk()
        self._bezig += 1
        self._metrics.bezig.inc()
        try:
            yield
        finally:
            self._bezig -= 1
            self._metrics.bezig.dec()

    async def _ontvang(self, stukken: AsyncIterator[bytes], deel: Deel) -> tuple[IO[bytes], int]:
        try:
            async with asyncio.timeout(self._grenzen.ontvangst_s):
                return await spoel(stukken, deel, self._grenzen.tempo)
        except TimeoutError:
            raise weiger(Weigercode.TE_LANGZAAM) from None
        except SpoelVol:
            raise _later("spoel") from None
        except SchijfVol:
            raise _later("schijf") from None

    async def _maak_duurzaam(
        self, bestand: IO[bytes], grootte: int, gzip: bool, aangeleverd_door: str | None, aangeleverd_op: int
    ) -> Batch:
        batch: Batch | None = None
        try:
            async with asyncio.timeout(self._grenzen.deadline_s), self._geheugen.neem(_gewicht(grootte, gzip)):
                with closing(Bijlagen(self._objecten)) as bijlagen:
                    batch = await self._lees(bestand, gzip, aangeleverd_door, aangeleverd_op, bijlagen)
                    await self._leg_vast(batch, bijlagen)
        except TimeoutError:
            raise _later("traag") from None
        except OpslagWeg:
            raise _later("opslag") from None
        except KafkaWeg:
            raise _later("kafka") from None
        except RecordTeGroot:
            if batch is not None and batch.berichten.bijlage_rijen:
                await self._verwijder_bijlagen(batch)
            raise weiger(Weigercode.BATCH_TE_GROOT_VOOR_VERWERKING, batch.kader.batch_id if batch else None) from None
        return batch

    async def _leg_vast(self, batch: Batch, bijlagen: Bijlagen) -> None:
        """First the bijlagen, then the event of which they are. While Kafka confirms nothing most get to neither:
        senders who try again would fill the store. Who has no bijlagen cannot, and goes on to Kafka."""
        with nullcontext(False) if bijlagen.leeg else self._proef.beurt() as is_proef:
            if is_proef and self._controleer_kafka is not None:
                with self._proef.vraag():
                    await self._controleer_kafka()
            await bijlagen.leg_vast(_pak(batch))
            with self._proef.meet(is_proef):
                await self._publiceer(batch)

    async def _verwijder_bijlagen(self, batch: Batch) -> None:
        """Of a batch that is refused. That they cannot be removed does not make it worth a retry."""
        try:
            async with asyncio.timeout(_VERWIJDER_S):
                await self._objecten.verwijder(_pak(batch))
        except (OpslagWeg, TimeoutError) as fout:
            LOGGER.warning("%s stays until opruimen: %s", _pak(batch), type(fout).__name__)

    async def _lees(
        self,
        bestand: IO[bytes],
        gzip: bool,
        aangeleverd_door: str | None,
        aangeleverd_op: int,
        bijlagen: Bijlagen,
    ) -> Batch:
        """Reads in a thread, and returns or raises only when that thread is done with the file."""

        def in_draad() -> Batch:
            stukken = _stukken(bestand, bijlagen)
            batch = lees(
                uitgepakt(stukken) if gzip else stukken,
                proceskenmerk=uuid4(),
                aangeleverd_op=aangeleverd_op,
                aangeleverd_door=aangeleverd_door,
                bewaar=bijlagen.bewaar,
            )
            bijlagen.rond_af()
            return batch

        werk = self._lezers.submit(in_draad)
        klaar = asyncio.wrap_future(werk)
        try:
            return await asyncio.shield(klaar)
        finally:
            bijlagen.breek_af()
            if not werk.cancel() and not klaar.done():
                await asyncio.wait([klaar])
                klaar.exception()

    def _meld(self, batch: Batch, grootte: int, begin: float, ontvangen: float) -> None:
        nu = time.monotonic()
        kader = batch.kader
        self._metrics.aangeleverd.inc()
        self._metrics.berichten.inc(kader.totaal)
        self._metrics.schemafouten.inc(sum(map(bool, batch.berichten.schema_fouten)))
        self._metrics.bytes.inc(grootte)
        self._metrics.ontvangen.observe(ontvangen - begin)
        self._metrics.verwerkt.observe(nu - ontvangen)
        LOGGER.info(
            "aangeleverd batch=%s proceskenmerk=%s leverancier=%s berichten=%d bytes=%d ms=%d",
            kader.batch_id,
            kader.proceskenmerk,
            kader.leverancier,
            kader.totaal,
            grootte,
            1000 * (nu - ontvangen),
        )


def _stukken(bestand: IO[bytes], bijlagen: Bijlagen) -> Iterator[bytes]:
    while stuk := bestand.read(STUK_BYTES):
        bijlagen.controleer()
        yield stuk


def _pak(batch: Batch) -> str:
    return pak_naam(batch.kader.proceskenmerk, batch.kader.aangeleverd_op)


def _gewicht(grootte: int, gzip: bool) -> int:
    """The most memory that a delivery of so many bytes can take; more text than a record holds is refused."""
    return _KEREN * min(grootte * (_UITPAKKEN if gzip else 1), MAX_RECORD_BYTES)


def _later(oorzaak: str) -> Later:
    return Later(oorzaak, "Wij kunnen de batch nu niet vastleggen: lever hem straks opnieuw aan.")
