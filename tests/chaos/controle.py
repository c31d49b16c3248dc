"""Whether all that was accepted is there once, with the outcome that the model gives: in log, tables and views.

What the door made durable stands in topic `batch`. While a part of a message's run waits another may go before it, so
the model decides each message at its place in topic `validatie`: equal BerichtIDs share a partition, so their order is
there. What the views must show follows from that, and from the order of the runs in `batch`.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from avro.codec import Codec, Onleesbaar
from sinks.bijlagenwinkel import Bijlagenwinkel
from sinks.objecten import Objecten, ObjectOntbreekt
from streams.sleutels import SleutelFout, lees_sleutels
from tests.chaos.wereld import Wereld
from tests.chaos.zender import Zending, model
from tests.integration.lijn.logboek import Record, lees
from tests.model.model import VERWERKT, ZONDER_ID, Model, Run, getoond

Antwoord = tuple[str, str]
"""VerwerkingsCode and Stadium."""
_NOTIFICATIE_S = 180.0
"""Seconds without a new one after which the others will not come."""
_NOG_EEN_S = 10.0
"""Seconds in which a second notification of the same message would come."""
_VOORBEELDEN = 5


@dataclass
class Bevinding:
    """What a check found wrong."""

    verloren: int = 0
    dubbel: int = 0
    fout: int = 0
    voorbeelden: list[str] = field(default_factory=list)
    """The first of each kind, without anything of a citizen."""
    geteld: dict[str, int] = field(default_factory=dict)

    def meld(self, soort: str, wat: str, aantal: int = 1) -> None:
        """`soort` is one of the counts."""
        setattr(self, soort, getattr(self, soort) + aantal)
        if sum(een.startswith(soort) for een in self.voorbeelden) < _VOORBEELDEN:
            self.voorbeelden.append(f"{soort}: {wat}")

    @property
    def goed(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.verloren or self.dubbel or self.fout)

    def vergelijk(self, waar: str, wel: dict[Any, Any], niet: dict[Any, Any]) -> None:
        """What must be there against what is: missing, too much, or different."""
        for sleutel in wel.keys() - niet.keys():
            self.meld("verloren", f"{waar}: {sleutel}")
        for sleutel in niet.keys() - wel.keys():
            self.meld("fout", f"{waar}: {sleutel} was never sent")
        for sleutel in wel.keys() & niet.keys():
            if wel[sleutel] != niet[sleutel]:
                self.meld("fout", f"{waar}: {sleutel}: expected {wel[sleutel]}, found {niet[sleutel]}")


def controleer(wereld: Wereld, zendingen: Sequence[Zending]) -> Bevinding:
    """Looks at everything, when all is done."""
    bevinding = Bevinding()
    alles, runs = _duurzaam(wereld, zendingen, bevinding)
    besloten = in_het_log(lees(wereld.kafka, "validatie"), alles, runs, bevinding)
    _resultaten(wereld, besloten, bevinding)
    _tabel(wereld, besloten, bevinding)
    _logboek(wereld, besloten, bevinding)
    asyncio.run(_opslag(wereld, bevinding))
    _views(wereld, alles, bevinding)
    _notificaties(wereld, besloten, bevinding)
    return bevinding


def _duurzaam(wereld: Wereld, zendingen: Sequence[Zending], bevinding: Bevinding) -> tuple[Model, dict[UUID, Run]]:
    """Every run that the door made durable, in the order of the log, with nothing decided yet."""
    codec, alles, runs = Codec(), model(), {}
    per_levering = {
        (een.levering.leverancier, een.levering.batch_id, een.levering.aanmaakdatum): een for een in zendingen
    }
    for record in sorted(lees(wereld.kafka, "batch"), key=lambda record: (record.partitie, record.offset)):
        batch = codec.lees_batch(record.waarde)
        kader = batch.kader
        zending = per_levering.get((kader.leverancier, str(kader.batch_id), kader.aanmaakdatum))
        if zending is None:
            bevinding.meld("fout", f"run {kader.proceskenmerk} was never sent")
        elif tuple(str(UUID(bytes=een)) for een in batch.berichten.ids()) != zending.ids or kader.proceskenmerk in runs:
            bevinding.meld("dubbel", f"run {kader.proceskenmerk} is not as it was sent")
        else:
            runs[kader.proceskenmerk] = Run(zending.levering)
            alles.runs.append(runs[kader.proceskenmerk])
    for zending in zendingen:
        if zending.proceskenmerk not in runs:
            bevinding.meld("verloren", f"run {zending.proceskenmerk}, answered with 202", len(zending.ids))
    bevinding.geteld |= {
        "batches accepted": len({zending.levering.batch_id for zending in zendingen}),
        "deliveries accepted": len(zendingen),
        "messages accepted": sum(len(zending.ids) for zending in zendingen),
        "runs durable": len(runs),
        "messages in all runs": sum(len(run.levering.berichten) for run in runs.values()),
    }
    return alles, runs


Besloten = dict[UUID, dict[int, tuple[Antwoord, int]]]
"""What each message of each run got, and from when it can be seen."""


def in_het_log(records: Iterable[Record], alles: Model, runs: dict[UUID, Run], bevinding: Bevinding) -> Besloten:
    """Each message once, with what the model gives at that moment; equal BerichtIDs of a run in their order there.

    `records`: of topic `validatie`. The runs get their outcomes.
    """
    codec, besloten = Codec(), dict[UUID, dict[int, tuple[Antwoord, int]]]()
    eerst: dict[tuple[UUID, int], Record] = {}
    waar: dict[tuple[str, str], int] = {}
    vorige: dict[tuple[UUID, str], int] = {}
    for record in sorted(records, key=lambda record: (record.partitie, record.offset)):
        uitkomst = codec.lees_uitkomst(record.waarde)
        kenmerk = uitkomst.kader.proceskenmerk
        van_run, van_model = besloten.setdefault(kenmerk, {}), runs.get(kenmerk)
        for rij, nummer in enumerate(uitkomst.nummers):
            if nummer in van_run:
                eerder = eerst[kenmerk, nummer]
                bevinding.meld("dubbel", f"validatie: {kenmerk} {nummer} is decided at {eerder} and again at {record}")
                continue
            eerst[kenmerk, nummer] = record
            antwoord = (str(uitkomst.codes[rij]), str(uitkomst.stadia[rij]))
            van_run[nummer] = (antwoord, uitkomst.publicatiedatums[rij])
            if van_model is None or nummer > len(van_model.levering.berichten):
                bevinding.meld("fout", f"validatie: {kenmerk} {nummer} was never sent")
                continue
            wel = alles.beslis(van_model.levering, van_model.levering.berichten[nummer - 1], (), ())
            if antwoord != wel:
                bevinding.meld("fout", f"validatie: {kenmerk} {nummer}: expected {wel}, found {antwoord}")
            alles.leg_vast(van_model, nummer, antwoord)
            bericht_id = van_model.uitkomsten[-1].bericht_id
            if str(UUID(bytes=uitkomst.bericht_id(rij))) != bericht_id:
                bevinding.meld("fout", f"validatie: {kenmerk} {nummer} is not {bericht_id}")
            if bericht_id == ZONDER_ID:
                continue
            if vorige.get((kenmerk, bericht_id), 0) > nummer:
                bevinding.meld("fout", f"validatie: {kenmerk} {nummer} is decided after a later one of its BerichtID")
            vorige[kenmerk, bericht_id] = nummer
            if waar.setdefault((van_model.levering.leverancier, bericht_id), record.partitie) != record.partitie:
                bevinding.meld("fout", f"validatie: {kenmerk} {nummer} is decided beside others of its BerichtID")
    for kenmerk, run in runs.items():
        run.uitkomsten.sort(key=lambda een: een.nummer)
        for nummer in range(1, len(run.levering.berichten) + 1):
            if nummer not in besloten.get(kenmerk, {}):
                bevinding.meld("verloren", f"validatie: {kenmerk} {nummer}")
    return besloten


def _resultaten(wereld: Wereld, besloten: Besloten, bevinding: Bevinding) -> None:
    """One result a run, in the log and in the table, with what was decided."""
    codec, aantal = Codec(), Counter[UUID]()
    for record in lees(wereld.kafka, "resultaat"):
        resultaat = codec.lees_resultaat(record.waarde)
        run = resultaat.kader.proceskenmerk
        aantal[run] += 1
        codes = zip(map(str, resultaat.codes), map(str, resultaat.stadia), strict=True)
        antwoorden = dict(zip(resultaat.nummers, codes, strict=True))
        if antwoorden != {nummer: antwoord for nummer, (antwoord, _) in besloten.get(run, {}).items()}:
            bevinding.meld("fout", f"resultaat: {run} says something else than was decided")
    for run, keer in aantal.items():
        if keer > 1:
            bevinding.meld("dubbel", f"resultaat: {run} is answered {keer} times", keer - 1)
    for run in besloten.keys() - aantal.keys():
        bevinding.meld("verloren", f"resultaat: {run} is not answered")
    rijen = wereld.sql("SELECT toString(proceskenmerk), count() FROM resultaten FINAL GROUP BY proceskenmerk")
    wel = {str(run): 1 for run in besloten}
    bevinding.vergelijk("table resultaten", wel, {run: int(keer) for run, keer in rijen})
    bevinding.geteld["results"] = sum(aantal.values())


def _tabel(wereld: Wereld, besloten: Besloten, bevinding: Bevinding) -> None:
    """Rows may be written again, but each repeat says the same."""
    for deel in _delen(sorted(besloten)):
        rijen = wereld.sql(
            f"""SELECT toString(proceskenmerk), nummer, any(code), any(stadium),
                    uniqExact(code, stadium, verwerkt_op, bericht_id, object, volgorde)
                FROM uitkomsten WHERE proceskenmerk IN ({_lijst(deel)}) GROUP BY proceskenmerk, nummer"""
        )
        for run, nummer, _, _, soorten in rijen:
            if int(soorten) != 1:
                bevinding.meld("dubbel", f"table uitkomsten: {run} {nummer} has rows that differ")
        wel = {(str(run), nummer): een for run in deel for nummer, (een, _) in besloten[run].items()}
        bevinding.vergelijk("table uitkomsten", wel, {(run, nummer): (code, st) for run, nummer, code, st, _ in rijen})


def _logboek(wereld: Wereld, besloten: Besloten, bevinding: Bevinding) -> None:
    """Every decision has one line in the processing log; nothing was set aside, since all that was sent was good."""
    regels = 0
    for deel in _delen(sorted(besloten)):
        rijen = wereld.sql(
            f"""SELECT toString(proceskenmerk), nummer, any(code), toInt64(count()) FROM logboek
                WHERE proceskenmerk IN ({_lijst(deel)}) GROUP BY proceskenmerk, nummer"""
        )
        regels += len(rijen)
        for run, nummer, _, keer in rijen:
            if int(keer) != 1:
                bevinding.meld("dubbel", f"logboek: {run} {nummer} has {keer} lines")
        wel = {(str(run), nummer): een[0] for run in deel for nummer, (een, _) in besloten[run].items()}
        bevinding.vergelijk("logboek", wel, {(run, nummer): code for run, nummer, code, _ in rijen})
    for record in lees(wereld.kafka, "dlq"):
        bevinding.meld("fout", f"dlq: {record} was set aside")
    bevinding.geteld["lines in the processing log"] = regels


async def _opslag(wereld: Wereld, bevinding: Bevinding) -> None:
    """Every message that was placed is in the object that its decision names, and every bijlage of a batch is there."""
    codec = Codec()
    objecten = Objecten(f"file://{wereld.data}/opslag", lees_sleutels(wereld.data / "sleutels.json"))
    bijlagen = Bijlagenwinkel(objecten)
    aantal = 0
    for record in lees(wereld.kafka, "validatie"):
        uitkomst = codec.lees_uitkomst(record.waarde)
        geplaatst = {uitkomst.nummers[rij] for rij in uitkomst.verwerkt()}
        if not geplaatst:
            continue
        try:
            slice_ = codec.lees_batch(await objecten.lees(uitkomst.object), "bericht")
            kwijt = geplaatst - set(slice_.berichten.nummers)
        except (ObjectOntbreekt, Onleesbaar, SleutelFout) as fout:
            kwijt, slice_ = geplaatst, None
            bevinding.meld("fout", f"store: {uitkomst.object} cannot be read: {type(fout).__name__}")
        if kwijt:
            bevinding.meld("verloren", f"store: {uitkomst.kader.proceskenmerk} lacks placed messages", len(kwijt))
        if slice_ is not None and slice_.kader.proceskenmerk != uitkomst.kader.proceskenmerk:
            bevinding.meld("fout", f"store: {uitkomst.object} is of another run")
        aantal += len(geplaatst)
    for record in lees(wereld.kafka, "batch"):
        batch = codec.lees_batch(record.waarde)
        for bijlage in range(len(batch.berichten.bijlage_rijen)):
            try:
                await bijlagen.lees(batch.kader, batch.berichten.sha256(bijlage))
            except (ObjectOntbreekt, SleutelFout) as fout:
                bevinding.meld("verloren", f"store: a bijlage of {record}: {type(fout).__name__}")
    bevinding.geteld["messages in the store"] = aantal


def _views(wereld: Wereld, alles: Model, bevinding: Bevinding) -> None:
    """Every message is shown once, and counted once in Totalen, which is the sum over the batches."""
    batches = alles.batches()
    getoonde = 0
    for deel in _delen(sorted(batches)):
        rijen = wereld.sql(
            f"""SELECT leverancier, toString(batch_id), nummer, toString(bericht_id), code, stadium,
                    notEmpty(waarschuwingen) FROM berichten WHERE batch_id IN ({_lijst(een for _, een in deel)})"""
        )
        getoonde += len(rijen)
        wel = Counter(
            (*batch, een.nummer, een.bericht_id, een.code, een.stadium, een.waarschuwing)
            for batch in deel
            for een in getoond(batches[batch])
        )
        niet = Counter((*rij[:6], bool(rij[6])) for rij in rijen)
        for sleutel in wel.keys() | niet.keys():
            if wel[sleutel] < niet[sleutel]:
                soort = "dubbel" if wel[sleutel] else "fout"
                bevinding.meld(soort, f"view berichten: {sleutel} is shown {niet[sleutel]} times, not {wel[sleutel]}")
            elif wel[sleutel] > niet[sleutel]:
                bevinding.meld("verloren", f"view berichten: {sleutel}")
    namen = ("batches", "berichten", "verwerkt", "waarschuwing", "niet_verwerkt", "in_behandeling")
    rijen = wereld.sql(f"SELECT leverancier, {', '.join(map('toInt64({})'.format, namen))} FROM totalen")
    totalen = {rij[0]: dict(zip(namen, map(int, rij[1:]), strict=True)) for rij in rijen}
    bevinding.vergelijk("totalen", alles.totalen(), totalen)
    rijen = wereld.sql(
        """SELECT leverancier, toInt64(count()), toInt64(sum(totaal)), toInt64(sum(verwerkt)),
               toInt64(sum(waarschuwing)), toInt64(sum(niet_verwerkt)), toInt64(sum(in_behandeling))
           FROM berichtverwerking GROUP BY leverancier"""
    )
    som = {rij[0]: dict(zip(namen, map(int, rij[1:]), strict=True)) for rij in rijen}
    bevinding.vergelijk("totalen against the sum over the batches", som, totalen)
    bevinding.geteld["messages shown"] = getoonde
    bevinding.geteld["messages in Totalen"] = sum(rij["berichten"] for rij in totalen.values())


def _notificaties(wereld: Wereld, besloten: Besloten, bevinding: Bevinding) -> None:
    """The citizen is told at most once of each placed message, once it can be seen, and never of another."""
    codec, nu = Codec(), time.time_ns() // 1_000_000
    geplaatst = {
        (run, nummer): zichtbaar_op
        for run, nummers in besloten.items()
        for nummer, (antwoord, zichtbaar_op) in nummers.items()
        if antwoord == VERWERKT
    }
    te_zien = {sleutel for sleutel, zichtbaar_op in geplaatst.items() if zichtbaar_op <= nu}

    def stand() -> Counter[tuple[UUID, int]]:
        alle = (codec.lees_notificatie(record.waarde) for record in lees(wereld.kafka, "notificatie"))
        return Counter((een.proceskenmerk, een.nummer) for een in alle)

    gevonden, sinds = stand(), time.monotonic()
    while not gevonden.keys() >= te_zien and time.monotonic() - sinds < _NOTIFICATIE_S:
        time.sleep(1)
        eerder, gevonden = len(gevonden), stand()
        sinds = sinds if len(gevonden) == eerder else time.monotonic()
    time.sleep(_NOG_EEN_S)
    gevonden = stand()
    for sleutel in te_zien - gevonden.keys():
        bevinding.meld("verloren", f"notificatie: {sleutel}")
    for sleutel, keer in gevonden.items():
        if keer > 1:
            bevinding.meld("dubbel", f"notificatie: {sleutel} {keer} times", keer - 1)
        if geplaatst.get(sleutel, nu + 3_600_000) > nu + 600_000:
            bevinding.meld("fout", f"notificatie: {sleutel} cannot be seen")
    bevinding.geteld["notifications"] = sum(gevonden.values())


def _delen(alle: Sequence[Any], grootte: int = 300) -> Iterator[Sequence[Any]]:
    return (alle[begin : begin + grootte] for begin in range(0, len(alle), grootte))


def _lijst(guids_: Iterable[object]) -> str:
    return ",".join(f"'{guid}'" for guid in guids_)
