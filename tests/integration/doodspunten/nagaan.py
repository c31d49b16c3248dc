"""Whether all that was accepted is there once and as it must be: in the log, the tables, the views, the store."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from clickhouse_connect.driver.client import Client

from avro.codec import Codec
from sinks.bijlagenwinkel import PAKKEN, Bijlagenwinkel
from sinks.database import maak_client
from sinks.objecten import Objecten
from sinks.vragen import Vragen
from streams.settings import Instellingen
from streams.sleutels import lees_sleutels
from tests.integration.lijn.controle import verschillen
from tests.integration.lijn.logboek import Record, lees
from tests.integration.lijn.zending import BESTAAT_AL, VERWERKT, Antwoord, Zending, totalen

Plaats = tuple[str, int]
"""A run, and the number of a message in it."""


@dataclass
class Boeken:
    """What a line has written, read by an outsider; each topic once, when it is first asked for."""

    instellingen: Instellingen
    _gelezen: dict[str, list[Record]] = field(default_factory=dict)

    def records(self, onderwerp: str) -> list[Record]:
        """The committed records of a topic."""
        if onderwerp not in self._gelezen:
            self._gelezen[onderwerp] = lees(self.instellingen.kafka, self.instellingen.topic(onderwerp))
        return self._gelezen[onderwerp]

    def inhoud(self, onderwerp: str) -> list[dict[str, Any]]:
        """Their values."""
        return [record.inhoud for record in self.records(onderwerp)]

    @cached_property
    def client(self) -> Client:
        """ClickHouse."""
        return maak_client(self.instellingen.clickhouse, self.instellingen.database)

    @property
    def runs(self) -> set[str]:
        """All runs that were ever accepted, answered with 202 or not."""
        return {batch["proceskenmerk"] for batch in self.inhoud("batch")}

    def besluiten(self) -> dict[Plaats, list[tuple[Antwoord, int]]]:
        """Every decision in the log, with when its message can be seen."""
        gevonden: dict[Plaats, list[tuple[Antwoord, int]]] = {}
        for een in self.inhoud("validatie"):
            kolommen = zip(een["nummers"], een["codes"], een["stadia"], een["publicatiedatums"], strict=True)
            for nummer, code, stadium, zichtbaar_op in kolommen:
                gevonden.setdefault((een["proceskenmerk"], nummer), []).append(((code, stadium), zichtbaar_op))
        return gevonden

    def te_noemen(self, nu: int) -> set[Plaats]:
        """The messages that a citizen is to be told of by now (milliseconds)."""
        return {
            plaats
            for plaats, ((antwoord, zichtbaar_op), *_) in self.besluiten().items()
            if antwoord == VERWERKT and zichtbaar_op <= nu
        }

    def genoemd(self) -> Counter[Plaats]:
        """How often a citizen was told of each message."""
        return Counter((een["proceskenmerk"], een["nummer"]) for een in self.inhoud("notificatie"))

    def beantwoord(self) -> int:
        """How many runs have a result that ClickHouse shows."""
        return int(self.client.query("SELECT uniqExact(proceskenmerk) FROM resultaten").result_rows[0][0])

    def wachtend(self) -> int:
        """How many slices stand in `wacht` that were not deleted from it."""
        laatste = {(een.partitie, een.key): een.waarde for een in self.records("wacht")}
        return sum(waarde is not None for waarde in laatste.values())

    def is_klaar(self, sinds: int) -> bool:
        """Every accepted run is answered and shown, who was to be told by `sinds` is told, and nothing waits."""
        return (
            self.beantwoord() == len(self.runs)
            and self.genoemd().keys() >= self.te_noemen(sinds)
            and self.wachtend() == 0
        )

    # -- what must hold

    def controleer(self, zendingen: Sequence[Zending]) -> None:
        """Nothing lost, nothing double, nothing wrong."""
        assert zendingen
        besluiten = self.besluiten()
        dubbel = {plaats: een for plaats, een in besluiten.items() if len(een) > 1}
        assert not dubbel, f"decided more than once: {list(dubbel.items())[:3]}"
        self._controleer_runs(zendingen, {plaats: een[0][0] for plaats, een in besluiten.items()})
        self._controleer_rijen({plaats: een[0][0] for plaats, een in besluiten.items()})
        self._controleer_views(zendingen)
        vaker = {plaats: keer for plaats, keer in self.genoemd().items() if keer > 1}
        assert not vaker, f"told more than once: {vaker}"
        gevonden = {rij["leverancier"]: rij for rij in Vragen(self.client).totalen()}
        verschillen("totalen", totalen(zendingen), gevonden)

    def _controleer_runs(self, zendingen: Sequence[Zending], besluiten: dict[Plaats, Antwoord]) -> None:
        """Every message of every run is decided, every run answered once, both as they must be."""
        resultaten: dict[str, list[dict[str, Any]]] = {}
        for een in self.inhoud("resultaat"):
            resultaten.setdefault(een["proceskenmerk"], []).append(een)
        assert {run: len(een) for run, een in resultaten.items()} == dict.fromkeys(self.runs, 1)
        per_batch = {str(zending.batch_id): zending for zending in zendingen}
        batches = self.inhoud("batch")
        assert {batch["batch_id"] for batch in batches} == per_batch.keys()
        for batch in batches:
            run, zending = batch["proceskenmerk"], per_batch[batch["batch_id"]]
            nummers = list(range(1, len(zending.verwacht) + 1))
            [resultaat] = resultaten[run]
            assert resultaat["nummers"] == nummers
            gegeven = list(zip(resultaat["codes"], resultaat["stadia"], strict=True))
            assert gegeven == [besluiten.get((run, nummer)) for nummer in nummers], f"result of run {run}"
            for nummer, verwacht, antwoord in zip(nummers, zending.verwacht, gegeven, strict=True):
                # After a lost 202 the batch has two runs: to the later one what the other placed 'exists already'.
                herhaald = zending.pogingen > 1 and verwacht == VERWERKT and antwoord == BESTAAT_AL
                assert antwoord == verwacht or herhaald, f"run {run}, message {nummer}: {antwoord}, not {verwacht}"

    def _controleer_rijen(self, besluiten: dict[Plaats, Antwoord]) -> None:
        """Rows may be written again, but a repeat is the same row."""
        rijen = self.client.query(
            """SELECT toString(proceskenmerk), nummer, any(code), any(stadium),
                   uniqExact(code, stadium, verwerkt_op, bericht_id, object, volgorde)
               FROM uitkomsten GROUP BY proceskenmerk, nummer"""
        ).result_rows
        assert [rij for rij in rijen if rij[4] != 1] == []
        verschillen("uitkomsten", besluiten, {(rij[0], rij[1]): (rij[2], rij[3]) for rij in rijen})

    def _controleer_views(self, zendingen: Sequence[Zending]) -> None:
        rijen = self.client.query("SELECT toString(batch_id), nummer, code, stadium FROM berichten").result_rows
        verwacht = Counter(
            (str(zending.batch_id), nummer, *antwoord)
            for zending in zendingen
            for nummer, antwoord in enumerate(zending.verwacht, 1)
        )
        verschillen("berichten", verwacht, Counter(tuple(rij) for rij in rijen))

    async def controleer_opslag(self) -> None:
        """Every message that was placed is in the object that its decision names, every bijlage in the pack of its run,
        and no pack is half."""
        codec, objecten = (
            Codec(),
            Objecten(self.instellingen.opslag_url, lees_sleutels(self.instellingen.sleutelbestand)),
        )
        for uitkomst in self.inhoud("validatie"):
            codes = zip(uitkomst["nummers"], uitkomst["codes"], strict=True)
            geplaatst = {nummer for nummer, code in codes if code == VERWERKT[0]}
            if not geplaatst:
                continue
            slice_ = codec.lees_batch(await objecten.lees(uitkomst["object"]), "bericht")
            assert slice_.kader.proceskenmerk == UUID(uitkomst["proceskenmerk"])
            assert geplaatst <= set(slice_.berichten.nummers)
        bijlagen = Bijlagenwinkel(objecten)
        for record in self.records("batch"):
            batch = codec.lees_batch(record.waarde)
            for bijlage in range(len(batch.berichten.bijlage_rijen)):
                assert await bijlagen.lees(batch.kader, batch.berichten.sha256(bijlage))
        async for naam, _ in objecten.lijst(PAKKEN):
            for plek in (await objecten.opgave(naam)).values():
                assert await objecten.lees_deel(naam, plek)
