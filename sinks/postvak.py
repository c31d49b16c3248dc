"""What is in a citizen's Berichtenbox, by pseudonym: the database's side of `inzage`."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from clickhouse_connect.driver.client import Client

from sinks.database import vertaal_fouten
from sinks.stroomvragen import PER_VRAAG


@dataclass(frozen=True, slots=True, order=True)
class GeplaatstBericht:
    """A message that a citizen can see."""

    leverancier: str
    berichttype: str
    bericht_id: UUID


class Postvak:
    """Questions over one client, of `maak_client`. Every method raises DatabaseWeg when asking again may help."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def berichten_van(
        self, ontvangers: Collection[str], soorten: Collection[tuple[str, str]], nu: int
    ) -> list[GeplaatstBericht]:
        """The placed messages of these pseudonyms, of these (leverancier, berichttype), that are published at `nu`.

        Each once, in order. Only the decision that stands counts, so rows of `postvak` say where to look, no more. The
        cost follows the post of these pseudonyms, and the days on which it was delivered.
        """
        gevonden: set[GeplaatstBericht] = set()
        gevraagd = sorted(set(soorten))
        for begin in range(0, len(gevraagd) if ontvangers else 0, PER_VRAAG):
            deel = gevraagd[begin : begin + PER_VRAAG]
            with vertaal_fouten():
                rijen = self._client.query(
                    _BERICHTEN_VAN,
                    parameters={
                        "ontvangers": sorted(ontvangers),
                        "leveranciers": [leverancier for leverancier, _ in deel],
                        "berichttypes": [berichttype for _, berichttype in deel],
                        "nu": nu,
                    },
                ).result_rows
            gevonden.update(GeplaatstBericht(*rij) for rij in rijen)
        return sorted(gevonden)


_BERICHTEN_VAN = """
    WITH gezien AS
    (
        SELECT leverancier, batch_id, proceskenmerk, nummer, aangeleverd_op
        FROM postvak
        WHERE ontvanger IN {ontvangers:Array(String)}
            AND (leverancier, berichttype) IN
                (SELECT arrayJoin(arrayZip({leveranciers:Array(String)}, {berichttypes:Array(String)})))
            AND publicatiedatum <= fromUnixTimestamp64Milli({nu:Int64}, 'UTC')
    )
    SELECT leverancier, berichttype, bericht_id
    FROM uitkomsten FINAL
    WHERE (leverancier, batch_id, proceskenmerk, nummer) IN
            (SELECT leverancier, batch_id, proceskenmerk, nummer FROM gezien)
        AND aangeleverd_op IN (SELECT aangeleverd_op FROM gezien)
        AND code = 'Verwerkt'
"""
