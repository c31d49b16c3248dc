"""Aanlevering from XML, beside `lxml.etree.parse` and XSD validation of the same bytes, and nothing more than that.

The doors are the real processes over HTTP, one for each core, as senders find them behind a load balancer: a batch
counts when its 202 is there, so read, checked, its bijlagen durable in the store and its event durable in Kafka. What
the bare parser does ends at a valid tree.
"""

import asyncio
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from itertools import cycle
from pathlib import Path
from random import Random
from uuid import UUID, uuid4

from lxml import etree
from rich.console import Console
from rich.progress import Progress, TaskID

from aanlevering.lezer import lees
from aanlevering.schema import XSD
from aanlevering.stroom import STUK_BYTES
from bench.maten import Maten
from bench.meting import Deel, Meting
from bench.opname import cpu_s
from domain.batch import MAX_BATCH_BYTES, MAX_BERICHTEN, Kader
from sinks.bijlagenwinkel import Bijlagenwinkel
from sinks.objecten import Objecten
from streams.broker import Broker, sterf_met_ouder, vrije_poort
from streams.codec import maak_codec
from streams.settings import Instellingen
from streams.sleutels import lees_sleutels, maak_sleutels
from streams.topics import maak_topics
from voorbeeld.gevallen import VERWERKT, Geval
from voorbeeld.globe import schrijf
from voorbeeld.levering import Bericht, Groep, Levering, Voorbeeld
from voorbeeld.ontwerp import Ontwerp, bijlage
from voorbeeld.pdf import maak_pdf
from voorbeeld.referentiegegevens import GEMEENTE
from voorbeeld.topic import lees_topic

BIJLAGE_BYTES = 37_000
AFZENDERS = 4
"""Deliveries under way at once: those that the door reads, and as many that it receives."""
_BIJLAGE_XML = 49_600
"""What a bijlage takes in the XML at most."""
_BERICHT_XML = 1_500
"""What a message takes at most, its bijlagen apart."""
_START_S = 60
_WACHT_S = 300
_STEEKPROEF = 200
"""Bijlagen that are read back from the store."""


@dataclass(frozen=True, slots=True)
class Maat:
    """How much is delivered at once."""

    batches: int
    berichten: int
    """In a batch."""
    bijlagen: int = 0
    """In a batch."""


_OPWARMER = Maat(3, 20, 30)
RATIOS = {"without bijlagen": "xml_vs_bare", "with bijlagen": "xml_with_bijlagen_vs_bare"}
Cijfers = dict[tuple[str, str], float]
"""What was measured in a round, by what it is and its unit."""


@dataclass(frozen=True, slots=True)
class Partij:
    """Batches as files, each with a BatchID, messages and bijlagen of its own."""

    maat: Maat
    paden: list[Path]
    batch_ids: list[UUID]

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(pad.stat().st_size for pad in self.paden)

    def snelheid(self, naam: str, duur: float) -> Cijfers:
        """How fast all of it went in so many seconds."""
        berichten = self.maat.berichten * len(self.paden)
        return {(naam, "MB/s"): self.bytes / 1e6 / duur, (naam, "messages/s"): berichten / duur}


@dataclass(frozen=True, slots=True)
class Deuren:
    """The processes at the door, which share a topic and a store, and the broker."""

    instellingen: Instellingen
    poorten: list[int]
    pids: list[int]
    """Of the doors."""
    broker: int
    """Its pid."""
    genomen: dict[UUID, Maat] = field(default_factory=dict)
    """What got its 202, by BatchID."""

    def neem_aan(self, partij: Partij, tegelijk: int, deuren: int) -> None:
        """Delivers all, so many at a time, at so many of the doors in turn; returns when each has its 202."""
        with ThreadPoolExecutor(tegelijk) as afzenders:
            for batch_id in afzenders.map(lever, cycle(self.poorten[:deuren]), partij.paden):
                self.genomen[batch_id] = partij.maat

    def cpu_s(self) -> tuple[float, float]:
        """CPU seconds until now, of the doors and of the broker."""
        return sum(map(cpu_s, self.pids)), cpu_s(self.broker)


def maten_van(maten: Maten) -> dict[str, Maat]:
    """What is delivered, by kind. With bijlagen: as many as fit, and no more than there are in a full batch."""
    bijlagen = (MAX_BATCH_BYTES - MAX_BERICHTEN * _BERICHT_XML) // _BIJLAGE_XML
    return {
        "without bijlagen": Maat(maten.xml_batches, maten.xml_berichten),
        "with bijlagen": Maat(
            maten.xml_zware_batches, maten.xml_berichten, bijlagen * maten.xml_berichten // MAX_BERICHTEN
        ),
    }


def meet(keer: int, alle_maten: Maten) -> Deel:
    """Every way in turn, without bijlagen and with, so many rounds; in the end all that was taken is looked for."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-xml-", ignore_cleanup_errors=True) as naam,
        Broker(Path(naam) / "kafka") as broker,
        open_deuren(Path(naam) / "data", broker) as deuren,
    ):
        return meet_op(deuren, Path(naam), keer, maten_van(alle_maten))


def meet_op(deuren: Deuren, map_: Path, keer: int, maten: dict[str, Maat]) -> Deel:
    """The same at doors that are open."""
    rondes: list[Cijfers] = []
    for _ in deuren.poorten:
        deuren.neem_aan(maak_partij(_OPWARMER, map_), 1, len(deuren.poorten))
    with Progress(console=Console(stderr=True), transient=True) as balk:
        stap = balk.add_task("xml", total=keer * len(maten) * len(_WERK))
        for ronde in range(keer):
            rondes.append({})
            for soort, maat in maten.items():
                with tempfile.TemporaryDirectory(dir=map_) as van_ronde:
                    rondes[-1] |= _ronde(ronde, soort, maat, deuren, Path(van_ronde), balk, stap)
    controleer(deuren)
    return Deel(
        "xml",
        [Meting(*wat, [cijfers[wat] for cijfers in rondes]) for wat in rondes[0]],
        {
            ratio: [cijfers[f"{_DEUREN}, {soort}", "MB/s"] / cijfers[f"{_KAAL}, {soort}", "MB/s"] for cijfers in rondes]
            for soort, ratio in RATIOS.items()
        },
        _uitleg(maten, len(deuren.poorten)),
    )


def _ronde(ronde: int, soort: str, maat: Maat, deuren: Deuren, map_: Path, balk: Progress, stap: TaskID) -> Cijfers:
    """Every way once, another first each time; what is delivered was never seen before."""
    kort = Maat(max(1, maat.batches // AFZENDERS), maat.berichten, maat.bijlagen)
    partijen = {naam: maak_partij(kort if naam == _DEUR_EEN else maat, map_) for naam in (_DEUREN, _DEUR, _DEUR_EEN)}
    os.sync()
    gemeten: Cijfers = {}
    begin = ronde % len(_WERK)
    for naam in [*_WERK][begin:] + [*_WERK][:begin]:
        balk.update(stap, description=f"xml, {soort}: {naam}")
        gemeten |= _WERK[naam](f"{naam}, {soort}", partijen.get(naam, partijen[_DEUREN]), deuren)
        balk.advance(stap)
    volgorde = [f"{naam}, {soort}" for naam in _WERK]
    return dict(sorted(gemeten.items(), key=lambda paar: volgorde.index(paar[0][0])))


def _kaal(naam: str, partij: Partij, _: Deuren) -> Cijfers:
    schema = etree.XMLSchema(etree.parse(XSD))
    cpu, begin = time.process_time(), time.perf_counter()
    for pad in partij.paden:
        boom = etree.parse(pad)
        if not schema.validate(boom) or len(boom.getroot()) != 1 + partij.maat.berichten:
            raise AssertionError("the bare parser must find a valid batch")
    return _in_dit_proces(naam, partij, cpu, begin)


def _lezer(naam: str, partij: Partij, _: Deuren) -> Cijfers:
    cpu, begin = time.process_time(), time.perf_counter()
    for pad in partij.paden:
        bijlagen: list[int] = []
        batch = lees(
            _stukken(pad),
            proceskenmerk=uuid4(),
            aangeleverd_op=1,
            aangeleverd_door=None,
            bewaar=lambda _, inhoud, bijlagen=bijlagen: bijlagen.append(len(inhoud)),  # type: ignore[misc]
        )
        gelezen = Maat(partij.maat.batches, len(batch.berichten), len(bijlagen))
        if gelezen != partij.maat or any(batch.berichten.schema_fouten):
            raise AssertionError("the reader must find what was written")
    return _in_dit_proces(naam, partij, cpu, begin)


def _in_dit_proces(naam: str, partij: Partij, cpu: float, begin: float) -> Cijfers:
    """What began at these moments and is done now."""
    duur, verbruik = time.perf_counter() - begin, time.process_time() - cpu
    return partij.snelheid(naam, duur) | {(naam, "CPU s/GB"): verbruik * 1e9 / partij.bytes}


def _door(naam: str, partij: Partij, deuren: Deuren, tegelijk: int, alle: bool) -> Cijfers:
    eerder = deuren.cpu_s()
    begin = time.perf_counter()
    deuren.neem_aan(partij, tegelijk, len(deuren.poorten) if alle else 1)
    gemeten = partij.snelheid(naam, time.perf_counter() - begin)
    verbruik = [nu - toen for nu, toen in zip(deuren.cpu_s(), eerder, strict=True)]
    for wie, cpu in zip(("door", "broker"), verbruik, strict=True):
        gemeten[naam, f"CPU s of the {wie}/GB"] = cpu * 1e9 / partij.bytes
    return gemeten


_KAAL = "lxml parse and XSD alone"
_DEUREN = f"a door for each core, {AFZENDERS} at a time"
_DEUR = f"one door, {AFZENDERS} at a time"
_DEUR_EEN = "one door, 1 at a time"
_WERK: dict[str, Callable[[str, Partij, Deuren], Cijfers]] = {
    _KAAL: _kaal,
    "our reader alone": _lezer,
    _DEUREN: partial(_door, tegelijk=AFZENDERS, alle=True),
    _DEUR: partial(_door, tegelijk=AFZENDERS, alle=False),
    _DEUR_EEN: partial(_door, tegelijk=1, alle=False),
}


def _uitleg(maten: dict[str, Maat], deuren: int) -> list[str]:
    zonder, met = maten.values()
    return [
        f"without bijlagen: {zonder.batches} batches of {zonder.berichten} messages; with: {met.batches} batches of "
        f"{met.berichten} messages and {met.bijlagen} bijlagen of {BIJLAGE_BYTES / 1000:.0f} kB, no two the same",
        "MB are those of the XML, base64 included; the bare parser reads its files from the page cache, in one thread",
        f"the ratios take {deuren} doors, one for each core, with {AFZENDERS} deliveries under way; they share the "
        "machine with the broker and the sender",
        "a 202 waits for fsync of every bijlage, so what the disk does is part of it; Kafka leaves its own to the "
        "system, as the embedded broker does",
        "in the end every batch was looked for in Kafka (once, with all its messages, none against the schema) and "
        "a sample of the bijlagen in the store",
    ]


def maak_partij(maat: Maat, map_: Path) -> Partij:
    """Writes batches that nobody saw before: good messages for citizens of the sample, every second with prefixes."""
    nu = datetime.now(UTC)
    per_bericht, over = divmod(maat.bijlagen, maat.berichten)
    paden, batch_ids = [], []
    for volgnummer in range(1, maat.batches + 1):
        berichten = [
            Bericht(uuid4(), Geval("goed", VERWERKT, partial(_hecht_aan, per_bericht + (nummer < over))), VERWERKT)
            for nummer in range(maat.berichten)
        ]
        levering = Levering(volgnummer, Groep.EERST, uuid4(), GEMEENTE, GEMEENTE, berichten)
        pad = map_ / f"{levering.batch_id}.xml"
        schrijf(Voorbeeld(1, 1, nu, (levering,)), levering, pad)
        if pad.stat().st_size > MAX_BATCH_BYTES:
            raise AssertionError("a batch must fit in what the door takes")
        paden.append(pad)
        batch_ids.append(levering.batch_id)
    return Partij(maat, paden, batch_ids)


def _hecht_aan(aantal: int, ontwerp: Ontwerp, _: Random) -> None:
    regel = f"bij bericht {ontwerp.velden['BerichtID']}"
    pdfs = [maak_pdf(f"Bijlage {nummer} {regel}", BIJLAGE_BYTES) for nummer in range(1, aantal + 1)]
    ontwerp.bijlagen = [bijlage(nummer, pdf) for nummer, pdf in enumerate(pdfs, 1)] or None


@contextmanager
def open_deuren(data: Path, broker: Broker, prefix: str = "") -> Iterator[Deuren]:
    """The doors as processes of their own, one for each core, on a store in a folder."""
    data.mkdir()
    instellingen = Instellingen.laad(data, kafka=broker.adres, topic_prefix=prefix, opslag="")
    maak_topics(instellingen)
    maak_sleutels(instellingen.sleutelbestand)
    omgeving = {naam: waarde for naam, waarde in os.environ.items() if not naam.startswith("BERICHTENSTROOM_")}
    omgeving |= {
        "BERICHTENSTROOM_DATA": str(data),
        "BERICHTENSTROOM_KAFKA": broker.adres,
        "BERICHTENSTROOM_TOPIC_PREFIX": prefix,
    }
    with ExitStack() as ruim_op:
        open_ = [ruim_op.enter_context(_open_deur(data, omgeving)) for _ in os.sched_getaffinity(0)]
        poorten, pids = zip(*open_, strict=True)
        yield Deuren(instellingen, [*poorten], [*pids], broker.pid)


@contextmanager
def _open_deur(data: Path, omgeving: dict[str, str]) -> Iterator[tuple[int, int]]:
    """The port and the pid of a door that is ready."""
    poort = vrije_poort()
    log_van = data / f"deur-{poort}.log"
    with log_van.open("wb") as log:
        proces = subprocess.Popen(
            [sys.executable, "-m", "aanlevering", "--poort", str(poort)],
            env=omgeving,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the bench, which then stops the door
            preexec_fn=sterf_met_ouder,
        )
    try:
        uiterlijk = time.monotonic() + _START_S
        while not _gereed(poort):
            if proces.poll() is not None or time.monotonic() > uiterlijk:
                raise RuntimeError(f"a door did not open: {log_van.read_text()[-1000:]}")
            time.sleep(0.1)
        yield poort, proces.pid
    finally:
        proces.terminate()
        try:
            proces.wait(_START_S)
        except subprocess.TimeoutExpired:
            proces.kill()
            proces.wait()


def lever(poort: int, pad: Path) -> UUID:
    """Delivers one batch; returns its BatchID when it was taken. Raises RuntimeError when it was not."""
    verbinding = http.client.HTTPConnection("127.0.0.1", poort, timeout=_WACHT_S, blocksize=1 << 20)
    try:
        with pad.open("rb") as bestand:
            verbinding.request("POST", "/v1/batches", bestand, {"Content-Length": str(pad.stat().st_size)})
        antwoord = verbinding.getresponse()
        inhoud = antwoord.read()
    finally:
        verbinding.close()
    if antwoord.status != 202:
        raise RuntimeError(f"the door answered {antwoord.status} {inhoud.decode()}")
    return UUID(json.loads(inhoud)["batch_id"])


def controleer(deuren: Deuren) -> None:
    """Whether what was taken is there: every batch once in Kafka, and bijlagen in the store. Raises AssertionError."""
    instellingen, codec = deuren.instellingen, maak_codec(deuren.instellingen)
    gelezen: dict[UUID, Maat] = {}
    bijlagen: list[tuple[Kader, bytes]] = []
    for waarde in lees_topic(instellingen.kafka, instellingen.topic("batch"), 0):
        batch = codec.lees_batch(waarde)
        bijlagen += [(batch.kader, batch.berichten.sha256(een)) for een in range(len(batch.berichten.bijlage_rijen))]
        if batch.kader.batch_id in gelezen or any(batch.berichten.schema_fouten):
            raise AssertionError("every batch must be there once, and keep to the schema")
        gelezen[batch.kader.batch_id] = Maat(1, len(batch.berichten), len(batch.berichten.bijlage_rijen))
    if gelezen != {batch_id: Maat(1, maat.berichten, maat.bijlagen) for batch_id, maat in deuren.genomen.items()}:
        raise AssertionError("every batch that was taken must be in Kafka with all its messages, and nothing else")
    if len({sleutel for _, sleutel in bijlagen}) != len(bijlagen):
        raise AssertionError("no two bijlagen may be the same")
    _controleer_opslag(instellingen, Random(1).sample(bijlagen, min(_STEEKPROEF, len(bijlagen))))


def _controleer_opslag(instellingen: Instellingen, bijlagen: Sequence[tuple[Kader, bytes]]) -> None:
    winkel = Bijlagenwinkel(Objecten(instellingen.opslag_url, lees_sleutels(instellingen.sleutelbestand)))

    async def lees_terug() -> None:
        for kader, sleutel in bijlagen:
            if sha256(await winkel.lees(kader, sleutel)).digest() != sleutel:
                raise AssertionError("a bijlage in the store must be what was delivered")

    asyncio.run(lees_terug())


def _gereed(poort: int) -> bool:
    verbinding = http.client.HTTPConnection("127.0.0.1", poort, timeout=_START_S)
    try:
        verbinding.request("GET", "/readyz")
        return verbinding.getresponse().status == 200
    except ConnectionError:
        return False
    finally:
        verbinding.close()


def _stukken(pad: Path) -> Iterator[bytes]:
    with pad.open("rb") as bestand:
        while stuk := bestand.read(STUK_BYTES):
            yield stuk
