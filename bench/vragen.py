"""What people and the line ask ClickHouse over 1, 10 and 100 million messages, at rest and while the sink writes."""

import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from random import Random
from threading import Event
from typing import TypeVar
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from bench.historie import BYTES_PER_BERICHT, PER_BATCH, Historie, getal, maak, veeg
from bench.maten import Maten
from bench.meting import Deel, Meting
from bench.toneel import BenchFout, wacht_tot
from domain.batch import Batch, Berichten, Kader, splits
from domain.beslissing import Uitkomst
from domain.codes import Stadium, Verwerkingscode
from domain.resultaat import Resultaat
from domain.tijd import DAG_MS
from sinks.embedded.proces import EmbeddedClickHouse
from sinks.rijen import Rijen, van_batch, van_resultaat, van_uitkomst
from sinks.schrijver import Schrijver
from sinks.stroomvragen import Stroomvragen, Vraag
from sinks.vragen import Filter, Vragen

MINSTENS = 2
"""How often a question is put at least, unless fewer were asked for, whatever it takes."""
SLICES = (1, 125, 1000)
"""Messages of a slice that is looked up; a full batch over 8 partitions has 125 in each."""
PER_SECONDE = 5000
"""Messages that the sink writes each second, while it does."""
RONDE_S = 0.5
"""Between two rounds of the sink."""
_BEGINT_S = 60
"""Seconds in which the first decisions must be there."""
OPRUIMEN_S = 2.0
"""Between two sweeps."""
GRANULE = 256
"""Rows of `bekend` that the engine reads at the least."""
TOTALEN = ("totalen by ontvangst", "totalen by verwerking")
DAG = "berichtverwerking of a day"
BATCH = "one batch"
SLA = "sla"
OPZOEKEN = "look-up of 125"
_HOOFDZAAK = frozenset({*TOTALEN, DAG, BATCH, SLA, OPZOEKEN})
"""What stands in the table; the rest is in `results.json`."""
RUST, DRUK = "at rest", "while the sink writes"
_DELEN = "FROM system.parts WHERE active AND table = 'bekend' AND database = currentDatabase()"

T = TypeVar("T")
Stel = Callable[[], float]
"""Puts a question of one kind about something else each time, and gives how many milliseconds it took."""


def meet(keer: int, maten: Maten) -> Deel:
    """Part d: the questions, p50 and p95 in each round, at rest and while the sink writes; every answer is checked."""
    groottes = [maten.vragen_langste // deel // PER_BATCH * PER_BATCH for deel in (100, 10, 1)]
    with ExitStack() as stapel:
        map_ = stapel.enter_context(tempfile.TemporaryDirectory(prefix="bench-vragen-", ignore_cleanup_errors=True))
        nodig, vrij = BYTES_PER_BERICHT * sum(groottes), shutil.disk_usage(map_).free
        if vrij < nodig:
            raise BenchFout(
                f"the histories need {nodig / 1e9:.0f} GB in {tempfile.gettempdir()}, which has {vrij / 1e9:.0f} GB: "
                "set TMPDIR to another folder, or a smaller vragen_langste"
            )
        motor = stapel.enter_context(EmbeddedClickHouse(Path(map_)))
        balk = stapel.enter_context(_balk())
        histories = []
        for grootte in groottes:
            taak = balk.add_task(f"filling {grootte / 1e6:g}M", total=grootte)
            histories.append(maak(motor.url, grootte, partial(balk.advance, taak)))
            stapel.callback(histories[-1].client.close)
        return meet_over(histories, keer, maten, balk)


def meet_over(histories: Sequence[Historie], keer: int, maten: Maten, balk: Progress) -> Deel:
    """The same over histories that stand ready, the longest last: to that one the sink writes."""
    duren: dict[tuple[str, str, str], list[list[float]]] = {}
    """By question, history and circumstance: for each round the milliseconds of every single one."""
    rijen: dict[tuple[str, str], list[float]] = {}
    geschreven: list[float] = []
    langste = histories[-1]
    schijf = ", ".join(f"{een.naam} {_op_schijf(een)}" for een in histories)
    taak = balk.add_task("measuring", total=keer * (len(histories) + 1))
    for historie in histories:
        _controleer_totalen(historie)
    for ronde in range(keer):
        for plaats in range(len(histories)):
            historie = histories[(ronde + plaats) % len(histories)]
            for soort, vraag in _vragen(historie, Random(ronde), precies=ronde == 0).items():
                eerder = _gelezen(historie)
                waarden = _stel(vraag, maten)
                duren.setdefault((soort, historie.naam, RUST), []).append(waarden)
                if soort.startswith("look-up"):
                    gelezen = (_gelezen(historie) - eerder) / len(waarden)
                    rijen.setdefault((soort, historie.naam), []).append(gelezen)
            balk.advance(taak)
        with _schrijvend(langste) as tempo:
            for soort, vraag in _vragen(langste, Random(ronde), precies=False).items():
                if "cold" not in soort:
                    duren.setdefault((soort, langste.naam, DRUK), []).append(_stel(vraag, maten))
            geschreven.append(tempo())
        balk.advance(taak)
    p95 = {soort: [_p95(een) for een in duren[soort, langste.naam, RUST]] for soort in (*TOTALEN, BATCH)}
    metingen = [
        Meting(f"{soort}, {naam}, {wanneer}, {wat}", "ms", [bereken(een) for een in rondes], soort not in _HOOFDZAAK)
        for (soort, naam, wanneer), rondes in duren.items()
        for wat, bereken in (("p50", statistics.median), ("p95", _p95))
    ]
    metingen += [
        Meting(f"{soort}, {naam}, read", "rows", waarden, soort != OPZOEKEN) for (soort, naam), waarden in rijen.items()
    ]
    metingen.append(Meting(f"written meanwhile, {langste.naam}", "messages/s", geschreven))
    return Deel(
        "vragen",
        metingen,
        {
            "totalen_p95_ms": [max(rondes) for rondes in zip(*(p95[soort] for soort in TOTALEN), strict=True)],
            "batch_p95_ms": p95[BATCH],
        },
        [
            f"asked of the embedded engine over HTTP through the code of the command line, {maten.vragen_keer} times "
            f"each in a round, or for {maten.vragen_budget_s} s and at least {MINSTENS} times; totalen_p95_ms is the "
            f"slower of ontvangst and verwerking over {langste.naam} messages at rest, batch_p95_ms that of one batch "
            "by its BatchID alone",
            "the histories: a year of batches of 1000 messages of 200 leveranciers with every code, one in a hundred "
            "delivered twice, all answered. Placed messages have no pseudonym and nothing is logged: the tables for "
            "inzage, notifications and the processing log, which no question here reads, stay empty for want of disk. "
            f"The rest takes: {schijf}",
            f"while the sink writes: {PER_SECONDE} messages a second come in, are decided a round later, and answered "
            "a round after that, by the sink's own inserts",
            "look-ups: half of the slice was placed before. The table has the look-up of 125 messages, which is a "
            "slice of a full batch; results.json has slices of 1 and 1000 too, and each of them cold, when the "
            "engine's caches and the table's files were dropped before every question",
        ],
    )


def _vragen(historie: Historie, kans: Random, precies: bool) -> dict[str, Stel]:
    """The questions by name. `precies`: nothing was added to the history since it was made."""
    vragen = Vragen(historie.client)

    def totalen(op: str, van: int | None = None, tot: int | None = None) -> Stel:
        def stel() -> float:
            duur, rijen = _klok(lambda: vragen.totalen("verwerking" if op == "verwerking" else "ontvangst", van, tot))
            _eis(van is not None or sum(rij["berichten"] for rij in rijen) >= historie.berichten, "all messages")
            return duur

        return stel

    def maand(op: str) -> Stel:
        def stel() -> float:
            van = historie.begin + kans.randrange(300) * DAG_MS + kans.randrange(DAG_MS)
            return totalen(op, van, van + 30 * DAG_MS)()

        return stel

    def dag() -> float:
        van, tot, batches = historie.dag(kans)
        duur, (rijen, _) = _klok(lambda: vragen.berichtverwerking(Filter(van=van, tot=tot)))
        _eis(len(rijen) == batches or not precies, f"the {batches} batches of a day, and not {len(rijen)}")
        return duur

    def batch(berichten: bool) -> Stel:
        def stel() -> float:
            batch_id = historie.batch_id(kans)
            filter_ = Filter(batch=batch_id)
            duur, (rijen, _) = _klok(lambda: vragen.berichtverwerking(filter_, berichten=berichten))
            (rij,) = rijen
            _eis(rij["totaal"] == PER_BATCH == len(rij.get("berichten", range(PER_BATCH))), "one batch")
            return duur

        return stel

    def sla(van: int | None = None) -> float:
        nu = time.time_ns() // 1_000_000
        duur, rijen = _klok(lambda: vragen.sla(nu, van, None if van is None else van + DAG_MS))
        _eis(van is not None or sum(rij["berichten"] for rij in rijen) >= historie.berichten, "all messages")
        return duur

    def zoek(grootte: int, koud: bool) -> Stel:
        def stel() -> float:
            if koud:
                _vergeet(historie)
            return zoek_op(historie, grootte, (grootte + 1) // 2, kans)

        return stel

    return {
        TOTALEN[0]: totalen("ontvangst"),
        TOTALEN[1]: totalen("verwerking"),
        "totalen of a month by ontvangst": maand("ontvangst"),
        "totalen of a month by verwerking": maand("verwerking"),
        DAG: dag,
        BATCH: batch(berichten=False),
        "one batch with its messages": batch(berichten=True),
        SLA: sla,
        "sla of a day": lambda: sla(historie.dag(kans)[0]),
        **{f"look-up of {grootte}": zoek(grootte, koud=False) for grootte in SLICES},
        **{f"look-up of {grootte}, cold": zoek(grootte, koud=True) for grootte in SLICES},
    }


def zoek_op(historie: Historie, grootte: int, bekend: int, kans: Random) -> float:
    """Looks up a slice of which so many messages were placed before, and checks the answer; in milliseconds."""
    oude = historie.geplaatst(bekend, kans)
    gevraagd = nieuw(grootte - len(oude)) + oude
    duur, gevonden = _klok(lambda: Stroomvragen(historie.client).bekend(gevraagd))
    _eis({rij[:2] for rij in gevonden} == {een[:2] for een in oude}, "what was placed, and that alone")
    return duur


def nieuw(aantal: int) -> list[Vraag]:
    """What a run asks about so many messages that nobody saw before."""
    run = UUID(bytes=os.urandom(16))
    return [("00000099000000001000", os.urandom(16), run) for _ in range(aantal)]


def _klok(vraag: Callable[[], T]) -> tuple[float, T]:
    begin = time.perf_counter()
    antwoord = vraag()
    return (time.perf_counter() - begin) * 1000, antwoord


def _stel(vraag: Stel, maten: Maten) -> list[float]:
    einde = time.monotonic() + maten.vragen_budget_s
    waarden: list[float] = []
    while len(waarden) < maten.vragen_keer and (len(waarden) < MINSTENS or time.monotonic() < einde):
        waarden.append(vraag())
    return waarden


def _p95(waarden: Sequence[float]) -> float:
    return statistics.quantiles(waarden, n=20, method="inclusive")[-1]


def _eis(waar: bool, wat: str) -> None:
    if not waar:
        raise AssertionError(f"a question must give {wat}")


def _controleer_totalen(historie: Historie) -> None:
    """Both ways of asking give what was made, to the message."""
    verwacht = historie.verwacht()
    for op in ("ontvangst", "verwerking"):
        rijen = Vragen(historie.client).totalen(op)
        gevonden = {naam: sum(rij[naam] for rij in rijen) for naam in verwacht}
        _eis(gevonden == verwacht, f"{verwacht}, and not {gevonden}")


def _gelezen(historie: Historie) -> int:
    """Rows that all look-ups until now read, in whole granules; the engine's own tables have none."""
    return GRANULE * getal(historie.client, "sum(value) FROM system.events WHERE event = 'SelectedMarks'")


def _op_schijf(historie: Historie) -> str:
    delen = "FROM system.parts WHERE active AND database = currentDatabase()"
    return f"{getal(historie.client, f'sum(bytes_on_disk) {delen}') / 1e9:.2f} GB"


def _vergeet(historie: Historie) -> None:
    """Drops what the engine and the operating system remember of `bekend`; its primary index stays."""
    for cache in ("MARK CACHE", "UNCOMPRESSED CACHE", "QUERY CONDITION CACHE"):
        historie.client.command(f"SYSTEM DROP {cache}")
    for (map_,) in historie.client.query(f"SELECT path {_DELEN}").result_rows:
        for pad in Path(map_).iterdir():
            with pad.open("rb") as bestand:
                os.fdatasync(bestand.fileno())
                os.posix_fadvise(bestand.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def _schrijvend(historie: Historie) -> Iterator[Callable[[], float]]:
    """Within it the sink writes; what it gives tells how many messages a second it came to."""
    genoeg, geschreven, begin = Event(), [0], time.monotonic()

    with ThreadPoolExecutor(1) as draden:
        schrijft = draden.submit(lambda: asyncio.run(_schrijf(historie, genoeg, geschreven)))
        try:
            wacht_tot(lambda: geschreven[0] or schrijft.done(), _BEGINT_S, "the sink writes decisions")
            yield lambda: geschreven[0] / (time.monotonic() - begin)
        finally:
            genoeg.set()
        schrijft.result()


async def _schrijf(historie: Historie, genoeg: Event, geschreven: list[int]) -> None:
    """Rounds as those of the sink: new runs, decisions on those of the round before, results of those before that."""
    schrijver, vragen = Schrijver(historie.client), Vragen(historie.client)
    besloten: list[list[Uitkomst]] = []
    ontvangen: list[Batch] = []
    begin, opgeruimd, offset = time.monotonic(), time.monotonic(), getal(historie.client, "max(volgorde) FROM runs") + 1
    aantal = 0
    while not genoeg.wait(RONDE_S) or ontvangen or besloten:
        rijen = {tabel: Rijen(tabel) for tabel in ("runs", "uitkomsten", "resultaten")}
        for uitkomsten in besloten:
            rijen["resultaten"].voeg_toe(van_resultaat(_resultaat(uitkomsten)))
        besloten = [_beslis(batch) for batch in ontvangen]
        for uitkomst in (een for uitkomsten in besloten for een in uitkomsten):
            rijen["uitkomsten"].voeg_toe(van_uitkomst(uitkomst, offset))
        nodig = 0 if genoeg.is_set() else round((time.monotonic() - begin) * PER_SECONDE / PER_BATCH) - aantal
        ontvangen = [_batch() for _ in range(nodig)]
        for plaats, batch in enumerate(ontvangen):
            rijen["runs"].voeg_toe(van_batch(batch, offset + plaats))
        aantal, offset = aantal + nodig, offset + nodig + 2
        for tabel in rijen.values():
            if len(tabel):
                await schrijver.schrijf_tabel(tabel)
        await schrijver.schrijf_voortgang([("validatie", "bench", partitie, offset) for partitie in range(8)])
        geschreven[0] += sum(len(uitkomst) for uitkomsten in besloten for uitkomst in uitkomsten)
        if time.monotonic() - opgeruimd > OPRUIMEN_S:
            await asyncio.to_thread(veeg, vragen)
            opgeruimd = time.monotonic()
    await asyncio.to_thread(veeg, vragen)  # who asks at rest finds all counted, as beside the line


def _batch() -> Batch:
    """A batch of new messages that comes in now."""
    nu, oin = time.time_ns() // 1_000_000, f"00000099{1 + os.urandom(1)[0] % 200:09d}000"
    kader = Kader(UUID(bytes=os.urandom(16)), UUID(bytes=os.urandom(16)), oin, oin, nu - 60_000, nu, PER_BATCH)
    nummers = list(range(1, PER_BATCH + 1))
    leeg, nullen = [""] * PER_BATCH, [0] * PER_BATCH
    return Batch(
        kader,
        Berichten(
            nummers=nummers,
            bericht_ids=os.urandom(16 * PER_BATCH),
            berichttypes=[f"TYPE{nummer % 5}" for nummer in nummers],
            gebruikers=b"0" * 9 * PER_BATCH,
            onderwerpen=leeg,
            teksten=leeg,
            referenties=leeg,
            publicatiedatums=nullen,
            einddatums=nullen,
            schema_fouten=leeg,
        ),
    )


def _beslis(batch: Batch) -> list[Uitkomst]:
    """Decisions on a batch, slice by slice: one message in 20 is not placed."""
    nu = time.time_ns() // 1_000_000
    uitkomsten = []
    for slice_ in splits(batch, 8).values():
        berichten = slice_.berichten
        codes = [
            Verwerkingscode.VERWERKT if nummer % 20 else Verwerkingscode.BIJLAGE_TE_GROOT
            for nummer in berichten.nummers
        ]
        uitkomsten.append(
            Uitkomst(
                batch.kader,
                nu,
                berichten.nummers,
                berichten.bericht_ids,
                berichten.berichttypes,
                codes,
                [Stadium.NA] * len(codes),
                [""] * len(codes),
                berichten.publicatiedatums,
                [["Zorg"] if code is Verwerkingscode.VERWERKT else [] for code in codes],
                [["GeenTags"] if nummer % 50 == 1 else [] for nummer in berichten.nummers],
                [f"k1:{os.urandom(32).hex()}" if code is Verwerkingscode.VERWERKT else "" for code in codes],
                f"berichten/{batch.kader.leverancier}/{batch.kader.proceskenmerk}/0",
            )
        )
    return uitkomsten


def _resultaat(uitkomsten: Sequence[Uitkomst]) -> Resultaat:
    """The result of a run, as far as the sink looks at it."""
    return Resultaat(
        uitkomsten[0].kader,
        max(uitkomst.verwerkt_op for uitkomst in uitkomsten),
        codes=[code for uitkomst in uitkomsten for code in uitkomst.codes],
    )


def _balk() -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=Console(stderr=True))
