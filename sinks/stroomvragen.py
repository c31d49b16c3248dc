"""What the stream asks ClickHouse while it runs: what is known, how far the sink is, which runs are ready for a result.

All of it in bulk, and at a cost that follows what is open or asked for, not what was ever processed.
"""
# ruff: noqa: S608 (only constants of this file are put together into SQL; values go as parameters)

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar
from uuid import UUID

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.external import ExternalData

from domain.batch import GUID_BYTES, Kader
from domain.codes import NUL_GUID, Stadium, Verwerkingscode
from domain.resultaat import Resultaat
from sinks.database import vertaal_fouten

PER_VRAAG = 1000
"""Keys that one question carries: as a parameter they stay below the 128 KiB that ClickHouse takes in a form field."""

PER_TABEL = 20_000
"""The same in a table of its own: some hundreds of kilobytes."""

REPLICA_S = 2.0
"""Seconds that a replica gets to show what another has shown."""

VERGEET_S = 5.0
"""Seconds that we wait for what is to leave a work list. A ClickHouse that is well takes a fraction of one."""
_KIJK_S = 0.02

RUNS_PER_VRAAG = 100
"""Runs whose messages one answer holds: at most a hundred thousand rows."""

Vraag = tuple[str, bytes, UUID]
"""A leverancier, BerichtIDs of 16 bytes each back to back, and the Proceskenmerk of the run that asks."""
BekendeUitkomst = tuple[str, bytes, UUID, int, bool]
"""A leverancier, the 16 bytes of a BerichtID, and of a decision on it: Proceskenmerk, number, whether Verwerkt."""

KADER = """proceskenmerk, batch_id, leverancier, aangeleverd_door,
    toUnixTimestamp64Milli(aanmaakdatum), toUnixTimestamp64Milli(aangeleverd_op), totaal"""

VAN_RUNS = """(leverancier, batch_id, proceskenmerk) IN (SELECT arrayJoin(
    arrayZip({leveranciers:Array(String)}, {batch_ids:Array(UUID)}, {proceskenmerken:Array(UUID)})))"""
"""Rows of the runs that `_sleutels` gives."""

BYTES = "UUIDStringToNum(toString({}))"
"""A GUID as its 16 bytes."""
GUID = "toUUID(UUIDNumToString({}))"
"""The 16 bytes of one as a GUID."""

T = TypeVar("T")


class NietAfgerond(Exception):
    """A run has messages without a decision, so it has no result yet."""


class Teruggezet(Exception):
    """ClickHouse shows less than it has confirmed before: it was put back to an older copy.

    Who goes on would write past what is missing. Who starts anew goes on from what ClickHouse has, and fills it up.
    """

    def __init__(self, partitie: int, nu: int, eerder: int) -> None:
        super().__init__(
            f"ClickHouse shows progress {nu} in partition {partitie}, and showed {eerder} before: it was put back to "
            "an older copy. This worker ends; the next fills it up again"
        )


class Stroomvragen:
    """Questions over one client, of `maak_client`; threads may share it.

    Every method raises DatabaseWeg when asking again later may help.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._gezien: dict[tuple[str, int], int] = {}
        """The progress that was shown before, by topic id and partition: it never goes back."""

    def bekend(self, vragen: Collection[Vraag]) -> list[BekendeUitkomst]:
        """What is decided on these messages: by the run asked for, and Verwerkt by any other run of the leverancier.

        A BerichtID that could not be read is no identity: of those, all decisions of the run asked for.
        """
        gevraagd: dict[str, set[bytes]] = {}
        for leverancier, ids, run in vragen:
            gevraagd.setdefault(leverancier, set()).update(_identiteiten(ids, run))
        runs = {run.bytes: run for *_, run in vragen}
        gevonden: list[BekendeUitkomst] = []
        for leveranciers in stukken(list(gevraagd), PER_VRAAG):
            rijen = [
                kop + id_
                for wie, leverancier in enumerate(leveranciers, 1)
                for kop in [wie.to_bytes(4, "little")]
                for id_ in gevraagd[leverancier]
            ]
            for deel in stukken(rijen, PER_TABEL):
                for leverancier, bericht_id, proceskenmerk, nummer, verwerkt in self._bekend(leveranciers, deel):
                    van_ons = runs.get(proceskenmerk)
                    identiteit = proceskenmerk if bericht_id == NUL_GUID.bytes else bericht_id
                    if (verwerkt or van_ons) and identiteit in gevraagd.get(leverancier, ()):
                        besliste = van_ons or UUID(bytes=proceskenmerk)
                        gevonden.append((leverancier, bericht_id, besliste, nummer, bool(verwerkt)))
        return gevonden

    def _bekend(self, leveranciers: Sequence[str], rijen: Sequence[bytes]) -> Sequence[Sequence[Any]]:
        """What is decided under these keys: the number of a leverancier among these, from 1, and 16 bytes. Of others
        with an equal hash as well."""
        return self._rijen(
            f"""
            SELECT leverancier, {BYTES.format("bericht_id")}, {BYTES.format("proceskenmerk")}, nummer,
                argMax(code, voorrang) = 'Verwerkt'
            FROM bekend
            WHERE sleutel IN
                (SELECT cityHash64({{leveranciers:Array(String)}}[wie], {GUID.format("id")}) FROM gevraagd)
            GROUP BY leverancier, bericht_id, proceskenmerk, nummer
            """,
            extern("gevraagd", "wie UInt32, id FixedString(16)", rijen),
            leveranciers=list(leveranciers),
        )

    def voortgang(self, topic_id: str) -> dict[int, int]:
        """For each partition of a topic the offset of the first record that is not in ClickHouse yet.

        Raises Teruggezet when that is less than was shown before.
        """
        return self.voortgangen([topic_id])[topic_id]

    def voortgangen(self, topic_ids: Collection[str]) -> dict[str, dict[int, int]]:
        """The same of several topics, by topic id, in one question."""
        vooraf = {sleutel: volgende for sleutel, volgende in self._gezien.copy().items() if sleutel[0] in topic_ids}
        gevonden = self._voortgangen(topic_ids)
        if any(gevonden.get(sleutel, 0) < volgende for sleutel, volgende in vooraf.items()):
            time.sleep(REPLICA_S)
            gevonden = self._voortgangen(topic_ids)
        for sleutel, volgende in vooraf.items():
            if gevonden.get(sleutel, 0) < volgende:
                raise Teruggezet(sleutel[1], gevonden.get(sleutel, 0), volgende)
        per_topic: dict[str, dict[int, int]] = {topic_id: {} for topic_id in topic_ids}
        for (topic_id, partitie), volgende in gevonden.items():
            self._gezien[topic_id, partitie] = max(volgende, self._gezien.get((topic_id, partitie), 0))
            per_topic[topic_id][partitie] = volgende
        return per_topic

    def _voortgangen(self, topic_ids: Collection[str]) -> dict[tuple[str, int], int]:
        sql = """SELECT topic_id, partitie, max(volgende) FROM voortgang
                 WHERE topic_id IN {topic_ids:Array(String)} GROUP BY topic_id, partitie"""
        return {(rij[0], int(rij[1])): int(rij[2]) for rij in self._rijen(sql, topic_ids=list(topic_ids))}

    def stand(self) -> int:
        """A number that is another one whenever any progress is: as long as it stays, the sinks have added nothing."""
        sql = """SELECT groupBitXor(cityHash64(topic_id, partitie, tot)) FROM
                 (SELECT topic_id, partitie, max(volgende) AS tot FROM voortgang GROUP BY topic_id, partitie)"""
        return int(self._rijen(sql)[0][0])

    def is_vervangen(self, topic: str, topic_id: str) -> bool:
        """Whether there is progress in a topic of this name, but under other ids alone: it was made anew since."""
        sql = """SELECT countIf(topic_id = {topic_id:String}), count() FROM voortgang WHERE topic = {topic:String}"""
        ((van_deze, van_alle),) = self._rijen(sql, topic=topic, topic_id=topic_id)
        return bool(van_alle) and not van_deze

    def open_runs(self) -> list[tuple[str, UUID, UUID, int, int]]:
        """Runs without a result: leverancier, BatchID, Proceskenmerk, messages in all, and how many are decided."""
        sql = """SELECT leverancier, batch_id, proceskenmerk, totaal, besloten FROM onbeantwoord
                 ORDER BY aangeleverd_op, proceskenmerk"""
        return [(rij[0], rij[1], rij[2], rij[3], rij[4]) for rij in self._rijen(sql)]

    def afgeronde_runs_zonder_resultaat(self, limit: int) -> list[Kader]:
        """Frames of runs of which every message is decided and that have no result yet, the oldest first."""
        sql = f"""SELECT {KADER} FROM onbeantwoord WHERE besloten = totaal
                  ORDER BY aangeleverd_op, proceskenmerk LIMIT {{limit:UInt32}}"""
        return [Kader(*rij) for rij in self._rijen(sql, limit=limit)]

    def onbesloten_runs(self, tot: int, na: tuple[int, UUID], limit: int) -> list[Kader]:
        """Frames of runs with a message without decision, delivered until `tot` (milliseconds), the oldest first.

        `na`: aangeleverd_op and Proceskenmerk of the run after which to go on.
        """
        sql = f"""SELECT {KADER} FROM onbeantwoord
                  WHERE besloten < totaal AND aangeleverd_op <= fromUnixTimestamp64Milli({{tot:Int64}}, 'UTC')
                      AND (aangeleverd_op, proceskenmerk)
                          > (fromUnixTimestamp64Milli({{na_op:Int64}}, 'UTC'), {{na_run:UUID}})
                  ORDER BY aangeleverd_op, proceskenmerk LIMIT {{limit:UInt32}}"""
        return [Kader(*rij) for rij in self._rijen(sql, tot=tot, na_op=na[0], na_run=str(na[1]), limit=limit)]

    def offsets_van(self, kaders: Sequence[Kader]) -> dict[UUID, int]:
        """Where these runs stand in topic `batch`: the offset, in a partition that the rows do not tell.

        Left out is a run whose row was torn from it in a failed insert; it comes.
        """
        rijen = self._per_run("SELECT proceskenmerk, max(volgorde) FROM runs", kaders)
        return {rij[0]: rij[1] for rij in rijen}

    def besloten_nummers(self, kaders: Sequence[Kader]) -> dict[UUID, set[int]]:
        """The numbers of these runs that have a decision; runs without any are left out."""
        rijen = self._per_run("SELECT proceskenmerk, groupUniqArray(nummer) FROM uitkomsten", kaders)
        return {run: set(nummers) for run, nummers in rijen}

    def _per_run(self, selectie: str, kaders: Sequence[Kader]) -> Iterator[Sequence[Any]]:
        """A row for each of these runs, of a table with their keys."""
        for deel in stukken(kaders, RUNS_PER_VRAAG):
            yield from self._rijen(f"{selectie} WHERE {VAN_RUNS} GROUP BY proceskenmerk", **_sleutels(deel))

    def resultaten_van(self, kaders: Sequence[Kader]) -> list[Resultaat]:
        """The results of these runs, in the order given: a function of their rows alone.

        Raises NietAfgerond when a message of one of them has no decision.
        """
        uitkomsten: dict[UUID, list[Sequence[Any]]] = {}
        for deel in stukken(kaders, RUNS_PER_VRAAG):
            rijen = self._rijen(
                f"""
                SELECT proceskenmerk, nummer, bericht_id, berichttype, code, stadium,
                    toUnixTimestamp64Milli(verwerkt_op)
                FROM uitkomsten FINAL
                WHERE {VAN_RUNS}
                ORDER BY proceskenmerk, nummer
                """,
                **_sleutels(deel),
            )
            uitkomsten |= {run: list(groep) for run, groep in groupby(rijen, itemgetter(0))}
        return [_resultaat(kader, uitkomsten.get(kader.proceskenmerk, [])) for kader in kaders]

    def uitkomsten_van(self, kader: Kader) -> Resultaat:
        """The result of one run; for many, `resultaten_van` costs less. Raises NietAfgerond."""
        return self.resultaten_van([kader])[0]

    def vergeet_beantwoorde_runs(self) -> bool:
        """Takes answered runs from the work list of open ones. Left undone, answers stay right and questions grow slow.

        A result never goes away, so that replicas which carry this out at different moments agree. See `_vergeet`.
        """
        return self._vergeet(
            "open_runs",
            """(leverancier, batch_id, proceskenmerk) IN
            (
                SELECT leverancier, batch_id, proceskenmerk FROM resultaten
                WHERE (leverancier, batch_id, proceskenmerk) IN
                    (SELECT leverancier, batch_id, proceskenmerk FROM open_runs)
            )""",
        )

    def _vergeet(self, tabel: str, waar: str, **parameters: object) -> bool:
        """Takes rows from a work list. False: that is for ClickHouse to finish, now or when it can, and so that they do
        not pile up nothing more was asked when something was still to be finished."""
        if self._vergeet_nog(tabel):
            return False
        with vertaal_fouten():
            self._client.command(
                f"DELETE FROM {tabel} WHERE {waar}",
                parameters=parameters,
                settings={"allow_nondeterministic_mutations": 1, "lightweight_deletes_sync": 0},
            )
        genoeg = time.monotonic() + VERGEET_S
        while self._vergeet_nog(tabel):
            if time.monotonic() >= genoeg:
                return False
            time.sleep(_KIJK_S)
        return True

    def _vergeet_nog(self, tabel: str) -> bool:
        sql = """SELECT 1 FROM system.mutations
                 WHERE database = currentDatabase() AND table = {tabel:String} AND NOT is_done LIMIT 1"""
        return bool(self._rijen(sql, tabel=tabel))

    def _rijen(self, sql: str, tabel: ExternalData | None = None, /, **parameters: object) -> Sequence[Sequence[Any]]:
        with vertaal_fouten():
            return self._client.query(sql, parameters=parameters, external_data=tabel).result_rows


def _resultaat(kader: Kader, rijen: Sequence[Sequence[Any]]) -> Resultaat:
    """The result of a run, from its rows in order of number."""
    if len(rijen) != kader.totaal:
        raise NietAfgerond(f"run {kader.proceskenmerk} has {len(rijen)} decisions on {kader.totaal} messages")
    return Resultaat(
        kader=kader,
        verwerkt_op=max(rij[6] for rij in rijen),
        nummers=[rij[1] for rij in rijen],
        bericht_ids=b"".join(rij[2].bytes for rij in rijen),
        berichttypes=[rij[3] for rij in rijen],
        codes=[Verwerkingscode(rij[4]) for rij in rijen],
        stadia=[Stadium(rij[5]) for rij in rijen],
    )


def _sleutels(kaders: Sequence[Kader]) -> dict[str, object]:
    """The parameters of `VAN_RUNS`."""
    return {
        "leveranciers": [kader.leverancier for kader in kaders],
        "batch_ids": [str(kader.batch_id) for kader in kaders],
        "proceskenmerken": [str(kader.proceskenmerk) for kader in kaders],
    }


def _identiteiten(ids: bytes, run: UUID) -> set[bytes]:
    """What messages are known by: their BerichtIDs, and their run when one could not be read."""
    gevonden = {ids[i : i + GUID_BYTES] for i in range(0, len(ids), GUID_BYTES)}
    if NUL_GUID.bytes in gevonden:
        gevonden.remove(NUL_GUID.bytes)
        gevonden.add(run.bytes)
    return gevonden


def extern(naam: str, kolommen: str, rijen: Iterable[bytes]) -> ExternalData:
    """A table that goes with a question, of rows in ClickHouse's own bytes: what they take to write is next to nothing,
    and a parameter cannot hold more than some thousands."""
    return ExternalData(file_name=naam, data=b"".join(rijen), fmt="RowBinary", structure=kolommen)


def stukken(reeks: Sequence[T], lengte: int) -> Iterator[Sequence[T]]:
    """A sequence in pieces of at most so many."""
    return (reeks[begin : begin + lengte] for begin in range(0, len(reeks), lengte))
