"""The verdicts that are kept in ClickHouse, by the SHA-256 of the PDF (table `oordelen`)."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from clickhouse_connect.driver.client import Client

from domain.bijlage import REGELVERSIE, Waarschuwing
from sinks.database import vertaal_fouten

PER_VRAAG = 1000
"""Verdicts that one question asks for; as a parameter they stay below the 128 KiB that ClickHouse takes."""

Oordeel = tuple[Waarschuwing, ...]
"""All that is wrong with a PDF, in the order of Waarschuwing; empty: nothing."""


class Oordelen:
    """Verdicts by the rules of this version, over one client, of `maak_client`; threads may share it.

    Every method raises DatabaseWeg when asking again later may help.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def zoek(self, gevraagd: Collection[bytes]) -> dict[bytes, Oordeel]:
        """The verdicts that are there, in one question for every thousand. Each earliest one stands."""
        gevonden: dict[bytes, Oordeel] = {}
        sleutels = sorted(gevraagd)
        for begin in range(0, len(sleutels), PER_VRAAG):
            with vertaal_fouten():
                rijen = self._client.query(
                    """
                    SELECT sha256, argMax(waarschuwingen, voorrang) FROM oordelen
                    WHERE regelversie = {regelversie:UInt16}
                        AND sha256 IN (SELECT toFixedString(unhex(arrayJoin({sleutels:Array(String)})), 32))
                    GROUP BY sha256
                    """,
                    parameters={
                        "regelversie": REGELVERSIE,
                        "sleutels": [sleutel.hex() for sleutel in sleutels[begin : begin + PER_VRAAG]],
                    },
                ).result_rows
            gevonden |= {bytes(sha256): tuple(map(Waarschuwing, codes)) for sha256, codes in rijen}
        return gevonden

    def bewaar(self, oordelen: Mapping[bytes, Oordeel], gekeurd_op: datetime | None = None) -> None:
        """Stores verdicts in one insert; returns when they are stored. Repeating it changes nothing that is found."""
        moment = gekeurd_op or datetime.now(UTC)
        with vertaal_fouten():
            self._client.insert(
                "oordelen",
                [[sha256, REGELVERSIE, list(oordeel), moment] for sha256, oordeel in oordelen.items()],
                column_names=("sha256", "regelversie", "waarschuwingen", "gekeurd_op"),
            )
