"""The line beside others that do the same checks: messages waiting in Kafka until all are visible in ClickHouse.

In each round every contestant runs alone, one after another, in an order that rotates. Its processes are started, get
messages to warm up on (the line's profile cache is warm after it), and are stopped by SIGSTOP when these are visible.
Then its topic is filled; then SIGCONT, and the clock runs until ClickHouse shows a row for every message. CPU is
counted until everything is done that follows from them: outcome events, and the line's answers to the batches.
"""

import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.deelnemers import QUIX, Cpu, Deelnemer, Lijn, Peer
from bench.maten import Maten
from bench.meting import Deel, Meting
from bench.toneel import BenchFout, Toneel
from bench.werk import Werk, burgers, maak_opwarming, maak_werk
from sinks.embedded.proces import EmbeddedClickHouse
from streams.broker import Broker

OPWARMEN_FAUST = 2_000
ZAAD = 5


@dataclass(frozen=True)
class Inschrijving:
    """A contestant."""

    naam: str
    maak: Callable[[Toneel], Deelnemer]
    langzaam: bool = False
    """Whether it gets fewer messages."""
    eens: bool = False
    """Whether it takes part in the first round alone: of these there is no ratio in the issue."""


def _peer(vorm: str, *woorden: str, processen: int = 1, python: str = sys.executable) -> Callable[[Toneel], Deelnemer]:
    commando = [python, "-m", *woorden]
    return lambda toneel: Peer(toneel, processen, vorm, commando)


_CONFLUENT, _AIOKAFKA = "bench.peers.confluent_lus", "bench.peers.aiokafka_lus"
_FAUST = ("faust", "-A", "bench.peers.faust_:app", "-L", "uvloop", "worker", "--without-web", "-l", "warn")
LIJN, LIJN_2 = "line, 1 worker", "line, 2 workers"
CONFLUENT, CONFLUENT_2 = "confluent-kafka loop, slices", "confluent-kafka loop, slices, 2 processes"
CONFLUENT_JSON = "confluent-kafka loop, JSON slices"
AIOKAFKA, FAUST_LOS = "aiokafka loop, slices", "Faust, 1 a message"
RAAMWERKEN = {naam: (f"{naam}, 1 a message", f"{naam}, slices") for naam in ("quixstreams", "bytewax", "faststream")}
_PROGRAMMAS = {
    "quixstreams": ("bench.peers.quix", str(QUIX)),
    "bytewax": ("bench.peers.bytewax_", sys.executable),
    "faststream": ("bench.peers.faststream_", sys.executable),
}

INSCHRIJVINGEN = (
    Inschrijving(LIJN, lambda toneel: Lijn(toneel, 1)),
    Inschrijving(CONFLUENT, _peer("slices", _CONFLUENT)),
    Inschrijving(AIOKAFKA, _peer("slices", _AIOKAFKA)),
    *(
        Inschrijving(RAAMWERKEN[naam][0], _peer("json", module, python=python))
        for naam, (module, python) in _PROGRAMMAS.items()
    ),
    Inschrijving(FAUST_LOS, _peer("json", *_FAUST), langzaam=True),
    Inschrijving(LIJN_2, lambda toneel: Lijn(toneel, 2)),
    Inschrijving(CONFLUENT_2, _peer("slices", _CONFLUENT, processen=2), eens=True),
    Inschrijving(CONFLUENT_JSON, _peer("json-slices", _CONFLUENT), eens=True),
    *(
        Inschrijving(RAAMWERKEN[naam][1], _peer("slices", module, python=python), eens=True)
        for naam, (module, python) in _PROGRAMMAS.items()
    ),
)


@dataclass(frozen=True)
class Uitslag:
    """What one contestant did in one round."""

    berichten: int
    duur_s: float
    cpu: Cpu

    @property
    def tempo(self) -> float:
        """Messages a second."""
        return self.berichten / self.duur_s

    @property
    def per_cpu(self) -> float:
        """Messages for each CPU second of contestant, broker and ClickHouse together."""
        return self.berichten / self.cpu.samen


Rondes = Sequence[dict[str, Uitslag]]
"""Of each round what every contestant did; who failed is not in it."""


def meet(keer: int, maten: Maten) -> Deel:
    """Runs all contestants on one broker and one ClickHouse, so many rounds."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-lijn-", ignore_cleanup_errors=True) as map_,
        Broker(Path(map_) / "kafka") as broker,
        EmbeddedClickHouse(Path(map_) / "clickhouse") as clickhouse,
        Toneel(Path(map_), burgers(maten.lijn_burgers), broker, clickhouse) as toneel,
    ):
        return meet_op(toneel, keer, maten, INSCHRIJVINGEN)


def meet_op(toneel: Toneel, keer: int, maten: Maten, inschrijvingen: Sequence[Inschrijving]) -> Deel:
    """Only these contestants. One that does not do its work is told of, and takes part no more."""
    rondes: list[dict[str, Uitslag]] = []
    mislukt: dict[str, str] = {}
    werk, opwarming = maak_werk(maten.lijn_berichten, toneel.wie, ZAAD), maak_opwarming(toneel.wie, ZAAD + 1)
    minder = werk.eerste(maten.lijn_faust), opwarming.eerste(OPWARMEN_FAUST)
    balk = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*balk, console=Console(stderr=True), transient=True) as voortgang:
        taak = voortgang.add_task("lijn", total=sum(1 if een.eens else keer for een in inschrijvingen))
        for ronde in range(keer):
            rondes.append({})
            plaats = ronde * len(inschrijvingen) // keer
            for een in (*inschrijvingen[plaats:], *inschrijvingen[:plaats]):
                if een.eens and ronde:
                    continue
                voortgang.update(taak, description=f"line, round {ronde + 1}: {een.naam}")
                try:
                    if een.naam not in mislukt:
                        deel = minder if een.langzaam else (werk, opwarming)
                        rondes[-1][een.naam] = _ronde(een.maak(toneel), *deel, maten.lijn_hoogstens_s)
                except Exception as fout:
                    mislukt[een.naam] = f"{type(fout).__name__} in round {ronde + 1}: {fout}"
                    voortgang.console.print(f"bench: {een.naam}: {mislukt[een.naam]}", markup=False)
                voortgang.advance(taak)
    namen = [een.naam for een in inschrijvingen]
    return Deel("lijn", list(_metingen(namen, rondes)), _ratios(rondes), _uitleg(maten), mislukt)


def _ronde(deelnemer: Deelnemer, werk: Werk, opwarming: Werk, hoogstens_s: float) -> Uitslag:
    """One contestant, started and stopped."""
    with deelnemer:
        deelnemer.bereid_voor()
        for groep in deelnemer.groepen:
            aantal = len(deelnemer.processen)
            deelnemer.wacht(lambda: deelnemer.toneel.leden(groep) == aantal, 120, f"{groep} with all its members")  # noqa: B023
        eerder = deelnemer.records(opwarming)
        deelnemer.toneel.vul(deelnemer.onderwerp, eerder, deelnemer.partities)
        deelnemer.wacht(lambda: deelnemer.heeft(len(opwarming)), hoogstens_s, "warmed up")
        deelnemer.wacht(lambda: deelnemer.is_afgerond(len(eerder)), 60, "warmed up, and all events written")
        time.sleep(0.5)

        records = deelnemer.records(werk)
        deelnemer.seinen(signal.SIGSTOP)
        slaap = time.monotonic()
        deelnemer.toneel.vul(deelnemer.onderwerp, records, deelnemer.partities)
        if time.monotonic() - slaap > deelnemer.slaap_s:
            raise BenchFout("filling the topic took too long: the machine is too busy to measure anything")
        aantal = len(eerder) + len(records)
        del records

        doel = len(opwarming) + len(werk)
        voor = deelnemer.cpu()
        begin = time.monotonic()
        deelnemer.seinen(signal.SIGCONT)
        deelnemer.wacht(lambda: deelnemer.heeft(doel), hoogstens_s, "all rows visible")
        duur = time.monotonic() - begin
        deelnemer.wacht(lambda: deelnemer.is_afgerond(aantal), 120, "all events written")
        cpu = deelnemer.cpu().sinds(voor)
        verwacht = opwarming.verwacht + werk.verwacht
        for wat, geteld in (("rows", deelnemer.rijen()), ("outcome events", deelnemer.gebeurtenissen())):
            if geteld != verwacht:
                raise BenchFout(f"{type(deelnemer).__name__}: its {wat} say {geteld}, expected {verwacht}")
    return Uitslag(len(werk), duur, cpu)


def _metingen(namen: Sequence[str], rondes: Rondes) -> Iterator[Meting]:
    for naam in namen:
        uitslagen = [ronde[naam] for ronde in rondes if naam in ronde]
        if not uitslagen:
            continue
        yield Meting(naam, "messages/s", [een.tempo for een in uitslagen])
        for van_wie, wie, bijzaak in (
            ("it, broker and ClickHouse together", "samen", False),
            ("its processes", "deelnemer", True),
            ("broker", "broker", True),
            ("ClickHouse", "clickhouse", True),
        ):
            per_miljoen = [getattr(een.cpu, wie) / een.berichten * 1e6 for een in uitslagen]
            yield Meting(f"{naam}: CPU of {van_wie}", "s/million", per_miljoen, bijzaak)


_DELEN: dict[str, tuple[str, Sequence[str]]] = {
    "line_vs_confluent": (LIJN, [CONFLUENT]),
    "line_vs_confluent_json": (LIJN, [CONFLUENT_JSON]),
    "line_vs_aiokafka": (LIJN, [AIOKAFKA]),
    "line_vs_best_framework": (LIJN, [los for los, _ in RAAMWERKEN.values()]),
    "line_vs_best_framework_in_slices": (LIJN, [slices for _, slices in RAAMWERKEN.values()]),
    "line_vs_idiomatic_faust": (LIJN, [FAUST_LOS]),
    "line_2_workers_vs_confluent_2_processes": (LIJN_2, [CONFLUENT_2]),
}
"""By ratio whose rate is held against whose; of several, against the fastest in that round."""


def _ratios(rondes: Rondes) -> dict[str, list[float]]:
    ratios = {
        naam: [
            ronde[wij].tempo / max(ronde[ander].tempo for ander in zij if ander in ronde)
            for ronde in rondes
            if wij in ronde and any(ander in ronde for ander in zij)
        ]
        for naam, (wij, zij) in _DELEN.items()
    }
    ratios["two_workers_cpu_vs_one"] = [
        ronde[LIJN_2].per_cpu / ronde[LIJN].per_cpu for ronde in rondes if LIJN in ronde and LIJN_2 in ronde
    ]
    return {naam: waarden for naam, waarden in ratios.items() if waarden}


def _uitleg(maten: Maten) -> list[str]:
    return [
        f"{maten.lijn_berichten:,} messages of some 350 characters in batches of 500 without bijlagen, waiting in "
        f"Kafka (Faust: {maten.lijn_faust:,}); one broker, one ClickHouse, every insert on disk before it is confirmed",
        "each contestant is warm and asleep (SIGSTOP) while its topic is filled; the clock runs from SIGCONT until "
        "ClickHouse shows every message; CPU seconds until outcome events and answers are written too",
        "the peers do the checks, the outcome event (acks=all) and the row; the line also looks up duplicates, stores "
        "messages encrypted, decides in transactions, keeps a processing log, and answers every batch",
        "of everyone the rows and the events are counted by code: all of the work, and the same answers, or it failed",
        "the line has 2 partitions of `bericht`, so that its slices are of 250 messages too; all else is as by default",
        "slices: Avro arrays of 250 records, by fastavro (JSON slices: by orjson); 1 a message: JSON, by orjson, as is "
        "fastest there; rows go in as Arrow, 20 000 at a time while there are so many; offsets are committed after "
        "the insert (bytewax keeps them itself: recovery)",
        "line_vs_best_framework takes the fastest of quixstreams, bytewax and faststream in each round; what is not in "
        "a target (frameworks in slices, JSON slices, 2 processes) runs in the first round alone",
    ]
