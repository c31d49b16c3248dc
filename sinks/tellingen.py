"""Batches that are finished are counted once, so that questions over years of messages read one row for each batch.

Counts only make answers come sooner. One serves while it names every run that ClickHouse has of its batch, which each
question looks after itself; any other batch is counted from its messages when asked. So a count that is missing, late,
or of fewer runs than there are changes no answer. Why one that serves is right for good:

- Decisions are final: a batch of which every message of every run has its decision changes by another run alone, and
  then its count serves no more.
- The rows of a run come in the order of the log, so that of two decisions on a message the first is never the later to
  be seen: whoever sees a decision on every message, sees those that stand.
- It names the runs that were known before its messages were read, and so never one that it does not hold.
- Two who count the same runs make the same row; of two counts of a batch the one with more runs stays
  (ReplacingMergeTree), and it holds those of the other.
"""
# ruff: noqa: S608 (only constants are put together into SQL; values go as parameters)

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID, uuid4

from clickhouse_connect.driver.exceptions import Error as ClickHouseError

from sinks.database import DatabaseWeg, vertaal_fouten
from sinks.stroomvragen import PER_VRAAG, Stroomvragen, stukken

log = logging.getLogger(__name__)

NU = "berichtverwerking_nu"
"""Every batch, counted from its messages now."""
HOOGSTENS = 10 * PER_VRAAG
"""Batches without a count that a question names. With more of them all is counted from the messages."""
_PER_BLIK = 5 * PER_VRAAG
"""Batches that one look for what is to be counted names: a look reads every run, so few looks are the cheapest."""
_PER_TELLING = 100
"""Batches that are counted at a time: at most a hundred thousand messages for each of their runs."""

_MISLUKT = 3
"""Batches of those that may fail by themselves; with more it is ClickHouse that cannot do it now."""

_GETELD = """leverancier, batch_id, aangeleverd_door, proceskenmerk, ontvangen_op, aangeleverd_op, verwerkt_op, totaal,
    verwerkt, waarschuwing, niet_verwerkt, momenten"""
_KOLOMMEN = f"{_GETELD}, in_behandeling, afgerond"

_HOOGSTENS_S = 10
"""Of a question, in seconds: less than a worker may take to stop, which waits for the one that is being asked."""
_BEGRENSD = f" SETTINGS max_execution_time = {_HOOGSTENS_S}"

Batchsleutel = tuple[str, UUID]
"""A leverancier and a BatchID."""
Plek = tuple[int, UUID, str]
"""A place in the list of batches to be counted: first delivery in milliseconds, BatchID, leverancier."""
BEGIN: Plek = (-(2**53), UUID(int=0), "")

_ENKEL, _HERHAALD = "tellingen_enkel", "tellingen_herhaald"

_ZONDER_RESULTAAT = """SELECT leverancier, batch_id FROM open_runs
    WHERE (leverancier, batch_id, proceskenmerk) NOT IN
    (
        SELECT leverancier, batch_id, proceskenmerk FROM resultaten
        WHERE (leverancier, batch_id, proceskenmerk) IN (SELECT leverancier, batch_id, proceskenmerk FROM open_runs)
    )"""


class Tellingen(Stroomvragen):
    """Counting, and where to find what is counted. Every method raises DatabaseWeg."""

    def tel_batches(self, na: Plek = BEGIN, genoeg: Callable[[], bool] = lambda: False) -> Plek | None:
        """Counts batches of which every run is answered and decided, at most _PER_BLIK, those that came first first.

        Returns after which to go on; None: there were no more. What cannot be counted, yet or at all, holds up no
        other. `genoeg` is asked between two questions: once it says so no more are put.
        """
        sql = f"""{_ongeteld()}
                AND (leverancier, batch_id) NOT IN ({_ZONDER_RESULTAAT})
                AND (eerste_op, batch_id, leverancier) > ({{na_op:Int64}}, {{na_batch:UUID}}, {{na_leverancier:String}})
            ORDER BY eerste_op, batch_id, leverancier LIMIT {{limit:UInt64}}{_BEGRENSD}"""
        plek = {"na_op": na[0], "na_batch": str(na[1]), "na_leverancier": na[2]}
        batches = [_Ongeteld(*rij) for rij in self._rijen(sql, limit=_PER_BLIK, **plek)]
        for deel in stukken(batches, _PER_TELLING):
            if not genoeg():
                self._tel_of_meld(deel, genoeg)
        if genoeg() or len(batches) < _PER_BLIK:
            return None
        laatste = batches[-1]
        return laatste.eerste_op, laatste.batch_id, laatste.leverancier

    def _tel_of_meld(self, batches: Sequence["_Ongeteld"], genoeg: Callable[[], bool]) -> None:
        """Counts these; where that fails one by one, past some that fail by themselves. Raises when more do."""
        try:
            self._tel_deel(batches)
            return
        except (DatabaseWeg, ClickHouseError) as fout:
            log.warning("counting %d batches one by one: %s", len(batches), fout)
        mislukt = 0
        for een in batches:
            if genoeg():
                return
            try:
                self._tel_deel([een])
            except (DatabaseWeg, ClickHouseError) as fout:
                mislukt += 1
                if mislukt > _MISLUKT:
                    raise
                log.warning("batch %s is not counted now: %s", een.batch_id, fout)

    def _tel_deel(self, batches: Sequence["_Ongeteld"]) -> None:
        telbaar = self._telbaar(batches)
        self._tel(_ENKEL, "[proceskenmerk]", "aantal_runs = 1", [een for een in telbaar if een.runs == 1])
        for aantal in sorted({een.runs for een in telbaar} - {1}):
            zoveel = [een for een in telbaar if een.runs == aantal]
            self._tel(_HERHAALD, "runs", f"length(runs) = {aantal}", zoveel)

    def _telbaar(self, batches: Sequence["_Ongeteld"]) -> list["_Ongeteld"]:
        """Those of these that may be counted when what is shown of them is decided."""
        alle, parameters = van_batches([een.sleutel for een in batches])
        # A count of a run that is gone, or not there yet: no other count may stand beside it.
        vreemd = f"""SELECT DISTINCT leverancier, batch_id FROM tellingen ARRAY JOIN runs AS run WHERE {alle}
            AND run NOT IN (SELECT proceskenmerk FROM eerste_runs WHERE {alle})"""
        niet = {(rij[0], rij[1]) for rij in self._rijen(vreemd + _BEGRENSD, **parameters)}
        if herhaald := [een.sleutel for een in batches if een.runs > 1]:
            # Asked before they are counted: an earlier run can have messages on their way that are not shown.
            deze, parameters = van_batches(herhaald)
            open_ = f"SELECT leverancier, batch_id FROM berichtverwerking_per_run WHERE {deze} AND NOT afgerond"
            niet |= {(rij[0], rij[1]) for rij in self._rijen(open_ + _BEGRENSD, **parameters)}
        return [een for een in batches if een.sleutel not in niet]

    def _tel(self, bron: str, runs: str, nog_zo: str, batches: Sequence["_Ongeteld"]) -> None:
        """Counts these batches as far as they are decided, and have no more runs than when they were found."""
        if not batches:
            return
        waar, parameters = _nu(bron, batches)
        sql = f"SELECT {_GETELD}, {runs} AS runs FROM {bron} WHERE {waar} AND afgerond AND {nog_zo}"
        with vertaal_fouten():
            geteld = self._client.raw_query(
                sql, parameters=parameters, settings={"max_execution_time": _HOOGSTENS_S}, fmt="Native"
            )
            if geteld:
                kolommen = [*_GETELD.replace(",", " ").split(), "runs"]
                # What was deleted may be counted again, which replicas would take for a repetition.
                steeds_nieuw = {"insert_deduplication_token": str(uuid4())}
                self._client.raw_insert("tellingen", kolommen, geteld, settings=steeds_nieuw, fmt="Native")

    def geteld(self, voorwaarden: Sequence[str], parameters: Mapping[str, object]) -> tuple[str, dict[str, object]]:
        """Where batches stand counted, as view `berichtverwerking_nu` has them, and its parameters with those given.

        `voorwaarden`: on leverancier and batch_id, for which alone it must be right. In two steps, since the engine
        takes longer to plan the view than to count: what has no count in the first is counted from its messages in the
        second, and what has one in the first has one in the second.
        """
        sql = _ongeteld(voorwaarden, weinig="batch" in parameters)
        rijen = self._rijen(f"{sql} LIMIT {HOOGSTENS + 1}", **parameters)
        if len(rijen) > HOOGSTENS:
            return NU, dict(parameters)
        ongeteld = [_Ongeteld(*rij) for rij in rijen]
        delen, zonder, alle = [], ["true"], dict(parameters)
        for bron, batches in (
            (_ENKEL, [een for een in ongeteld if een.runs == 1]),
            (_HERHAALD, [een for een in ongeteld if een.runs > 1]),
        ):
            if batches:
                waar, gegeven = _nu(bron, batches)
                delen.append(f"SELECT {_KOLOMMEN} FROM {bron} WHERE {waar}")
                zonder.append(f"NOT ({van_batches([een.sleutel for een in batches], bron)[0]})")
                alle |= gegeven
        if not delen:
            return "tellingen FINAL", alle
        delen.append(f"SELECT {_KOLOMMEN} FROM tellingen FINAL WHERE {' AND '.join(zonder)}")
        return f"({' UNION ALL '.join(delen)})", alle


def al_geteld(voorwaarden: Sequence[str]) -> str:
    """Where one batch stands when it has a count that serves, by these conditions on its leverancier and batch_id.

    In one step, which is twice as quick as two. Nothing stands there when `Tellingen.geteld` must say more: no count
    serves, the batch is not known, or several leveranciers have it.
    """
    waar = " AND ".join(voorwaarden)
    bekend = f"SELECT groupArray(proceskenmerk) FROM eerste_runs WHERE {waar}"  # the engine asks it before all else
    return f"(SELECT {_KOLOMMEN} FROM tellingen FINAL WHERE {waar} AND hasAll(runs, ({bekend})))"


class _Ongeteld(NamedTuple):
    """A batch that no count serves."""

    leverancier: str
    batch_id: UUID
    runs: int
    """How many are known of it."""
    eerste_op: int
    laatste_op: int
    """When the first and the last of them were at the door, in milliseconds."""

    @property
    def sleutel(self) -> Batchsleutel:
        """What it is known by."""
        return self.leverancier, self.batch_id


def _ongeteld(voorwaarden: Sequence[str] = (), weinig: bool = False) -> str:
    """Batches with a run that no count names, as `_Ongeteld`: of those that fulfil these conditions on leverancier and
    batch_id. What is put behind it is part of its HAVING."""
    waar = " AND ".join(["true", *voorwaarden])
    geteld = f"SELECT arrayJoin(runs) FROM tellingen WHERE {waar}"  # those of a batch are all within the one that stays
    if weinig:
        having = f"countIf(proceskenmerk NOT IN ({geteld})) > 0"
    else:
        # Run by run, which is quicker over many; `identity` keeps the engine from looking them up in the table's index.
        having = "true"
        nieuw = (
            f"SELECT leverancier, batch_id FROM eerste_runs WHERE {waar} AND identity(proceskenmerk) NOT IN ({geteld})"
        )
        waar += f" AND (leverancier, batch_id) IN ({nieuw})"
    return f"""
        SELECT leverancier, batch_id, uniqExact(proceskenmerk),
            toUnixTimestamp64Milli(min(aangeleverd_op)) AS eerste_op, toUnixTimestamp64Milli(max(aangeleverd_op))
        FROM eerste_runs WHERE {waar}
        GROUP BY leverancier, batch_id HAVING {having}"""


def van_batches(batches: Sequence[Batchsleutel], naam: str = "van") -> tuple[str, dict[str, object]]:
    """A condition that holds for the rows of these batches, and its parameters, whose names begin with `naam`."""
    parameters: dict[str, object] = {}
    leveranciers, batch_ids = [], []
    for nummer, deel in enumerate(stukken(batches, PER_VRAAG)):
        een, ander = f"{naam}_leveranciers_{nummer}", f"{naam}_batch_ids_{nummer}"
        parameters |= {een: [leverancier for leverancier, _ in deel], ander: [str(batch_id) for _, batch_id in deel]}
        leveranciers.append(f"{{{een}:Array(String)}}")
        batch_ids.append(f"{{{ander}:Array(UUID)}}")
    zip_ = f"arrayZip(arrayConcat({', '.join(leveranciers)}), arrayConcat({', '.join(batch_ids)}))"
    return f"(leverancier, batch_id) IN (SELECT arrayJoin({zip_}))", parameters


def _nu(bron: str, batches: Sequence[_Ongeteld]) -> tuple[str, dict[str, object]]:
    """Which rows of a view are these batches, and its parameters."""
    waar, parameters = van_batches([een.sleutel for een in batches], bron)
    if bron == _ENKEL:  # of one run there is one moment: weeks without any of them are not read
        waar += """ AND aangeleverd_op >= fromUnixTimestamp64Milli({eerste_op:Int64}, 'UTC')
            AND aangeleverd_op <= fromUnixTimestamp64Milli({laatste_op:Int64}, 'UTC')"""
        parameters |= {
            "eerste_op": min(een.eerste_op for een in batches),
            "laatste_op": max(een.laatste_op for een in batches),
        }
    return waar, parameters


def binnen(voorwaarden: Sequence[str]) -> str:
    """How many messages of a batch were decided at moments for which these hold; without any, how many at all."""
    if not voorwaarden:
        return "verwerkt + niet_verwerkt AS aantal, verwerkt, waarschuwing"
    som = "arraySum((moment, aantal) -> if({}, aantal, 0), momenten.verwerkt_op, momenten.{}) AS {}"
    return ", ".join(som.format(" AND ".join(voorwaarden), een, een) for een in ("aantal", "verwerkt", "waarschuwing"))
