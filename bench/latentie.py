"""From a 202 to visible in Totalen, at rates that are offered whatever the line makes of them."""

import asyncio
import tempfile
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from bench.aanbod import (
    OINS,
    Sjabloon,
    Stand,
    Zending,
    bied_aan,
    draaiende_stapel,
    laad_afzenders,
    open_vragen,
    wacht_tot_klaar,
)
from bench.maten import Maten
from bench.meting import Deel, Meting
from sinks.vragen import Vragen
from streams.settings import Instellingen

WORKERS = 1
PEIL_S = 0.2
"""Seconds from one look at Totalen to the next, when it is not itself slower."""
PERCENTIELEN = (50, 95, 99)

Getallen = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Maat:
    """What is offered, and for how long."""

    tempos: Sequence[int]
    """Messages a second; the second one gives `latency_p99_s`."""
    groottes: Sequence[int]
    """Messages of a batch, in turn."""
    warm_s: float
    """Seconds that are offered before anything counts."""
    duur_s: float
    achter_s: float
    """Seconds that Totalen may be behind what was offered; then the rate is given up."""
    groei_s: float
    """Seconds that the last quarter may be later than the second one, in the median: more, and a queue grows."""
    hoogstens_s: float
    """Seconds that the line gets to catch up after a rate."""


def maat_van(maten: Maten) -> Maat:
    """By the sizes that were given; a rate is warmed up for a quarter of its time, 5 s at most."""
    tempo, duur_s = maten.latentie_tempo, maten.latentie_duur_s
    return Maat(
        (max(1, tempo // 5), tempo, 4 * tempo),
        (5, 20) if tempo < 1000 else (20, 100, 250, 500, 1000),
        warm_s=min(5, duur_s / 4),
        duur_s=duur_s,
        achter_s=10,
        groei_s=1,
        hoogstens_s=maten.latentie_hoogstens_s,
    )


@dataclass(slots=True)
class Peiling:
    """What Totalen showed, look after look, of what came in since one moment. Times of the monotonic clock."""

    begin: list[float] = field(default_factory=list)
    """When each question was asked."""
    einde: list[float] = field(default_factory=list)
    """When its answer was there."""
    zichtbaar: list[list[int]] = field(default_factory=list)
    """Messages with an outcome, of each of `OINS`."""
    doel: int | None = None
    """How many messages must be visible in the end; None: that is not known yet."""

    @property
    def totaal(self) -> int:
        """Messages that are visible with their outcome."""
        return sum(self.zichtbaar[-1]) if self.zichtbaar else 0

    async def volg(self, vragen: Vragen, vanaf: int) -> None:
        """Looks at what came in since `vanaf` (milliseconds), until `doel` is reached."""
        while self.doel is None or self.totaal < self.doel:
            begin = time.monotonic()
            rijen = await asyncio.to_thread(vragen.totalen, "ontvangst", vanaf)
            besloten = {rij["leverancier"]: rij["verwerkt"] + rij["niet_verwerkt"] for rij in rijen}
            self.begin.append(begin)
            self.einde.append(time.monotonic())
            self.zichtbaar.append([besloten.get(oin, 0) for oin in OINS])
            await asyncio.sleep(begin + PEIL_S - time.monotonic())

    def breek_af(self, zendingen: Sequence[Zending]) -> int:
        """Ends as if all were visible now, so that what was not seen counts as long as it was awaited: how much."""
        gezien = self.zichtbaar[-1] if self.zichtbaar else [0] * len(OINS)
        alles = [sum(een.berichten for een in zendingen if een.afzender == nummer) for nummer in range(len(OINS))]
        self.begin.append(time.monotonic())
        self.einde.append(self.begin[-1])
        self.zichtbaar.append(alles)
        return sum(alles) - sum(gezien)

    def fouten(self) -> Getallen:
        """By how many seconds each look can be late: what it shows was not there when the look before began."""
        fouten: Getallen = np.array(self.einde[1:]) - np.array(self.begin[:-1])
        return fouten


@dataclass(frozen=True, slots=True)
class Uitslag:
    """What a rate gave in one round. Latencies in seconds, one of each message that counts, as they were offered."""

    tempo: int
    groottes: Sequence[int]
    """Messages of each batch that was taken."""
    sinds_202: Getallen
    sinds_moest: Getallen
    """Since the batch should have gone out: with the door, and with what waited for it."""
    per_s: float
    """Messages a second that became visible, from the first offered to the last seen."""
    peilfouten: Getallen
    te_laat: float
    """Seconds that the sender itself was late at most."""
    uitgesteld: int
    """How often the door said 'later'."""
    waarom_niet: str
    """Why the line cannot bear the rate; empty when it can."""


def latenties(zendingen: Sequence[Zending], peiling: Peiling) -> tuple[Getallen, Getallen, Getallen]:
    """Of every message when it should have gone out, when it was taken, and when Totalen first showed its outcome.

    Totalen tells how many messages of a sender have an outcome, not which: the first outcomes are taken for those of
    the batch that was taken first.
    """
    einde, gezien = np.array(peiling.einde), np.maximum.accumulate(np.array(peiling.zichtbaar))
    delen: list[tuple[Getallen, Getallen, Getallen]] = []
    for afzender in {zending.afzender for zending in zendingen}:
        zijn = sorted((een for een in zendingen if een.afzender == afzender), key=lambda een: een.genomen_op)
        groottes = [een.berichten for een in zijn]
        look = np.searchsorted(gezien[:, afzender], np.arange(sum(groottes)), side="right")
        moest = np.repeat([een.moest_op for een in zijn], groottes)
        genomen = np.repeat([een.genomen_op for een in zijn], groottes)
        delen.append((moest, genomen, einde[look]))
    moest, genomen, zichtbaar = (np.concatenate(kolom) for kolom in zip(*delen, strict=True))
    volgorde = np.argsort(moest, kind="stable")
    return moest[volgorde], genomen[volgorde], zichtbaar[volgorde]


def uitslag(
    maat: Maat,
    tempo: int,
    zendingen: Sequence[Zending],
    peiling: Peiling,
    redenen: Sequence[str] = (),
    ongezien: int = 0,
) -> Uitslag:
    """What a rate gave. `redenen`: why the line cannot bear it, as far as that was seen; `ongezien`: see `breek_af`."""
    moest, genomen, zichtbaar = latenties(zendingen, peiling)
    begin = zendingen[0].moest_op
    telt = moest >= min(begin + maat.warm_s, zendingen[-1].moest_op)
    sinds_moest = (zichtbaar - moest)[telt]
    _, tweede, _, laatste = (float(np.median(kwart)) for kwart in np.array_split(sinds_moest, 4))
    if not redenen and laatste - tweede > maat.groei_s:
        redenen = [f"a queue grew: the median went from {tweede:.1f} s to {laatste:.1f} s"]
    return Uitslag(
        tempo=tempo,
        groottes=[zending.berichten for zending in zendingen],
        sinds_202=(zichtbaar - genomen)[telt],
        sinds_moest=sinds_moest,
        per_s=(len(moest) - ongezien) / (float(zichtbaar.max()) - begin),
        peilfouten=peiling.fouten(),
        te_laat=max(zending.ging_op - zending.moest_op for zending in zendingen),
        uitgesteld=sum(zending.uitgesteld for zending in zendingen),
        waarom_niet=", ".join(redenen),
    )


async def meet_tempo(
    instellingen: Instellingen, vragen: Vragen, sjablonen: Sequence[Sjabloon], tempo: int, maat: Maat
) -> Uitslag:
    """Offers at one rate; returns when all of it is visible, or the line had time enough for that."""
    zendingen: list[Zending] = []
    peiling, redenen, ongezien = Peiling(), list[str](), 0
    volgt = asyncio.create_task(peiling.volg(vragen, time.time_ns() // 1_000_000))

    def opgeven() -> bool:
        oudste = bisect_right(zendingen, peiling.totaal, key=lambda een: een.tot)
        if oudste < len(zendingen) and (nu := time.monotonic() - zendingen[oudste].moest_op) > maat.achter_s:
            redenen.append(f"given up when Totalen was {nu:.0f} s behind")
        return bool(redenen) or volgt.done()

    try:
        async with asyncio.timeout(maat.warm_s + maat.duur_s + maat.hoogstens_s):
            await bied_aan(instellingen.aanlevering, sjablonen, tempo, maat.warm_s + maat.duur_s, zendingen, opgeven)
            peiling.doel = zendingen[-1].tot
            await volgt
    except TimeoutError:
        genomen = [een for een in zendingen if een.genomen_op]
        if len(genomen) < len(zendingen):
            redenen.append(f"{len(zendingen) - len(genomen)} of {len(zendingen)} batches were not taken in the end")
        zendingen = genomen
        ongezien = peiling.breek_af(zendingen)
        redenen.append(f"{ongezien:,} messages were not visible {maat.hoogstens_s:g} s later")
    finally:
        volgt.cancel()
    return uitslag(maat, tempo, zendingen, peiling, redenen, ongezien)


def meet(keer: int, maten: Maten) -> Deel:
    """The rates in turn, from low to high, on a new stack for each round."""
    maat = maat_van(maten)
    rondes: list[list[Uitslag]] = []
    with Progress(console=Console(stderr=True), transient=True) as balk:
        stap = balk.add_task("latency", total=keer * len(maat.tempos))
        for nummer in range(1, keer + 1):
            balk.update(stap, description=f"latency, round {nummer}: the stack starts")
            with (
                tempfile.TemporaryDirectory(prefix="bench-latentie-", ignore_cleanup_errors=True) as naam,
                draaiende_stapel(Path(naam) / "data", WORKERS) as instellingen,
                open_vragen(instellingen) as vragen,
            ):
                laad_afzenders(instellingen)
                rondes.append([])
                for een in ronde(instellingen, vragen, maat):
                    rondes[-1].append(een)
                    balk.update(stap, advance=1, description=f"latency, round {nummer}: {een.tempo:,} messages/s done")
            balk.update(stap, completed=nummer * len(maat.tempos))
    return als_deel(maat, rondes)


def ronde(instellingen: Instellingen, vragen: Vragen, maat: Maat) -> Iterator[Uitslag]:
    """The rates in turn on one stack, until one after which the line does not come to rest in time."""
    sjablonen = [Sjabloon(grootte) for grootte in maat.groottes]
    eerder, groottes = Stand.lees(vragen), list[int]()
    for tempo in maat.tempos:
        een = asyncio.run(meet_tempo(instellingen, vragen, sjablonen, tempo, maat))
        groottes += een.groottes
        yield een
        if not wacht_tot_klaar(instellingen, vragen, maat.hoogstens_s):
            return
    eerder.controleer(vragen, groottes)


def als_deel(maat: Maat, rondes: Sequence[Sequence[Uitslag]]) -> Deel:
    """What is told of all rounds, of rates that the line could not bear too: that is said then."""
    metingen: list[Meting] = []
    ratios: dict[str, list[float]] = {}
    uitleg, mislukt = list(_uitleg(maat)), dict[str, str]()
    for tempo in maat.tempos:
        aangeboden = f"{tempo:,} messages/s offered"
        uitslagen = [een for ronde in rondes for een in ronde if een.tempo == tempo]
        if len(uitslagen) < len(rondes):
            uitleg.append(
                f"{aangeboden}: in {len(rondes) - len(uitslagen)} of {len(rondes)} rounds not offered, since the line "
                "was still busy with a lower rate"
            )
        if not uitslagen:
            continue
        metingen += _latenties(aangeboden, uitslagen)
        if tempo == maat.tempos[1]:
            ratios["latency_p99_s"] = [float(np.percentile(een.sinds_202, 99)) for een in uitslagen]
        metingen.append(Meting(f"{aangeboden}: made visible", "messages/s", [een.per_s for een in uitslagen]))
        langste = [float(een.peilfouten.max()) for een in uitslagen]
        metingen.append(Meting(f"{aangeboden}: polling error, median", "s", [*map(_midden, uitslagen)], bijzaak=True))
        metingen.append(Meting(f"{aangeboden}: polling error, largest", "s", langste, bijzaak=True))
        redenen = [een.waarom_niet for een in uitslagen if een.waarom_niet]
        if redenen:
            uitleg.append(
                f"{aangeboden}: NOT sustained in {len(redenen)} of {len(uitslagen)} rounds ({'; '.join(redenen)}): "
                "their latencies are of what was offered until then, and would have grown"
            )
        uitleg.append(
            f"{aangeboden}: the sender was {max(een.te_laat for een in uitslagen):.2f} s late at most; the door said "
            f"'later' {sum(een.uitgesteld for een in uitslagen)} times"
        )
    if "latency_p99_s" not in ratios:
        mislukt["latency_p99_s"] = f"the line could not bear {maat.tempos[0]:,} messages/s"
    return Deel("latentie", metingen, ratios, uitleg, mislukt)


def _latenties(aangeboden: str, uitslagen: Sequence[Uitslag]) -> Iterator[Meting]:
    soorten = {"202 to visible": "sinds_202", "due to visible": "sinds_moest"}
    for soort, welke in soorten.items():
        for percentiel in PERCENTIELEN:
            waarden = [float(np.percentile(getattr(een, welke), percentiel)) for een in uitslagen]
            yield Meting(f"{aangeboden}: {soort}, p{percentiel}", "s", waarden)


def _midden(een: Uitslag) -> float:
    return float(np.median(een.peilfouten))


def _uitleg(maat: Maat) -> Iterator[str]:
    groottes = ", ".join(map(str, maat.groottes))
    yield (
        f"the embedded stack with {WORKERS} worker, 2 partitions of `bericht` and a profile cache "
        f"of 7 days that begins empty, new for each round; "
        f"each rate for {maat.warm_s:g} s that do not count and {maat.duur_s:g} s that do, in "
        f"batches of {groottes} messages without bijlagen in turn, from {len(OINS)} leveranciers, over HTTP"
    )
    yield (
        "open loop: each batch goes out at its moment, however many are under way. 'due' is that moment, so it counts "
        "what waits for the door as well; latency_p99_s counts from the 202, since that is what was asked, and the "
        "difference stands beside it"
    )
    yield (
        f"visible: the outcome is in the project's own Totalen (`totalen`, over what came in since the rate began), "
        f"asked every {PEIL_S:g} s; the moment is that of the answer, so a latency can be too long by the polling "
        "error at most, and never too short. What asking costs the line is in the figures"
    )
    yield "of one leverancier the first outcomes are taken for those of the batch that was taken first"
    yield (
        f"a rate is not sustained when Totalen is more than {maat.achter_s:g} s behind, or when the last quarter is "
        f"{maat.groei_s:g} s later than the second, in the median. Then the line gets {maat.hoogstens_s:g} s to catch "
        "up; what is not visible by then counts for as long as it was awaited, and higher rates are left out. Else in "
        "the end every message must be there, Verwerkt"
    )
