"""What the processing log holds on one person: the database's side of `berichtenstroom logboek`."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from clickhouse_connect.driver.client import Client

from sinks.database import vertaal_fouten

_ALTIJD = 9_000_000_000_000
"""Milliseconds since 1970 that no line reaches."""


@dataclass(frozen=True, slots=True)
class Logregel:
    """A line of the view `logboek`; times in milliseconds since 1970."""

    trace_id: str
    operation_id: str
    status_code: str
    name: str
    start_time: int
    end_time: int
    processing_activity_id: str
    data_subject_id: str
    data_subject_id_type: str
    leverancier: str
    batch_id: UUID
    proceskenmerk: UUID
    nummer: int
    code: str


def logregels_van(client: Client, zoeksleutels: Collection[bytes], van: int | None, tot: int | None) -> list[Logregel]:
    """The lines on who is found by these digests, the oldest first; van <= end_time < tot. Raises DatabaseWeg."""
    with vertaal_fouten():
        rijen = client.query(
            _VAN_PERSOON,
            parameters={
                "sleutels": [sleutel.hex() for sleutel in zoeksleutels],
                "van": -_ALTIJD if van is None else van,
                "tot": _ALTIJD if tot is None else tot,
            },
        ).result_rows
    return [Logregel(*rij) for rij in rijen]


_VAN_PERSOON = """
    WITH arrayMap(sleutel -> toFixedString(unhex(sleutel), 16), {sleutels:Array(String)}) AS gezocht
    SELECT
        trace_id, operation_id, toString(status_code), name, toUnixTimestamp64Milli(start_time),
        toUnixTimestamp64Milli(end_time), `dpl.core.processing_activity_id`, `dpl.core.data_subject_id`,
        `dpl.core.data_subject_id_type`, leverancier, batch_id, proceskenmerk, nummer, code
    FROM logboek
    WHERE proceskenmerk IN (SELECT proceskenmerk FROM logboekregels WHERE hasAny(zoeksleutels, gezocht))
        AND has(gezocht, zoeksleutel)
        AND toUnixTimestamp64Milli(end_time) >= {van:Int64} AND toUnixTimestamp64Milli(end_time) < {tot:Int64}
    ORDER BY end_time, trace_id, nummer
"""
