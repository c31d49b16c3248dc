"""How long ClickHouse keeps what (Domain: StoreMessage, 'Retention of both is a setting').

Two ways, since rows are of two kinds:

- a row that says something by itself goes by a TTL of its table, which the engine enforces: `zet_termijnen`;
- the rows of a batch go together, a while after its last delivery, so that a resend never turns green into red while it
  can be seen (Domain: Resends): `wis_batches`. A batch with a message on its way stays.

`bekend` never loses a row: BerichtBestaatAl holds for a BerichtID 'from another run' however long ago that was. Neither
do `voortgang` and `migraties`, or the work lists, which tidy up by themselves.
"""
# ruff: noqa: S608 (names of this file and quoted keys are put together into SQL)

import re
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from clickhouse_connect.driver.client import Client

from domain.tijd import DAG_MS
from sinks.database import vertaal_fouten
from streams.settings import Instellingen

_TTL_OVER = {
    "logboekregels": "verwerkt_op",
    "oordelen": "gekeurd_op",
    "wijzigingen": "op",
}
"""The column from which the term of a table counts. 1970 stands for 'not known' and never expires."""

_VAN_BATCH = {
    # What hides the others comes first: without its run a message is not shown, and without its outcome a run is open.
    # A count stands in the place of them all.
    "tellingen": "aangeleverd_op",
    "eerste_runs": "aangeleverd_op",
    "runs": "aangeleverd_op",
    "uitkomsten": "aangeleverd_op",
    "postvak": "aangeleverd_op",
    "resultaten": "verwerkt_op",
}
"""The tables with rows of a batch, and the moment from which each row's term counts."""

_MAX_VRAAG_BYTES = 16 * 1024 * 1024
_RUNS_PER_VRAAG = 1000


def termijnen(instellingen: Instellingen) -> dict[str, int]:
    """The days that a table keeps its rows; 0: for ever."""
    return {
        "logboekregels": instellingen.bewaar_logboek_dagen,
        "oordelen": instellingen.bewaar_oordelen_dagen,
        "wijzigingen": instellingen.bewaar_wijzigingen_dagen,
    }


def zet_termijnen(client: Client, database: str, dagen: Mapping[str, int]) -> list[str]:
    """Gives each table its TTL where it has another, and says what was changed, one line a table.

    Rows that are past a new term go with the next merges, not at once. Doing it again changes nothing. Raises
    DatabaseWeg.
    """
    with vertaal_fouten():
        gevonden = client.query(
            "SELECT name, create_table_query FROM system.tables WHERE database = {database:String}",
            parameters={"database": database},
        )
        nu = {naam: _dagen(opdracht) for naam, opdracht in gevonden.result_rows}
        gedaan = []
        for tabel, kolom in _TTL_OVER.items():
            if nu[tabel] == dagen[tabel]:
                continue
            wat = (
                f"MODIFY TTL toDateTime({kolom}) + toIntervalDay({dagen[tabel]}) DELETE WHERE {kolom} > toDateTime(0)"
                if dagen[tabel]
                else "REMOVE TTL"
            )
            client.command(
                f"ALTER TABLE `{database}`.{tabel} {wat}",
                settings={"materialize_ttl_after_modify": 0, "alter_sync": 1},
            )
            gedaan.append(f"{tabel}: kept {_termijn(dagen[tabel])}, was {_termijn(nu[tabel])}")
    return gedaan


def _dagen(opdracht: str) -> int:
    gevonden = re.search(r"\bTTL toDateTime\(\w+\) \+ toIntervalDay\((\d+)\)", opdracht)
    return int(gevonden[1]) if gevonden else 0


def _termijn(dagen: int) -> str:
    return f"{dagen} days" if dagen else "for ever"


def wis_batches(client: Client, grens: int) -> dict[str, int]:
    """Deletes the rows of batches that were last delivered before `grens` (milliseconds) and have no message on its
    way. Returns how many of each table. The grens is taken down to the day, so that this does work once a day.

    Returns when the rows are gone. It may be broken off, and done again. Raises DatabaseWeg.
    """
    voor = grens - grens % DAG_MS
    with vertaal_fouten():
        blijven = client.query(
            """
            SELECT leverancier, batch_id FROM eerste_runs GROUP BY leverancier, batch_id
            HAVING min(aangeleverd_op) < fromUnixTimestamp64Milli({voor:Int64}, 'UTC')
                AND max(aangeleverd_op) >= fromUnixTimestamp64Milli({voor:Int64}, 'UTC')
            UNION DISTINCT
            SELECT leverancier, batch_id FROM onbeantwoord
            WHERE aangeleverd_op < fromUnixTimestamp64Milli({voor:Int64}, 'UTC')
            """,
            parameters={"voor": voor},
        ).result_rows
        gewist = dict.fromkeys(_VAN_BATCH, 0)
        # Once more at the end: a batch that was just being counted was so while its run was still there.
        for tabel, kolom in [*_VAN_BATCH.items(), ("tellingen", _VAN_BATCH["tellingen"])]:
            waar = f"{kolom} < fromUnixTimestamp64Milli({voor}, 'UTC'){_behalve(blijven)}"
            ruim = {"max_query_size": _MAX_VRAAG_BYTES}
            ((aantal,),) = client.query(f"SELECT count() FROM {tabel} WHERE {waar}", settings=ruim).result_rows
            if aantal:
                client.command(f"ALTER TABLE {tabel} DELETE WHERE {waar}", settings=ruim | {"mutations_sync": 2})
            gewist[tabel] += aantal
    return gewist


def _behalve(batches: Sequence[Sequence[object]]) -> str:
    """A mutation is carried out by each replica in its own time: what it spares is written out, not looked up."""
    if not batches:
        return ""
    sleutels = ", ".join(f"({_tekst(str(leverancier))}, {_tekst(str(batch_id))})" for leverancier, batch_id in batches)
    return f" AND (leverancier, batch_id) NOT IN ({sleutels})"


def _tekst(waarde: str) -> str:
    return "'" + waarde.replace("\\", "\\\\").replace("'", "\\'") + "'"


def bewaarde_runs(client: Client, runs: Collection[UUID]) -> set[UUID]:
    """Those of these runs of which ClickHouse still shows anything. Raises DatabaseWeg."""
    gevraagd = [str(run) for run in runs]
    gevonden: set[UUID] = set()
    with vertaal_fouten():
        for begin in range(0, len(gevraagd), _RUNS_PER_VRAAG):
            rijen = client.query(
                "SELECT DISTINCT proceskenmerk FROM eerste_runs WHERE proceskenmerk IN {runs:Array(UUID)}",
                parameters={"runs": gevraagd[begin : begin + _RUNS_PER_VRAAG]},
            ).result_rows
            gevonden.update(rij[0] for rij in rijen)
    return gevonden
