"""What the sweep for notifications asks ClickHouse: what is due, and what of that is done.

A question costs what is due and not forgotten yet; neither the history nor what is far ahead is read.
"""
# ruff: noqa: S608 (only constants of this file are put together into SQL; values go as parameters)

import struct
from collections.abc import Collection, Sequence
from uuid import UUID

from domain.notificatie import Plaats, TeNotificeren
from sinks.stroomvragen import GUID, Stroomvragen, extern

BEGIN: Plaats = (0, UUID(int=0), 0)
"""Before every message."""

_VERGEET_PER_KEER = 1_000_000
"""Rows of the work list that one look for done ones takes in: some tens of megabytes of keys."""

_RIJ = struct.Struct("<q16sH")
_PLAATS = "zichtbaar_op, proceskenmerk, nummer"
_TOT = "zichtbaar_op <= fromUnixTimestamp64Milli({tot:Int64}, 'UTC')"


class Notificatievragen(Stroomvragen):
    """Raises DatabaseWeg when asking again later may help. `tot` is the moment up to which something is due."""

    def te_doen(self, tot: int, partities: int) -> dict[int, int]:
        """How many rows of the work list are due, by partition of `notificatie`, which has `partities` of them."""
        sql = f"""SELECT crc % {{partities:UInt32}} AS partitie, count() FROM te_notificeren WHERE {_TOT}
                  GROUP BY partitie"""
        return {rij[0]: rij[1] for rij in self._rijen(sql, tot=tot, partities=partities)}

    def te_notificeren(
        self, van_ons: Collection[int], partities: int, na: Plaats, tot: int, limit: int
    ) -> list[TeNotificeren]:
        """Rows of the work list that are due, for some of the partitions and after a place, in order; done ones are
        among them, and one can be there twice."""
        vanaf, run, nummer = na
        rijen = self._rijen(
            f"""
            SELECT toUnixTimestamp64Milli(zichtbaar_op), proceskenmerk, nummer, batch_id, bericht_id,
                leverancier, berichttype, ontvanger, toUnixTimestamp64Milli(publicatiedatum)
            FROM te_notificeren
            WHERE {_TOT} AND zichtbaar_op >= fromUnixTimestamp64Milli({{vanaf:Int64}}, 'UTC')
                AND ({_PLAATS}) > (fromUnixTimestamp64Milli({{vanaf:Int64}}, 'UTC'), {{run:UUID}}, {{nummer:UInt16}})
                AND crc % {{partities:UInt32}} IN {{van_ons:Array(UInt32)}}
            ORDER BY {_PLAATS} LIMIT {{limit:UInt32}}
            """,
            tot=tot,
            vanaf=vanaf,
            run=str(run),
            nummer=nummer,
            partities=partities,
            van_ons=list(van_ons),
            limit=limit,
        )
        return [TeNotificeren(*rij) for rij in rijen]

    def genotificeerd(self, plaatsen: Sequence[Plaats]) -> set[Plaats]:
        """Which of these have a marker."""
        rijen = self._rijen(
            f"""
            SELECT toUnixTimestamp64Milli(zichtbaar_op), proceskenmerk, nummer FROM genotificeerd
            WHERE ({_PLAATS}) IN
                (SELECT fromUnixTimestamp64Milli(moment, 'UTC'), {GUID.format("run")}, nummer FROM plaatsen)
            """,
            extern(
                "plaatsen",
                "moment Int64, run FixedString(16), nummer UInt16",
                (_RIJ.pack(moment, run.bytes, nummer) for moment, run, nummer in plaatsen),
            ),
        )
        return {(rij[0], rij[1], rij[2]) for rij in rijen}

    def vergeet_genotificeerde(self, tot: int) -> bool:
        """Takes done messages from the work list, the oldest first. Left undone, answers stay right and grow slow.

        See `_vergeet`.
        """
        return self._vergeet(
            "te_notificeren",
            f"""({_PLAATS}) IN
            (
                SELECT {_PLAATS} FROM genotificeerd WHERE ({_PLAATS}) IN
                    (SELECT {_PLAATS} FROM te_notificeren WHERE {_TOT} ORDER BY {_PLAATS} LIMIT {_VERGEET_PER_KEER})
            )""",
            tot=tot,
        )
